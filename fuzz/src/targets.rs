//! The targets by name.

use strongroom_agent::cache::{LeafEntry, NodeEntry};
use strongroom_agent::files::{parse_pieces, parse_xattrs, put_piece};
use strongroom_agent::fingerprint::Fingerprint;
use strongroom_agent::postgres::ddl_entries;
use strongroom_agent::profile::parse_profile;
use strongroom_core::blob::{BlobForm, BlobLength, ChunkList};
use strongroom_core::codec::{Reader, put_bytes};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::frame::{Decompressor, Object, ObjectKind};
use strongroom_core::id::BlobId;
use strongroom_core::limits::{FRAME_BYTES_TARGET, FRAME_PLAIN_BYTES_MAX, LEAF_RECORDS_MAX};
use strongroom_core::manifest::{ManifestBody, UnverifiedManifest};
use strongroom_core::pack::{Directory, PackHeader, check_root};
use strongroom_core::record::{Cells, ClassSchema, Codec, Column, ColumnId, DynamicValue, KeySpec};
use strongroom_core::seal::{Keyring, MasterKey};
use strongroom_core::tree::block::{BlockWriter, read_block};
use strongroom_core::tree::delta::{DeltaHead, apply_delta, put_delta};
use strongroom_core::tree::leaf::{Leaf, LeafContext};
use strongroom_core::tree::node::Node;

mod audit;
mod sources;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets.
pub const ALL: [(&str, Target); 27] = [
    ("manifest", |data| drop(UnverifiedManifest::parse(data))),
    ("manifest-body", |data| drop(serde_json::from_slice::<ManifestBody>(data))),
    ("keyring", |data| drop(Keyring::from_json(data))),
    ("key-file", |data| drop(MasterKey::from_json(data, None))),
    ("schema", schema_json),
    ("pack", pack),
    ("footer", |data| drop(Directory::decode(data, 300))),
    ("frame", frame),
    ("block", block),
    ("leaf", leaf),
    ("delta", delta),
    ("node", node),
    ("blob", blob),
    ("record", record),
    ("fingerprint", fingerprint),
    ("cache-entry", cache_entry),
    ("file-pieces", file_pieces),
    ("file-xattrs", file_xattrs),
    ("dump-entries", dump_entries),
    ("profile-text", profile_text),
    ("copy-text", sources::copy_text),
    ("documents", sources::documents),
    ("file-record", sources::file_record),
    ("audit-event", audit::event),
    ("audit-checkpoint", audit::checkpoint),
    ("audit-proof", audit::proof),
    ("audit-export", audit::export),
];

fn ids() -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]))
}

fn schema(keyed: bool) -> ClassSchema {
    let codecs = [Codec::Integer, Codec::Text, Codec::Dynamic, Codec::Uuid, Codec::HexBytes];
    let columns = codecs.iter().zip(1..).map(|(codec, id)| Column {
        id: ColumnId(id),
        name: format!("c{id}"),
        source_type: "t".to_owned(),
        codec: *codec,
        nullable: true,
        source_ordinal: id,
    });
    ClassSchema {
        name: "public.t".to_owned(),
        columns: columns.collect(),
        key: if keyed { KeySpec::Columns(vec![ColumnId(1), ColumnId(2)]) } else { KeySpec::Keyless },
        references: Vec::new(),
        dropped_id_max: 0,
    }
}

/// The first byte says whether the class has keys.
fn context(data: &[u8]) -> Option<(LeafContext, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((LeafContext::new(ids(), &schema(first & 1 == 1)), rest))
}

fn schema_json(data: &[u8]) {
    if let Ok(schema) = serde_json::from_slice::<ClassSchema>(data)
        && schema.validate().is_ok()
    {
        let _ = LeafContext::new(ids(), &schema);
    }
}

fn pack(data: &[u8]) {
    if let Ok(header) = PackHeader::parse(data) {
        assert!(data.starts_with(&header.to_bytes()));
    }
    let _ = check_root(Profile::Blake3, data);
    let _ = check_root(Profile::Fips, data);
}

fn frame(data: &[u8]) {
    let Ok(mut decompressor) = Decompressor::new() else { return };
    if let Ok(frame) = decompressor.frame(data) {
        let bytes: usize = frame.objects().map(|object| object.body.len()).sum();
        assert!(bytes <= FRAME_PLAIN_BYTES_MAX, "a frame is bounded, whatever it claims");
        assert!(frame.len() <= FRAME_BYTES_TARGET / 2, "and so is the number of its objects");
    }
}

fn block(data: &[u8]) {
    let mut reader = Reader::new(data, "block");
    let mut writer = BlockWriter::new();
    let mut records = Vec::new();
    let read = read_block(&mut reader, |record| {
        records.push(record.to_vec());
        writer.push(record)
    });
    if read.is_err() {
        return;
    }
    let mut again = Vec::new();
    writer.finish(&mut again);
    let mut back = Vec::new();
    let read = read_block(&mut Reader::new(&again, "block"), |record| {
        back.push(record.to_vec());
        Ok(())
    });
    assert!(read.is_ok() && back == records, "a block gives back its records");
}

fn leaf(data: &[u8]) {
    let Some((context, data)) = context(data) else { return };
    let Ok(leaf) = Leaf::read_full(&context, data) else { return };
    let mut full = Vec::new();
    if leaf.put_full(&context, &mut BlockWriter::new(), &mut full).is_ok() {
        let again = Leaf::read_full(&context, &full).expect("what was written is read");
        assert_eq!(again.id(&context.ids), leaf.id(&context.ids));
    }
}

/// Two bytes of length, the base in full, and the delta.
fn delta(data: &[u8]) {
    let Some((context, data)) = context(data) else { return };
    let Some((len, data)) = data.split_first_chunk::<2>() else { return };
    let Some((base, delta)) = data.split_at_checked(usize::from(u16::from_le_bytes(*len))) else { return };
    let Ok(base) = Leaf::read_full(&context, base) else { return };
    let Ok(leaf) = apply_delta(&context, &base, delta) else { return };
    assert!((1..leaf.len()).all(|at| leaf.key(at - 1) < leaf.key(at)), "keys ascend");
    let mut again = Vec::new();
    let head = DeltaHead { generation: 1, base: strongroom_core::id::Hint([0; 6]) };
    if put_delta(&context, head, &base, &leaf, &mut BlockWriter::new(), &mut again).is_ok() {
        let applied = apply_delta(&context, &base, &again).expect("a delta that was written is applied");
        assert_eq!(applied.id(&context.ids), leaf.id(&context.ids));
    }
}

fn node(data: &[u8]) {
    let Some((len, data)) = data.split_first_chunk::<2>() else { return };
    let Some((base, delta)) = data.split_at_checked(usize::from(u16::from_le_bytes(*len))) else { return };
    let Ok(base) = Node::read_full(base) else { return };
    let mut full = Vec::new();
    base.put_full(&mut full);
    assert!(Node::read_full(&full).is_ok_and(|again| again == base), "a node gives back its children");
    let _ = Node::apply_delta(&base, delta);
}

fn blob(data: &[u8]) {
    if let Ok(list) = ChunkList::decode(data) {
        let bytes: u64 = list.chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
        assert_eq!(bytes, list.bytes, "the chunks are as long together as the list says");
    }
    for kind in [ObjectKind::WholeBlob, ObjectKind::ChunkList] {
        let _ = BlobForm::decode(&ids(), BlobId([0; 32]), BlobLength::AtMost(1 << 20), Object { kind, body: data });
    }
}

fn record(data: &[u8]) {
    let mut cells = Cells::new(data);
    while let Ok(Some(cell)) = cells.next_cell() {
        let _ = cell.blob();
        let _ = DynamicValue::decode(cell.bytes);
        for column in schema(true).columns {
            round_trip(column.codec, cell.bytes);
        }
    }
    if let Some(plan) = LeafContext::new(ids(), &schema(true)).key_plan {
        let _ = plan.key_of(data, &mut Vec::new());
    }
}

/// What a codec makes of a text is that text again.
fn round_trip(codec: Codec, text: &[u8]) {
    let (mut canonical, mut back) = (Vec::new(), Vec::new());
    if codec != Codec::Dynamic && codec.encode(text, &mut canonical) {
        codec.decode(&canonical, &mut back).expect("what was encoded is decoded");
        assert_eq!(back, text, "{codec:?}");
    }
    let _ = codec.decode(text, &mut Vec::new());
}

fn fingerprint(data: &[u8]) {
    let Ok(read) = Fingerprint::from_blob(data) else { return };
    let blob = read.to_blob().expect("what was read is written");
    let again = Fingerprint::from_blob(&blob).expect("what was written is read");
    assert!(read.differences(&again).is_empty());
    assert_eq!(again.to_blob().ok(), Some(blob), "one form for equal fingerprints");
}

fn cache_entry(data: &[u8]) {
    if let Ok(leaf) = LeafEntry::decode(data) {
        assert!(leaf.keys.len() == leaf.digests.len() && leaf.keys.len() <= LEAF_RECORDS_MAX);
        assert_eq!(LeafEntry::decode(&leaf.encode()), Ok(leaf));
    }
    if let Ok(node) = NodeEntry::decode(data) {
        assert_eq!(NodeEntry::decode(&node.encode()), Ok(node));
    }
}

/// Eight bytes of the file's size, and the list.
fn file_pieces(data: &[u8]) {
    let Some((size, list)) = data.split_first_chunk::<8>() else { return };
    let size = u64::from_le_bytes(*size);
    let Ok(pieces) = parse_pieces(list, size) else { return };
    let (mut again, mut end) = (Vec::new(), 0);
    for piece in &pieces {
        assert!(piece.offset >= end && piece.offset + piece.length <= size, "pieces ascend and stay within the file");
        put_piece(&mut again, end, piece);
        end = piece.offset + piece.length;
    }
    assert_eq!(parse_pieces(&again, size).expect("what was written is read"), pieces);
}

fn file_xattrs(data: &[u8]) {
    let Ok(attributes) = parse_xattrs(data) else { return };
    let mut again = Vec::new();
    for (name, value) in &attributes {
        put_bytes(&mut again, name);
        put_bytes(&mut again, value);
    }
    assert_eq!(parse_xattrs(&again), Ok(attributes));
}

fn dump_entries(data: &[u8]) {
    let Ok(dump) = std::str::from_utf8(data) else { return };
    let mut rest = dump;
    for entry in ddl_entries(dump) {
        let at = rest.find(&entry.name).expect("names stand in the dump, in order");
        rest = &rest[at..];
        assert!(entry.body.len() <= dump.len(), "an entry is part of the dump");
    }
}

fn profile_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(profile) = parse_profile(text, "fuzz") {
        assert!(profile.check().is_ok(), "a profile that is read is whole");
        let json = serde_json::to_vec(&profile).expect("a profile is written");
        assert_eq!(serde_json::from_slice::<strongroom_core::profile::Profile>(&json).ok(), Some(profile));
    }
}
