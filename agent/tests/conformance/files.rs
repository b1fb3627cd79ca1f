//! A tree of files under test.

use std::ffi::OsStr;
use std::fs::{File, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use strongroom_agent::files::{FilesLocation, FilesSource, FilesTarget};
use strongroom_agent::source::Source;
use strongroom_agent::target::Target;

use crate::fixture::{FILLED, Fixture};
use crate::noise::noise;

/// A tree in a folder of its own.
pub(crate) struct Files {
    folder: tempfile::TempDir,
}

pub(crate) fn with(_: &str, check: impl Fn(&Files)) {
    let files = Files { folder: tempfile::tempdir().unwrap() };
    std::fs::create_dir(files.root()).unwrap();
    check(&files);
}

impl Files {
    fn root(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn restored(&self) -> PathBuf {
        self.folder.path().join("restored")
    }

    fn write(&self, path: impl AsRef<Path>, content: &[u8]) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

impl Fixture for Files {
    fn source(&self) -> Box<dyn Source> {
        let source = FilesSource::new(FilesLocation::new(self.root()));
        Box::new(source.with_copies_in(self.folder.path().join("spool")))
    }

    fn fill(&self) {
        // The root and the folder are entries too.
        for n in 0..FILLED - 2 {
            self.write(format!("conf/{n}.conf"), format!("setting {n}").as_bytes());
        }
    }

    fn filled(&self) -> String {
        "files".into()
    }

    fn make_odd_things(&self) {
        let root = self.root();
        self.write("empty", b"");
        self.write(OsStr::from_bytes(b"odd/\xff name\n"), b"not UTF-8");
        self.write("odd/long", &noise(3_000_000));
        self.write("odd/inline", &noise(256 * 1024));
        self.write("odd/longer", &noise(256 * 1024 + 1));
        self.write("odd/twice", &[noise(600_000), noise(600_000)].concat());
        let sparse = File::create(root.join("odd/sparse")).unwrap();
        sparse.set_len(40 << 20).unwrap();
        sparse.write_all_at(b"in the middle", 20 << 20).unwrap();
        symlink("../nowhere", root.join("odd/link")).unwrap();
        symlink("/etc/passwd", root.join("odd/absolute link")).unwrap();
        std::fs::hard_link(root.join("odd/long"), root.join("another name")).unwrap();
        std::fs::hard_link(root.join("odd/long"), root.join("zz")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("odd/pipe"), rustix::fs::FileType::Fifo, 0o640.into(), 0)
            .unwrap();
        std::fs::create_dir(root.join("no entries")).unwrap();
        for (path, mode) in
            [("empty", 0o4751), ("odd/inline", 0o400), ("odd", 0o1775), ("no entries", 0o500), ("", 0o751)]
        {
            std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        for (path, nanoseconds) in [("empty", 1_u64), ("no entries", 1_600_000_000_123_456_789), ("odd", 5_000_000_000)]
        {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
            File::open(root.join(path)).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
        }
    }

    fn touch(&self) {
        self.write("conf/300.conf", b"touched");
    }

    fn target(&self) -> Box<dyn Target> {
        Box::new(FilesTarget::new(FilesLocation::new(self.restored())))
    }

    fn plain(&self) -> Vec<String> {
        plain(&self.root())
    }

    fn plain_of_target(&self) -> Vec<String> {
        plain(&self.restored())
    }

    fn trace_of_writes(&self) -> String {
        let mut lines = plain(&self.root());
        lines.retain(|line| !line.is_empty());
        format!("{lines:?} {:?}", changes(&self.root()))
    }

    fn is_free(&self) -> bool {
        let root = self.root();
        let away = self.folder.path().join("away");
        std::fs::rename(&root, &away).and_then(|()| std::fs::rename(&away, &root)).is_ok()
    }
}

/// Everything about a tree that a restore has to bring back, told by the standard library.
pub(crate) fn plain(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    describe(root, root, &mut lines);
    lines.sort();
    lines
}

fn describe(root: &Path, path: &Path, lines: &mut Vec<String>) {
    let metadata = path.symlink_metadata().unwrap();
    let name = shown(path.strip_prefix(root).unwrap());
    let content = if metadata.is_file() {
        let bytes = std::fs::read(path).unwrap();
        let sum = bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        format!("{} {sum:x} {} names", bytes.len(), metadata.nlink())
    } else if metadata.is_symlink() {
        shown(&std::fs::read_link(path).unwrap())
    } else {
        String::new()
    };
    lines.push(format!(
        "{name} {:o} {}:{} {}.{:09} {content}",
        metadata.mode(),
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec()
    ));
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            describe(root, &entry.unwrap().path(), lines);
        }
    }
}

/// A path in ASCII alone, whatever its bytes.
fn shown(path: &Path) -> String {
    path.as_os_str().as_bytes().escape_ascii().to_string()
}

/// When each inode was last changed in any way.
fn changes(path: &Path) -> Vec<(i64, i64)> {
    let metadata = path.symlink_metadata().unwrap();
    let mut found = vec![(metadata.ctime(), metadata.ctime_nsec())];
    if metadata.is_dir() {
        let mut below: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        below.sort();
        found.extend(below.iter().flat_map(|path| changes(path)));
    }
    found
}
