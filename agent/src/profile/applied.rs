//! A profile applied to one cut: what became of each class, and after the capture what its rows told.

use std::collections::BTreeMap;

use strongroom_core::manifest::{ClassTags, IntegrationState};
use strongroom_core::profile::{Fate, Integration, Profile, Scope, Selection, unqualified};
use strongroom_core::time::WallTime;

use super::watch::Watch;
use crate::source::{CutClass, Finding, RowTap, Severity};

/// Names that one finding lists.
const NAMES_MAX: usize = 200;

/// A profile applied to one cut.
#[derive(Debug)]
pub struct AppliedProfile {
    profile: Profile,
    selection: Selection,
    /// By class of the cut.
    watches: Vec<Watch>,
    names: Vec<String>,
    /// Each integration with its class of the cut, the number of its list there, and the columns that the class has.
    integrations: Vec<(Integration, usize, usize, Vec<String>)>,
    findings: Vec<Finding>,
}

impl AppliedProfile {
    /// Applies a profile to the classes of a cut.
    pub(super) fn new(profile: Profile, scope: &Scope, classes: &[CutClass]) -> Self {
        let captured = classes.iter().filter(|class| class.skipped.is_none());
        let selection = Selection::new(&profile, scope, captured.map(|class| &class.schema));
        let names = classes.iter().map(|class| class.schema.name.clone()).collect();
        let (watches, integrations, findings) = (Vec::new(), Vec::new(), Vec::new());
        let mut this = Self { profile, selection, watches, names, integrations, findings };
        for (at, class) in classes.iter().enumerate() {
            let watch = if scope.has(&class.schema.name) { this.watch(at, class) } else { Watch::default() };
            this.watches.push(watch);
        }
        this.findings.extend(this.selection_findings());
        this
    }

    fn watch(&mut self, at: usize, class: &CutClass) -> Watch {
        let (mut watch, schema) = (Watch::default(), &class.schema);
        let Some(selected) = self.selection.class(&schema.name).filter(|selected| !selected.is_left_out()) else {
            return watch;
        };
        if let (Some(column), Some(_)) = (&selected.facts.updated, selected.facts.stale_after) {
            watch.updated(schema, column);
            if schema.column_named(column).is_none() {
                let message = format!("its limit of staleness can't be checked: there is no column {column}");
                self.findings.push(Finding { severity: Severity::Info, subject: schema.name.clone(), message });
            }
        }
        for integration in self.profile.integrations.iter().filter(|one| names(&one.class, &schema.name)) {
            let columns: Vec<String> =
                integration.columns.iter().filter(|name| schema.column_named(name).is_some()).cloned().collect();
            if !columns.is_empty() {
                let list = watch.list(schema, &columns);
                self.integrations.push((integration.clone(), at, list, columns));
            }
        }
        if let Some(table) = self.profile.versions.as_ref().filter(|table| names(&table.class, &schema.name)) {
            watch.versions(schema, [&table.name, &table.version, &table.order]);
        }
        watch
    }

    /// What a person should know before the capture.
    fn selection_findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for selected in self.selection.classes() {
            if let Fate::KeptFor(by) = &selected.fate {
                let role = selected.facts.role.word();
                let message = format!("is captured although it is {role}, because {by} refers to it");
                findings.push(Finding { severity: Severity::Info, subject: selected.class.clone(), message });
            }
        }
        let unknown: Vec<&str> = self.selection.unknown().collect();
        if !unknown.is_empty() {
            let listed: Vec<&str> = unknown.iter().take(NAMES_MAX).copied().collect();
            let more = unknown.len() - listed.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let what = match unknown.len() {
                1 => "one class is not known to the profile and is".to_owned(),
                number => format!("{number} classes are not known to the profile and are"),
            };
            let message = format!("{what} captured as tier 2: {}{more}", listed.join(", "));
            findings.push(Finding { severity: Severity::Warning, subject: self.subject(), message });
        }
        findings
    }

    fn subject(&self) -> String {
        format!("profile {}", self.profile.name)
    }

    /// The profile.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What became of each class.
    pub const fn selection(&self) -> &Selection {
        &self.selection
    }

    /// What a person should know before the capture.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What policy may know of a class.
    pub fn tags(&self, class: &str) -> ClassTags {
        self.selection.class(class).map_or_else(ClassTags::default, |selected| selected.facts.tags())
    }

    /// What people call a class.
    pub fn called(&self, class: &str) -> String {
        self.selection.class(class).map_or_else(|| class.to_owned(), |selected| selected.facts.called(class))
    }

    /// What looks at the rows of a class.
    pub(super) fn tap(&self, class: usize) -> Option<Box<dyn RowTap + '_>> {
        self.watches.get(class).filter(|watch| !watch.is_idle()).map(Watch::part)
    }

    /// Versions of application, migrations and plugins by name, as the captured rows told.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let all = self.watches.iter().flat_map(|watch| watch.seen().versions);
        all.map(|(name, (_, version))| (name, version)).collect()
    }

    /// What connects the system with others, as the captured rows told.
    pub(crate) fn integrations(&self) -> Vec<IntegrationState> {
        let state = |(integration, class, list, columns): &(Integration, usize, usize, Vec<String>)| {
            let (values, is_cut) = self.watches.get(*class)?.seen().lists.get(*list).cloned().unwrap_or_default();
            Some(IntegrationState {
                name: integration.name.clone(),
                class: self.names.get(*class)?.clone(),
                columns: columns.clone(),
                values: values.into_iter().collect(),
                is_cut,
            })
        };
        self.integrations.iter().filter_map(state).collect()
    }

    /// Classes whose newest change is older than their limit, as the captured rows told. A class without records has no
    /// newest change, and nothing is said of it.
    pub(crate) fn stale(&self, now: WallTime) -> Vec<Finding> {
        let watched = self.names.iter().zip(&self.watches);
        watched.filter_map(|(class, watch)| self.stale_class(class, watch, now)).collect()
    }

    fn stale_class(&self, class: &str, watch: &Watch, now: WallTime) -> Option<Finding> {
        let facts = &self.selection.class(class)?.facts;
        let limit = facts.stale_after?;
        let note = |severity, message| Some(Finding { severity, subject: facts.called(class), message });
        let seen = watch.seen();
        let Some(newest) = seen.newest else {
            let message = "its limit of staleness can't be checked: no time of change can be read".to_owned();
            return if seen.unread > 0 { note(Severity::Info, message) } else { None };
        };
        if newest.0.saturating_add(limit.micros()) >= now.0 {
            return None;
        }
        let message = format!(
            "its newest change is of {newest}, and the limit is {limit}: is this the system that people work with?"
        );
        note(Severity::Warning, message)
    }
}

/// Whether a name in a profile is that of a class.
fn names(name: &str, class: &str) -> bool {
    name == if name.contains('.') { class } else { unqualified(class) }
}
