//! The telling: chapters, commands as an operator types them, and facts that the proof rests on.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde::Serialize;
use strongroom_agent::view::{RecordChange, compare};
use strongroom_core::error::Code;
use strongroom_core::manifest::ClassHead;
use strongroom_platform::clock::MonotonicTime;

use crate::app::App;
use crate::args::Arguments;
use crate::commands::shapes::{SnapshotFacts, key_of};
use crate::commands::{self, drift, registered};
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::{MessageType, Schema};
use crate::render::table::Table;
use crate::render::text;
use crate::room::custodian::Custodian;

/// What the demonstration came to.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) items: u64,
    pub(super) relations: u64,
    pub(super) history: u64,
    pub(super) database_bytes: u64,
    pub(super) first_backup_bytes: u64,
    pub(super) changed_items: u64,
    pub(super) day_backup_bytes: u64,
    pub(super) damaged: bool,
    pub(super) root_equal: bool,
    pub(super) proven: bool,
    pub(super) duration_ms: u64,
}

#[derive(Serialize)]
struct Status<'a> {
    chapter: u32,
    title: &'a str,
}

/// A snapshot that was taken on the way.
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) bytes_stored: u64,
    pub(super) class_roots: Vec<ClassHead>,
}

/// Tells the story.
pub(super) struct Teller<'a> {
    outer: &'a App,
    inner: App,
    chapter: u32,
    began: MonotonicTime,
}

impl<'a> Teller<'a> {
    /// A story in a room that is made on the way.
    pub(super) fn new(app: &'a App, room: PathBuf) -> Self {
        Self { outer: app, inner: app.within(room), chapter: 0, began: app.clock.monotonic() }
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        self.outer.output.say("");
        self.outer.output.heading(&format!("{}. {title}", self.chapter));
        self.outer.output.message(Schema::Demo, MessageType::Status, &Status { chapter: self.chapter, title });
    }

    /// Says a sentence.
    pub(super) fn say(&self, sentence: &str) {
        self.outer.output.say(sentence);
    }

    /// Runs a command as an operator would.
    pub(super) fn command(&self, arguments: &[&str]) -> Result<Exit, Failure> {
        let shown: Vec<String> = arguments.iter().map(|word| quoted(&crate::sources::shown_word(word))).collect();
        self.say(&format!("$ strongroom {}", shown.join(" ")));
        let parsed = Arguments::try_parse_from(std::iter::once("strongroom").chain(arguments.iter().copied()));
        let parsed = parsed
            .map_err(|error| Failure::because(Code::Internal, "the demonstration's command has no meaning", error))?;
        commands::run(&parsed.verb, &self.inner)
    }

    /// The newest snapshot.
    pub(super) fn newest(&self) -> Result<Taken, Failure> {
        let room = self.inner.room()?;
        let manifests = room.manifests()?;
        let manifest = manifests.select("latest")?;
        let facts = SnapshotFacts::new(&manifests, manifest, &room.settings().site);
        Ok(Taken {
            id: text::short(facts.snapshot),
            bytes_stored: facts.bytes_stored,
            class_roots: manifest.head().classes.clone(),
        })
    }

    /// An item that differs between two snapshots, as `find` takes it.
    pub(super) fn changed_item(&self, before: &str, after: &str) -> Result<String, Failure> {
        let room = self.inner.room()?;
        let manifests = room.manifests()?;
        let custodian = Custodian::open(&room, &self.inner)?;
        let before = custodian.snapshot(&manifests, manifests.select(before)?)?;
        let after = custodian.snapshot(&manifests, manifests.select(after)?)?;
        let (before, after) = (before.view()?, after.view()?);
        let mut found = None;
        let mut visit = |class: &str, change: RecordChange, _: Option<&[u8]>, record: Option<&[u8]>| {
            let (RecordChange::Changed, Some(record), None) = (change, record, &found) else { return };
            if let Ok(class) = after.class(class) {
                let key = key_of(class.schema(), record).ok().flatten();
                found = key.map(|key| format!("{}:{key}", class.name()));
            }
        };
        compare(&before, &after, None, Some(&mut visit)).attempt(|| "can't compare the snapshots")?;
        found.ok_or_else(|| Failure::new(Code::Internal, "the day changed nothing"))
    }

    /// Whether the live system equals its newest snapshot.
    pub(super) fn drift_is_equal(&self, name: &str) -> Result<bool, Failure> {
        let room = self.inner.room()?;
        let source = registered::named(&room, name)?;
        Ok(drift::drift(&room, &self.inner, &source, self.inner.readers)?.equal)
    }

    /// Tells the costs and whether all was proven.
    pub(super) fn end(&mut self, summary: &Summary, kept: Option<&Path>) {
        let took = self.outer.clock.monotonic().since(self.began);
        self.chapter("What it cost");
        let share = |bytes: u64| {
            let permille = bytes.saturating_mul(1000) / summary.database_bytes.max(1);
            format!("{}.{} %", permille / 10, permille % 10)
        };
        let mut table = Table::new(&["what", "#size", "#of the database"]);
        for (what, bytes) in [
            ("the database", summary.database_bytes),
            ("first backup, stored", summary.first_backup_bytes),
            ("backup after a day, stored", summary.day_backup_bytes),
        ] {
            table.row([what.to_owned(), text::size(bytes), share(bytes)]);
        }
        let output = &self.outer.output;
        output.table(&table);
        output.say("");
        if summary.proven {
            output.result(format!(
                "Proven: what was restored is what was backed up, record by record. It took {}.",
                text::span(took)
            ));
        }
        match kept {
            Some(path) => output.say(format!("Everything is kept in {}.", path.display())),
            None => output.say("Everything was made in a temporary folder, which is gone now; --keep DIR keeps it."),
        }
        let summary = Summary { duration_ms: text::ms(took), ..*summary };
        output.message(Schema::Demo, MessageType::Summary, &summary);
    }
}

/// A word of a command line, quoted where a shell needs it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@,=%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
