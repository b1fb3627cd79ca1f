//! The question before something is destroyed. Without a terminal nobody can answer it, and `--yes` is needed.

use std::io::{BufRead as _, IsTerminal as _};

use strongroom_core::error::Code;

use crate::failure::{Attempt as _, Failure};

/// Asks whether to go on. `what` says what would happen, for when nobody is there to ask; `refused` what did not happen
/// if the answer is no.
pub(super) fn confirm(question: &str, what: &str, refused: &str) -> Result<(), Failure> {
    let unasked =
        |what: &str| Failure::new(Code::Usage, what.to_owned()).advise("Give --yes to go on without a question.");
    if !std::io::stdin().is_terminal() {
        return Err(unasked(&format!("{what}, and nobody is there to ask")));
    }
    crate::render::write_err(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).attempt(|| "can't read the answer")?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(unasked(refused)) }
}
