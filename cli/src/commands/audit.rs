//! `audit …`: check, prove and export the log of what was asked for.

mod export;
mod verify;

use strongroom_proto::client::Said;
use strongroom_proto::common::v1::Failure as Refused;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{ProveEventRequest, prove_event_reply};
use tonic::transport::Channel;

use crate::app::App;
use crate::args::audit::{AuditProve, AuditVerb};
use crate::failure::{Exit, Failure};
use crate::group::Group;
use crate::render::stdout_sink;
pub(super) use export::{checkpoint, events};

/// Runs a verb.
pub(super) fn run(verb: &AuditVerb, app: &App) -> Result<Exit, Failure> {
    match verb {
        AuditVerb::Verify(options) => verify::run(options, app),
        AuditVerb::Prove(options) => prove(options, app),
        AuditVerb::Export(options) => export::run(options, app),
    }
}

fn prove(options: &AuditProve, app: &App) -> Result<Exit, Failure> {
    let leaf = options.leaf;
    let mut group = Group::open(&options.cluster, app)?;
    let proof = group.read(&format!("event {leaf} is not proven"), |client| proof(client, leaf))?;
    // The document is one line in a form of its own, whoever reads it.
    export::write(&mut stdout_sink(), &proof)?;
    Ok(Exit::Done)
}

async fn proof(mut client: OperatorsClient<Channel>, leaf: u64) -> Said<String> {
    Ok(match client.prove_event(ProveEventRequest { leaf }).await?.into_inner().result {
        Some(prove_event_reply::Result::Proof(proof)) => Ok(proof),
        Some(prove_event_reply::Result::Failure(failure)) => Err(failure),
        None => Err(Refused::default()),
    })
}
