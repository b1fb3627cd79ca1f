//! Throw-away PostgreSQL servers for tests.
//!
//! A server lives in a folder of its own, listens on a Unix socket in it and nowhere else, and stops when the last test
//! that uses it ends. Binaries come from `$STRONGROOM_PG_SERVERS` (folders of installations, parted by colons: every
//! test runs on each), else from `$STRONGROOM_PG_BIN`, else the newest of `/usr/lib/postgresql`. A server refuses to run
//! as root, so root's tests run it as the user `postgres`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

use crate::not_run::not_run;

/// The port is part of the socket's name only.
const PORT: u16 = 5432;

/// A role that must give this password.
pub(crate) const GUARDED_ROLE: (&str, &str) = ("guarded", "s3cret word");

static RUNNING: Mutex<Vec<(PathBuf, Weak<Cluster>)>> = Mutex::new(Vec::new());
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A running server.
pub(crate) struct Cluster {
    folder: TempDir,
    binaries: PathBuf,
}

/// The servers to test on. Without any, the test is noted as not run.
pub(crate) fn clusters(test: &str) -> Vec<Arc<Cluster>> {
    let binaries = binaries();
    if binaries.is_empty() {
        not_run(test, "a PostgreSQL server: install the package postgresql");
    }
    binaries.iter().map(|binaries| Cluster::shared(binaries)).collect()
}

fn binaries() -> Vec<PathBuf> {
    if let Some(servers) = std::env::var_os("STRONGROOM_PG_SERVERS") {
        return std::env::split_paths(&servers).map(|folder| folder.join("bin")).collect();
    }
    if let Some(folder) = std::env::var_os("STRONGROOM_PG_BIN") {
        return vec![PathBuf::from(folder)];
    }
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let versions =
        versions.flatten().map(|entry| entry.path().join("bin")).filter(|path| path.join("initdb").is_file());
    versions
        .max_by_key(|path| path.parent().and_then(Path::file_name)?.to_str()?.parse::<u32>().ok())
        .into_iter()
        .collect()
}

impl Cluster {
    fn shared(binaries: &Path) -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap();
        if let Some(cluster) =
            running.iter().find(|(path, _)| path == binaries).and_then(|(_, cluster)| cluster.upgrade())
        {
            return cluster;
        }
        let cluster = Arc::new(Self::start(binaries, &[]));
        running.retain(|(path, _)| path != binaries);
        running.push((binaries.to_owned(), Arc::downgrade(&cluster)));
        cluster
    }

    /// Starts a server with further settings, for one test alone.
    pub(crate) fn start(binaries: &Path, settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("sr-pg-").tempdir().unwrap();
        let cluster = Self { folder, binaries: binaries.to_owned() };
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(cluster.folder.path()));
        }
        let data = cluster.data();
        cluster.server_tool(
            "initdb",
            &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        );
        let config = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nport = {PORT}\nfsync = off\nmax_connections = 200\n\
             max_prepared_transactions = 4\nlog_min_messages = error\n\
             password_encryption = 'scram-sha-256'\n{}\n",
            cluster.folder.path().display(),
            settings.join("\n")
        );
        append(&cluster.folder.path().join("data/postgresql.conf"), &config);
        let rules = format!("local all {} scram-sha-256\nlocal all all trust\n", GUARDED_ROLE.0);
        std::fs::write(cluster.folder.path().join("data/pg_hba.conf"), rules).unwrap();
        let log = cluster.folder.path().join("server.log").display().to_string();
        cluster.server_tool("pg_ctl", &["-D", &data, "-l", &log, "-w", "-t", "60", "start"]);
        cluster
            .psql("postgres", &format!("CREATE ROLE {} SUPERUSER LOGIN PASSWORD '{}'", GUARDED_ROLE.0, GUARDED_ROLE.1));
        cluster
    }

    /// Another server of the same kind, for one test alone.
    pub(crate) fn again(&self) -> Self {
        Self::start(&self.binaries, &[])
    }

    /// Stops the server, and starts it again as one that recovers: to the end (`recovery.signal`), which begins a new
    /// timeline, or for ever (`standby.signal`).
    pub(crate) fn recover(&self, signal: &str) {
        let data = self.data();
        self.server_tool("pg_ctl", &["-D", &data, "-m", "fast", "-w", "stop"]);
        append(&self.folder.path().join("data/postgresql.conf"), "restore_command = 'false'\n");
        std::fs::write(self.folder.path().join("data").join(signal), "").unwrap();
        let log = self.folder.path().join("server.log").display().to_string();
        self.server_tool("pg_ctl", &["-D", &data, "-l", &log, "-w", "-t", "60", "start"]);
    }

    /// The URL of a database for a role.
    pub(crate) fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={PORT}&user={role}", self.folder.path().display())
    }

    /// The URL of a database for the superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// A name that no other test uses.
    #[expect(clippy::unused_self, reason = "names belong to a server")]
    pub(crate) fn name(&self, word: &str) -> String {
        format!("{word}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a database by a script and returns its name.
    pub(crate) fn database(&self, word: &str, script: &str) -> String {
        let name = self.name(word);
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"));
        self.psql(&name, script);
        name
    }

    /// The server's major version.
    pub(crate) fn version(&self) -> u32 {
        self.query("postgres", "SELECT current_setting('server_version_num')::int / 10000").parse().unwrap()
    }

    /// Runs a script; the first error fails the test.
    pub(crate) fn psql(&self, database: &str, script: &str) {
        self.psql_with(database, script, &[]);
    }

    /// Runs a query and returns what it prints, columns parted by `|`.
    pub(crate) fn query(&self, database: &str, sql: &str) -> String {
        self.psql_with(database, sql, &["-A", "-t"]).trim_end().to_owned()
    }

    fn psql_with(&self, database: &str, script: &str, arguments: &[&str]) -> String {
        let mut command = self.client_tool("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let script = script.to_owned();
        let writer = std::thread::spawn(move || {
            let _ = input.write_all(script.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        succeeded("psql", &output)
    }

    /// Waits until a query prints something, at most for ten thousand tries.
    pub(crate) fn wait_for(&self, database: &str, sql: &str) {
        assert!((0..10_000).any(|_| !self.query(database, sql).is_empty()), "it never came so: {sql}");
    }

    /// Runs statements in a session that stays open until the holder is dropped.
    pub(crate) fn hold(&self, database: &str, statements: &str) -> Holder {
        let mut command = self.client_tool("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{statements}\n\\echo held").unwrap();
        input.flush().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        while line.trim() != "held" {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "psql ended early");
        }
        Holder { child, input: Some(input) }
    }

    /// A plain dump, its lines sorted, without what differs between two dumps of the same state.
    pub(crate) fn dump_lines(&self, database: &str) -> Vec<String> {
        let output = self.client_tool("pg_dump").arg(database).output().unwrap();
        let text = succeeded("pg_dump", &output);
        let is_word = |line: &str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        let mut lines: Vec<String> = text.lines().filter(|line| !is_word(line)).map(str::to_owned).collect();
        lines.sort();
        lines
    }

    fn client_tool(&self, name: &str) -> Command {
        let own = self.binaries.join(name);
        let mut command = if own.is_file() { Command::new(own) } else { Command::new(name) };
        command
            .env("PGHOST", self.folder.path())
            .env("PGPORT", PORT.to_string())
            .env("PGUSER", "postgres")
            .env("LC_ALL", "C");
        command
    }

    fn server_tool(&self, name: &str, arguments: &[&str]) {
        let program = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // What the server inherits it keeps open, so its output must not be a pipe that somebody waits for.
        run(command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()));
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }
}

/// A session that holds what its statements took.
pub(crate) struct Holder {
    child: Child,
    input: Option<ChildStdin>,
}

impl Holder {
    /// Runs more statements, which must print nothing, and does not wait for them.
    pub(crate) fn go_on(&mut self, statements: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{statements}").unwrap();
        input.flush().unwrap();
    }

    /// Whether the session was ended from outside. It is asked by running one more statement.
    pub(crate) fn is_ended(&mut self) -> bool {
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "SELECT 1;").and_then(|()| input.flush());
        }
        self.input = None;
        !self.child.wait().unwrap().success()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server_tool("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim() == "0"
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}");
}

fn succeeded(tool: &str, output: &Output) -> String {
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn append(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
