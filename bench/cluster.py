"""Owns one PostgreSQL server that belongs to the benchmark and to nothing else.

The server lives in a directory of its own: data, Unix socket and log. It
listens on no network address, trusts whoever may reach the socket, and keeps
PostgreSQL's defaults for everything that decides durability, because a peer
that reads from a server with `fsync=off` says nothing about a real one.
"""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "listen_addresses": "''"}
SUPERUSER = "postgres"


class ClusterError(Exception):
    """The server could not be found, started or asked."""


class Cluster:
    """A server in `directory`; created on first use, then started and stopped at will."""

    def __init__(self, directory: Path, port: int = 54329):
        self.directory = directory.resolve()
        self.port = port
        self.data = self.directory / "data"
        self.socket = self.directory / "sock"
        self.bin = find_server_binaries()

    def start(self) -> None:
        """Creates the cluster if the directory has none, and starts it if it does not run."""
        if not (self.data / "PG_VERSION").exists():
            self._create()
        if not self.is_running():
            options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
            options += f" -c port={self.port} -c unix_socket_directories={self.socket}"
            log = self.directory / "server.log"
            self._as_owner("pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        """Stops the server, rolling back what still runs in it."""
        if self.is_running():
            self._as_owner("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def is_running(self) -> bool:
        """Whether a server holds the data directory."""
        status = owner_prefix() + [str(self.bin / "pg_ctl"), "-D", str(self.data), "status"]
        return subprocess.run(status, capture_output=True, cwd="/", check=False).returncode == 0

    def environment(self) -> dict[str, str]:
        """The process environment in which PostgreSQL's own tools reach this server."""
        return os.environ | {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": str(self.socket),
            "PGPORT": str(self.port),
            "PGUSER": SUPERUSER,
        }

    def url(self, database: str) -> str:
        """The connection URL of `database`, with the socket as a query parameter."""
        return f"postgres:///{database}?host={quote(str(self.socket))}&port={self.port}&user={SUPERUSER}"

    def query(self, database: str, sql: str) -> str:
        """Runs `sql` and returns its output without headers, columns parted by `|`."""
        return self._psql(database, "-At", "-c", sql)

    def run_script(self, database: str, script: Path, **variables: object) -> None:
        """Runs a script of statements with psql variables set; the first error ends it."""
        settings = [f"--set={name}={value}" for name, value in variables.items()]
        self._psql(database, *settings, "-f", str(script))

    def create_database(self, name: str, template: str = "template0") -> None:
        """Makes `name` anew as a copy of `template`; whoever was connected to it loses."""
        self.drop_database(name)
        self.query("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')

    def drop_database(self, name: str) -> None:
        """Removes the database, if there is one."""
        self.query("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def has_database(self, name: str) -> bool:
        """Whether a database of that name exists."""
        return self.query("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == "1"

    def _create(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        for folder in (self.data, self.socket):
            folder.mkdir(exist_ok=True)
        self.socket.chmod(0o700)  # Whoever reaches the socket is a superuser.
        if os.geteuid() == 0:
            for folder in (self.directory, self.data, self.socket):
                shutil.chown(folder, user=unprivileged_user())
        self._as_owner(
            "initdb", "-D", self.data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"
        )

    def _as_owner(self, tool: str, *arguments: object) -> None:
        command = owner_prefix() + [str(self.bin / tool), *map(str, arguments)]
        # The server inherits these descriptors and outlives the tool, so a pipe would never close.
        with open(os.devnull, "w", encoding="ascii") as nowhere:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=nowhere, stderr=nowhere, cwd="/", check=False
            )
        if done.returncode != 0:
            raise ClusterError(f"{tool} failed for {self.directory}; see {self.directory / 'server.log'}")

    def _psql(self, database: str, *arguments: str) -> str:
        command = [str(self.bin / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, *arguments]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ClusterError(f"psql on {database}: {done.stderr.strip()}")
        return done.stdout.strip()


def find_server_binaries() -> Path:
    """The folder of the newest installed server, wherever the distribution put it."""
    versioned = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if versioned:
        return versioned[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise ClusterError("no PostgreSQL server is installed: on Debian, `apt install postgresql`")
    return Path(on_path).resolve().parent


def owner_prefix() -> list[str]:
    """What to put before a server command: nothing, or a change of user, since root may not serve."""
    return ["runuser", "-u", unprivileged_user(), "--"] if os.geteuid() == 0 else []


def unprivileged_user() -> str:
    """The account that owns the cluster when the benchmark is started by root."""
    known = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
    names = {line.split(":", 1)[0] for line in known}
    return "postgres" if "postgres" in names else "nobody"
