//! How a member stands, in the text form of Prometheus (exposition format 0.0.4).
//!
//! Owns the names, which dashboards rely on: they grow and are never given another meaning. All come from one look at the
//! member, so that they fit together.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::member::Member;
use crate::raft::Role;
use crate::scheduler::Outlook;
use crate::state::counters::Counter;
use crate::state::query;

/// Sources whose debt is told one by one: the deepest in debt. A dashboard needs no more, and each costs it a series.
const DEBTORS_MAX: usize = 100;

/// One number with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Metric {
    name: &'static str,
    help: &'static str,
    labels: Vec<(&'static str, String)>,
    value: u64,
}

/// How a member stands at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    metrics: Vec<Metric>,
}

/// What is known around a member.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    /// Orders that wait for its thread.
    pub(super) queued: usize,
    /// Connections that are open.
    pub(super) connections: usize,
    /// What became of proposals, by family and result.
    pub(super) proposals: BTreeMap<(&'static str, &'static str), u64>,
    /// Seconds since the state was flushed.
    pub(super) flush_age_s: u64,
    /// What the scheduler sees coming, while this member leads.
    pub(super) outlook: Arc<Outlook>,
}

impl Reading {
    /// Looks at a member and what is around it.
    pub(super) fn of(member: &Member, around: &Around) -> Self {
        let mut reading = Self::default();
        reading.look(member);
        reading.look_around(around);
        reading
    }

    fn look(&mut self, member: &Member) {
        let (standing, machine, group) = (member.standing(), member.machine(), member.group());
        let configuration = machine.configuration();
        let mut gauge = |name, help, value| self.put(name, help, value);
        gauge("strongroom_raft_term", "The newest term that the member knows.", standing.term.0);
        let leads = u64::from(standing.role == Role::Leader);
        gauge("strongroom_raft_is_leader", "Whether the member leads.", leads);
        let has_leader = u64::from(standing.leader.is_some());
        gauge("strongroom_raft_has_leader", "Whether the member knows a leader.", has_leader);
        let (committed, applied) = (standing.committed.0, machine.position().index.0);
        gauge("strongroom_raft_committed_index", "Entries that are agreed on.", committed);
        gauge("strongroom_raft_applied_index", "Entries that are applied.", applied);
        let lag = committed.saturating_sub(applied);
        gauge("strongroom_raft_apply_lag_entries", "Entries that are agreed on and not applied yet.", lag);
        gauge("strongroom_raft_last_index", "The last entry in the log.", standing.last.0);
        let floor = group.log().floor().position.index.0;
        gauge("strongroom_raft_floor_index", "Entries that the log has forgotten.", floor);
        gauge("strongroom_raft_log_bytes", "Bytes of entries in memory.", group.entry_bytes() as u64);
        gauge("strongroom_raft_rows_unflushed", "Rows that wait for the database.", machine.changed_rows() as u64);
        gauge("strongroom_raft_boots", "How often the member was started.", member.identity().boot);
        gauge("strongroom_raft_is_joint", "Whether the members are changing.", u64::from(configuration.is_joint()));
        for (part, number) in [("voter", configuration.voters.len()), ("learner", configuration.learners.len())] {
            self.put_of("strongroom_raft_members", "Members of the group.", &[("state", part)], number as u64);
        }
        for (counter, value) in query::counts(machine.rows()).unwrap_or_default() {
            if let Some((name, help, label)) = counted(counter) {
                let labels = [("state", label)];
                self.put_of(name, help, if label.is_empty() { &[] } else { &labels }, value);
            }
        }
    }

    /// How long this member's issuer lasts, if it has one. No page lacks the number because the issuer has ended.
    pub(super) fn put_issuer(&mut self, left: Option<Duration>) {
        let name = "strongroom_coordinator_issuer_expires_seconds";
        if let Some(left) = left {
            self.put(name, "Until this member's issuer ends; 0 once it has.", left.as_secs());
        }
    }

    fn look_around(&mut self, around: &Around) {
        self.put("strongroom_raft_queue", "Orders that wait for the member's thread.", around.queued as u64);
        let flushed = "Seconds since the state was flushed, or since the member was opened.";
        self.put("strongroom_raft_flush_age_seconds", flushed, around.flush_age_s);
        self.put("strongroom_connections", "Connections that are open.", around.connections as u64);
        for ((family, result), value) in &around.proposals {
            let labels = [("class", *family), ("result", *result)];
            let help = "Proposals that were answered since the member was opened.";
            self.put_of("strongroom_raft_proposals_total", help, &labels, *value);
        }
        let (plan, outlook) = (&around.outlook.plan, &around.outlook);
        if outlook.as_of.0 == 0 {
            // It does not lead, or knows nothing yet: no number is better than a wrong one.
            return;
        }
        self.put("strongroom_runs_waiting", "Sources that wait for other runs.", plan.queue.len() as u64);
        let overdue = "Runs that take longer than their contract allows.";
        self.put("strongroom_runs_overdue", overdue, plan.overruns.len() as u64);
        let unattended = "Sources whose agent is not there.";
        self.put("strongroom_sources_unattended", unattended, outlook.unattended.len() as u64);
        let unplannable = "Sources whose contract can't be planned with this host's zone data.";
        self.put("strongroom_sources_unplannable", unplannable, outlook.unplannable.len() as u64);
        self.put("strongroom_sources_in_debt", "Sources that owe a snapshot.", plan.debts.len() as u64);
        for debt in plan.debts.iter().take(DEBTORS_MAX) {
            let source = debt.source.to_string();
            let help = "Seconds by which the newest protected cut is older than promised, the deepest in debt.";
            self.put_of("strongroom_rpo_debt_seconds", help, &[("source", &source)], debt.rpo_debt_s);
        }
    }

    fn put(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.put_of(name, help, &[], value);
    }

    fn put_of(&mut self, name: &'static str, help: &'static str, labels: &[(&'static str, &str)], value: u64) {
        let labels = labels.iter().map(|(label, of)| (*label, (*of).to_owned())).collect();
        self.metrics.push(Metric { name, help, labels, value });
    }

    /// The page. Metrics of one name stand together.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for Metric { name, help, labels, value } in &self.metrics {
            if last != *name {
                let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
                // Writing into memory can't fail.
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
                last = name;
            }
            // Labels are words of this program and ids in digits: nothing in them needs an escape.
            let labels: Vec<String> = labels.iter().map(|(label, of)| format!("{label}=\"{of}\"")).collect();
            let _ = match labels[..] {
                [] => writeln!(text, "{name} {value}"),
                _ => writeln!(text, "{name}{{{}}} {value}", labels.join(",")),
            };
        }
        text
    }
}

/// How a counter of the state is called, if it is for people: name, help and label.
const fn counted(counter: Counter) -> Option<(&'static str, &'static str, &'static str)> {
    let agents = "Agents that are not retired.";
    let depots = "Depots.";
    Some(match counter {
        Counter::ClientSessions => ("strongroom_client_sessions", "Client sessions that are open.", ""),
        Counter::AuditEvents => ("strongroom_audit_events_total", "Events in the audit log.", ""),
        Counter::TokensOpen => ("strongroom_tokens_open", "Join tokens that can be spent.", ""),
        Counter::Certificates => ("strongroom_certificates_issued_total", "Certificates issued.", ""),
        Counter::DenyVersion => ("strongroom_denials_total", "Denials that were ever made.", ""),
        Counter::Denials => ("strongroom_denials", "Entries of the deny-list.", ""),
        Counter::DepotsActive => ("strongroom_depots", depots, "active"),
        Counter::DepotsDraining => ("strongroom_depots", depots, "draining"),
        Counter::DepotsLost => ("strongroom_depots", depots, "lost"),
        Counter::Agents => ("strongroom_agents", agents, ""),
        Counter::Sources => ("strongroom_sources", "Sources.", ""),
        Counter::SourcesPaused => ("strongroom_sources_paused", "Sources that are paused.", ""),
        Counter::RunsQueued => ("strongroom_runs", "Runs that are not over.", "queued"),
        Counter::RunsRunning => ("strongroom_runs", "Runs that are not over.", "running"),
        Counter::RunsSucceeded => ("strongroom_runs_succeeded_total", "Runs that succeeded.", ""),
        Counter::RunsFailed => ("strongroom_runs_failed_total", "Runs that failed.", ""),
        Counter::UploadsLive => ("strongroom_uploads", "Uploads under way.", ""),
        Counter::Snapshots => ("strongroom_snapshots_total", "Snapshots committed.", ""),
        Counter::SnapshotsProtected => ("strongroom_snapshots_protected", "Snapshots that are protected.", ""),
        Counter::Operators => ("strongroom_operators", "Operators, auditors included.", ""),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strongroom_core::id::SourceId;
    use strongroom_core::schedule::{Debt, Plan};
    use strongroom_core::time::AccruedMs;

    use super::*;

    #[test]
    fn the_page_is_that_of_the_format() {
        let mut reading = Reading::default();
        reading.put_of("strongroom_runs", "Runs.", &[("state", "queued")], 2);
        reading.put_of("strongroom_runs", "Runs.", &[("state", "running")], 1);
        reading.put("strongroom_runs_failed_total", "Failed.", 7);
        let page = "# HELP strongroom_runs Runs.\n# TYPE strongroom_runs gauge\n\
                    strongroom_runs{state=\"queued\"} 2\nstrongroom_runs{state=\"running\"} 1\n\
                    # HELP strongroom_runs_failed_total Failed.\n# TYPE strongroom_runs_failed_total counter\n\
                    strongroom_runs_failed_total 7\n";
        assert_eq!(reading.to_text(), page);
    }

    #[test]
    fn no_two_counters_share_a_name_and_a_label() {
        let named: Vec<_> = Counter::ALL.iter().filter_map(|counter| counted(*counter)).collect();
        let distinct: BTreeSet<_> = named.iter().map(|(name, _, label)| (name, label)).collect();
        assert_eq!(distinct.len(), named.len());
    }

    fn owing(sources: u8) -> Around {
        let debt = |source| Debt {
            source: SourceId([source; 16]),
            rpo_debt_s: 60,
            rpo_s: 3_600,
            failures: 0,
            is_unprotected: false,
        };
        let plan = Plan { debts: (0..sources).map(debt).collect(), ..Plan::default() };
        let outlook = Arc::new(Outlook { as_of: AccruedMs(1), plan, ..Outlook::default() });
        Around { outlook, proposals: [(("run", "done"), 3)].into(), ..Around::default() }
    }

    #[test]
    fn sources_in_debt_are_named_by_id_and_not_without_bound() {
        let mut reading = Reading::default();
        reading.look_around(&owing(200));
        let text = reading.to_text();
        let first = format!("strongroom_rpo_debt_seconds{{source=\"{}\"}} 60", "00".repeat(16));
        assert!(text.lines().any(|line| line == first), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("strongroom_rpo_debt_seconds{")).count(), DEBTORS_MAX);
        assert!(text.contains("\nstrongroom_sources_in_debt 200\n"));
        assert!(text.contains("strongroom_raft_proposals_total{class=\"run\",result=\"done\"} 3\n"));
    }

    #[test]
    fn a_member_that_does_not_plan_tells_nothing_of_plans() {
        let mut reading = Reading::default();
        reading.look_around(&Around::default());
        assert!(!reading.to_text().contains("debt"));
    }

    #[test]
    fn each_number_stands_in_the_manual() {
        let manual = include_str!("../../../../docs/metrics.md");
        let source = include_str!("metrics.rs");
        let (program, _) = source.split_once("#[cfg(test)]").unwrap();
        let names: BTreeSet<&str> = program.split('"').filter(|text| text.starts_with("strongroom_")).collect();
        let missing: Vec<_> = names.iter().filter(|name| !manual.contains(&format!("`{name}`"))).collect();
        assert!(names.len() > 30 && missing.is_empty(), "{missing:?}");
    }
}
