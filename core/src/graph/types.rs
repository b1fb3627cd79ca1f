//! Types of generic references: how they become classes.
//!
//! Owns the template of a class's name and the map from a type, as a record holds it, to where it leads.

use std::collections::BTreeMap;

use super::names::short;
use super::plan::SetId;
use super::rules::RuleError;
use super::said::put_text;

/// Where a type leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypeLead {
    /// To the key of a class.
    Set(SetId),
    /// To a class that is there and can't be judged, or that is not to be.
    Elsewhere,
    /// To a class that is not there: its name.
    NoClass(String),
}

/// Types by what a type column says.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeMap {
    leads: BTreeMap<Vec<u8>, TypeLead>,
}

impl TypeMap {
    pub(super) fn put(&mut self, said: Vec<u8>, lead: TypeLead) {
        self.leads.insert(said, lead);
    }

    /// Where the type leads that a column says; nothing if it is unknown.
    pub(super) fn get(&self, said: &[u8]) -> Option<&TypeLead> {
        self.leads.get(said)
    }

    /// Where the type leads that a text says.
    pub(super) fn of_text(&self, text: &str) -> Option<&TypeLead> {
        let mut said = Vec::new();
        put_text(&mut said, text.as_bytes());
        self.get(&said)
    }

    /// The types that lead to a set, as columns say them.
    pub(super) fn types_of(&self, set: SetId) -> impl Iterator<Item = &[u8]> {
        let leads = move |lead: &TypeLead| *lead == TypeLead::Set(set);
        self.leads.iter().filter(move |(_, lead)| leads(lead)).map(|(said, _)| said.as_slice())
    }
}

/// A name with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<(String, String)>,
    end: String,
}

impl Template {
    /// Reads a template such as `{app_label}_{model}` or `glpi_{}`.
    pub(super) fn parse(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Template { template: text.to_owned() };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or_else(wrong)?;
            parts.push((before.to_owned(), place.to_owned()));
            rest = after;
        }
        if parts.is_empty() { Err(wrong()) } else { Ok(Self { parts, end: rest.to_owned() }) }
    }

    /// The names of its places.
    pub(super) fn places(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(_, place)| place.as_str())
    }

    /// The name with values in its places.
    pub(super) fn fill(&self, values: &[String]) -> String {
        let mut name = String::new();
        for ((before, _), value) in self.parts.iter().zip(values) {
            name.push_str(before);
            name.push_str(value);
        }
        name + &self.end
    }

    /// The value with which a template of one place gives a class's name, with or without its schema.
    pub(super) fn value_of<'c>(&self, class: &'c str) -> Option<&'c str> {
        let [(before, _)] = self.parts.as_slice() else { return None };
        let of = |name: &'c str| name.strip_prefix(before.as_str())?.strip_suffix(self.end.as_str());
        of(class).filter(|_| before.contains('.')).or_else(|| of(short(class)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_makes_names_and_finds_what_makes_them() {
        let django = Template::parse("public.{app_label}_{model}").unwrap();
        assert_eq!(django.places().collect::<Vec<_>>(), ["app_label", "model"]);
        assert_eq!(django.fill(&["dcim".into(), "cable".into()]), "public.dcim_cable");
        let plural = Template::parse("glpi_{}s").unwrap();
        assert_eq!(plural.value_of("db.glpi_computers"), Some("computer"));
        assert_eq!(plural.value_of("db.other"), None);
        assert_eq!(Template::parse("{}").unwrap().value_of("public.device"), Some("device"));
        assert_eq!(Template::parse("public.{}").unwrap().value_of("public.device"), Some("device"));
        assert!(Template::parse("none").is_err() && Template::parse("{open").is_err());
    }
}
