//! Writes a pack from start to end.
//!
//! ```text
//!   begin ──► append* ──► finish        each call appends bytes for the caller to store
//! ```
//!
//! The data key is drawn in `begin` and dropped in `finish`; nobody can hand one in. If the bytes are lost on the way,
//! the writer is dropped with them: there is no way to seal a second plaintext under a number that was used.

use zeroize::Zeroizing;

use crate::digest::Profile;
use crate::entropy::Entropy;
use crate::frame::{CompressedFrame, Compressor};
use crate::id::{MerkleRoot, PackId};
use crate::limits::{PACK_BYTES_TARGET, PACK_OBJECTS_MAX};
use crate::merkle::MerkleHasher;
use crate::seal::{Aead, OpeningKey, Recipient, WrappedKey, aead_overhead, new_data_key};

use super::directory::Directory;
use super::header::{PackHeader, PackIdentity};
use super::{PackError, Part, ROOT_LEN, padded_len};

/// The zstd level of footers: hints are random, so no effort is worth much.
const FOOTER_LEVEL: i32 = 3;

/// The plaintext of a trailer: offset and length of the footer, length of the padding.
pub(super) const TRAILER_PLAIN_LEN: usize = 24;

/// The number of a frame in its pack, counted from zero.
pub type FrameNumber = u32;

/// A pack under way.
pub struct PackWriter {
    header: PackHeader,
    aead: Aead,
    key: Zeroizing<[u8; 32]>,
    hasher: MerkleHasher,
    directory: Directory,
}

/// What is known of a pack once it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPack {
    /// Its id.
    pub pack: PackId,
    /// Its size as a file.
    pub bytes: u64,
    /// The root over its ciphertext.
    pub root: MerkleRoot,
    /// Its header, which an index keeps so that opening it needs no read.
    pub header: PackHeader,
    /// What it holds, and where.
    pub directory: Directory,
}

impl PackWriter {
    /// Begins a pack: draws its data key, wraps it and appends the header to `out`.
    pub fn begin(
        identity: PackIdentity,
        recipient: Recipient<'_>,
        entropy: &dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Result<Self, PackError> {
        let profile = identity.scope.profile;
        if recipient.profile() != profile {
            return Err(PackError::WrongProfile);
        }
        let key = new_data_key(entropy)?;
        let (kind, epoch, key_id) = recipient.address();
        let unwrapped = PackHeader::new(identity, WrappedKey { kind, epoch, key_id, bytes: Vec::new() });
        let wrapped = recipient.wrap(&unwrapped.clear_bytes(), &key, entropy)?;
        let header = PackHeader::new(identity, wrapped);
        let bytes = header.to_bytes();
        let mut hasher = MerkleHasher::new(profile);
        hasher.update(&bytes);
        out.extend_from_slice(&bytes);
        let directory = Directory::starting_at(bytes.len() as u64);
        Ok(Self { header, aead: Aead::new(profile, &key)?, key, hasher, directory })
    }

    /// The pack's id.
    pub const fn pack(&self) -> PackId {
        self.header.identity.pack
    }

    /// The profile of the pack.
    pub const fn profile(&self) -> Profile {
        self.header.identity.scope.profile
    }

    /// Bytes given out so far.
    pub const fn bytes(&self) -> u64 {
        self.directory.end()
    }

    /// Whether it is time for another pack.
    pub fn is_full(&self) -> bool {
        self.bytes() >= PACK_BYTES_TARGET || self.directory.objects().len() * 10 >= PACK_OBJECTS_MAX * 9
    }

    /// A key that opens this pack, for a spool on this host. Never leaves the host unwrapped.
    pub fn opening_key(&self) -> OpeningKey {
        OpeningKey::from_bytes(*self.key)
    }

    /// Seals a frame and appends it to `out`; gives its number.
    ///
    /// After an error the writer is of no more use, since part of a number may be spent.
    pub fn append(&mut self, frame: &CompressedFrame, out: &mut Vec<u8>) -> Result<FrameNumber, PackError> {
        let sealed_len = frame.envelope.len() + aead_overhead(self.profile());
        let number = self.directory.push(frame, sealed_len)?;
        self.seal(Part::Frame(number), &frame.envelope, out)?;
        Ok(number)
    }

    /// Appends footer, padding, trailer and root to `out`, and ends the pack.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<SealedPack, PackError> {
        let overhead = aead_overhead(self.profile());
        let footer = Compressor::new()
            .and_then(|mut compressor| compressor.envelope(&self.directory.encode(), FOOTER_LEVEL))
            .map_err(PackError::Compression)?;
        let footer_offset = self.directory.end();
        let footer_len = (footer.len() + overhead) as u64;
        let after_padding = (overhead + TRAILER_PLAIN_LEN + ROOT_LEN) as u64;
        let least = footer_offset + footer_len + overhead as u64 + after_padding;
        let bytes = padded_len(least);
        let padding = bytes - least;
        self.seal(Part::Footer, &footer, out)?;
        let zeros = vec![0; usize::try_from(padding).map_err(|_| PackError::Full { what: "padding" })?];
        self.seal(Part::Padding, &zeros, out)?;
        let padding_len = padding + overhead as u64;
        let mut trailer = Vec::with_capacity(TRAILER_PLAIN_LEN);
        for number in [footer_offset, footer_len, padding_len] {
            trailer.extend_from_slice(&number.to_be_bytes());
        }
        self.seal(Part::Trailer, &trailer, out)?;
        let root = self.hasher.finish();
        out.extend_from_slice(&root.0);
        Ok(SealedPack { pack: self.header.identity.pack, bytes, root, header: self.header, directory: self.directory })
    }

    fn seal(&mut self, part: Part, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), PackError> {
        let start = out.len();
        self.aead.seal_append(part.number(), &self.header.identity.aad(part), plaintext, out)?;
        self.hasher.update(out.get(start..).unwrap_or_default());
        Ok(())
    }
}
