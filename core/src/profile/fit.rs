//! Whether a source is of the product of a profile, and which of its schemas are.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Profile;
use super::pattern::split;

/// The schemas to which a profile's rules apply. Tables of the same name elsewhere are something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    schemas: Option<BTreeSet<String>>,
}

impl Scope {
    /// All schemas.
    pub const fn everywhere() -> Self {
        Self { schemas: None }
    }

    /// Whether the rules apply to a class.
    pub fn has(&self, class: &str) -> bool {
        self.schemas.as_ref().is_none_or(|schemas| schemas.contains(split(class).0))
    }
}

impl Profile {
    /// Where in a source the product is; nothing if the source is not of it, or if the profile does not say how its
    /// product is recognised.
    pub fn recognise<'a>(&self, classes: impl IntoIterator<Item = &'a str>) -> Option<Scope> {
        let wanted = self.recognise.as_ref()?;
        let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for class in classes {
            let (schema, table) = split(class);
            tables.entry(schema).or_default().insert(table);
        }
        let has = |tables: &BTreeSet<&str>, name: &String| tables.contains(name.as_str());
        let fits = |tables: &BTreeSet<&str>| {
            wanted.classes.iter().all(|name| has(tables, name)) && !wanted.absent.iter().any(|name| has(tables, name))
        };
        let schemas: BTreeSet<String> =
            tables.iter().filter(|(_, tables)| fits(tables)).map(|(schema, _)| (*schema).to_owned()).collect();
        (!schemas.is_empty()).then_some(Scope { schemas: Some(schemas) })
    }

    /// Why a source is not of the product, in words.
    pub fn misfit<'a>(&self, classes: impl IntoIterator<Item = &'a str>) -> String {
        let tables: BTreeSet<&str> = classes.into_iter().map(|class| split(class).1).collect();
        let Some(wanted) = &self.recognise else { return "the profile does not say how it is recognised".to_owned() };
        let is_there = |name: &&String| tables.contains(name.as_str());
        let list = |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let missing: Vec<&String> = wanted.classes.iter().filter(|name| !is_there(name)).collect();
        let strange: Vec<&String> = wanted.absent.iter().filter(is_there).collect();
        match (missing.is_empty(), strange.is_empty()) {
            (false, _) => format!("it has no class {}", list(missing)),
            (true, false) => format!("it has {}, which {} does not have", list(strange), self.product),
            (true, true) => "no schema has all classes that tell the product".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Recognition;

    fn profile() -> Profile {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let recognise = Recognition { classes: words(&["device", "site"]), absent: words(&["other"]) };
        Profile { name: "x".into(), product: "X".into(), recognise: Some(recognise), ..Profile::default() }
    }

    #[test]
    fn a_product_is_recognised_in_one_schema() {
        let scope = profile().recognise(["a.device", "a.site", "b.device", "b.core_job"]).unwrap();
        assert!(scope.has("a.anything") && !scope.has("b.core_job"));
        assert!(profile().recognise(["device", "site", "x"]).unwrap().has("x"));
        assert_eq!(profile().recognise(["a.device", "b.site"]), None);
        assert_eq!(profile().recognise(["a.device", "a.site", "a.other"]), None);
        assert_eq!(Profile { recognise: None, ..profile() }.recognise(["device", "site"]), None);
    }

    #[test]
    fn why_a_source_is_not_of_the_product_is_told() {
        assert_eq!(profile().misfit(["a.device"]), "it has no class site");
        assert_eq!(profile().misfit(["device", "site", "other"]), "it has other, which X does not have");
    }
}
