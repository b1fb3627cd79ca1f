//! The audit log: events, notes, paths, and the two documents that come from elsewhere to be checked.

use std::sync::LazyLock;

use strongroom_core::audit::{
    AuditEvent, EVENT_BYTES_MAX, EventProof, ExportLines, Frontier, KeyName, LeafIndex, LogSigner, SignedCheckpoint,
    SignedNote, TreeHead, TreeSize, TrustedKeys, VerifierKey, verify_consistency, verify_export, verify_inclusion,
};
use strongroom_core::id::TreeHash;

/// Trust in a log whose key no input was signed with.
static TRUSTED: LazyLock<TrustedKeys> = LazyLock::new(|| {
    let origin = KeyName::new("example.org/strongroom/audit").expect("a name");
    let signer = LogSigner::from_seed(origin, &[0x5e; 32]).expect("a key");
    TrustedKeys::new([signer.verifier_key().clone()]).expect("one key")
});

pub(super) fn event(data: &[u8]) {
    if let Ok(event) = AuditEvent::decode(data) {
        assert!(data.len() <= EVENT_BYTES_MAX, "an event is bounded");
        assert_eq!(event.encode(), data, "an event has one encoding");
    }
}

pub(super) fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text, "a key has one text");
    }
    if let Ok(note) = SignedNote::parse(text) {
        assert_eq!(note.to_string(), text, "a note has one text");
    }
    if let Ok(checkpoint) = SignedCheckpoint::parse(text) {
        assert_eq!(checkpoint.to_string(), text, "a checkpoint has one text");
        assert_eq!(checkpoint.unverified().body(), checkpoint.note().text());
        assert!(checkpoint.verify(&TRUSTED).is_err(), "nobody else signs for the log");
    }
}

/// A document; or two numbers of eight bytes, two roots, and a path.
pub(super) fn proof(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(proof) = EventProof::parse(text)
    {
        assert_eq!(proof.to_text().ok().as_deref(), Some(text), "a proof has one text");
        assert!(proof.verify(&TRUSTED).is_err(), "nobody else signs for the log");
    }
    if let Ok(frontier) = Frontier::decode(data) {
        assert_eq!(frontier.encode(), data, "a frontier has one encoding");
        let _ = frontier.clone().append(frontier.root());
    }
    let Some((numbers, hashes)) = data.split_first_chunk::<16>() else { return };
    let (hashes, _) = hashes.as_chunks::<32>();
    let [old_root, new_root, path @ ..] = hashes else { return };
    let [old, new] = [0, 8].map(|at| numbers[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    let path: Vec<TreeHash> = path.iter().map(|hash| TreeHash(*hash)).collect();
    let head = |size, root: &[u8; 32]| TreeHead { size: TreeSize(size), root: TreeHash(*root) };
    let (older, newer) = (head(old, old_root), head(new, new_root));
    if verify_inclusion(&older.root, LeafIndex(old), &newer, &path).is_ok() {
        assert!(old < new && path.len() <= 64, "a path shows only what is in the log");
    }
    if verify_consistency(&older, &newer, &path).is_ok() {
        assert!(old <= new && path.len() <= 65, "a path leads from an older log to a newer one");
        assert!(old < new || old_root == new_root, "a size has one root");
    }
}

pub(super) fn export(data: &[u8]) {
    assert!(verify_export(ExportLines::new(data), &TRUSTED, None).is_err(), "nobody else signs for the log");
}
