//! Locks between processes that work on one room. All of them end with their process, however that ends.
//!
//! Owns who waits for whom, and for how long: a lock that is held for moments is waited for, up to a deadline, and then
//! the process that holds it is named. Whoever has such a lock for itself writes its number into the lock's file; that
//! is a hint for people and nothing else, and a number that no process has any more is not shown.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use strongroom_agent::capture::Spool;
use strongroom_core::error::Code;
use strongroom_core::id::SourceId;
use strongroom_platform::clock::Clock;

use super::{Room, paths};
use crate::failure::{Attempt as _, Failure};

/// How long readers wait: openings to be written take milliseconds.
const READING_WAITS_MAX: Duration = Duration::from_secs(10);
/// How long writers wait: some of them may queue, and building a member anew takes a while.
const WRITING_WAITS_MAX: Duration = Duration::from_mins(1);
/// The pause between two attempts.
const ATTEMPT_EVERY: Duration = Duration::from_millis(5);
/// The number of a process has fewer digits.
const HOLDER_BYTES_MAX: u64 = 16;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    file: File,
    /// Whether the file names this process.
    is_named: bool,
}

impl Held {
    const fn of(file: File) -> Self {
        Self { file, is_named: false }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_named {
            self.file.set_len(0).ok();
        }
    }
}

/// What a lock protects that processes wait for.
pub(crate) struct Shared {
    /// What it is, in a sentence.
    pub(crate) name: &'static str,
}

impl Room {
    /// The lock of one source: one backup, or comparison, at a time.
    pub(crate) fn lock_source(&self, source: SourceId, name: &str) -> Result<Held, Failure> {
        let dir = Self::agent_dir(source);
        self.disk().create_dir_all(&dir).attempt(|| format!("can't use the state of {name}"))?;
        let file = open(&self.root().join(dir).join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Held::of(file)),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(Code::Busy, format!("another run works on the source {name}")))
            }
            Err(TryLockError::Error(error)) => Err(error).attempt(|| format!("can't lock the source {name}")),
        }
    }

    /// The lock of restores of classes and records, and their undos: a run that is alive must not be taken for one that
    /// died.
    pub(crate) fn lock_restores(&self) -> Result<Held, Failure> {
        let file = open(&self.root().join("state/restores.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Held::of(file)),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(Code::Busy, "another restore of classes or records is under way in this room"))
            }
            Err(TryLockError::Error(error)) => Err(error).attempt(|| "can't lock the room's safety copies"),
        }
    }

    /// The right to write into the depot, which any number of runs may have at once. Whoever is alone first removes what
    /// a run left behind that died.
    pub(crate) fn lock_depot(&self) -> Result<Held, Failure> {
        self.share("state/depot.lock", || {
            let removed = self.backend().recover().attempt(|| "can't clean the depot up")?;
            if removed > 0 {
                tracing::info!(removed, "unfinished files of an earlier run removed from the depot");
            }
            Ok(())
        })
    }

    /// The right to use the spool, in the same way.
    pub(crate) fn lock_spool(&self) -> Result<Held, Failure> {
        self.share("state/spool.lock", || {
            Spool::remove_strays(self.disk().as_ref(), paths::SPOOL).attempt(|| "can't clean the spool up")
        })
    }

    fn share(&self, lock: &str, clean: impl FnOnce() -> Result<(), Failure>) -> Result<Held, Failure> {
        let what = || format!("can't lock {lock}");
        let file = open(&self.root().join(lock))?;
        if file.try_lock().is_ok() {
            clean()?;
            file.unlock().attempt(what)?;
        }
        file.lock_shared().attempt(what)?;
        Ok(Held::of(file))
    }
}

/// Waits for a lock whose holders keep it for moments only.
pub(crate) fn wait_for(path: &Path) -> Result<Held, Failure> {
    let file = open(path)?;
    file.lock().attempt(|| format!("can't lock {}", path.display()))?;
    Ok(Held::of(file))
}

/// Takes a lock for this process alone.
pub(crate) fn alone(path: &Path, what: &Shared, clock: &dyn Clock) -> Result<Held, Failure> {
    let file = open(path)?;
    attempt_until(WRITING_WAITS_MAX, &file, path, what, clock, File::try_lock)?;
    // Only people read it: nothing is lost with it.
    file.set_len(0).and_then(|()| file.write_all_at(std::process::id().to_string().as_bytes(), 0)).ok();
    Ok(Held { file, is_named: true })
}

/// Takes a share of a lock, for those who only read; nothing where it can't be made, since nobody can write there.
pub(crate) fn shared(path: &Path, what: &Shared, clock: &dyn Clock) -> Result<Option<Held>, Failure> {
    let file = match OpenOptions::new().read(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => match open(path) {
            Err(failure) if is_read_only(&failure) => return Ok(None),
            made => made?,
        },
        opened => opened.attempt(|| format!("can't open the lock {}", path.display()))?,
    };
    attempt_until(READING_WAITS_MAX, &file, path, what, clock, File::try_lock_shared)?;
    Ok(Some(Held::of(file)))
}

/// Whether something failed because nothing can be written there.
pub(crate) fn is_read_only(failure: &Failure) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(failure);
    while let Some(error) = next {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Attempts to lock until it succeeds, or patience ends.
fn attempt_until(
    patience: Duration,
    file: &File,
    path: &Path,
    what: &Shared,
    clock: &dyn Clock,
    attempt: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<(), Failure> {
    let began = clock.monotonic();
    loop {
        match attempt(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error).attempt(|| format!("can't lock {}", path.display())),
            Err(TryLockError::WouldBlock) if clock.monotonic().since(began) >= patience => {
                let (name, waited) = (what.name, patience.as_secs());
                let by = holder(path).map_or_else(|| "another process".to_owned(), |id| format!("process {id}"));
                let told = format!("{name} was not free within {waited} seconds: {by} holds it");
                return Err(Failure::new(Code::Busy, told));
            }
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(ATTEMPT_EVERY),
        }
    }
}

/// The process that says that it holds a lock, if there is such a process.
fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    let id: u32 = text.parse().ok()?;
    Path::new("/proc").join(id.to_string()).exists().then_some(id)
}

fn open(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    opened.attempt(|| format!("can't open the lock {}", path.display()))
}
