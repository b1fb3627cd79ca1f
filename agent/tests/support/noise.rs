//! Content that no compressor makes smaller.

/// Bytes that don't compress, a function of their number.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = length as u64 | 1;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
