//! Failures as people and programs read them: what happened, to what, why, and what to do next.
//!
//! The one printer of chains of causes.

use std::fmt::Write as _;

use serde::Serialize;
use strongroom_core::error::Code;

use super::json::{Document, MessageType, Schema};
use super::{text, write_err, write_json};
use crate::failure::Failure;

/// A failure as a document.
#[derive(Serialize)]
pub(crate) struct ErrorMessage {
    code: String,
    exit_code: u8,
    message: String,
    causes: Vec<String>,
    next: String,
    page: String,
}

impl From<&Failure> for ErrorMessage {
    fn from(failure: &Failure) -> Self {
        let mut chain = failure.chain().into_iter();
        Self {
            code: failure.code().to_string(),
            exit_code: failure.code().exit(),
            message: chain.next().unwrap_or_default(),
            causes: chain.collect(),
            next: failure.next().to_owned(),
            page: format!("docs/errors/{}.md", failure.code()),
        }
    }
}

/// A failure for people.
pub(crate) fn rendered(failure: &Failure) -> String {
    // Writing to a string can't fail.
    let mut out = String::new();
    for (at, message) in failure.chain().iter().enumerate() {
        // The messages of servers have several lines; what steers a terminal is shown and not obeyed.
        let lines: Vec<String> = message.lines().map(text::shown).collect();
        let message = lines.join("\n    ");
        if at == 0 {
            let _ = writeln!(out, "error {}: {message}", failure.code());
        } else {
            let _ = writeln!(out, "  because: {message}");
        }
    }
    let _ = writeln!(out, "  next: {}", failure.next());
    out
}

/// Shows what was wrong with the command line, or the help that was asked for; gives the exit code.
pub(crate) fn usage(error: &clap::Error) -> u8 {
    // Where this can't be printed there is nobody to read it.
    let _ = error.print();
    if !error.use_stderr() {
        return 0;
    }
    let code = Code::Usage;
    write_err(&format!("error {code}: the command line has no meaning\n  next: {}", code.remedy()));
    if std::env::args_os().any(|argument| argument == "--json") {
        let failure = Failure::new(code, error.kind().to_string());
        write_json(&Document::new(Schema::Error, Some(MessageType::Error), &ErrorMessage::from(&failure)));
    }
    code.exit()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One text for all codes, so that whoever changes a remedy reads it beside the others.
    #[test]
    fn every_code_reads_so_that_one_can_act_upon_it() {
        let failure = |code: &Code| {
            let cause = std::io::Error::other("what stood in the way\nand \u{1b}[31mmore of it");
            rendered(&Failure::because(*code, code.title(), cause))
        };
        let all: Vec<String> = Code::ALL.iter().map(failure).collect();
        insta::assert_snapshot!("every_code", all.join("\n"));
    }
}
