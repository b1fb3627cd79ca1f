//! A cut of which some classes are not captured.

use std::sync::Arc;

use super::applied::AppliedProfile;
use crate::source::{Cut, CutClass, CutFacts, Finding, NativeBlob, PartRead, RowTap, RowWriter, SourceError};

/// A cut with fewer classes to capture than the source has.
pub(crate) struct NarrowedCut {
    inner: Box<dyn Cut>,
    classes: Vec<CutClass>,
    facts: CutFacts,
    profile: Option<Arc<AppliedProfile>>,
}

impl NarrowedCut {
    /// Leaves out classes for which there is a reason. What the source itself skips stays skipped for its own reason.
    pub(crate) fn new(inner: Box<dyn Cut>, reason: impl Fn(&str) -> Option<String>) -> Self {
        let mut classes = inner.classes().to_vec();
        for class in classes.iter_mut().filter(|class| class.skipped.is_none()) {
            class.skipped = reason(&class.schema.name);
        }
        let facts = inner.facts().clone();
        Self { inner, classes, facts, profile: None }
    }

    /// The cut under a profile.
    pub(super) fn under(mut self, profile: Arc<AppliedProfile>) -> Self {
        self.facts.findings.extend(profile.findings().iter().cloned());
        self.profile = Some(profile);
        self
    }
}

impl Cut for NarrowedCut {
    fn facts(&self) -> &CutFacts {
        &self.facts
    }

    fn classes(&self) -> &[CutClass] {
        &self.classes
    }

    fn read(&self, lane: usize, class: usize, part: usize, rows: &mut RowWriter<'_>) -> Result<PartRead, SourceError> {
        self.inner.read(lane, class, part, rows)
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, SourceError> {
        self.inner.blobs()
    }

    fn tap(&self, class: usize) -> Option<Box<dyn RowTap + '_>> {
        self.profile.as_ref()?.tap(class)
    }

    fn profile(&self) -> Option<&Arc<AppliedProfile>> {
        self.profile.as_ref()
    }

    fn check(&self) -> Result<(), SourceError> {
        self.inner.check()
    }

    fn close(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        self.inner.close()
    }
}
