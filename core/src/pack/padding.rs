//! The sizes that packs are padded to, so that a size says little about its content.
//!
//! From 256 KiB on: Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
//! PURBs", 2019), which costs at most 3.2 % there. Below: eight geometric steps an octave, 2^(e + k/8) rounded up, which
//! cost at most 9.1 %. `docs/decisions/2026-11-22-padding-steps.md` has the reasons.

/// From this size on, Padmé.
const PADME_FROM: u64 = 256 * 1024;

/// 2^(k/8) · 2^16, rounded up.
const STEPS: [u64; 8] = [65_536, 71_468, 77_936, 84_990, 92_682, 101_071, 110_218, 120_194];

/// The size that a pack of `len` bytes is padded to.
pub fn padded_len(len: u64) -> u64 {
    if len < 2 {
        return len;
    }
    if len >= PADME_FROM { padme(len) } else { step(len) }
}

const fn padme(len: u64) -> u64 {
    let exponent = len.ilog2();
    let significant = exponent.ilog2() + 1;
    let mask = (1 << (exponent - significant)) - 1;
    (len.saturating_add(mask)) & !mask
}

fn step(len: u64) -> u64 {
    let exponent = len.ilog2();
    let sizes = STEPS.iter().map(|step| (step << exponent).div_ceil(1 << 16));
    sizes.into_iter().find(|size| *size >= len).unwrap_or(1 << (exponent + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn steps_are_the_eighth_roots_of_two() {
        let mut exponent = 0.0;
        for step in STEPS {
            let exact = 65_536.0 * f64::exp2(exponent);
            assert_eq!(step.to_string(), exact.ceil().to_string(), "2^{exponent}");
            exponent += 0.125;
        }
    }

    #[test]
    fn never_costs_more_than_a_tenth_and_never_shrinks() {
        let sizes = (16..600_000).chain((600_000..(80 << 20)).step_by(997));
        let mut last = 0;
        for len in sizes {
            let padded = padded_len(len);
            assert!(padded >= len && (padded - len) * 10 <= len, "{len} → {padded}");
            assert!(padded >= last, "{len} → {padded} after {last}");
            assert_eq!(padded_len(padded), padded, "{len} → {padded} is not a step");
            last = padded;
        }
    }

    #[test]
    fn small_packs_have_eight_sizes_an_octave() {
        for exponent in 8..18 {
            let sizes: BTreeSet<u64> = ((1_u64 << exponent) + 1..=1 << (exponent + 1)).map(padded_len).collect();
            assert_eq!(sizes.len(), 8, "octave {exponent}");
        }
    }
}
