//! `status`: an installation at a glance, and an exit code that scripts can act on.
//!
//! ```text
//!   group ──► gather ──► Picture ──► judge ──► findings ──► exit code
//!                           └───────── tables, document ◄──────┘
//! ```
//!
//! A promise that is broken ends with the code of what is not protected, anything else that needs a person with that of
//! a failure. A group that does not answer has no status.

mod gather;
mod judge;
mod picture;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::app::App;
use crate::args::status::Status;
use crate::failure::{Exit, Failure};
use crate::group::Group;
use crate::outlook::reason;
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::text;
use judge::{Finding, Gravity, judge, rough};
use picture::{AgentSeen, AuditSeen, CertificateSeen, DepotSeen, MemberSeen, Picture, SourceSeen};

#[derive(Serialize)]
struct StatusDocument<'a> {
    ok: bool,
    cluster: &'a str,
    epoch: u64,
    term: u64,
    leader: &'a str,
    /// Whether a scheduler plans runs.
    planned: bool,
    members: &'a [MemberSeen],
    sources: &'a [SourceSeen],
    agents: &'a [AgentSeen],
    depots: &'a [DepotSeen],
    audit: AuditSeen,
    /// Certificates that should have been renewed by now.
    certificates: &'a [CertificateSeen],
    findings: &'a [Finding],
}

/// Tells the status of a group.
pub(super) fn run(options: &Status, app: &App) -> Result<Exit, Failure> {
    let mut group = Group::look(&options.cluster, app)?;
    let picture = gather::gather(&mut group, app.clock.as_ref())?;
    let findings = judge(&picture);
    app.output.result(rendered(&picture, &findings).trim_end());
    app.output.document(Schema::Status, &document(&picture, &findings));
    let Some(code) = judge::code(&findings) else { return Ok(Exit::Done) };
    app.output.found(&Failure::new(code, summary(&findings)));
    Ok(Exit::Found(code))
}

/// How many findings there are, in a sentence.
fn summary(findings: &[Finding]) -> String {
    let all = findings.len() as u64;
    let breaches = findings.iter().filter(|finding| finding.gravity == Gravity::Breach).count() as u64;
    match breaches {
        0 => format!("{} a person; no promise is broken yet", text::plural(all, "finding needs", "findings need")),
        _ => format!(
            "{} broken, in {}",
            text::plural(breaches, "promise is", "promises are"),
            text::plural(all, "finding", "findings")
        ),
    }
}

fn document<'a>(picture: &'a Picture, findings: &'a [Finding]) -> StatusDocument<'a> {
    StatusDocument {
        ok: findings.is_empty(),
        cluster: &picture.cluster,
        epoch: picture.epoch,
        term: picture.term,
        leader: &picture.leader,
        planned: picture.is_planned,
        members: &picture.members,
        sources: &picture.sources,
        agents: &picture.agents,
        depots: &picture.depots,
        audit: picture.audit,
        certificates: &picture.certificates,
        findings,
    }
}

/// The whole page.
fn rendered(picture: &Picture, findings: &[Finding]) -> String {
    let leader = picture.members.iter().find(|it| it.member == picture.leader);
    let leader = leader.map_or(picture.leader.as_str(), |it| it.name.as_str());
    let group = text::short(&picture.cluster);
    let mut page =
        vec![format!("Group {group}, epoch {}, term {}, led by {}.", picture.epoch, picture.term, text::shown(leader))];
    let tables = [members(&picture.members, &picture.leader), sources(picture), agents(&picture.agents)];
    page.extend(tables.iter().filter(|table| !table.is_empty()).map(|table| format!("\n{}", table.render(false))));
    page.push(format!("\n{}\n{}", depots(&picture.depots), audit(picture.audit)));
    page.push(match findings {
        [] => "\nAll is well.".to_owned(),
        _ => format!("\n{}", found(findings)),
    });
    page.join("\n").replace("\n\n\n", "\n\n")
}

fn members(members: &[MemberSeen], leader: &str) -> Table {
    let mut table = Table::new(&["member", "region", "part", "role", "#behind", "version"]);
    for it in members {
        let role = if it.member == leader { Some("leader") } else { it.role.as_deref() };
        let version = it.version.as_deref().unwrap_or("?");
        let name = if it.name.is_empty() { &it.member } else { &it.name };
        table.row([name, &it.region, &it.part, role.unwrap_or("no answer"), &text::count(it.behind), version]);
    }
    table
}

fn sources(picture: &Picture) -> Table {
    let mut table = Table::new(&["source", "#protected", "#promised", "#owes", "run", "next"]);
    for it in &picture.sources {
        let age = it.age_ms.map_or_else(|| "never".to_owned(), |age_ms| format!("{} ago", rough(age_ms)));
        let owes = if it.debt_ms > 0 { rough(it.debt_ms) } else { "nothing".to_owned() };
        let run = match (&it.running, &it.queued) {
            (Some(_), _) if it.over_ms > 0 => "late",
            (Some(_), _) => "under way",
            (None, Some(_)) => "asked for",
            (None, None) => "",
        };
        table.row([&it.name, &age, &rough(it.rpo_ms), &owes, run, &next(it, picture.is_planned)]);
    }
    table
}

/// When the next run starts, or why none does.
fn next(source: &SourceSeen, is_planned: bool) -> String {
    match (source.next_start, source.because.as_deref()) {
        (Some(start), Some("not-due" | "running" | "ready") | None) => text::time(start),
        (Some(start), Some(because)) => format!("{}: {}", text::time(start), reason(because)),
        (None, Some(because)) => reason(because).to_owned(),
        (None, None) if is_planned => "not planned yet".to_owned(),
        (None, None) => "by hand".to_owned(),
    }
}

fn agents(agents: &[AgentSeen]) -> Table {
    let mut table = Table::new(&["agent", "site", "#sources", "heard", "version"]);
    for it in agents {
        let heard = it.heard_ago_ms.map_or_else(|| "no".to_owned(), |ago_ms| format!("{} ago", rough(ago_ms)));
        let version = it.version.as_deref().unwrap_or("?");
        table.row([it.name.as_str(), &it.site, &text::count(it.sources.into()), &heard, version]);
    }
    table
}

fn depots(depots: &[DepotSeen]) -> String {
    let number = |state: &str| depots.iter().filter(|it| it.state == state).count();
    format!("Depots: {} active, {} draining, {} lost.", number("active"), number("draining"), number("lost"))
}

fn audit(audit: AuditSeen) -> String {
    let events = text::plural(audit.events, "event", "events");
    match audit.unsigned_ms {
        None => format!("Audit log: {events}, all under a checkpoint."),
        Some(age_ms) => {
            let unsigned = text::count(audit.events.saturating_sub(audit.signed));
            format!("Audit log: {events}, {unsigned} not under a checkpoint yet, the oldest of {} ago.", rough(age_ms))
        }
    }
}

fn found(findings: &[Finding]) -> String {
    let line = |it: &Finding| {
        let word = match it.gravity {
            Gravity::Breach => "BREACH",
            Gravity::Attention => "look",
        };
        format!("{word:<7} {}: {}\n        → {}", text::shown(&it.about), text::shown(&it.message), it.next)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}
