//! The one way in which a path below a root is written.
//!
//! Owns the check that keeps every operation inside its root. A path that passes is names joined by `/`, and can be
//! compared byte by byte: there are no two ways to write the same one.

use super::DiskError;

/// Checks a path that names a file, so may not be the root itself.
pub(crate) fn check_file(path: &str) -> Result<(), DiskError> {
    if path.is_empty() { Err(invalid(path)) } else { check_dir(path) }
}

/// Checks a path that names a folder; the empty one is the root.
pub(crate) fn check_dir(path: &str) -> Result<(), DiskError> {
    let is_fine = path.is_empty() || path.split('/').all(is_name);
    if is_fine { Ok(()) } else { Err(invalid(path)) }
}

/// The folder that a path lies in; the root for a path of one name.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The last name of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The path of what is called `name` in the folder `dir`.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// The folders on the way to `dir`, the topmost first, `dir` itself last; none for the root.
pub(crate) fn ancestors(dir: &str) -> impl Iterator<Item = &str> {
    let ends = dir.match_indices('/').map(|(at, _)| at).chain((!dir.is_empty()).then_some(dir.len()));
    ends.filter_map(|end| dir.get(..end))
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('\0')
}

fn invalid(path: &str) -> DiskError {
    DiskError::InvalidPath { path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_root() {
        for path in ["..", "../a", "a/../b", "/a", "a/", "a//b", "./a", "a/.", "/", "a\0b"] {
            assert!(matches!(check_file(path), Err(DiskError::InvalidPath { .. })), "{path:?}");
            assert!(matches!(check_dir(path), Err(DiskError::InvalidPath { .. })), "{path:?}");
        }
        for path in ["a", "a/b", ".hidden", "..a", "a..b/c"] {
            assert!(check_file(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn only_a_folder_can_be_the_root() {
        assert!(check_dir("").is_ok());
        assert!(check_file("").is_err());
    }

    #[test]
    fn ancestors_come_from_the_top() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
        assert_eq!(ancestors("").count(), 0);
    }
}
