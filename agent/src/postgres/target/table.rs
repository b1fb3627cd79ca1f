//! Loading one table: rows in binary form where all its types have one, and as text where not.
//!
//! Rows that come in the transaction that empties their table are frozen at once: no later read or vacuum has to write
//! them again. Tables of extensions keep what the extension brought.

use strongroom_core::codec::Malformed;
use strongroom_core::error::Code;
use strongroom_core::record::ClassSchema;

use crate::postgres::names::{parse_class_name, qualified, quoted};
use crate::postgres::session::{CopyIn, Session};
use crate::source::SourceError;
use crate::target::{FeedRecord, RecordFeed};

use super::binary::{BinaryFormat, HEAD, TAIL};
use super::line::RowFormat;

/// A table that rows go into.
#[derive(Clone, Debug, Default)]
pub(super) struct TargetTable {
    /// Whether an extension brought it, with rows of its own.
    pub(super) is_brought: bool,
    /// The receive function of each column's type, by the column's name.
    pub(super) receive: std::collections::BTreeMap<String, String>,
}

/// Rows that need their text are sent when so many bytes of them have gathered.
const ASIDE_BYTES_MAX: usize = 4 << 20;

struct Statements {
    text: String,
    binary: String,
}

/// The rows of one table on their way.
struct Writer<'s, 'a> {
    copy: Option<CopyIn<'s>>,
    statements: Statements,
    text: RowFormat<'a>,
    binary: Option<BinaryFormat<'a>>,
    aside: Vec<u8>,
    taken: u64,
    class: &'a str,
}

/// Loads a table in one transaction.
pub(super) fn load_table(
    session: &mut Session,
    class: &ClassSchema,
    table: &TargetTable,
    feed: &mut RecordFeed<'_>,
) -> Result<u64, SourceError> {
    let (schema, name) = parse_class_name(&class.name).unwrap_or_default();
    let name = qualified(&schema, &name);
    session.batch(&if table.is_brought { "BEGIN".to_owned() } else { format!("BEGIN; TRUNCATE ONLY {name}") })?;
    let receive: Vec<&str> =
        class.columns.iter().filter_map(|column| table.receive.get(&column.name).map(String::as_str)).collect();
    let mut writer = Writer {
        copy: None,
        statements: statements(class, &name, !table.is_brought),
        text: RowFormat::new(class),
        binary: BinaryFormat::new(class, &receive).filter(|_| !class.columns.is_empty()),
        aside: Vec::new(),
        taken: 0,
        class: &class.name,
    };
    writer.begin(session)?;
    let sent = feed(&mut |record| writer.put(record))?;
    let (session, taken) = writer.finish()?;
    session.batch("COMMIT")?;
    if taken == sent {
        return Ok(taken);
    }
    let message = format!("{sent} records were sent, and the server took {taken}");
    Err(SourceError::engine(Code::TargetFailed, class.name.clone(), message))
}

fn statements(class: &ClassSchema, name: &str, is_fresh: bool) -> Statements {
    let columns: Vec<String> = class.columns.iter().map(|column| quoted(&column.name)).collect();
    let list = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    let freeze = if is_fresh { ", FREEZE" } else { "" };
    let statement = |format: &str| format!("COPY {name}{list} FROM STDIN WITH (FORMAT {format}{freeze})");
    Statements { text: statement("text"), binary: statement("binary") }
}

impl<'s> Writer<'s, '_> {
    fn begin(&mut self, session: &'s mut Session) -> Result<(), SourceError> {
        let sql = if self.binary.is_some() { &self.statements.binary } else { &self.statements.text };
        let mut copy = session.copy_in(sql)?;
        if self.binary.is_some() {
            copy.buffer().extend_from_slice(HEAD);
        }
        self.copy = Some(copy);
        Ok(())
    }

    fn put(&mut self, record: &FeedRecord<'_>) -> Result<(), SourceError> {
        let class = self.class;
        let malformed = |error: Malformed| SourceError::Engine {
            code: Code::Damaged,
            subject: class.to_owned(),
            message: "a record does not follow its schema".into(),
            source: Some(Box::new(error)),
        };
        let Some(copy) = &mut self.copy else { return Err(SourceError::Stopped) };
        let Some(binary) = &self.binary else {
            self.text.put(record, copy.buffer()).map_err(malformed)?;
            return copy.passed();
        };
        if binary.put(record, copy.buffer()).map_err(malformed)? {
            return copy.passed();
        }
        self.text.put(record, &mut self.aside).map_err(malformed)?;
        if self.aside.len() < ASIDE_BYTES_MAX {
            return Ok(());
        }
        let session = self.end()?;
        self.begin(session)
    }

    fn finish(mut self) -> Result<(&'s mut Session, u64), SourceError> {
        let session = self.end()?;
        Ok((session, self.taken))
    }

    /// Ends the running `COPY`, and sends what was put aside with one of its own.
    fn end(&mut self) -> Result<&'s mut Session, SourceError> {
        let Some(mut copy) = self.copy.take() else { return Err(SourceError::Stopped) };
        if self.binary.is_some() {
            copy.buffer().extend_from_slice(TAIL);
        }
        let (session, taken) = copy.finish()?;
        self.taken += taken;
        if self.aside.is_empty() {
            return Ok(session);
        }
        let mut copy = session.copy_in(&self.statements.text)?;
        copy.buffer().append(&mut self.aside);
        let (session, taken) = copy.finish()?;
        self.taken += taken;
        Ok(session)
    }
}
