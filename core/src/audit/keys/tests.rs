//! Names and keys, by the texts that others publish.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::audit::signers::{Cosigner, LogSigner};
use crate::seal::SIGNATURE_LEN;

/// The key of the example in the documentation of Go's `sumdb/note`.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

pub(in crate::audit) fn name(text: &str) -> KeyName {
    KeyName::new(text).unwrap()
}

/// The log that tests are about.
pub(in crate::audit) fn log() -> LogSigner {
    LogSigner::from_seed(name("example.org/strongroom/audit"), &[1; 32]).unwrap()
}

pub(in crate::audit) fn witness() -> Cosigner {
    Cosigner::from_seed(name("witness.example.net/w1"), &[2; 32]).unwrap()
}

/// Trust in the log and its witness.
pub(in crate::audit) fn trusted() -> TrustedKeys {
    TrustedKeys::new([log().verifier_key().clone(), witness().verifier_key().clone()]).unwrap()
}

#[test]
fn keys_of_others_are_read_and_written() {
    for text in [
        PETER,
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    ] {
        assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
    }
}

/// The whole example: its private key makes its public key, and the signature that it shows.
#[test]
fn a_key_signs_as_its_published_example() {
    let seed = hex::decode("810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173").unwrap();
    let signer = LogSigner::from_seed(name("PeterNeumann"), &seed.try_into().unwrap()).unwrap();
    assert_eq!(signer.verifier_key().to_string(), PETER);
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let note = SignedNote::new(text.to_owned(), signer.sign(text).unwrap()).unwrap().to_string();
    let signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    assert_eq!(note, format!("{text}\n\u{2014} PeterNeumann {signature}\n"));
}

#[test]
fn what_is_no_name_is_refused() {
    for wrong in ["", "a b", "a+b", "a\u{a0}b", "a\u{2003}", "a\nb", "a\u{7f}", &"a".repeat(256)] {
        assert_eq!(KeyName::new(wrong), Err(KeyFault::Name), "{wrong:?}");
    }
    assert!(KeyName::new(&"a".repeat(255)).is_ok());
}

#[test]
fn no_part_of_a_key_is_a_key() {
    for begin in 0..PETER.len() {
        for end in begin..=PETER.len() {
            assert_eq!(PETER[begin..end].parse::<VerifierKey>().is_ok(), end - begin == PETER.len());
        }
    }
}

#[test]
fn keys_of_other_kinds_and_lengths_are_refused() {
    for (kind, len) in [(2_u8, 32), (6, 32), (1, 31), (1, 33), (1, 0)] {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&vec![7; len]);
        let id = hex::encode(&sha256(&[b"a\n", &bytes])[..4]);
        let text = format!("a+{id}+{}", base64::encode(&bytes));
        assert_eq!(text.parse::<VerifierKey>(), Err(KeyFault::Form), "{kind} {len}");
    }
}

proptest! {
    #[test]
    fn a_changed_key_is_refused(at: Index, byte in 0x20..0x7f_u8) {
        let mut text = PETER.as_bytes().to_vec();
        let at = at.index(text.len());
        prop_assume!(text[at] != byte);
        text[at] = byte;
        prop_assert!(String::from_utf8(text).unwrap().parse::<VerifierKey>().is_err());
    }

    #[test]
    fn any_text_is_a_key_or_refused(text in "[a-z+/=A-F0-9é ]{0,80}") {
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}

#[test]
fn a_cosignature_is_not_taken_for_a_signature_nor_for_one_of_another_time() {
    let text = "log\n1\nroot\n";
    let (log, witness) = (log(), witness());
    let cosignature = witness.cosign(text, 1_795_000_000).unwrap();
    assert_eq!(cosignature.bytes.len(), 8 + SIGNATURE_LEN);
    assert!(witness.verifier_key().verifies(text, &cosignature));
    assert!(!witness.verifier_key().verifies("log\n2\nroot\n", &cosignature));
    assert!(!log.verifier_key().verifies(text, &cosignature));
    for at in 0..cosignature.bytes.len() {
        let mut changed = cosignature.clone();
        changed.bytes[at] ^= 1;
        assert!(!witness.verifier_key().verifies(text, &changed), "byte {at}");
    }
    assert!(!witness.verifier_key().verifies(text, &log.sign(text).unwrap()));
    assert!(!witness.verifier_key().verifies(text, &NoteSignature { bytes: vec![1; 7], ..cosignature }));
}

#[test]
fn a_key_is_trusted_once_however_often_it_is_named() {
    let key = log().verifier_key().clone();
    assert!(TrustedKeys::new([key.clone(), key.clone()]).is_ok());
    let twin = VerifierKey { kind: SignatureKind::Cosignature, ..key.clone() };
    assert!(TrustedKeys::new([key, twin]).is_ok(), "kinds have ids of their own");
}
