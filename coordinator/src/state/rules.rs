//! The rules by which the group itself works: when a write counts as agreed on, and in which region its leader is to be.
//!
//! Owns one row. It says what operators want; what comes of it depends on where the voters lie, and is for the leader to
//! see to. A group that nobody told otherwise agrees across regions, as soon as its voters lie in more than one.
//!
//! Both commands name the version of the row that their caller saw, and so are their own retry. They must be: while a
//! region is away, a group that agrees across regions takes no session either.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::places::Regions;
use super::rows::{Rows, Unreadable};
use super::tables::tables;
use super::text::Name;

/// Most regions that an order of preference names: each one is looked at on every tick of a leader.
pub const PREFERRED_MAX: usize = 16;

tables! {
    /// The one row of rules.
    GroupRules = GROUP_RULES: () => RulesRow;
}

/// The rules of the group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesRow {
    /// Counts the changes of this row.
    pub version: u64,
    /// When a write counts as agreed on.
    pub commit: CommitRule,
    /// Where the leader is to be: the most preferred region first; empty if it is all the same.
    pub preferred: Vec<Name>,
}

/// When a write counts as agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitRule {
    /// A majority has it, and with it members of two regions, as long as the voters lie in two or more.
    #[default]
    AcrossRegions,
    /// A majority has it, wherever its members lie.
    AnyMajority,
}

impl CommitRule {
    /// The rule's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcrossRegions => "across-regions",
            Self::AnyMajority => "any-majority",
        }
    }

    /// The rule of a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::AcrossRegions, Self::AnyMajority].into_iter().find(|rule| rule.as_str() == name)
    }
}

/// Says when a write counts as agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCommitRule {
    /// The version of the rules that the caller saw.
    pub seen: u64,
    /// The rule from here on.
    pub rule: CommitRule,
}

/// Says in which regions the leader is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferRegions {
    /// The version of the rules that the caller saw.
    pub seen: u64,
    /// The most preferred region first; empty if it is all the same.
    pub regions: Vec<Name>,
}

impl Effect for SetCommitRule {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("group.commit", &self.rule.as_str()))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        change(cx, self.seen, |row| row.commit = self.rule)
    }
}

impl Effect for PreferRegions {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("group.prefer", &self.regions.first().map_or("any", Name::as_str)))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let distinct: BTreeSet<&Name> = self.regions.iter().collect();
        let is_order = distinct.len() == self.regions.len() && distinct.len() <= PREFERRED_MAX;
        require(is_order, Refusal::TooMany(Thing::Region))?;
        for region in &self.regions {
            cx.need::<Regions>(region, Thing::Region)?;
        }
        change(cx, self.seen, |row| row.preferred.clone_from(&self.regions))
    }
}

/// Changes the row as its caller saw it. What is so already, by the very change that is asked for again, is done.
fn change(cx: &mut Context<'_>, seen: u64, set: impl FnOnce(&mut RulesRow)) -> Effected {
    let row = rules_before(cx)?;
    let mut changed = row.clone();
    set(&mut changed);
    if row.version == seen.saturating_add(1) && changed == row {
        return Ok(Answer::Applied);
    }
    require(row.version == seen, Refusal::Changed(Thing::Rules))?;
    changed.version = seen.saturating_add(1);
    cx.put::<GroupRules>(&(), &changed)?;
    Ok(Answer::Applied)
}

fn rules_before(cx: &Context<'_>) -> Result<RulesRow, Fault> {
    Ok(cx.change.get::<GroupRules>(&())?.unwrap_or_default())
}

/// The rules of the group.
pub fn rules(rows: &Rows) -> Result<RulesRow, Unreadable> {
    Ok(rows.get::<GroupRules>(&())?.unwrap_or_default())
}
