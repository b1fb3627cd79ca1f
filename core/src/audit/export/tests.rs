//! Exports: whole ones are told to be whole, and nothing else is.

use std::convert::Infallible;
use std::io::{self, BufReader};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::audit::checkpoint::tests::signed;
use crate::audit::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::audit::event::tests::event;
use crate::audit::keys::TrustedKeys;
use crate::audit::keys::tests::{log, name, trusted, witness};
use crate::audit::merkle::{Frontier, LeafIndex, TREE_SIZE_MAX, TreeHead, TreeSize};
use crate::audit::signers::LogSigner;
use crate::id::TreeHash;

/// The tree after so many events.
fn head(events: u64) -> TreeHead {
    let mut frontier = Frontier::new();
    (0..events).for_each(|number| drop(frontier.append(event(number).leaf_hash()).unwrap()));
    frontier.head()
}

/// The lines of an export with checkpoints behind these sizes.
fn export(checkpoints: &[u64]) -> Vec<String> {
    let keys = vec![log().verifier_key().clone(), witness().verifier_key().clone()];
    let (mut writer, header) = ExportWriter::start(name("example.org/strongroom/audit"), keys).unwrap();
    let mut lines = vec![header];
    for size in checkpoints {
        while writer.events().0 < *size {
            lines.push(writer.event(event(writer.events().0)).unwrap());
        }
        lines.push(writer.checkpoint(signed(head(*size))).unwrap());
    }
    lines.push(writer.finish().unwrap());
    lines
}

fn check(lines: &[String], earlier: Option<&Checkpoint>) -> Result<Report, VerifyError<Infallible>> {
    verify_export(lines.iter().cloned().map(Ok), &trusted(), earlier)
}

fn check_bytes(bytes: &[u8]) -> Result<Report, VerifyError<io::Error>> {
    verify_export(ExportLines::new(bytes), &trusted(), None)
}

/// Line and fault, for exports that must not pass.
fn found(lines: &[String], earlier: Option<&Checkpoint>) -> (u64, Fault) {
    match check(lines, earlier) {
        Err(VerifyError::Found(Finding { line, fault })) => (line, fault),
        other => panic!("{other:?}"),
    }
}

fn checkpoint(head: TreeHead) -> Checkpoint {
    Checkpoint::new(name("example.org/strongroom/audit"), head)
}

/// The last line of these lines, as whoever forges an export would write it.
fn with_end(lines: &[String]) -> Vec<String> {
    let count = |kind: &str| lines.iter().filter(|line| line.contains(&format!("{{\"line\":\"{kind}\""))).count();
    let sum = hex::encode(crate::merkle::sha256(&[lines.concat().as_bytes()]));
    let end = format!(
        "{{\"line\":\"end\",\"events\":{},\"checkpoints\":{},\"sha256\":\"{sum}\"}}\n",
        count("event"),
        count("checkpoint")
    );
    lines.iter().cloned().chain([end]).collect()
}

/// The export without its end, changed, with an end that fits again.
fn forged(lines: &[String], change: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
    let mut lines = lines[..lines.len() - 1].to_vec();
    change(&mut lines);
    with_end(&lines)
}

/// The line of an event that says what another one says.
fn retold(place: u64, told: u64) -> String {
    line::Line::event(LeafIndex(place), event(told)).to_text().unwrap()
}

fn note_line(note: SignedCheckpoint) -> String {
    line::Line::Checkpoint(line::CheckpointLine { note }).to_text().unwrap()
}

#[test]
fn a_whole_export_is_reported_with_what_it_proves() {
    let lines = export(&[2, 5]);
    let report = check(&lines, None).unwrap();
    assert_eq!(report.head, head(5));
    assert_eq!((report.checkpoints, report.extends), (2, None));
    assert_eq!(report.cosigners, [name("witness.example.net/w1")]);
    assert_eq!((report.first, report.last), (Some(event(0).wall), Some(event(4).wall)));
    assert_eq!(with_end(&lines[..lines.len() - 1]), lines);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["size"], &json["first"]), (&5.into(), &"2026-11-18T11:06:40.000000+00:00".into()));
    assert_eq!(check_bytes(lines.concat().as_bytes()).unwrap(), report);
}

#[test]
fn an_export_of_no_events_is_whole_with_a_checkpoint_of_none() {
    assert_eq!(check(&export(&[0]), None).unwrap().head, head(0));
    assert_eq!(check(&export(&[0, 1, 300]), Some(&checkpoint(head(0)))).unwrap().extends, Some(TreeSize(0)));
}

#[test]
fn an_earlier_checkpoint_is_extended_or_the_export_is_refused() {
    let lines = export(&[2, 5]);
    for size in 0..=5 {
        let report = check(&lines, Some(&checkpoint(head(size)))).unwrap();
        assert_eq!(report.extends, Some(TreeSize(size)), "one needs no checkpoint in the export to be compared");
    }
    for size in 0..=5_u64 {
        let other = TreeHead { size: TreeSize(size), root: TreeHash([7; 32]) };
        let (line, fault) = found(&lines, Some(&checkpoint(other)));
        assert!(matches!(fault, Fault::EarlierDiffers { size: TreeSize(found) } if found == size), "{fault:?}");
        assert_eq!(line, 1 + size + u64::from(size > 2), "the line of the event that should lead to it");
    }
    for size in [6, TREE_SIZE_MAX] {
        let later = checkpoint(TreeHead { size: TreeSize(size), root: head(6).root });
        let (line, fault) = found(&lines, Some(&later));
        assert!(matches!(fault, Fault::BelowEarlier { events: TreeSize(5), .. }), "{fault:?}");
        assert_eq!(line, 9);
    }
    let (line, fault) = found(&lines, Some(&Checkpoint::new(name("example.org/other"), head(2))));
    assert!(line == 1 && matches!(fault, Fault::AnotherLog { .. }));
}

#[test]
fn no_changed_byte_goes_unseen() {
    let whole = export(&[1, 3]).concat().into_bytes();
    assert!(check_bytes(&whole).is_ok());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        for bit in 0..8 {
            bytes[at] = whole[at] ^ (1 << bit);
            assert!(check_bytes(&bytes).is_err(), "byte {at}, bit {bit}");
        }
        bytes[at] = !whole[at];
        assert!(check_bytes(&bytes).is_err(), "byte {at}, inverted");
    }
}

#[test]
fn no_cut_and_no_lost_doubled_or_inserted_byte_goes_unseen() {
    let whole = export(&[1, 3]).concat().into_bytes();
    for at in 0..whole.len() {
        assert!(check_bytes(&whole[..at]).is_err(), "cut to {at}");
        assert!(check_bytes(&[&whole[..at], &whole[at + 1..]].concat()).is_err(), "without byte {at}");
        for byte in [whole[at], b' ', b'\r', b'\n', b'0'] {
            assert!(check_bytes(&[&whole[..at], &[byte], &whole[at..]].concat()).is_err(), "{byte} put in at {at}");
        }
    }
    for more in [&b" "[..], b"\n", b"{}\n", b"\xff"] {
        assert!(check_bytes(&[&whole, more].concat()).is_err());
    }
}

#[test]
fn no_lost_doubled_or_moved_line_goes_unseen() {
    let lines = export(&[2, 4, 5]);
    for at in 0..lines.len() {
        let mut lost = lines.clone();
        lost.remove(at);
        let (line, _) = found(&lost, None);
        assert!(line > at as u64, "without line {}", at + 1);
        for to in 0..=lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(to, lines[at].clone());
            assert!(check(&doubled, None).is_err(), "line {} again before line {}", at + 1, to + 1);
        }
        for other in 0..at {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert!(check(&swapped, None).is_err(), "lines {} and {} swapped", other + 1, at + 1);
        }
        assert!(check(&lines[..at], None).is_err(), "cut behind line {at}");
    }
}

/// What whoever has the export but not the log's key can do, with an end line that fits again.
#[test]
fn a_forged_export_is_found_and_its_line_named() {
    // header · 0 · 1 · checkpoint 2 · 2 · 3 · checkpoint 4 · 4 · checkpoint 5
    let lines = export(&[2, 4, 5]);
    assert!(check(&forged(&lines, |_| ()), None).is_ok());
    let of = |change: fn(&mut Vec<String>)| found(&forged(&lines, change), None);

    let (line, fault) = of(|lines| lines[4] = lines[4].replace("anna", "otto"));
    assert!(line == 5 && matches!(fault, Fault::Line(LineFault::Form)), "a readable field: {fault:?}");
    let (line, fault) = of(|lines| lines[4] = retold(2, 7));
    assert_eq!(line, 7, "an event that says something else is found at the next checkpoint");
    assert!(matches!(fault, Fault::RootDiffers { from: LeafIndex(2), size: TreeSize(4) }), "{fault:?}");
    let (line, fault) = of(|lines| drop(lines.remove(4)));
    assert!(line == 5 && matches!(fault, Fault::LeafOutOfPlace { expected: LeafIndex(2), found: LeafIndex(3) }));
    let (line, fault) = of(|lines| drop(lines.splice(4..6, [retold(2, 3)])));
    assert!(line == 6 && matches!(fault, Fault::CheckpointOutOfPlace { size: TreeSize(4), events: TreeSize(3) }));
    let (line, fault) = of(|lines| lines.insert(4, retold(2, 9)));
    assert!(line == 6 && matches!(fault, Fault::LeafOutOfPlace { .. }), "{fault:?}");
    let (line, fault) = of(|lines| lines.insert(6, retold(4, 9)));
    assert!(line == 8 && matches!(fault, Fault::CheckpointOutOfPlace { size: TreeSize(4), events: TreeSize(5) }));
    let (line, fault) = of(|lines| drop(lines.splice(4..6, [retold(2, 3), retold(3, 2)])));
    assert!(line == 7 && matches!(fault, Fault::RootDiffers { .. }), "{fault:?}");
    let (line, fault) = of(|lines| drop(lines.pop()));
    assert!(line == 9 && matches!(fault, Fault::Unsigned { events: TreeSize(5) }), "{fault:?}");
    let (line, fault) = of(|lines| lines.truncate(1));
    assert!(line == 2 && matches!(fault, Fault::Unsigned { events: TreeSize(0) }), "{fault:?}");
    let (line, fault) = of(|lines| lines.push(lines[8].clone()));
    assert!(line == 10 && matches!(fault, Fault::CheckpointOutOfPlace { .. }), "{fault:?}");
    let (line, fault) = of(|lines| lines.insert(1, lines[0].clone()));
    assert!(line == 2 && matches!(fault, Fault::OutOfPlace), "{fault:?}");
}

#[test]
fn what_ends_at_an_older_checkpoint_is_found_by_who_holds_a_newer_one() {
    let cut = forged(&export(&[2, 4, 5]), |lines| lines.truncate(7));
    assert_eq!(check(&cut, None).unwrap().head, head(4), "nothing in the lines themselves tells");
    let (line, fault) = found(&cut, Some(&checkpoint(head(5))));
    assert!(line == 8 && matches!(fault, Fault::BelowEarlier { .. }), "{fault:?}");
}

/// What the holder of the log's key can do.
#[test]
fn two_histories_of_one_size_are_a_fork() {
    let lines = export(&[2, 4]);
    let other = TreeHead { size: TreeSize(4), root: TreeHash([3; 32]) };
    let forked = forged(&lines, |lines| lines.push(note_line(signed(other))));
    let (line, fault) = found(&forked, None);
    assert!(line == 8 && matches!(fault, Fault::Fork { size: TreeSize(4) }), "{fault:?}");
    let forked = forged(&lines, |lines| lines.insert(6, note_line(signed(other))));
    let (line, fault) = found(&forked, None);
    assert!(line == 7 && matches!(fault, Fault::RootDiffers { .. }), "{fault:?}");
}

#[test]
fn a_checkpoint_counts_only_with_the_signature_of_its_own_log() {
    let lines = export(&[2]);
    let stranger = LogSigner::from_seed(name("example.org/strongroom/audit"), &[9; 32]).unwrap();
    let unsigned = note_line(checkpoint(head(2)).sign(&stranger).unwrap());
    let (line, fault) = found(&forged(&lines, |lines| lines[3] = unsigned), None);
    assert!(line == 4 && matches!(fault, Fault::Checkpoint { source: CheckpointError::NotSigned { .. } }), "{fault:?}");
    let other = LogSigner::from_seed(name("example.org/other"), &[9; 32]).unwrap();
    let of_other = note_line(Checkpoint::new(name("example.org/other"), head(2)).sign(&other).unwrap());
    let forged = forged(&lines, |lines| lines[3] = of_other);
    let both = TrustedKeys::new([log().verifier_key().clone(), other.verifier_key().clone()]).unwrap();
    let checked = verify_export(forged.into_iter().map(Ok::<_, Infallible>), &both, None);
    let Err(VerifyError::Found(Finding { line: 4, fault: Fault::Checkpoint { source } })) = checked else {
        panic!("{checked:?}")
    };
    assert!(matches!(source, CheckpointError::AnotherLog { .. }));
}

#[test]
fn faults_of_form_are_named() {
    let lines = export(&[2]);
    let of = |line: &str| found(&forged(&lines, |lines| lines[0] = line.to_owned()), None);
    assert!(matches!(of("\n"), (1, Fault::Line(LineFault::Json { .. }))));
    assert!(matches!(of(lines[0].trim_end()), (1, Fault::Line(LineFault::Form))));
    assert!(matches!(
        of(&lines[0].replace("version\":1", "version\":2")),
        (1, Fault::Line(LineFault::UnknownSchema { .. }))
    ));
    assert!(matches!(of(&format!("{}\n", "[".repeat(LINE_BYTES_MAX))), (1, Fault::Line(LineFault::TooLong { .. }))));
    assert!(matches!(of(&format!("{}\n", "[".repeat(100_000))), (1, Fault::Line(LineFault::Json { .. }))));
    assert!(matches!(of(&lines[1]), (1, Fault::OutOfPlace)));
    assert!(matches!(found(&lines[..4], None), (5, Fault::NoEnd)));
    assert!(matches!(found(&[], None), (1, Fault::NoEnd)));
    let mut more = lines.clone();
    more.push(lines[1].clone());
    assert!(matches!(found(&more, None), (6, Fault::OutOfPlace)));
    let mut sum = lines.clone();
    let at = sum[4].len() - 5;
    let digit = if sum[4].as_bytes()[at] == b'0' { "1" } else { "0" };
    sum[4].replace_range(at..=at, digit);
    assert!(matches!(found(&sum, None), (5, Fault::SumDiffers)));
    let keys = vec![log().verifier_key().clone(); 65];
    assert!(matches!(
        ExportWriter::start(name("a"), keys).map(|(_, line)| line),
        Err(ExportRefused::TooManyKeys { keys: 65 })
    ));
}

#[test]
fn who_goes_on_after_a_finding_gets_no_report() {
    let (lines, trusted) = (export(&[2]), trusted());
    for at in 0..=lines.len() {
        let mut verifier = ExportVerifier::new(&trusted, None);
        for (number, line) in lines.iter().enumerate() {
            if number == at {
                assert!(verifier.push("garbage\n").is_err());
            }
            assert_eq!(verifier.push(line).is_ok(), number < at);
        }
        if at == lines.len() {
            assert!(verifier.push("garbage\n").is_err());
        }
        assert!(verifier.finish().is_err(), "garbage before line {}", at + 1);
    }
}

#[test]
fn the_writer_writes_nothing_that_would_not_pass() {
    let (mut writer, _) = ExportWriter::start(name("example.org/strongroom/audit"), Vec::new()).unwrap();
    writer.event(event(0)).unwrap();
    let refused = |note, writer: &mut ExportWriter| writer.checkpoint(note).unwrap_err();
    assert!(matches!(refused(signed(head(2)), &mut writer), ExportRefused::OutOfPlace { .. }));
    let other = TreeHead { size: TreeSize(1), root: TreeHash([3; 32]) };
    assert!(matches!(refused(signed(other), &mut writer), ExportRefused::RootDiffers { .. }));
    let signer = LogSigner::from_seed(name("b"), &[9; 32]).unwrap();
    let foreign = Checkpoint::new(name("b"), head(1)).sign(&signer).unwrap();
    assert!(matches!(refused(foreign, &mut writer), ExportRefused::AnotherLog { .. }));
    writer.checkpoint(signed(head(1))).unwrap();
    assert!(matches!(refused(signed(head(1)), &mut writer), ExportRefused::OutOfPlace { .. }));
    writer.event(event(1)).unwrap();
    assert!(matches!(writer.finish(), Err(ExportRefused::Unsigned { events: TreeSize(2) })));
}

#[test]
fn a_line_without_end_is_read_in_pieces() {
    let endless = io::Read::take(io::repeat(b'x'), 3 * LINE_BYTES_MAX as u64);
    let mut lines = ExportLines::new(BufReader::new(endless));
    assert_eq!(lines.next().unwrap().unwrap().len(), LINE_BYTES_MAX + 1);
    assert_eq!(lines.count(), 2);
}

#[test]
fn a_source_that_fails_is_not_taken_for_an_end() {
    let lines = export(&[1]);
    let broken = lines.iter().take(2).cloned().map(Ok).chain([Err(io::Error::other("gone"))]);
    let checked = verify_export(broken, &trusted(), None);
    assert!(matches!(checked, Err(VerifyError::Unreadable { line: 3, .. })), "{checked:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn several_changed_bytes_do_not_make_up_for_each_other(
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let whole = export(&[2]).concat().into_bytes();
        let mut bytes = whole.clone();
        for (at, byte) in changes {
            bytes[at.index(whole.len())] = byte;
        }
        prop_assert_eq!(check_bytes(&bytes).is_ok(), bytes == whole);
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(check_bytes(&bytes).is_err());
    }
}
