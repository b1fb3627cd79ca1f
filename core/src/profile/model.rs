//! The shape of a profile. Every key that is not known here is refused where the document is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pattern::{fits, specificity, unqualified};
use super::span::Span;
use crate::graph::rules::ReferenceRules;
use crate::manifest::ClassTags;

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

/// What all rules together say of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFacts {
    /// Whether any rule speaks of it.
    pub is_known: bool,
    /// How early it is needed; the second tier where nobody says.
    pub tier: Tier,
    /// Where its records come from.
    pub role: Role,
    /// How it is rebuilt, if it is derived.
    pub rebuild: Option<String>,
    /// What people call one of its records.
    pub label: Option<String>,
    /// The columns by which people know a record.
    pub display: Vec<String>,
    /// Sets of columns that identify a record beside its key.
    pub natural_keys: Vec<Vec<String>>,
    /// Columns about people.
    pub personal: BTreeSet<String>,
    /// Columns with credentials.
    pub secret: BTreeSet<String>,
    /// The column of the last change.
    pub updated: Option<String>,
    /// How old the newest change may be.
    pub stale_after: Option<Span>,
    /// How much smaller it may have become, in percent.
    pub shrink_percent_max: Option<u8>,
}

impl Profile {
    /// What the rules say of a class. A name or pattern with a dot is compared with the whole name of the class, one
    /// without with the name without its schema. Of all that fit, each key is taken from the most specific that has it;
    /// columns about people and secret ones are taken from all.
    pub fn facts(&self, class: &str) -> ClassFacts {
        let short = unqualified(class);
        let fitting = |name: &&String| fits(name, if name.contains('.') { class } else { short });
        let mut names: Vec<&String> = self.classes.keys().filter(fitting).collect();
        names.sort_by(|a, b| specificity(b).cmp(&specificity(a)));
        let rules: Vec<&ClassRule> = names.iter().filter_map(|name| self.classes.get(*name)).collect();
        let all = |columns: fn(&ClassRule) -> &Option<Vec<String>>| {
            rules.iter().filter_map(|rule| columns(rule).as_ref()).flatten().cloned().collect()
        };
        let role = first(&rules, |rule| rule.role).unwrap_or_default();
        ClassFacts {
            is_known: !rules.is_empty(),
            tier: first(&rules, |rule| rule.tier).unwrap_or(Tier::Second),
            role,
            rebuild: first(&rules, |rule| rule.rebuild.clone()).filter(|_| role == Role::Derived),
            label: first(&rules, |rule| rule.label.clone()),
            display: first(&rules, |rule| rule.display.clone()).unwrap_or_default(),
            natural_keys: first(&rules, |rule| rule.natural_keys.clone()).unwrap_or_default(),
            personal: all(|rule| &rule.personal),
            secret: all(|rule| &rule.secret),
            updated: first(&rules, |rule| rule.updated.clone()),
            stale_after: first(&rules, |rule| rule.stale_after),
            shrink_percent_max: first(&rules, |rule| rule.shrink_percent_max),
        }
    }
}

/// The value of the first rule that has one.
fn first<T>(rules: &[&ClassRule], value: impl Fn(&ClassRule) -> Option<T>) -> Option<T> {
    rules.iter().find_map(|rule| value(rule))
}

impl ClassFacts {
    /// What is known of a class of which nothing is known.
    pub fn unknown() -> Self {
        Profile::default().facts("")
    }

    /// What policy may know of the class.
    pub fn tags(&self) -> ClassTags {
        let tier = match self.tier {
            Tier::First => ClassTags::TIER_1,
            Tier::Second => ClassTags::TIER_2,
            Tier::Third => ClassTags::TIER_3,
        };
        let flags = [
            (self.role == Role::History, ClassTags::HISTORY),
            (!self.personal.is_empty(), ClassTags::PERSONAL),
            (!self.secret.is_empty(), ClassTags::SECRET),
        ];
        flags.into_iter().filter(|(is_set, _)| *is_set).fold(tier, |tags, (_, tag)| tags.with(tag))
    }

    /// What people call the class in a sentence: `device (public.dcim_device)`, or its name alone.
    pub fn called(&self, class: &str) -> String {
        self.label.as_ref().map_or_else(|| class.to_owned(), |label| format!("{label} ({class})"))
    }
}
