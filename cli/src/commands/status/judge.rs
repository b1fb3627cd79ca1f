//! What of a status somebody must look at.
//!
//! Owns the limits, and two kinds of findings: a breach is a promise that is not kept; attention is what may become one.

use serde::Serialize;
use strongroom_core::error::Code;

use super::picture::Picture;
use crate::outlook::reason;
use crate::render::text;

/// Entries that a member may be behind: a busy group writes so many in a second or two.
const BEHIND_MAX: u64 = 10_000;
/// An agent that gave no sign of life for so long gets no new runs.
const HEARD_MS_MAX: u64 = 20_000;
/// How old an event may be before a checkpoint promises it: the leader signs every ten seconds.
const UNSIGNED_MS_MAX: u64 = 60_000;

/// How grave something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Gravity {
    /// A promise is not kept.
    Breach,
    /// Somebody should look.
    Attention,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) gravity: Gravity,
    /// What it is about: `source cmdb`.
    pub(super) about: String,
    pub(super) message: String,
    pub(super) next: &'static str,
}

impl Finding {
    fn breach(about: String, message: String, next: &'static str) -> Self {
        Self { gravity: Gravity::Breach, about, message, next }
    }

    fn attention(about: String, message: impl Into<String>, next: &'static str) -> Self {
        Self { gravity: Gravity::Attention, about, message: message.into(), next }
    }
}

/// The findings, breaches first.
pub(super) fn judge(picture: &Picture) -> Vec<Finding> {
    let mut findings = sources(picture);
    findings.extend(members(picture));
    findings.extend(agents(picture));
    findings.extend(others(picture));
    findings.sort_by_key(|finding| finding.gravity);
    findings
}

/// The code of a status with these findings, if all is not well.
pub(super) fn code(findings: &[Finding]) -> Option<Code> {
    findings.iter().map(|finding| finding.gravity).min().map(|gravity| match gravity {
        Gravity::Breach => Code::PromiseBroken,
        Gravity::Attention => Code::Degraded,
    })
}

fn sources(picture: &Picture) -> Vec<Finding> {
    let mut findings = Vec::new();
    for it in picture.sources.iter().filter(|it| !it.disabled) {
        let about = || format!("source {}", it.name);
        if it.debt_ms > 0 {
            let why = it.because.as_deref().map(|because| format!("; {}", reason(because))).unwrap_or_default();
            let late = rough(it.debt_ms);
            let what = if it.protected {
                format!("its newest protected snapshot is {late} older than promised{why}")
            } else {
                format!("it has no protected snapshot, {late} after one was promised{why}")
            };
            let next = if picture.is_room {
                "Take a snapshot: strongroom backup NAME"
            } else {
                "Start a run: strongroom schedule run NAME"
            };
            findings.push(Finding::breach(about(), what, next));
        } else if picture.is_room && !it.protected {
            let next = "Take a snapshot: strongroom backup NAME";
            findings.push(Finding::attention(about(), "it has no protected snapshot yet", next));
        } else if let Some(because @ ("unattended" | "unplannable")) = it.because.as_deref() {
            let next = "Start its agent, or install the zone data (tzdata) on the members.";
            findings.push(Finding::attention(about(), reason(because), next));
        }
        if it.over_ms > 0 {
            let what = format!("its run takes {} longer than it may", rough(it.over_ms));
            findings.push(Finding::attention(about(), what, "Look at the agent's log; the run goes on."));
        }
    }
    findings
}

fn members(picture: &Picture) -> Vec<Finding> {
    let mut findings = Vec::new();
    let newest = picture.members.iter().find(|it| it.member == picture.leader).and_then(|it| it.version.clone());
    for it in &picture.members {
        let about = || format!("member {}", if it.name.is_empty() { &it.member } else { &it.name });
        if it.role.is_none() {
            let what = "it does not answer: it is stopped, cut off or quarantined";
            findings.push(Finding::attention(about(), what, "Read its log, and start it, or replace it."));
        } else if it.version != newest {
            let what = "it runs another version than the leader";
            findings.push(Finding::attention(about(), what, "Bring all members to one version."));
        }
        if it.behind > BEHIND_MAX {
            let what = format!("it is {} entries behind", text::count(it.behind));
            findings.push(Finding::attention(about(), what, "Look at its disk and its network."));
        }
    }
    findings
}

fn agents(picture: &Picture) -> Vec<Finding> {
    let is_silent = |heard: Option<u64>| heard.is_none_or(|ago_ms| ago_ms > HEARD_MS_MAX);
    let silent = picture.agents.iter().filter(|it| picture.is_planned && it.sources > 0 && is_silent(it.heard_ago_ms));
    let finding = |name: &str| {
        let what = "nothing is heard of it, and it protects sources";
        Finding::attention(format!("agent {name}"), what, "Start it, and look at its way to the members.")
    };
    silent.map(|it| finding(&it.name)).collect()
}

fn others(picture: &Picture) -> Vec<Finding> {
    let mut findings = Vec::new();
    for it in picture.depots.iter().filter(|it| it.state == "lost") {
        let what = "it counts as lost: its copies protect nothing";
        findings.push(Finding::attention(format!("depot {}", it.name), what, "Bring it back, or replace it."));
    }
    if let Some(age_ms) = picture.audit.unsigned_ms.filter(|age_ms| *age_ms > UNSIGNED_MS_MAX) {
        let what = format!("events of {} ago are promised by no checkpoint", rough(age_ms));
        findings.push(Finding::attention("audit log".to_owned(), what, "Read the leader's log: it does not sign."));
    }
    for it in &picture.certificates {
        let left_us = it.ends.0.saturating_sub(picture.now.0);
        let what = if left_us > 0 {
            format!("its certificate ends in {}, and is not renewed", rough(left_us.unsigned_abs() / 1_000))
        } else {
            format!("its certificate has ended {} ago", rough(left_us.unsigned_abs() / 1_000))
        };
        findings.push(Finding::attention(it.name.clone(), what, "Look whether it runs and reaches the members."));
    }
    findings
}

/// A time span in its two greatest units: `3 d 4 h`, `12 min`, `8 s`.
pub(super) fn rough(ms: u64) -> String {
    let s = ms / 1_000;
    let (d, h, min) = (s / 86_400, s / 3_600 % 24, s / 60 % 60);
    let parts = match (d, h, min) {
        (0, 0, 0) => return format!("{s} s"),
        (0, 0, min) => return format!("{min} min"),
        (0, h, min) => [(h, "h"), (min, "min")],
        (d, h, _) => [(d, "d"), (h, "h")],
    };
    let shown: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    shown.join(" ")
}
