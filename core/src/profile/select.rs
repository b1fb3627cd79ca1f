//! What becomes of each class of a source under a profile.
//!
//! A class that a kept class refers to by a declared key is kept, and so on: without it, a restore could not hold the
//! source's own constraints.

use std::collections::BTreeMap;

use super::facts::ClassFacts;
use super::fit::Scope;
use super::model::{Profile, Role};
use crate::record::ClassSchema;

/// Whether a class is captured, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is captured.
    Kept,
    /// It is captured although its role says otherwise, because this class refers to it.
    KeptFor(String),
    /// It is left out, for this reason.
    LeftOut(String),
}

/// One class under a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The class.
    pub class: String,
    /// What the rules say of it.
    pub facts: ClassFacts,
    /// What becomes of it.
    pub fate: Fate,
}

/// All classes of a source under a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    classes: BTreeMap<String, Selected>,
}

impl Selection {
    /// Decides on every class.
    pub fn new<'a>(profile: &Profile, scope: &Scope, schemas: impl IntoIterator<Item = &'a ClassSchema>) -> Self {
        let schemas: Vec<&ClassSchema> = schemas.into_iter().collect();
        let mut classes: BTreeMap<String, Selected> = BTreeMap::new();
        for schema in &schemas {
            let class = schema.name.clone();
            let facts = if scope.has(&class) { profile.facts(&class) } else { ClassFacts::unknown() };
            let fate = if facts.role.is_left_out() { Fate::LeftOut(reason(&facts)) } else { Fate::Kept };
            classes.insert(class.clone(), Selected { class, facts, fate });
        }
        let mut this = Self { classes };
        this.keep_what_is_referred_to(&schemas);
        this
    }

    fn keep_what_is_referred_to(&mut self, schemas: &[&ClassSchema]) {
        let by_name: BTreeMap<&str, &ClassSchema> =
            schemas.iter().map(|schema| (schema.name.as_str(), *schema)).collect();
        let is_kept = |class: &&str| self.classes.get(*class).is_some_and(|class| !class.is_left_out());
        let mut to_follow: Vec<&str> = by_name.keys().copied().filter(is_kept).collect();
        while let Some(class) = to_follow.pop() {
            let references = by_name.get(class).map(|schema| schema.references.as_slice()).unwrap_or_default();
            for reference in references {
                let Some(target) = self.classes.get_mut(&reference.class) else { continue };
                if target.is_left_out() {
                    target.fate = Fate::KeptFor(class.to_owned());
                    to_follow.extend(by_name.get_key_value(reference.class.as_str()).map(|(name, _)| *name));
                }
            }
        }
    }

    /// One class.
    pub fn class(&self, name: &str) -> Option<&Selected> {
        self.classes.get(name)
    }

    /// All classes in the order of their names.
    pub fn classes(&self) -> impl Iterator<Item = &Selected> {
        self.classes.values()
    }

    /// Classes of which no rule speaks.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.classes().filter(|class| !class.facts.is_known).map(|class| class.class.as_str())
    }
}

impl Selected {
    /// Whether the class is left out.
    pub const fn is_left_out(&self) -> bool {
        matches!(self.fate, Fate::LeftOut(_))
    }
}

fn reason(facts: &ClassFacts) -> String {
    match (facts.role, &facts.rebuild) {
        (Role::Derived, Some(rebuild)) => format!("derived from other classes; rebuilt by: {rebuild}"),
        _ => "transient: of no use after a restore".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ClassTags;
    use crate::profile::{ClassRule, Tier};
    use crate::record::{KeySpec, Reference};

    fn schema(name: &str, refers_to: &[&str]) -> ClassSchema {
        let reference = |class: &&str| Reference {
            name: format!("to_{class}"),
            columns: Vec::new(),
            class: (*class).to_owned(),
            target_columns: Vec::new(),
        };
        ClassSchema {
            name: name.to_owned(),
            columns: Vec::new(),
            key: KeySpec::Keyless,
            references: refers_to.iter().map(reference).collect(),
            dropped_id_max: 0,
        }
    }

    fn profile() -> Profile {
        let derived = ClassRule {
            role: Some(Role::Derived),
            rebuild: Some("trace".into()),
            label: Some("path".into()),
            ..ClassRule::default()
        };
        let transient = ClassRule { role: Some(Role::Transient), ..ClassRule::default() };
        let known = ClassRule {
            tier: Some(Tier::First),
            personal: Some(vec!["mail".into()]),
            secret: Some(vec!["key".into()]),
            ..ClassRule::default()
        };
        let history = ClassRule { role: Some(Role::History), tier: Some(Tier::Third), ..ClassRule::default() };
        let rules = [("path", derived), ("tmp_*", transient), ("dev*", known), ("devlog", history)];
        Profile {
            classes: rules.into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect(),
            ..Profile::default()
        }
    }

    #[test]
    fn what_a_kept_class_refers_to_is_kept_and_so_on() {
        let schemas = [
            schema("s.dev", &["s.path", "s.dev"]),
            schema("s.path", &["s.tmp_a"]),
            schema("s.tmp_a", &[]),
            schema("s.tmp_b", &["s.dev", "s.tmp_c"]),
            schema("s.tmp_c", &["s.tmp_c"]),
            schema("s.odd", &["s.gone"]),
            schema("other.tmp_a", &[]),
        ];
        let scope = Scope::everywhere();
        let selection = Selection::new(&profile(), &scope, &schemas);
        let fate = |class: &str| selection.class(class).unwrap().fate.clone();
        assert_eq!(fate("s.dev"), Fate::Kept);
        assert_eq!(fate("s.path"), Fate::KeptFor("s.dev".into()));
        assert_eq!(fate("s.tmp_a"), Fate::KeptFor("s.path".into()));
        assert!(matches!(fate("s.tmp_b"), Fate::LeftOut(_)));
        assert!(matches!(fate("s.tmp_c"), Fate::LeftOut(_)));
        assert!(matches!(fate("other.tmp_a"), Fate::LeftOut(_)));
        assert_eq!(selection.unknown().collect::<Vec<_>>(), ["s.odd"]);
    }

    #[test]
    fn tags_and_keys_come_from_the_most_specific_rule_that_has_them() {
        let profile = profile();
        let facts = profile.facts("s.devlog");
        assert_eq!((facts.tier, facts.role), (Tier::Third, Role::History));
        let both = ClassTags::PERSONAL.with(ClassTags::SECRET);
        assert_eq!(facts.tags(), ClassTags::TIER_3.with(ClassTags::HISTORY).with(both));
        assert_eq!(profile.facts("s.device").tags(), ClassTags::TIER_1.with(both));
        assert_eq!(ClassFacts::unknown().tags(), ClassTags::TIER_2);
        assert_eq!(profile.facts("s.path").called("s.path"), "path (s.path)");
    }
}
