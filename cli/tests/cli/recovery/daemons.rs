//! Members as processes of the program, each in a folder of its own, and the operator who looks after them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use strongroom_platform::clock::{Clock as _, SystemClock};

use crate::harness::{Place, Ran};

/// How long anything may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long a member waits for others, where a test wants it to give up.
const REGION: &str = "here";

/// Members, by name.
pub(super) struct Daemons {
    place: Arc<Place>,
    members: BTreeMap<String, Member>,
    identity: PathBuf,
}

struct Member {
    address: String,
    process: Option<Child>,
}

impl Drop for Daemons {
    fn drop(&mut self) {
        let names: Vec<String> = self.members.keys().cloned().collect();
        for name in &names {
            self.kill(name);
        }
    }
}

fn free_address() -> String {
    crate::port::hold().unwrap().local_addr().unwrap().to_string()
}

impl Daemons {
    /// Founds a group of one, and runs it.
    pub(super) fn found(place: Arc<Place>, name: &str) -> Self {
        let identity = place.path("ann");
        let mut daemons = Self { place, members: BTreeMap::new(), identity };
        let (folder, address) = (daemons.folder(name).display().to_string(), daemons.lay_out(name));
        let init = ["coordinator", "init", &folder, "--name", name, "--listen", &address, "--operator", "ann"];
        let law = ["--region", REGION, "--jurisdiction", "DE", "--trust-domain", "chaos.example"];
        daemons.place.run(&[&init[..], &law].concat()).done();
        for (from, to) in [("operator", "ann"), ("root", "root")] {
            std::fs::rename(daemons.folder(name).join(from), daemons.place.path(to)).unwrap();
        }
        daemons.start(name);
        daemons.wait_for("a leader", |it| it.ask(&["coordinator", "members"]).code == Some(0));
        daemons
    }

    /// Has a new member join, and runs it.
    pub(super) fn join(&mut self, name: &str) {
        let minted = self.ask(&["agent", "token", "--for", "member", "--region", REGION, "--quiet"]).done();
        let file = self.place.path("token").display().to_string();
        std::fs::write(&file, minted.out.trim()).unwrap();
        let endpoints = self.running().join(",");
        let (folder, address) = (self.folder(name).display().to_string(), self.lay_out(name));
        let join = ["coordinator", "join", &folder, "--name", name, "--listen", &address];
        self.place.run(&[&join[..], &["--token-file", &file, "--endpoint", &endpoints]].concat()).done();
        self.start(name);
    }

    /// Runs the member of a folder.
    pub(super) fn start(&mut self, name: &str) {
        let folder = self.folder(name).display().to_string();
        let log = std::fs::File::create(self.place.path(&format!("{name}.log"))).unwrap();
        let mut command = self.place.command(&["-v", "coordinator", "run", &folder]);
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.members.get_mut(name).unwrap().process = Some(process);
    }

    /// Ends a member as a power cut would.
    pub(super) fn kill(&mut self, name: &str) {
        if let Some(mut process) = self.members.get_mut(name).and_then(|member| member.process.take()) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The folder of a member.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    /// The id of a member.
    pub(super) fn member_of(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.folder(name).join("data/member.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        file["member"].as_str().unwrap().to_owned()
    }

    /// Asks as another operator from now on, or with another certificate.
    pub(super) fn use_identity(&mut self, folder: &Path) {
        folder.clone_into(&mut self.identity);
    }

    /// The command that founds the group anew in a folder, out of what is given.
    pub(super) fn recovery(&mut self, name: &str, from: &[&str]) -> Vec<String> {
        let (folder, address) = (self.folder(name).display().to_string(), self.lay_out(name));
        let root_key = self.place.path("root/root-key.pem").display().to_string();
        let words =
            ["coordinator", "recover", &folder, "--name", "anew", "--listen", &address, "--root-key", &root_key];
        let more = ["--operator", "ann", "--region", REGION];
        [&words[..], from, &more].concat().into_iter().map(str::to_owned).collect()
    }

    /// Asks the members that run.
    pub(super) fn ask(&self, arguments: &[&str]) -> Ran {
        self.ask_all(&self.running(), arguments)
    }

    /// Asks one member.
    pub(super) fn ask_at(&self, name: &str, arguments: &[&str]) -> Ran {
        self.ask_all(std::slice::from_ref(&self.members[name].address), arguments)
    }

    /// Asks with `--json`, which must succeed; the document, checked against its schema.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        self.ask(&[arguments, &["--json"]].concat()).done().documents().pop().unwrap()
    }

    /// Looks until something holds.
    #[track_caller]
    pub(super) fn wait_for(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = SystemClock.monotonic();
        while !holds(self) {
            assert!(SystemClock.monotonic().since(begun) < PATIENCE, "there is not {what}: {}", self.logs());
        }
    }

    fn ask_all(&self, addresses: &[String], arguments: &[&str]) -> Ran {
        let identity = self.identity.display().to_string();
        let endpoint = addresses.join(",");
        let words = [arguments, &["--endpoint", &endpoint, "--identity", &identity]].concat();
        self.place.run(&words)
    }

    fn lay_out(&mut self, name: &str) -> String {
        let address = free_address();
        self.members.insert(name.to_owned(), Member { address: address.clone(), process: None });
        address
    }

    fn running(&self) -> Vec<String> {
        self.members.values().filter(|it| it.process.is_some()).map(|it| it.address.clone()).collect()
    }

    fn logs(&self) -> String {
        let log = |name: &String| std::fs::read_to_string(self.place.path(&format!("{name}.log"))).unwrap_or_default();
        let each: Vec<String> = self.members.keys().map(|name| format!("--- {name}\n{}", log(name))).collect();
        each.join("\n")
    }
}
