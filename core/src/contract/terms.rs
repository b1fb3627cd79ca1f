//! A contract that has been checked, with the rules of its zones at hand.
//!
//! Only [`Contract::validate`] makes terms, so whoever holds them need not check again. They are a cache: the catalogue
//! stores contracts, and a member that has newer zone data than another makes slightly different terms of the same one.
//! That can make a run early or late, and no more, since periods are recorded by number.

use super::openings::Openings;
use super::rhythm::Rhythm;
use super::{Contract, Period};

/// The checked promise of one source.
#[derive(Clone, Debug)]
pub struct Terms {
    pub(super) contract: Contract,
    pub(super) rhythm: Rhythm,
    pub(super) openings: Openings,
}

impl Terms {
    /// The contract as it was written.
    pub const fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The number of periods after `from` and before `to`: what was left out between two runs.
    pub fn periods_between(&self, from: Period, to: Period) -> u64 {
        self.rhythm.count_between(from.second(), to.second())
    }

    pub(crate) const fn rhythm(&self) -> &Rhythm {
        &self.rhythm
    }

    pub(crate) const fn openings(&self) -> &Openings {
        &self.openings
    }

    pub(crate) const fn rpo_ms(&self) -> u64 {
        self.contract.rpo_s.saturating_mul(1000)
    }
}
