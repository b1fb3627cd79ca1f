//! The sample in SQLite.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::rows::{HISTORY, RELATION, SampleSize, Table, Value, generate};
use super::{SampleCounts, SampleError};

const TABLES: &str = "
CREATE TABLE owner(id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, team TEXT NOT NULL);
CREATE TABLE site(id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, country TEXT NOT NULL,
  latitude REAL, longitude REAL, opened TEXT);
CREATE TABLE rack(id INTEGER PRIMARY KEY, site_id INTEGER NOT NULL REFERENCES site(id) ON DELETE CASCADE,
  name TEXT NOT NULL, units INTEGER NOT NULL CHECK (units > 0), UNIQUE (site_id, name));
CREATE TABLE device(id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
  model TEXT, serial TEXT, rack_id INTEGER NOT NULL REFERENCES rack(id) ON DELETE CASCADE, position INTEGER,
  status TEXT NOT NULL, owner_id INTEGER REFERENCES owner(id), attributes TEXT CHECK (json_valid(attributes)),
  updated_at TEXT NOT NULL);
CREATE TABLE interface(id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL REFERENCES device(id) ON DELETE CASCADE,
  name TEXT NOT NULL, mac TEXT NOT NULL, address TEXT, speed_mbps INTEGER, enabled INTEGER NOT NULL,
  updated_at TEXT NOT NULL);
CREATE TABLE application(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, criticality INTEGER NOT NULL,
  owner_id INTEGER REFERENCES owner(id), attributes TEXT CHECK (json_valid(attributes)), updated_at TEXT NOT NULL);
CREATE TABLE service(id INTEGER PRIMARY KEY, application_id INTEGER NOT NULL REFERENCES application(id),
  device_id INTEGER NOT NULL REFERENCES device(id) ON DELETE CASCADE, name TEXT NOT NULL, port INTEGER,
  status TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE relation(from_class TEXT NOT NULL, from_id INTEGER NOT NULL, kind TEXT NOT NULL, to_class TEXT NOT NULL,
  to_id INTEGER NOT NULL, since TEXT, PRIMARY KEY (from_class, from_id, kind, to_class, to_id)) WITHOUT ROWID;
CREATE TABLE history(id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, class TEXT NOT NULL,
  object_id INTEGER NOT NULL, actor TEXT NOT NULL, change TEXT NOT NULL);
";

const AFTER: &str = "
CREATE INDEX rack_site ON rack(site_id);
CREATE INDEX device_rack ON device(rack_id);
CREATE INDEX device_name ON device(name COLLATE NOCASE);
CREATE INDEX device_os ON device(attributes ->> 'os');
CREATE INDEX interface_device ON interface(device_id);
CREATE INDEX service_device ON service(device_id);
CREATE INDEX relation_to ON relation(to_class, to_id);
CREATE INDEX history_object ON history(class, object_id);
CREATE INDEX history_at ON history(at);
CREATE VIEW device_overview AS
  SELECT device.id, device.name, device.role, device.status, rack.name AS rack, site.name AS site, owner.name AS owner
  FROM device JOIN rack ON rack.id = device.rack_id JOIN site ON site.id = rack.site_id
  LEFT JOIN owner ON owner.id = device.owner_id;
CREATE TRIGGER device_changed AFTER UPDATE ON device BEGIN
  INSERT INTO history(at, class, object_id, actor, change) VALUES (new.updated_at, 'device', new.id, 'sync@cmdb.example',
    json_object('status', json_array(old.status, new.status), 'attributes', json_array(old.attributes, new.attributes)));
END;
CREATE TRIGGER interface_changed AFTER UPDATE ON interface BEGIN
  INSERT INTO history(at, class, object_id, actor, change) VALUES (new.updated_at, 'interface', new.id, 'sync@cmdb.example',
    json_object('enabled', json_array(old.enabled, new.enabled), 'speed_mbps', json_array(old.speed_mbps, new.speed_mbps)));
END;
CREATE TRIGGER application_changed AFTER UPDATE ON application BEGIN
  INSERT INTO history(at, class, object_id, actor, change) VALUES (new.updated_at, 'application', new.id, 'sync@cmdb.example',
    json_object('attributes', json_array(old.attributes, new.attributes)));
END;
CREATE TRIGGER service_changed AFTER UPDATE ON service BEGIN
  INSERT INTO history(at, class, object_id, actor, change) VALUES (new.updated_at, 'service', new.id, 'sync@cmdb.example',
    json_object('status', json_array(old.status, new.status)));
END;
";

/// Makes the sample in a file that is not there, or is empty. The file is in WAL mode, as a CMDB in use should be.
pub fn create_sqlite(path: &Path, size: SampleSize, seed: u64) -> Result<SampleCounts, SampleError> {
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; BEGIN;")?;
    connection.execute_batch(TABLES)?;
    let mut counts = SampleCounts::default();
    generate(size, seed, &mut |table, row| {
        counts.add(table);
        connection.prepare_cached(&insert(table))?.execute(params_from_iter(row)).map(drop)
    })?;
    connection.execute_batch(AFTER)?;
    connection.execute_batch("PRAGMA application_id = 1398030404; PRAGMA user_version = 3; COMMIT;")?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL;")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(counts)
}

fn insert(table: &Table) -> String {
    let values = vec!["?"; table.columns.len()].join(", ");
    format!("INSERT INTO {} ({}) VALUES ({values})", table.name, table.columns.join(", "))
}

impl SampleCounts {
    /// Counts a row.
    pub(super) fn add(&mut self, table: &Table) {
        if *table == RELATION {
            self.relations += 1;
        } else if *table == HISTORY {
            self.history += 1;
        } else {
            self.items += 1;
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Flag(value) => ValueRef::Integer((*value).into()),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Null => ValueRef::Null,
        }))
    }
}
