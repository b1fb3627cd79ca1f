//! Listings by the page, and one source.
//!
//! Owns where a page begins and ends: the text behind `next` names the last row that was given, in the order of the
//! listing. A text that names no row of the kind is refused. Pages are small, since they are read on the member's thread.

use std::fmt::Display;
use std::str::FromStr;

use strongroom_core::id::SourceId;
use strongroom_proto::common::v1::Failure;
use strongroom_proto::operators::v1::row::Row as One;
use strongroom_proto::operators::v1::{Count, Counts, ListRequest, Listing, Page as Message, Row, SourceDetails};

use super::rows;
use crate::server::failure::{rejected, unreadable};
use crate::state::counters::Counter;
use crate::state::query::{self, Page, Paged};
use crate::state::text::{JurisdictionName, Name, SourceName};
use crate::state::{Rows, Unreadable};

/// Most rows of a page.
pub(super) const PAGE_ROWS_MAX: usize = 256;
/// Longest text that a request may name a row or source by: an id or a name has no more.
const KEY_BYTES_MAX: usize = 256;

/// The action that policies know a listing as.
pub(super) const fn action(listing: Listing) -> Option<&'static str> {
    Some(match listing {
        Listing::Unspecified => return None,
        Listing::Jurisdictions => "jurisdiction.list",
        Listing::Regions => "region.list",
        Listing::Sites => "site.list",
        Listing::Tokens => "token.list",
        Listing::Agents => "agent.list",
        Listing::Depots => "depot.list",
        Listing::Sources => "source.list",
        Listing::Snapshots => "snapshot.list",
        Listing::Runs => "run.list",
        Listing::Operators => "operator.list",
        Listing::Denials => "denial.list",
        Listing::HostGroups => "host-group.list",
        Listing::Certificates => "certificate.list",
    })
}

/// One page.
pub(super) fn page(rows: &Rows, listing: Listing, request: &ListRequest, now_ms: u64) -> Result<Message, Failure> {
    let limit = limit(request.limit);
    let after = request.after.as_str();
    match listing {
        Listing::Unspecified => Err(malformed("the listing is unknown")),
        Listing::Jurisdictions => {
            let after = optional(after, |text| JurisdictionName::new(text).ok())?;
            shown(query::jurisdictions(rows, after.as_ref(), limit), |key, row| {
                One::Jurisdiction(rows::jurisdiction(key, row))
            })
        }
        Listing::Regions => {
            shown(query::regions(rows, named(after)?.as_ref(), limit), |key, row| One::Region(rows::region(key, row)))
        }
        Listing::Sites => {
            shown(query::sites(rows, named(after)?.as_ref(), limit), |key, row| One::Site(rows::site(key, row)))
        }
        Listing::Tokens => shown(query::tokens(rows, parsed(after)?.as_ref(), limit), |key, row| {
            One::Token(rows::token(*key, row, now_ms))
        }),
        Listing::Agents => {
            shown(query::agents(rows, parsed(after)?.as_ref(), limit), |key, row| One::Agent(rows::agent(key, row)))
        }
        Listing::Depots => {
            shown(query::depots(rows, parsed(after)?.as_ref(), limit), |key, row| One::Depot(rows::depot(key, row)))
        }
        Listing::Sources => sources(rows, parsed(after)?.as_ref(), limit, now_ms),
        Listing::Snapshots => {
            let source = source_of(rows, &request.source)?;
            let page = query::snapshots(rows, source, parsed(after)?, limit).map_err(|error| unreadable(&error))?;
            let next = page.rows.last().map(|(_, row)| row.facts.sequence.to_string());
            Ok(message(&page, next, |key, row| One::Snapshot(rows::snapshot(key, row))))
        }
        Listing::Runs => {
            let source = source_of(rows, &request.source)?;
            let page = query::runs(rows, source, parsed(after)?, limit).map_err(|error| unreadable(&error))?;
            let next = page.rows.last().map(|(_, row)| row.ordinal.to_string());
            Ok(message(&page, next, |key, row| One::Run(rows::run(key, row))))
        }
        Listing::Operators => shown(query::operators(rows, named(after)?.as_ref(), limit), |key, row| {
            One::Operator(rows::operator(key, row))
        }),
        Listing::Denials => {
            shown(query::denials(rows, parsed(after)?.as_ref(), limit), |key, row| One::Denial(rows::denial(*key, row)))
        }
        Listing::HostGroups => shown(query::host_groups(rows, parsed(after)?.as_ref(), limit), |key, row| {
            One::HostGroup(rows::host_group(key, *row))
        }),
        Listing::Certificates => shown(query::certificates(rows, parsed(after)?.as_ref(), limit), |key, row| {
            One::Certificate(rows::certificate(*key, row))
        }),
    }
}

fn sources(rows: &Rows, after: Option<&SourceId>, limit: usize, now_ms: u64) -> Result<Message, Failure> {
    let read = || {
        let page = query::sources(rows, after, limit)?;
        let next = page.rows.last().map(|(key, _)| key.to_string()).filter(|_| page.has_more);
        let shown = page.rows.iter().map(|(key, row)| rows::source(rows, *key, row, now_ms).map(One::Source));
        let rows = shown.map(|row| row.map(|row| Row { row: Some(row) })).collect::<Result<_, _>>()?;
        Ok(Message { rows, next: next.unwrap_or_default() })
    };
    read().map_err(|error: Unreadable| unreadable(&error))
}

/// One source with its contract.
pub(super) fn details(rows: &Rows, source: &str, now_ms: u64) -> Result<SourceDetails, Failure> {
    let id = source_of(rows, source)?;
    let read = || {
        let Some(row) = query::source(rows, &id)? else { return Ok(None) };
        let contract = query::contract(rows, &id)?.map(|contract| contract.as_bytes().to_vec()).unwrap_or_default();
        Ok(Some(SourceDetails { row: Some(rows::source(rows, id, &row, now_ms)?), contract, now_ms }))
    };
    read().map_err(|error: Unreadable| unreadable(&error))?.ok_or_else(no_source)
}

/// All counts.
pub(super) fn counts(rows: &Rows, now_ms: u64) -> Result<Counts, Failure> {
    let counts = query::counts(rows).map_err(|error| unreadable(&error))?;
    let counts = counts.into_iter().map(|(counter, value)| Count { name: counter_name(counter), value }).collect();
    Ok(Counts { counts, now_ms })
}

/// The counter's name in small letters, its words joined by underscores.
fn counter_name(counter: Counter) -> String {
    let mut name = String::new();
    for letter in format!("{counter:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The source of a name or of an id in digits. A name is looked for first.
pub(super) fn source_of(rows: &Rows, text: &str) -> Result<SourceId, Failure> {
    if text.len() > KEY_BYTES_MAX {
        return Err(no_source());
    }
    let named = match SourceName::new(text) {
        Ok(name) => query::source_named(rows, &name).map_err(|error| unreadable(&error))?,
        Err(_) => None,
    };
    named.map(|(source, _)| source).or_else(|| text.parse().ok()).ok_or_else(no_source)
}

fn no_source() -> Failure {
    rejected("missing", "there is no such source")
}

pub(super) fn limit(wanted: u32) -> usize {
    match usize::try_from(wanted).unwrap_or(PAGE_ROWS_MAX) {
        0 => PAGE_ROWS_MAX,
        wanted => wanted.min(PAGE_ROWS_MAX),
    }
}

fn shown<K: Display, V>(page: Paged<K, V>, each: impl Fn(&K, &V) -> One) -> Result<Message, Failure> {
    let page = page.map_err(|error| unreadable(&error))?;
    let next = page.rows.last().map(|(key, _)| key.to_string());
    Ok(message(&page, next, each))
}

fn message<K, V>(page: &Page<K, V>, next: Option<String>, each: impl Fn(&K, &V) -> One) -> Message {
    let rows = page.rows.iter().map(|(key, row)| Row { row: Some(each(key, row)) }).collect();
    Message { rows, next: next.filter(|_| page.has_more).unwrap_or_default() }
}

fn named(after: &str) -> Result<Option<Name>, Failure> {
    optional(after, |text| Name::new(text).ok())
}

fn parsed<K: FromStr>(after: &str) -> Result<Option<K>, Failure> {
    optional(after, |text| text.parse().ok())
}

fn optional<K>(after: &str, read: impl Fn(&str) -> Option<K>) -> Result<Option<K>, Failure> {
    if after.is_empty() {
        return Ok(None);
    }
    let key = if after.len() > KEY_BYTES_MAX { None } else { read(after) };
    key.map(Some).ok_or_else(|| malformed("no page of this listing ends there"))
}

fn malformed(what: &str) -> Failure {
    rejected("malformed", what)
}
