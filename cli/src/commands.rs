//! The verbs, one a file.

mod agent;
mod audit;
mod backup;
mod completion;
mod confirm;
mod coordinator;
mod demo;
mod diff;
mod doctor;
mod drift;
mod export;
mod find;
mod init;
mod ls;
mod operator;
mod profile;
mod recovery;
mod registered;
mod rescue;
mod restore;
mod shapes;
mod show;
mod site;
mod snapshots;
mod source;
mod verify;
mod version;

use crate::app::App;
use crate::args::{ProfileVerb, SourceVerb, Verb};
use crate::failure::{Exit, Failure};

/// Runs a verb.
pub(crate) fn run(verb: &Verb, app: &App) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(options) => init::run(options, app),
        Verb::Source(SourceVerb::Add(options)) => source::add(options, app),
        Verb::Source(SourceVerb::Ls) => source::ls(app),
        Verb::Source(SourceVerb::Rm(options)) => source::rm(options, app),
        Verb::Source(SourceVerb::Inspect(options)) => source::inspect(options, app),
        Verb::Profile(ProfileVerb::Ls) => profile::ls(app),
        Verb::Profile(ProfileVerb::Show(options)) => profile::show(options, app),
        Verb::Backup(options) => backup::run(options, app),
        Verb::Snapshots(options) => snapshots::run(options, app),
        Verb::Show(options) => show::run(options, app),
        Verb::Ls(options) => ls::run(options, app),
        Verb::Find(options) => find::run(options, app),
        Verb::Diff(options) => diff::run(options, app),
        Verb::Drift(options) => drift::run(options, app),
        Verb::Restore(options) => restore::run(options, app),
        Verb::Rescue(options) => rescue::run(options, app),
        Verb::Export(options) => export::run(options, app),
        Verb::Verify(options) => verify::run(options, app),
        Verb::Doctor => Ok(doctor::run(app)),
        Verb::Completion(options) => Ok(completion::run(options)),
        Verb::Version => Ok(version::run(app)),
        Verb::Demo(options) => demo::run(options, app),
        Verb::Coordinator(verb) => coordinator::run(verb, app),
        Verb::Agent(verb) => agent::run(verb, app),
        Verb::Operator(verb) => operator::run(verb, app),
        Verb::Audit(verb) => audit::run(verb, app),
        Verb::Site(verb) => site::run(verb, app),
    }
}
