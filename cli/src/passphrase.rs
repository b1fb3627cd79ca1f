//! Where the passphrase of the key file comes from: the environment, a file, a command, or the person at the terminal.
//!
//! A passphrase is never an argument, never printed, and wiped once it was used.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use strongroom_core::error::Code;
use zeroize::Zeroizing;

use crate::failure::{Attempt as _, Failure};

/// The variable that may hold the passphrase itself.
const VARIABLE: &str = "STRONGROOM_PASSPHRASE";

/// A secret's text.
pub(crate) type Secret = Zeroizing<String>;

/// The places that the operator named.
#[derive(Clone, Debug, Default)]
pub(crate) struct PassphraseFrom {
    /// A file whose first line it is.
    pub(crate) file: Option<PathBuf>,
    /// A command whose first line of output it is.
    pub(crate) command: Option<String>,
    /// There is none, whatever the environment says, and nobody is asked.
    pub(crate) never: bool,
}

impl PassphraseFrom {
    /// The passphrase, if something other than a person gives it.
    pub(crate) fn given(&self) -> Result<Option<Secret>, Failure> {
        if self.never {
            return Ok(None);
        }
        if let Ok(text) = std::env::var(VARIABLE) {
            return Ok(Some(Zeroizing::new(text)));
        }
        if let Some(file) = &self.file {
            return first_line_of_file(file).map(Some);
        }
        self.command.as_deref().map(first_line_of_command).transpose()
    }

    /// The passphrase for a key file that needs one.
    pub(crate) fn required(&self) -> Result<Secret, Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        if !can_ask() {
            let what = "the room's key file needs a passphrase, and nothing gives it";
            return Err(Failure::new(Code::WrongKey, what)
                .advise("Set STRONGROOM_PASSPHRASE, or give --passphrase-file or --passphrase-command."));
        }
        ask("Passphrase of the room's key: ")
    }

    /// The passphrase for a new key file; nothing if there is to be none.
    pub(crate) fn chosen(&self) -> Result<Option<Secret>, Failure> {
        if let Some(given) = self.given()? {
            return Ok(Some(given).filter(|text| !text.is_empty()));
        }
        if self.never || !can_ask() {
            return Ok(None);
        }
        let first = ask("Passphrase for the room's new key (empty: the key file is not protected): ")?;
        if first.is_empty() {
            return Ok(None);
        }
        let second = ask("The same again: ")?;
        if first == second {
            Ok(Some(first))
        } else {
            Err(Failure::new(Code::Usage, "the two passphrases differ").advise("Run the command again."))
        }
    }
}

/// The first line of a file that holds a secret.
pub(crate) fn first_line_of_file(file: &std::path::Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.attempt(|| format!("can't read the secret in {}", file.display()))?;
    Ok(first_line(&text))
}

fn first_line_of_command(command: &str) -> Result<Secret, Failure> {
    let run = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let run = run.attempt(|| "can't start the command that gives the passphrase")?;
    let text = Zeroizing::new(String::from_utf8_lossy(&run.stdout).into_owned());
    if run.status.success() {
        Ok(first_line(&text))
    } else {
        Err(Failure::new(Code::WrongKey, format!("the command that gives the passphrase failed: {}", run.status)))
    }
}

fn first_line(text: &str) -> Secret {
    Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
}

fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).attempt(|| "can't ask for the passphrase")
}
