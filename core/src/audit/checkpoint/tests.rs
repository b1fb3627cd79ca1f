//! Checkpoints, those of others among them.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::audit::keys::tests::{log, name, trusted, witness};
use crate::audit::merkle::tests::{Rows, head, leaves};
use crate::audit::proof::prove_consistency;
use crate::audit::signers::Cosigner;

/// A checkpoint of a public log of certificates, with cosignatures of public witnesses.
const ARCHE: &str = "arche2025h1.staging.ct.transparency.dev\n\
1432088532\n\
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\
\n\
\u{2014} arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n\
\u{2014} arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n\
\u{2014} transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n\
\u{2014} witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n\
\u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n\
\u{2014} witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n";
const ARCHE_KEY: &str = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const REMORA_KEY: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";

fn keys(texts: &[&str]) -> TrustedKeys {
    TrustedKeys::new(texts.iter().map(|text| text.parse().unwrap())).unwrap()
}

/// The checkpoint of a log of so many leaves, signed by the log and its witness.
pub(in crate::audit) fn signed(head: TreeHead) -> SignedCheckpoint {
    let log = log();
    let signed = Checkpoint::new(log.verifier_key().name().clone(), head).sign(&log).unwrap();
    let cosignature = witness().cosign(signed.note().text(), 1_795_000_000).unwrap();
    signed.with(cosignature).unwrap()
}

#[test]
fn a_checkpoint_of_a_public_log_verifies_with_its_cosignature() {
    let checkpoint = SignedCheckpoint::parse(ARCHE).unwrap();
    assert_eq!(checkpoint.to_string(), ARCHE);
    let verified = checkpoint.verify(&keys(&[ARCHE_KEY, REMORA_KEY])).unwrap();
    assert_eq!(verified.checkpoint().head().size, TreeSize(1_432_088_532));
    assert_eq!(verified.cosigners(), [name("remora.n621.de")]);
    let changed = SignedCheckpoint::parse(&ARCHE.replacen("1432088532", "1432088533", 1)).unwrap();
    assert!(matches!(changed.verify(&keys(&[ARCHE_KEY])), Err(CheckpointError::Forged { .. })));
}

#[test]
fn the_word_of_a_cosigner_does_not_stand_for_that_of_the_log() {
    let checkpoint = SignedCheckpoint::parse(ARCHE).unwrap();
    assert!(matches!(checkpoint.verify(&keys(&[REMORA_KEY])), Err(CheckpointError::NotSigned { .. })));
    assert!(matches!(checkpoint.verify(&TrustedKeys::default()), Err(CheckpointError::NotSigned { .. })));
    let own = signed(head(&leaves(3)));
    let namesake = Cosigner::from_seed(own.unverified().origin().clone(), &[3; 32]).unwrap();
    let cosignature = namesake.cosign(own.note().text(), 1).unwrap();
    let only = TrustedKeys::new([namesake.verifier_key().clone()]).unwrap();
    assert!(matches!(own.with(cosignature).unwrap().verify(&only), Err(CheckpointError::NotSigned { .. })));
}

#[test]
fn a_checkpoint_is_read_and_written_to_the_same_text() {
    let signed = signed(head(&leaves(5)));
    let text = signed.to_string();
    assert_eq!(SignedCheckpoint::parse(&text).unwrap(), signed);
    let verified = signed.verify(&trusted()).unwrap();
    assert_eq!(verified.checkpoint(), signed.unverified());
    assert_eq!(verified.cosigners(), [name("witness.example.net/w1")]);
    let own_only = TrustedKeys::new([log().verifier_key().clone()]).unwrap();
    assert!(signed.verify(&own_only).unwrap().cosigners().is_empty());
}

#[test]
fn the_key_of_one_log_signs_no_other() {
    let foreign = Checkpoint::new(name("example.org/other"), head(&leaves(1)));
    assert!(matches!(foreign.clone().sign(&log()), Err(CheckpointError::AnotherLog { .. })));
    let body = foreign.body();
    let note = SignedNote::new(body.clone(), log().sign(&body).unwrap()).unwrap();
    let parsed = SignedCheckpoint::parse(&note.to_string()).unwrap();
    assert!(matches!(parsed.verify(&trusted()), Err(CheckpointError::NotSigned { .. })));
}

#[test]
fn bodies_have_one_form() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let whole = format!("a.example/log\n20852163\n{root}\nExtendo\nmore \u{2014} lines\n");
    let checkpoint = Checkpoint::parse_body(&whole).unwrap();
    assert_eq!(checkpoint.body(), whole);
    assert_eq!(checkpoint.extensions(), ["Extendo", "more \u{2014} lines"]);
    for (wrong, line) in [
        (String::new(), 1),
        (format!("\n1\n{root}\n"), 1),
        (format!("a b\n1\n{root}\n"), 1),
        (format!("a\n\n{root}\n"), 2),
        (format!("a\n01\n{root}\n"), 2),
        (format!("a\n+1\n{root}\n"), 2),
        (format!("a\n-1\n{root}\n"), 2),
        (format!("a\n1 \n{root}\n"), 2),
        (format!("a\n9223372036854775808\n{root}\n"), 2),
        (format!("a\n1\n{root}"), 3),
        (format!("a\n1\n{}\n", root.trim_end_matches('=')), 3),
        (format!("a\n1\n{}\n", root.replace("2I=", "2J=")), 3),
        ("a\n1\nZm9v\n".to_owned(), 3),
        ("a\n1\n".to_owned(), 3),
        (format!("a\n1\n{root}\n\n"), 4),
        (format!("a\n1\n{root}\nx\n\ny\n"), 5),
        (format!("a\n1\n{root}\n{}", "x\n".repeat(17)), 20),
    ] {
        let refused = Checkpoint::parse_body(&wrong);
        assert!(matches!(refused, Err(CheckpointError::Line { line: found }) if found == line), "{wrong:?}");
    }
    assert!(Checkpoint::parse_body(&format!("a\n0\n{root}\n")).is_ok());
    assert!(Checkpoint::parse_body(&format!("a\n9223372036854775807\n{root}\n")).is_ok());
}

#[test]
fn a_log_follows_itself_and_no_other() {
    let leaves = leaves(9);
    let rows = Rows::of(&leaves);
    let at = |len: usize| Checkpoint::new(name("a"), head(&leaves[..len]));
    let path = prove_consistency(&rows, TreeSize(4), TreeSize(9)).unwrap();
    assert!(at(9).follows(&at(4), &path).is_ok());
    assert!(matches!(at(9).follows(&at(5), &path), Err(CheckpointError::NotConsistent { .. })));
    assert!(matches!(at(4).follows(&at(9), &path), Err(CheckpointError::NotConsistent { .. })));
    let other = Checkpoint::new(name("b"), head(&leaves[..4]));
    assert!(matches!(at(9).follows(&other, &path), Err(CheckpointError::AnotherLog { .. })));
}

proptest! {
    #[test]
    fn a_changed_checkpoint_never_verifies_as_what_it_was(at: Index, bits in 1..=255_u8) {
        let whole = signed(head(&leaves(7)));
        let before = whole.verify(&trusted()).unwrap();
        let mut bytes = whole.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(changed) = SignedCheckpoint::parse(&text)
        {
            prop_assert_eq!(changed.to_string(), text);
            // What is left can be the log's own word without the cosignature that became a stranger's, never another word.
            if let Ok(after) = changed.verify(&trusted()) {
                prop_assert_eq!(after.checkpoint(), before.checkpoint());
                prop_assert!(after.cosigners().is_empty());
            }
        }
    }

    #[test]
    fn any_body_is_a_checkpoint_or_refused(body in "[a-c.]{1,5}\n[0-9]{1,3}\n[A-Za-z]{43}=\n([ x]{1,3}\n){0,3}") {
        if let Ok(checkpoint) = Checkpoint::parse_body(&body) {
            prop_assert_eq!(checkpoint.body(), body);
        }
    }
}
