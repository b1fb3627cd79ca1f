//! The way to a group: where it is, as whom it is asked, and a client that finds its leader.
//!
//! ```text
//!   --endpoint, over mTLS      else --room, in this process      else the configuration's endpoint, else its room
//! ```
//!
//! A room's group is opened for as long as the verb runs, and asked over a pipe in memory, as its owner. Whatever asks a
//! group asks a room in the same words.
//!
//! Owns the operator's identity while a verb runs: it is renewed when half of its life is over, by the group that is
//! asked, and written back to its folder. A verb that only looks works with an identity that can't be renewed today.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_coordinator::daemon::renewal::renewed;
use strongroom_coordinator::daemon::transport::Transport;
use strongroom_coordinator::daemon::{DaemonError, Home};
use strongroom_coordinator::server::{LOCAL_ADDRESS, LocalDoor};
use strongroom_core::error::Code;
use strongroom_platform::rng::random_array;
use strongroom_platform::tls::{HotIdentity, SpiffeId, TrustBundle};
use strongroom_proto::client::{AskError, Client, Dial, DialFailed};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::app::App;
use crate::args::coordinator::Cluster;
use crate::failure::{Attempt as _, Coded, Failure};
use crate::room::service::{Purpose, Served};

/// A group that can be asked.
pub(crate) struct Endpoint {
    client: Client<Way>,
    roots: Option<TrustBundle>,
    own: SpiffeId,
    patience: Duration,
    served: Option<Served>,
    runtime: Runtime,
}

/// How a group is reached.
pub(crate) enum Way {
    /// Over a network.
    Cluster(Transport),
    /// In this process.
    Room(LocalDoor),
}

impl Dial for Way {
    async fn dial(&self, address: &str) -> Result<Channel, DialFailed> {
        match self {
            Self::Cluster(transport) => transport.dial(address).await,
            Self::Room(door) => door.dial(address).await,
        }
    }

    async fn dial_member(&self, address: &str, member: &str) -> Result<Channel, DialFailed> {
        match self {
            Self::Cluster(transport) => transport.dial_member(address, member).await,
            Self::Room(door) => door.dial_member(address, member).await,
        }
    }
}

impl Endpoint {
    /// The group that the options name, to change it or to read it.
    pub(crate) fn open(cluster: &Cluster, app: &App) -> Result<Self, Failure> {
        Self::open_to(Purpose::Change, cluster, app)
    }

    /// The group that the options name, for a verb that only reads.
    pub(crate) fn look(cluster: &Cluster, app: &App) -> Result<Self, Failure> {
        Self::open_to(Purpose::Read, cluster, app)
    }

    fn open_to(purpose: Purpose, cluster: &Cluster, app: &App) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.attempt(|| "timers and sockets are not to be had")?;
        match addresses(&cluster.endpoint, app) {
            Some(addresses) => Self::over_network(addresses, cluster, app, runtime),
            None => Self::in_room(purpose, cluster, app, runtime),
        }
    }

    fn over_network(addresses: Vec<String>, cluster: &Cluster, app: &App, runtime: Runtime) -> Result<Self, Failure> {
        let folder = cluster.identity.as_deref().or(app.identity.as_deref());
        let (transport, roots) = transport(folder, app)?;
        if let Some(folder) = folder {
            let home = Home::open(folder).attempt(|| "the identity can't be opened")?;
            if let Err(error) = runtime.block_on(renewed(&home, &transport, &addresses, app.clock.as_ref())) {
                app.output.warn(format!("the operator's certificate was not renewed: {error}"));
            }
        }
        let own = transport.own.current().id().clone();
        let client = Client::new(Way::Cluster(transport), addresses, session(app)?);
        Ok(Self { client, roots: Some(roots), own, patience: patience(cluster), served: None, runtime })
    }

    fn in_room(purpose: Purpose, cluster: &Cluster, app: &App, runtime: Runtime) -> Result<Self, Failure> {
        let room = app.room().map_err(|failure| match failure.code() {
            Code::NoRoom if !app.is_room_named() => Failure::new(Code::Usage, "no group is named")
                .advise("Give --endpoint HOST:PORT, or set STRONGROOM_ENDPOINT; or name a room with --room DIR."),
            _ => failure,
        })?;
        let served = room.serve(purpose, &runtime)?;
        let client = Client::new(Way::Room(served.door()), vec![LOCAL_ADDRESS.to_owned()], session(app)?);
        let own = served.owner().clone();
        Ok(Self { client, roots: None, own, patience: patience(cluster), served: Some(served), runtime })
    }

    /// The roots that the operator trusts; a room needs none.
    pub(crate) const fn roots(&self) -> Option<&TrustBundle> {
        self.roots.as_ref()
    }

    /// Whether it is a room's.
    pub(crate) const fn is_room(&self) -> bool {
        self.served.is_some()
    }

    /// Refuses where what is changed would not last: in a room that can only be read. `what` says what was not done.
    pub(crate) fn require_writable(&self, what: &str) -> Result<(), Failure> {
        if self.served.as_ref().is_none_or(Served::may_change) {
            return Ok(());
        }
        Err(Failure::new(Code::VolumeFailed, format!("{what}: the room is on a volume that can't be written")))
    }

    /// As whom the group is asked.
    pub(crate) const fn own(&self) -> &SpiffeId {
        &self.own
    }

    /// Asks, and waits for what comes.
    pub(crate) fn ask<T>(&mut self, ask: impl AsyncFnOnce(&mut Client<Way>, Duration) -> T) -> T {
        self.runtime.block_on(ask(&mut self.client, self.patience))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(served) = self.served.take() {
            served.stop(&self.runtime);
        }
    }
}

fn session(app: &App) -> Result<[u8; 16], Failure> {
    random_array(app.entropy.as_ref()).attempt(|| "no random number for a session")
}

const fn patience(cluster: &Cluster) -> Duration {
    Duration::from_secs(cluster.patience)
}

/// Where the group's members listen, as the options or the surroundings say; nothing, if a room is to be asked.
pub(crate) fn addresses(endpoint: &[String], app: &App) -> Option<Vec<String>> {
    let given = match endpoint {
        [] if app.is_room_named() => return None,
        [] => app.endpoint.as_slice(),
        given => given,
    };
    let bare = |url: &String| url.trim_start_matches("https://").trim_end_matches('/').to_owned();
    (!given.is_empty()).then(|| given.iter().map(bare).collect())
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
