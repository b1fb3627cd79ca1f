//! Profiles over generated tables: what is kept, and what comes and goes between snapshots.

use strongroom_agent::profile::{ProfileChoice, ProfiledSource, parse_profile};
use strongroom_agent::source::Severity;

use crate::host::Host;
use crate::round::left_out;
use crate::table::{Table, Tables};

fn choice(rules: &str) -> ProfileChoice {
    let text = format!("name = \"mine\"\nproduct = \"Mine\"\n{rules}");
    ProfileChoice::Given(Box::new(parse_profile(&text, "mine.toml").unwrap()))
}

fn tables() -> Tables {
    let mut filled = Table::keyed();
    filled.rows = (0..200).map(|id| vec![Some(id.to_string()), Some(format!("n{id}")), None, None]).collect();
    Tables::with("tmp", filled)
}

#[test]
fn a_class_may_be_left_out_and_taken_in_again() {
    let (host, tables) = (Host::new(), tables());
    let transient = || choice("[classes.tmp]\nrole = \"transient\"\n");
    let backup = |choice| host.backup(&ProfiledSource::new(Box::new(tables.clone()), choice)).unwrap();

    let whole = backup(ProfileChoice::Automatic);
    let without = backup(transient());
    assert!(whole.complete && without.complete && without.classes.is_empty());
    assert_eq!(left_out(&host.body(without.sequence)), ["tmp"]);
    assert_eq!(host.body(without.sequence).profile.as_deref(), Some("mine"));
    assert!(host.compare(&tables).iter().all(|(_, found)| found.is_none()));

    let again = backup(ProfileChoice::None);
    assert_eq!(again.root, whole.root, "equal records give equal roots, whatever was left out meanwhile");
    assert_eq!(host.contents(again.sequence), tables.contents());
    assert!(again.findings.iter().all(|finding| finding.severity == Severity::Info), "{:?}", again.findings);
}
