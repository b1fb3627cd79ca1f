//! What the tests share: a folder with a room and a sample CMDB, and runs of the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use strongroom_agent::sample::{SampleSize, apply_day, create_sqlite};

use crate::copy_dir::copy_dir;
use crate::schema;

/// A folder with a room, and databases beside it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// Makes a sample CMDB in a place, which is registered nowhere yet.
pub(crate) fn sample(place: &Place) {
    create_sqlite(&place.path("cmdb.db"), SampleSize::SMALL, 1).unwrap();
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with a room, and with a sample CMDB that is registered as `cmdb`.
    pub(crate) fn with_sample() -> Self {
        Self::with_sample_in(&[])
    }

    /// The same, in a room that was made with these options.
    pub(crate) fn with_sample_in(options: &[&str]) -> Self {
        let place = Self::empty();
        sample(&place);
        place.run(&[&["init"], options].concat()).done();
        place.run(&["source", "add", "cmdb", &place.url("cmdb.db")]).done();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn room(&self) -> PathBuf {
        self.path("room")
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("sqlite:{}", self.path(name).display())
    }

    /// Makes a database by a script, and registers it under a name.
    pub(crate) fn source(&self, name: &str, script: &str) {
        let file = format!("{name}.db");
        Connection::open(self.path(&file)).unwrap().execute_batch(script).unwrap();
        self.run(&["source", "add", name, &self.url(&file)]).done();
    }

    /// Runs a script in a database.
    pub(crate) fn change(&self, file: &str, script: &str) {
        Connection::open(self.path(file)).unwrap().execute_batch(script).unwrap();
    }

    /// Lets a day go by in the sample.
    pub(crate) fn day(&self, seed: u64) -> u64 {
        apply_day(&Connection::open(self.path("cmdb.db")).unwrap(), seed, 10).unwrap()
    }

    /// The folder again, with all that lies in it. Sources stay where they are.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::empty();
        copy_dir(self.folder.path(), copy.folder.path());
        copy
    }

    /// The program, in this folder's room, with nothing of the environment that concerns it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_under(&[], arguments)
    }

    /// The program, run by another one.
    pub(crate) fn command_under(&self, wrapper: &[&str], arguments: &[&str]) -> Command {
        let words = [wrapper, &[env!("CARGO_BIN_EXE_strongroom")]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STRONGROOM_") {
                command.env_remove(name);
            }
        }
        command.arg("--room").arg(self.room()).args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs with `--json`, which must succeed; the document, or the last line, checked against its schema.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat()).done();
        ran.documents().pop().unwrap()
    }

    /// The ids of the snapshots, the oldest first.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        let listed = self.json(&["snapshots"]);
        listed.as_array().unwrap().iter().map(|facts| facts["snapshot"].as_str().unwrap().to_owned()).collect()
    }

    /// The one file below a folder of the room whose name ends so.
    pub(crate) fn find(&self, folder: &str, suffix: &str) -> PathBuf {
        files_below(&self.room().join(folder))
            .into_iter()
            .find(|path| path.to_string_lossy().ends_with(suffix))
            .unwrap()
    }

    /// A text without what differs from run to run.
    pub(crate) fn normal(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "PLACE")
    }
}

/// All files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The run must have succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        self.ended_with(0)
    }

    /// The run must have ended with a code.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// What was printed for programs, line by line, each checked against its schema.
    pub(crate) fn documents(&self) -> Vec<Value> {
        let documents: Vec<Value> = self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for document in &documents {
            match document {
                Value::Array(parts) => parts.iter().for_each(schema::check),
                document => schema::check(document),
            }
        }
        documents
    }
}
