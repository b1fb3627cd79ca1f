//! Places: jurisdictions, regions and sites.
//!
//! Owns the three tables and how they refer to each other. A place that something refers to is neither removed nor moved
//! elsewhere, so that what lies in it never becomes unlawful by a change of words. What a jurisdiction's name covers can
//! change; packs are then judged anew.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::command::{Audited, Effect};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::tables::tables;
use super::text::{CountryCode, JurisdictionName, Name};

/// Most countries under one name; there are fewer than 256 codes.
pub const CODES_MAX: usize = 256;

tables! {
    /// Jurisdictions by name.
    Jurisdictions = JURISDICTIONS: JurisdictionName => JurisdictionRow;
    /// Regions by name.
    Regions = REGIONS: Name => RegionRow;
    /// Sites by name.
    Sites = SITES: Name => SiteRow;
}

/// A legal territory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JurisdictionRow {
    /// The countries that it covers: one, or a group.
    pub codes: BTreeSet<CountryCode>,
    /// Regions and sources that refer to it.
    pub references: u32,
}

/// A failure domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionRow {
    /// Under which law it lies.
    pub jurisdiction: JurisdictionName,
    /// Sites and members that refer to it.
    pub references: u32,
}

/// A location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRow {
    /// The region that it lies in.
    pub region: Name,
    /// Depots and agents that refer to it.
    pub references: u32,
}

/// Defines a jurisdiction, or changes what it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutJurisdiction {
    /// The country's code, or the group's name.
    pub name: JurisdictionName,
    /// ISO 3166-1 codes of the countries that it covers; for a country its own.
    pub codes: BTreeSet<CountryCode>,
}

/// Takes away a jurisdiction that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveJurisdiction {
    /// Its name.
    pub name: JurisdictionName,
}

/// Defines a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutRegion {
    /// Its name.
    pub name: Name,
    /// Under which law it lies.
    pub jurisdiction: JurisdictionName,
}

/// Takes away a region that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveRegion {
    /// Its name.
    pub name: Name,
}

/// Defines a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutSite {
    /// Its name.
    pub name: Name,
    /// The region that it lies in.
    pub region: Name,
}

/// Takes away a site that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveSite {
    /// Its name.
    pub name: Name,
}

impl Effect for PutJurisdiction {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("jurisdiction.put", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        require((1..=CODES_MAX).contains(&self.codes.len()), Refusal::TooMany(Thing::Jurisdiction))?;
        let is_itself = self.name.country().is_none_or(|country| self.codes.iter().eq([&country]));
        require(is_itself, Refusal::CountryMismatch)?;
        let old = cx.change.get::<Jurisdictions>(&self.name)?;
        if old.as_ref().is_some_and(|old| old.references > 0 && old.codes != self.codes) {
            cx.count_up(Counter::PlacementVersion)?;
        }
        let references = old.map_or(0, |old| old.references);
        cx.put::<Jurisdictions>(&self.name, &JurisdictionRow { codes: self.codes.clone(), references })?;
        Ok(Answer::Applied)
    }
}

impl Effect for RemoveJurisdiction {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("jurisdiction.remove", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Jurisdictions>(&self.name, Thing::Jurisdiction)?;
        require(row.references == 0, Refusal::Referenced(Thing::Jurisdiction))?;
        cx.change.remove::<Jurisdictions>(&self.name);
        Ok(Answer::Applied)
    }
}

impl Effect for PutRegion {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("region.put", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let old = cx.change.get::<Regions>(&self.name)?;
        if let Some(old) = &old {
            if old.jurisdiction == self.jurisdiction {
                return Ok(Answer::Applied);
            }
            require(old.references == 0, Refusal::Referenced(Thing::Region))?;
            cx.release_jurisdiction(&old.jurisdiction)?;
        }
        cx.refer_to_jurisdiction(&self.jurisdiction)?;
        cx.put::<Regions>(&self.name, &RegionRow { jurisdiction: self.jurisdiction.clone(), references: 0 })?;
        Ok(Answer::Applied)
    }
}

impl Effect for RemoveRegion {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("region.remove", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Regions>(&self.name, Thing::Region)?;
        require(row.references == 0, Refusal::Referenced(Thing::Region))?;
        cx.release_jurisdiction(&row.jurisdiction)?;
        cx.change.remove::<Regions>(&self.name);
        Ok(Answer::Applied)
    }
}

impl Effect for PutSite {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("site.put", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let old = cx.change.get::<Sites>(&self.name)?;
        if let Some(old) = &old {
            if old.region == self.region {
                return Ok(Answer::Applied);
            }
            require(old.references == 0, Refusal::Referenced(Thing::Site))?;
            cx.release_region(&old.region)?;
        }
        cx.refer_to_region(&self.region)?;
        cx.put::<Sites>(&self.name, &SiteRow { region: self.region.clone(), references: 0 })?;
        Ok(Answer::Applied)
    }
}

impl Effect for RemoveSite {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("site.remove", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Sites>(&self.name, Thing::Site)?;
        require(row.references == 0, Refusal::Referenced(Thing::Site))?;
        cx.release_region(&row.region)?;
        cx.change.remove::<Sites>(&self.name);
        Ok(Answer::Applied)
    }
}

macro_rules! references {
    ($($refer:ident, $release:ident, $name:ident, $table:ident, $thing:ident;)*) => {
        impl Context<'_> {
            $(
                /// Notes one more reference to a place, which must be there.
                pub(in crate::state) fn $refer(&mut self, name: &$name) -> Result<(), Fault> {
                    let mut row = self.need::<$table>(name, Thing::$thing)?;
                    row.references = row.references.saturating_add(1);
                    self.put::<$table>(name, &row)
                }

                /// Notes one reference less.
                pub(in crate::state) fn $release(&mut self, name: &$name) -> Result<(), Fault> {
                    let mut row = self.need::<$table>(name, Thing::$thing)?;
                    row.references = row.references.saturating_sub(1);
                    self.put::<$table>(name, &row)
                }
            )*
        }
    };
}

references! {
    refer_to_jurisdiction, release_jurisdiction, JurisdictionName, Jurisdictions, Jurisdiction;
    refer_to_region, release_region, Name, Regions, Region;
    refer_to_site, release_site, Name, Sites, Site;
}
