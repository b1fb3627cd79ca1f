//! `agent token`, and the tokens of operators: what lets somebody in, once.
//!
//! A token's secret is drawn here and shown once; the group gets its hash and can't tell it to anybody.

use std::time::Duration;

use serde::Serialize;
use strongroom_core::error::Code;
use strongroom_platform::tls::{JoinToken, SpiffeId};
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::row::Row;
use strongroom_proto::operators::v1::{DepotRow, Listing, MintToken};

use crate::app::App;
use crate::args::agent::{AgentToken, Joins};
use crate::failure::{Attempt as _, Exit, Failure};
use crate::group::Group;
use crate::render::json::Schema;
use crate::render::text;

/// A token that was made.
#[derive(Serialize)]
struct TokenDocument<'a> {
    id: String,
    /// What is to be carried to the host; a secret until it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    role: &'a str,
    region: &'a str,
    life_ms: u64,
    /// Whether it was made, and not only shown.
    done: bool,
}

/// Whom a token lets in.
#[derive(Default)]
pub(in crate::commands) struct Wanted {
    /// agent, depot, member, operator
    pub(in crate::commands) role: &'static str,
    pub(in crate::commands) region: String,
    pub(in crate::commands) site: String,
    /// The name that it must bear; empty for any.
    pub(in crate::commands) name: String,
    /// The identity of an agent or a depot that comes back.
    pub(in crate::commands) renews: String,
    /// In minutes.
    pub(in crate::commands) life: u64,
}

/// Runs `agent token`.
pub(super) fn run(options: &AgentToken, app: &App) -> Result<Exit, Failure> {
    if options.renew.is_none() && options.joins != Joins::Member && options.site.is_none() {
        let failure = Failure::new(Code::Usage, "a token for an agent or a depot needs the site that it stands at");
        return Err(failure.advise("Give --site NAME."));
    }
    let role = match options.joins {
        Joins::Agent => "agent",
        Joins::Depot => "depot",
        Joins::Member => "member",
    };
    let mut group = Group::open(&options.asked.cluster, app)?;
    let text = |word: &Option<String>| word.clone().unwrap_or_default();
    let wanted = match &options.renew {
        Some(name) => renewed(&mut group, options.joins, name)?,
        None => Wanted {
            region: text(&options.region),
            site: text(&options.site),
            name: text(&options.name),
            ..Wanted::default()
        },
    };
    mint(&mut group, &Wanted { role, life: options.life, ..wanted }, options.asked.plan, app)
}

/// Makes a token, unless it is to be shown only.
pub(in crate::commands) fn mint(group: &mut Group, wanted: &Wanted, plan: bool, app: &App) -> Result<Exit, Failure> {
    let Wanted { role, region, .. } = wanted;
    let root = group.root()?;
    let token = JoinToken::draw(&root, app.entropy.as_ref()).attempt(|| "no token can be made")?;
    let life_ms = text::ms(Duration::from_secs(wanted.life * 60));
    let document = |text, done| TokenDocument { id: token.id().to_string(), token: text, role, region, life_ms, done };
    let who = if wanted.name.is_empty() { format!("one {role}") } else { format!("{role} {}", wanted.name) };
    if plan {
        app.output.say(format!("A token would be made with which {who} can join in {region}, once."));
        app.output.document(Schema::Token, &document(None, false));
        return Ok(Exit::Done);
    }
    let mint = MintToken {
        token: token.id().0.to_vec(),
        secret_sha256: token.secret_hash().to_vec(),
        role: (*role).to_owned(),
        region: region.clone(),
        site: wanted.site.clone(),
        name_hint: wanted.name.clone(),
        life_ms,
        renews: wanted.renews.clone(),
    };
    group.execute(Command::MintToken(mint), "no token was made")?;
    let shown = token.to_text();
    app.output.result(shown.as_str());
    let life = wanted.life;
    app.output.say(format!("{who} can join with it, once, within {life} minutes. Keep it secret until then."));
    if !wanted.renews.is_empty() || *role == "operator" {
        app.output.say("When it is used, all certificates that the name had before are denied.");
    }
    app.output.document(Schema::Token, &document(Some(shown.as_str()), true));
    Ok(Exit::Done)
}

/// The region that a name stands in.
pub(in crate::commands) fn region_of(identity: &str) -> Result<String, Failure> {
    let id = identity.parse::<SpiffeId>().map_err(|error| {
        Failure::because(Code::GroupRefused, format!("{identity} is no name that a certificate can bear"), error)
    });
    id.map(|id| id.region.to_string())
}

/// The agent or depot that is to come back.
fn renewed(group: &mut Group, joins: Joins, name: &str) -> Result<Wanted, Failure> {
    let found = match joins {
        Joins::Agent => {
            let agents = super::agents(group)?.into_iter().filter(|it| it.state == "active");
            agents.map(|it| (it.name, it.site, it.identity)).find(|(known, ..)| known == name)
        }
        Joins::Depot => depots(group)?.into_iter().map(|it| (it.name, it.site, it.identity)).find(|it| it.0 == name),
        Joins::Member => {
            let failure = Failure::new(Code::Usage, "a member does not come back under its old id");
            return Err(failure.advise("Remove it, empty its folder, and let it join with a token of its own."));
        }
    };
    let (name, site, renews) = found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("nobody of the name {name} is registered"))
            .advise("List the agents: strongroom agent ls")
    })?;
    Ok(Wanted { region: region_of(&renews)?, site, name, renews, ..Wanted::default() })
}

fn depots(group: &mut Group) -> Result<Vec<DepotRow>, Failure> {
    let rows = group.list(Listing::Depots, "the depots are not known")?;
    let depot = |row| match row {
        Row::Depot(it) => Some(it),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(depot).collect())
}
