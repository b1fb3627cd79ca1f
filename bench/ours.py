"""Owns how the benchmark drives Strongroom: the built binary, through its `--json` face.

Nothing here knows how Strongroom works. What it claims is checked where the
benchmark can: a backup must be complete, stored bytes are counted on disk as
well, a restore must prove itself, and a diff must find what the day changed.
"""

import json
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster
from corpus import LIVE
from measure import Cost, run, tree_bytes

NAME = "strongroom"
ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("STRONGROOM_BENCH_BINARY", ROOT / "target" / "release" / "strongroom"))
SOURCE = "cmdb"
PIPELINE = "cargo bench -q -p strongroom-core --bench pipeline"


class WrongResult(Exception):
    """Strongroom answered, and the answer is not what it must be."""


@dataclass(frozen=True)
class Backup:
    """A snapshot, what it cost, and the bytes it added to the depot."""

    snapshot: str
    cost: Cost
    stored_bytes: int


class Strongroom:
    """One room in `directory` with the live database, or another one by its URL, as its only source."""

    def __init__(self, cluster: Cluster, directory: Path, url: str | None = None):
        self._cluster = cluster
        self._url = url or cluster.url(LIVE)
        self._room = directory / "room"
        self._environment = cluster.environment()

    def create(self) -> None:
        """Starts with an empty room."""
        shutil.rmtree(self._room, ignore_errors=True)
        self._call("init")
        self._call("source", "add", SOURCE, self._url)

    def back_up(self) -> Backup:
        """Takes a snapshot; of the two counts of stored bytes the greater is returned."""
        before = tree_bytes(self._room / "depot")
        cost, summary = self._ask("backup", SOURCE, "--profile", "none")
        _require(summary.get("complete") is True, "the backup is incomplete", summary)
        grown = tree_bytes(self._room / "depot") - before
        return Backup(summary["snapshot"], cost, max(summary["bytes_stored"], grown))

    def restore(self, snapshot: str, database: str) -> Cost:
        """Restores into `database`, which must be empty; the verdict must be that all is equal."""
        cost, summary = self._ask("restore", snapshot, "--to", self._cluster.url(database), "--yes")
        _require(summary.get("root_equal") is True, "the restored records differ", summary)
        return cost

    def restore_record(self, snapshot: str, ci: str) -> float:
        """Brings one item back into the live database, planned in one run and restored in the next; seconds of both."""
        wanted = ("restore", snapshot, "--to", self._cluster.url(LIVE), "--record", f"public.ci:{ci}")
        planned, plan = self._ask(*wanted, "--plan")
        _require(plan["possible"] and plan["counts"]["create"] == 1, "the item can't be brought back", plan)
        restored, summary = self._ask(*wanted)
        _require(summary["root_equal"] and summary["records_written"] == 1, "the item did not come back", summary)
        return planned.wall_seconds + restored.wall_seconds

    def find_cold(self, snapshot: str, ci: str) -> int:
        """Looks one item up with nothing read before; returns depot reads, those that opened the snapshot included."""
        _, document = self._ask("find", snapshot, f"public.ci:{ci}", "--cold")
        _require(ci in json.dumps(document), f"item {ci} was not found", document)
        return document["opening"]["depot_reads"] + document["stats"]["depot_reads"]

    def find_warm(self, snapshot: str, neighbour: str, ci: str) -> dict:
        """Looks a neighbour up, which warms the inner nodes, then the item; returns the statistics of the item."""
        _, document = self._ask("find", snapshot, f"public.ci:{neighbour}", f"public.ci:{ci}")
        _require(ci in json.dumps(document), f"item {ci} was not found", document)
        return document["records"][1]

    def diff(self, older: str, newer: str, edits: int) -> float:
        """Compares two snapshots between which `edits` items were edited; returns milliseconds."""
        _, document = self._ask("diff", older, newer)
        found = {
            entry["class"]: (entry["added"], entry["removed"], entry["changed"])
            for entry in document["classes"]
            if entry["added"] or entry["removed"] or entry["changed"]
        }
        expected = {"public.ci": (0, 0, edits), "public.ci_history": (edits, 0, 0)} if edits else {}
        _require(found == expected, "the diff is wrong", found)
        return document["duration_ms"]

    def check_references(self, snapshot: str, references: int) -> Cost:
        """Verifies a snapshot, whose `references` all lead to records: its trees are read once for both."""
        cost, summary = self._ask("verify", snapshot)
        checked = summary["references"][0]
        _require(summary["ok"] and checked["references"] == references, "references were left out", checked)
        _require(not checked["broken"], "references are broken", checked)
        return cost

    def read_data(self) -> tuple[Cost, int]:
        """Verifies all there is, every byte; returns the uncompressed bytes of all packs, too. Frames are opened, trees
        read and references followed: all of that is in the cost."""
        cost, summary = self._ask("verify", "--read-data")
        _require(summary["ok"] and summary["plain_bytes"] > 0, "not every byte was read", summary)
        return cost, summary["plain_bytes"]

    def _call(self, *arguments: str) -> Cost:
        command = [str(BINARY), "--room", str(self._room), *arguments]
        return run(command, self._environment, keep_output=True)

    def _ask(self, *arguments: str) -> tuple[Cost, dict]:
        cost = self._call(*arguments, "--json")
        return cost, last_document(cost.output)


def is_built() -> bool:
    """Whether there is a binary to measure."""
    return os.access(BINARY, os.X_OK)


def record_throughput() -> float:
    """Record bytes that one core builds, hashes, compresses and seals in a second."""
    command = shlex.split(os.environ.get("STRONGROOM_BENCH_PIPELINE", PIPELINE))
    cost = run(["env", "-C", str(ROOT), *command], dict(os.environ), keep_output=True)
    return last_document(cost.output)["record_bytes_per_second_per_core"]


def last_document(output: str) -> dict:
    """The JSON document that an output ends with: all of it, or its last line."""
    try:
        return json.loads(output)
    except json.JSONDecodeError:
        return json.loads(output.strip().splitlines()[-1])


def _require(holds: bool, complaint: str, evidence: object) -> None:
    if not holds:
        raise WrongResult(f"{complaint}: {json.dumps(evidence)[:1000]}")
