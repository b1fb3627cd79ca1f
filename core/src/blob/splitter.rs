//! Content-defined chunking under a key.
//!
//! `FastCDC` (Xia et al., USENIX ATC 2016 and IEEE TPDS 2020): a gear hash rolls over the bytes, a chunk is no shorter
//! than the minimum, borders are rarer before the aimed-at length and more frequent after it, and a chunk ends at the
//! maximum at the latest. What differs is the key: all 256 words of the gear table, and the mix under which the hash is
//! tested, come from 256 secret bits of the source. The lengths of chunks are sealed as well; both are needed, since
//! secret tables alone have been recovered from visible lengths.
//! `docs/decisions/2026-11-22-keyed-fastcdc.md` says why this is our own.
//!
//! ```text
//!   ├── minimum: not looked at ──┼── 2^-18 a byte ──┼ aimed-at length ┼── 2^-14 a byte ──┤ maximum
//! ```

use zeroize::Zeroize;

use crate::digest::{IdFunctions, KeyedHash};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_TARGET};

/// Leading zero bits that end a chunk before the aimed-at length: two more than its logarithm.
const BITS_BEFORE: u32 = CHUNK_BYTES_TARGET.ilog2() + 2;
/// The same after it: two fewer.
const BITS_AFTER: u32 = CHUNK_BYTES_TARGET.ilog2() - 2;

/// Finds where chunks end, under one source's key.
#[derive(Clone)]
pub struct Splitter {
    gear: Box<[u64; 256]>,
    whiten: u64,
    multiply: u64,
}

impl Splitter {
    /// The splitter of a source.
    ///
    /// Word i of the table is the first eight bytes, big-endian, of the keyed hash of "gear" and the byte i; the mix is
    /// the first sixteen of that of "mix", its second word made odd.
    pub fn new(ids: &IdFunctions) -> Self {
        let hash = KeyedHash::new(ids.profile(), ids.splitter_key());
        let mut gear = Box::new([0; 256]);
        for (byte, word) in (0..=u8::MAX).zip(gear.iter_mut()) {
            *word = first_word(&hash.digest(&[b'g', b'e', b'a', b'r', byte]));
        }
        let mix = hash.digest(b"mix");
        let (first, second) = mix.split_at(8);
        Self { gear, whiten: first_word(first), multiply: first_word(second) | 1 }
    }

    /// The length of the first chunk of `bytes`, which hold at least [`CHUNK_BYTES_MAX`] bytes or end the content.
    pub fn first_chunk(&self, bytes: &[u8]) -> usize {
        let (min, target, max) = (CHUNK_BYTES_MIN as usize, CHUNK_BYTES_TARGET as usize, CHUNK_BYTES_MAX as usize);
        let end = bytes.len().min(max);
        let mut hash = 0;
        self.find(bytes, min..target.min(end), BITS_BEFORE, &mut hash)
            .or_else(|| self.find(bytes, target..end, BITS_AFTER, &mut hash))
            .unwrap_or(end)
    }

    /// The chunks of a content that lies in memory.
    pub fn chunks<'c>(&self, mut content: &'c [u8]) -> impl Iterator<Item = &'c [u8]> {
        std::iter::from_fn(move || {
            let (chunk, rest) = content.split_at_checked(self.first_chunk(content))?;
            content = rest;
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    #[inline]
    fn find(&self, bytes: &[u8], range: std::ops::Range<usize>, bits: u32, hash: &mut u64) -> Option<usize> {
        let start = range.start;
        for (at, byte) in bytes.get(range)?.iter().enumerate() {
            let word = self.gear.get(usize::from(*byte)).copied().unwrap_or_default();
            *hash = (*hash << 1).wrapping_add(word);
            if (*hash ^ self.whiten).wrapping_mul(self.multiply).leading_zeros() >= bits {
                return Some(start + at + 1);
            }
        }
        None
    }
}

impl Drop for Splitter {
    fn drop(&mut self) {
        self.gear.zeroize();
        self.whiten.zeroize();
        self.multiply.zeroize();
    }
}

fn first_word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |word, byte| word << 8 | u64::from(*byte))
}
