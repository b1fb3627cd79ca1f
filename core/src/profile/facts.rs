//! What all rules of a profile together say of one class.

use std::collections::BTreeSet;

use super::model::{ClassRule, Profile, Role, Tier};
use super::pattern::{fits, specificity, unqualified};
use super::span::Span;
use crate::manifest::ClassTags;

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
