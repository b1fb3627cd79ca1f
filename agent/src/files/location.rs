//! Where a tree lies: `file:PATH`.
//!
//! The path is taken as it is, without percent-decoding, so that any folder can be named.

use std::path::{Path, PathBuf};

use strongroom_core::error::Code;

use crate::source::SourceError;

/// The path of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesLocation {
    path: PathBuf,
}

impl FilesLocation {
    /// Reads `file:PATH`; `file:///PATH` means the same for an absolute path.
    pub fn parse(url: &str) -> Result<Self, SourceError> {
        let usage = |message: &str| SourceError::engine(Code::Usage, url, message);
        let rest = url.strip_prefix("file:").ok_or_else(|| usage("a tree of files is given as file:PATH"))?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains('\0') {
            return Err(usage("the path of the folder is missing"));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_is() {
        for (url, path) in [("file:etc", "etc"), ("file:/etc", "/etc"), ("file:///etc%20x?y", "/etc%20x?y")] {
            assert_eq!(FilesLocation::parse(url).unwrap().path(), Path::new(path), "{url}");
        }
        for url in ["etc", "sqlite:x", "file:", "file://"] {
            assert_eq!(FilesLocation::parse(url).unwrap_err().code(), Code::Usage, "{url}");
        }
    }
}
