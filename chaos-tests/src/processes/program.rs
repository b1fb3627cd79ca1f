//! The program of a member: where it is, and what can be done to its process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The program's name.
const NAME: &str = "strongroom-coordinator";

/// Why a process can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The program was not built.
    #[error("{} is missing: build it with `cargo build -p strongroom-coordinator`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The machine refuses.
    #[error("the program can't be run")]
    Io(#[source] io::Error),
    /// The machine has no such process.
    #[error("the process can't be signalled")]
    Signal(#[source] rustix::io::Errno),
    /// A verb that should have ended well did not.
    #[error("{verb} ended with {status}: {said}")]
    Failed {
        /// The verb.
        verb: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
}

impl From<io::Error> for ProgramError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for ProgramError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Signal(error)
    }
}

/// Where the program is: beside the test's own, which lies in `deps` of the same folder.
pub fn find() -> Result<PathBuf, ProgramError> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "deps"));
    let path = folder.and_then(Path::parent).or_else(|| own.parent()).unwrap_or(&own).join(NAME);
    if path.is_file() { Ok(path) } else { Err(ProgramError::Missing { path }) }
}

/// Runs a verb to its end. It hears nothing of this process's environment that is meant for it.
pub fn run(arguments: &[&str]) -> Result<String, ProgramError> {
    let output = command(arguments)?.output()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(ProgramError::Failed {
        verb: arguments.first().copied().unwrap_or_default().to_owned(),
        status: output.status,
        said,
    })
}

/// A member's process; killed when it goes.
pub struct Process {
    child: Child,
}

impl Process {
    /// Runs the member of a folder; what it says goes to the end of a file.
    pub fn start(folder: &Path, log: &Path) -> Result<Self, ProgramError> {
        let log = File::options().create(true).append(true).open(log)?;
        let folder = folder.to_string_lossy();
        let child = command(&["run", folder.as_ref()])?.stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Self { child })
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) -> Result<(), ProgramError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Lets it stand still.
    pub fn pause(&self) -> Result<(), ProgramError> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<(), ProgramError> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus, ProgramError> {
        self.signal(Signal::TERM)?;
        Ok(self.child.wait()?)
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ProgramError> {
        Ok(self.child.try_wait()?)
    }

    fn signal(&self, signal: Signal) -> Result<(), ProgramError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.map_or(Ok(()), |pid| Ok(kill_process(pid, signal)?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.kill().ok();
    }
}

fn command(arguments: &[&str]) -> Result<Command, ProgramError> {
    let mut command = Command::new(find()?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STRONGROOM_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}
