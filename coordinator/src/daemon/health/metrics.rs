//! How a member stands, in the text form of Prometheus (exposition format 0.0.4).
//!
//! Owns the names, which dashboards rely on: they grow and are never given another meaning. All come from one look at the
//! member, so that they fit together.

use std::fmt::Write as _;
use std::time::Duration;

use crate::member::Member;
use crate::raft::Role;
use crate::state::counters::Counter;
use crate::state::query;

/// One number with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Metric {
    name: &'static str,
    is_total: bool,
    help: &'static str,
    label: &'static str,
    value: u64,
}

/// How a member stands at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    metrics: Vec<Metric>,
}

impl Reading {
    /// Looks at a member. `queued` is the number of orders that wait for its thread.
    pub(super) fn of(member: &Member, queued: usize) -> Self {
        let (standing, machine, group) = (member.standing(), member.machine(), member.group());
        let configuration = machine.configuration();
        let mut reading = Self::default();
        let mut gauge = |name, help, value| reading.put(name, false, help, "", value);
        gauge("strongroom_raft_term", "The newest term that the member knows.", standing.term.0);
        let leads = u64::from(standing.role == Role::Leader);
        gauge("strongroom_raft_is_leader", "Whether the member leads.", leads);
        let has_leader = u64::from(standing.leader.is_some());
        gauge("strongroom_raft_has_leader", "Whether the member knows a leader.", has_leader);
        gauge("strongroom_raft_committed_index", "Entries that are agreed on.", standing.committed.0);
        gauge("strongroom_raft_applied_index", "Entries that are applied.", machine.position().index.0);
        gauge("strongroom_raft_last_index", "The last entry in the log.", standing.last.0);
        let floor = group.log().floor().position.index.0;
        gauge("strongroom_raft_floor_index", "Entries that the log has forgotten.", floor);
        gauge("strongroom_raft_log_bytes", "Bytes of entries in memory.", group.entry_bytes() as u64);
        gauge("strongroom_raft_rows_unflushed", "Rows that wait for the database.", machine.changed_rows() as u64);
        gauge("strongroom_raft_queue", "Orders that wait for the member's thread.", queued as u64);
        gauge("strongroom_raft_boots", "How often the member was started.", member.identity().boot);
        gauge("strongroom_raft_is_joint", "Whether the members are changing.", u64::from(configuration.is_joint()));
        for (part, number) in [("voter", configuration.voters.len()), ("learner", configuration.learners.len())] {
            reading.put("strongroom_raft_members", false, "Members of the group.", part, number as u64);
        }
        for (counter, value) in query::counts(machine.rows()).unwrap_or_default() {
            if let Some((name, help, label)) = counted(counter) {
                reading.put(name, name.ends_with("_total"), help, label, value);
            }
        }
        reading
    }

    /// How long this member's issuer lasts, if it has one. No page lacks the number because the issuer has ended.
    pub(super) fn put_issuer(&mut self, left: Option<Duration>) {
        let name = "strongroom_coordinator_issuer_expires_seconds";
        if let Some(left) = left {
            self.put(name, false, "Until this member's issuer ends; 0 once it has.", "", left.as_secs());
        }
    }

    fn put(&mut self, name: &'static str, is_total: bool, help: &'static str, label: &'static str, value: u64) {
        self.metrics.push(Metric { name, is_total, help, label, value });
    }

    /// The page. Metrics of one name stand together.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for Metric { name, is_total, help, label, value } in &self.metrics {
            if last != *name {
                let kind = if *is_total { "counter" } else { "gauge" };
                // Writing into memory can't fail.
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
                last = name;
            }
            let _ = match *label {
                "" => writeln!(text, "{name} {value}"),
                label => writeln!(text, "{name}{{state=\"{label}\"}} {value}"),
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

    use super::*;

    #[test]
    fn the_page_is_that_of_the_format() {
        let mut reading = Reading::default();
        reading.put("strongroom_runs", false, "Runs.", "queued", 2);
        reading.put("strongroom_runs", false, "Runs.", "running", 1);
        reading.put("strongroom_runs_failed_total", true, "Failed.", "", 7);
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
}
