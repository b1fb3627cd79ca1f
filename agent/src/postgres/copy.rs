//! From `COPY … TO STDOUT` text to rows: the hot path of reading.
//!
//! The server ends each field with a tab and each row with a newline, writes NULL as `\N`, and escapes a backslash,
//! control characters and both delimiters with a backslash. So a field without a backslash is the value itself and is
//! handed on where it lies; nothing is allocated for a row. The bytes of a message normally end with a row, but need
//! not: what is left over waits for the next message.

use memchr::{memchr, memchr2, memchr3, memrchr};
use strongroom_core::error::Code;

use crate::source::{RowWriter, SourceError};

/// Reads all rows of a class from what a server says, message by message, wherever these come from.
pub fn read_copy_text(
    class: &str,
    columns: usize,
    messages: &[&[u8]],
    rows: &mut RowWriter<'_>,
) -> Result<(), SourceError> {
    let mut parser = RowParser::new(class, columns);
    messages.iter().try_for_each(|message| parser.feed(message, rows))?;
    parser.finish()
}

/// Parses the rows of one class.
pub(crate) struct RowParser<'a> {
    class: &'a str,
    columns: usize,
    left_over: Vec<u8>,
    unescaped: Vec<u8>,
}

impl<'a> RowParser<'a> {
    /// A parser for rows of so many columns.
    pub(crate) const fn new(class: &'a str, columns: usize) -> Self {
        Self { class, columns, left_over: Vec::new(), unescaped: Vec::new() }
    }

    /// Takes in the next bytes and hands on the rows that they complete.
    #[inline]
    pub(crate) fn feed(&mut self, bytes: &[u8], rows: &mut RowWriter<'_>) -> Result<(), SourceError> {
        if self.left_over.is_empty() && bytes.last() == Some(&b'\n') {
            return self.whole_rows(bytes, rows);
        }
        self.feed_cut(bytes, rows)
    }

    /// Checks that the last row was complete.
    pub(crate) fn finish(&self) -> Result<(), SourceError> {
        if self.left_over.is_empty() { Ok(()) } else { Err(self.malformed("the last row is cut off")) }
    }

    #[cold]
    fn feed_cut(&mut self, bytes: &[u8], rows: &mut RowWriter<'_>) -> Result<(), SourceError> {
        let mut all = std::mem::take(&mut self.left_over);
        all.extend_from_slice(bytes);
        // An escaped newline is `\n`, so a newline byte always ends a row.
        let end = memrchr(b'\n', &all).map_or(0, |at| at + 1);
        let rest = all.split_off(end);
        self.whole_rows(&all, rows)?;
        self.left_over = rest;
        Ok(())
    }

    fn whole_rows(&mut self, mut bytes: &[u8], rows: &mut RowWriter<'_>) -> Result<(), SourceError> {
        while !bytes.is_empty() {
            bytes = if self.columns == 0 { self.empty_row(bytes, rows)? } else { self.row(bytes, rows)? };
        }
        Ok(())
    }

    fn empty_row<'b>(&self, bytes: &'b [u8], rows: &mut RowWriter<'_>) -> Result<&'b [u8], SourceError> {
        rows.begin();
        rows.end()?;
        bytes.strip_prefix(b"\n").ok_or_else(|| self.malformed("a row of a class without columns has a field"))
    }

    /// Reads one row and returns what follows it.
    #[inline]
    fn row<'b>(&mut self, mut rest: &'b [u8], rows: &mut RowWriter<'_>) -> Result<&'b [u8], SourceError> {
        rows.begin();
        let mut column = 0;
        loop {
            let at = memchr3(b'\t', b'\n', b'\\', rest).ok_or_else(|| self.malformed("a row has no end"))?;
            let (mut field, mut tail) = rest.split_at(at);
            if tail.first() == Some(&b'\\') {
                let end = at + memchr2(b'\t', b'\n', tail).ok_or_else(|| self.malformed("a row has no end"))?;
                (field, tail) = rest.split_at(end);
                if field != b"\\N" {
                    self.unescape(field)?;
                    rows.text(column, &self.unescaped);
                }
            } else {
                rows.text(column, field);
            }
            column += 1;
            let (delimiter, after) = tail.split_first().ok_or_else(|| self.malformed("a row has no end"))?;
            rest = after;
            if *delimiter == b'\n' {
                break;
            }
        }
        if column != self.columns {
            return Err(self.malformed("a row has another number of fields than the class has columns"));
        }
        rows.end()?;
        Ok(rest)
    }

    fn unescape(&mut self, mut field: &[u8]) -> Result<(), SourceError> {
        self.unescaped.clear();
        while let Some(at) = memchr(b'\\', field) {
            let (head, tail) = field.split_at(at);
            self.unescaped.extend_from_slice(head);
            let [_, escaped, rest @ ..] = tail else { return Err(self.malformed("a field ends with a backslash")) };
            self.unescaped.push(match escaped {
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                other => *other,
            });
            field = rest;
        }
        self.unescaped.extend_from_slice(field);
        Ok(())
    }

    #[cold]
    fn malformed(&self, what: &str) -> SourceError {
        SourceError::engine(Code::SourceFailed, self.class, format!("the server's COPY text is malformed: {what}"))
    }
}
