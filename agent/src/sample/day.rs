//! A day of work in the CMDB: some items change at random, and each change leaves an entry in the history.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::SampleError;
use super::draw::Draw;
use super::items::Plan;
use super::rows::{DAYS, SampleSize, stamp};
use super::words::STATES;

/// Draws for one change: an item may be gone.
const TRIES: u64 = 20;

/// How the engines say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// Changes `items` configuration items, distinct and chosen by the seed, on the day after the newest entry of the
/// history. Triggers leave an entry for each. Says how many were changed: fewer if there are not so many.
pub fn apply_day(connection: &Connection, seed: u64, items: u64) -> Result<u64, SampleError> {
    let transaction = connection.unchecked_transaction()?;
    let at: String = transaction.query_row(
        "SELECT strftime('%Y-%m-%dT06:00:00Z', coalesce(max(at), '2026-01-01'), '+1 day') FROM history",
        [],
        |row| row.get(0),
    )?;
    let highest = |class: &str| {
        transaction.query_row(&format!("SELECT coalesce(max(id), 0) FROM {class}"), [], |row| row.get::<_, i64>(0))
    };
    let highest = [highest("device")?, highest("interface")?, highest("service")?, highest("application")?];
    let mut changes = Changes::new(seed, highest);
    let items = items.min(changes.items());
    let mut done = 0;
    for _ in 0..items.saturating_mul(TRIES) {
        if done == items {
            break;
        }
        let Some(sql) = changes.next(&at, Dialect::Sqlite) else { continue };
        done += transaction.execute(&sql, [])? as u64;
    }
    transaction.commit()?;
    Ok(done)
}

/// The statements of a day, the first of which has the number 1, for a sample of this size to which nothing else was
/// done.
pub fn postgres_day(size: SampleSize, seed: u64, day: u32, items: u64) -> Vec<String> {
    let plan = Plan::new(size);
    let at = stamp((DAYS + u64::from(day)) * 24 * 60 + 6 * 60);
    let mut changes = Changes::new(seed, [plan.devices, plan.interfaces, plan.services, plan.applications]);
    let items = items.min(changes.items());
    let tries = usize::try_from(items.saturating_mul(TRIES)).unwrap_or(usize::MAX);
    let items = usize::try_from(items).unwrap_or(usize::MAX);
    (0..tries).filter_map(|_| changes.next(&at, Dialect::Postgres)).take(items).collect()
}

/// Draws changes, no item twice.
struct Changes {
    draw: Draw,
    /// The highest ids of devices, interfaces, services and applications.
    highest: [i64; 4],
    seen: BTreeSet<(&'static str, i64)>,
}

impl Changes {
    fn new(seed: u64, highest: [i64; 4]) -> Self {
        Self { draw: Draw::new(seed ^ 0x0da1), highest, seen: BTreeSet::new() }
    }

    /// Items that there are at most.
    fn items(&self) -> u64 {
        self.highest.iter().map(|highest| highest.unsigned_abs()).sum()
    }

    /// The next change; nothing if the item drawn was changed before.
    fn next(&mut self, at: &str, dialect: Dialect) -> Option<String> {
        let [devices, interfaces, services, applications] = self.highest;
        let draw = &mut self.draw;
        let (class, highest) = match draw.below(100) {
            0..60 => ("device", devices),
            60..88 => ("interface", interfaces),
            88..98 => ("service", services),
            _ => ("application", applications),
        };
        let id = draw.id(highest);
        let set = match class {
            "device" => {
                let found = format!("{{\"memory_gb\": {}, \"patched\": \"{at}\"}}", 32 << draw.below(6));
                format!("status = '{}', {}", draw.word(STATES), merge(&found, dialect))
            }
            "interface" => format!("enabled = NOT enabled, speed_mbps = {}", draw.word(&["1000", "10000", "25000"])),
            "service" => format!("status = '{}', port = {}", draw.word(STATES), 1024 + draw.below(60_000)),
            _ => merge(&format!("{{\"rto_minutes\": {}}}", 15 << draw.below(6)), dialect),
        };
        self.seen.insert((class, id)).then(|| format!("UPDATE {class} SET {set}, updated_at = '{at}' WHERE id = {id}"))
    }
}

/// Merges JSON into the attributes.
fn merge(json: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!("attributes = json_patch(attributes, '{json}')"),
        Dialect::Postgres => format!("attributes = attributes || '{json}'::jsonb"),
    }
}
