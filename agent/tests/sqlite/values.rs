//! Any value, in a column of any affinity, survives capture and restore.

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::harness::{Place, capture};
use crate::restore::{assert_equal, restore};

/// A value as it is bound: text need not be UTF-8.
#[derive(Clone, Debug)]
enum Any {
    Plain(Value),
    Text(Vec<u8>),
}

impl rusqlite::ToSql for Any {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Plain(value) => value.into(),
            Self::Text(bytes) => ValueRef::Text(bytes),
        }))
    }
}

fn any_value() -> impl Strategy<Value = Any> {
    prop_oneof![
        Just(Any::Plain(Value::Null)),
        any::<i64>().prop_map(|value| Any::Plain(Value::Integer(value))),
        (-300_i64..300).prop_map(|value| Any::Plain(Value::Integer(value))),
        // Among them NaNs, which SQLite stores as NULL.
        any::<u64>().prop_map(|bits| Any::Plain(Value::Real(f64::from_bits(bits)))),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            0.1,
            9.007_199_254_740_993e15,
            9.3e18,
            f64::INFINITY,
            f64::MIN_POSITIVE
        ])
        .prop_map(|value| Any::Plain(Value::Real(value))),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Any::Text),
        "[-+]?[0-9]{0,20}(\\.[0-9]{0,20})?(e[0-9]{1,3})?".prop_map(|text| Any::Text(text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..2000).prop_map(|bytes| Any::Plain(Value::Blob(bytes))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn values_survive_in_every_encoding(
        rows in prop::collection::vec(prop::array::uniform7(any_value()), 0..12),
        encoding in prop::sample::select(vec!["UTF-8", "UTF-16le", "UTF-16be"]),
    ) {
        let place = Place::new();
        let script = format!("PRAGMA encoding = '{encoding}';
            CREATE TABLE t(i INTEGER, n NUMERIC, r REAL, x TEXT, b BLOB, a, s ANY);
            CREATE TABLE keyed(a, b, PRIMARY KEY (a, b)); CREATE TABLE exact(a ANY, r REAL, i INT) STRICT;");
        let path = place.database("source.db", &script);
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
        for row in &rows {
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", rusqlite::params_from_iter(row)).unwrap();
            connection.execute("INSERT OR IGNORE INTO keyed VALUES (?, ?)", [&row[0], &row[1]]).unwrap();
            connection.execute("INSERT OR IGNORE INTO exact(a) VALUES (?)", [&row[2]]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        drop(connection);
        let first = capture(&path);
        restore(&first, &place.path("restored.db"), false).unwrap();
        assert_equal(&first, &capture(&place.path("restored.db")));
    }
}
