//! Judgements and the page, of installations that are made up.

use strongroom_core::error::Code;
use strongroom_core::time::WallTime;

use super::judge::{code, judge};
use super::picture::{AgentSeen, AuditSeen, CertificateSeen, DepotSeen, MemberSeen, Picture, SourceSeen};
use super::rendered;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

fn member(number: u8, role: Option<&str>) -> MemberSeen {
    MemberSeen {
        member: format!("{number:016x}"),
        name: format!("m{number}"),
        region: "berlin".into(),
        part: "voter".into(),
        address: "m:7000".into(),
        behind: 0,
        role: role.map(str::to_owned),
        term: role.map(|_| 4),
        version: role.map(|_| "0.1.0".to_owned()),
    }
}

fn source(name: &str) -> SourceSeen {
    SourceSeen {
        source: "ab".repeat(16),
        name: name.into(),
        protected: true,
        age_ms: Some(25 * MINUTE_MS),
        rpo_ms: HOUR_MS,
        because: Some("not-due".into()),
        next_start: Some(WallTime(1_795_350_600_000_000)),
        ..SourceSeen::default()
    }
}

fn healthy() -> Picture {
    Picture {
        cluster: "c0".repeat(16),
        epoch: 1,
        term: 4,
        leader: format!("{:016x}", 1),
        members: vec![member(1, Some("leader")), member(2, Some("follower")), member(3, Some("follower"))],
        sources: vec![source("cmdb")],
        agents: vec![AgentSeen {
            agent: "0a".repeat(16),
            name: "db-1".into(),
            site: "berlin-1".into(),
            sources: 1,
            version: Some("0.1.0".into()),
            heard_ago_ms: Some(3_000),
            identity: "spiffe://example.org/berlin/agent/a".into(),
        }],
        depots: vec![DepotSeen { name: "d1".into(), state: "active".into(), ..DepotSeen::default() }],
        audit: AuditSeen { events: 1_200, signed: 1_200, unsigned_ms: None },
        certificates: vec![],
        is_planned: true,
        is_room: false,
        now: WallTime(1_795_348_800_000_000),
    }
}

/// Everything that can be wrong at once.
fn sick() -> Picture {
    let mut it = healthy();
    it.members[1] = member(2, None);
    it.members[2].behind = 20_000;
    it.members[2].version = Some("0.0.9".into());
    it.sources[0].over_ms = 5 * MINUTE_MS;
    it.sources[0].running = Some("cd".repeat(16));
    let owing = SourceSeen { age_ms: Some(30 * HOUR_MS), debt_ms: 29 * HOUR_MS, ..source("erp") };
    it.sources.push(SourceSeen { because: Some("unattended".into()), next_start: None, ..owing });
    let never = SourceSeen { protected: false, age_ms: None, debt_ms: 61_000, ..source("wiki") };
    it.sources.push(SourceSeen { because: Some("outside-windows".into()), ..never });
    it.sources.push(SourceSeen { disabled: true, protected: false, because: Some("disabled".into()), ..source("old") });
    it.agents[0].heard_ago_ms = None;
    it.depots[0].state = "lost".into();
    it.audit = AuditSeen { events: 1_200, signed: 1_100, unsigned_ms: Some(10 * MINUTE_MS) };
    let (identity, name) = ("spiffe://example.org/berlin/agent/a".to_owned(), "agent db-1".to_owned());
    it.certificates = vec![CertificateSeen { identity, name, ends: WallTime(it.now.0 + 3_600_000_000) }];
    it
}

#[test]
fn an_installation_that_is_well_has_no_findings() {
    let findings = judge(&healthy());
    assert_eq!((findings.len(), code(&findings)), (0, None));
}

#[test]
fn a_promise_that_is_broken_goes_before_all_else() {
    let findings = judge(&sick());
    assert_eq!(code(&findings), Some(Code::PromiseBroken));
    assert_eq!(Code::PromiseBroken.exit(), 4);
    let about: Vec<&str> = findings.iter().map(|finding| finding.about.as_str()).collect();
    assert_eq!(about[..2], ["source erp", "source wiki"]);
    assert!(!about.contains(&"source old"), "nothing is owed for what is disabled");
}

#[test]
fn what_needs_a_person_and_breaks_no_promise_is_told_by_another_code() {
    let mut it = healthy();
    it.agents[0].heard_ago_ms = Some(60_000);
    assert_eq!(code(&judge(&it)), Some(Code::Degraded));
    it.is_planned = false;
    assert_eq!(code(&judge(&it)), None, "where nobody plans, no agent needs a stream");
}

#[test]
fn a_source_that_is_not_protected_yet_and_not_late_is_no_finding() {
    let mut it = healthy();
    it.sources[0] = SourceSeen { protected: false, age_ms: None, ..source("new") };
    assert_eq!(code(&judge(&it)), None);
}

/// The lines of a page, with single spaces between words.
fn lines(picture: &Picture) -> Vec<String> {
    let page = rendered(picture, &judge(picture));
    page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_page_of_an_installation_that_is_well_says_so() {
    let page = lines(&healthy());
    let wanted = [
        "Group c0c0c0c0c0, epoch 1, term 4, led by m1.",
        "m1 berlin voter leader 0 0.1.0",
        "cmdb 25 min ago 1 h nothing 2026-11-22 12:30:00Z",
        "db-1 berlin-1 1 3 s ago 0.1.0",
        "Depots: 1 active, 0 draining, 0 lost.",
        "Audit log: 1,200 events, all under a checkpoint.",
        "All is well.",
    ];
    for line in wanted {
        assert!(page.iter().any(|found| found == line), "{line} is not in {page:#?}");
    }
}

#[test]
fn the_page_of_an_installation_that_is_not_names_all_of_it() {
    let page = lines(&sick());
    let wanted = [
        "m2 berlin voter no answer 0 ?",
        "m3 berlin voter follower 20,000 0.0.9",
        "erp 1 d 6 h ago 1 h 1 d 5 h its agent is not there",
        "db-1 berlin-1 1 no 0.1.0",
        "Depots: 0 active, 0 draining, 1 lost.",
        "Audit log: 1,200 events, 100 not under a checkpoint yet, the oldest of 10 min ago.",
        "BREACH source erp: its newest protected snapshot is 1 d 5 h older than promised; its agent is not there",
        "look member m2: it does not answer: it is stopped, cut off or quarantined",
        "look agent db-1: its certificate ends in 1 h, and is not renewed",
    ];
    for line in wanted {
        assert!(page.iter().any(|found| found == line), "{line} is not in {page:#?}");
    }
    assert!(!page.iter().any(|line| line == "All is well."));
}
