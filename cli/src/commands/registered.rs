//! Registered sources: finding one by name or URL, and entering a new one.
//!
//! The keyring learns of a source before the catalog does, so no snapshot is ever taken whose ids nobody could read.

use std::path::Path;

use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::SourceId;

use crate::app::App;
use crate::failure::{Attempt as _, Failure};
use crate::passphrase::first_line_of_file;
use crate::room::Room;
use crate::room::catalog::{Catalog, RegisteredSource, SourceFacts, SourceSecrets};
use crate::{profiles, sources};

/// Names are parts of selectors and must not look like anything else.
const NAME_CHARS_MAX: usize = 100;

/// A source to be registered.
pub(super) struct NewSource<'a> {
    /// Its name; one is derived from the URL where there is none.
    pub(super) name: Option<&'a str>,
    /// Its URL.
    pub(super) url: &'a str,
    /// A file that holds its password.
    pub(super) password_file: Option<&'a Path>,
    /// Its profile, as command lines name it.
    pub(super) profile: &'a str,
}

/// The source with a name.
pub(super) fn named(room: &Room, name: &str) -> Result<RegisteredSource, Failure> {
    let catalog = room.catalog()?;
    if let Some(source) = catalog.source(name)? {
        return Ok(source);
    }
    let known: Vec<String> = catalog.sources()?.into_keys().collect();
    let failure = Failure::new(Code::NotFound, format!("there is no source {name}"));
    Err(if known.is_empty() {
        failure.advise("Register it first: strongroom source add NAME URL")
    } else {
        failure.advise(format!("The sources are: {}.", known.join(", ")))
    })
}

/// The source with a name or URL; a new URL is registered.
pub(super) fn named_or_new(
    room: &Room,
    app: &App,
    text: &str,
    password_file: Option<&Path>,
) -> Result<RegisteredSource, Failure> {
    if !sources::is_url(text) {
        return named(room, text);
    }
    if let Some(known) = room.catalog()?.source_at(&sources::absolute(text)?)? {
        return Ok(known);
    }
    let source = register(room, app, &NewSource { name: None, url: text, password_file, profile: profiles::AUTO })?;
    app.output.say(format!("Registered {} as {}.", source.facts.url, source.name));
    Ok(source)
}

/// Registers a source.
pub(super) fn register(room: &Room, app: &App, new: &NewSource<'_>) -> Result<RegisteredSource, Failure> {
    let url = sources::absolute(new.url)?;
    let profile = profiles::remembered(new.profile)?;
    let password = new.password_file.map(first_line_of_file).transpose()?;
    // Refuses what can't be a URL of the engine, before anything is written down.
    sources::source(&url, password.as_ref().map(|text| text.as_str()), &app.clock)?;
    let catalog = room.catalog()?;
    let name = match new.name {
        Some(name) => free_name(&catalog, name)?,
        None => derived_name(&catalog, &url)?,
    };
    let id = SourceId(random_array(app.entropy.as_ref()).attempt(|| "can't make an id for the source")?);
    let source = RegisteredSource {
        name,
        facts: SourceFacts { id, url: sources::shown(&url), profile, added: app.clock.wall() },
        secrets: SourceSecrets::generate(&url, password, app.entropy.as_ref())?,
    };
    enter_into_keyring(room, app, &source)?;
    catalog.add(&source, app.entropy.as_ref())?;
    Ok(source)
}

/// Makes sure that the depot's keyring has the source's id key, sealed, and knows who signs.
///
/// The caller has the catalog open, so that no other run changes the keyring meanwhile.
fn enter_into_keyring(room: &Room, app: &App, source: &RegisteredSource) -> Result<(), Failure> {
    let what = || format!("can't enter {} into the keyring", source.name);
    let keyring = room.depot().read_keyring().attempt(what)?;
    let mut keyring = keyring.ok_or_else(|| Failure::new(Code::Damaged, "the depot has lost its keyring"))?;
    let signer = source.secrets.signer(room.settings().profile)?;
    keyring
        .register_source(source.facts.id, &source.secrets.id_key(), signer.verifying_key(), app.entropy.as_ref())
        .attempt(what)?;
    room.depot().put_keyring(&keyring).attempt(what)
}

fn free_name(catalog: &Catalog, name: &str) -> Result<String, Failure> {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "@:/\\".contains(c);
    if name.is_empty() || name == "latest" || name.chars().any(is_odd) || name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::new(Code::Usage, format!("{name:?} can't be the name of a source"))
            .advise("Choose one without blanks, @, :, / and \\."));
    }
    if catalog.sources()?.contains_key(name) {
        return Err(
            Failure::new(Code::Usage, format!("there is a source {name} already")).advise("Choose another name.")
        );
    }
    Ok(name.to_owned())
}

fn derived_name(catalog: &Catalog, url: &str) -> Result<String, Failure> {
    let taken = catalog.sources()?;
    let base: String = sources::derived_name(url).chars().take(NAME_CHARS_MAX - 10).collect();
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    let free = names.find(|name| !taken.contains_key(name) && name != "latest");
    Ok(free.unwrap_or(base))
}
