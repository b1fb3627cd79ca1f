//! The state of a group as one file, apart from any engine: what is kept in depots for the day when all members are gone.
//!
//! ```text
//!   magic      16   "strongroom-state"
//!   version    1    1
//!   header     4 + n   length, then JSON of what the state is
//!   rows       Zstandard, to the end: for each row in key order
//!                key length (2), key, value length (4), value; after the last one a key length of 0xFFFF
//! ```
//!
//! Numbers are big-endian. Owns the form, its bounds and its proof: the digest in the header is that of the rows, counted
//! when they are written and anew when they are read, so that no byte of a row can change. The header itself is not signed: a backup proves that it is
//! whole, and the audit log in it, by its checkpoints, whose it is. It is not sealed either: the state holds no content of
//! records, no names below sources and no secret, and may cross borders as the log does.

use std::io::{self, Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_core::time::WallTime;
use strongroom_platform::disk::Disk;

use crate::id::{ClusterEpoch, ClusterId, MemberId, Position};
use crate::member::{Heritage, MemberIdentity};
use crate::state::refounding::RefoundedFrom;
use crate::state::rows::{RawRows, Rows, count_rows};
use crate::state::{Base, Layer, Machine, MemoryBase, StateDigest, Unreadable, refounding};
use crate::store::{Store, StoreError};

const MAGIC: &[u8; 16] = b"strongroom-state";
const VERSION: u8 = 1;
/// Longest header: ids and numbers.
const HEADER_BYTES_MAX: usize = 4_096;
/// Longest key: a tag and two ids, or a tag and a text of at most 255 bytes.
const KEY_BYTES_MAX: usize = 1_024;
/// Longest value: no row is longer than the request that made it.
const VALUE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The key length that ends the rows.
const END: u16 = u16::MAX;
/// Rows are repetitive: this level packs them well and keeps up with the disk.
const LEVEL: i32 = 3;
/// Largest window that a reader allows, as a power of two: what the level above uses, with room.
const WINDOW_LOG_MAX: u32 = 23;
/// Rows that are given at once.
const ROWS_AT_ONCE: usize = 4_096;

/// What the state in a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The group, in hexadecimal digits.
    pub cluster: String,
    /// The epoch.
    pub epoch: ClusterEpoch,
    /// The member that founded the group the last time.
    pub founder: MemberId,
    /// The member that wrote it.
    pub member: MemberId,
    /// Where the state stands.
    pub position: Position,
    /// Its digest, in hexadecimal digits.
    pub digest: String,
    /// When it was written, by that member's wall clock, for people.
    pub taken: WallTime,
}

/// Why a backup can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file can't be read or written.
    #[error("the backup can't be read or written")]
    Io(#[source] io::Error),
    /// The file is no backup of a state.
    #[error("this is no backup of a coordinator's state")]
    Foreign,
    /// The file is of another version.
    #[error("the backup is of version {version}, which this program does not know")]
    Version {
        /// Its version.
        version: u8,
    },
    /// The file is damaged, or not all of it is there.
    #[error("the backup is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The rows are not those of the digest that was promised: the state is damaged where it was read from.
    #[error("the rows of the state are not those of its digest")]
    OtherRows,
    /// A row of the state can't be read, or is longer than a backup takes.
    #[error("the state can't be read")]
    State(#[source] Option<Unreadable>),
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged { what: "it ends too early" },
            _ => Self::Io(error),
        }
    }
}

/// Writes a state. The pages are all of its rows in key order, the machine's notes among them.
pub fn write(
    out: &mut dyn Write,
    header: &Header,
    pages: impl Iterator<Item = Result<RawRows, Unreadable>>,
) -> Result<(), BackupError> {
    // A header of ids and numbers can always be written.
    let json = serde_json::to_vec(header).map_err(|_| BackupError::State(None))?;
    let len = u32::try_from(json.len()).map_err(|_| BackupError::State(None))?;
    out.write_all(MAGIC)?;
    out.write_all(&[VERSION])?;
    out.write_all(&len.to_be_bytes())?;
    out.write_all(&json)?;
    let mut packed = zstd::Encoder::new(out, LEVEL)?;
    packed.include_checksum(true)?;
    let mut counted = StateDigest::default();
    for page in pages {
        let page = page.map_err(|error| BackupError::State(Some(error)))?;
        count_rows(&mut counted, &page);
        for (key, value) in page {
            if key.is_empty() || key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
                return Err(BackupError::State(None));
            }
            packed.write_all(&u16::try_from(key.len()).unwrap_or(END).to_be_bytes())?;
            packed.write_all(&key)?;
            packed.write_all(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes())?;
            packed.write_all(&value)?;
        }
    }
    if counted.to_string() != header.digest {
        return Err(BackupError::OtherRows);
    }
    packed.write_all(&END.to_be_bytes())?;
    packed.finish()?.flush()?;
    Ok(())
}

/// Reads a backup to its end. Gives what it is, and of its rows those few that a recovery asks for.
pub fn look(from: impl Read) -> Result<(Header, Rows), BackupError> {
    let mut reader = Reader::open(from)?;
    let base = MemoryBase::default();
    for page in reader.pages() {
        let mut layer = Layer::default();
        for (key, value) in page?.into_iter().filter(|(key, _)| refounding::is_asked_for(key)) {
            layer.set(key, Some(value));
        }
        base.flush(&layer);
    }
    let digest = reader.heritage()?.digest;
    Ok((reader.header, Rows::over(Arc::new(base), digest)))
}

/// Key and value.
type Row = (Vec<u8>, Vec<u8>);

/// Writes the state that lies in a copy of its file.
pub fn write_copy(
    out: &mut dyn Write,
    disk: &dyn Disk,
    path: &str,
    identity: &MemberIdentity,
    taken: WallTime,
) -> Result<Header, BackupError> {
    let unreadable = |error: StoreError| BackupError::Io(io::Error::other(error));
    let store: Arc<dyn Base> = Arc::new(Store::open(disk, path).map_err(unreadable)?);
    let machine = Machine::open(store).map_err(|error| BackupError::State(Some(error)))?;
    let header = Header {
        cluster: identity.cluster.to_string(),
        epoch: identity.epoch,
        founder: identity.founder,
        member: identity.member,
        position: machine.position(),
        digest: machine.digest().to_string(),
        taken,
    };
    write(out, &header, machine.rows().pages(ROWS_AT_ONCE))?;
    Ok(header)
}

/// A backup that is being read.
pub struct Reader<R: Read> {
    header: Header,
    rows: zstd::Decoder<'static, io::BufReader<R>>,
    last: Vec<u8>,
    counted: StateDigest,
    is_over: bool,
}

impl<R: Read> Reader<R> {
    /// Reads what the state is.
    pub fn open(mut from: R) -> Result<Self, BackupError> {
        let mut start = [0; MAGIC.len() + 1];
        from.read_exact(&mut start).map_err(|_| BackupError::Foreign)?;
        let (version, magic) = start.split_last().ok_or(BackupError::Foreign)?;
        if magic != MAGIC {
            return Err(BackupError::Foreign);
        }
        if *version != VERSION {
            return Err(BackupError::Version { version: *version });
        }
        let mut len = [0; 4];
        from.read_exact(&mut len)?;
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > HEADER_BYTES_MAX {
            return Err(BackupError::Damaged { what: "its header is too long" });
        }
        let mut json = vec![0; len];
        from.read_exact(&mut json)?;
        let header = serde_json::from_slice(&json).map_err(|_| BackupError::Damaged { what: "its header" })?;
        let mut rows = zstd::Decoder::new(from)?;
        rows.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self { header, rows, last: Vec::new(), counted: StateDigest::default(), is_over: false })
    }

    /// What the state is.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What a new epoch takes from this backup.
    pub fn heritage(&self) -> Result<Heritage, BackupError> {
        let damaged = || BackupError::Damaged { what: "its header" };
        let (mut cluster, mut digest) = ([0; 16], [0; 32]);
        hex::decode_to_slice(&self.header.cluster, &mut cluster).map_err(|_| damaged())?;
        hex::decode_to_slice(&self.header.digest, &mut digest).map_err(|_| damaged())?;
        let position = self.header.position;
        Ok(Heritage {
            cluster: ClusterId(cluster),
            epoch: self.header.epoch,
            from: RefoundedFrom::Backup(self.header.member),
            last: position,
            committed: position,
            term: position.term,
            digest: StateDigest::from_bytes(digest),
        })
    }

    /// The rows, page by page. That they are those of the header is known when the last page has come without an error.
    pub fn pages(&mut self) -> impl Iterator<Item = Result<RawRows, BackupError>> {
        std::iter::from_fn(move || if self.is_over { None } else { Some(self.page()) })
    }

    fn page(&mut self) -> Result<RawRows, BackupError> {
        let mut rows = RawRows::new();
        while rows.len() < ROWS_AT_ONCE {
            match self.row() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => {
                    self.is_over = true;
                    break;
                }
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        }
        count_rows(&mut self.counted, &rows);
        if self.is_over && self.counted.to_string() != self.header.digest {
            return Err(BackupError::Damaged { what: "its rows are not those of its digest" });
        }
        Ok(rows)
    }

    fn row(&mut self) -> Result<Option<Row>, BackupError> {
        let mut len = [0; 2];
        self.rows.read_exact(&mut len)?;
        let len = u16::from_be_bytes(len);
        if len == END {
            return self.end().map(|()| None);
        }
        let key = self.bytes(usize::from(len), KEY_BYTES_MAX)?;
        if key.is_empty() || key <= self.last {
            return Err(BackupError::Damaged { what: "its rows are out of order" });
        }
        self.last.clone_from(&key);
        let mut len = [0; 4];
        self.rows.read_exact(&mut len)?;
        let value = self.bytes(usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX), VALUE_BYTES_MAX)?;
        Ok(Some((key, value)))
    }

    /// Nothing may follow the last row.
    fn end(&mut self) -> Result<(), BackupError> {
        if self.rows.read(&mut [0])? > 0 {
            return Err(BackupError::Damaged { what: "something follows its last row" });
        }
        Ok(())
    }

    fn bytes(&mut self, len: usize, most: usize) -> Result<Vec<u8>, BackupError> {
        if len > most {
            return Err(BackupError::Damaged { what: "a row is too long" });
        }
        let mut bytes = vec![0; len];
        self.rows.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
