//! The schema of a class: its columns with their stable ids, its key and its references.
//!
//! Column ids are Strongroom's own. A column keeps its id for the life of the class line, under whatever name; the id
//! of a dropped column is never given again. So records stay the same when a column is added, renamed or dropped.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::IdFunctions;
use crate::id::SchemaDigest;

use super::value::Codec;

/// The stable number of a column within its class, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnId(pub u32);

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The stable id.
    pub id: ColumnId,
    /// The name in the source.
    pub name: String,
    /// The type as the source writes it, for example `character varying(64)`.
    pub source_type: String,
    /// How values stand in records.
    pub codec: Codec,
    /// Whether the source allows NULL.
    pub nullable: bool,
    /// The source's own number of the column (`attnum`, `cid`), by which a renamed column is known again.
    pub source_ordinal: u32,
}

/// What identifies a record within its class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySpec {
    /// The values of these columns, in this order.
    Columns(Vec<ColumnId>),
    /// Nothing: the record digest, and an ordinal among equal records.
    Keyless,
}

/// A reference that the source declares: a foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The constraint's name.
    pub name: String,
    /// The referring columns, in order.
    pub columns: Vec<ColumnId>,
    /// The class referred to.
    pub class: String,
    /// The names of the columns referred to, in order.
    pub target_columns: Vec<String>,
}

/// The schema of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSchema {
    /// What the source calls the class, `schema.table` in SQL. A part is written plain, unless it is empty or holds a dot
    /// or a quote: then as SQL quotes it.
    pub name: String,
    /// Columns by ascending id.
    pub columns: Vec<Column>,
    /// The key.
    pub key: KeySpec,
    /// Declared references.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// The greatest id of a column that was dropped from this class line; 0 where none was.
    #[serde(default)]
    pub dropped_id_max: u32,
}

/// A schema that can't describe records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Column ids are not ascending from 1.
    #[error("column ids of class {class} do not ascend")]
    Order {
        /// The class.
        class: String,
    },
    /// A key names a column that the class lacks.
    #[error("class {class} has a key column {column} that it does not have")]
    KeyColumn {
        /// The class.
        class: String,
        /// The id of the column.
        column: u32,
    },
}

impl ClassSchema {
    /// Checks what the encoder and every reader rely on.
    pub fn validate(&self) -> Result<(), SchemaError> {
        let ascending = self.columns.windows(2).all(|pair| matches!(pair, [a, b] if a.id < b.id));
        if !ascending || self.columns.first().is_some_and(|column| column.id.0 == 0) {
            return Err(SchemaError::Order { class: self.name.clone() });
        }
        if let KeySpec::Columns(ids) = &self.key {
            for id in ids {
                if self.column(*id).is_none() {
                    return Err(SchemaError::KeyColumn { class: self.name.clone(), column: id.0 });
                }
            }
        }
        Ok(())
    }

    /// The column with this id.
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        let at = self.columns.binary_search_by_key(&id, |column| column.id).ok()?;
        self.columns.get(at)
    }

    /// The column with this name.
    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether the class has no key of its own.
    pub const fn is_keyless(&self) -> bool {
        matches!(self.key, KeySpec::Keyless)
    }

    /// The digest that enters the class root. It covers what gives records their meaning: names, types, codecs and key,
    /// but not the source's own numbering, which a restore may change.
    pub fn digest(&self, ids: &IdFunctions) -> SchemaDigest {
        let mut text = Vec::new();
        let mut put = |part: &str| crate::codec::put_bytes(&mut text, part.as_bytes());
        put(&self.name);
        for column in &self.columns {
            put(&column.id.0.to_string());
            put(&column.name);
            put(&column.source_type);
            put(column.codec.name());
            put(if column.nullable { "null" } else { "not null" });
        }
        put("key");
        match &self.key {
            KeySpec::Columns(ids) => ids.iter().for_each(|id| put(&id.0.to_string())),
            KeySpec::Keyless => put("keyless"),
        }
        ids.schema(&text)
    }

    /// Gives the columns of `self`, as freshly read from the source, the ids that `earlier` gave them: by name where
    /// the codec still agrees, else, for a column that was renamed, by the source's own number. New columns get ids that
    /// were never given before. Columns are then in ascending order of ids, and key and references follow.
    pub fn adopt_ids(&mut self, earlier: &Self) {
        let mut next = earlier.next_column_id();
        let mut taken = BTreeSet::new();
        let mut renumbered = BTreeMap::new();
        let fits = |column: &Column, old: &Column| old.codec == column.codec;
        for column in &self.columns {
            if let Some(old) = earlier.column_named(&column.name).filter(|old| fits(column, old)) {
                taken.insert(old.id);
                renumbered.insert(column.id, old.id);
            }
        }
        let names: BTreeSet<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        for column in &self.columns {
            if renumbered.contains_key(&column.id) {
                continue;
            }
            let renamed = earlier.columns.iter().find(|old| {
                old.source_ordinal == column.source_ordinal
                    && old.source_type == column.source_type
                    && fits(column, old)
                    && !names.contains(old.name.as_str())
                    && !taken.contains(&old.id)
            });
            let id = renamed.map_or_else(
                || {
                    next += 1;
                    ColumnId(next - 1)
                },
                |old| old.id,
            );
            taken.insert(id);
            renumbered.insert(column.id, id);
        }
        let renumber = |id: &mut ColumnId| *id = renumbered.get(id).copied().unwrap_or(*id);
        self.columns.iter_mut().for_each(|column| renumber(&mut column.id));
        self.columns.sort_by_key(|column| column.id);
        if let KeySpec::Columns(ids) = &mut self.key {
            ids.iter_mut().for_each(renumber);
        }
        self.references.iter_mut().flat_map(|reference| &mut reference.columns).for_each(renumber);
        let dropped = earlier.columns.iter().map(|column| column.id).filter(|id| !taken.contains(id)).max();
        self.dropped_id_max = earlier.dropped_id_max.max(dropped.map_or(0, |id| id.0));
    }

    /// The id that the next new column gets.
    fn next_column_id(&self) -> u32 {
        self.columns.last().map_or(0, |column| column.id.0).max(self.dropped_id_max) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, u32)]) -> ClassSchema {
        let column = |(at, (name, ordinal)): (usize, &(&str, u32))| Column {
            id: ColumnId(u32::try_from(at).unwrap() + 1),
            name: (*name).to_owned(),
            source_type: "text".to_owned(),
            codec: Codec::Text,
            nullable: true,
            source_ordinal: *ordinal,
        };
        ClassSchema {
            name: "public.t".to_owned(),
            columns: columns.iter().enumerate().map(column).collect(),
            key: KeySpec::Columns(vec![ColumnId(1)]),
            references: Vec::new(),
            dropped_id_max: 0,
        }
    }

    fn ids(schema: &ClassSchema) -> Vec<(&str, u32)> {
        schema.columns.iter().map(|column| (column.name.as_str(), column.id.0)).collect()
    }

    #[test]
    fn a_column_keeps_its_id_and_a_dropped_one_never_comes_back() {
        let first = schema(&[("id", 1), ("name", 2), ("note", 3)]);
        let mut dropped = schema(&[("id", 1), ("name", 2)]);
        dropped.adopt_ids(&first);
        assert_eq!(ids(&dropped), [("id", 1), ("name", 2)]);
        let mut added = schema(&[("id", 1), ("name", 2), ("size", 4)]);
        added.adopt_ids(&dropped);
        assert_eq!(ids(&added), [("id", 1), ("name", 2), ("size", 4)]);
        let mut renamed = schema(&[("size", 4), ("label", 2), ("id", 1)]);
        renamed.key = KeySpec::Columns(vec![ColumnId(3)]);
        renamed.adopt_ids(&added);
        assert_eq!(ids(&renamed), [("id", 1), ("label", 2), ("size", 4)]);
        assert_eq!(renamed.key, KeySpec::Columns(vec![ColumnId(1)]));
        assert_eq!(renamed.validate(), Ok(()));
    }

    #[test]
    fn columns_that_the_source_numbers_anew_are_known_by_their_names() {
        let first = schema(&[("id", 1), ("gone", 2), ("name", 3)]);
        let mut second = schema(&[("id", 1), ("name", 2)]);
        second.adopt_ids(&first);
        assert_eq!(ids(&second), [("id", 1), ("name", 3)]);
    }
}
