//! `agent …`: tokens with which hosts join, the agents that did, and the end of both.
//!
//! A token's secret is drawn here and shown once; the group gets its hash and can't tell it to anybody.

use std::time::Duration;

use serde::Serialize;
use strongroom_core::error::Code;
use strongroom_platform::tls::JoinToken;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::row::Row;
use strongroom_proto::operators::v1::{AgentRow, Deny, Listing, MintToken, RevokeToken, TokenRow, deny};

use crate::app::App;
use crate::args::agent::{AgentRevoke, AgentToken, AgentVerb, Joins};
use crate::args::coordinator::Cluster;
use crate::commands::confirm;
use crate::failure::{Attempt as _, Exit, Failure};
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

/// A token that was made.
#[derive(Serialize)]
struct TokenDocument<'a> {
    id: String,
    /// What is to be carried to the host; a secret until it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    role: &'static str,
    region: &'a str,
    life_ms: u64,
    /// Whether it was made, and not only shown.
    done: bool,
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
        AgentVerb::Token(options) => token(options, app),
        AgentVerb::Ls(cluster) => ls(cluster, app),
        AgentVerb::Revoke(options) => revoke(options, app),
    }
}

fn token(options: &AgentToken, app: &App) -> Result<Exit, Failure> {
    let role = match options.joins {
        Joins::Agent => "agent",
        Joins::Member => "member",
    };
    if options.joins == Joins::Agent && options.site.is_none() {
        let failure = Failure::new(Code::Usage, "a token for an agent needs the site that the agent runs at");
        return Err(failure.advise("Give --site NAME."));
    }
    let mut group = Group::open(&options.asked.cluster, app)?;
    let root = group.root()?;
    let token = JoinToken::draw(&root, app.entropy.as_ref()).attempt(|| "no token can be made")?;
    let life = Duration::from_secs(options.life * 60);
    let document = |text, done| TokenDocument {
        id: token.id().to_string(),
        token: text,
        role,
        region: &options.region,
        life_ms: text::ms(life),
        done,
    };
    if options.asked.plan {
        app.output.say(format!("A token would be made with which one {role} can join in {}.", options.region));
        app.output.document(Schema::Token, &document(None, false));
        return Ok(Exit::Done);
    }
    let mint = MintToken {
        token: token.id().0.to_vec(),
        secret_sha256: token.secret_hash().to_vec(),
        role: role.to_owned(),
        region: options.region.clone(),
        site: options.site.clone().unwrap_or_default(),
        name_hint: options.name.clone().unwrap_or_default(),
        life_ms: text::ms(life),
    };
    group.execute(Command::MintToken(mint), "no token was made")?;
    let shown = token.to_text();
    app.output.result(shown.as_str());
    app.output
        .say(format!("One {role} can join with it, once, within {} minutes. Keep it secret until then.", options.life));
    app.output.document(Schema::Token, &document(Some(shown.as_str()), true));
    Ok(Exit::Done)
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
    if let Some(agent) = agents.into_iter().find(|it| it.agent == what || it.name == what) {
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

fn agents(group: &mut Group) -> Result<Vec<AgentRow>, Failure> {
    let rows = group.list(Listing::Agents, "the agents are not known")?;
    let agent = |row| match row {
        Row::Agent(it) => Some(it),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(agent).collect())
}
