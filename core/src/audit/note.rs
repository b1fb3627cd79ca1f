//! Signed notes (C2SP `signed-note`): a text, an empty line, and a line for each signature.
//!
//! ```text
//!   TEXT, of lines
//!   (an empty line)
//!   — NAME BASE64(key id 4 ‖ signature)          one line or more
//! ```
//!
//! A note that was read is written to the same bytes. Whether its signatures are good is not known here: see
//! [`super::keys::TrustedKeys`]. Signatures of unknown keys are carried along, so that a cosigner who is known elsewhere
//! is not lost.

use std::fmt;

use super::base64;
use super::keys::{KeyName, NoteKeyId};

/// Longest note: sixteen signatures of the longest kind that C2SP foresees (5 kB each in base64 and some), which
/// verifiers must take, do not fit much less.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;

/// Most signatures: twice what C2SP wants verifiers to take.
pub const SIGNATURES_MAX: usize = 32;

const SIGNATURE_START: &str = "\u{2014} ";

/// Text that is no signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Too long to be one.
    #[error("a signed note of {bytes} bytes; {NOTE_BYTES_MAX} are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No text, no empty line behind it, no signature, or control characters.
    #[error("not a signed note")]
    Form,
    /// A signature that can't be read.
    #[error("signature {number} of the note is malformed")]
    Signature {
        /// Which, from 1.
        number: usize,
    },
    /// More signatures than are taken.
    #[error("more than {SIGNATURES_MAX} signatures on a note")]
    TooMany,
    /// One key signed twice.
    #[error("one key signed the note twice")]
    SignedTwice,
}

/// One line of signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: KeyName,
    /// Its id.
    pub id: NoteKeyId,
    /// The signature; what it consists of depends on the kind of the key.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
        let bytes = base64::decode(signature)?;
        let (id, bytes) = bytes.split_first_chunk::<4>()?;
        let is_signed = !bytes.is_empty();
        is_signed.then_some(Self { name: KeyName::new(name).ok()?, id: NoteKeyId(*id), bytes: bytes.to_vec() })
    }
}

/// A text with at least one signature, none of which was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// A text and its first signature.
    pub fn new(text: String, signature: NoteSignature) -> Result<Self, NoteError> {
        if !is_text(&text) {
            return Err(NoteError::Form);
        }
        Self { text, signatures: Vec::new() }.with(signature)
    }

    /// The note with one more signature.
    pub fn with(mut self, signature: NoteSignature) -> Result<Self, NoteError> {
        if signature.bytes.is_empty() {
            return Err(NoteError::Signature { number: self.signatures.len() + 1 });
        }
        self.admit(signature)?;
        let bytes = self.to_string().len();
        if bytes > NOTE_BYTES_MAX { Err(NoteError::TooLong { bytes }) } else { Ok(self) }
    }

    fn admit(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::TooMany);
        }
        if self.signatures.iter().any(|other| (&other.name, other.id) == (&signature.name, signature.id)) {
            return Err(NoteError::SignedTwice);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Reads a note, and nothing else.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: note.len() });
        }
        // The line feed of the text's last line belongs to the text, that of the empty line to nothing.
        let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, rest) = note.split_at_checked(at + 1).ok_or(NoteError::Form)?;
        let lines = rest.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n')).ok_or(NoteError::Form)?;
        if !is_text(text) {
            return Err(NoteError::Form);
        }
        let mut note = Self { text: text.to_owned(), signatures: Vec::new() };
        for (number, line) in (1..).zip(lines.split('\n')) {
            note.admit(NoteSignature::parse(line).ok_or(NoteError::Signature { number })?)?;
        }
        Ok(note)
    }

    /// What is signed: all lines before the empty one, each with its line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for NoteSignature { name, id, bytes } in &self.signatures {
            let signature = base64::encode(&[&id.0[..], bytes].concat());
            writeln!(f, "{SIGNATURE_START}{name} {signature}")?;
        }
        Ok(())
    }
}

/// Whether this can be the text of a note: whole lines, and no control characters between them.
fn is_text(text: &str) -> bool {
    text.ends_with('\n') && text.bytes().all(|byte| byte >= b' ' || byte == b'\n')
}

#[cfg(test)]
mod tests;
