"""Owns the tools that Strongroom is compared with, each used as its manual says.

Both deduplicating peers read a plain dump from a pipe and seal what they store,
as Strongroom does: restic always, borg with `repokey-blake2`, the faster of its
modes. Compression is each tool's own default. Caches, keys and configuration
stay below the benchmark's directory, so that no run knows of another.
"""

import shlex
import shutil
from pathlib import Path

from cluster import Cluster
from corpus import LIVE, TABLES
from measure import Cost, run, run_pipeline, tree_bytes

DUMP_FILE = "cmdb.sql"


class Restic:
    """`pg_dump | restic backup --stdin` into a repository of version 2, which compresses."""

    name = "restic"

    def __init__(self, cluster: Cluster, directory: Path):
        self._repository = directory / "restic"
        self._cache = directory / "restic-cache"
        self._environment = cluster.environment() | {
            "RESTIC_REPOSITORY": str(self._repository),
            "RESTIC_PASSWORD": "benchmark",
            "RESTIC_CACHE_DIR": str(self._cache),
        }

    def create(self) -> None:
        """Starts with an empty repository and an empty cache."""
        _remove(self._repository, self._cache)
        run(["restic", "init", "--repository-version", "2"], self._environment)

    def back_up(self) -> tuple[Cost, int]:
        """Stores the live database; returns the cost and the bytes that the repository grew by."""
        before = tree_bytes(self._repository)
        cost = run_pipeline(
            f"{self._dump()} | restic backup --quiet --stdin --stdin-filename {DUMP_FILE}",
            self._environment,
        )
        return cost, tree_bytes(self._repository) - before

    def _dump(self) -> str:
        return f"pg_dump {LIVE}"

    def restore(self, database: str) -> Cost:
        """Loads the newest dump into `database`, which must be empty."""
        load = f"psql -X -q -v ON_ERROR_STOP=1 -d {database} -o /dev/null"
        return run_pipeline(f"restic dump latest {DUMP_FILE} | {load}", self._environment)


class ResticOfSqlite(Restic):
    """`sqlite3 .dump | restic backup --stdin`."""

    name = "sqlite3 .dump | restic"

    def __init__(self, cluster: Cluster, directory: Path, database: Path):
        super().__init__(cluster, directory)
        self._database = database

    def _dump(self) -> str:
        return f"sqlite3 -readonly {shlex.quote(str(self._database))} .dump"


class Borg:
    """`pg_dump | borg create`."""

    name = "borg"

    def __init__(self, cluster: Cluster, directory: Path):
        self._repository = directory / "borg"
        self._base = directory / "borg-base"
        self._backups = 0
        self._environment = cluster.environment() | {
            "BORG_REPO": str(self._repository),
            "BORG_PASSPHRASE": "benchmark",
            "BORG_BASE_DIR": str(self._base),
        }

    def create(self) -> None:
        """Starts with an empty repository and an empty cache."""
        _remove(self._repository, self._base)
        self._base.mkdir(parents=True)
        run(["borg", "init", "--encryption", "repokey-blake2"], self._environment)

    def back_up(self) -> tuple[Cost, int]:
        """Stores the live database; returns the cost and the bytes that the repository grew by."""
        self._backups += 1
        before = tree_bytes(self._repository)
        create = f"borg create --stdin-name {DUMP_FILE} ::backup-{self._backups} -"
        cost = run_pipeline(f"pg_dump {LIVE} | {create}", self._environment)
        return cost, tree_bytes(self._repository) - before


class DirectoryDump:
    """`pg_dump -Fd -j2`: parallel and compressed, with neither duplicates found nor sealing."""

    name = "pg_dump -Fd -j2"

    def __init__(self, cluster: Cluster, directory: Path):
        self._target = directory / "dump"
        self._environment = cluster.environment()

    def create(self) -> None:
        """Removes the previous dump, since there is nothing to add to."""
        _remove(self._target)

    def back_up(self) -> tuple[Cost, int]:
        """Dumps the live database; returns the cost and the size of the dump."""
        self.create()
        cost = run(["pg_dump", "-Fd", "-j2", "-f", str(self._target), LIVE], self._environment)
        return cost, tree_bytes(self._target)


def copy_to_nothing(cluster: Cluster) -> Cost:
    """Reads all tables one after another in one session: what any scan has to wait for."""
    statements = [argument for table in TABLES for argument in ("-c", f"COPY {table} TO STDOUT")]
    return run(["psql", "-X", "-q", "-d", LIVE, *statements], cluster.environment())


def plain_dump_bytes(cluster: Cluster) -> int:
    """The size of a plain dump, the corpus's one number that readers can picture."""
    count = run(["bash", "-c", f"set -o pipefail; pg_dump {LIVE} | wc -c"], cluster.environment(), True)
    return int(count.output)


def missing_tools() -> list[str]:
    """Which of the peers' programs are not installed here."""
    return [tool for tool in ("restic", "borg", "sqlite3", "bash") if shutil.which(tool) is None]


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
