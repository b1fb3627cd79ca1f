//! Copies of the whole state for those who keep them elsewhere.
//!
//! ```text
//!   asked ──► decided, and noted in the audit log ──► flushed up to there ──► copied ──► written as a backup, in pieces
//! ```
//!
//! Owns one copy at a time, and its end: whatever becomes of the stream, the copy is removed from the member's folder, and
//! what a crash leaves of it is removed when the member is opened. The note comes first, so that nobody gets a copy that
//! the log does not tell of, and everything that was acknowledged before it was asked for is part of the copy. Only a
//! leader takes notes, and so only a leader copies.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use strongroom_platform::clock::Clock;
use strongroom_platform::disk::Disk;
use strongroom_platform::tls::PeerIdentity;
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::operators::v1::BackupPart;
use strongroom_proto::operators::v1::backup_part::Part;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::access;
use super::commands::own_retry;
use super::watch::Follow;
use crate::member::{FolderLock, FolderShares, Member, MemberIdentity};
use crate::recovery::backup::{BackupError, write_copy};
use crate::server::engine::Engine;
use crate::server::failure::{failure, not_applied, not_asked, rejected};
use crate::server::pause::pause;
use crate::state::refounding::TakeBackup;
use crate::store;

/// Bytes of a backup in one message.
const PIECE_BYTES: usize = 256 * 1024;
/// Messages that may wait for whoever reads them.
const PIECES_WAITING_MAX: usize = 4;
/// How often it is looked whether the state is flushed, and how often at most: two ticks are usual.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS_MAX: usize = 500;

/// What copies of the state are made with.
#[derive(Clone)]
pub struct Backups {
    disk: Arc<dyn Disk>,
    folder: FolderShares,
    clock: Arc<dyn Clock>,
    /// A second copy would be one too many for the disk.
    alone: Arc<Semaphore>,
}

/// A copy that is there, to be written as a backup.
struct Copy {
    disk: Arc<dyn Disk>,
    path: String,
    identity: MemberIdentity,
    clock: Arc<dyn Clock>,
    _folder: FolderLock,
    _alone: OwnedSemaphorePermit,
}

type Parts = mpsc::Sender<Result<BackupPart, Status>>;

impl Backups {
    /// Copies of the state of the member in a folder.
    pub fn new(disk: Arc<dyn Disk>, folder: FolderShares, clock: Arc<dyn Clock>) -> Self {
        Self { disk, folder, clock, alone: Arc::new(Semaphore::new(1)) }
    }

    /// A copy for somebody, in pieces.
    pub(super) fn follow(self, engine: Engine, peer: PeerIdentity) -> Follow<BackupPart> {
        let (parts, stream) = mpsc::channel(PIECES_WAITING_MAX);
        tokio::spawn(async move {
            let written = match self.copy(&engine, peer, &parts).await {
                Ok(copy) => {
                    let parts = parts.clone();
                    let written = tokio::task::spawn_blocking(move || copy.write(parts)).await;
                    written.unwrap_or_else(|_| Err(failed("the copy could not be written")))
                }
                Err(failure) => Err(failure),
            };
            if let Err(failure) = written {
                // Whoever went away needs no reason.
                drop(parts.send(Ok(BackupPart { part: Some(Part::Failure(failure)) })).await);
            }
        });
        Box::pin(ReceiverStream::new(stream))
    }

    async fn copy(self, engine: &Engine, peer: PeerIdentity, parts: &Parts) -> Result<Copy, Failure> {
        let alone = Arc::clone(&self.alone).try_acquire_owned();
        let alone = alone.map_err(|_| again("busy", "another backup is being written"))?;
        let note = own_retry(TakeBackup.into(), &peer).map_err(|what| rejected("malformed", what))?;
        let noted = access::submit(engine, note, peer).await?;
        // Whoever waits hears that it was taken on: a copy of a large state takes longer than a question may.
        drop(parts.send(Ok(BackupPart { part: Some(Part::Piece(Vec::new())) })).await);
        flushed(engine, noted).await?;
        let folder = self.folder.take().ok_or_else(|| again("ended", "the member has ended"))?;
        let path = match engine.copy().await.map_err(not_asked)? {
            Ok(path) => path,
            Err(answer) => return Err(not_applied(engine, &answer).await),
        };
        let identity = engine.inspect(|member| *member.identity()).await.map_err(not_asked)?;
        Ok(Copy { disk: self.disk, path, identity, clock: self.clock, _folder: folder, _alone: alone })
    }
}

/// Waits until the database has an entry.
async fn flushed(engine: &Engine, index: u64) -> Result<(), Failure> {
    let stands = |member: &Member| member.machine().position().index.0.saturating_sub(member.unflushed());
    for _ in 0..LOOKS_MAX {
        if engine.inspect(stands).await.map_err(not_asked)? >= index {
            return Ok(());
        }
        pause(LOOK).await;
    }
    Err(again("not-flushed", "the state is not on the disk yet"))
}

impl Copy {
    fn write(self, parts: Parts) -> Result<(), Failure> {
        let mut pieces = Pieces { parts, piece: Vec::with_capacity(PIECE_BYTES) };
        let taken = self.clock.wall();
        let written = write_copy(&mut pieces, self.disk.as_ref(), &self.path, &self.identity, taken);
        let written = written.and_then(|_| Ok(pieces.flush()?));
        if let Err(error) = store::discard(&self.disk, &self.path) {
            tracing::warn!(%error, "the copy of a backup was not removed; the next start removes it");
        }
        match written {
            Ok(()) => Ok(()),
            Err(BackupError::OtherRows) => Err(failed("this member's state is damaged")),
            Err(error) => Err(failed(&error.to_string())),
        }
    }
}

/// What is written, in messages.
struct Pieces {
    parts: Parts,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES.saturating_sub(self.piece.len());
        let (taken, _) = bytes.split_at(bytes.len().min(room));
        self.piece.extend_from_slice(taken);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let part = BackupPart { part: Some(Part::Piece(piece)) };
        self.parts.blocking_send(Ok(part)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn again(code: &str, what: &str) -> Failure {
    failure(Class::Retry, code, what, "Ask again in a moment.")
}

fn failed(what: &str) -> Failure {
    failure(Class::Fatal, "no-backup", what, "Read the member's log, and have another member lead.")
}
