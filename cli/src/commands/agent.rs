//! `agent …`: tokens with which hosts join, the agents that did, and the end of both.
//!
//! How a token is made stands in `agent/token.rs`.

pub(super) mod token;

use serde::Serialize;
use strongroom_core::error::Code;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::row::Row;
use strongroom_proto::operators::v1::{AgentRow, Deny, Listing, RevokeToken, TokenRow, deny};

use crate::app::App;
use crate::args::agent::{AgentRevoke, AgentVerb};
use crate::args::coordinator::Cluster;
use crate::commands::confirm;
use crate::failure::{Exit, Failure};
use crate::group::Group;
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::text;

#[derive(Serialize)]
struct AgentsDocument {
    agents: Vec<AgentLine>,
}

#[derive(Serialize)]
struct AgentLine {
    agent: String,
    name: String,
    site: String,
    identity: String,
    state: String,
    sources: u32,
    version: Option<String>,
}

/// What was taken back.
#[derive(Serialize)]
struct RevokedDocument<'a> {
    revoked: &'a str,
    kind: &'static str,
    done: bool,
}

/// Runs a verb.
pub(super) fn run(verb: &AgentVerb, app: &App) -> Result<Exit, Failure> {
    match verb {
        AgentVerb::Token(options) => token::run(options, app),
        AgentVerb::Ls(cluster) => ls(cluster, app),
        AgentVerb::Revoke(options) => revoke(options, app),
    }
}

fn ls(cluster: &Cluster, app: &App) -> Result<Exit, Failure> {
    let agents = agents(&mut Group::look(cluster, app)?)?;
    let mut table = Table::new(&["name", "site", "state", "#sources", "version", "agent"]);
    for it in &agents {
        let sources = text::count(u64::from(it.sources));
        table.row([it.name.as_str(), &it.site, &it.state, &sources, &it.version, &it.agent]);
    }
    if table.is_empty() {
        app.output.say("No agent has joined yet. Make a token: strongroom agent token --region NAME --site NAME");
    } else {
        app.output.table(&table);
    }
    let line = |it: AgentRow| AgentLine {
        version: (!it.version.is_empty()).then_some(it.version),
        agent: it.agent,
        name: it.name,
        site: it.site,
        identity: it.identity,
        state: it.state,
        sources: it.sources,
    };
    app.output.document(Schema::Agents, &AgentsDocument { agents: agents.into_iter().map(line).collect() });
    Ok(Exit::Done)
}

fn revoke(options: &AgentRevoke, app: &App) -> Result<Exit, Failure> {
    let what = options.what.as_str();
    let mut group = Group::open(&options.asked.cluster, app)?;
    let found = find(&mut group, what)?;
    if group.is_room() && matches!(found, Revocable::Agent(_)) {
        let failure = Failure::new(Code::Usage, "a room has one agent, which is part of its own process");
        return Err(failure.advise("Forget its sources instead: strongroom source rm NAME."));
    }
    let (kind, sentence, command) = match found {
        Revocable::Agent(it) => {
            let denied = Some(deny::Denied::Identity(it.identity));
            let sentence = format!("Agent {} is to be let in no more; its connections end within a minute.", it.name);
            ("agent", sentence, Command::Deny(Deny { denied }))
        }
        Revocable::Token(it) => {
            let bytes = hex::decode(&it.token);
            let bytes = bytes.map_err(|_| Failure::new(Code::GroupRefused, "the group names a token in an odd way"))?;
            (
                "token",
                format!("Token {} is to let nobody in.", it.token),
                Command::RevokeToken(RevokeToken { token: bytes }),
            )
        }
    };
    app.output.say(sentence);
    if options.asked.plan {
        app.output.document(Schema::Revoked, &RevokedDocument { revoked: what, kind, done: false });
        return Ok(Exit::Done);
    }
    if !options.yes {
        confirm::confirm(&format!("Revoke {what} for good?"), "something would be revoked", "nothing was revoked")?;
    }
    group.execute(command, &format!("{what} was not revoked"))?;
    app.output.result(format!("Revoked {what}."));
    app.output.document(Schema::Revoked, &RevokedDocument { revoked: what, kind, done: true });
    Ok(Exit::Done)
}

/// What can be taken back.
enum Revocable {
    Agent(AgentRow),
    Token(TokenRow),
}

/// What a word names: an agent by id or name, or a token by id.
fn find(group: &mut Group, what: &str) -> Result<Revocable, Failure> {
    let agents = agents(group)?;
    if let Some(agent) = one_of(agents, what)? {
        return Ok(Revocable::Agent(agent));
    }
    let rows = group.list(Listing::Tokens, "the tokens are not known")?;
    let token = rows.into_iter().find_map(|row| match row {
        Row::Token(it) if it.token == what => Some(it),
        _ => None,
    });
    token.map(Revocable::Token).ok_or_else(|| {
        Failure::new(Code::NotFound, format!("{what} is no agent and no token of this group"))
            .advise("List the agents: strongroom agent ls")
    })
}

/// The agent of an id, or the only one of a name.
fn one_of(agents: Vec<AgentRow>, what: &str) -> Result<Option<AgentRow>, Failure> {
    if let Some(agent) = agents.iter().find(|it| it.agent == what) {
        return Ok(Some(agent.clone()));
    }
    let mut named: Vec<AgentRow> = agents.into_iter().filter(|it| it.name == what).collect();
    if named.len() > 1 {
        let ids: Vec<_> = named.iter().map(|it| format!("{} at {} ({})", it.agent, it.site, it.state)).collect();
        let failure = Failure::new(Code::Ambiguous, format!("more than one agent is called {what}"));
        return Err(failure.advise(format!("Give the id of the one that is meant: {}.", ids.join(", "))));
    }
    Ok(named.pop())
}

pub(super) fn agents(group: &mut Group) -> Result<Vec<AgentRow>, Failure> {
    let rows = group.list(Listing::Agents, "the agents are not known")?;
    let agent = |row| match row {
        Row::Agent(it) => Some(it),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(agent).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(number: u8, name: &str) -> AgentRow {
        AgentRow { agent: format!("{number:032x}"), name: name.into(), site: "berlin".into(), ..AgentRow::default() }
    }

    #[test]
    fn of_two_agents_of_one_name_none_is_taken() {
        let agents = vec![agent(1, "db"), agent(2, "db"), agent(3, "web")];
        let refused = one_of(agents.clone(), "db").unwrap_err();
        assert_eq!(refused.code(), Code::Ambiguous);
        assert!(refused.next().contains(&format!("{:032x}", 2)), "{}", refused.next());
        assert_eq!(one_of(agents.clone(), &agents[1].agent).unwrap().unwrap(), agents[1]);
        assert_eq!(one_of(agents.clone(), "web").unwrap().unwrap(), agents[2]);
        assert!(one_of(agents, "mail").unwrap().is_none());
    }
}
