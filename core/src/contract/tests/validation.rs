//! What is refused, and under which key.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{contract, terms, zones};
use crate::contract::{Contract, ContractError};

/// The sample with some keys set, and one taken for what stands there.
fn with(changes: &Value) -> Contract {
    let mut value = serde_json::to_value(contract()).unwrap();
    for (key, change) in changes.as_object().unwrap() {
        value[key] = change.clone();
    }
    serde_json::from_value(value).unwrap()
}

fn fault(changes: &Value) -> ContractError {
    with(changes).validate(&TimeZoneDatabase::none()).unwrap_err()
}

#[test]
fn numbers_out_of_bounds_are_refused_under_their_keys() {
    let cases = [
        (json!({"rpo_s": 0}), "rpo_s"),
        (json!({"rpo_s": u64::MAX}), "rpo_s"),
        (json!({"rto_s": 0}), "rto_s"),
        (json!({"rto_s": u64::MAX}), "rto_s"),
        (json!({"retention": {"daily": 4_000_000_000_u32}}), "retention.daily"),
        (json!({"retention": {"weekly": 523}}), "retention.weekly"),
        (json!({"retention": {"monthly": 1201}}), "retention.monthly"),
        (json!({"retention": {"yearly": 101}}), "retention.yearly"),
        (json!({"retention": {"days_min": 36_526}}), "retention.days_min"),
        (json!({"retention": {}}), "retention"),
        (json!({"jurisdictions": []}), "jurisdictions"),
        (json!({"copies": 0}), "copies"),
        (json!({"copies": 17}), "copies"),
        (json!({"regions": 0}), "regions"),
        (json!({"regions": 3}), "regions"),
        (json!({"cadence": {"every": {"minutes": 0}}}), "cadence.every.minutes"),
        (json!({"cadence": {"every": {"minutes": u32::MAX}}}), "cadence.every.minutes"),
        (json!({"run_minutes_max": 0}), "run_minutes_max"),
        (json!({"run_minutes_max": 20_161}), "run_minutes_max"),
        (json!({"jitter_s": 21_601}), "jitter_s"),
        (json!({"jitter_s": 3600}), "jitter_s"),
        (json!({"priority": 101}), "priority"),
        (json!({"retries": {"attempts_max": 0}}), "retries.attempts_max"),
        (json!({"retries": {"attempts_max": 21}}), "retries.attempts_max"),
        (json!({"retries": {"backoff_base_s": 0}}), "retries.backoff_base_s"),
        (json!({"retries": {"backoff_max_s": 604_801}}), "retries.backoff_max_s"),
        (json!({"retries": {"backoff_base_s": 60, "backoff_max_s": 59}}), "retries.backoff_base_s"),
        (json!({"rpo_s": 3599}), "cadence"),
    ];
    for (changes, key) in cases {
        let message = fault(&changes).to_string();
        assert!(message.starts_with(&format!("{key}: ")), "{changes} gave {message}");
    }
}

#[test]
fn calendars_that_mean_nothing_are_refused_under_their_keys() {
    let window = |window: Value| json!({"windows": [window]});
    let weekly = |window: Value| json!({"blackouts": [{"weekly": window}]});
    let once = |from: &str, until: &str| json!({"blackouts": [{"once": {"from": from, "until": until}}]});
    let slots: Vec<String> = (0..97).map(|slot| format!("{:02}:{:02}", slot / 6, slot % 6)).collect();
    let day = json!({"from": "00:00", "to": "24:00"});
    let cases = [
        (json!({"cadence": {"calendar": {"at": []}}}), "cadence.calendar.at"),
        (json!({"cadence": {"calendar": {"at": slots}}}), "cadence.calendar.at"),
        (json!({"cadence": {"calendar": {"at": ["24:00"]}}}), "cadence.calendar.at"),
        (json!({"cadence": {"calendar": {"at": ["02:00"], "weekdays": []}}}), "cadence.calendar.weekdays"),
        (json!({"cadence": {"calendar": {"at": ["02:00"], "zone": "No/Where"}}}), "cadence.calendar.zone"),
        (json!({"cadence": {"calendar": {"at": ["02:00"]}}}), "cadence"),
        (window(json!({"from": "10:00", "to": "10:00"})), "windows[0]"),
        (window(json!({"from": "24:00", "to": "10:00"})), "windows[0].from"),
        (window(json!({"weekdays": [], "from": "09:00", "to": "10:00"})), "windows[0].weekdays"),
        (window(json!({"from": "09:00", "to": "10:00", "zone": "No/Where"})), "windows[0].zone"),
        (window(json!({"from": "09:00", "to": "10:00"})), "windows"),
        (json!({"windows": vec![day.clone(); 33]}), "windows"),
        (weekly(json!({"from": "10:00", "to": "10:00"})), "blackouts[0].weekly"),
        (weekly(day.clone()), "windows"),
        (once("2027-01-02T00:00:00Z", "2027-01-01T00:00:00Z"), "blackouts[0].once"),
        (once("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"), "blackouts[0].once"),
        (once("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"), "blackouts[0].once"),
        (json!({"blackouts": vec![json!({"weekly": day}); 65]}), "blackouts"),
    ];
    for (changes, key) in cases {
        let message = fault(&changes).to_string();
        assert!(message.starts_with(&format!("{key}: ")), "{changes} gave {message}");
    }
}

#[test]
fn blackouts_that_swallow_the_windows_are_told_apart_from_long_nights() {
    let night = json!({"from": "22:00", "to": "05:00", "zone": "+01:00"});
    let swallows = json!({"from": "20:00", "to": "05:00", "zone": "+00:00"});
    let changes = json!({"rpo_s": 90_000, "windows": [night], "blackouts": [{"weekly": swallows}]});
    assert_eq!(fault(&changes), ContractError::NeverOpen);
    let leaves = json!({"from": "20:00", "to": "03:00", "zone": "+00:00"});
    let changes = json!({"rpo_s": 90_000, "windows": [night], "blackouts": [{"weekly": leaves}]});
    assert!(with(&changes).validate(&TimeZoneDatabase::none()).is_ok());
    let changes = json!({"rpo_s": 82_799, "windows": [night], "blackouts": [{"weekly": leaves}]});
    assert_eq!(fault(&changes), ContractError::ClosedBeyondRpo { closed_s: 82_800, rpo_s: 82_799 });
}

#[test]
fn keys_and_words_that_nobody_knows_are_refused() {
    let refused = [
        json!({"rpo": 1}),
        json!({"retention": {"hourly": 1}}),
        json!({"cadence": {"every": {"minutes": 60, "seconds": 1}}}),
        json!({"cadence": {"often": {}}}),
        json!({"cadence": {"calendar": {"at": ["2:00"]}}}),
        json!({"cadence": {"calendar": {"at": ["02:00"], "weekdays": ["monday"]}}}),
        json!({"cadence": {"calendar": {"at": ["02:00"], "zone": "../x"}}}),
        json!({"blackouts": [{"once": {"from": "2027-01-01", "until": "2027-01-02"}}]}),
        json!({"jurisdictions": ["EU"]}),
        json!({"copies": -1}),
        json!({"copies": 300}),
    ];
    for changes in refused {
        let mut value = serde_json::to_value(contract()).unwrap();
        for (key, change) in changes.as_object().unwrap() {
            value[key] = change.clone();
        }
        assert!(serde_json::from_value::<Contract>(value).is_err(), "{changes}");
    }
}

#[test]
fn a_zone_is_known_exactly_where_its_data_are() {
    let zones_here = jiff::tz::db();
    let berlin = with(&json!({"rpo_s": 90_000, "cadence": {"calendar": {"at": ["02:30"], "zone": "Europe/Berlin"}}}));
    let is_here = zones_here.get("Europe/Berlin").is_ok();
    assert_eq!(berlin.validate(zones_here).is_ok(), is_here);
    let zone = "Europe/Berlin".parse().unwrap();
    let unknown = ContractError::UnknownZone { key: "cadence.calendar.zone".to_owned(), zone };
    assert_eq!(berlin.validate(&TimeZoneDatabase::none()).unwrap_err(), unknown);
}

/// Ties the rules that the tests use to the data of this machine, where it has them.
#[test]
fn the_rules_of_the_tests_are_those_of_the_data() {
    let rules = zones();
    let named = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"];
    let known: Vec<(TimeZone, &TimeZone)> =
        named.iter().zip(&rules).filter_map(|(name, rule)| Some((jiff::tz::db().get(name).ok()?, rule))).collect();
    for day in 0..365 {
        let at = jiff::Timestamp::from_second(1_798_761_600 + day * 86_400).unwrap();
        assert!(known.iter().all(|(zone, rule)| zone.to_offset(at) == rule.to_offset(at)), "{at}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_contracts() {
    let page = include_str!("../../../../docs/scheduling.md");
    let blocks: Vec<&str> = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let contract: Contract = serde_json::from_str(block).unwrap();
        let answer = contract.validate(jiff::tz::db());
        assert!(matches!(answer, Ok(_) | Err(ContractError::UnknownZone { .. })), "{answer:?}");
        let again: Contract = serde_json::from_value(serde_json::to_value(&contract).unwrap()).unwrap();
        assert_eq!(again, contract);
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let terms = terms(&contract());
    let contract = terms.contract();
    assert_eq!((contract.run_minutes_max, contract.priority, contract.jitter_s), (240, 50, 0));
    assert_eq!(contract.retries.attempts_max, 3);
    assert!(contract.windows.is_empty() && contract.blackouts.is_empty());
}

proptest! {
    #[test]
    fn no_text_makes_reading_or_checking_panic(text in r#"[\[\]{}",:0-9a-zA-Z_+ \-]{0,200}"#) {
        if let Ok(contract) = serde_json::from_str::<Contract>(&text) {
            let _ = contract.validate(&TimeZoneDatabase::none());
        }
    }

    #[test]
    fn no_numbers_make_checking_panic(
        rpo_s: u64, minutes: u32, jitter_s: u32, base: u32, most: u32, attempts: u32,
        from in i64::MIN / 2..i64::MAX / 2, until in i64::MIN / 2..i64::MAX / 2,
    ) {
        let mut contract = contract();
        contract.rpo_s = rpo_s;
        contract.jitter_s = jitter_s;
        contract.cadence = crate::contract::Cadence::Every(crate::contract::Every { minutes });
        contract.retries = crate::contract::Retries { attempts_max: attempts, backoff_base_s: base, backoff_max_s: most };
        let span = crate::contract::Span { from: crate::time::WallTime(from), until: crate::time::WallTime(until) };
        contract.blackouts = vec![crate::contract::Blackout::Once(span)];
        let _ = contract.validate(&TimeZoneDatabase::none());
    }
}
