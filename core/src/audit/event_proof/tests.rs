//! Proofs of single events.

use super::*;
use crate::audit::checkpoint::tests::signed;
use crate::audit::event::tests::event;
use crate::audit::keys::tests::{log, trusted};
use crate::audit::merkle::tests::Rows;

/// A log of events, as its store has it.
fn rows(count: u64) -> Rows {
    let mut rows = Rows::default();
    (0..count).for_each(|number| drop(rows.append(event(number).leaf_hash())));
    rows
}

fn proof(leaf: u64, count: u64) -> EventProof {
    let rows = rows(count);
    EventProof::prove(&rows, LeafIndex(leaf), event(leaf), signed(rows.frontier.head())).unwrap()
}

#[test]
fn every_event_is_proven_by_its_document() {
    for count in [1, 2, 3, 7, 8, 300] {
        for leaf in [0, count / 2, count - 1] {
            let text = proof(leaf, count).to_text().unwrap();
            assert!(text.len() <= PROOF_BYTES_MAX);
            let proven = EventProof::parse(&text).unwrap().verify(&trusted()).unwrap();
            assert_eq!((proven.event, proven.leaf), (event(leaf), LeafIndex(leaf)));
            assert_eq!(proven.checkpoint.checkpoint().head().size.0, count);
        }
    }
}

#[test]
fn no_changed_byte_leaves_a_proof_of_anything_else() {
    let whole = proof(2, 5).to_text().unwrap();
    let own_only = TrustedKeys::new([log().verifier_key().clone()]).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let Ok(proof) = EventProof::parse(&text) else { continue };
            // A note carries signatures of strangers, which nobody can check: the cosignature may become one.
            if let Ok(proven) = proof.verify(&trusted()) {
                assert_eq!(proven.event, event(2), "byte {at}");
                assert!(proven.checkpoint.cosigners().is_empty(), "byte {at}");
            }
            if at < whole.find("witness").unwrap() {
                let verified = EventProof::parse(&text).unwrap().verify(&own_only);
                assert!(verified.is_err(), "byte {at}, bit {bit}");
            }
        }
    }
    for len in 0..whole.len() {
        assert!(whole.get(..len).is_none_or(|text| EventProof::parse(text).is_err()), "cut to {len}");
    }
}

#[test]
fn the_document_of_another_event_place_or_log_is_refused() {
    let rows = rows(6);
    let head = rows.frontier.head();
    let prove = |leaf, told| EventProof::prove(&rows, LeafIndex(leaf), event(told), signed(head)).unwrap();
    assert!(prove(3, 3).verify(&trusted()).is_ok());
    assert!(matches!(prove(3, 4).verify(&trusted()), Err(EventProofError::Path { .. })));
    let mut moved = prove(3, 3);
    moved.leaf = LeafIndex(2);
    assert!(matches!(moved.verify(&trusted()), Err(EventProofError::Path { .. })));
    let mut other = prove(3, 3);
    other.checkpoint = signed(self::rows(7).frontier.head());
    assert!(matches!(other.verify(&trusted()), Err(EventProofError::Path { .. })));
    assert!(matches!(prove(3, 3).verify(&TrustedKeys::default()), Err(EventProofError::Checkpoint { .. })));
}

#[test]
fn what_is_no_proof_says_why() {
    let whole = proof(0, 2).to_text().unwrap();
    let parse = |from: &str, to: &str| EventProof::parse(&whole.replacen(from, to, 1));
    assert!(matches!(EventProof::parse(&" ".repeat(PROOF_BYTES_MAX + 1)), Err(EventProofError::TooLong { .. })));
    assert!(matches!(EventProof::parse("{}\n"), Err(EventProofError::Json { .. })));
    assert!(matches!(
        parse("\"schema_version\":1", "\"schema_version\":2"),
        Err(EventProofError::UnknownSchema { .. })
    ));
    assert!(matches!(parse("\"bytes\":\"01", "\"bytes\":\"02"), Err(EventProofError::Event { .. })));
    assert!(matches!(parse("anna", "otto"), Err(EventProofError::Form)));
    assert!(matches!(parse("\"leaf\":0,", "\"leaf\":0, "), Err(EventProofError::Form)));
    assert!(matches!(parse("\"leaf\":0,", "\"leaf\":0,\"more\":1,"), Err(EventProofError::Form)));
    let path = format!("\"path\":[{}", format!("\"{}\",", "00".repeat(32)).repeat(64));
    assert!(matches!(parse("\"path\":[", &path), Err(EventProofError::Path { .. })));
}
