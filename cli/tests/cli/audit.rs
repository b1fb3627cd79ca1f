//! The audit log, and those who may look at it: offline against the examples of the document, and against a member that
//! runs as a process.

use std::process::{Child, Command};
use std::time::Duration;

use strongroom_platform::clock::{Clock, SystemClock};

use crate::harness::{Place, Ran};
use crate::port;
use crate::schema::check;

const DEADLINE: Duration = Duration::from_mins(1);
const LOG_KEY: &str = "example.org/strongroom/audit+c767d896+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

/// An example of the document.
fn vector(name: &str) -> String {
    let page = include_str!("../../../docs/audit-log.md");
    let start = format!("```vector {name}\n");
    page.split(&start).nth(1).unwrap().split("```").next().unwrap().to_owned()
}

fn verify(place: &Place, text: &str, options: &[&str]) -> Ran {
    std::fs::write(place.path("document"), text).unwrap();
    place.run(&[&["audit", "verify", "document", "--json"], options].concat())
}

#[test]
fn an_export_that_was_touched_is_told_from_one_that_was_not() {
    let place = Place::empty();
    let export = vector("audit-export");
    let report = verify(&place, &export, &["--key", LOG_KEY]).done().documents().pop().unwrap();
    assert_eq!((report["document"].as_str(), report["events"].as_u64()), (Some("export"), Some(3)));
    let lines: Vec<&str> = export.split_inclusive('\n').collect();
    let cut: String = lines[..lines.len() - 3].concat();
    let swapped: String = [lines[0], lines[2], lines[1]].concat() + &lines[3..].concat();
    for broken in [export.replacen("cmdb-1", "cmdb-7", 1), cut, swapped, String::new(), "{}\n".to_owned()] {
        let ran = verify(&place, &broken, &["--key", LOG_KEY]).ended_with(26);
        assert!(ran.err.starts_with("error SR0061: "), "{ran:#?}");
    }
}

#[test]
fn keys_that_only_the_document_names_prove_nothing() {
    let place = Place::empty();
    let witness = "witness.example.net/w1+0abc1f19+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
    verify(&place, &vector("audit-export"), &["--key", witness]).ended_with(26);
    verify(&place, &vector("audit-export"), &["--key", "no-key"]).ended_with(2);
    verify(&place, &vector("audit-export"), &[]).ended_with(2);
}

#[test]
fn a_log_that_does_not_go_on_from_an_earlier_checkpoint_is_found() {
    let place = Place::empty();
    let checkpoint = vector("audit-checkpoint");
    std::fs::write(place.path("earlier"), &checkpoint).unwrap();
    verify(&place, &vector("audit-export"), &["--key", LOG_KEY, "--earlier", "earlier"]).done();
    std::fs::write(place.path("earlier"), checkpoint.replacen("\n3\n", "\n2\n", 1)).unwrap();
    verify(&place, &vector("audit-export"), &["--key", LOG_KEY, "--earlier", "earlier"]).ended_with(26);
}

#[test]
fn a_proof_shows_its_event() {
    let place = Place::empty();
    let proof = vector("audit-proof");
    let report = verify(&place, &proof, &["--key", LOG_KEY]).done().documents().pop().unwrap();
    assert_eq!((report["document"].as_str(), report["leaf"].as_u64()), (Some("proof"), Some(1)));
    assert_eq!(report["event"]["action"], "restore.approve");
    verify(&place, &proof.replacen("\"leaf\":1", "\"leaf\":0", 1), &["--key", LOG_KEY]).ended_with(26);
}

/// A member that runs, and is killed at the end.
pub(crate) struct Member {
    pub(crate) place: Place,
    endpoint: String,
    child: Child,
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Member {
    pub(crate) fn start() -> Self {
        let place = Place::empty();
        let port = port::hold().unwrap().local_addr().unwrap().port();
        let endpoint = format!("127.0.0.1:{port}");
        let names = ["--name", "m1", "--region", "berlin", "--jurisdiction", "DE", "--trust-domain", "test.example"];
        place.run(&[&["coordinator", "init", "member", "--listen", &endpoint][..], &names].concat()).done();
        let mut run: Command = place.command(&["coordinator", "run", "member"]);
        let log = std::fs::File::create(place.path("log")).unwrap();
        let child = run.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self { place, endpoint, child }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.plainly(&[arguments, &["--json"]].concat())
    }

    /// The same for people.
    pub(crate) fn plainly(&self, arguments: &[&str]) -> Ran {
        let group = ["--endpoint", &self.endpoint, "--identity", "member/operator"];
        self.place.run(&[arguments, &group].concat())
    }

    /// Ends the process.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_token_lets_a_second_member_in_and_can_be_taken_back() {
    let member = Member::start();
    let planned = member.run(&["agent", "token", "--for", "member", "--region", "berlin", "--plan"]).done();
    assert_eq!(planned.documents().pop().unwrap()["done"], false);
    member.run(&["agent", "token", "--region", "berlin"]).ended_with(2);
    member.run(&["agent", "token", "--region", "berlin", "--site", "nowhere"]).ended_with(20);
    let made = member.run(&["agent", "token", "--region", "berlin", "--site", "berlin"]).done();
    let made = made.documents().pop().unwrap();
    check(&made);
    let id = made["id"].as_str().unwrap().to_owned();
    let revoked = member.run(&["agent", "revoke", &id, "--yes"]).done().documents().pop().unwrap();
    check(&revoked);
    member.run(&["agent", "revoke", &id, "--yes"]).ended_with(20);
    member.run(&["agent", "revoke", "nobody", "--yes"]).ended_with(1);
    let listed = member.run(&["agent", "ls"]).done().documents().pop().unwrap();
    check(&listed);
    assert_eq!(listed["agents"].as_array().unwrap().len(), 0);

    let made = member.run(&["agent", "token", "--for", "member", "--region", "berlin"]).done();
    let token = made.documents().pop().unwrap()["token"].as_str().unwrap().to_owned();
    std::fs::write(member.place.path("token"), &token).unwrap();
    let port = port::hold().unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let join = |folder: &str| {
        let to = ["--name", folder, "--listen", &address, "--token-file", "token", "--endpoint", &member.endpoint];
        member.place.run(&[&["coordinator", "join", folder][..], &to].concat())
    };
    join("second").done();
    join("third").ended_with(20);
}

#[test]
fn operators_are_registered_and_the_log_of_it_is_exported_and_proven() {
    let member = Member::start();
    let identity = format!("spiffe://test.example/berlin/operator/{}", "ab".repeat(16));
    let listed = member.run(&["operator", "ls"]).done().documents().pop().unwrap();
    assert_eq!(listed["operators"].as_array().unwrap().len(), 1);
    let planned = member.run(&["operator", "add", "bob", &identity, "--role", "auditor", "--plan"]).done();
    assert_eq!(planned.documents().pop().unwrap()["done"], false);
    member.run(&["operator", "add", "bob", &identity, "--role", "auditor"]).done();
    let twice = member.run(&["operator", "add", "bob", &identity, "--role", "auditor"]).ended_with(20);
    assert!(twice.err.starts_with("error SR0071: "), "{twice:#?}");
    member.run(&["operator", "roles", "bob", "--role", "auditor,operator"]).done();
    let listed = member.run(&["operator", "ls"]).done().documents().pop().unwrap();
    assert_eq!(listed["operators"][1]["roles"], serde_json::json!(["operator", "auditor"]));
    member.run(&["operator", "rm", "bob", "--yes"]).done();

    let deadline = SystemClock.monotonic().plus(DEADLINE);
    let exported = loop {
        // The leader signs some seconds after the last event.
        drop(std::fs::remove_file(member.place.path("export")));
        let ran = member.run(&["audit", "export", "--output", "export"]);
        let has_all =
            std::fs::read_to_string(member.place.path("export")).is_ok_and(|it| it.contains("operator.remove"));
        if has_all {
            break ran.done().documents().pop().unwrap();
        }
        assert!(SystemClock.monotonic() < deadline, "{ran:#?}");
    };
    let key = exported["keys"][0].as_str().unwrap();
    let verified = member.place.json(&["audit", "verify", "export", "--key", key]);
    assert_eq!(verified["events"], exported["events"]);
    let proof = member.run(&["audit", "prove", "0"]).done().out;
    verify(&member.place, &proof, &["--key", key]).done();
    member.run(&["audit", "prove", "99999"]).ended_with(20);
}

#[test]
fn a_site_is_founded_with_what_lies_above_it_and_given_up_when_nothing_lies_there() {
    let member = Member::start();
    let paris = ["site", "add", "p1", "--region", "paris"];
    member.run(&paris).ended_with(2);
    let paris = [&paris[..], &["--jurisdiction", "FR"]].concat();
    let planned = member.run(&[&paris[..], &["--plan"]].concat()).done().documents().pop().unwrap();
    assert_eq!((planned["done"].as_bool(), planned["founded"].as_array().unwrap().len()), (Some(false), 3));
    let founded = member.run(&paris).done().documents().pop().unwrap();
    check(&founded);
    assert_eq!(founded["founded"][0], "jurisdiction FR");
    let again = member.run(&paris).done().documents().pop().unwrap();
    assert_eq!(again["founded"].as_array().unwrap().len(), 0, "{again}");
    member.run(&["site", "add", "p1", "--region", "berlin"]).ended_with(2);
    let listed = member.run(&["site", "ls"]).done().documents().pop().unwrap();
    check(&listed);
    let laws: Vec<_> = listed["sites"].as_array().unwrap().iter().map(|it| it["jurisdiction"].clone()).collect();
    assert_eq!(laws, ["DE", "FR"]);
    let removed = member.run(&["site", "rm", "p1", "--yes"]).done().documents().pop().unwrap();
    check(&removed);
    member.run(&["site", "rm", "p1", "--yes"]).ended_with(20);
}
