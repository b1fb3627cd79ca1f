//! Everything that is shown: sentences and tables for people on stdout, documents for programs on stdout, failures and
//! progress on stderr. No other module prints.
//!
//! A reader that went away (a closed pipe) is no failure of ours: what can't be shown is dropped.

pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod text;

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::args::Global;
use crate::failure::Failure;
use json::{Document, MessageType, Schema};

/// Where and how one run of the command shows things.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    readers: Readers,
    colour: bool,
    pub(crate) verbose: u8,
}

/// For whom a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// People who want to follow.
    People,
    /// People who want results.
    Hasty,
    /// Programs.
    Programs,
    /// Nobody: another verb tells of it.
    Nobody,
}

impl Output {
    /// The output that the command line asks for.
    pub(crate) fn new(global: &Global) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        start_log(global.verbose, !no_colour && std::io::stderr().is_terminal());
        Self {
            readers: match (global.json, global.quiet) {
                (true, _) => Readers::Programs,
                (false, true) => Readers::Hasty,
                (false, false) => Readers::People,
            },
            colour: !no_colour && std::io::stdout().is_terminal(),
            verbose: global.verbose,
        }
    }

    /// The output of a verb that another verb runs: for people it is the same, programs are told of the whole alone.
    #[must_use]
    pub(crate) fn within(&self) -> Self {
        let readers = if self.is_json() { Readers::Nobody } else { self.readers };
        Self { readers, ..self.clone() }
    }

    /// Whether documents are wanted.
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.readers, Readers::Programs)
    }

    /// Whether only results are wanted.
    pub(crate) const fn is_quiet(&self) -> bool {
        !matches!(self.readers, Readers::People)
    }

    /// A sentence for people, left out for programs and when only results are wanted.
    pub(crate) fn say(&self, sentence: impl AsRef<str>) {
        if self.readers == Readers::People {
            write_out(sentence.as_ref());
        }
    }

    /// A result for people.
    pub(crate) fn result(&self, text: impl AsRef<str>) {
        if matches!(self.readers, Readers::People | Readers::Hasty) {
            write_out(text.as_ref());
        }
    }

    /// A heading for people.
    pub(crate) fn heading(&self, text: &str) {
        if self.colour { self.say(format!("\u{1b}[1m{text}\u{1b}[0m")) } else { self.say(text) }
    }

    /// A table for people.
    pub(crate) fn table(&self, table: &table::Table) {
        self.result(table.render(self.colour).trim_end_matches('\n'));
    }

    /// The one document of a query.
    pub(crate) fn document(&self, schema: Schema, body: &impl Serialize) {
        if self.is_json() {
            write_json(&Document::new(schema, None, body));
        }
    }

    /// The one document of a query that is a list.
    pub(crate) fn documents<T: Serialize>(&self, schema: Schema, bodies: &[T]) {
        if self.is_json() {
            let list: Vec<_> = bodies.iter().map(|body| Document::new(schema, None, body)).collect();
            write_json(&list);
        }
    }

    /// One line of a long run.
    pub(crate) fn message(&self, schema: Schema, message_type: MessageType, body: &impl Serialize) {
        if self.is_json() {
            write_json(&Document::new(schema, Some(message_type), body));
        }
    }

    /// Something that a person should know, whatever the result.
    pub(crate) fn warn(&self, sentence: impl AsRef<str>) {
        if matches!(self.readers, Readers::People | Readers::Programs) {
            write_err(&format!("warning: {}", sentence.as_ref()));
        }
    }

    /// A line about the run itself.
    pub(crate) fn note(&self, sentence: impl AsRef<str>) {
        if matches!(self.readers, Readers::People | Readers::Programs) {
            write_err(sentence.as_ref());
        }
    }

    /// A result that has a code of its own: the work was done, and its document is printed.
    pub(crate) fn found(&self, failure: &Failure) {
        if self.readers == Readers::Nobody {
            return;
        }
        write_err(error::rendered(failure).trim_end_matches('\n'));
    }

    /// The end of a run that failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        write_err(error::rendered(failure).trim_end_matches('\n'));
        self.message(Schema::Error, MessageType::Error, &error::ErrorMessage::from(failure));
    }
}

/// Raw bytes for stdout: an export. Buffered by the caller.
pub(crate) fn stdout_sink() -> impl std::io::Write {
    std::io::stdout().lock()
}

fn write_out(text: &str) {
    // A reader that went away is no failure.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

pub(crate) fn write_err(text: &str) {
    // There is nowhere left to say that stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn write_json(value: &impl Serialize) {
    let mut out = std::io::stdout().lock();
    // A reader that went away is no failure, and documents are made of what JSON can express.
    let _ = serde_json::to_writer(&mut out, value);
    let _ = writeln!(out);
}

/// The log goes to stderr, and says more with each `-v`.
fn start_log(verbose: u8, colour: bool) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).without_time();
    // A second log, in the tests of this process, changes nothing.
    let _ = log.with_target(false).with_ansi(colour).try_init();
}
