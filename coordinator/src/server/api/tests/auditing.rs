//! What was asked for is in the audit log, signed, and proven with nothing else at hand.

use strongroom_core::audit::{
    AuditEvent, Decision, EventProof, ExportLines, ExportWriter, KeyName, SignedCheckpoint, TrustedKeys, VerifierKey,
    verify_export,
};
use strongroom_core::id::PolicyHash;
use strongroom_platform::rng::SystemEntropy;
use strongroom_platform::tls::PeerIdentity;
use strongroom_proto::operators::v1::execute_request::Command as Wire;
use strongroom_proto::operators::v1::operators_server::Operators;
use strongroom_proto::operators::v1::{
    AuditStanding, GetCheckpointRequest, ListEventsRequest, ProveEventRequest, RemoveJurisdiction,
    get_checkpoint_reply, list_events_reply, prove_event_reply,
};

use super::installation::{Installation, of, put};
use crate::server::checkpoints::CheckpointSigner;

async fn events(it: &Installation, peer: &PeerIdentity, limit: u32) -> Vec<AuditEvent> {
    let mut events = Vec::new();
    loop {
        let request = ListEventsRequest { from: events.len() as u64, limit };
        let reply = it.service.list_events(of(peer, request)).await.unwrap().into_inner();
        let Some(list_events_reply::Result::Events(page)) = reply.result else { panic!("{reply:?}") };
        assert_eq!(page.from, events.len() as u64);
        events.extend(page.events.iter().map(|bytes| AuditEvent::decode(bytes).unwrap()));
        if !page.has_more {
            return events;
        }
    }
}

async fn standing(it: &Installation, peer: &PeerIdentity) -> AuditStanding {
    let reply = it.service.get_checkpoint(of(peer, GetCheckpointRequest {})).await.unwrap().into_inner();
    let Some(get_checkpoint_reply::Result::Standing(standing)) = reply.result else { panic!("{reply:?}") };
    standing
}

fn signer(it: &Installation) -> CheckpointSigner {
    let (cluster, member) = (it.identity.cluster, it.identity.member);
    CheckpointSigner::open(&it.disk, cluster, member, &SystemEntropy).unwrap()
}

fn keys(standing: &AuditStanding) -> Vec<VerifierKey> {
    standing.keys.iter().map(|key| key.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_and_policy_stand_in_the_log_the_denied_ones_too() {
    let (mut it, operator, auditor) = Installation::founded().await;
    it.next(&auditor, put("FR", &["FR"])).await.unwrap_err();
    let remove = || Wire::RemoveJurisdiction(RemoveJurisdiction { name: "IT".to_owned() });
    it.ask(&auditor, None, remove()).await.unwrap_err();
    // What is repeated is counted, and told when the hour is over.
    it.next(&auditor, put("ES", &["ES"])).await.unwrap_err();
    it.ask(&auditor, None, remove()).await.unwrap_err();
    let events = events(&it, &operator, 2).await;
    let [.., first, second] = events.as_slice() else { panic!("{events:?}") };
    for (event, action, object) in [(first, "jurisdiction.put", "FR"), (second, "jurisdiction.remove", "IT")] {
        assert_eq!((event.action.as_str(), event.object.as_str()), (action, object));
        assert_eq!((event.decision, event.result.as_str()), (Decision::Denied, "forbidden"));
        assert_eq!(event.actor.as_str(), auditor.id.to_string());
    }
    assert_ne!(first.policy, PolicyHash([0; PolicyHash::LEN]));
    assert!(events.iter().all(|event| event.policy == first.policy));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_signed_once_and_shown_with_its_key() {
    let (it, _, auditor) = Installation::founded().await;
    let before = standing(&it, &auditor).await;
    assert!(before.checkpoint.is_empty() && before.keys.is_empty());
    let unsigned = it.service.prove_event(of(&auditor, ProveEventRequest { leaf: 0 })).await.unwrap().into_inner();
    assert!(
        matches!(unsigned.result, Some(prove_event_reply::Result::Failure(failure)) if failure.code == "not-signed")
    );
    assert!(signer(&it).sign(&it.engine).await.unwrap());
    assert!(!signer(&it).sign(&it.engine).await.unwrap(), "the key was kept, and nothing is new");
    let after = standing(&it, &auditor).await;
    let checkpoint = SignedCheckpoint::parse(&after.checkpoint).unwrap();
    let verified = checkpoint.verify(&TrustedKeys::new(keys(&after)).unwrap()).unwrap();
    assert_eq!(verified.checkpoint().head().size.0, after.events);
    assert_eq!(verified.checkpoint().origin().as_str(), after.origin);
    assert_eq!(after.events, before.events + 1, "the key's registration is an event");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_and_proven_verifies_offline() {
    let (mut it, operator, auditor) = Installation::founded().await;
    signer(&it).sign(&it.engine).await.unwrap();
    let earlier = SignedCheckpoint::parse(&standing(&it, &auditor).await.checkpoint).unwrap();
    it.done(&operator, put("FR", &["FR"])).await;
    signer(&it).sign(&it.engine).await.unwrap();
    let standing = standing(&it, &auditor).await;
    let trusted = TrustedKeys::new(keys(&standing)).unwrap();

    let (mut writer, mut export) =
        ExportWriter::start(KeyName::new(&standing.origin).unwrap(), keys(&standing)).unwrap();
    for event in events(&it, &auditor, 3).await {
        export.push_str(&writer.event(event).unwrap());
    }
    export.push_str(&writer.checkpoint(SignedCheckpoint::parse(&standing.checkpoint).unwrap()).unwrap());
    export.push_str(&writer.finish().unwrap());
    let report = verify_export(ExportLines::new(export.as_bytes()), &trusted, Some(earlier.unverified())).unwrap();
    assert_eq!(report.head.size.0, standing.events);

    let last = standing.events - 1;
    let reply = it.service.prove_event(of(&auditor, ProveEventRequest { leaf: last })).await.unwrap().into_inner();
    let Some(prove_event_reply::Result::Proof(proof)) = reply.result else { panic!("{reply:?}") };
    let proven = EventProof::parse(&proof).unwrap().verify(&trusted).unwrap();
    assert_eq!(proven.event.object.as_str(), "FR");
    let beyond = it.service.prove_event(of(&auditor, ProveEventRequest { leaf: u64::MAX })).await.unwrap();
    let beyond = beyond.into_inner().result;
    assert!(matches!(beyond, Some(prove_event_reply::Result::Failure(failure)) if failure.code == "missing"));
}
