//! A PostgreSQL server for the demonstration alone: made, started and stopped here, reachable through its socket only.
//!
//! PostgreSQL refuses to run as root, so then it runs as an unprivileged user of the host.

use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use strongroom_core::error::Code;

use crate::app::App;
use crate::failure::{Attempt as _, Failure};

/// How long the server may take to accept connections.
const START_WAIT: Duration = Duration::from_secs(30);
/// How long it may take to stop.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Users that are there to own nothing.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
/// The superuser inside.
const SUPERUSER: &str = "strongroom";

/// A running server.
pub(super) struct Cluster {
    programs: PathBuf,
    socket: tempfile::TempDir,
    server: Child,
    version: String,
}

/// Takes the statements of a script, one after another.
pub(super) type Give<'g> = dyn FnMut(&str) -> Result<(), Failure> + 'g;

impl Cluster {
    /// Makes a cluster in a folder and starts its server.
    pub(super) fn start(folder: &Path, app: &App) -> Result<Self, Failure> {
        let programs = programs()?;
        let user = if rustix::process::geteuid().is_root() { Some(unprivileged_user()?) } else { None };
        let data = folder.join("server");
        let what = || format!("can't make a PostgreSQL server in {}", folder.display());
        std::fs::create_dir(&data).attempt(what)?;
        // A socket's path must be short, so it has a folder of its own.
        let socket = tempfile::Builder::new().prefix("sr-").tempdir().attempt(what)?;
        if let Some((uid, gid)) = user {
            for (path, mode) in [(folder, 0o711), (&data, 0o700), (socket.path(), 0o755)] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).attempt(what)?;
            }
            for path in [data.as_path(), socket.path()] {
                chown(path, Some(uid), Some(gid)).attempt(what)?;
            }
        }
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C");
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let mut initdb = command("initdb");
        initdb.args(["--encoding=UTF8", "--locale=C", "--auth=trust", "--username", SUPERUSER, "--pgdata"]).arg(&data);
        let made = initdb.output().attempt(what)?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(Failure::because(Code::TargetFailed, what(), said));
        }
        let log = std::fs::File::create(folder.join("server.log")).attempt(what)?;
        let mut postgres = command("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(socket.path());
        postgres.args(["-c", "listen_addresses=", "-c", "max_wal_size=2GB"]).stdout(Stdio::null()).stderr(log);
        let server = postgres.spawn().attempt(what)?;
        let mut cluster = Self { programs, socket, server, version: String::new() };
        cluster.wait(app)?;
        cluster.version = cluster.text("postgres", "SHOW server_version")?;
        Ok(cluster)
    }

    /// The server's version.
    pub(super) fn version(&self) -> &str {
        self.version.split(' ').next().unwrap_or_default()
    }

    /// The URL of one of its databases.
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user={SUPERUSER}", self.socket.path().display())
    }

    /// Runs a script; the first statement that fails ends it.
    pub(super) fn run(
        &self,
        database: &str,
        script: impl FnOnce(&mut Give<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let what = || format!("can't run a script in {database}");
        let mut command = self.psql(database);
        let mut child =
            command.args(["--file", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().attempt(what)?;
        let given = {
            let mut input = BufWriter::new(child.stdin.take().ok_or_else(|| Failure::new(Code::Internal, what()))?);
            let given = script(&mut |statement| writeln!(input, "{statement};").attempt(what));
            given.and_then(|()| input.flush().attempt(what))
        };
        let ended = child.wait_with_output().attempt(what)?;
        if ended.status.success() {
            return given;
        }
        Err(Failure::because(Code::TargetFailed, what(), String::from_utf8_lossy(&ended.stderr).trim().to_owned()))
    }

    /// The number that a query gives.
    pub(super) fn number(&self, database: &str, query: &str) -> Result<u64, Failure> {
        let text = self.text(database, query)?;
        text.parse().map_err(|error| Failure::because(Code::Internal, format!("{query} gave no number"), error))
    }

    fn text(&self, database: &str, query: &str) -> Result<String, Failure> {
        let run = self.psql(database).args(["--command", query]).output().attempt(|| format!("can't ask {query}"))?;
        if run.status.success() {
            return Ok(String::from_utf8_lossy(&run.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&run.stderr).trim().to_owned();
        Err(Failure::because(Code::TargetFailed, format!("can't ask {query}"), said))
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]);
        command.args(["--username", SUPERUSER, "--dbname", database, "--host"]).arg(self.socket.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).env_remove("PGOPTIONS").env_remove("PGSERVICE");
        command
    }

    /// Waits until the server answers.
    fn wait(&mut self, app: &App) -> Result<(), Failure> {
        let deadline = app.clock.monotonic().plus(START_WAIT);
        loop {
            let answer = self.text("postgres", "SELECT 1");
            if answer.is_ok() {
                return Ok(());
            }
            let ended = self.server.try_wait().attempt(|| "can't look after the server")?;
            if ended.is_some() || app.clock.monotonic() > deadline {
                return answer.map(drop);
            }
            pause();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(pid) = rustix::process::Pid::from_raw(self.server.id().cast_signed()) else { return };
        // Fast shutdown; what can't be told so is killed below.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        for _ in 0..STOP_WAIT.as_millis() / PAUSE.as_millis() {
            if !matches!(self.server.try_wait(), Ok(None)) {
                return;
            }
            pause();
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Lets a moment pass: there is nothing of the server's to wait upon.
fn pause() {
    let (_keep, never) = sync_channel::<()>(0);
    let _ = never.recv_timeout(PAUSE);
}

/// The folder of the newest server's programs.
fn programs() -> Result<PathBuf, Failure> {
    let has_all = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    let version = |folder: &PathBuf| {
        let name = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        name.and_then(|name| name.parse::<u32>().ok()).unwrap_or(0)
    };
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort_by_key(version);
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.into_iter().find(has_all).ok_or_else(|| {
        Failure::new(Code::NotFound, "no PostgreSQL server is installed here")
            .advise("Install the package postgresql, or run the demonstration without --postgres.")
    })
}

/// The first user that is there to own nothing: numbers of user and group.
fn unprivileged_user() -> Result<(u32, u32), Failure> {
    let users = std::fs::read_to_string("/etc/passwd").attempt(|| "can't read the users of this host")?;
    let ids = |name: &&str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(*name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    UNPRIVILEGED.iter().find_map(ids).ok_or_else(|| {
        Failure::new(Code::NotFound, "PostgreSQL does not run as root, and there is no other user for it")
            .advise("Run the demonstration as another user.")
    })
}
