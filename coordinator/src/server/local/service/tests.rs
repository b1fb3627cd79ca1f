//! A member that is alone, asked over a pipe in memory.

use std::time::Duration;

use strongroom_core::audit::{EventProof, TrustedKeys, VerifierKey};
use strongroom_core::time::WallTime;
use strongroom_platform::clock::SimClock;
use strongroom_platform::disk::SimDisk;
use strongroom_platform::rng::SimEntropy;
use strongroom_proto::client::{AskError, Client, Said};
use strongroom_proto::common::v1::Failure;
use strongroom_proto::operators::v1::change_members_request::Change;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{
    AuditStanding, GetCheckpointRequest, ProveEventRequest, PutJurisdiction, RemoveMember, get_checkpoint_reply,
    prove_event_reply,
};

use super::*;
use crate::state::operators::{AddOperator, OperatorRole};
use crate::state::places::Jurisdictions;
use crate::state::text::{JurisdictionName, Name, Subject};
use crate::state::{Actor, Rows};

const PATIENCE: Duration = Duration::from_secs(20);
const OWNER: &str = "spiffe://local/local/operator/01010101010101010101010101010101";
const STRANGER: &str = "spiffe://local/local/operator/02020202020202020202020202020202";

fn clock() -> Arc<dyn Clock> {
    Arc::new(SimClock::starting_at(WallTime(1)))
}

/// A member that knows the owner.
fn created() -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    LocalMember::create(&disk, &SimEntropy::from_seed(2)).unwrap();
    let (name, subject) = (Name::new("owner").unwrap(), Subject::new(OWNER).unwrap());
    let roles = [OperatorRole::Operator, OperatorRole::Auditor].into();
    open(&disk).submit(AddOperator { name, subject, roles }).unwrap();
    disk
}

fn open(disk: &Arc<dyn Disk>) -> LocalMember {
    LocalMember::open(disk, clock(), &SimEntropy::from_seed(1), Actor::System).unwrap()
}

async fn serve(disk: &Arc<dyn Disk>, caller: &str) -> (LocalService, Client<LocalDoor>) {
    let service = LocalService::start(open(disk), Arc::clone(disk), clock(), caller.parse().unwrap()).await.unwrap();
    let client = Client::new(service.door(), vec![LOCAL_ADDRESS.to_owned()], [7; 16]);
    (service, client)
}

fn law(number: u8) -> Command {
    let codes = vec!["DE".to_owned()];
    Command::PutJurisdiction(PutJurisdiction { name: format!("zone-{number}"), codes })
}

fn has_law(rows: &Rows, number: u8) -> bool {
    rows.get::<Jurisdictions>(&JurisdictionName::new(&format!("zone-{number}")).unwrap()).unwrap().is_some()
}

async fn standing(mut client: OperatorsClient<Channel>) -> Said<AuditStanding> {
    Ok(match client.get_checkpoint(GetCheckpointRequest {}).await?.into_inner().result {
        Some(get_checkpoint_reply::Result::Standing(standing)) => Ok(standing),
        Some(get_checkpoint_reply::Result::Failure(failure)) => Err(failure),
        None => Err(Failure::default()),
    })
}

async fn proof(mut client: OperatorsClient<Channel>) -> Said<String> {
    Ok(match client.prove_event(ProveEventRequest { leaf: 0 }).await?.into_inner().result {
        Some(prove_event_reply::Result::Proof(proof)) => Ok(proof),
        Some(prove_event_reply::Result::Failure(failure)) => Err(failure),
        None => Err(Failure::default()),
    })
}

#[tokio::test]
async fn what_was_asked_over_the_pipe_is_there_at_the_next_opening() {
    let disk = created();
    let (service, mut client) = serve(&disk, OWNER).await;
    client.execute(law(1), PATIENCE).await.unwrap();
    service.stop().await;
    assert!(has_law(open(&disk).rows(), 1));
    let (service, _) = serve(&disk, OWNER).await;
    service.stop().await;
}

#[tokio::test]
async fn policy_decides_upon_the_caller() {
    let disk = created();
    let (service, mut client) = serve(&disk, STRANGER).await;
    let refused = client.execute(law(1), PATIENCE).await.unwrap_err();
    assert!(matches!(&refused, AskError::Rejected(failure) if failure.code == "forbidden"), "{refused:?}");
    let refused = client.read(PATIENCE, standing).await.unwrap_err();
    assert!(matches!(refused, AskError::Rejected(_)), "{refused:?}");
    service.stop().await;
    assert!(!has_law(open(&disk).rows(), 1));
}

#[tokio::test]
async fn it_takes_no_other_member_in() {
    let disk = created();
    let (service, mut client) = serve(&disk, OWNER).await;
    let change = Change::Remove(RemoveMember { member: "0000000000000001".to_owned() });
    let refused = client.change(change, PATIENCE).await.unwrap_err();
    assert!(matches!(&refused, AskError::Rejected(failure) if failure.code == "alone"), "{refused:?}");
    service.stop().await;
}

#[tokio::test]
async fn its_audit_log_is_signed_and_its_events_are_proven() {
    let disk = created();
    let (service, mut client) = serve(&disk, OWNER).await;
    let keys = client.read(PATIENCE, standing).await.unwrap().keys;
    let trusted = TrustedKeys::new(keys.iter().map(|key| key.parse::<VerifierKey>().unwrap())).unwrap();
    let proof = client.read(PATIENCE, proof).await.unwrap();
    EventProof::parse(&proof).unwrap().verify(&trusted).unwrap();
    service.stop().await;
}

#[tokio::test]
async fn what_is_only_shown_changes_nothing_below() {
    let disk = created();
    let view = LocalView::look(Arc::clone(&disk), clock(), &SimEntropy::from_seed(1)).unwrap();
    let service = LocalService::show(view, Arc::clone(&disk), clock(), OWNER.parse().unwrap()).unwrap();
    let mut client = Client::new(service.door(), vec![LOCAL_ADDRESS.to_owned()], [7; 16]);
    client.execute(law(1), PATIENCE).await.unwrap();
    service.stop().await;
    assert!(!has_law(open(&disk).rows(), 1));
}
