//! Reads a pack, given its bytes piece by piece.
//!
//! ```text
//!   first bytes ──PackHeader::parse──► header ──open(keys)──► PackReader
//!   last bytes  ──trailer──► Trailer ──(bytes of the footer)──directory──► Directory
//!   bytes of a frame ──open_frame──► Frame
//! ```

use crate::codec::Reader;
use crate::digest::Profile;
use crate::frame::{Decompressor, Frame};
use crate::id::MerkleRoot;
use crate::limits::PACK_FOOTER_BYTES_MAX;
use crate::merkle::merkle_root;
use crate::seal::{Aead, OpeningKey, OpensDataKeys, aead_overhead};

use super::directory::{Directory, FrameInfo};
use super::header::{PackHeader, PackIdentity};
use super::writer::{FrameNumber, TRAILER_PLAIN_LEN};
use super::{PackError, Part, ROOT_LEN};

/// Where the footer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Offset of the footer in the file.
    pub footer_offset: u64,
    /// Length of the footer in the file.
    pub footer_len: u64,
}

/// A pack whose data key is at hand.
pub struct PackReader {
    identity: PackIdentity,
    aead: Aead,
}

impl PackHeader {
    /// Unwraps the data key.
    pub fn open(&self, keys: &dyn OpensDataKeys) -> Result<PackReader, PackError> {
        let key = keys.open_data_key(&self.key, &self.clear_bytes())?;
        PackReader::new(self.identity, &key)
    }

    /// Unwraps the data key, to be handed over by a custodian or kept with a spooled pack.
    pub fn opening_key(&self, keys: &dyn OpensDataKeys) -> Result<OpeningKey, PackError> {
        Ok(keys.open_data_key(&self.key, &self.clear_bytes())?)
    }
}

impl PackReader {
    /// Reads a pack under a data key that was handed over.
    pub fn new(identity: PackIdentity, key: &OpeningKey) -> Result<Self, PackError> {
        Ok(Self { identity, aead: Aead::new(identity.scope.profile, key.expose())? })
    }

    /// What the pack is.
    pub const fn identity(&self) -> &PackIdentity {
        &self.identity
    }

    /// How many bytes at the end of the file hold trailer and root.
    pub const fn tail_len(profile: Profile) -> usize {
        TRAILER_PLAIN_LEN + aead_overhead(profile) + ROOT_LEN
    }

    /// Opens the trailer of a file of `file_len` bytes, given its end: [`Self::tail_len`] bytes or more.
    pub fn trailer(&self, file_len: u64, end: &[u8]) -> Result<Trailer, PackError> {
        let what = Part::Trailer.what();
        let damaged = || PackError::Damaged { what };
        let profile = self.identity.scope.profile;
        let tail_len = Self::tail_len(profile);
        let at = end.len().checked_sub(tail_len).ok_or_else(damaged)?;
        let sealed = end.get(at..end.len() - ROOT_LEN).ok_or_else(damaged)?;
        let mut sealed = sealed.to_vec();
        let plain = self.open_part(Part::Trailer, &mut sealed)?;
        let mut reader = Reader::new(plain, what);
        let (footer_offset, footer_len, padding_len) = (reader.u64()?, reader.u64()?, reader.u64()?);
        reader.finish()?;
        let sum = footer_offset
            .checked_add(footer_len)
            .and_then(|sum| sum.checked_add(padding_len))
            .and_then(|sum| sum.checked_add(tail_len as u64));
        if sum != Some(file_len) || footer_offset < PackHeader::len(profile) as u64 {
            return Err(damaged());
        }
        Ok(Trailer { footer_offset, footer_len })
    }

    /// Opens the footer, given exactly its bytes.
    pub fn directory(
        &self,
        trailer: &Trailer,
        footer: &[u8],
        decompressor: &mut Decompressor,
    ) -> Result<Directory, PackError> {
        let what = Part::Footer.what();
        let mut sealed = footer.to_vec();
        let envelope = self.open_part(Part::Footer, &mut sealed)?;
        let plain = decompressor.open(envelope, PACK_FOOTER_BYTES_MAX, what)?;
        let directory = Directory::decode(&plain, PackHeader::len(self.identity.scope.profile) as u64)?;
        if directory.end() != trailer.footer_offset {
            return Err(PackError::Damaged { what });
        }
        Ok(directory)
    }

    /// Opens a frame, given exactly its bytes.
    ///
    /// Where the caller has the directory at hand, [`Self::check_frame`] compares the two.
    pub fn open_frame(
        &self,
        number: FrameNumber,
        mut sealed: Vec<u8>,
        decompressor: &mut Decompressor,
    ) -> Result<Frame, PackError> {
        let envelope = self.open_part(Part::Frame(number), &mut sealed)?;
        Ok(decompressor.frame(envelope)?)
    }

    /// Compares an opened frame with what the directory says of it.
    pub fn check_frame(directory: &Directory, info: &FrameInfo, frame: &Frame) -> Result<(), PackError> {
        let entries = directory.objects_of(info);
        let equal = frame.plain_len() == info.plain_len as usize
            && frame.len() == entries.len()
            && frame.objects().zip(entries).all(|(object, entry)| object.kind == entry.kind);
        if equal { Ok(()) } else { Err(PackError::Damaged { what: "frame and footer differ" }) }
    }

    fn open_part<'a>(&self, part: Part, sealed: &'a mut [u8]) -> Result<&'a [u8], PackError> {
        Ok(self.aead.open(part.number(), &self.identity.aad(part), sealed, part.what())?)
    }
}

/// A pack that lies in memory as a whole: small ones, and those of tests.
pub struct OpenPack<'a> {
    bytes: &'a [u8],
    reader: PackReader,
    directory: Directory,
}

impl<'a> OpenPack<'a> {
    /// Opens header, trailer and footer.
    pub fn open(bytes: &'a [u8], keys: &dyn OpensDataKeys, decompressor: &mut Decompressor) -> Result<Self, PackError> {
        let reader = PackHeader::parse(bytes)?.open(keys)?;
        let trailer = reader.trailer(bytes.len() as u64, bytes)?;
        let footer = slice(bytes, trailer.footer_offset, trailer.footer_len)?;
        let directory = reader.directory(&trailer, footer, decompressor)?;
        Ok(Self { bytes, reader, directory })
    }

    /// What the pack holds.
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Opens one frame and compares it with the directory.
    pub fn frame(&self, number: FrameNumber, decompressor: &mut Decompressor) -> Result<Frame, PackError> {
        let info = usize::try_from(number).ok().and_then(|number| self.directory.frames().get(number));
        let info = info.ok_or(PackError::Damaged { what: "no such frame" })?;
        let sealed = slice(self.bytes, info.offset, u64::from(info.sealed_len))?;
        let frame = self.reader.open_frame(number, sealed.to_vec(), decompressor)?;
        PackReader::check_frame(&self.directory, info, &frame)?;
        Ok(frame)
    }
}

fn slice(bytes: &[u8], offset: u64, len: u64) -> Result<&[u8], PackError> {
    let range = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
    let found = range.and_then(|(offset, len)| bytes.get(offset..offset.checked_add(len)?));
    found.ok_or(PackError::Damaged { what: "a part lies outside" })
}

/// Checks the Merkle root of a whole pack in memory; needs no key.
pub fn check_root(profile: Profile, bytes: &[u8]) -> Result<MerkleRoot, PackError> {
    let damaged = PackError::Damaged { what: "Merkle root" };
    let Some((content, root)) = bytes.split_last_chunk::<ROOT_LEN>() else {
        return Err(damaged);
    };
    let computed = merkle_root(profile, content);
    if computed.0 == *root { Ok(computed) } else { Err(damaged) }
}
