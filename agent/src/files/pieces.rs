//! Pieces: how a long file is cut, and the list that says how they make it up.
//!
//! Runs of aligned blocks that hold nothing but zeros are holes, whether the file system stores them or not, and are in
//! no piece. What lies between is cut by its content. So equal contents have equal pieces on every file system.
//!
//! ```text
//! list    for each piece: varint bytes skipped since the last one · varint length · 32 bytes of digest
//! ```

use strongroom_core::blob::Splitter;
use strongroom_core::codec::{Malformed, Reader, put_varint};
use strongroom_core::digest::IdFunctions;
use strongroom_core::limits::CHUNK_BYTES_MAX;

/// Blocks that may be holes. Larger than what file systems have, so that their layout does not matter.
const BLOCK_BYTES: u64 = 64 * 1024;

/// A digest of a piece, under the source's key.
pub type Digest = [u8; 32];

/// One piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length.
    pub length: u64,
    /// The digest of its content.
    pub digest: Digest,
}

/// A content that can be read at any place.
pub(super) trait Content {
    /// Its length.
    fn length(&self) -> u64;

    /// Fills `bytes` from `offset` on.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<()>;

    /// The first place from `offset` on that may hold something else than zeros.
    fn next_data(&self, offset: u64) -> std::io::Result<u64>;
}

/// Cuts contents.
pub(super) struct Cutter<'a> {
    ids: &'a IdFunctions,
    splitter: Splitter,
    window: Vec<u8>,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(ids: &'a IdFunctions) -> Self {
        Self { ids, splitter: Splitter::new(ids), window: Vec::new() }
    }

    /// Gives the pieces of a content, in their order.
    pub(super) fn cut<E: From<std::io::Error>>(
        &mut self,
        content: &dyn Content,
        mut give: impl FnMut(Piece, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let end = content.length();
        let mut at = 0;
        while at < end {
            let data = content.next_data(at)?;
            at = at.max(data / BLOCK_BYTES * BLOCK_BYTES);
            let length = (end - at.min(end)).min(u64::from(CHUNK_BYTES_MAX));
            self.window.resize(usize::try_from(length).unwrap_or(0), 0);
            content.read_at(at, &mut self.window)?;
            let hole = hole_in(&self.window, at, end);
            if hole == Some(0) {
                at = (at / BLOCK_BYTES + 1) * BLOCK_BYTES;
                continue;
            }
            let usable = self.window.get(..hole.unwrap_or(self.window.len())).unwrap_or_default();
            let piece = usable.get(..self.splitter.first_chunk(usable)).unwrap_or_default();
            let digest = *self.ids.chunk(piece).as_bytes();
            give(Piece { offset: at, length: piece.len() as u64, digest }, piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

/// Where the first whole block of zeros begins in a window that lies at `at`; the last block of a content may be short.
fn hole_in(window: &[u8], at: u64, end: u64) -> Option<usize> {
    let first = at.next_multiple_of(BLOCK_BYTES) - at;
    let mut begin = usize::try_from(first).ok()?;
    let block = usize::try_from(BLOCK_BYTES).ok()?;
    while begin < window.len() {
        let stop = (begin + block).min(window.len());
        let is_whole = stop - begin == block || at + stop as u64 == end;
        if is_whole && window.get(begin..stop)?.iter().all(|byte| *byte == 0) {
            return Some(begin);
        }
        begin += block;
    }
    None
}

/// Appends a piece to a list.
pub fn put(list: &mut Vec<u8>, after: u64, piece: &Piece) {
    put_varint(list, piece.offset.saturating_sub(after));
    put_varint(list, piece.length);
    list.extend_from_slice(&piece.digest);
}

/// Reads a list back. Pieces ascend and stay within the file's size.
pub fn parse(list: &[u8], size: u64) -> Result<Vec<Piece>, Malformed> {
    let mut reader = Reader::new(list, "list of pieces");
    let (mut pieces, mut at) = (Vec::new(), 0_u64);
    while reader.remaining() > 0 {
        let offset = at.checked_add(reader.varint()?).ok_or(Malformed::new("list of pieces"))?;
        let piece = Piece { offset, length: reader.varint()?, digest: reader.array()? };
        at = offset.checked_add(piece.length).filter(|end| *end <= size).ok_or(Malformed::new("list of pieces"))?;
        pieces.push(piece);
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_core::digest::{IdKey, Profile};

    struct Bytes(Vec<u8>);

    impl Content for Bytes {
        fn length(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
            let from = usize::try_from(offset).unwrap();
            bytes.copy_from_slice(&self.0[from..from + bytes.len()]);
            Ok(())
        }

        fn next_data(&self, offset: u64) -> std::io::Result<u64> {
            Ok(offset)
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    fn pieces(content: &[u8]) -> (Vec<Piece>, Vec<u8>) {
        let ids = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]));
        let (mut found, mut rebuilt) = (Vec::new(), vec![0; content.len()]);
        let give = |piece: Piece, bytes: &[u8]| {
            let from = usize::try_from(piece.offset).unwrap();
            rebuilt[from..from + bytes.len()].copy_from_slice(bytes);
            found.push(piece);
            Ok::<_, std::io::Error>(())
        };
        Cutter::new(&ids).cut(&Bytes(content.to_vec()), give).unwrap();
        (found, rebuilt)
    }

    #[test]
    fn pieces_make_up_the_content_and_holes_are_in_none() {
        let mut content = noise(1_000_000);
        content[200_000..700_000].fill(0);
        content.resize(1_100_000, 0);
        let (found, rebuilt) = pieces(&content);
        assert!(rebuilt == content);
        let covered: u64 = found.iter().map(|piece| piece.length).sum();
        // Blocks 4 to 9 are nothing but zeros, and so is what follows block 15.
        assert_eq!(covered, 10 * BLOCK_BYTES);
        assert!(found.iter().all(|piece| piece.length <= u64::from(CHUNK_BYTES_MAX)));
        assert_eq!(pieces(&vec![0; 1 << 20]).0, []);
    }

    #[test]
    fn an_insertion_moves_few_pieces() {
        let content = noise(3_000_000);
        let (before, _) = pieces(&content);
        let mut longer = content[..10].to_vec();
        longer.push(b'x');
        longer.extend_from_slice(&content[10..]);
        let (after, _) = pieces(&longer);
        let known = after.iter().filter(|piece| before.iter().any(|old| old.digest == piece.digest)).count();
        assert!(after.len() - known <= 3 && before.len() > 20, "{known} of {} are known", after.len());
    }

    #[test]
    fn a_list_comes_back_and_stays_within_the_file() {
        let (found, _) = pieces(&noise(500_000));
        let mut list = Vec::new();
        let mut after = 0;
        for piece in &found {
            put(&mut list, after, piece);
            after = piece.offset + piece.length;
        }
        assert_eq!(parse(&list, 500_000).unwrap(), found);
        assert!(parse(&list, 499_999).is_err());
    }
}
