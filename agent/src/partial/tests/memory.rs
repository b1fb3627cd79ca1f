//! A database in memory that enforces what a real one does, statement by statement: keys, unique values, references.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::record::{Cell, CellKind, ClassSchema, Codec, Column, ColumnId, KeyPlan, KeySpec, put_cell};

use crate::live::{
    Change, Checked, Fate, Intent, LiveClass, LiveReference, LiveSession, LiveTarget, Lookup, Referrer,
    TransactionMark, UniqueKey,
};
use crate::partial::row::{Row, Value};
use crate::source::{Finding, RowConsumer, SourceError};

/// Rows by class and key.
pub(super) type State = [BTreeMap<Vec<u8>, Row>; 2];

/// A row as it is made up: its id, and name, reference to its own class, reference to the other one.
pub(super) type Plain = (String, [Option<String>; 3]);

/// What the database enforces when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) checked: Checked,
    /// Whether references of the second class may be NULL.
    pub(super) nullable: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { checked: Checked::AtOnce, nullable: true }
    }
}

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    (prop::sample::select(vec![Checked::AtOnce, Checked::AtEnd]), any::<bool>())
        .prop_map(|(checked, nullable)| Rules { checked, nullable })
}

pub(super) fn rows() -> impl Strategy<Value = [Vec<Plain>; 2]> {
    let small = || prop::option::weighted(0.6, (1_u8..6).prop_map(|number| number.to_string()));
    let name = prop::option::weighted(0.8, prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned));
    let row = ((1_u8..6).prop_map(|id| id.to_string()), name, small(), small());
    let row = row.prop_map(|(id, name, own, other)| (id, [name, own, other]));
    let rows = prop::collection::vec(row, 0..6);
    [rows.clone(), rows]
}

pub(super) fn row_of(plain: &Plain) -> Row {
    let mut out = Vec::new();
    let mut previous = ColumnId(0);
    let cells = std::iter::once(Some(&plain.0)).chain(plain.1.iter().map(Option::as_ref));
    for (column, text) in (1..).map(ColumnId).zip(cells) {
        if let Some(text) = text {
            put_cell(&mut out, previous, Cell { column, kind: CellKind::Canonical, bytes: text.as_bytes() });
            previous = column;
        }
    }
    Row::from_bytes(&out).unwrap()
}

pub(super) fn key_of(row: &Row, class: &LiveClass) -> Vec<u8> {
    row.key(&KeyPlan::new(&class.schema).unwrap()).unwrap()
}

/// The value of an encoded key of one text.
pub(super) fn key_value(key: &[u8]) -> Value {
    Value { kind: CellKind::Canonical, bytes: key[1..key.len() - 2].to_vec() }
}

pub(super) fn state_of(rows: &[(usize, &str, [Option<&str>; 3])]) -> State {
    let classes = classes(Rules::default());
    let mut state = State::default();
    for (class, id, values) in rows {
        let row = row_of(&((*id).to_owned(), values.map(|value| value.map(str::to_owned))));
        state[*class].insert(key_of(&row, &classes[*class]), row);
    }
    state
}

pub(super) fn named(state: &State) -> Vec<(usize, String)> {
    let id = |row: &Row| String::from_utf8(row.value(ColumnId(1)).unwrap().bytes).unwrap();
    state.iter().enumerate().flat_map(|(class, rows)| rows.values().map(move |row| (class, id(row)))).collect()
}

pub(super) fn plain(state: &State, class: usize, id: &str) -> Option<Plain> {
    let text = |row: &Row, at: u32| row.value(ColumnId(at)).map(|value| String::from_utf8(value.bytes).unwrap());
    let row = state[class].values().find(|row| text(row, 1).as_deref() == Some(id))?;
    Some((id.to_owned(), [text(row, 2), text(row, 3), text(row, 4)]))
}

pub(super) fn classes(rules: Rules) -> Vec<LiveClass> {
    let class = |name: &str, other: &str, nullable: bool| {
        let columns = [("id", false), ("name", true), ("own", true), ("other", nullable)];
        let columns = (1..).zip(columns).map(|(id, (name, nullable))| Column {
            id: ColumnId(id),
            name: name.to_owned(),
            source_type: "text".to_owned(),
            codec: Codec::Text,
            nullable,
            source_ordinal: id,
        });
        let schema = ClassSchema {
            name: name.to_owned(),
            columns: columns.collect(),
            key: KeySpec::Columns(vec![ColumnId(1)]),
            references: Vec::new(),
            dropped_id_max: 0,
        };
        let reference = |column: u32, class: &str| LiveReference {
            name: format!("{name}_{column}"),
            columns: vec![ColumnId(column)],
            class: class.to_owned(),
            partitions: Vec::new(),
            target_columns: vec!["id".to_owned()],
            checked: rules.checked,
        };
        let referrer = |class: &str, column: &str| Referrer {
            class: class.to_owned(),
            columns: vec![column.to_owned()],
            target_columns: vec![ColumnId(1)],
        };
        LiveClass {
            schema,
            uniques: vec![
                UniqueKey { name: "primary".into(), columns: vec![ColumnId(1)] },
                UniqueKey { name: "name".into(), columns: vec![ColumnId(2)] },
            ],
            defaults: Vec::new(),
            references: vec![reference(3, name), reference(4, other)],
            referrers: vec![referrer(name, "own"), referrer(other, "other")],
            triggers: Vec::new(),
            late_uniques: Vec::new(),
            unwritable: None,
        }
    };
    vec![class("a", "b", true), class("b", "a", rules.nullable)]
}

/// The database.
pub(super) struct Memory {
    pub(super) classes: Vec<LiveClass>,
    state: Arc<Mutex<State>>,
}

impl Memory {
    pub(super) fn new(rules: Rules, state: State) -> Self {
        Self { classes: classes(rules), state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    pub(super) fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    pub(super) fn number(&self, name: &str) -> usize {
        self.classes.iter().position(|class| class.schema.name == name).unwrap()
    }

    pub(super) fn columns(&self, number: usize, names: &[String]) -> Vec<ColumnId> {
        names.iter().map(|name| self.classes[number].schema.column_named(name).unwrap().id).collect()
    }

    /// As many of the made-up rows as keep all rules together.
    pub(super) fn valid(rules: Rules, rows: &[Vec<Plain>; 2]) -> State {
        let classes = classes(rules);
        let mut state = State::default();
        for (number, rows) in rows.iter().enumerate() {
            for row in rows.iter().map(row_of) {
                let key = key_of(&row, &classes[number]);
                let name = row.value(ColumnId(2));
                if name.is_none() || !state[number].values().any(|other| other.value(ColumnId(2)) == name) {
                    state[number].entry(key).or_insert(row);
                }
            }
        }
        loop {
            let broken = broken(&classes, &state, |_| true);
            if broken.is_empty() {
                return state;
            }
            for (number, key) in &broken {
                state[*number].remove(key);
            }
        }
    }
}

/// Rows that refer to nothing, or have NULL where there must be none.
fn broken(classes: &[LiveClass], state: &State, is_meant: impl Fn(&LiveReference) -> bool) -> Vec<(usize, Vec<u8>)> {
    let mut broken = Vec::new();
    for (number, class) in classes.iter().enumerate() {
        for (key, row) in &state[number] {
            let lacks = class.schema.columns.iter().any(|column| !column.nullable && row.value(column.id).is_none());
            let dangles = class.references.iter().filter(|reference| is_meant(reference)).any(|reference| {
                let target = classes.iter().position(|class| class.schema.name == reference.class).unwrap();
                row.value(reference.columns[0]).is_some_and(|value| {
                    !state[target].values().any(|row| row.value(ColumnId(1)).as_ref() == Some(&value))
                })
            });
            if lacks || dangles {
                broken.push((number, key.clone()));
            }
        }
    }
    broken
}

impl LiveTarget for Memory {
    fn connect(&self) -> Result<Box<dyn LiveSession>, SourceError> {
        let working = State::default();
        Ok(Box::new(MemorySession { classes: self.classes.clone(), shared: Arc::clone(&self.state), working }))
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

struct MemorySession {
    classes: Vec<LiveClass>,
    shared: Arc<Mutex<State>>,
    working: State,
}

impl MemorySession {
    fn number(&self, class: &LiveClass) -> usize {
        self.classes.iter().position(|known| known.schema.name == class.schema.name).unwrap()
    }

    fn enforce(&self, is_meant: impl Fn(&LiveReference) -> bool, what: &str) -> Result<(), SourceError> {
        let broken = broken(&self.classes, &self.working, is_meant);
        if broken.is_empty() { Ok(()) } else { Err(refused(&format!("{what}: {broken:?}"))) }
    }
}

fn refused(what: &str) -> SourceError {
    SourceError::engine(Code::TargetFailed, "memory", what)
}

impl LiveSession for MemorySession {
    fn begin(&mut self, _: Intent, _: &[&str]) -> Result<(), SourceError> {
        self.working = self.shared.lock().unwrap().clone();
        Ok(())
    }

    fn describe(&mut self, classes: &[(&str, Option<&ClassSchema>)]) -> Result<Vec<Option<LiveClass>>, SourceError> {
        let find = |name: &str| self.classes.iter().find(|class| class.schema.name == name).cloned();
        Ok(classes.iter().map(|(name, _)| find(name)).collect())
    }

    fn silence(&mut self) -> Result<bool, SourceError> {
        Ok(true)
    }

    fn lookup(&mut self, lookup: &Lookup<'_>, _: &IdFunctions) -> Result<Vec<Row>, SourceError> {
        let rows = self.working[self.number(lookup.class)].values();
        let is_meant = |row: &&Row| row.values(lookup.columns).is_some_and(|values| lookup.values.contains(&values));
        Ok(rows.filter(is_meant).take(lookup.rows_max).cloned().collect())
    }

    fn scan(&mut self, _: &LiveClass, _: &IdFunctions, _: &mut RowConsumer<'_>) -> Result<(), SourceError> {
        Err(refused("nothing scans it"))
    }

    fn apply(&mut self, class: &LiveClass, change: &Change<'_>) -> Result<(), SourceError> {
        let number = self.number(class);
        match change {
            Change::Insert { rows, .. } => {
                for row in *rows {
                    if self.working[number].insert(key_of(row, class), (*row).clone()).is_some() {
                        return Err(refused("a key is there already"));
                    }
                }
            }
            Change::Update { row, columns, to } => {
                let there = self.working[number].get_mut(&key_of(row, class)).ok_or_else(|| refused("no such row"))?;
                let all: Vec<ColumnId> = class.schema.columns.iter().map(|column| column.id).collect();
                let mut out = Vec::new();
                let mut previous = ColumnId(0);
                for column in all {
                    let from = if columns.contains(&column) { *to } else { &*there };
                    if let Some(value) = from.value(column) {
                        put_cell(&mut out, previous, Cell { column, kind: value.kind, bytes: &value.bytes });
                        previous = column;
                    }
                }
                *there = Row::from_bytes(&out).unwrap();
            }
            Change::Delete { rows } => {
                for row in *rows {
                    self.working[number].remove(&key_of(row, class)).ok_or_else(|| refused("no such row"))?;
                }
            }
        }
        let names: Vec<Value> = self.working[number].values().filter_map(|row| row.value(ColumnId(2))).collect();
        if (1..names.len()).any(|at| names[..at].contains(&names[at])) {
            return Err(refused("a unique value is there twice"));
        }
        self.enforce(|reference| reference.checked == Checked::AtOnce, "a statement")
    }

    fn advance(&mut self, _: &LiveClass, _: &[&Row]) -> Result<Vec<Finding>, SourceError> {
        Ok(Vec::new())
    }

    fn check(&mut self) -> Result<(), SourceError> {
        self.enforce(|reference| reference.checked != Checked::Never, "the end")
    }

    fn mark(&mut self) -> Result<Option<TransactionMark>, SourceError> {
        Ok(None)
    }

    fn commit(&mut self) -> Result<(), SourceError> {
        *self.shared.lock().unwrap() = self.working.clone();
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn fate(&mut self, _: &TransactionMark) -> Result<Fate, SourceError> {
        Ok(Fate::Unknown)
    }
}
