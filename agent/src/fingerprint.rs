//! The catalog fingerprint: what a source's schema consists of, object by object, in a form that two systems of the
//! same engine can be compared by.
//!
//! Rows alone do not prove a restore: a lost trigger changes no row. Each source writes the objects of its catalog here
//! under "kind and name", with a definition that is equal exactly if the objects are. A fingerprint never holds what
//! legitimately differs after a restore: object numbers, sizes, statistics, the state of sequences.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The objects of one catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Definitions by kind and name, for example `trigger device_after_update`.
    pub objects: BTreeMap<String, String>,
}

/// One object that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintDifference {
    /// Kind and name.
    pub object: String,
    /// Its definition where it should be; nothing if it should not exist.
    pub expected: Option<String>,
    /// Its definition as found; nothing if it is missing.
    pub found: Option<String>,
}

impl fmt::Display for FingerprintDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (&self.expected, &self.found) {
            (Some(_), None) => "is missing",
            (None, _) => "should not be there",
            (Some(_), Some(_)) => "has another definition",
        };
        write!(f, "{} {what}", self.object)
    }
}

/// Bytes that hold no fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("the catalog fingerprint can't be read")]
pub struct FingerprintError(#[source] serde_json::Error);

impl Fingerprint {
    /// Notes an object.
    pub fn put(&mut self, kind: &str, name: &str, definition: impl Into<String>) {
        self.objects.insert(format!("{kind} {name}"), definition.into());
    }

    /// The content of the blob `fingerprint`: JSON, one form for equal fingerprints.
    pub fn to_blob(&self) -> Result<Vec<u8>, FingerprintError> {
        serde_json::to_vec(self).map_err(FingerprintError)
    }

    /// Reads a blob `fingerprint`.
    pub fn from_blob(content: &[u8]) -> Result<Self, FingerprintError> {
        serde_json::from_slice(content).map_err(FingerprintError)
    }

    /// What is missing, changed or too much in `found`, in the order of the objects' names.
    pub fn differences(&self, found: &Self) -> Vec<FingerprintDifference> {
        let mut names: Vec<&String> = self.objects.keys().chain(found.objects.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .map(|name| (name, self.objects.get(name), found.objects.get(name)))
            .filter(|(_, expected, found)| expected != found)
            .map(|(name, expected, found)| FingerprintDifference {
                object: name.clone(),
                expected: expected.cloned(),
                found: found.cloned(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(objects: &[(&str, &str)]) -> Fingerprint {
        let mut all = Fingerprint::default();
        for (name, definition) in objects {
            all.put("table", name, *definition);
        }
        all
    }

    #[test]
    fn what_is_missing_changed_or_too_much_is_named() {
        let (expected, found) =
            (fingerprint(&[("a", "1"), ("b", "2"), ("c", "3")]), fingerprint(&[("b", "x"), ("c", "3"), ("d", "4")]));
        let shown: Vec<_> = expected.differences(&found).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["table a is missing", "table b has another definition", "table d should not be there"]);
        let names: Vec<_> = expected.differences(&found).into_iter().map(|d| (d.object, d.expected, d.found)).collect();
        assert_eq!(
            names,
            [
                ("table a".into(), Some("1".into()), None),
                ("table b".into(), Some("2".into()), Some("x".into())),
                ("table d".into(), None, Some("4".into())),
            ]
        );
    }

    #[test]
    fn a_fingerprint_survives_its_blob() {
        let one = fingerprint(&[("a\n\"", "1")]);
        assert_eq!(Fingerprint::from_blob(&one.to_blob().unwrap()).unwrap(), one);
    }
}
