//! Contracts from flags and from files, and what differs between two of them.
//!
//! Owns the check before anything is asked of the group: a contract that could not be kept is refused here, with the key
//! that is wrong, by the same rules and with this host's zone data.

use std::path::Path;

use strongroom_core::contract::{Cadence, Contract, Every, Jurisdiction};
use strongroom_core::error::Code;

use super::words::Text;
use crate::args::schedule::Terms;
use crate::failure::{Attempt as _, Failure};

/// The longest file that is read: several times what a contract may have.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The contract that the group keeps.
pub(super) fn decoded(bytes: &[u8]) -> Result<Contract, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::because(Code::UnknownFormat, "the source's contract can't be read", error))
}

/// A contract with what the flags say instead.
pub(super) fn changed(mut contract: Contract, terms: &Terms) -> Result<Contract, Failure> {
    if let Some(text) = &terms.rpo {
        contract.rpo_s = Text::of("rpo", text).seconds()?;
    }
    if let Some(text) = &terms.rto {
        contract.rto_s = Text::of("rto", text).seconds()?;
    }
    if let Some(text) = &terms.keep {
        contract.retention = Text::of("keep", text).retention()?;
    }
    if !terms.jurisdictions.is_empty() {
        let read = |text: &String| text.parse::<Jurisdiction>().map_err(|error| unfit("jurisdictions", text, error));
        contract.jurisdictions = terms.jurisdictions.iter().map(read).collect::<Result<_, _>>()?;
    }
    contract.copies = terms.copies.unwrap_or(contract.copies);
    contract.regions = terms.regions.unwrap_or(contract.regions);
    contract.priority = terms.priority.unwrap_or(contract.priority);
    contract.retries.attempts_max = terms.attempts.unwrap_or(contract.retries.attempts_max);
    if let Some(text) = &terms.run_max {
        contract.run_minutes_max = Text::of("run-max", text).minutes()?;
    }
    if let Some(text) = &terms.jitter {
        contract.jitter_s = Text::of("jitter", text).seconds_short()?;
    }
    timed(contract, terms)
}

/// What is said of when runs start.
fn timed(mut contract: Contract, terms: &Terms) -> Result<Contract, Failure> {
    if let Some(text) = &terms.every {
        contract.cadence = Cadence::Every(Every { minutes: Text::of("every", text).minutes()? });
    }
    if let Some(text) = &terms.at {
        contract.cadence = Cadence::Calendar(Text::of("at", text).calendar()?);
    }
    if !terms.window.is_empty() {
        contract.windows = list("window", &terms.window, Text::window)?;
    }
    if !terms.blackout.is_empty() {
        contract.blackouts = list("blackout", &terms.blackout, Text::blackout)?;
    }
    Ok(contract)
}

/// What an option that may be repeated says; `none` says nothing.
fn list<'a, T>(
    option: &'static str,
    texts: &'a [String],
    read: impl Fn(Text<'a>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    texts.iter().map(|text| Text::of(option, text)).filter(|text| !text.is_none()).map(read).collect()
}

/// The contract in a file.
pub(super) fn of_file(path: &Path) -> Result<Contract, Failure> {
    let what = || format!("can't read the contract {}", path.display());
    let bytes = std::fs::metadata(path).attempt(what)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(Failure::new(Code::Usage, format!("{} has {bytes} bytes and is no contract", path.display())));
    }
    let text = std::fs::read_to_string(path).attempt(what)?;
    of_toml(&text).map_err(|(place, why)| {
        Failure::new(Code::Usage, format!("{}:{place}: {why}", path.display()))
            .advise("Print a contract that is taken: strongroom schedule show NAME --toml")
    })
}

/// The contract of a text; or where it departs from one, with the key there, and how.
pub(super) fn of_toml(text: &str) -> Result<Contract, (String, String)> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(begin..).unwrap_or_default().chars().count() + 1;
        let shown = text.get(begin..).unwrap_or_default().lines().next().unwrap_or_default();
        let key = shown.split_once('=').map(|(key, _)| key.trim()).filter(|key| !key.is_empty());
        let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
        (format!("{line}:{column}"), format!("{key}{}", error.message().lines().next().unwrap_or_default()))
    })
}

/// A contract as `--file` takes it.
pub(super) fn to_toml(contract: &Contract) -> Result<String, Failure> {
    let unwritten = |error| Failure::because(Code::Internal, "the contract can't be written as TOML", error);
    // By way of a table, so that tables come behind plain keys.
    let table = toml::Table::try_from(contract).map_err(unwritten)?;
    toml::to_string_pretty(&table).map_err(unwritten)
}

/// Refuses a contract that can't be kept; the message names its key.
pub(super) fn checked(contract: &Contract) -> Result<(), Failure> {
    let refuse = |error| Failure::because(Code::Usage, "the contract can't be kept as it is written", error);
    contract.validate(jiff::tz::db()).map(drop).map_err(|error| refuse(error).advise("Change the key that is named."))
}

/// The keys that differ: key, before and after.
pub(super) fn differences(before: &Contract, after: &Contract) -> Vec<(String, String, String)> {
    let keys = |contract| match serde_json::to_value(contract) {
        Ok(serde_json::Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (keys(before), keys(after));
    let text = |value: Option<&serde_json::Value>| value.map_or_else(|| "-".to_owned(), ToString::to_string);
    let differs = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let mut found: Vec<_> =
        differs.map(|(key, value)| (key.clone(), text(before.get(key)), text(Some(value)))).collect();
    found.sort();
    found
}

fn unfit(option: &str, text: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Usage, format!("--{option} {text:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = include_str!("../../../../docs/scheduling.md");

    /// The example of the manual.
    fn example() -> Contract {
        let json = WHOLE.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_shown_as_toml_is_taken_as_a_file() {
        let plain = changed(example(), &Terms { every: Some("1h".into()), ..Terms::default() }).unwrap();
        for contract in [example(), plain] {
            assert_eq!(of_toml(&to_toml(&contract).unwrap()).unwrap(), contract);
        }
    }

    #[test]
    fn a_file_that_is_no_contract_is_refused_with_key_and_place() {
        let text = to_toml(&example()).unwrap();
        let cases = [
            ("rpo_s = 90000", "rpo_s = \"1h\"", "rpo_s: "),
            ("priority = 70", "priority = 70\nprio = 1", "prio = 1".split_once(' ').unwrap().0),
            ("\"DE\"", "\"XX\"", "jurisdiction"),
        ];
        for (from, to, key) in cases {
            assert!(text.contains(from), "{text}");
            let (place, why) = of_toml(&text.replacen(from, to, 1)).unwrap_err();
            assert!(why.contains(key) && place.contains(':'), "{place}: {why}");
        }
        assert_eq!(of_toml("rpo_s = 1\nrto_s = x").unwrap_err().0, "2:9");
    }

    #[test]
    fn flags_change_what_they_name_and_nothing_else() {
        let terms = Terms {
            rpo: Some("1h".into()),
            window: vec!["22:00-06:00 UTC".into(), "sat 00:00-24:00".into()],
            blackout: vec!["none".into()],
            jurisdictions: vec!["FR".into()],
            ..Terms::default()
        };
        let after = changed(example(), &terms).unwrap();
        assert_eq!((after.rpo_s, after.windows.len(), after.blackouts.len()), (3_600, 2, 0));
        let keys: Vec<String> = differences(&example(), &after).into_iter().map(|(key, _, _)| key).collect();
        assert_eq!(keys, ["blackouts", "jurisdictions", "rpo_s", "windows"]);
        let untouched = changed(example(), &Terms::default()).unwrap();
        assert!(differences(&example(), &untouched).is_empty());
    }

    #[test]
    fn a_contract_that_can_not_be_kept_names_its_key() {
        let after = changed(example(), &Terms { rpo: Some("1m".into()), ..Terms::default() }).unwrap();
        let refused = checked(&after).unwrap_err();
        assert_eq!(refused.code(), Code::Usage);
        assert!(refused.chain()[1].contains("rpo_s"), "{:?}", refused.chain());
        let wrong = changed(example(), &Terms { jurisdictions: vec!["XX".into()], ..Terms::default() }).unwrap_err();
        assert!(wrong.to_string().starts_with("--jurisdictions \"XX\": "), "{wrong}");
    }
}
