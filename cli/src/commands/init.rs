//! `init`: makes a room.

use serde::Serialize;
use strongroom_core::contract::Jurisdiction;
use strongroom_core::digest::Profile;
use strongroom_core::error::Code;
use strongroom_core::id::DomainId;

use crate::app::App;
use crate::args::Init;
use crate::failure::{Exit, Failure};
use crate::render::json::Schema;
use crate::room::create::NewRoom;
use crate::room::paths;

#[derive(Serialize)]
struct RoomDocument {
    room: String,
    depot: String,
    site: String,
    jurisdiction: String,
    profile: Profile,
    domain: DomainId,
    key_file: String,
    passphrase: bool,
}

/// Makes a room.
pub(super) fn run(options: &Init, app: &App) -> Result<Exit, Failure> {
    let jurisdiction = jurisdiction(&options.jurisdiction)?;
    let path = app.room_path()?;
    let path = std::path::absolute(&path).unwrap_or(path);
    if path.join(paths::SETTINGS).exists() {
        return Err(Failure::new(Code::RoomExists, format!("there is a room in {} already", path.display())));
    }
    let profile = if options.fips { Profile::Fips } else { Profile::Blake3 };
    let passphrase = app.passphrase.chosen()?;
    let is_protected = passphrase.is_some();
    let new = NewRoom { jurisdiction, profile, depot: options.depot.clone(), passphrase };
    let room = new.create(&path, &app.machine())?;
    let key_file = path.join(paths::KEY_FILE).display().to_string();
    let output = &app.output;
    output.say(format!("Made the room {}.", path.display()));
    output.say(format!(
        "  Packs go to {}, at one site, and may lie in: {}.",
        room.depot_name(),
        room.settings().jurisdiction
    ));
    output.say(format!("  The key that opens them is {key_file}."));
    if is_protected {
        output.say("  It is protected by the passphrase. Without both, nothing can be restored: keep copies apart from the depot.");
    } else {
        output.say("  It has no passphrase: whoever reads the file and the depot reads everything.");
        output.say("  Without it nothing can be restored: keep a copy apart from the depot.");
    }
    output.say("Next: strongroom source add NAME URL");
    output.document(
        Schema::Room,
        &RoomDocument {
            room: path.display().to_string(),
            depot: room.depot_name().to_owned(),
            site: room.settings().site.clone(),
            jurisdiction: room.settings().jurisdiction.clone(),
            profile,
            domain: room.settings().domain,
            key_file,
            passphrase: is_protected,
        },
    );
    Ok(Exit::Done)
}

/// Two letters, or the group `local`.
fn jurisdiction(text: &str) -> Result<String, Failure> {
    let is_country = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_known = |code: &str| code.parse::<Jurisdiction>().is_ok();
    match text.to_ascii_uppercase() {
        _ if text == "local" => Ok(text.to_owned()),
        code if is_country && is_known(&code) => Ok(code),
        _ => Err(Failure::new(Code::Usage, format!("{text} is no jurisdiction"))
            .advise("Give a country's two letters (ISO 3166), or `local`.")),
    }
}
