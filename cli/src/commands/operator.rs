//! `operator …`: people and their roles, and how each gets a certificate.

mod enrol;

use clap::ValueEnum as _;
use serde::Serialize;
use strongroom_core::error::Code;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::row::Row;
use strongroom_proto::operators::v1::{AddOperator, Listing, OperatorRow, RemoveOperator, SetOperatorRoles};

use crate::app::App;
use crate::args::coordinator::Cluster;
use crate::args::operator::{Asked, OperatorAdd, OperatorRm, OperatorRoles, OperatorVerb, Role};
use crate::commands::confirm;
use crate::failure::{Exit, Failure};
use crate::group::Group;
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::room::founding;

#[derive(Serialize)]
struct OperatorsDocument {
    operators: Vec<OperatorLine>,
}

#[derive(Serialize)]
struct OperatorLine {
    name: String,
    identity: String,
    roles: Vec<String>,
}

/// What was done, for programs.
#[derive(Serialize)]
struct OperatorDocument<'a> {
    action: &'static str,
    name: &'a str,
    roles: Vec<String>,
    /// The identity in the certificate, where it is at issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    /// Whether it was done, and not only shown.
    done: bool,
}

/// Runs a verb.
pub(super) fn run(verb: &OperatorVerb, app: &App) -> Result<Exit, Failure> {
    match verb {
        OperatorVerb::Add(options) => add(options, app),
        OperatorVerb::Ls(cluster) => ls(cluster, app),
        OperatorVerb::Roles(options) => roles(options, app),
        OperatorVerb::Rm(options) => rm(options, app),
        OperatorVerb::Token(options) => enrol::token(options, app),
        OperatorVerb::Enrol(options) => enrol::enrol(options, app),
    }
}

fn ls(cluster: &Cluster, app: &App) -> Result<Exit, Failure> {
    let operators = operators(&mut Group::look(cluster, app)?)?;
    let line = |it: OperatorRow| OperatorLine { name: it.name, identity: it.identity, roles: it.roles };
    let operators: Vec<OperatorLine> = operators.into_iter().map(line).collect();
    let mut table = Table::new(&["name", "roles", "identity"]);
    for it in &operators {
        table.row([it.name.as_str(), &it.roles.join(", "), &it.identity]);
    }
    app.output.table(&table);
    app.output.document(Schema::Operators, &OperatorsDocument { operators });
    Ok(Exit::Done)
}

fn operators(group: &mut Group) -> Result<Vec<OperatorRow>, Failure> {
    let rows = group.list(Listing::Operators, "the operators are not known")?;
    let operator = |row| match row {
        Row::Operator(it) => Some(it),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(operator).collect())
}

fn add(options: &OperatorAdd, app: &App) -> Result<Exit, Failure> {
    let (name, roles) = (&options.name, words(&options.role));
    let identity = match &options.subject {
        Some(identity) => identity.clone(),
        None => enrol::new_identity(&Group::open(&options.asked.cluster, app)?, app)?,
    };
    let add = AddOperator { name: name.clone(), identity: identity.clone(), roles: roles.clone() };
    app.output.say(format!("Register {name} ({identity}) as {}.", roles.join(" and ")));
    let done = ask(&options.asked, app, Command::AddOperator(add), &format!("{name} was not registered"))?;
    if done {
        app.output.say(format!("A certificate comes by a token: strongroom operator token {name}"));
    }
    Ok(tell_of(app, &OperatorDocument { action: "add", name, roles, identity: Some(identity), done }))
}

fn roles(options: &OperatorRoles, app: &App) -> Result<Exit, Failure> {
    let (name, roles) = (&options.name, words(&options.role));
    let set = SetOperatorRoles { name: name.clone(), roles: roles.clone() };
    app.output.say(format!("{name} is to be {} from now on.", roles.join(" and ")));
    let done =
        ask(&options.asked, app, Command::SetOperatorRoles(set), &format!("the roles of {name} are as they were"))?;
    Ok(tell(app, "roles", name, roles, done))
}

fn rm(options: &OperatorRm, app: &App) -> Result<Exit, Failure> {
    let name = &options.name;
    app.output.say(format!("{name} is to be no operator any more."));
    if !options.asked.plan && !options.yes {
        confirm::confirm(&format!("Take {name} out?"), "an operator would be taken out", "nothing was changed")?;
    }
    let remove = Command::RemoveOperator(RemoveOperator { name: name.clone() });
    let done = ask(&options.asked, app, remove, &format!("{name} was not taken out"))?;
    Ok(tell(app, "rm", name, Vec::new(), done))
}

/// Asks, unless it is to be shown only; says whether it was done.
fn ask(asked: &Asked, app: &App, command: Command, what: &str) -> Result<bool, Failure> {
    if !asked.plan {
        let mut group = Group::open(&asked.cluster, app)?;
        let changed = match &command {
            Command::SetOperatorRoles(set) => Some(&set.name),
            Command::RemoveOperator(remove) => Some(&remove.name),
            _ => None,
        };
        if group.is_room() && changed.is_some_and(|name| founding::is_owner(name)) {
            let failure = Failure::new(Code::Usage, format!("{what}: a room can't do without its owner"));
            return Err(failure.advise("Register others beside it: strongroom operator add."));
        }
        group.execute(command, what)?;
    }
    Ok(!asked.plan)
}

fn tell(app: &App, action: &'static str, name: &str, roles: Vec<String>, done: bool) -> Exit {
    tell_of(app, &OperatorDocument { action, name, roles, identity: None, done })
}

fn tell_of(app: &App, document: &OperatorDocument<'_>) -> Exit {
    if document.done {
        app.output.result(format!("Done: {} {}.", document.action, document.name));
    }
    app.output.document(Schema::Operator, document);
    Exit::Done
}

/// The words of the API.
fn words(roles: &[Role]) -> Vec<String> {
    let word = |role: &Role| role.to_possible_value().map(|value| value.get_name().to_owned());
    roles.iter().filter_map(word).collect()
}
