//! The shape of a profile. Every key that is not known here is refused where the document is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::span::Span;
use crate::graph::rules::ReferenceRules;

/// What is known of one product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name on command lines.
    pub name: String,
    /// The product, as people call it.
    pub product: String,
    /// What it covers, in a sentence or two.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The versions of the product that it was written for, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub covers: String,
    /// How a source of the product is recognised; without it, the profile is only ever used by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognise: Option<Recognition>,
    /// Where the versions of the application and its parts stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<VersionTable>,
    /// Rules by class name or pattern.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassRule>,
    /// References beside those that the source declares.
    #[serde(default)]
    pub references: ReferenceRules,
    /// What connects the system with others, to be recorded with every snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<Integration>,
    /// Secrets that lie outside the source, and without which a restored copy does not work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_secrets: Vec<ExternalSecret>,
    /// What is to be done after a whole restore, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_restore: Vec<RestoreStep>,
}

/// How a source is recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognition {
    /// Classes that must all be there, in one schema.
    pub classes: Vec<String>,
    /// Classes of which none may be there, for products that share others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
}

/// A class whose records tell versions, such as Django's migrations: of each name, the last record counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionTable {
    /// The class.
    pub class: String,
    /// The column with the name of application or plugin.
    pub name: String,
    /// The column with its version.
    pub version: String,
    /// The column by whose greatest value the last record is known.
    pub order: String,
}

/// How early a class is needed again: 1 first, 3 last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Tier {
    /// Nothing works without it.
    First,
    /// What hangs on the first.
    Second,
    /// Notes, settings of people, history.
    Third,
}

/// A tier that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no tier {0}: give 1, 2 or 3")]
pub struct NoTier(u8);

impl TryFrom<u8> for Tier {
    type Error = NoTier;

    fn try_from(number: u8) -> Result<Self, NoTier> {
        match number {
            1 => Ok(Self::First),
            2 => Ok(Self::Second),
            3 => Ok(Self::Third),
            other => Err(NoTier(other)),
        }
    }
}

impl From<Tier> for u8 {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::First => 1,
            Tier::Second => 2,
            Tier::Third => 3,
        }
    }
}

/// Where the records of a class come from, and so whether they can be had again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Entered by people: irreplaceable.
    #[default]
    Curated,
    /// Collected by machines, which can collect it again.
    Discovered,
    /// What happened: only grows, and may name what is gone.
    History,
    /// Of the moment: left out.
    Transient,
    /// Computed from other classes: left out and rebuilt.
    Derived,
}

impl Role {
    /// The word for it in documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Curated => "curated",
            Self::Discovered => "discovered",
            Self::History => "history",
            Self::Transient => "transient",
            Self::Derived => "derived",
        }
    }

    /// Whether classes of this role are left out of snapshots.
    pub const fn is_left_out(self) -> bool {
        matches!(self, Self::Transient | Self::Derived)
    }
}

/// What is said of a class, or of all classes that fit a pattern. What is not said is taken from the next rule that
/// fits, which is less specific.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassRule {
    /// How early it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Where its records come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// How a derived class is rebuilt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<String>,
    /// What people call one of its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The columns by which people know a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Vec<String>>,
    /// Sets of columns that identify a record beside its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub natural_keys: Option<Vec<Vec<String>>>,
    /// Columns about people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<Vec<String>>,
    /// Columns with credentials and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Vec<String>>,
    /// The column that says when a record was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    /// How old the newest change of the class may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Span>,
    /// How much smaller than in the preceding snapshot the class may be, in percent of its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrink_percent_max: Option<u8>,
    /// The versions of the product that have the class, in words, where not all have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_in: Option<String>,
}

/// Something that connects the system with others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// What it is, for example `webhooks`.
    pub name: String,
    /// The class that holds it.
    pub class: String,
    /// The columns whose different values are recorded.
    pub columns: Vec<String>,
}

/// A secret outside the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalSecret {
    /// What it is called where it lies.
    pub name: String,
    /// What does not work without it.
    pub why: String,
}

/// A step after a whole restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreStep {
    /// What to do.
    pub step: String,
    /// What for.
    pub why: String,
}
