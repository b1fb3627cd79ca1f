//! `status` and `schedule` against a member that runs as a process.

use crate::audit::Member;
use crate::schema::check;

#[test]
fn a_group_that_is_well_has_a_status_without_findings() {
    let member = Member::start();
    let status = member.run(&["status"]).done().documents().pop().unwrap();
    check(&status);
    assert_eq!((&status["ok"], &status["findings"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(status["members"][0]["role"], "leader");
    assert_eq!(status["members"][0]["version"], env!("CARGO_PKG_VERSION"));
    let page = member.plainly(&["status"]).done().out;
    assert!(page.contains("led by m1") && page.contains("All is well."), "{page}");
}

#[test]
fn a_group_that_does_not_answer_has_no_status() {
    let mut member = Member::start();
    member.run(&["status"]).done();
    member.kill();
    let ran = member.run(&["status", "--patience", "1"]).ended_with(27);
    assert!(ran.err.contains("SR0069"), "{ran:#?}");
}

#[test]
fn an_installation_without_sources_has_no_schedules() {
    let member = Member::start();
    for verb in ["ls", "next"] {
        check(&member.run(&["schedule", verb]).done().documents().pop().unwrap());
    }
    member.run(&["schedule", "show", "cmdb"]).ended_with(20);
    member.run(&["schedule", "run", "cmdb", "--plan"]).ended_with(20);
    let both = ["schedule", "set", "cmdb", "--file", "x", "--rpo", "1h"];
    member.run(&both).ended_with(2);
    std::fs::write(member.place.path("contract.toml"), "rpo_s = 3600\nrto_s = \"long\"\n").unwrap();
    let ran = member.run(&["schedule", "set", "cmdb", "--file", "contract.toml"]).ended_with(2);
    assert!(ran.err.contains("contract.toml:2:9: rto_s: "), "{ran:#?}");
}
