//! Findings that come up while lanes read, told when the cut closes. Their number is bounded: a tree of unreadable files
//! must not fill a manifest.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use crate::source::{Finding, Severity};

/// Findings of one kind that are told one by one.
const TOLD_MAX: u64 = 200;

/// Collects findings.
#[derive(Default)]
pub(super) struct Findings {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    told: Vec<Finding>,
    counts: BTreeMap<(Severity, String), u64>,
}

impl Findings {
    /// Notes something about a path.
    pub(super) fn note(&self, severity: Severity, path: &dyn Display, message: impl Into<String>) {
        let message = message.into();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inner.counts.entry((severity, message.clone())).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            inner.told.push(Finding { severity, subject: path.to_string(), message });
        }
    }

    /// All that was noted, in the order of the paths.
    pub(super) fn into_list(self) -> Vec<Finding> {
        let Inner { mut told, counts } = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        told.sort_by(|a, b| a.subject.cmp(&b.subject));
        for ((severity, message), count) in counts {
            if let Some(more) = count.checked_sub(TOLD_MAX).filter(|more| *more > 0) {
                told.push(Finding { severity, subject: format!("{more} more entries"), message });
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_of_a_kind_become_a_number() {
        let findings = Findings::default();
        (0..TOLD_MAX + 5).for_each(|n| findings.note(Severity::Incomplete, &n, "it can't be read"));
        let list = findings.into_list();
        assert_eq!(list.len() as u64, TOLD_MAX + 1);
        assert_eq!(list.last().unwrap().subject, "5 more entries");
    }
}
