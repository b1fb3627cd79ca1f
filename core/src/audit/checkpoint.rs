//! Checkpoints (C2SP `tlog-checkpoint`): the text that promises a log's size and root, and its signed form.
//!
//! ```text
//!   ORIGIN                      the log's name, and that of its key
//!   SIZE                        decimal, without leading zeros
//!   BASE64(root)
//!   EXTENSION                   lines that mean nothing here, if any
//! ```
//!
//! What is parsed is [`SignedCheckpoint`] and proves nothing. [`SignedCheckpoint::verify`] makes it a
//! [`VerifiedCheckpoint`]: the log's own key, which bears the log's name, signed it, and no signature that a trusted key
//! should have made is false.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::base64;
use super::keys::{Forged, KeyName, SignatureKind, TrustedKeys};
use super::merkle::{TREE_SIZE_MAX, TreeHead, TreeSize};
use super::note::{NoteError, NoteSignature, SignedNote};
use super::proof::{ProofRefuted, verify_consistency};
use super::signers::LogSigner;
use crate::id::TreeHash;
use crate::seal::SealError;

/// Most extension lines. Strongroom writes none and carries those of others.
pub const EXTENSIONS_MAX: usize = 16;

/// A checkpoint that can't be read, made or believed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A line that does not follow the format.
    #[error("line {line} of the checkpoint is malformed")]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// The signature of a trusted key is false.
    #[error("the signature of {name} is not of its key")]
    Forged {
        /// The key's name.
        name: KeyName,
    },
    /// No trusted key of the log signed.
    #[error("no trusted key of {origin} signed the checkpoint")]
    NotSigned {
        /// The log.
        origin: KeyName,
    },
    /// A checkpoint of another log.
    #[error("a checkpoint of {found}, not of {expected}")]
    AnotherLog {
        /// The log that was asked for.
        expected: KeyName,
        /// The log of the checkpoint.
        found: KeyName,
    },
    /// No extension of an earlier checkpoint.
    #[error("the checkpoint does not follow an earlier one")]
    NotConsistent {
        /// What the path showed.
        source: ProofRefuted,
    },
    /// The log's key did not sign.
    #[error("the checkpoint can't be signed")]
    Signing {
        /// Why.
        source: SealError,
    },
}

/// What a log promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    origin: KeyName,
    #[serde(flatten)]
    head: TreeHead,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The promise of a log.
    pub const fn new(origin: KeyName, head: TreeHead) -> Self {
        Self { origin, head, extensions: Vec::new() }
    }

    /// Whose promise it is.
    pub const fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// Size and root.
    pub const fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Lines behind the root.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The text that is signed.
    pub fn body(&self) -> String {
        let mut body = format!("{}\n{}\n{}\n", self.origin, self.head.size, base64::encode(&self.head.root.0));
        for line in &self.extensions {
            body.push_str(line);
            body.push('\n');
        }
        body
    }

    /// Reads the text that is signed.
    pub fn parse_body(body: &str) -> Result<Self, CheckpointError> {
        let malformed = |line| CheckpointError::Line { line };
        let mut lines = body.split_inclusive('\n').map(|line| line.strip_suffix('\n').unwrap_or_default());
        let origin = lines.next().and_then(|line| KeyName::new(line).ok()).ok_or(malformed(1))?;
        let size = lines.next().and_then(parse_size).ok_or(malformed(2))?;
        let root = lines.next().and_then(base64::decode).and_then(|root| root.try_into().ok()).ok_or(malformed(3))?;
        let mut extensions = Vec::new();
        for (number, line) in (4..).zip(lines) {
            let is_allowed = !line.is_empty() && !line.contains(char::is_control) && extensions.len() < EXTENSIONS_MAX;
            extensions.push(is_allowed.then(|| line.to_owned()).ok_or(malformed(number))?);
        }
        Ok(Self { origin, head: TreeHead { size, root: TreeHash(root) }, extensions })
    }

    /// Checks that the log of this checkpoint extends that of an earlier one.
    pub fn follows(&self, earlier: &Self, path: &[TreeHash]) -> Result<(), CheckpointError> {
        if self.origin != earlier.origin {
            let (expected, found) = (earlier.origin.clone(), self.origin.clone());
            return Err(CheckpointError::AnotherLog { expected, found });
        }
        let checked = verify_consistency(&earlier.head, &self.head, path);
        checked.map_err(|source| CheckpointError::NotConsistent { source })
    }

    /// The promise, signed by the log's key. The caller makes sure that it follows all that was signed before.
    pub fn sign(self, signer: &LogSigner) -> Result<SignedCheckpoint, CheckpointError> {
        let expected = signer.verifier_key().name();
        if *expected != self.origin {
            return Err(CheckpointError::AnotherLog { expected: expected.clone(), found: self.origin });
        }
        let body = self.body();
        let signature = signer.sign(&body).map_err(|source| CheckpointError::Signing { source })?;
        Ok(SignedCheckpoint { note: SignedNote::new(body, signature)?, checkpoint: self })
    }
}

fn parse_size(line: &str) -> Option<TreeSize> {
    let size: u64 = line.parse().ok()?;
    // Only the shortest form: no sign, no leading zeros.
    (size <= TREE_SIZE_MAX && size.to_string() == line).then_some(TreeSize(size))
}

/// A checkpoint with signatures that were not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: SignedNote,
}

impl SignedCheckpoint {
    /// Reads a signed note whose text is a checkpoint.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(note)?;
        Ok(Self { checkpoint: Checkpoint::parse_body(note.text())?, note })
    }

    /// What it claims.
    pub const fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note: the text that cosigners sign, and the signatures.
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }

    /// The checkpoint with one more signature, which is not checked.
    pub fn with(self, signature: NoteSignature) -> Result<Self, CheckpointError> {
        Ok(Self { note: self.note.with(signature)?, ..self })
    }

    /// Checks the signatures.
    pub fn verify(&self, trusted: &TrustedKeys) -> Result<VerifiedCheckpoint, CheckpointError> {
        let origin = self.checkpoint.origin();
        let signers = trusted.signers(&self.note).map_err(|Forged(name)| CheckpointError::Forged { name })?;
        let (own, others): (Vec<_>, Vec<_>) =
            signers.into_iter().partition(|key| key.name() == origin && key.kind() == SignatureKind::Note);
        if own.is_empty() {
            return Err(CheckpointError::NotSigned { origin: origin.clone() });
        }
        let cosigners = others.into_iter().map(|key| key.name().clone()).collect();
        Ok(VerifiedCheckpoint { checkpoint: self.checkpoint.clone(), cosigners })
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl Serialize for SignedCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignedCheckpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A checkpoint that its log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    cosigners: Vec<KeyName>,
}

impl VerifiedCheckpoint {
    /// What the log promises.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The trusted keys beside the log's that signed it.
    pub fn cosigners(&self) -> &[KeyName] {
        &self.cosigners
    }
}

#[cfg(test)]
pub(super) mod tests;
