//! `docs/audit-log.md` against the code: its examples are what the code writes, and a verifier takes them.

use super::checkpoint::tests::signed;
use super::event::tests::event;
use super::event_proof::EventProof;
use super::export::{ExportLines, ExportWriter, verify_export};
use super::keys::tests::{log, trusted, witness};
use super::merkle::LeafIndex;
use super::merkle::tests::Rows;

const PAGE: &str = include_str!("../../../docs/audit-log.md");

/// The examples of the page: a log of three events, with checkpoints behind the second and the third.
struct Examples {
    event: String,
    leaf: String,
    checkpoint: String,
    export: String,
    proof: String,
}

fn examples() -> Examples {
    let (mut rows, mut export) = (Rows::default(), String::new());
    let keys = vec![log().verifier_key().clone(), witness().verifier_key().clone()];
    let (mut writer, header) = ExportWriter::start(log().verifier_key().name().clone(), keys).unwrap();
    export.push_str(&header);
    for number in 0..3 {
        rows.append(event(number).leaf_hash());
        export.push_str(&writer.event(event(number)).unwrap());
        if number > 0 {
            export.push_str(&writer.checkpoint(signed(rows.frontier.head())).unwrap());
        }
    }
    export.push_str(&writer.finish().unwrap());
    let last = signed(rows.frontier.head());
    let proof = EventProof::prove(&rows, LeafIndex(1), event(1), last.clone()).unwrap();
    Examples {
        event: hex::encode(event(1).encode()),
        leaf: event(1).leaf_hash().to_string(),
        checkpoint: last.to_string(),
        export,
        proof: proof.to_text().unwrap(),
    }
}

/// The block of the page with this name.
fn block(name: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```vector {name}\n")).unwrap();
    rest.split_once("```\n").unwrap().0
}

#[test]
fn the_examples_of_the_page_are_what_the_code_writes() {
    let examples = examples();
    assert_eq!(block("audit-event").split_whitespace().collect::<String>(), examples.event);
    assert!(PAGE.contains(&format!("`{}`", examples.leaf)));
    assert_eq!(block("audit-checkpoint"), examples.checkpoint);
    assert_eq!(block("audit-export"), examples.export);
    assert_eq!(block("audit-proof"), examples.proof);
    for key in [log().verifier_key(), witness().verifier_key()] {
        assert!(PAGE.contains(&format!("`{key}`")));
    }
}

#[test]
fn the_examples_of_the_page_verify() {
    let report = verify_export(ExportLines::new(block("audit-export").as_bytes()), &trusted(), None).unwrap();
    assert_eq!((report.head.size.0, report.checkpoints), (3, 2));
    let proven = EventProof::parse(block("audit-proof")).unwrap().verify(&trusted()).unwrap();
    assert_eq!(proven.event, event(1));
    assert_eq!(report.head, *proven.checkpoint.checkpoint().head());
}
