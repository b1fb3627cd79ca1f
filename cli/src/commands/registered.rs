//! Registered sources: finding one by name or URL, and entering a new one.
//!
//! The keyring learns of a source first, then the agent, then the group: no snapshot is ever taken whose ids nobody could
//! read, and no source is known of which the agent does not know where it is.

use std::collections::BTreeSet;
use std::path::Path;

use strongroom_coordinator::state::query;
use strongroom_coordinator::state::retired::RetireSource;
use strongroom_coordinator::state::runs::RunOutcome;
use strongroom_coordinator::state::runs::commands::FinishRun;
use strongroom_coordinator::state::text::SourceName;
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::SourceId;

use crate::app::App;
use crate::failure::{Attempt as _, Failure};
use crate::passphrase::first_line_of_file;
use crate::room::group::{is_undone, unread};
use crate::room::kept::{RegisteredSource, SourceFacts, SourceSecrets};
use crate::room::{Room, founding, rebuild};
use crate::{profiles, sources};

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

/// A source that the group knows, and what the agent keeps of it, if that can be used.
pub(super) struct Listed {
    /// Its name.
    pub(super) name: String,
    /// Its id.
    pub(super) id: SourceId,
    /// What the agent keeps of it.
    pub(super) kept: Result<RegisteredSource, Failure>,
}

/// All sources, by name.
pub(super) fn all(room: &Room) -> Result<Vec<Listed>, Failure> {
    let group = room.look()?;
    let listed = |(name, (id, _)): (String, (SourceId, _))| {
        let kept = group.kept(&name, id);
        Listed { name, id, kept }
    };
    Ok(group.sources()?.into_iter().map(listed).collect())
}

/// The source with a name.
pub(super) fn named(room: &Room, name: &str) -> Result<RegisteredSource, Failure> {
    listed(room, name)?.kept
}

/// The source with a name, whatever the agent keeps of it.
pub(super) fn listed(room: &Room, name: &str) -> Result<Listed, Failure> {
    let group = room.look()?;
    if let Some(id) = group.source_id(name)? {
        return Ok(Listed { name: name.to_owned(), id, kept: group.kept(name, id) });
    }
    let known: Vec<String> = group.sources()?.into_keys().collect();
    let failure = Failure::new(Code::NotFound, format!("there is no source {name}"));
    Err(if known.is_empty() {
        failure.advise("Register it first: strongroom source add NAME URL")
    } else {
        failure.advise(format!("The sources are: {}.", known.join(", ")))
    })
}

/// Retires a source of which no run is under way: the caller holds its lock, so a run that the group believes in is that
/// of a process which is gone.
pub(super) fn retire(room: &Room, name: &str, id: SourceId) -> Result<(), Failure> {
    let mut group = room.group()?;
    let schedule = query::schedule(group.rows(), &id).attempt(unread)?.unwrap_or_default();
    if let Some(run) = schedule.seen.running {
        let what = || format!("can't call off what is left of a run of {name}");
        group.submit(vec![FinishRun { run, outcome: RunOutcome::Abandoned }.into()], what)?;
    }
    room.set_aside(id)?;
    // Alone: that it is undone is then known of it, and of nothing else.
    let retired =
        group.submit(vec![RetireSource { source: id }.into()], || format!("can't forget the source {name}")).map(drop);
    // Where nothing is known, it stays set aside, and `source rm` is run again.
    if retired.as_ref().is_err_and(is_undone) {
        room.put_back(id)?;
    }
    retired
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
    let (known, broken) = room.look()?.source_at(&sources::absolute(text)?)?;
    if let Some(known) = known {
        return Ok(known);
    }
    for failure in broken {
        app.output.warn(failure.chain().join(": "));
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
    let mut group = room.group()?;
    let taken = group.sources()?.into_keys().collect();
    let name = match new.name {
        Some(name) => free_name(&taken, name)?,
        None => derived_name(&taken, &url)?,
    };
    let id = SourceId(random_array(app.entropy.as_ref()).attempt(|| "can't make an id for the source")?);
    let source = RegisteredSource {
        name: name.to_string(),
        facts: SourceFacts { id, url: sources::shown(&url), profile, added: app.clock.wall() },
        secrets: SourceSecrets::generate(&url, password, app.entropy.as_ref())?,
    };
    enter_into_keyring(room, app, &source)?;
    room.keep(&source)?;
    let engine = sources::Engine::of(&url)?.of_group();
    let signer = source.secrets.signer(room.settings().profile)?;
    let registration = founding::registration(room.settings(), id, name, engine, signer.verifying_key())?;
    group.submit(vec![registration.into()], || format!("can't register the source {}", source.name))?;
    Ok(source)
}

/// Makes sure that the depot's keyring has the source's id key, sealed, and knows who signs.
///
/// The caller has the group open, so that no other run changes the keyring meanwhile.
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

fn free_name(taken: &BTreeSet<String>, name: &str) -> Result<SourceName, Failure> {
    let named = SourceName::new(name).map_err(|_| {
        Failure::new(Code::Usage, format!("{name:?} can't be the name of a source"))
            .advise("Choose one of letters a to z, digits, hyphens, underscores and dots, at most 100 of them.")
    })?;
    if taken.contains(name) {
        return Err(
            Failure::new(Code::Usage, format!("there is a source {name} already")).advise("Choose another name.")
        );
    }
    Ok(named)
}

fn derived_name(taken: &BTreeSet<String>, url: &str) -> Result<SourceName, Failure> {
    free_name(taken, &rebuild::free_name(&sources::derived_name(url), taken))
}
