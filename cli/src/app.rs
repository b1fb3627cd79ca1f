//! What every verb has at hand: where the room is, how to ask for the passphrase, clocks, randomness and the output.

use std::path::PathBuf;
use std::sync::Arc;

use strongroom_core::entropy::Entropy;
use strongroom_core::error::Code;
use strongroom_platform::clock::{Clock, SystemClock};
use strongroom_platform::rng::SystemEntropy;

use crate::args::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::passphrase::PassphraseFrom;
use crate::render::Output;
use crate::room::{Machine, Room};

/// Most connections that are opened to a source unless more are asked for.
const READERS_DEFAULT_MAX: usize = 4;

/// One run of the command.
pub(crate) struct App {
    /// Where everything is printed.
    pub(crate) output: Output,
    /// The clocks.
    pub(crate) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Where the passphrase comes from.
    pub(crate) passphrase: PassphraseFrom,
    /// Lanes, where the command line names none.
    pub(crate) readers: usize,
    /// Where members of a group listen, as the configuration says.
    pub(crate) endpoint: Vec<String>,
    /// The folder of the operator's identity, as the configuration says.
    pub(crate) identity: Option<PathBuf>,
    room: Option<PathBuf>,
    /// Whether the command line or the environment names the room.
    is_room_named: bool,
}

impl App {
    /// Reads the configuration and the options that all verbs share.
    pub(crate) fn new(global: &Global, output: Output) -> Result<Self, Failure> {
        let config = Config::load(global.config.as_deref())?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Self {
            output,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            passphrase: PassphraseFrom {
                file: global.passphrase_file.clone().or(config.passphrase_file),
                command: global.passphrase_command.clone().or(config.passphrase_command),
                never: false,
            },
            readers: config.readers.unwrap_or_else(|| cores.clamp(2, READERS_DEFAULT_MAX)).max(1),
            endpoint: config.endpoint,
            identity: config.identity,
            is_room_named: global.room.is_some(),
            room: global.room.clone().or(config.room).or_else(default_room),
        })
    }

    /// The same run over another room, within this one: for the demonstration.
    pub(crate) fn within(&self, room: PathBuf) -> Self {
        Self {
            output: self.output.within(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            passphrase: PassphraseFrom { never: true, ..PassphraseFrom::default() },
            readers: self.readers,
            endpoint: self.endpoint.clone(),
            identity: self.identity.clone(),
            room: Some(room),
            is_room_named: true,
        }
    }

    /// Whether the room was named for this run, and not by the configuration or by custom.
    pub(crate) const fn is_room_named(&self) -> bool {
        self.is_room_named
    }

    /// The folder of the room.
    pub(crate) fn room_path(&self) -> Result<PathBuf, Failure> {
        let chosen = self.room.clone();
        chosen.ok_or_else(|| Failure::new(Code::NoRoom, "no room is named, and there is no home folder to look in"))
    }

    /// Opens the room.
    pub(crate) fn room(&self) -> Result<Room, Failure> {
        let room = Room::open(&self.room_path()?, &self.machine())?;
        for notice in room.notices() {
            self.output.warn(notice);
        }
        Ok(room)
    }

    /// What a room needs of the machine.
    pub(crate) fn machine(&self) -> Machine {
        Machine { clock: Arc::clone(&self.clock), entropy: Arc::clone(&self.entropy) }
    }
}

/// The room of this user.
fn default_room() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")))?;
    Some(data.join("strongroom"))
}
