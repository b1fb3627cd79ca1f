//! Values of every kind survive, letter by letter.

use crate::cluster::{Cluster, clusters};
use crate::harness::{assert_equal, capture, restore, round_trip, text};

const VALUES: &str = include_str!("sql/values.sql");

#[test]
fn every_type_comes_back_letter_by_letter() {
    for cluster in clusters("every_type_comes_back_letter_by_letter") {
        let database = cluster.database("values", VALUES);
        let (first, copy) = round_trip(&cluster, &database);
        let column = |name: &str| first.column("public.v", name).iter().map(|value| text(value)).collect::<Vec<_>>();
        assert_eq!(column("double"), ["NaN", "-0", "5e-324", "Infinity"]);
        assert_eq!(column("day"), ["0044-03-15 BC", "infinity", "-infinity", "5874897-12-31"]);
        assert_eq!(column("zoned")[0], "0044-03-15 12:00:00+00 BC");
        assert_eq!(column("exact"), ["NaN", "0.000", "123456789012345678901234567890.123456789"]);
        assert_eq!(column("large")[0].len(), 60_000);
        assert_eq!(column("letters")[1], "\\N");
        assert_eq!(column("letters")[2], "");
        assert_eq!(column("class")[0], "public.v");
        let sums = "SELECT md5(string_agg(v::text, '|' ORDER BY id)) FROM v";
        assert_eq!(cluster.query(&database, sums), cluster.query(&copy, sums));
    }
}

#[test]
fn sixteen_hundred_columns_fit() {
    for cluster in clusters("sixteen_hundred_columns_fit") {
        let script = "DO $$ BEGIN EXECUTE 'CREATE TABLE wide (' ||
            (SELECT string_agg('c' || n || CASE n % 2 WHEN 0 THEN ' int2' ELSE ' bool' END, ', ' ORDER BY n) FROM generate_series(1, 1600) n) || ')'; END $$;
            INSERT INTO wide (c2, c1599, c1600) VALUES (1, true, 7); INSERT INTO wide DEFAULT VALUES;";
        let database = cluster.database("wide", script);
        let (first, _) = round_trip(&cluster, &database);
        assert_eq!(first.schema("public.wide").columns.len(), 1600);
        assert_eq!(first.column("public.wide", "c1600"), [b"7"]);
    }
}

#[test]
fn an_empty_database_is_a_whole_snapshot() {
    for cluster in clusters("an_empty_database_is_a_whole_snapshot") {
        let database = cluster.database("empty", "");
        let (first, _) = round_trip(&cluster, &database);
        assert_eq!((first.schemas.len(), first.records()), (0, 0));
        let bare = cluster.database("bare", "DROP SCHEMA public");
        round_trip(&cluster, &bare);
    }
}

fn encoded_database(cluster: &Cluster, encoding: &str, script: &str) -> String {
    let name = cluster.name("encoded");
    let like = format!("TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
    cluster.psql("postgres", &format!("CREATE DATABASE {name} {like}"));
    cluster.psql(&name, script);
    name
}

#[test]
fn bytes_in_no_encoding_are_kept_as_they_are() {
    for cluster in clusters("bytes_in_no_encoding_are_kept_as_they_are") {
        let script = "SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (id int PRIMARY KEY, word text);
            INSERT INTO t VALUES (1, E'\\xff\\xfe tab\\t'), (2, E'caf\\xc3\\xa9'), (3, 'plain'); COMMENT ON TABLE t IS 'plain';";
        let database = encoded_database(&cluster, "SQL_ASCII", script);
        let first = capture(&cluster.url(&database));
        assert_eq!(first.column("public.t", "word")[0], b"\xff\xfe tab\t");
        let copy = cluster.name("copy");
        restore(&first, &cluster.url(&copy), false, "t0ken").unwrap();
        assert_equal(&first, &capture(&cluster.url(&copy)));
    }
}

#[test]
fn another_encoding_is_read_as_utf_8_and_given_back() {
    for cluster in clusters("another_encoding_is_read_as_utf_8_and_given_back") {
        let script = "SET client_encoding = 'UTF8'; CREATE TABLE \"größe\" (id int PRIMARY KEY, word text);
            INSERT INTO \"größe\" VALUES (1, 'Zürich £'); COMMENT ON TABLE \"größe\" IS 'où';";
        let database = encoded_database(&cluster, "LATIN1", script);
        let (first, copy) = round_trip(&cluster, &database);
        assert_eq!(first.column("public.größe", "word"), ["Zürich £".as_bytes()]);
        assert_eq!(cluster.query(&copy, "SHOW server_encoding"), "LATIN1");
    }
}

#[test]
fn large_tables_are_read_in_parts_that_cover_them() {
    use strongroom_agent::postgres::{PostgresOptions, PostgresSource};
    use strongroom_agent::source::Source;

    for cluster in clusters("large_tables_are_read_in_parts_that_cover_them") {
        let script = "CREATE TABLE big (id int PRIMARY KEY, pad text);
            INSERT INTO big SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n; DELETE FROM big WHERE id % 3 = 0;";
        let database = cluster.database("big", script);
        let options = PostgresOptions { part_bytes: 200_000, ..PostgresOptions::default() };
        let source = PostgresSource::new(&cluster.url(&database), options).unwrap();
        let cut = source.open(&crate::harness::options()).unwrap();
        let parts = cut.classes()[0].parts;
        assert!(if cluster.version() < 14 { parts == 1 } else { parts > 10 }, "{parts}");
        let in_parts = crate::harness::read_all(cut.as_ref()).unwrap();
        cut.close().unwrap();
        assert_eq!(in_parts.rows["public.big"].len(), 13_334);
        assert_equal(&in_parts, &capture(&cluster.url(&database)));
    }
}
