//! Generated tables as a source: rows in any order, read in parts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use strongroom_agent::source::{
    CaptureOptions, Cut, CutClass, CutFacts, Finding, NativeBlob, PartRead, RowWriter, Source, SourceError,
};
use strongroom_core::record::{ClassSchema, Codec, Column, ColumnId, KeySpec};

pub(crate) type Row = Vec<Option<String>>;

#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) columns: Vec<(String, Codec)>,
    pub(crate) keyed: bool,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// A table of id, two texts and a number; the key is the id.
    pub(crate) fn keyed() -> Self {
        let columns = [("id", Codec::Integer), ("name", Codec::Text), ("note", Codec::Text), ("size", Codec::Integer)];
        Self { columns: columns.map(|(name, codec)| (name.to_owned(), codec)).to_vec(), keyed: true, rows: Vec::new() }
    }

    pub(crate) fn keyless() -> Self {
        Self { keyed: false, ..Self::keyed() }
    }

    fn schema(&self, name: &str) -> ClassSchema {
        let columns = self.columns.iter().enumerate().map(|(at, (name, codec))| Column {
            id: ColumnId(at as u32 + 1),
            name: name.clone(),
            source_type: codec.name().to_owned(),
            codec: *codec,
            nullable: true,
            source_ordinal: at as u32 + 1,
        });
        let key = if self.keyed { KeySpec::Columns(vec![ColumnId(1)]) } else { KeySpec::Keyless };
        ClassSchema {
            name: name.to_owned(),
            columns: columns.collect(),
            key,
            references: Vec::new(),
            dropped_id_max: 0,
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) tables: Arc<Mutex<BTreeMap<String, Table>>>,
    pub(crate) fail_after: Option<u64>,
    pub(crate) hide_rows: u64,
}

impl Tables {
    pub(crate) fn with(name: &str, table: Table) -> Self {
        let this = Self::default();
        this.tables.lock().unwrap().insert(name.to_owned(), table);
        this
    }

    pub(crate) fn edit(&self, name: &str, edit: impl FnOnce(&mut Table)) {
        edit(self.tables.lock().unwrap().get_mut(name).unwrap());
    }

    /// The rows as a set with counts, for comparison.
    pub(crate) fn contents(&self) -> BTreeMap<String, BTreeMap<Row, usize>> {
        let mut all = BTreeMap::new();
        for (name, table) in self.tables.lock().unwrap().iter() {
            let rows: &mut BTreeMap<Row, usize> = all.entry(name.clone()).or_default();
            table.rows.iter().for_each(|row| *rows.entry(row.clone()).or_default() += 1);
        }
        all
    }
}

struct TablesCut {
    tables: BTreeMap<String, Table>,
    classes: Vec<CutClass>,
    facts: CutFacts,
    fail_after: Option<u64>,
    hide_rows: u64,
}

const PARTS: usize = 3;

impl Source for Tables {
    fn open(&self, options: &CaptureOptions) -> Result<Box<dyn Cut>, SourceError> {
        let tables = self.tables.lock().unwrap().clone();
        let classes = tables.iter().map(|(name, table)| {
            let mut schema = table.schema(name);
            if let Some(earlier) = options.earlier.get(name) {
                schema.adopt_ids(earlier);
            }
            CutClass {
                schema,
                parts: PARTS,
                records_estimate: 0,
                bytes_estimate: table.rows.len() as u64,
                skipped: None,
            }
        });
        let classes = classes.collect();
        let facts = CutFacts { engine: "tables".into(), ..CutFacts::default() };
        Ok(Box::new(TablesCut { tables, classes, facts, fail_after: self.fail_after, hide_rows: self.hide_rows }))
    }
}

impl Cut for TablesCut {
    fn facts(&self) -> &CutFacts {
        &self.facts
    }

    fn classes(&self) -> &[CutClass] {
        &self.classes
    }

    fn read(&self, _: usize, class: usize, part: usize, rows: &mut RowWriter<'_>) -> Result<PartRead, SourceError> {
        let schema = &self.classes[class].schema;
        let table = &self.tables[&schema.name];
        let mut read = PartRead { expected: Some(0), ..PartRead::default() };
        for row in table.rows.iter().skip(part).step_by(PARTS) {
            if self.fail_after.is_some_and(|limit| read.captured >= limit) {
                return Err(SourceError::engine(strongroom_core::error::Code::SourceLost, &schema.name, "gone"));
            }
            read.expected = read.expected.map(|expected| expected + 1);
            if part == 0 && read.captured < self.hide_rows && read.expected == Some(1) {
                continue;
            }
            rows.begin();
            for (at, column) in schema.columns.iter().enumerate() {
                let from = table.columns.iter().position(|(name, _)| *name == column.name).unwrap();
                if let Some(text) = &row[from] {
                    rows.text(at, text.as_bytes());
                    read.bytes += text.len() as u64;
                }
            }
            rows.end()?;
            read.captured += 1;
        }
        Ok(read)
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, SourceError> {
        Ok(vec![NativeBlob { role: "fingerprint".into(), content: b"{\"objects\":{}}".to_vec() }])
    }

    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        Ok(Vec::new())
    }
}
