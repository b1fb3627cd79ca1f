//! `operator token` and `operator enrol`: how somebody who is registered gets a certificate.
//!
//! One who can log in makes the token, for a name that is registered; the other turns it into a key and a certificate, on
//! the machine where both stay. Roles come from the registration alone.

use strongroom_coordinator::daemon::Machine;
use strongroom_coordinator::daemon::enrol::{Enrolling, Newcomer, enrol as enrol_with};
use strongroom_coordinator::daemon::process::read_token;
use strongroom_core::error::Code;
use strongroom_platform::tls::{Role, SpiffeId, SubjectId};

use super::{OperatorDocument, operators, tell_of};
use crate::app::App;
use crate::args::operator::{OperatorEnrol, OperatorToken};
use crate::commands::agent::token::{Wanted, mint, region_of};
use crate::endpoint::addresses;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::group::Group;

/// Runs `operator token`.
pub(super) fn token(options: &OperatorToken, app: &App) -> Result<Exit, Failure> {
    let mut group = Group::open(&options.asked.cluster, app)?;
    let found = operators(&mut group)?.into_iter().find(|it| it.name == options.name);
    let found = found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("nobody of the name {} is registered", options.name))
            .advise("Register the colleague first: strongroom operator add NAME --role ROLE")
    })?;
    let region = region_of(&found.identity)?;
    let wanted = Wanted { role: "operator", region, name: found.name, life: options.life, ..Wanted::default() };
    mint(&mut group, &wanted, options.asked.plan, app)
}

/// Runs `operator enrol`.
pub(super) fn enrol(options: &OperatorEnrol, app: &App) -> Result<Exit, Failure> {
    let what = || "the operator was not enrolled";
    let endpoints = addresses(&options.endpoint, app).ok_or_else(|| {
        Failure::new(Code::Usage, "no group is named").advise("Give --endpoint HOST:PORT, or set STRONGROOM_ENDPOINT.")
    })?;
    let token = read_token(&options.token_file).attempt(what)?;
    let machine = Machine { clock: app.clock.clone(), entropy: app.entropy.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.attempt(|| "timers and sockets are not to be had")?;
    let enrolling = Enrolling { token, endpoints, newcomer: Newcomer::Operator };
    let own = runtime.block_on(enrol_with(&options.folder, enrolling, &machine)).attempt(what)?;
    let folder = options.folder.display().to_string();
    app.output.say(format!("{folder} is your identity. Whoever has it may act in your name; it is good for 12 hours,"));
    app.output.say("and is renewed by itself whenever you use it within a week of that.");
    let (name, identity) = (folder.as_str(), Some(own.id().to_string()));
    Ok(tell_of(app, &OperatorDocument { action: "enrol", name, roles: Vec::new(), identity, done: true }))
}

/// A name for somebody new, in the caller's own trust domain and region.
pub(super) fn new_identity(group: &Group, app: &App) -> Result<String, Failure> {
    let subject = SubjectId::mint(app.entropy.as_ref()).attempt(|| "no random number for an identity")?;
    Ok(SpiffeId { role: Role::Operator, subject, ..group.own().clone() }.to_string())
}
