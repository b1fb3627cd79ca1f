//! `schedule show|ls|next`: contracts and what comes of them.

use std::time::Duration;

use serde::Serialize;
use strongroom_core::contract::{Cadence, Contract};
use strongroom_core::error::Code;
use strongroom_core::time::WallTime;
use strongroom_proto::operators::v1::row::Row;
use strongroom_proto::operators::v1::{Listing, SourceOutlook, SourceRow};

use super::{contract, details, name};
use crate::app::App;
use crate::args::coordinator::Cluster;
use crate::args::schedule::ScheduleShow;
use crate::failure::{Exit, Failure};
use crate::group::Group;
use crate::outlook::{Outlook, reason};
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::text;

#[derive(Serialize)]
struct ScheduleDocument<'a> {
    source: &'a str,
    name: &'a str,
    terms_version: u32,
    paused: bool,
    disabled: bool,
    contract: &'a Contract,
}

#[derive(Serialize)]
struct SchedulesDocument {
    schedules: Vec<ScheduleLine>,
}

#[derive(Serialize)]
struct ScheduleLine {
    source: String,
    name: String,
    rpo_ms: u64,
    debt_ms: u64,
    paused: bool,
    disabled: bool,
    because: Option<String>,
    next_start: Option<String>,
}

#[derive(Serialize)]
struct NextDocument {
    /// Whether a scheduler plans.
    planned: bool,
    runs: Vec<NextLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct NextLine {
    source: String,
    name: String,
    because: String,
    next_start: Option<String>,
    /// The place among those that wait for others.
    position: Option<u32>,
    missed: u64,
    #[serde(skip)]
    start: Option<WallTime>,
}

/// Shows one contract.
pub(super) fn one(options: &ScheduleShow, app: &App) -> Result<Exit, Failure> {
    let mut group = Group::look(&options.cluster, app)?;
    let (row, details) = details(&mut group, &options.source)?;
    let kept = contract::decoded(&details.contract)?;
    if options.toml {
        app.output.result(contract::to_toml(&kept)?.trim_end());
    } else {
        app.output.result(page(name(&row), &kept, &row).trim_end());
    }
    let (source, terms_version) = (row.source.as_str(), row.terms_version);
    let (paused, disabled) = (row.is_paused, row.is_disabled);
    let document = ScheduleDocument { source, name: name(&row), terms_version, paused, disabled, contract: &kept };
    app.output.document(Schema::Schedule, &document);
    Ok(Exit::Done)
}

fn span(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, _, _) | (0, _, 1.., _) => format!("{} min", seconds / 60),
        (0, h, 0, _) => format!("{h} h"),
        (d, 0, 0, 0) => format!("{d} d"),
        _ => format!("{} h", seconds / 3_600),
    }
}

/// How often runs come, in words.
fn cadence(cadence: &Cadence) -> String {
    match cadence {
        Cadence::Every(every) => format!("every {}", span(u64::from(every.minutes) * 60)),
        Cadence::Calendar(it) => {
            let times: Vec<String> = it.at.iter().map(ToString::to_string).collect();
            let days = if it.weekdays.len() == 7 { "daily" } else { "on some days" };
            format!("{days} at {} {}", times.join(", "), it.zone)
        }
    }
}

fn page(name: &str, contract: &Contract, row: &SourceRow) -> String {
    let jurisdictions: Vec<&str> =
        contract.jurisdictions.iter().map(strongroom_core::contract::Jurisdiction::as_str).collect();
    let kept = &contract.retention;
    let state = match (row.is_disabled, row.is_paused) {
        (true, _) => "disabled",
        (false, true) => "paused",
        (false, false) => "active",
    };
    let lines = [
        ("source", format!("{name} ({state}, terms {})", row.terms_version)),
        ("may lose", span(contract.rpo_s)),
        ("back within", span(contract.rto_s)),
        ("runs", cadence(&contract.cadence)),
        ("windows", if contract.windows.is_empty() { "always".to_owned() } else { contract.windows.len().to_string() }),
        ("blackouts", contract.blackouts.len().to_string()),
        ("spread over", span(contract.jitter_s.into())),
        ("run at most", span(u64::from(contract.run_minutes_max) * 60)),
        ("attempts", contract.retries.attempts_max.to_string()),
        ("priority", contract.priority.to_string()),
        ("copies", format!("{} in {} regions, in {}", contract.copies, contract.regions, jurisdictions.join(", "))),
        (
            "kept",
            format!(
                "{} daily, {} weekly, {} monthly, {} yearly, all for {} days",
                kept.daily, kept.weekly, kept.monthly, kept.yearly, kept.days_min
            ),
        ),
    ];
    let shown: Vec<String> = lines.iter().map(|(key, value)| format!("{key:<12} {}", text::shown(value))).collect();
    shown.join("\n")
}

/// The sources as the group lists them, and what is seen coming.
fn read(cluster: &Cluster, app: &App) -> Result<(Vec<SourceRow>, Outlook), Failure> {
    let mut group = Group::look(cluster, app)?;
    let rows = group.list(Listing::Sources, "the sources are not known")?;
    let source = |row| match row {
        Row::Source(it) => Some(it),
        _ => None,
    };
    let mut sources: Vec<SourceRow> = rows.into_iter().filter_map(source).collect();
    sources.sort_by(|a, b| name(a).cmp(name(b)));
    Ok((sources, Outlook::read(&mut group)?))
}

/// Lists all contracts.
pub(super) fn all(cluster: &Cluster, app: &App) -> Result<Exit, Failure> {
    let (sources, outlook) = read(cluster, app)?;
    let mut table = Table::new(&["source", "#may lose", "#owes", "state", "next"]);
    let mut schedules = Vec::new();
    for row in &sources {
        let line = next_line(row, outlook.source(&row.source));
        let debt = Duration::from_millis(row.rpo_debt_ms).as_secs();
        let owes = if debt > 0 { span(debt) } else { "nothing".to_owned() };
        let state = match (row.is_disabled, row.is_paused) {
            (true, _) => "disabled",
            (false, true) => "paused",
            (false, false) => "active",
        };
        let next = line.start.map(text::time).unwrap_or_default();
        table.row([name(row), &span(row.rpo_ms / 1_000), &owes, state, &next]);
        schedules.push(ScheduleLine {
            source: row.source.clone(),
            name: name(row).to_owned(),
            rpo_ms: row.rpo_ms,
            debt_ms: row.rpo_debt_ms,
            paused: row.is_paused,
            disabled: row.is_disabled,
            because: (!line.because.is_empty()).then_some(line.because),
            next_start: line.next_start,
        });
    }
    if table.is_empty() {
        app.output.say("No source is registered yet.");
    } else {
        app.output.table(&table);
    }
    app.output.document(Schema::Schedules, &SchedulesDocument { schedules });
    Ok(Exit::Done)
}

fn next_line(row: &SourceRow, seen: Option<&SourceOutlook>) -> NextLine {
    let seen = seen.cloned().unwrap_or_default();
    let start = (seen.next_start_wall_us != 0).then_some(WallTime(seen.next_start_wall_us));
    NextLine {
        source: row.source.clone(),
        name: name(row).to_owned(),
        because: seen.because,
        next_start: start.map(|start| start.to_string()),
        position: (seen.position != 0).then_some(seen.position),
        missed: seen.missed,
        start,
    }
}

/// Runs in the order in which they come: those that could start first, those that can't be foreseen last.
fn in_order(mut lines: Vec<NextLine>) -> Vec<NextLine> {
    let key =
        |line: &NextLine| (line.start.is_none(), line.start, line.position.unwrap_or_default(), line.name.clone());
    lines.sort_by_key(key);
    lines
}

/// Lists the runs that come next.
pub(super) fn next(cluster: &Cluster, app: &App) -> Result<Exit, Failure> {
    let (sources, outlook) = read(cluster, app)?;
    if !outlook.is_planned() && !sources.is_empty() {
        app.output.document(Schema::ScheduleNext, &NextDocument { planned: false, runs: Vec::new() });
        let failure = Failure::new(Code::Busy, "nothing is planned yet");
        return Err(failure.advise("Ask again in some seconds: a new leader reads all sources first."));
    }
    let runs = in_order(sources.iter().map(|row| next_line(row, outlook.source(&row.source))).collect());
    let mut table = Table::new(&["starts", "source", "why", "#missed"]);
    for line in &runs {
        let starts = line.start.map_or_else(|| "-".to_owned(), text::time);
        let waits = line.position.map(|position| format!(" (place {position})")).unwrap_or_default();
        let missed = if line.missed > 0 { text::count(line.missed) } else { String::new() };
        table.row([&starts, &line.name, &format!("{}{waits}", reason(&line.because)), &missed]);
    }
    if table.is_empty() {
        app.output.say("No source is registered yet.");
    } else {
        app.output.table(&table);
    }
    app.output.document(Schema::ScheduleNext, &NextDocument { planned: true, runs });
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, start: Option<i64>, position: Option<u32>) -> NextLine {
        let start = start.map(WallTime);
        NextLine {
            source: String::new(),
            name: name.into(),
            because: "not-due".into(),
            next_start: None,
            position,
            missed: 0,
            start,
        }
    }

    #[test]
    fn runs_come_in_the_order_of_their_starts_and_turns() {
        let lines = vec![
            line("never", None, None),
            line("later", Some(20), None),
            line("second", Some(10), Some(2)),
            line("first", Some(10), Some(1)),
        ];
        let names: Vec<String> = in_order(lines).into_iter().map(|line| line.name).collect();
        assert_eq!(names, ["first", "second", "later", "never"]);
    }

    #[test]
    fn time_spans_are_short() {
        let spans =
            [(45, "45 s"), (900, "15 min"), (5_400, "90 min"), (7_200, "2 h"), (86_400, "1 d"), (90_000, "25 h")];
        for (seconds, text) in spans {
            assert_eq!(span(seconds), text);
        }
    }
}
