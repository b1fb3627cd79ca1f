//! Who may not, and what is not believed.

use serde_json::json;
use strongroom_core::contract::Contract;
use strongroom_platform::rng::SimEntropy;
use strongroom_platform::tls::Role;
use strongroom_proto::agents::v1::agents_client::AgentsClient;
use strongroom_proto::agents::v1::from_agent::Message as Said;
use strongroom_proto::agents::v1::to_agent::Message;
use strongroom_proto::agents::v1::{FromAgent, GetSourcesRequest, Hello, OpenSessionRequest, get_sources_reply};
use strongroom_proto::common::v1::Class;
use strongroom_proto::depots::v1::depots_client::DepotsClient;
use strongroom_proto::depots::v1::{AnnounceRequest, FollowRequest, Session, change_reply, follow_reply};
use tokio_stream::once;
use tonic::Code;

use super::script::{Agent, Fate, Work, done, head};
use super::world::{World, contract, key, source_id, within};

async fn installed() -> World {
    let mut world = World::new().await;
    world.register(1, 1, 1, &contract(&json!({}))).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_sees_its_own_sources_and_nobody_elses() {
    let world = installed().await;
    let mut seen = Vec::new();
    for agent in [1, 2] {
        let mut client = AgentsClient::new(world.channel(Role::Agent, "berlin", agent).await);
        let reply = within(client.get_sources(GetSourcesRequest { after: vec![] })).await.unwrap().into_inner();
        let Some(get_sources_reply::Result::Sources(page)) = reply.result else { panic!("{reply:?}") };
        assert!(page.next_after.is_empty());
        seen.push(page.sources);
    }
    assert_eq!((seen[0].len(), seen[1].len()), (1, 0));
    assert_eq!((seen[0][0].source.as_slice(), seen[0][0].name.as_str()), (&source_id(1).0[..], "source-1"));
    let contract: Contract = serde_json::from_slice(&seen[0][0].contract).unwrap();
    assert_eq!(contract.rpo_s, 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_than_agents_of_this_installation_are_refused() {
    let world = installed().await;
    let depot = world.channel(Role::Depot, "berlin", 9).await;
    let open = OpenSessionRequest { id: vec![1; 16] };
    let status = within(AgentsClient::new(depot).open_session(open.clone())).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "a depot is no agent");
    for (region, agent, code) in [("berlin", 77, "unknown-agent"), ("paris", 1, "unknown-agent")] {
        let channel = world.channel(Role::Agent, region, agent).await;
        let reply = within(AgentsClient::new(channel).open_session(open.clone())).await.unwrap().into_inner();
        let failure = done(reply).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.class()), (code, Class::Rejected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_that_is_over_is_not_let_in() {
    let world = installed().await;
    Agent::follow(&world, 1, 5, Fate::Hangs, &[]).await.vanish().await;
    let hello = Hello { version: "0.1.0".into(), boot: 4, runs: vec![] };
    let mut client = AgentsClient::new(world.channel(Role::Agent, "berlin", 1).await);
    let said = once(FromAgent { message: Some(Said::Hello(hello)) });
    let mut orders = within(client.follow(said)).await.unwrap().into_inner();
    let first = within(orders.message()).await.unwrap().unwrap().message;
    let Some(Message::Failure(failure)) = first else { panic!("{first:?}") };
    assert_eq!(failure.code, "stale-boot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_head_that_the_sources_key_signed_is_committed() {
    let world = installed().await;
    let client = AgentsClient::new(world.channel(Role::Agent, "berlin", 1).await);
    let mut work = Work::new(&world, client, 1).await;
    let entropy = SimEntropy::from_seed(8);
    let epoch = work.open(1, &[]).await.unwrap().epoch;
    let (forged, _, _, _) = head(1, 1, None, 2, &entropy);
    assert_eq!(work.commit(0, epoch, forged).await.unwrap_err().code, "bad-head");
    let (good, hash, _, _) = head(1, 1, None, 1, &entropy);
    assert_eq!(work.commit(0, epoch, good[..40].to_vec()).await.unwrap_err().code, "bad-head");
    assert!(!work.commit(0, epoch, good.clone()).await.unwrap().is_protected, "no depot has it yet");
    assert_eq!(work.commit(0, epoch, good).await.unwrap_err().code, "exists");
    let (next, _, _, _) = head(1, 2, Some(hash), 1, &entropy);
    let other = AgentsClient::new(world.channel(Role::Agent, "berlin", 2).await);
    let mut thief = Work::new(&world, other, 2).await;
    assert_eq!(thief.commit(0, epoch, next).await.unwrap_err().code, "not-yours");
    assert_eq!(thief.open(1, &[]).await.unwrap_err().code, "not-yours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_counts_if_the_depots_key_signed_it() {
    let world = installed().await;
    let client = AgentsClient::new(world.channel(Role::Agent, "berlin", 1).await);
    let mut work = Work::new(&world, client, 1).await;
    let epoch = work.open(1, &[]).await.unwrap().epoch;
    let (signed, _, _, pack) = head(1, 1, None, 1, &SimEntropy::from_seed(8));
    work.commit(0, epoch, signed).await.unwrap();
    assert_eq!(work.receipt(1, epoch, pack, 1).await.unwrap_err().code, "bad-signature");
    work.receipt(1, epoch, pack, 9).await.unwrap();
    work.receipt(1, epoch, pack, 9).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_depot_says_where_it_is_and_can_not_change_its_key() {
    let world = installed().await;
    let mut depots = DepotsClient::new(world.channel(Role::Depot, "berlin", 9).await);
    let id = vec![4; 16];
    let open = strongroom_proto::depots::v1::OpenSessionRequest { id: id.clone() };
    within(depots.open_session(open)).await.unwrap();
    for (signer, sequence, is_fine) in [(9, 1, true), (1, 2, false)] {
        let session = Some(Session { id: id.clone(), sequence, acknowledged_below: sequence });
        let key = key(signer).verifying_key().as_bytes().to_vec();
        let announce = AnnounceRequest { session, capacity_bytes: 1 << 30, key, address: "depot-9:7001".into() };
        let reply = within(depots.announce(announce)).await.unwrap().into_inner();
        assert_eq!(matches!(reply.result, Some(change_reply::Result::Done(_))), is_fine, "{reply:?}");
    }
    let mut standings = within(depots.follow(FollowRequest {})).await.unwrap().into_inner();
    let first = within(standings.message()).await.unwrap().unwrap().result;
    let Some(follow_reply::Result::Standing(standing)) = first else { panic!("{first:?}") };
    assert_eq!((standing.state.as_str(), standing.generation, standing.deny_version), ("active", 0, 0));
}
