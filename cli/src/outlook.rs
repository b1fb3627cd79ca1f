//! What a group's scheduler sees coming, read from its first page to its last.

use std::collections::BTreeMap;

use strongroom_core::error::Code;
use strongroom_proto::client::Said;
use strongroom_proto::common::v1::Failure as Refused;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{self as wire, AgentHeard, GetOutlookRequest, SourceOutlook, get_outlook_reply};
use tonic::transport::Channel;

use crate::failure::Failure;
use crate::group::Group;

/// Pages at most: far more than an installation has sources.
const PAGES_MAX: usize = 4_096;

/// What is seen coming.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outlook {
    sources: BTreeMap<String, SourceOutlook>,
    agents: Vec<AgentHeard>,
    is_planned: bool,
}

impl Outlook {
    /// Asks a group for all of it.
    pub(crate) fn read(group: &mut Group) -> Result<Self, Failure> {
        let (mut outlook, mut after) = (Self::default(), String::new());
        for _ in 0..PAGES_MAX {
            let request = GetOutlookRequest { after, ..GetOutlookRequest::default() };
            let page = group.read("what comes next is not known", |client| page(client, request.clone()))?;
            outlook.is_planned = page.as_of_ms != 0;
            outlook.sources.extend(page.sources.into_iter().map(|it| (it.source.clone(), it)));
            outlook.agents.extend(page.agents);
            if page.next.is_empty() {
                return Ok(outlook);
            }
            after = page.next;
        }
        Err(Failure::new(Code::GroupRefused, "what comes next is not known: the listing has no end"))
    }

    /// Whether a scheduler plans.
    pub(crate) const fn is_planned(&self) -> bool {
        self.is_planned
    }

    /// A source by its id.
    pub(crate) fn source(&self, source: &str) -> Option<&SourceOutlook> {
        self.sources.get(source)
    }

    /// Agents that keep a stream to the leader.
    pub(crate) fn agents(&self) -> impl Iterator<Item = &AgentHeard> {
        self.agents.iter()
    }
}

/// What a reason means to people.
pub(crate) fn reason(because: &str) -> &str {
    match because {
        "running" => "a run is under way",
        "not-due" => "its slot has not come",
        "outside-windows" => "it is due, and no window is open",
        "blackout" => "it is due, and there is a blackout",
        "back-off" => "it is held back after a failure",
        "paused" => "it is paused",
        "disabled" => "it is disabled",
        "refused" => "the run that was asked for can't be",
        "unattended" => "its agent is not there",
        "unplannable" => "the leader's zone data do not bear its contract out",
        "host-group-full" => "other runs have the places on its hosts",
        "cluster-full" => "other runs have all places",
        "ready-first" => "it was never run, and starts now",
        "ready-behind" => "slots have passed, and it starts now",
        "ready-retry" => "the attempt before failed, and it starts now",
        "ready-by-hand" => "somebody asked for it, and it starts now",
        "ready" => "its slot has come, and it starts now",
        other => other,
    }
}

async fn page(mut client: OperatorsClient<Channel>, request: GetOutlookRequest) -> Said<wire::Outlook> {
    Ok(match client.get_outlook(request).await?.into_inner().result {
        Some(get_outlook_reply::Result::Outlook(outlook)) => Ok(outlook),
        Some(get_outlook_reply::Result::Failure(failure)) => Err(failure),
        None => Err(Refused::default()),
    })
}
