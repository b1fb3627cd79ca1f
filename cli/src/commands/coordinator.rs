//! `coordinator …`: the parts of a group, and who belongs to it.

mod backup;
mod depot;
mod members;
mod recover;

use serde::Serialize;
use strongroom_coordinator::daemon::notify::Notify;
use strongroom_coordinator::daemon::process::run_verb;
use strongroom_coordinator::daemon::{Machine, Verb};
use strongroom_proto::client::AskError;
use strongroom_proto::operators::v1::change_members_request::Change;
use strongroom_proto::operators::v1::{MemberStatus, RemoveMember};

use crate::app::App;
use crate::args::coordinator::{CoordinatorVerb, Remove, Transfer};
use crate::commands::confirm;
use crate::endpoint::{Endpoint, unanswered};
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::Schema;
use members::Group;
use strongroom_core::error::Code;

/// What was done to a member, for programs.
#[derive(Serialize)]
struct MemberDocument<'a> {
    action: &'static str,
    member: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    /// Whether it was done, and not only shown.
    done: bool,
}

/// Runs a verb.
pub(super) fn run(verb: &CoordinatorVerb, app: &App) -> Result<Exit, Failure> {
    match verb {
        CoordinatorVerb::Daemon(verb) => daemon(verb, app),
        CoordinatorVerb::Members(cluster) => members::list(cluster, app),
        CoordinatorVerb::Transfer(options) => transfer(options, app),
        CoordinatorVerb::Remove(options) => remove(options, app),
        CoordinatorVerb::Backup(options) => backup::run(options, app),
        CoordinatorVerb::Recover(options) => recover::run(options, app),
    }
}

fn daemon(verb: &Verb, app: &App) -> Result<Exit, Failure> {
    let machine = Machine { clock: app.clock.clone(), entropy: app.entropy.clone() };
    let variable = |name| std::env::var(name).ok();
    let notify = Notify::new(variable("NOTIFY_SOCKET").as_deref(), variable("WATCHDOG_USEC").as_deref());
    let (action, what) = match verb {
        Verb::Init(_) => ("init", "the group was not founded"),
        Verb::Join(_) => ("join", "the member did not join"),
        Verb::Run(_) => ("run", "the member does not run"),
        Verb::Issuer(_) => ("issuer", "the issuer was not certified"),
    };
    let done = run_verb(verb, &machine, &notify).attempt(|| what)?;
    for line in &done.lines {
        app.output.result(line);
    }
    if let Some(member) = &done.member {
        let (cluster, operator) = (done.cluster.as_deref(), done.operator.as_deref());
        app.output.document(Schema::Member, &MemberDocument { action, member, cluster, operator, done: true });
    }
    Ok(Exit::Done)
}

fn transfer(options: &Transfer, app: &App) -> Result<Exit, Failure> {
    let mut endpoint = Endpoint::open(&options.cluster, app)?;
    let group = Group::read(&mut endpoint)?;
    let member = group.find(&options.member)?;
    if member.part != "voter" {
        let what = format!("{} does not vote, and so can't lead", described(member));
        return Err(Failure::new(Code::GroupRefused, what));
    }
    let id = member.member.clone();
    let asked = endpoint.ask(async |client, patience| client.transfer(&id, patience).await);
    asked.map_err(|error| unanswered(error, "leadership was not handed over"))?;
    // The old leader has been asked; who leads is for the members to say.
    if !Group::wait_for(&mut endpoint, |group| group.leader == id)? {
        let what = format!("leadership was to go to {}, which does not lead yet", described(member));
        return Err(Failure::new(Code::GroupUnknown, what));
    }
    app.output.result(format!("{} leads.", described(member)));
    show(app, "transfer", &id, true);
    Ok(Exit::Done)
}

fn remove(options: &Remove, app: &App) -> Result<Exit, Failure> {
    let mut endpoint = Endpoint::open(&options.cluster, app)?;
    let group = Group::read(&mut endpoint)?;
    let member = group.find(&options.member)?;
    let (id, name) = (member.member.clone(), described(member));
    app.output.say(format!("Remove {name}. {}", group.without(member)));
    if options.plan {
        show(app, "remove", &id, false);
        return Ok(Exit::Done);
    }
    if !options.yes {
        confirm::confirm(&format!("Remove {name} for good?"), "a member would be removed", "nothing was removed")?;
    }
    let change = Change::Remove(RemoveMember { member: id.clone() });
    let asked = endpoint.ask(async |client, patience| client.change(change, patience).await);
    match asked {
        Ok(_) => {}
        // It may have been done: the list of members tells.
        Err(error @ AskError::Unknown { .. }) => {
            if !Group::wait_for(&mut endpoint, |group| group.find(&id).is_err())? {
                return Err(unanswered(error, format!("{name} may have been removed, or may be yet")));
            }
        }
        Err(error) => return Err(unanswered(error, format!("{name} was not removed"))),
    }
    app.output.result(format!("Removed {name}. Its id is never used again, and its certificate opens nothing."));
    show(app, "remove", &id, true);
    Ok(Exit::Done)
}

fn show(app: &App, action: &'static str, member: &str, done: bool) {
    app.output.document(Schema::Member, &MemberDocument { action, member, cluster: None, operator: None, done });
}

fn described(member: &MemberStatus) -> String {
    if member.name.is_empty() { member.member.clone() } else { format!("{} ({})", member.name, member.member) }
}
