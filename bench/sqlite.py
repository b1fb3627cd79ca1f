"""Owns the corpus as a SQLite file: the same rows, with SQLite's own defaults.

The rows come from the server's template, so that both corpora are equal by
construction. The journal is SQLite's default, a rollback journal: the harder
case for us, since such a database is copied before it is read.
"""

import csv
import sqlite3
import subprocess
from pathlib import Path

from cluster import Cluster
from corpus import TABLES, TEMPLATE

NULL = "\\N"

SCHEMA = """
CREATE TABLE ci (
    id TEXT NOT NULL PRIMARY KEY, class TEXT NOT NULL, name TEXT NOT NULL, serial_number TEXT, asset_tag TEXT,
    status TEXT NOT NULL, environment TEXT, owner TEXT NOT NULL, location TEXT NOT NULL, ip_address TEXT,
    mac_address TEXT, description TEXT, attributes TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1,
    created TEXT NOT NULL, last_updated TEXT NOT NULL
);
CREATE TABLE ci_relation (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL REFERENCES ci ON DELETE CASCADE,
    target TEXT NOT NULL REFERENCES ci ON DELETE CASCADE, type TEXT NOT NULL, discovered TEXT NOT NULL
);
CREATE TABLE ci_history (
    id INTEGER PRIMARY KEY, ci TEXT NOT NULL REFERENCES ci ON DELETE CASCADE, changed TEXT NOT NULL,
    editor TEXT NOT NULL, field TEXT NOT NULL, old_value TEXT, new_value TEXT
);
"""

INDEXES = """
CREATE INDEX ci_name_idx ON ci (name);
CREATE INDEX ci_class_status_idx ON ci (class, status);
CREATE INDEX ci_relation_source_idx ON ci_relation (source);
CREATE INDEX ci_relation_target_idx ON ci_relation (target);
CREATE INDEX ci_history_ci_idx ON ci_history (ci, changed);
"""


def load(cluster: Cluster, path: Path) -> None:
    """Builds the database at `path` anew, in the order in which the rows lie on the server."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(f"PRAGMA synchronous = OFF; {SCHEMA}")
    database.execute("BEGIN")
    for table in TABLES:
        _copy(cluster, table, database)
    database.execute("COMMIT")
    database.executescript(INDEXES)
    database.close()


def _copy(cluster: Cluster, table: str, database: sqlite3.Connection) -> None:
    statement = f"COPY {table} TO STDOUT (FORMAT csv, NULL '{NULL}')"
    command = ["psql", "-X", "-q", "-d", TEMPLATE, "-c", statement]
    with subprocess.Popen(
        command, env=cluster.environment(), stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as reading:
        rows = ([None if value == NULL else value for value in row] for row in csv.reader(reading.stdout))
        first = next(rows)
        insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(first))})"
        database.execute(insert, first)
        database.executemany(insert, rows)
    if reading.returncode != 0:
        raise ValueError(f"{table} could not be read from the server")
