//! `coordinator members`: who belongs to a group, as its leader sees it.

use std::time::Duration;

use serde::Serialize;
use strongroom_core::error::Code;
use strongroom_proto::client::{AskError, Said};
use strongroom_proto::common::v1::{self, Class};
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{GroupRules, MemberStatus, StatusReply, StatusRequest};
use tonic::transport::Channel;

use crate::app::App;
use crate::args::coordinator::Cluster;
use crate::endpoint::{Endpoint, unanswered};
use crate::failure::{Exit, Failure};
use crate::render::json::Schema;
use crate::render::table::Table;

/// How long a change of members or leaders is watched for.
const WATCHED: Duration = Duration::from_secs(10);
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// A group as its leader sees it.
pub(super) struct Group {
    /// Who leads: its id.
    pub(super) leader: String,
    status: StatusReply,
}

#[derive(Serialize)]
struct GroupDocument<'a> {
    cluster: &'a str,
    epoch: u64,
    term: u64,
    leader: &'a str,
    members: Vec<MemberRow<'a>>,
}

#[derive(Serialize)]
struct MemberRow<'a> {
    member: &'a str,
    name: &'a str,
    region: &'a str,
    part: &'a str,
    address: &'a str,
    leads: bool,
    behind: u64,
}

/// Lists the members.
pub(super) fn list(cluster: &Cluster, app: &App) -> Result<Exit, Failure> {
    let group = Group::read(&mut Endpoint::look(cluster, app)?)?;
    let rows = group.rows();
    let mut table = Table::new(&["member", "name", "region", "part", "address", "#behind"]);
    for row in &rows {
        let part = if row.leads { "leader" } else { row.part };
        table.row([row.member, row.name, row.region, part, row.address, &row.behind.to_string()]);
    }
    app.output.table(&table);
    let (cluster, epoch) = (group.status.cluster.as_str(), group.status.epoch);
    let term = group.status.standing.as_ref().map_or(0, |standing| standing.term);
    app.output.document(Schema::Members, &GroupDocument { cluster, epoch, term, leader: &group.leader, members: rows });
    Ok(Exit::Done)
}

impl Group {
    /// Asks the leader.
    pub(super) fn read(endpoint: &mut Endpoint) -> Result<Self, Failure> {
        let read = endpoint.ask(async |client, patience| client.read(patience, ask_leader).await);
        read.map(Self::of).map_err(|error| unanswered(error, "the members are not known"))
    }

    /// Looks until a condition holds; says whether it came to.
    pub(super) fn wait_for(endpoint: &mut Endpoint, holds: impl Fn(&Self) -> bool) -> Result<bool, Failure> {
        endpoint.ask(async |client, _| {
            let waiting = async {
                loop {
                    match client.read(WATCHED, ask_leader).await.map(Self::of) {
                        Ok(group) if holds(&group) => return Ok(()),
                        Ok(_) | Err(AskError::NotDone { .. }) => {}
                        Err(error) => return Err(unanswered(error, "the members are not known")),
                    }
                    drop(tokio::time::timeout(LOOK, std::future::pending::<()>()).await);
                }
            };
            tokio::time::timeout(WATCHED, waiting).await.map_or(Ok(false), |waited| waited.map(|()| true))
        })
    }

    fn of(status: StatusReply) -> Self {
        Self { leader: status.member.clone(), status }
    }

    /// The rules, as the leader knows them.
    pub(super) fn rules(&self) -> GroupRules {
        self.status.rules.clone().unwrap_or_default()
    }

    /// The member of an id or a name.
    pub(super) fn find(&self, wanted: &str) -> Result<&MemberStatus, Failure> {
        let by_id = self.status.members.iter().find(|member| member.member == wanted);
        if let Some(member) = by_id {
            return Ok(member);
        }
        let mut named = self.status.members.iter().filter(|member| member.name == wanted);
        match (named.next(), named.next()) {
            (Some(member), None) => Ok(member),
            (Some(_), Some(_)) => {
                let what = format!("more than one member is called {wanted}");
                Err(Failure::new(Code::Ambiguous, what).advise("Give the member's id."))
            }
            (None, _) => {
                let what = format!("no member is called {wanted}");
                Err(Failure::new(Code::NotFound, what).advise("List them with `strongroom coordinator members`."))
            }
        }
    }

    /// What the group is without one of its members, in a sentence.
    pub(super) fn without(&self, gone: &MemberStatus) -> String {
        let voters = self.status.members.iter().filter(|it| it.part == "voter" && it.member != gone.member).count();
        let spare = voters.saturating_sub(1) / 2;
        match voters {
            0 => "It is the last voter, and the group will refuse.".to_owned(),
            1 => "One voter is left; the group stands still whenever it does.".to_owned(),
            _ => format!("{voters} voters are left, of which {spare} may be lost at once."),
        }
    }

    fn rows(&self) -> Vec<MemberRow<'_>> {
        let committed = self.status.standing.as_ref().map_or(0, |standing| standing.committed);
        let members = self.status.members.iter();
        members
            .map(|it| {
                let leads = it.member == self.leader;
                MemberRow {
                    member: &it.member,
                    name: &it.name,
                    region: &it.region,
                    part: &it.part,
                    address: &it.api_address,
                    leads,
                    behind: if leads { 0 } else { committed.saturating_sub(it.matched) },
                }
            })
            .collect()
    }
}

/// The status of the leader; any other member says where that is.
pub(in crate::commands) async fn ask_leader(mut client: OperatorsClient<Channel>) -> Said<StatusReply> {
    let status = client.status(StatusRequest {}).await?.into_inner();
    let leader = status.standing.as_ref().map(|standing| standing.leader.clone()).unwrap_or_default();
    if leader == status.member {
        return Ok(Ok(status));
    }
    let known = status.members.iter().find(|member| member.member == leader);
    let address = known.map(|member| member.api_address.clone()).unwrap_or_default();
    Ok(Err(v1::Failure {
        code: "not-leader".to_owned(),
        class: Class::Retry.into(),
        message: "this member does not lead".to_owned(),
        leader: address,
        leader_id: leader,
        ..v1::Failure::default()
    }))
}
