//! A group as the verbs of operators ask it: commands, and listings from the first page to the last.
//!
//! Owns what an answer means for a verb. A write that ended unknown is said to be unknown, never failed.

use std::time::Duration;

use strongroom_core::error::Code;
use strongroom_platform::tls::SpiffeId;
use strongroom_proto::client::Said;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{ListRequest, Listing, Page, list_reply, row::Row};
use tonic::Status;
use tonic::transport::Channel;

use crate::app::App;
use crate::args::coordinator::Cluster;
use crate::endpoint::{Endpoint, unanswered};
use crate::failure::Failure;

/// Pages of one listing at most: far more than an installation has rows.
const PAGES_MAX: usize = 4_096;

/// A group that can be asked.
pub(crate) struct Group(Endpoint);

impl Group {
    /// The group that the options name.
    pub(crate) fn open(cluster: &Cluster, app: &App) -> Result<Self, Failure> {
        Endpoint::open(cluster, app).map(Self)
    }

    /// The group that the options name, for a verb that only reads.
    pub(crate) fn look(cluster: &Cluster, app: &App) -> Result<Self, Failure> {
        Endpoint::look(cluster, app).map(Self)
    }

    /// Whether it is a room's.
    pub(crate) const fn is_room(&self) -> bool {
        self.0.is_room()
    }

    /// The root that hosts of this group are to trust, in DER.
    pub(crate) fn root(&self) -> Result<Vec<u8>, Failure> {
        let roots = self.0.roots().ok_or_else(|| {
            Failure::new(Code::Usage, "nobody can join a room: it is one process")
                .advise("Name a group with --endpoint HOST:PORT.")
        })?;
        let root = roots.certificates().first();
        root.map(|root| root.to_vec()).ok_or_else(|| Failure::new(Code::WrongKey, "the identity has no root"))
    }

    /// As whom the group is asked.
    pub(crate) const fn own(&self) -> &SpiffeId {
        self.0.own()
    }

    /// Asks for a change; `what` says what was not done.
    pub(crate) fn execute(&mut self, command: Command, what: &str) -> Result<(), Failure> {
        self.0.require_writable(what)?;
        let asked = self.0.ask(async |client, patience| client.execute(command, patience).await);
        asked.map(drop).map_err(|error| unanswered(error, what))
    }

    /// Asks for something that changes nothing.
    pub(crate) fn read<T, F, A>(&mut self, what: &str, ask: A) -> Result<T, Failure>
    where
        A: Fn(OperatorsClient<Channel>) -> F + Send + Sync,
        F: Future<Output = Said<T>> + Send,
        T: Send,
    {
        let read = self.0.ask(async |client, patience| client.read(patience, ask).await);
        read.map_err(|error| unanswered(error, what))
    }

    /// Asks one member alone, whoever leads; nothing if it does not answer.
    pub(crate) fn ask_member<T>(
        &mut self,
        address: &str,
        patience: Duration,
        ask: impl AsyncFnOnce(OperatorsClient<Channel>) -> Result<T, Status>,
    ) -> Option<T> {
        self.0.ask(async |client, _| client.ask_member(address, patience, ask).await).ok()
    }

    /// The first page of what is listed of a source: the newest.
    pub(crate) fn newest(&mut self, listing: Listing, source: &str, what: &str) -> Result<Vec<Row>, Failure> {
        let request =
            ListRequest { listing: listing.into(), after: String::new(), limit: 0, source: source.to_owned() };
        let page = self.read(what, |client| page(client, request.clone()))?;
        Ok(page.rows.into_iter().filter_map(|row| row.row).collect())
    }

    /// All rows of a listing.
    pub(crate) fn list(&mut self, listing: Listing, what: &str) -> Result<Vec<Row>, Failure> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let request = ListRequest { listing: listing.into(), after, limit: 0, source: String::new() };
            let page = self.read(what, |client| page(client, request.clone()))?;
            rows.extend(page.rows.into_iter().filter_map(|row| row.row));
            if page.next.is_empty() {
                return Ok(rows);
            }
            after = page.next;
        }
        Err(Failure::new(Code::GroupRefused, format!("{what}: the listing has no end")))
    }
}

async fn page(mut client: OperatorsClient<Channel>, request: ListRequest) -> Said<Page> {
    Ok(match client.list(request).await?.into_inner().result {
        Some(list_reply::Result::Page(page)) => Ok(page),
        Some(list_reply::Result::Failure(failure)) => Err(failure),
        // Of an unknown class: somebody else may know.
        None => Err(strongroom_proto::common::v1::Failure::default()),
    })
}
