//! Whether a pack lies where its source's contract wants it.
//!
//! Owns the judgement of one pack: how many depots that are trusted and lawful hold it, in how many regions. A depot is
//! lawful if every country of its region's jurisdiction is named by the contract. Nothing here widens what the contract
//! allows, and a depot that can't be judged does not count.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strongroom_core::contract::COPIES_MAX;
use strongroom_core::id::{DepotId, MerkleRoot, PackId};

use super::context::Context;
use super::contracts::ContractTerms;
use super::depots::{DepotState, Depots};
use super::outcome::{Fault, Refusal, Thing, require};
use super::places::{Jurisdictions, Regions, Sites};
use super::tables::tables;
use super::text::{CountryCode, Name};

/// Most copies of a pack that are known: twice what any contract asks for, which is room for moving.
pub const PACK_COPIES_MAX: usize = 16;

const _: () = assert!(2 * COPIES_MAX as usize <= PACK_COPIES_MAX, "all copies of a pack can move at once");

tables! {
    /// Which depot has receipted a pack.
    PackCopies = PACK_COPIES: (PackId, DepotId) => CopyRow;
}

/// A copy of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRow {
    /// The depot's generation when it gave its receipt.
    pub generation: u32,
    /// The root of the receipt.
    pub receipt: MerkleRoot,
}

/// Judges the packs of one source under its contract. Remembers what it learnt of depots while one command lasts.
pub(in crate::state) struct Judge {
    copies: usize,
    regions: usize,
    allowed: BTreeSet<CountryCode>,
    depots: BTreeMap<DepotId, Option<Standing>>,
}

/// A depot that counts.
#[derive(Clone)]
pub(in crate::state) struct Standing {
    region: Name,
    pub(in crate::state) generation: u32,
}

impl Judge {
    /// The judge for a contract. Reads one row for each jurisdiction that it names.
    pub(in crate::state) fn new(cx: &Context<'_>, terms: &ContractTerms) -> Result<Self, Fault> {
        let mut allowed = BTreeSet::new();
        for name in &terms.jurisdictions {
            allowed.extend(cx.need::<Jurisdictions>(name, Thing::Jurisdiction)?.codes);
        }
        let (copies, regions) = (terms.copies.into(), terms.regions.into());
        Ok(Self { copies, regions, allowed, depots: BTreeMap::new() })
    }

    /// The standing of a depot that is about to give a receipt; refused if the depot does not count.
    pub(in crate::state) fn require_lawful(&mut self, cx: &Context<'_>, depot: DepotId) -> Result<Standing, Fault> {
        let row = cx.need::<Depots>(&depot, Thing::Depot)?;
        require(row.state != DepotState::Lost, Refusal::DepotLost)?;
        Ok(self.standing(cx, depot)?.ok_or(Refusal::Unlawful)?)
    }

    /// Whether the copies of a pack are enough. Reads at most [`PACK_COPIES_MAX`] copies.
    pub(in crate::state) fn is_placed(&mut self, cx: &Context<'_>, pack: PackId) -> Result<bool, Fault> {
        let copies = cx.change.list_before::<PackCopies>(pack.as_bytes(), None, PACK_COPIES_MAX)?;
        let copies: Vec<_> = copies.into_iter().map(|((_, depot), copy)| (depot, copy.generation)).collect();
        self.is_enough(cx, &copies)
    }

    /// Whether copies in these depots, each receipted in this generation, are enough.
    pub(in crate::state) fn is_enough(&mut self, cx: &Context<'_>, copies: &[(DepotId, u32)]) -> Result<bool, Fault> {
        let mut counted = 0_usize;
        let mut regions = BTreeSet::new();
        for (depot, generation) in copies {
            if let Some(standing) = self.standing(cx, *depot)?.filter(|standing| standing.generation == *generation) {
                counted += 1;
                regions.insert(standing.region);
            }
        }
        Ok(counted >= self.copies && regions.len() >= self.regions)
    }

    fn standing(&mut self, cx: &Context<'_>, depot: DepotId) -> Result<Option<Standing>, Fault> {
        if let Some(known) = self.depots.get(&depot) {
            return Ok(known.clone());
        }
        let standing = self.look_up(cx, depot)?;
        self.depots.insert(depot, standing.clone());
        Ok(standing)
    }

    fn look_up(&self, cx: &Context<'_>, depot: DepotId) -> Result<Option<Standing>, Fault> {
        let Some(row) = cx.change.get::<Depots>(&depot)? else { return Ok(None) };
        if row.state == DepotState::Lost {
            return Ok(None);
        }
        let region = cx.need::<Sites>(&row.site, Thing::Site)?.region;
        let jurisdiction = cx.need::<Regions>(&region, Thing::Region)?.jurisdiction;
        let codes = cx.need::<Jurisdictions>(&jurisdiction, Thing::Jurisdiction)?.codes;
        Ok(codes.is_subset(&self.allowed).then_some(Standing { region, generation: row.generation }))
    }
}
