//! `completion`.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::args::{Arguments, Completion};
use crate::failure::Exit;
use crate::render::stdout_sink;

/// Prints the completions of a shell.
pub(super) fn run(options: &Completion) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "strongroom", &mut script);
    // A reader that went away is no failure.
    let _ = stdout_sink().write_all(&script);
    Exit::Done
}
