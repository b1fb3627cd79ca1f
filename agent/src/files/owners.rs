//! The names of owners and groups. Records hold numbers; the names that went with them stand in a blob, so that a
//! restore on another host can say where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Names by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owners {
    pub(super) users: BTreeMap<u32, String>,
    pub(super) groups: BTreeMap<u32, String>,
}

impl Owners {
    /// The names that this host has for some numbers.
    pub(super) fn of_host(users: &BTreeSet<u32>, groups: &BTreeSet<u32>) -> Self {
        let names = |path: &str, wanted: &BTreeSet<u32>| {
            let mut names = read(Path::new(path));
            names.retain(|number, _| wanted.contains(number));
            names
        };
        Self { users: names("/etc/passwd", users), groups: names("/etc/group", groups) }
    }

    /// The numbers that have another name here, in words.
    pub(super) fn differences(&self) -> Vec<String> {
        let here = Self::of_host(&self.users.keys().copied().collect(), &self.groups.keys().copied().collect());
        let differ = |what: &str, then: &BTreeMap<u32, String>, now: &BTreeMap<u32, String>| -> Vec<String> {
            let other = |(number, name): (&u32, &String)| {
                let known = now.get(number).map_or("nobody", String::as_str);
                (known != name).then(|| format!("{what} {number} was {name} and is {known} here"))
            };
            then.iter().filter_map(other).collect()
        };
        [differ("user", &self.users, &here.users), differ("group", &self.groups, &here.groups)].concat()
    }
}

/// Reads a file of lines `name:…:number:…`. A host that keeps its names elsewhere has none here.
fn read(path: &Path) -> BTreeMap<u32, String> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        Some((number.parse().ok()?, name.to_owned()))
    };
    text.lines().rev().filter_map(line).collect()
}
