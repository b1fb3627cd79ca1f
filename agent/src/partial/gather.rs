//! What a partial restore is about: from what was asked for to records in three states.
//!
//! The snapshot says what is wanted, the target what is there, and the source's newest snapshot what both last had in
//! common. Records that others need or own are brought along as they are asked for, level by level, so that the target
//! is asked once a level and class and not once a record.

use std::collections::{BTreeMap, HashMap};

use strongroom_core::graph::Target;
use strongroom_core::graph::rules::ReferenceRules;
use strongroom_core::record::{ClassSchema, KeyPlan};

use super::admit::planned_class;
use super::ask::{Asker, RECORDS_MAX, ROW_BYTES_MAX, too_much};
use super::error::PartialError;
use super::intention::{Gathered, Intention, Known};
use super::plan::{Base, Conflict, Origin, Policy, Triple};
use super::related::{Related, Undeclared, Written};
use super::row::{Row, Value, key_columns};
use super::snapshot::{RowsByKey, SnapshotRows};
use super::whole::compare_class;
use crate::live::LiveReference;
use crate::view::{ObjectStore, SnapshotView};

/// Steps from a record that was asked for to one that is brought along.
const LEVELS_MAX: usize = 32;

/// A record that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedRecord {
    /// Its class, as the snapshot calls it.
    pub class: String,
    /// Its key as it was written.
    pub text: String,
    /// The encoded keys that this may stand for.
    pub keys: Vec<Vec<u8>>,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whole classes.
    pub classes: Vec<String>,
    /// Single records.
    pub records: Vec<AskedRecord>,
    /// What records refer to and the target lacks, too.
    pub with_references: bool,
    /// What belongs to records and the target lacks, too.
    pub with_owned: bool,
    /// Whether records of whole classes that the snapshot lacks are deleted.
    pub delete_extra: bool,
}

/// Records of a snapshot.
pub struct FromSnapshot<'a, S: ObjectStore>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    rows: SnapshotRows<'a, S>,
    related: Related,
    newest: Option<SnapshotRows<'a, S>>,
    asked: Asked,
    policy: Policy,
}

impl<'a, S: ObjectStore> FromSnapshot<'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    /// Records of a snapshot. `newest` is the source's newest one, if that is another; `rules` say what is known of
    /// references beside those that the source declares.
    pub fn new(
        view: &'a SnapshotView<'a, S>,
        newest: Option<&'a SnapshotView<'a, S>>,
        rules: &ReferenceRules,
        asked: Asked,
        policy: Policy,
    ) -> Result<Self, PartialError> {
        let rows = SnapshotRows::new(view);
        let related = Related::new(&rows, rules)?;
        Ok(Self { rows, related, newest: newest.map(SnapshotRows::new), asked, policy })
    }
}

impl<S: ObjectStore> Known for FromSnapshot<'_, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    fn schema(&self, class: &str) -> Option<&ClassSchema> {
        self.rows.schema(class)
    }

    fn find(
        &self,
        from: &ClassSchema,
        reference: &LiveReference,
        values: &[Vec<Value>],
    ) -> Result<Vec<Option<Row>>, PartialError> {
        let targets = values.iter().map(|values| self.rows.target_of(from, reference, values));
        let targets: Vec<Option<Target>> = targets.collect::<Result<_, _>>()?;
        let found = self.rows.targets(&targets.iter().flatten().cloned().collect())?;
        let row = |target: Option<Target>| found.get(&target?).map(|(_, row)| row.clone());
        Ok(targets.into_iter().map(row).collect())
    }

    fn undeclared(&self, records: &[Written<'_>]) -> Result<Vec<Vec<Undeclared>>, PartialError> {
        self.related.undeclared(&self.rows, records)
    }

    fn names_of_types(&self, class: &str) -> Vec<String> {
        self.related.names_of_types(class)
    }
}

impl<S: ObjectStore> Intention for FromSnapshot<'_, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    fn whole(&self) -> Vec<&str> {
        self.asked.classes.iter().map(String::as_str).collect()
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn gather(&self, asker: &mut Asker<'_>) -> Result<Gathered, PartialError> {
        let mut set = Set::new(self);
        set.asked(asker)?;
        if set.gathered.refusals.is_empty() {
            if self.asked.with_owned {
                set.owned(asker)?;
            }
            if self.asked.with_references {
                set.needed(asker)?;
            }
            set.bases()?;
        }
        Ok(set.gathered)
    }
}

/// The set of records under construction.
struct Set<'s, 'a, S: ObjectStore>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    from: &'s FromSnapshot<'a, S>,
    gathered: Gathered,
    numbers: HashMap<String, Option<usize>>,
    by_key: HashMap<(usize, Vec<u8>), usize>,
    bytes: usize,
}

impl<'s, 'a, S: ObjectStore> Set<'s, 'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    fn new(from: &'s FromSnapshot<'a, S>) -> Self {
        Self { from, gathered: Gathered::default(), numbers: HashMap::new(), by_key: HashMap::new(), bytes: 0 }
    }

    fn asked(&mut self, asker: &mut Asker<'_>) -> Result<(), PartialError> {
        let wanted = &self.from.asked;
        let names = wanted.classes.iter().chain(wanted.records.iter().map(|record| &record.class));
        let schemas: BTreeMap<&str, Option<&ClassSchema>> =
            names.map(|name| (name.as_str(), self.from.rows.schema(name))).collect();
        asker.describe(&schemas.into_iter().collect::<Vec<_>>())?;
        for name in &wanted.classes {
            self.class(asker, name)?;
        }
        let mut single = RowsByKey::new();
        for record in &wanted.records {
            let found = record.keys.iter().find_map(|key| match self.from.rows.row(&record.class, key) {
                Ok(row) => row.map(|row| Ok((key.clone(), row))),
                Err(error) => Some(Err(error)),
            });
            let missing = || PartialError::NoRecord { record: format!("{}:{}", record.class, record.text) };
            let (key, row) = found.ok_or_else(missing)??;
            single.entry(record.class.clone()).or_default().insert(key, row);
        }
        for name in &wanted.classes {
            if let Some(number) = self.class(asker, name)? {
                self.whole_class(asker, number)?;
            }
        }
        self.take_in(asker, single, Origin::Asked, false).map(drop)
    }

    /// The number of a class; nothing, and a refusal, if it can't be restored into.
    fn class(&mut self, asker: &mut Asker<'_>, name: &str) -> Result<Option<usize>, PartialError> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let Some(snapshot) = self.from.rows.schema(name) else { return Ok(None) };
        let live = asker.class(name, Some(snapshot))?;
        let planned =
            planned_class(snapshot, live.as_deref(), self.from.asked.classes.iter().any(|class| class == name));
        let number = match planned {
            Ok((class, findings)) => {
                self.gathered.findings.extend(findings);
                self.gathered.classes.push(class);
                Some(self.gathered.classes.len() - 1)
            }
            Err(refusal) => {
                self.gathered.refusals.push(format!("{name}: {refusal}"));
                None
            }
        };
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    fn whole_class(&mut self, asker: &mut Asker<'_>, number: usize) -> Result<(), PartialError> {
        let Some(class) = self.gathered.classes.get(number).cloned() else { return Ok(()) };
        let name = class.live.schema.name.clone();
        let compared = compare_class(asker, &self.from.rows, &class, self.from.asked.delete_extra)?;
        *self.gathered.unchanged.entry(number).or_default() += compared.unchanged;
        if !self.from.asked.delete_extra {
            self.gathered.extra += compared.extra;
        }
        let incoming = RowsByKey::from([(name, compared.wanted)]);
        self.take_in(asker, incoming, Origin::Asked, false)?;
        for row in compared.deletes {
            let Some(plan) = KeyPlan::new(&class.live.schema) else { continue };
            let key = row.key(&plan)?;
            self.push(number, key, Origin::Asked, None, Some(row))?;
        }
        Ok(())
    }

    /// Takes rows of the snapshot in, with what the target has under their keys. Gives their positions.
    fn take_in(
        &mut self,
        asker: &mut Asker<'_>,
        incoming: RowsByKey,
        origin: Origin,
        only_missing: bool,
    ) -> Result<Vec<usize>, PartialError> {
        let mut places = Vec::new();
        for (name, rows) in incoming {
            let Some(number) = self.class(asker, &name)? else { continue };
            let Some(live) = self.gathered.classes.get(number).map(|class| class.live.clone()) else { continue };
            let rows: Vec<(Vec<u8>, Row)> =
                rows.into_iter().filter(|(key, _)| !self.by_key.contains_key(&(number, key.clone()))).collect();
            let keys: Vec<Vec<Value>> =
                rows.iter().filter_map(|(_, row)| row.values(key_columns(&live.schema))).collect();
            let mut found = asker.by_keys(&live, &keys)?;
            for (key, row) in rows {
                let there = found.remove(&key);
                if only_missing && there.is_some() {
                    continue;
                }
                places.push(self.push(number, key, origin, Some(row), there)?);
            }
        }
        Ok(places)
    }

    fn push(
        &mut self,
        class: usize,
        key: Vec<u8>,
        origin: Origin,
        wanted: Option<Row>,
        live: Option<Row>,
    ) -> Result<usize, PartialError> {
        let at = self.gathered.triples.len();
        self.bytes += [&wanted, &live].into_iter().flatten().map(|row| row.as_bytes().len()).sum::<usize>();
        if at >= RECORDS_MAX || self.bytes > ROW_BYTES_MAX {
            return Err(too_much());
        }
        let Some(planned) = self.gathered.classes.get(class) else { return Ok(at) };
        let named = wanted.as_ref().or(live.as_ref());
        let key_text = named.map(|row| row.key_text(&planned.live.schema)).unwrap_or_default();
        let snapshot = self.from.rows.schema(&planned.live.schema.name);
        let lost = wanted.iter().flat_map(Row::columns).filter(|column| !planned.common.contains(column));
        for column in lost {
            let column = snapshot.and_then(|schema| schema.column(column)).map(|column| column.name.clone());
            self.gathered.seen.push((at, Conflict::NoColumn { column: column.unwrap_or_default() }));
        }
        let wanted = wanted.map(|row| row.only(|column| planned.common.contains(&column)));
        self.by_key.insert((class, key.clone()), at);
        self.gathered.triples.push(Triple { class, key, key_text, origin, wanted, base: Base::Unknown, live });
        Ok(at)
    }

    /// Brings what records need and the target lacks.
    fn needed(&mut self, asker: &mut Asker<'_>) -> Result<(), PartialError> {
        let mut level: Vec<usize> = (0..self.gathered.triples.len()).collect();
        for _ in 0..LEVELS_MAX {
            let records = self.written(&level).map(|(class, triple, wanted)| {
                let live = triple.live.as_ref();
                Written { class, wanted, live }
            });
            let incoming = self.from.related.needed_by(&self.from.rows, records)?;
            if incoming.is_empty() {
                break;
            }
            level = self.take_in(asker, incoming, Origin::Needed, !self.from.policy.overwrite_needed)?;
        }
        Ok(())
    }

    /// Brings what belongs to records and the target lacks.
    fn owned(&mut self, asker: &mut Asker<'_>) -> Result<(), PartialError> {
        let mut level: Vec<usize> = (0..self.gathered.triples.len()).collect();
        for _ in 0..LEVELS_MAX {
            let owners = self.written(&level).map(|(class, _, wanted)| (class, wanted));
            let incoming = self.from.related.owned_by(&self.from.rows, owners)?;
            level = self.take_in(asker, incoming, Origin::Owned, true)?;
            if level.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Some of the records, as they are to be: class, record and row.
    fn written(&self, level: &[usize]) -> impl Iterator<Item = (&str, &Triple, &Row)> {
        let triples = level.iter().filter_map(|at| self.gathered.triples.get(*at));
        triples.filter_map(|triple| {
            let class = self.gathered.classes.get(triple.class)?;
            Some((class.live.schema.name.as_str(), triple, triple.wanted.as_ref()?))
        })
    }

    /// Says what both sides last had in common, where they differ.
    fn bases(&mut self) -> Result<(), PartialError> {
        for triple in &mut self.gathered.triples {
            let Some(class) = self.gathered.classes.get(triple.class) else { continue };
            if triple.live.is_none() || triple.live == triple.wanted {
                continue;
            }
            triple.base = Base::Known(match &self.from.newest {
                None => triple.wanted.clone(),
                Some(newest) => {
                    let row = newest.row(&class.live.schema.name, &triple.key)?;
                    row.map(|row| row.only(|column| class.common.contains(&column)))
                }
            });
        }
        Ok(())
    }
}
