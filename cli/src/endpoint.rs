//! The way to a group: where it is, as whom it is asked, and a client that finds its leader.
//!
//! Owns the operator's identity while a verb runs: it is renewed when half of its life is over, by the group that is
//! asked, and written back to its folder. A verb that only looks works with an identity that can't be renewed today.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_coordinator::daemon::renewal::renewed;
use strongroom_coordinator::daemon::transport::Transport;
use strongroom_coordinator::daemon::{DaemonError, Home};
use strongroom_core::error::Code;
use strongroom_platform::rng::random_array;
use strongroom_platform::tls::{HotIdentity, SpiffeId, TrustBundle};
use strongroom_proto::client::{AskError, Client};
use tokio::runtime::Runtime;

use crate::app::App;
use crate::args::coordinator::Cluster;
use crate::failure::{Attempt as _, Coded, Failure};

/// A group that can be asked.
pub(crate) struct Endpoint {
    runtime: Runtime,
    client: Client<Transport>,
    roots: TrustBundle,
    own: SpiffeId,
    patience: Duration,
}

impl Endpoint {
    /// The group that the options name.
    pub(crate) fn open(cluster: &Cluster, app: &App) -> Result<Self, Failure> {
        let addresses = addresses(&cluster.endpoint, app)?;
        let folder = cluster.identity.as_deref().or(app.identity.as_deref());
        let (transport, roots) = transport(folder, app)?;
        let own = transport.own.current().id().clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.attempt(|| "timers and sockets are not to be had")?;
        if let Some(folder) = folder {
            let home = Home::open(folder).attempt(|| "the identity can't be opened")?;
            if let Err(error) = runtime.block_on(renewed(&home, &transport, &addresses, app.clock.as_ref())) {
                app.output.warn(format!("the operator's certificate was not renewed: {error}"));
            }
        }
        let session = random_array(app.entropy.as_ref()).attempt(|| "no random number for a session")?;
        let client = Client::new(transport, addresses, session);
        Ok(Self { runtime, client, roots, own, patience: Duration::from_secs(cluster.patience) })
    }

    /// The roots that the operator trusts.
    pub(crate) const fn roots(&self) -> &TrustBundle {
        &self.roots
    }

    /// As whom the group is asked.
    pub(crate) const fn own(&self) -> &SpiffeId {
        &self.own
    }

    /// Asks, and waits for what comes.
    pub(crate) fn ask<T>(&mut self, ask: impl AsyncFnOnce(&mut Client<Transport>, Duration) -> T) -> T {
        self.runtime.block_on(ask(&mut self.client, self.patience))
    }
}

/// Where members listen, as the options or the surroundings say.
pub(crate) fn addresses(endpoint: &[String], app: &App) -> Result<Vec<String>, Failure> {
    let given = if endpoint.is_empty() { &app.endpoint[..] } else { endpoint };
    if given.is_empty() {
        let failure = Failure::new(Code::Usage, "no group is named");
        return Err(failure.advise("Give --endpoint HOST:PORT, or set STRONGROOM_ENDPOINT."));
    }
    let bare = |url: &String| url.trim_start_matches("https://").trim_end_matches('/').to_owned();
    Ok(given.iter().map(bare).collect())
}

fn transport(folder: Option<&Path>, app: &App) -> Result<(Transport, TrustBundle), Failure> {
    let folder = folder.ok_or_else(|| {
        let failure = Failure::new(Code::WrongKey, "no identity is named to ask the group with");
        failure.advise("Give --identity DIR, the folder that `coordinator init` made for the first operator.")
    })?;
    let what = || format!("the identity in {} can't be used", folder.display());
    let home = Home::open(folder).attempt(what)?;
    let (own, roots) = (home.identity("").attempt(what)?, home.roots("").attempt(what)?);
    Ok((Transport::new(Arc::new(HotIdentity::new(own)), roots.clone(), Arc::clone(&app.clock)), roots))
}

impl Coded for DaemonError {
    fn stable_code(&self) -> Code {
        self.code()
    }
}

/// What a group that did not answer, or answered no, means for a verb.
pub(crate) fn unanswered(error: AskError, what: impl Into<String>) -> Failure {
    let code = match &error {
        AskError::Rejected(_) | AskError::Refused(_) => Code::GroupRefused,
        AskError::NotDone { .. } => Code::NoLeader,
        AskError::Unknown { .. } => Code::GroupUnknown,
    };
    let remedy = match &error {
        AskError::Rejected(failure) if !failure.remedy.is_empty() => Some(failure.remedy.clone()),
        _ => None,
    };
    let failure = Failure::because(code, what, error);
    match remedy {
        Some(remedy) => failure.advise(remedy),
        None => failure,
    }
}
