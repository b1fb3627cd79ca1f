//! DDL from `pg_dump`: finding one that suits the server, and running it on the cut's snapshot.
//!
//! `pg_dump` refuses servers newer than itself, and a newer one writes what older servers do not take back. So the one
//! nearest to the server's version, not below it, is used. The password reaches it through its environment only.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use strongroom_core::error::Code;

use crate::postgres::endpoint::Endpoint;
use crate::postgres::session::Session;
use crate::source::{NativeBlob, SourceError};

/// Folders whose subfolders hold one version's tools each, as Debian and Red Hat lay them out.
const VERSION_FOLDERS: [(&str, &str); 3] = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt", "postgresql-")];

/// The sections, and the blobs that hold them.
const SECTIONS: [(&str, &str); 2] = [("pre-data", "ddl-before"), ("post-data", "ddl-after")];

/// A `pg_dump`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DumpTool {
    /// The program.
    pub(crate) path: PathBuf,
    /// Its major version.
    pub(crate) version: i32,
}

/// `pg_dump` under way, once for each section.
pub(crate) struct RunningDump {
    sections: Vec<(&'static str, JoinHandle<std::io::Result<std::process::Output>>)>,
}

/// The `pg_dump` for a server of this version.
pub(crate) fn find_pg_dump(given: Option<&Path>, server: i32) -> Result<DumpTool, SourceError> {
    let (mut newest, mut suited) = (None, None::<DumpTool>);
    for path in given.map_or_else(candidates, |path| vec![path.to_owned()]) {
        let Some(version) = version_of(&path) else { continue };
        newest = newest.max(Some(version));
        if version >= server && suited.as_ref().is_none_or(|tool| version < tool.version) {
            suited = Some(DumpTool { path, version });
        }
        if version == server {
            break;
        }
    }
    suited.ok_or_else(|| {
        let seen = match (given, newest) {
            (Some(path), None) => format!("{} is none", path.display()),
            (_, None) => "none was found".to_owned(),
            (_, Some(version)) => format!("the newest that was found is version {version}"),
        };
        let message = format!(
            "the table definitions are read with pg_dump {server} or newer, and {seen}: install the package \
             postgresql-client-{server}, or give the program's path"
        );
        SourceError::engine(Code::SourceVersion, "pg_dump", message)
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for (folder, prefix) in VERSION_FOLDERS {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let versions = entries.flatten().filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.strip_prefix(prefix).is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        });
        all.extend(versions.map(|entry| entry.path().join("bin/pg_dump")));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    all.extend(std::env::split_paths(&path).map(|folder| folder.join("pg_dump")));
    all.retain(|path| path.is_file());
    all
}

fn version_of(path: &Path) -> Option<i32> {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// The major version in `pg_dump (PostgreSQL) 15.18 (Debian …)`.
fn parse_version(text: &str) -> Option<i32> {
    let version = text.split(") ").nth(1)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Starts `pg_dump` for both sections side by side.
pub(crate) fn start(
    tool: &DumpTool,
    endpoint: &Endpoint,
    leader: &Session,
    lock_wait: Duration,
    snapshot: &str,
) -> Result<RunningDump, SourceError> {
    let mut sections = Vec::new();
    for (section, role) in SECTIONS {
        let mut command = Command::new(&tool.path);
        command
            .args(["--schema-only", "--no-password", "--no-subscriptions"])
            .arg(format!("--section={section}"))
            .arg(format!("--snapshot={snapshot}"))
            .arg(format!("--lock-wait-timeout={}", lock_wait.as_millis()))
            .args((!leader.is_ascii()).then_some("--encoding=UTF8"))
            .envs(endpoint.tool_environment(leader.address()))
            .env_remove("STRONGROOM_PASSPHRASE")
            .env_remove("PGOPTIONS")
            .env_remove("PGCLIENTENCODING")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child: Child = command.spawn().map_err(|error| SourceError::Engine {
            code: Code::SourceVersion,
            subject: tool.path.display().to_string(),
            message: "pg_dump could not be started".into(),
            source: Some(Box::new(error)),
        })?;
        sections.push((role, thread::spawn(move || child.wait_with_output())));
    }
    Ok(RunningDump { sections })
}

impl RunningDump {
    /// Waits for both sections.
    pub(crate) fn finish(self) -> Result<Vec<NativeBlob>, SourceError> {
        let outputs: Vec<_> = self.sections.into_iter().map(|(role, thread)| (role, thread.join())).collect();
        let mut blobs = Vec::new();
        for (role, output) in outputs {
            let broken =
                |message: String| SourceError::engine(Code::SourceFailed, format!("pg_dump for {role}"), message);
            let output = output.map_err(|_| broken("its thread broke off".into()))?;
            let output = output.map_err(|error| broken(error.to_string()))?;
            if !output.status.success() {
                let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                if told.contains("lock timeout") {
                    return Err(SourceError::engine(Code::SourceLocked, format!("pg_dump for {role}"), told));
                }
                return Err(broken(told));
            }
            blobs.push(NativeBlob { role: role.into(), content: without_restriction(output.stdout) });
        }
        Ok(blobs)
    }
}

/// Takes out the `\restrict` and `\unrestrict` lines, which hold a new random word each time and mean nothing to us, so
/// that equal definitions are equal bytes.
fn without_restriction(dump: Vec<u8>) -> Vec<u8> {
    let head = dump.get(..dump.len().min(1024)).unwrap_or_default();
    let token = head.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"\\restrict "));
    let Some(token) = token.map(<[u8]>::to_vec) else { return dump };
    let lines = dump.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let word = line.strip_prefix(b"\\restrict ").or_else(|| line.strip_prefix(b"\\unrestrict "));
        word != Some(token.as_slice())
    });
    kept.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_program_says() {
        assert_eq!(parse_version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_version("pg_dump (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("restic 0.14"), None);
    }

    #[test]
    fn a_missing_program_is_refused_with_what_to_install() {
        let error = find_pg_dump(Some(Path::new("no/such/pg_dump")), 17).unwrap_err();
        assert_eq!(error.code(), Code::SourceVersion);
        assert!(error.to_string().contains("postgresql-client-17"), "{error}");
    }

    #[test]
    fn random_words_are_taken_out_and_nothing_else() {
        let dump = b"--\n\\restrict Ab1\n\nSELECT '\n\\restrict other\n';\n\\unrestrict Ab1\n".to_vec();
        assert_eq!(without_restriction(dump), b"--\n\nSELECT '\n\\restrict other\n';\n");
        assert_eq!(without_restriction(b"SELECT 1;\n".to_vec()), b"SELECT 1;\n");
    }
}
