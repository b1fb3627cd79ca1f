//! The directory of a pack: the plaintext of its footer.
//!
//! ```text
//!   footer     = envelope of:
//!     varint(frames)
//!     varint(sealed length)*       a column over the frames
//!     varint(plain length)*
//!     varint(objects)*
//!     kind (1)*                    a column over the objects
//!     hint (6)*
//! ```
//!
//! Columns, so that the kinds nearly vanish in compression and an object costs little more than its hint. Lengths stand
//! in here alone, so whoever has no key sees one padded size. All of it is checked: frames must fill exactly the space
//! between header and footer.

use crate::codec::{Reader, put_varint};
use crate::frame::{CompressedFrame, ObjectKind};
use crate::id::Hint;
use crate::limits::{FRAME_PLAIN_BYTES_MAX, PACK_FRAMES_MAX, PACK_OBJECTS_MAX};

use super::PackError;

/// Where one frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// Offset in the file.
    pub offset: u64,
    /// Length in the file.
    pub sealed_len: u32,
    /// Length after opening and decompressing.
    pub plain_len: u32,
    /// The number of the frame's first object among all of the pack.
    pub first_object: u32,
    /// How many objects it holds.
    pub objects: u32,
}

/// One object of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The form of the object.
    pub kind: ObjectKind,
    /// The first bytes of its id.
    pub hint: Hint,
}

/// What a pack holds, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    frames: Vec<FrameInfo>,
    objects: Vec<DirectoryEntry>,
    end: u64,
}

impl Directory {
    /// A directory of frames that begin at an offset.
    pub(super) const fn starting_at(offset: u64) -> Self {
        Self { frames: Vec::new(), objects: Vec::new(), end: offset }
    }

    /// The frames, by number.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// All objects, frame by frame.
    pub fn objects(&self) -> &[DirectoryEntry] {
        &self.objects
    }

    /// The objects of one frame, by slot.
    pub fn objects_of(&self, frame: &FrameInfo) -> &[DirectoryEntry] {
        let first = frame.first_object as usize;
        self.objects.get(first..first + frame.objects as usize).unwrap_or_default()
    }

    /// Where the frames end and the footer begins.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Enters a frame that was sealed behind the last one; gives its number.
    pub(super) fn push(&mut self, frame: &CompressedFrame, sealed_len: usize) -> Result<u32, PackError> {
        let number = self.frames.len();
        if number >= PACK_FRAMES_MAX {
            return Err(PackError::Full { what: "frames" });
        }
        if self.objects.len() + frame.entries().len() > PACK_OBJECTS_MAX {
            return Err(PackError::Full { what: "objects" });
        }
        let too_long = |_| PackError::Full { what: "bytes in a frame" };
        let sealed_len = u32::try_from(sealed_len).map_err(too_long)?;
        self.add_frame(sealed_len, u32::try_from(frame.plain_len()).map_err(too_long)?, frame.entries().len());
        let entries = frame.entries().iter();
        self.objects.extend(entries.map(|entry| DirectoryEntry { kind: entry.kind, hint: entry.id.hint() }));
        u32::try_from(number).map_err(too_long)
    }

    fn add_frame(&mut self, sealed_len: u32, plain_len: u32, objects: usize) {
        let first_object = self.frames.last().map_or(0, |last| last.first_object + last.objects);
        // Both counts are bounded by PACK_OBJECTS_MAX before this is called.
        let objects = u32::try_from(objects).unwrap_or(u32::MAX);
        self.frames.push(FrameInfo { offset: self.end, sealed_len, plain_len, first_object, objects });
        self.end += u64::from(sealed_len);
    }

    /// The plaintext of the footer.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(10 + self.frames.len() * 8 + self.objects.len() * 7);
        put_varint(&mut out, self.frames.len() as u64);
        for column in [|f: &FrameInfo| f.sealed_len, |f: &FrameInfo| f.plain_len, |f: &FrameInfo| f.objects] {
            self.frames.iter().for_each(|frame| put_varint(&mut out, u64::from(column(frame))));
        }
        out.extend(self.objects.iter().map(|object| object.kind.byte()));
        self.objects.iter().for_each(|object| out.extend_from_slice(&object.hint.0));
        out
    }

    /// Reads the plaintext of a footer; frames begin at `start`.
    pub fn decode(plain: &[u8], start: u64) -> Result<Self, PackError> {
        let mut reader = Reader::new(plain, "footer");
        let frames = reader.bounded(PACK_FRAMES_MAX as u64)?;
        if frames > reader.remaining() {
            return Err(reader.malformed().into());
        }
        let column = |reader: &mut Reader<'_>, max: usize| {
            (0..frames).map(|_| reader.bounded(max as u64)).collect::<Result<Vec<usize>, _>>()
        };
        let sealed = column(&mut reader, FRAME_PLAIN_BYTES_MAX + 64)?;
        let plain = column(&mut reader, FRAME_PLAIN_BYTES_MAX)?;
        let counts = column(&mut reader, PACK_OBJECTS_MAX)?;
        let objects: usize = counts.iter().sum();
        if objects > PACK_OBJECTS_MAX || objects.checked_mul(1 + Hint::LEN) != Some(reader.remaining()) {
            return Err(reader.malformed().into());
        }
        let mut directory = Self::starting_at(start);
        for ((sealed, plain), count) in sealed.into_iter().zip(plain).zip(counts) {
            let fits = |_| reader.malformed();
            directory.add_frame(u32::try_from(sealed).map_err(fits)?, u32::try_from(plain).map_err(fits)?, count);
        }
        let kinds = reader.take(objects)?;
        directory.objects.reserve_exact(objects);
        for kind in kinds {
            let kind = ObjectKind::from_byte(*kind)?;
            directory.objects.push(DirectoryEntry { kind, hint: Hint(reader.array()?) });
        }
        reader.finish()?;
        Ok(directory)
    }
}
