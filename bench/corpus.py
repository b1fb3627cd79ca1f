"""Owns the data that is backed up: its size, its first state, and its days.

The corpus is built in SQL, inside the server, and is a function of its size
alone; a day is a function of its number and of the share of items it edits.
So every run, on every machine, backs up the same rows.
"""

from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster

SQL = Path(__file__).parent / "sql"
TABLES = ("ci", "ci_history", "ci_relation")
TEMPLATE = "cmdb_day0"
LIVE = "cmdb"

# Rows between neighbours: more than a leaf holds (about 32 KiB at some 300 bytes a
# row, half as much again at most), far fewer than lie below one inner node.
NEAR = 300


@dataclass(frozen=True)
class Corpus:
    """A CMDB of `cis` items in `cluster`: a template that stays, and a live copy that changes."""

    cluster: Cluster
    cis: int

    def load(self) -> None:
        """Builds the template, unless the cluster holds it already, and a fresh live copy."""
        if not self.cluster.has_database(TEMPLATE):
            # A load that is cut short must not be taken for a template, hence the rename.
            self.cluster.create_database("cmdb_loading")
            self.cluster.run_script("cmdb_loading", SQL / "corpus.sql", cis=self.cis)
            self.cluster.query("postgres", f"ALTER DATABASE cmdb_loading RENAME TO {TEMPLATE}")
        elif self._rows("ci", TEMPLATE) != self.cis:
            raise ValueError(f"{self.cluster.directory} holds a corpus of another size; remove it first")
        self.reset()

    def reset(self) -> None:
        """Puts the live database back to its first state."""
        self.cluster.create_database(LIVE, TEMPLATE)
        self.cluster.query("postgres", "CHECKPOINT")

    def live_through(self, day: int, share: float) -> int:
        """Applies day number `day` to the live database; returns how many items were edited."""
        count = round(self.cis * share)
        self.cluster.run_script(LIVE, SQL / "day.sql", cis=self.cis, day=day, count=count)
        self.cluster.query("postgres", "CHECKPOINT")
        return count

    def some_ids(self, count: int) -> list[str]:
        """Keys of `count` items, spread over the table."""
        step = max(1, self.cis // count)
        numbers = f"generate_series({step // 2 + 1}, {self.cis}, {step}) AS n"
        return self.cluster.query(LIVE, f"SELECT md5('ci ' || n)::uuid FROM {numbers} LIMIT {count}").split()

    def lose(self, ci: str) -> str:
        """Deletes one item, and nothing that refers to it; returns what it was."""
        row = self.row(ci)
        # One statement string is one transaction, so psql's other sessions keep their checks.
        self.cluster.query(LIVE, f"SET LOCAL session_replication_role TO replica; DELETE FROM ci WHERE id = '{ci}'")
        return row

    def row(self, ci: str) -> str:
        """All fields of one item."""
        return self.cluster.query(LIVE, f"SELECT ci FROM ci WHERE id = '{ci}'")

    def neighbour(self, ci: str) -> str:
        """Key of an item that sorts near `ci`, and yet too far away to lie in one leaf with it."""
        after = f"(SELECT id FROM ci WHERE id > '{ci}' ORDER BY id OFFSET {NEAR} LIMIT 1)"
        before = f"(SELECT id FROM ci WHERE id < '{ci}' ORDER BY id DESC OFFSET {NEAR} LIMIT 1)"
        return self.cluster.query(LIVE, f"{after} UNION ALL {before} LIMIT 1")

    def references(self) -> int:
        """References that the live database holds: two ends of each relation, and the item of each history row."""
        return 2 * self._rows("ci_relation", LIVE) + self._rows("ci_history", LIVE)

    def facts(self) -> dict[str, int]:
        """Rows per table and bytes on the server's disk, for the report."""
        rows = {f"{table}_rows": self._rows(table, TEMPLATE) for table in TABLES}
        size = self.cluster.query("postgres", f"SELECT pg_database_size('{TEMPLATE}')")
        return rows | {"database_bytes": int(size)}

    def _rows(self, table: str, database: str) -> int:
        return int(self.cluster.query(database, f"SELECT count(*) FROM {table}"))
