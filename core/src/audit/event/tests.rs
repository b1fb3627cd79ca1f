//! Events and their bytes.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// An event that differs from others by a number.
pub(in crate::audit) fn event(number: u64) -> AuditEvent {
    AuditEvent {
        index: EntryIndex(1000 + 3 * number),
        accrued_ms: 60_000 * number,
        wall: WallTime(1_795_000_000_000_000 + 1_000_007 * number.cast_signed()),
        actor: Actor::new("spiffe://example.org/operator/anna").unwrap(),
        action: ActionName::new("restore.approve").unwrap(),
        object: ObjectName::new(&format!("source/cmdb-{number}")).unwrap(),
        request: RequestDigest([number.to_le_bytes()[0]; 32]),
        decision: [Decision::Allowed, Decision::Denied, Decision::System][(number % 3) as usize],
        policy: PolicyHash([0xaa; 32]),
        result: ResultCode::new(if number.is_multiple_of(3) { "" } else { "SR0013" }).unwrap(),
    }
}

prop_compose! {
    fn any_event()(
        numbers in any::<(u64, u64, i64)>(),
        actor in "[ -~é☂]{1,80}",
        action in "[a-z0-9_-]{1,20}\\.[a-z0-9_-]{1,20}",
        object in "[ -~é☂]{0,80}",
        hashes in any::<[[u8; 32]; 2]>(),
        decision in 0..3_u8,
        result in "[ -~]{0,16}",
    ) -> AuditEvent {
        AuditEvent {
            index: EntryIndex(numbers.0),
            accrued_ms: numbers.1,
            wall: WallTime(numbers.2),
            actor: Actor::new(&actor).unwrap(),
            action: ActionName::new(&action).unwrap(),
            object: ObjectName::new(&object).unwrap(),
            request: RequestDigest(hashes[0]),
            decision: Decision::from_byte(decision).unwrap(),
            policy: PolicyHash(hashes[1]),
            result: ResultCode::new(&result).unwrap(),
        }
    }
}

proptest! {
    #[test]
    fn events_come_back(event in any_event()) {
        let bytes = event.encode();
        prop_assert!(bytes.len() <= EVENT_BYTES_MAX);
        prop_assert_eq!(AuditEvent::decode(&bytes), Ok(event));
    }

    #[test]
    fn changed_bytes_are_another_event_or_none(event in any_event(), at: Index, bits in 1..=255_u8) {
        let mut bytes = event.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        if let Ok(other) = AuditEvent::decode(&bytes) {
            prop_assert_ne!(&other, &event);
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn cut_and_lengthened_bytes_are_refused(event in any_event(), at: Index) {
        let mut bytes = event.encode();
        prop_assert!(AuditEvent::decode(&bytes[..at.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(AuditEvent::decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_an_event_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        if let Ok(event) = AuditEvent::decode(&bytes) {
            prop_assert_eq!(event.encode(), bytes);
        }
    }
}

#[test]
fn the_longest_event_is_as_long_as_its_bound() {
    let longest = AuditEvent {
        index: EntryIndex(u64::MAX),
        accrued_ms: u64::MAX,
        wall: WallTime(i64::MIN),
        actor: Actor::new(&"a".repeat(ACTOR_BYTES_MAX)).unwrap(),
        action: ActionName::new(&format!("a.{}", "b".repeat(ACTION_BYTES_MAX - 2))).unwrap(),
        object: ObjectName::new(&"☂".repeat(OBJECT_BYTES_MAX / 3)).unwrap(),
        result: ResultCode::new(&"x".repeat(RESULT_BYTES_MAX)).unwrap(),
        ..event(1)
    };
    let len = longest.encode().len();
    assert!((EVENT_BYTES_MAX - 4..=EVENT_BYTES_MAX).contains(&len), "{len}");
}

#[test]
fn texts_keep_to_their_rules() {
    assert!(Actor::new("").is_err());
    assert!(Actor::new("a\nb").is_err());
    assert!(Actor::new(&"a".repeat(257)).is_err());
    for wrong in ["", "restore", ".", "restore.", ".approve", "Restore.approve", "restore approve.x", "a..b", "a.b\n"] {
        assert!(ActionName::new(wrong).is_err(), "{wrong:?}");
    }
    assert!(ActionName::new("legal-hold.set").is_ok());
    assert!(ObjectName::new("").is_ok());
    for wrong in ["\u{85}", "a\0", "\u{202e}cba", "\u{2067}a", "a\u{2028}b", "\u{200f}"] {
        assert!(ObjectName::new(wrong).is_err(), "{wrong:?}");
    }
    assert!(ObjectName::new("Zürich \u{202f}☂ שלום").is_ok());
    assert!(ResultCode::new(&"x".repeat(17)).is_err());
}

#[test]
fn texts_that_are_too_long_or_no_text_are_refused_before_memory() {
    let bytes = event(0).encode();
    let at = bytes.windows(6).position(|window| window == b"spiffe").unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        AuditEvent::decode(&bytes)
    };
    let malformed = Err(EventError::Malformed(Malformed::new(WHAT)));
    assert_eq!(with(&|bytes| bytes[at] = 0xff), malformed);
    assert_eq!(with(&|bytes| bytes[at - 1] = 0x7f), malformed);
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(with(&|bytes| drop(bytes.splice(at - 1..at, huge))), malformed);
    assert_eq!(with(&|bytes| drop(bytes.splice(at - 1..at, [0xa2, 0x00]))), malformed);
    assert_eq!(with(&|bytes| bytes[0] = 2), Err(EventError::UnknownVersion { found: 2 }));
}

#[test]
fn an_event_is_shown_as_json() {
    let json = serde_json::to_string(&event(1)).unwrap();
    assert_eq!(
        json,
        format!(
            "{{\"index\":1003,\"accrued_ms\":60000,\"wall\":\"2026-11-18T11:06:41.000007+00:00\",\
             \"actor\":\"spiffe://example.org/operator/anna\",\"action\":\"restore.approve\",\
             \"object\":\"source/cmdb-1\",\"request\":\"{}\",\"decision\":\"denied\",\"policy\":\"{}\",\
             \"result\":\"SR0013\"}}",
            "01".repeat(32),
            "aa".repeat(32)
        )
    );
}

#[test]
fn the_leaf_is_that_of_the_rfc_over_the_bytes() {
    let bytes = event(2).encode();
    assert_eq!(event(2).leaf_hash(), TreeHash(crate::merkle::sha256(&[&[0], &bytes])));
}
