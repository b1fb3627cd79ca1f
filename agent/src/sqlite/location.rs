//! Where a database lies: `sqlite:PATH`.
//!
//! Owns the reading of such URLs. The path is taken as it is, without percent-decoding and without SQLite's own URI
//! parameters, so that a file with any name can be protected and no option slips in with a name.

use std::path::{Path, PathBuf};

use strongroom_core::error::Code;

use crate::source::SourceError;

/// The path of a database file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteLocation {
    path: PathBuf,
}

impl SqliteLocation {
    /// Reads `sqlite:PATH`; `sqlite:///PATH` means the same for an absolute path.
    pub fn parse(url: &str) -> Result<Self, SourceError> {
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| usage(url, "a SQLite source is given as sqlite:PATH"))?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains('\0') {
            return Err(usage(url, "the path of the database is missing"));
        }
        Ok(Self { path: path.into() })
    }

    /// A location from its path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path for messages.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The absolute path of the file that is there, links resolved; nothing if there is no file.
    pub(super) fn resolve(&self) -> Result<Option<PathBuf>, SourceError> {
        match self.path.canonicalize() {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SourceError::Engine {
                code: Code::SourceUnreachable,
                subject: self.shown(),
                message: "the path can't be followed".into(),
                source: Some(Box::new(error)),
            }),
        }
    }
}

/// The path of a file that SQLite keeps beside a database: `-wal`, `-shm` or `-journal`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn usage(url: &str, message: &str) -> SourceError {
    SourceError::engine(Code::Usage, url, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_is() {
        for (url, path) in [
            ("sqlite:cmdb.db", "cmdb.db"),
            ("sqlite:/var/lib/cmdb.db", "/var/lib/cmdb.db"),
            ("sqlite:///var/lib/cmdb.db", "/var/lib/cmdb.db"),
            ("sqlite:a%20b?mode=rw.db", "a%20b?mode=rw.db"),
        ] {
            assert_eq!(SqliteLocation::parse(url).unwrap().path(), Path::new(path), "{url}");
        }
    }

    #[test]
    fn what_is_no_sqlite_url_is_refused() {
        for url in ["cmdb.db", "postgres://localhost/x", "sqlite:", "sqlite://"] {
            assert_eq!(SqliteLocation::parse(url).unwrap_err().code(), Code::Usage, "{url}");
        }
    }
}
