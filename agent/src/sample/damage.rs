//! The accident: a site is deleted with everything below it, and a script scrambles devices elsewhere.

use rusqlite::Connection;

use super::SampleError;
use super::draw::Draw;
use super::items::Plan;
use super::rows::SampleSize;

/// Devices that are scrambled.
const SCRAMBLED: usize = 100;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The name of the site that is gone.
    pub site: String,
    /// Items that are gone with it, itself included.
    pub items_deleted: u64,
    /// Relations that are gone.
    pub relations_deleted: u64,
    /// Devices whose attributes are rubbish.
    pub devices_scrambled: u64,
}

/// Deletes one site with all below it, and scrambles the attributes of devices at other sites.
pub fn damage(connection: &Connection, seed: u64) -> Result<Damage, SampleError> {
    connection.execute_batch("PRAGMA foreign_keys = ON")?;
    let transaction = connection.unchecked_transaction()?;
    let ids = |sql: &str| -> rusqlite::Result<Vec<i64>> {
        transaction.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    let mut draw = Draw::new(seed ^ 0xdead);
    let site = pick(&mut draw, &ids("SELECT id FROM site ORDER BY id")?).ok_or(SampleError::NoSite)?;
    let name = transaction.query_row("SELECT name FROM site WHERE id = ?", [site], |row| row.get(0))?;
    let before = items(&transaction)?;
    let relations_deleted = transaction.execute(&unrelate(site), [])? as u64;
    transaction.execute(&remove(site), [])?;
    let items_deleted = before - items(&transaction)?;
    let devices = ids("SELECT id FROM device ORDER BY id")?;
    let mut devices_scrambled = 0;
    for _ in 0..SCRAMBLED {
        let Some(device) = pick(&mut draw, &devices) else { break };
        devices_scrambled += transaction.execute(&scramble(&mut draw, device), [])? as u64;
    }
    transaction.commit()?;
    Ok(Damage { site: name, items_deleted, relations_deleted, devices_scrambled })
}

/// The statements that do the like to a sample of this size in PostgreSQL.
pub fn postgres_damage(size: SampleSize, seed: u64) -> Vec<String> {
    let plan = Plan::new(size);
    let mut draw = Draw::new(seed ^ 0xdead);
    let lost = draw.id(plan.sites);
    let mut statements = vec![unrelate(lost), remove(lost)];
    for _ in 0..SCRAMBLED {
        let device = draw.id(plan.devices);
        statements.push(scramble(&mut draw, device));
    }
    statements
}

fn pick(draw: &mut Draw, ids: &[i64]) -> Option<i64> {
    ids.get(usize::try_from(draw.below(ids.len() as u64)).ok()?).copied()
}

fn items(connection: &Connection) -> rusqlite::Result<u64> {
    let classes = ["owner", "site", "rack", "device", "interface", "application", "service"];
    let counts = classes.map(|class| format!("(SELECT count(*) FROM {class})")).join(" + ");
    let items: i64 = connection.query_row(&format!("SELECT {counts}"), [], |row| row.get(0))?;
    Ok(items.unsigned_abs())
}

/// Deletes the relations of everything at a site.
fn unrelate(site: i64) -> String {
    format!(
        "WITH devices(id) AS (SELECT device.id FROM device JOIN rack ON rack.id = device.rack_id WHERE rack.site_id = {site}),
        below(class, id) AS (
          SELECT 'rack', id FROM rack WHERE site_id = {site}
          UNION ALL SELECT 'device', id FROM devices
          UNION ALL SELECT 'interface', id FROM interface WHERE device_id IN (SELECT id FROM devices)
          UNION ALL SELECT 'service', id FROM service WHERE device_id IN (SELECT id FROM devices))
        DELETE FROM relation WHERE (from_class, from_id) IN (SELECT class, id FROM below)
          OR (to_class, to_id) IN (SELECT class, id FROM below)"
    )
}

/// Deletes a site; what is below it goes with it.
fn remove(site: i64) -> String {
    format!("DELETE FROM site WHERE id = {site}")
}

fn scramble(draw: &mut Draw, device: i64) -> String {
    let rubbish = draw.next();
    format!(
        "UPDATE device SET status = 'unknown', serial = '{rubbish:016x}', attributes = '{{\"os\": \"{rubbish:x}\", \"cpu\": -1}}' \
         WHERE id = {device}"
    )
}
