//! `coordinator backup`: a copy of the group's whole state, in a file or a depot.
//!
//! Owns the way of the copy: from the leader into a file without a name beside its place, read to its end there, then put
//! under its name, and read again. Nothing that does not read back as what it says it is gets a name.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use strongroom_coordinator::recovery::backup::{BackupError, Header, look};
use strongroom_core::error::Code;
use strongroom_core::time::WallTime;
use strongroom_depot::backend::{Backend as _, BackendError, StateName};
use strongroom_platform::disk::{Disk, DurableFile, RealDisk};
use strongroom_proto::client::Said;
use strongroom_proto::common::v1;
use strongroom_proto::operators::v1::backup_part::Part;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{BackupPart, BackupRequest};
use tonic::Streaming;
use tonic::transport::Channel;

use super::depot::Depot;
use crate::app::App;
use crate::args::recovery::BackupState;
use crate::endpoint::{Endpoint, unanswered};
use crate::failure::{Attempt as _, Coded, Exit, Failure};
use crate::render::json::Schema;

/// How long the leader may take for the next piece: it copies its database before the first.
const PIECE_TIME_MAX: Duration = Duration::from_mins(5);
/// Bytes that are carried from one file to another at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What was kept, for programs.
#[derive(Serialize)]
struct BackupDocument<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    cluster: &'a str,
    epoch: u64,
    index: u64,
    term: u64,
    digest: &'a str,
    taken: String,
    bytes: u64,
}

impl Coded for BackupError {
    fn stable_code(&self) -> Code {
        match self {
            Self::Io(error) => error.stable_code(),
            Self::Version { .. } => Code::UnknownFormat,
            Self::Foreign | Self::Damaged { .. } | Self::OtherRows | Self::State(_) => Code::StateBackupDamaged,
        }
    }
}

/// Keeps a copy of the state.
pub(super) fn run(options: &BackupState, app: &App) -> Result<Exit, Failure> {
    let place = Place::of(options)?;
    let mut endpoint = Endpoint::open(&options.cluster, app)?;
    let mut spool = place.spool().attempt(|| "there is no place for the copy on its way")?;
    receive(&mut endpoint, &mut spool)?;
    let bytes = spool.metadata().attempt(|| "the copy can't be read")?.len();
    let header = read(&mut spool, "what the group sent is no backup of its state")?;
    let state = state_of(&header)?;
    place.keep(&mut spool, state)?;
    let again = place.open(state)?;
    let kept = look(BufReader::new(again)).attempt(|| "what was kept is not what was sent")?.0;
    if kept != header {
        return Err(Failure::new(Code::StateBackupDamaged, "what was kept is not what was sent"));
    }
    let (file, name) = match &place {
        Place::File(file) => (Some(file.as_path()), None),
        Place::Depot(_) => (None, Some(state.to_string())),
    };
    let shown = file.map_or_else(|| format!("State {state}"), |file| file.display().to_string());
    let taken = shown_time(header.taken);
    app.output.result(format!(
        "{shown} holds the group's state as of entry {}, taken at {taken} ({bytes} bytes), and was read again.",
        header.position.index
    ));
    let (index, term) = (header.position.index.0, header.position.term.0);
    let (cluster, epoch, digest) = (header.cluster.as_str(), header.epoch.0, header.digest.as_str());
    let document = BackupDocument { file, state: name, cluster, epoch, index, term, digest, taken, bytes };
    app.output.document(Schema::StateBackup, &document);
    Ok(Exit::Done)
}

/// A time for people and programs.
pub(super) fn shown_time(time: WallTime) -> String {
    time.to_rfc3339()
}

/// Where a copy is kept.
enum Place {
    File(PathBuf),
    Depot(Depot),
}

impl Place {
    fn of(options: &BackupState) -> Result<Self, Failure> {
        match (&options.out, &options.depot) {
            (_, Some(folder)) => Depot::open(folder).map(Self::Depot),
            (Some(file), None) if file.exists() => {
                Err(Failure::new(Code::Usage, format!("{} is there already", file.display())))
            }
            (Some(file), None) => Ok(Self::File(file.clone())),
            (None, None) => Err(Failure::new(Code::Usage, "no place is named for the copy")),
        }
    }

    /// A file without a name, on the volume that the copy goes to.
    fn spool(&self) -> std::io::Result<File> {
        match self {
            Self::File(file) => tempfile::tempfile_in(folder_of(file)),
            Self::Depot(depot) => tempfile::tempfile_in(depot.folder()),
        }
    }

    /// Puts the copy under its name. One that is there under its name already stays.
    fn keep(&self, spool: &mut File, state: StateName) -> Result<(), Failure> {
        spool.rewind().attempt(|| "the copy can't be read")?;
        match self {
            Self::File(file) => {
                let what = || format!("{} can't be written", file.display());
                let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder_of(file)).attempt(what)?);
                let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let mut out = DurableFile::create(&disk, &name).attempt(what)?;
                carry(spool, |piece| out.write_all(piece).attempt(what))?;
                out.commit().attempt(what)
            }
            Self::Depot(depot) => {
                let what = || format!("state {state} can't be put into the depot");
                let mut sink = match depot.backend().put_state(state) {
                    // As of one entry there is one state: whoever kept it did the same work.
                    Err(BackendError::StateExists { .. }) => return Ok(()),
                    sink => sink.attempt(what)?,
                };
                carry(spool, |piece| sink.write(piece).attempt(what))?;
                sink.commit().attempt(what)
            }
        }
    }

    fn open(&self, state: StateName) -> Result<Box<dyn Read>, Failure> {
        match self {
            Self::File(file) => {
                let opened = File::open(file).attempt(|| format!("{} can't be read", file.display()))?;
                Ok(Box::new(opened))
            }
            Self::Depot(depot) => Ok(Box::new(depot.state(state)?)),
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn carry(from: &mut File, mut to: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let len = from.read(&mut piece).attempt(|| "the copy can't be read")?;
        match piece.get(..len) {
            None | Some([]) => return Ok(()),
            Some(bytes) => to(bytes)?,
        }
    }
}

fn read(spool: &mut File, what: &str) -> Result<Header, Failure> {
    spool.rewind().attempt(|| what)?;
    let (header, _) = look(BufReader::new(spool)).attempt(|| what)?;
    Ok(header)
}

/// The name of a state in depots.
fn state_of(header: &Header) -> Result<StateName, Failure> {
    let cluster = u128::from_str_radix(&header.cluster, 16);
    let cluster = cluster.map_err(|_| Failure::new(Code::StateBackupDamaged, "the backup names no group"))?;
    Ok(StateName { cluster: cluster.to_be_bytes(), epoch: header.epoch.0, index: header.position.index.0 })
}

/// Has the leader copy its state, and takes it in.
fn receive(endpoint: &mut Endpoint, spool: &mut File) -> Result<(), Failure> {
    let what = "the group's state was not copied";
    let asked = endpoint.ask(async |client, patience| client.read(patience, begin).await);
    let mut parts = asked.map_err(|error| unanswered(error, what))?;
    loop {
        let next = endpoint.ask(async |_, _| tokio::time::timeout(PIECE_TIME_MAX, parts.message()).await);
        let part = match next {
            Ok(Ok(part)) => part.map(|part| part.part),
            Ok(Err(status)) => return Err(Failure::because(Code::NoLeader, what, status)),
            Err(_) => return Err(Failure::new(Code::NoLeader, format!("{what}: the leader fell silent"))),
        };
        match part {
            Some(Some(Part::Piece(piece))) => spool.write_all(&piece).attempt(|| "the copy can't be written")?,
            Some(Some(Part::Failure(failure))) => {
                return Err(Failure::new(Code::NoLeader, format!("{what}: {}", failure.message)));
            }
            Some(None) => return Err(Failure::new(Code::NoLeader, format!("{what}: a piece of it is unknown here"))),
            None => return Ok(()),
        }
    }
}

/// The copy as it comes, once the leader has taken it on.
async fn begin(mut client: OperatorsClient<Channel>) -> Said<Streaming<BackupPart>> {
    let mut parts = client.backup(BackupRequest {}).await?.into_inner();
    Ok(match parts.message().await?.and_then(|part| part.part) {
        Some(Part::Piece(_)) => Ok(parts),
        Some(Part::Failure(failure)) => Err(failure),
        // Of an unknown class: somebody else may know.
        None => Err(v1::Failure::default()),
    })
}
