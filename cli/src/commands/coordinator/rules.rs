//! `coordinator prefer` and `coordinator commit-rule`: how the group itself works.
//!
//! Both name the version of the rules that was seen, so that nobody overrides what they have not seen, and need no
//! session: while a region is away, a group that agrees across regions opens none.

use serde::Serialize;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::{GroupRules, PreferRegions, SetCommitRule};

use super::members::Group;
use crate::app::App;
use crate::args::coordinator::{CommitRule, Prefer};
use crate::commands::confirm;
use crate::endpoint::{Endpoint, unanswered};
use crate::failure::{Exit, Failure};
use crate::render::json::Schema;

/// The rule that lets any majority do.
const ANY_MAJORITY: &str = "any-majority";

/// The rules of a group, for programs.
#[derive(Serialize)]
struct RulesDocument<'a> {
    commit: &'a str,
    preferred: &'a [String],
}

/// Says in which regions the leader is to be.
pub(super) fn prefer(options: &Prefer, app: &App) -> Result<Exit, Failure> {
    let mut endpoint = Endpoint::open(&options.cluster, app)?;
    let known = Group::read(&mut endpoint)?.rules();
    let regions = options.region.clone();
    let command = Command::PreferRegions(PreferRegions { seen: known.version, regions: regions.clone() });
    ask(&mut endpoint, command)?;
    app.output.result(match regions.split_first() {
        Some((first, [])) => format!("The leader is to be in {first}."),
        Some((first, rest)) => format!("The leader is to be in {first}, or else in {}.", rest.join(", then ")),
        None => "It is all the same where the leader is.".to_owned(),
    });
    show(app, &GroupRules { preferred: regions, ..known });
    Ok(Exit::Done)
}

/// Says when a write counts as agreed on.
pub(super) fn commit_rule(options: &CommitRule, app: &App) -> Result<Exit, Failure> {
    let mut endpoint = Endpoint::open(&options.cluster, app)?;
    let known = Group::read(&mut endpoint)?.rules();
    if options.rule == ANY_MAJORITY && known.commit != ANY_MAJORITY {
        app.output.say("From here on, and for what waits now, a write may be lost with the only region that has it.");
        if !options.yes {
            let question = "Let any majority agree?";
            confirm::confirm(question, "the rule would be turned off", "nothing was changed")?;
        }
    }
    let rule = options.rule.clone();
    ask(&mut endpoint, Command::SetCommitRule(SetCommitRule { seen: known.version, rule: rule.clone() }))?;
    app.output.result(if rule == ANY_MAJORITY {
        "Any majority agrees on a write."
    } else {
        "A write counts once members of two regions have it, as long as the voters lie in two or more."
    });
    show(app, &GroupRules { commit: rule, ..known });
    Ok(Exit::Done)
}

fn ask(endpoint: &mut Endpoint, command: Command) -> Result<(), Failure> {
    endpoint.require_writable("the rules were not changed")?;
    let asked = endpoint.ask(async |client, patience| client.execute_alone(command, patience).await);
    asked.map(drop).map_err(|error| unanswered(error, "the rules were not changed"))
}

fn show(app: &App, rules: &GroupRules) {
    app.output.document(Schema::Rules, &RulesDocument { commit: &rules.commit, preferred: &rules.preferred });
}
