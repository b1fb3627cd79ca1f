//! Notes and their texts.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::audit::keys::TrustedKeys;
use crate::audit::keys::tests::{log, name, trusted, witness};

/// The note in the documentation of Go's `sumdb/note`.
const PETER: &str = "If you think cryptography is the answer to your problem,\n\
                     then you don't know what your problem is.\n\n\
                     \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/// A tree head of the Go checksum database, which C2SP's checkpoints are modelled on.
const GO: &str = "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
                  \u{2014} sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

fn note() -> SignedNote {
    let text = "origin\n\n1\n";
    let note = SignedNote::new(text.to_owned(), log().sign(text).unwrap()).unwrap();
    note.with(witness().cosign(text, 7).unwrap()).unwrap()
}

#[test]
fn notes_of_others_verify_with_their_published_keys() {
    for (text, key) in [
        (PETER, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
        (GO, "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"),
    ] {
        let note = SignedNote::parse(text).unwrap();
        assert_eq!(note.to_string(), text);
        let keys = TrustedKeys::new([key.parse().unwrap()]).unwrap();
        assert_eq!(keys.signers(&note).unwrap().len(), 1);
        let changed = text.replacen("you", "You", 1).replacen("20852163", "20852164", 1);
        assert!(keys.signers(&SignedNote::parse(&changed).unwrap()).is_err());
    }
}

#[test]
fn a_text_may_have_empty_lines_and_many_may_sign_it() {
    let note = note();
    assert_eq!(SignedNote::parse(&note.to_string()), Ok(note.clone()));
    assert_eq!(note.text(), "origin\n\n1\n");
    let signers: Vec<_> = trusted().signers(&note).unwrap().iter().map(|key| key.name().clone()).collect();
    assert_eq!(signers, [log().verifier_key().name().clone(), witness().verifier_key().name().clone()]);
}

#[test]
fn what_is_no_note_is_refused() {
    let line = "\u{2014} a AAAAAAA=\n";
    assert!(SignedNote::parse(&format!("text\n\n{line}")).is_ok());
    for wrong in [
        String::new(),
        "\n\n".to_owned(),
        "text\n".to_owned(),
        "text\n\n".to_owned(),
        format!("text\n{line}"),
        format!("text\n\n{}", line.trim_end()),
        format!("text\n\n{line}\n"),
        format!("text\n\n{line}more\n"),
        format!("te\txt\n\n{line}"),
        format!("te\rxt\n\n{line}"),
        format!("text\n\n{line}{line}"),
        "text\n\n- a AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014}a AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014} a  AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014} a AAAAAAA= \n".to_owned(),
        "text\n\n\u{2014} a AAAAAA==\n".to_owned(),
        "text\n\n\u{2014} a+b AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014}  AAAAAAA=\n".to_owned(),
    ] {
        assert!(SignedNote::parse(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn lengths_and_numbers_of_signatures_have_an_end() {
    let signature =
        |number: usize| NoteSignature { name: name(&format!("n{number}")), id: NoteKeyId([0; 4]), bytes: vec![1] };
    let mut note = SignedNote::new("text\n".to_owned(), signature(0)).unwrap();
    for number in 1..SIGNATURES_MAX {
        note = note.with(signature(number)).unwrap();
    }
    assert_eq!(SignedNote::parse(&note.to_string()), Ok(note.clone()));
    assert_eq!(note.clone().with(signature(99)), Err(NoteError::TooMany));
    assert_eq!(SignedNote::parse(&format!("{note}\u{2014} x AAAAAAA=\n")), Err(NoteError::TooMany));
    let long = format!("{}\n", "x".repeat(NOTE_BYTES_MAX));
    assert!(matches!(SignedNote::new(long.clone(), signature(0)), Err(NoteError::TooLong { .. })));
    assert!(matches!(SignedNote::parse(&format!("{long}\n\u{2014} x AAAAAAA=\n")), Err(NoteError::TooLong { .. })));
    let twice = SignedNote::new("text\n".to_owned(), signature(1)).unwrap().with(signature(1));
    assert_eq!(twice, Err(NoteError::SignedTwice));
    assert_eq!(SignedNote::new("text".to_owned(), signature(1)), Err(NoteError::Form));
}

proptest! {
    #[test]
    fn a_changed_note_is_another_note_or_none(at: Index, bits in 1..=255_u8) {
        let mut bytes = note().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(other) = SignedNote::parse(&text)
        {
            prop_assert_ne!(&other, &note());
            prop_assert_eq!(other.to_string(), text);
        }
    }

    #[test]
    fn any_text_is_a_note_or_refused(text in "[a\n]{0,6}\n\n(\u{2014} [ab]{1,2} [A-D]{3,8}={0,2}\n){1,3}") {
        if let Ok(note) = SignedNote::parse(&text) {
            prop_assert_eq!(note.to_string(), text);
        }
    }
}
