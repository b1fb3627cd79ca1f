//! What sources say: rows as PostgreSQL copies them out, documents and arrays within values, records of files.

use strongroom_agent::files::path_of_record;
use strongroom_agent::postgres::read_copy_text;
use strongroom_agent::source::RowWriter;
use strongroom_agent::target::FeedRecord;
use strongroom_core::graph::rules::{EmbeddedRule, Holds, ReferenceRules};
use strongroom_core::graph::{GraphBuilder, ReferenceGraph};
use strongroom_core::record::{Cell, CellKind, ClassSchema, Codec, Column, ColumnId, KeySpec, put_cell};

use super::{ids, schema};

/// The first byte says where what the server says is cut in two.
pub(super) fn copy_text(data: &[u8]) {
    let Some((at, text)) = data.split_first() else { return };
    let (head, tail) = text.split_at(usize::from(*at).min(text.len()));
    let rows = |messages: &[&[u8]]| {
        let mut records = Vec::new();
        let mut keep = |row: &strongroom_core::record::Encoded<'_>| {
            records.push((row.key.to_vec(), row.record.to_vec()));
            Ok(())
        };
        let schema = schema(true);
        let mut writer = RowWriter::new(ids(), &schema, &mut keep);
        let read = read_copy_text(&schema.name, schema.columns.len(), messages, &mut writer).is_ok();
        drop(writer);
        (read, records)
    };
    let whole = rows(&[text]);
    assert!(whole.1.len() <= text.len(), "a row has an end");
    let (read, records) = rows(&[head, tail]);
    assert_eq!(read, whole.0, "messages need not end with rows");
    assert!(!read || records == whole.1, "the same rows however they come");
}

/// Keys in a document, and keys in an array in braces.
pub(super) fn documents(data: &[u8]) {
    let graph = documents_graph();
    for column in [ColumnId(2), ColumnId(3)] {
        let mut record = Vec::new();
        put_cell(&mut record, ColumnId(0), Cell { column, kind: CellKind::Text, bytes: data });
        if let Ok(found) = graph.references("node", &record, &[]) {
            assert!(found.len() <= data.len(), "each reference is said in at least one byte");
        }
    }
}

fn documents_graph() -> ReferenceGraph {
    let column = |id: u32, name: &str, source_type: &str| Column {
        id: ColumnId(id),
        name: name.to_owned(),
        source_type: source_type.to_owned(),
        codec: if id == 1 { Codec::Integer } else { Codec::Text },
        nullable: true,
        source_ordinal: id,
    };
    let node = ClassSchema {
        name: "node".to_owned(),
        columns: vec![column(1, "id", "bigint"), column(2, "doc", "jsonb"), column(3, "list", "bigint[]")],
        key: KeySpec::Columns(vec![ColumnId(1)]),
        references: Vec::new(),
        dropped_id_max: 0,
    };
    let embedded = |column: &str, path: &str| EmbeddedRule {
        class: "node".to_owned(),
        column: column.to_owned(),
        path: path.to_owned(),
        holds: Holds::Key("node".to_owned()),
        name: None,
    };
    let embedded =
        vec![embedded("doc", "[*].*"), embedded("doc", ".to"), embedded("list", "[*]"), embedded("list", "[*][*]")];
    let rules = ReferenceRules { embedded, ..ReferenceRules::default() };
    let builder = GraphBuilder::new([&node], &rules).expect("the rules can be followed");
    builder.build().expect("the rules can be followed")
}

pub(super) fn file_record(data: &[u8]) {
    let large = [data.to_vec()];
    let Ok(path) = path_of_record(&FeedRecord { record: data, large: &large }) else { return };
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let stays = |name: &&[u8]| !name.is_empty() && *name != b".." && !name.contains(&0);
    assert!(path == b"." || names.iter().all(|name| stays(name) && *name != b"."), "a path stays below its root");
}
