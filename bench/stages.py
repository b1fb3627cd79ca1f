"""Owns the course of a run: which state the database is in when, and who is measured on it.

Each stage leaves the live database, our room and the peers' repositories at one
common state, on which the next one builds:

    first ──► every byte read ──► days of 1 % ──► find ──► records ──► diff ──► reference check
          ──► days of 0.1 % ──► restore ──► SQLite ──► throughput

What is compared is measured in turn within each repetition (A B A B), so that a
slow minute of the machine falls on both sides. A stage that no wanted figure
needs is left out, or shortened to what later stages stand on.
"""

from collections import defaultdict
from pathlib import Path

import sqlite
from corpus import Corpus
from figures import Samples
from measure import Cost
from ours import NAME, Backup, Strongroom, WrongResult, record_throughput
from peers import Borg, DirectoryDump, Restic, ResticOfSqlite, copy_to_nothing

RESTORED = "cmdb_restored"
PIPED_PEERS = {Restic.name, Borg.name}
ONE_PERCENT = 0.01
ONE_PER_MILLE = 0.001
FINDS_PER_REPEAT = 4


class Run:
    """One run over one corpus; `samples` and `costs` fill as its stages pass."""

    def __init__(self, corpus: Corpus, directory: Path, wanted: set[str], repeats: int, days: int, with_ours: bool):
        self.samples: dict[str, Samples] = defaultdict(Samples)
        self.costs: dict[tuple[str, str], list[Cost]] = defaultdict(list)
        self._corpus = corpus
        self._directory = directory / "sqlite"
        self._wanted = wanted
        self._repeats = repeats
        self._days = days
        self._ours = Strongroom(corpus.cluster, directory) if with_ours else None
        self._restic = Restic(corpus.cluster, directory)
        self._peers = (self._restic, Borg(corpus.cluster, directory), DirectoryDump(corpus.cluster, directory))
        self._day = 0
        self._day_of_peers: int | None = None
        self._snapshots: list[str] = []
        self._last_day_edits = 0

    def measure(self) -> None:
        """Passes through all stages, saying on the way what it does."""
        self._first_backups()
        if self._ours and self._wants("read-data"):
            self._read_data()
        self._days_of_one_percent()
        if self._ours:
            self._finds()
            self._records()
            self._diffs()
            self._reference_checks()
        self._days_of_one_per_mille()
        self._restores()
        if self._wants("sqlite-first-wall"):
            self._first_backups_of_sqlite()
        if self._ours and self._wants("throughput"):
            self._throughput()

    def _first_backups(self) -> None:
        measured = self._wants("first-stored", "first-wall", "memory-first")
        copy_to_nothing(self._corpus.cluster)  # Both sides find the tables in memory.
        for repeat in range(self._repeats if measured else 1):
            _say(f"first backup {repeat + 1}")
            if self._ours:
                self._ours.create()
                backup = self._back_up("first backup")
                self.samples["first-stored"].add(backup.stored_bytes)
                self.samples["first-wall"].add(backup.cost.wall_seconds)
                self.samples["memory-first"].add(backup.cost.peak_bytes)
            if measured:
                self._create_peers()
                self._back_up_peers("first backup", stored="first-stored", wall="first-wall", memory="memory-first")

    def _read_data(self) -> None:
        for repeat in range(self._repeats):
            _say(f"every byte read {repeat + 1}")
            cost, plain_bytes = self._ours.read_data()
            self._note("every byte read", NAME, cost)
            self.samples["read-data"].add(plain_bytes / (cost.user_seconds + cost.system_seconds))

    def _days_of_one_percent(self) -> None:
        compared = self._repeats if self._wants("stored-1-percent-day", "scan-wall", "memory-incremental") else 0
        if self._ours and self._wants("stored-30-days", "find-warm-reads", "find-warm-time", "find-cold-reads"):
            days = max(compared, self._days)
        else:
            days = max(compared, 1 if self._wants("diff-1-percent") else 0)
        if compared:
            self._bring_peers_up()
        for number in range(days):
            _say(f"1 % day {number + 1} of {days}")
            self._live_through(ONE_PERCENT)
            if number < compared:
                self._one_percent_day_compared()
            elif self._ours:
                self.samples["stored-30-days"].add(self._back_up("later 1 % day").stored_bytes)

    def _one_percent_day_compared(self) -> None:
        scan = copy_to_nothing(self._corpus.cluster)
        self._note("1 % day", "COPY", scan)
        self.samples["scan-wall"].add(scan.wall_seconds, "COPY")
        if self._ours:
            backup = self._back_up("1 % day")
            self.samples["scan-wall"].add(backup.cost.wall_seconds)
            self.samples["stored-1-percent-day"].add(backup.stored_bytes)
            self.samples["stored-30-days"].add(backup.stored_bytes)
            self.samples["memory-incremental"].add(backup.cost.peak_bytes)
        self._back_up_peers("1 % day", stored="stored-1-percent-day", memory="memory-incremental")

    def _finds(self) -> None:
        if not self._wants("find-warm-reads", "find-warm-time", "find-cold-reads"):
            return
        _say("finding single records")
        newest = self._snapshots[-1]
        for item in self._corpus.some_ids(FINDS_PER_REPEAT * self._repeats):
            self.samples["find-cold-reads"].add(self._ours.find_cold(newest, item))
            # A neighbour warms the inner nodes above the item, and not the item's own leaf.
            stats = self._ours.find_warm(newest, self._corpus.neighbour(item), item)
            self.samples["find-warm-reads"].add(stats["depot_reads"])
            self.samples["find-warm-time"].add(stats["duration_ms"])

    def _records(self) -> None:
        if not self._wants("record-wall"):
            return
        _say("bringing single records back into the live database")
        newest = self._snapshots[-1]
        for item in self._corpus.some_ids(self._repeats):
            lost = self._corpus.lose(item)
            self.samples["record-wall"].add(self._ours.restore_record(newest, item))
            if self._corpus.row(item) != lost:
                raise WrongResult(f"item {item} is not what it was")

    def _diffs(self) -> None:
        if self._wants("diff-1-percent"):
            _say("comparing snapshots 1 % apart")
            older, newer = self._snapshots[-2:]
            for _ in range(self._repeats):
                self.samples["diff-1-percent"].add(self._ours.diff(older, newer, self._last_day_edits))
        if self._wants("diff-equal"):
            _say("comparing equal snapshots")
            older, newer = self._snapshots[-1], self._back_up("unchanged day").snapshot
            for _ in range(self._repeats):
                self.samples["diff-equal"].add(self._ours.diff(older, newer, 0))

    def _reference_checks(self) -> None:
        if not self._wants("reference-check", "memory-reference-check"):
            return
        for repeat in range(self._repeats):
            _say(f"reference check {repeat + 1}")
            cost = self._ours.check_references(self._snapshots[-1], self._corpus.references())
            self._note("reference check", NAME, cost)
            self.samples["reference-check"].add(cost.wall_seconds)
            self.samples["memory-reference-check"].add(cost.peak_bytes)

    def _days_of_one_per_mille(self) -> None:
        if not self._wants("stored-0.1-percent-day"):
            return
        self._bring_peers_up()
        for number in range(self._repeats):
            _say(f"0.1 % day {number + 1}")
            self._live_through(ONE_PER_MILLE)
            if self._ours:
                self.samples["stored-0.1-percent-day"].add(self._back_up("0.1 % day").stored_bytes)
            self._back_up_peers("0.1 % day", stored="stored-0.1-percent-day")

    def _restores(self) -> None:
        if not self._wants("restore-wall", "memory-restore"):
            return
        self._bring_peers_up()
        for repeat in range(self._repeats):
            _say(f"restore {repeat + 1}")
            if self._ours:
                self._empty_target()
                self._note_restore(self._ours.restore(self._snapshots[-1], RESTORED))
            self._empty_target()
            self._note_restore(self._restic.restore(RESTORED), "restic dump | psql")
        self._corpus.cluster.drop_database(RESTORED)

    def _first_backups_of_sqlite(self) -> None:
        """On a corpus of its own, in a room and a repository of its own: nothing else stands on it."""
        cluster, path = self._corpus.cluster, self._directory / "cmdb.sqlite"
        _say("loading the corpus into SQLite")
        sqlite.load(cluster, path)
        ours = Strongroom(cluster, self._directory, f"sqlite:{path}") if self._ours else None
        restic = ResticOfSqlite(cluster, self._directory, path)
        for repeat in range(self._repeats):
            _say(f"first backup of SQLite {repeat + 1}")
            if ours:
                ours.create()
                cost = ours.back_up().cost
                self._note("first backup of SQLite", NAME, cost)
                self.samples["sqlite-first-wall"].add(cost.wall_seconds)
            restic.create()
            cost, _ = restic.back_up()
            self._note("first backup of SQLite", restic.name, cost)
            self.samples["sqlite-first-wall"].add(cost.wall_seconds, restic.name)
        path.unlink()

    def _throughput(self) -> None:
        for repeat in range(self._repeats):
            _say(f"throughput {repeat + 1}")
            self.samples["throughput"].add(record_throughput())

    def _wants(self, *names: str) -> bool:
        return not self._wanted.isdisjoint(names)

    def _live_through(self, share: float) -> None:
        self._day += 1
        self._last_day_edits = self._corpus.live_through(self._day, share)

    def _back_up(self, operation: str) -> Backup:
        backup = self._ours.back_up()
        self._snapshots.append(backup.snapshot)
        self._note(operation, NAME, backup.cost)
        return backup

    def _create_peers(self) -> None:
        for peer in self._peers:
            peer.create()

    def _bring_peers_up(self) -> None:
        """Lets the peers store, unmeasured, what they missed while only ours was measured."""
        if self._day_of_peers is None:
            self._create_peers()
        if self._day_of_peers != self._day:
            for peer in self._peers:
                peer.back_up()
            self._day_of_peers = self._day

    def _back_up_peers(self, operation: str, stored: str, wall: str | None = None, memory: str | None = None) -> None:
        for peer in self._peers:
            cost, stored_bytes = peer.back_up()
            self._note(operation, peer.name, cost)
            self.samples[stored].add(stored_bytes, peer.name)
            if memory is not None:
                self.samples[memory].add(cost.peak_bytes, peer.name)
            if wall is not None and peer.name in PIPED_PEERS:
                self.samples[wall].add(cost.wall_seconds, peer.name)
        self._day_of_peers = self._day

    def _empty_target(self) -> None:
        self._corpus.cluster.create_database(RESTORED)
        self._corpus.cluster.query("postgres", "CHECKPOINT")

    def _note_restore(self, cost: Cost, peer: str | None = None) -> None:
        self._note("restore", peer or NAME, cost)
        self.samples["restore-wall"].add(cost.wall_seconds, peer)
        self.samples["memory-restore"].add(cost.peak_bytes, peer)

    def _note(self, operation: str, tool: str, cost: Cost) -> None:
        self.costs[operation, tool].append(cost)
        _say(f"    {tool:20}{cost.wall_seconds:8.2f} s  {cost.peak_bytes / 1e6:8.1f} MB of memory")


def _say(progress: str) -> None:
    print(progress, flush=True)
