//! Signing checkpoints: as the log, and as one who watches it.
//!
//! Both sign what they are handed. That a checkpoint follows all that was signed before is checked by whoever hands it
//! over, and what was signed is kept durably before it is shown to anybody: two checkpoints that contradict each other
//! can't be taken back. Seeds come from the caller, and a key signs nothing else than notes.

use super::keys::{KeyName, SignatureKind, VerifierKey, cosigned};
use super::note::NoteSignature;
use crate::digest::Profile;
use crate::seal::{SIGNATURE_LEN, SealError, SigningKey};

/// Signs the checkpoints of one log.
pub struct LogSigner {
    pair: SigningKey,
    key: VerifierKey,
}

impl LogSigner {
    /// The Ed25519 key that belongs to 32 random bytes, for the log of this origin.
    pub fn from_seed(origin: KeyName, seed: &[u8; 32]) -> Result<Self, SealError> {
        let pair = SigningKey::from_seed(Profile::Blake3, seed)?;
        let key = VerifierKey::new(origin, SignatureKind::Note, pair.verifying_key().clone());
        Ok(Self { pair, key })
    }

    /// The public half.
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs the text of a note.
    pub fn sign(&self, text: &str) -> Result<NoteSignature, SealError> {
        let bytes = self.pair.sign(text.as_bytes())?.to_vec();
        Ok(NoteSignature { name: self.key.name().clone(), id: self.key.id(), bytes })
    }
}

/// Says that it saw a checkpoint, and that it extends all that it saw of the log before. Checking that is the caller's
/// part, and so is keeping the checkpoint durably before the signature is given away.
pub struct Cosigner {
    pair: SigningKey,
    key: VerifierKey,
}

impl Cosigner {
    /// The Ed25519 key that belongs to 32 random bytes. It may sign nothing else.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, SealError> {
        let pair = SigningKey::from_seed(Profile::Blake3, seed)?;
        let key = VerifierKey::new(name, SignatureKind::Cosignature, pair.verifying_key().clone());
        Ok(Self { pair, key })
    }

    /// The public half.
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs the text of a note, seen at this time.
    pub fn cosign(&self, text: &str, seen_unix_seconds: u32) -> Result<NoteSignature, SealError> {
        let seconds = u64::from(seen_unix_seconds);
        let mut bytes = Vec::with_capacity(8 + SIGNATURE_LEN);
        bytes.extend_from_slice(&seconds.to_be_bytes());
        bytes.extend_from_slice(&self.pair.sign(cosigned(seconds, text).as_bytes())?);
        Ok(NoteSignature { name: self.key.name().clone(), id: self.key.id(), bytes })
    }
}
