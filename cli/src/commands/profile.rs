//! `profile ls`, `profile show`.

use serde::Serialize;
use strongroom_agent::profile::{known_profiles, parse_profile};
use strongroom_core::profile::Profile;

use crate::app::App;
use crate::args::ProfileShow;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::profiles;
use crate::render::json::Schema;
use crate::render::table::Table;

/// A profile for programs.
#[derive(Serialize)]
struct ProfileDocument<'a> {
    profile: String,
    product: String,
    about: String,
    covers: String,
    rules: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    toml: Option<&'a str>,
}

impl<'a> ProfileDocument<'a> {
    fn new(profile: Profile, toml: Option<&'a str>) -> Self {
        let rules = profile.classes.len();
        Self {
            profile: profile.name,
            product: profile.product,
            about: profile.about,
            covers: profile.covers,
            rules,
            toml,
        }
    }
}

/// Lists the profiles that come with the program.
pub(super) fn ls(app: &App) -> Result<Exit, Failure> {
    let mut table = Table::new(&["name", "product", "covers"]);
    let mut documents = Vec::new();
    for known in known_profiles() {
        let profile = known.parse().attempt(|| format!("the profile {} can't be used", known.name))?;
        table.row([known.name, &profile.product, &profile.covers]);
        documents.push(ProfileDocument::new(profile, None));
    }
    app.output.table(&table);
    app.output.documents(Schema::Profile, &documents);
    Ok(Exit::Done)
}

/// Prints a profile as it can be changed and given as a file.
pub(super) fn show(options: &ProfileShow, app: &App) -> Result<Exit, Failure> {
    let text = profiles::text(&options.profile)?;
    let profile =
        parse_profile(&text, &options.profile).attempt(|| "the profile can't be used").map_err(profiles::correct)?;
    app.output.result(text.trim_end());
    app.output.document(Schema::Profile, &ProfileDocument::new(profile, Some(&text)));
    Ok(Exit::Done)
}
