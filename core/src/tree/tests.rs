//! Forms of leaves and nodes: what was stored is what is read, and nothing else ever is.

mod memory;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::block::BlockWriter;
use super::delta::{DeltaHead, apply_delta, put_delta};
use super::leaf::{Leaf, LeafContext};
use super::lineage::Lineage;
use super::node::{Child, Node};
use super::params::{PartId, TreeParams, class_root};
use super::reader::{Body, Form, PartSource, ReadError, TreeReader};
use super::scaffold::Scaffold;
use crate::codec::put_varint;
use crate::digest::{IdFunctions, IdKey, Profile};
use crate::frame::{Frame, ObjectKind};
use crate::id::{Hint, LeafId, NodeId, SchemaDigest};
use crate::limits::LEAF_RECORDS_MAX;
use crate::record::{ClassSchema, Codec, Column, ColumnId, Key, KeySpec, RecordEncoder, keyless_key};

fn ids() -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]))
}

fn schema(keyed: bool) -> ClassSchema {
    let column = |id: u32, name: &str, codec| Column {
        id: ColumnId(id),
        name: name.to_owned(),
        source_type: "t".to_owned(),
        codec,
        nullable: true,
        source_ordinal: id,
    };
    ClassSchema {
        name: "public.t".to_owned(),
        columns: vec![column(1, "id", Codec::Integer), column(2, "name", Codec::Text), column(5, "data", Codec::Text)],
        key: if keyed { KeySpec::Columns(vec![ColumnId(1)]) } else { KeySpec::Keyless },
        references: Vec::new(),
        dropped_id_max: 0,
    }
}

type Rows = BTreeMap<i64, (Option<String>, Option<String>)>;

/// A leaf of these rows; a keyless one holds each row as often as its number modulo three, plus one.
fn leaf(context: &LeafContext, keyed: bool, rows: &Rows) -> Leaf {
    let mut encoder = RecordEncoder::new(context.ids.clone(), &schema(keyed));
    let mut records = Vec::new();
    for (id, (name, data)) in rows {
        encoder.begin();
        encoder.text(0, id.to_string().as_bytes());
        if let Some(name) = name {
            encoder.text(1, name.as_bytes());
        }
        if let Some(data) = data {
            encoder.text(2, data.as_bytes());
        }
        let row = encoder.finish().unwrap();
        let copies = if keyed { 1 } else { u32::try_from(id.rem_euclid(3)).unwrap() + 1 };
        for ordinal in 0..copies {
            let key = if keyed { row.key.to_vec() } else { keyless_key(row.digest, ordinal).to_vec() };
            records.push((key, row.digest, row.record.to_vec()));
        }
    }
    records.sort();
    let mut leaf = Leaf::default();
    for (key, digest, record) in &records {
        leaf.push(key, *digest, record);
    }
    leaf
}

fn rows() -> impl Strategy<Value = Rows> {
    let text = || prop::option::of("[a-c]{0,12}\\PC{0,4}");
    prop::collection::btree_map(-200_i64..200, (text(), text()), 0..60)
}

fn delta_bytes(context: &LeafContext, base: &Leaf, leaf: &Leaf, generation: u32, base_id: LeafId) -> Vec<u8> {
    let mut out = Vec::new();
    let head = DeltaHead { generation, base: PartId::from(base_id).hint() };
    put_delta(context, head, base, leaf, &mut BlockWriter::new(), &mut out).unwrap();
    out
}

/// A delta that does operations to all records of its base, and brings new ones.
fn hostile_delta(sweep: &[u8], block: &[u8]) -> Vec<u8> {
    let head = [1, 0, 0, 0, 0, 0, 0, 0];
    let nothing_gone_or_changed = [0, 0];
    [&head, sweep, &nothing_gone_or_changed, block].concat()
}

/// Base forms and deltas are small; what they claim together is more than any leaf that is written.
#[test]
fn small_forms_do_not_make_large_leaves() {
    let keyed = LeafContext::new(ids(), &schema(true));
    let half = u32::try_from(LEAF_RECORDS_MAX / 2 + 1).unwrap();
    let rows = |from: u32| (from..from + half).map(|id| (i64::from(id), (None, None))).collect::<Rows>();
    let base = leaf(&keyed, true, &rows(0));
    let mut more = Vec::new();
    leaf(&keyed, true, &rows(half)).put_full(&keyed, &mut BlockWriter::new(), &mut more).unwrap();
    let too_many = hostile_delta(&[0], &more[2..]);
    assert!(apply_delta(&keyed, &base, &too_many).unwrap_err().to_string().contains("more than a leaf can hold"));

    let keyless = LeafContext::new(ids(), &schema(false));
    let block = |records: u32| {
        let mut block = Vec::new();
        put_varint(&mut block, u64::from(records));
        block.push(0);
        block
    };
    let base = Leaf::read_full(&keyless, &[&[0, 0][..], &block(half)].concat()).unwrap();
    let too_many = hostile_delta(&[0], &block(half));
    assert!(apply_delta(&keyless, &base, &too_many).unwrap_err().to_string().contains("more than a leaf can hold"));

    // One operation sets a megabyte in each of some hundred records.
    let base = leaf(&keyed, true, &rows(0));
    let mut sweep = vec![1, 2 << 2];
    put_varint(&mut sweep, 1 << 20 << 2);
    sweep.resize(sweep.len() + (1 << 20), b'x');
    let too_long = hostile_delta(&sweep, &block(0));
    assert!(apply_delta(&keyed, &base, &too_long).unwrap_err().to_string().contains("more than a leaf can hold"));
}

fn full_bytes(context: &LeafContext, leaf: &Leaf) -> Vec<u8> {
    let mut out = Vec::new();
    leaf.put_full(context, &mut BlockWriter::new(), &mut out).unwrap();
    out
}

proptest! {
    #[test]
    fn a_full_form_gives_back_its_leaf(keyed: bool, rows in rows()) {
        let context = LeafContext::new(ids(), &schema(keyed));
        let leaf = leaf(&context, keyed, &rows);
        prop_assert_eq!(Leaf::read_full(&context, &full_bytes(&context, &leaf)).unwrap(), leaf);
    }

    #[test]
    fn a_delta_leads_from_any_leaf_to_any_other(keyed: bool, before in rows(), edits in rows()) {
        let context = LeafContext::new(ids(), &schema(keyed));
        let mut after = before.clone();
        for (id, row) in edits {
            if id % 4 == 0 { after.remove(&id); } else { after.insert(id, row); }
        }
        let (base, new) = (leaf(&context, keyed, &before), leaf(&context, keyed, &after));
        let delta = delta_bytes(&context, &base, &new, 1, base.id(&context.ids));
        prop_assert_eq!(apply_delta(&context, &base, &delta).unwrap(), new);
    }

    #[test]
    fn what_happens_to_all_records_is_said_once(before in rows(), value in prop::option::of("\\PC{0,40}"),
        odd in prop::collection::btree_map(-200_i64..200, (Just(None), Just(Some("odd".to_owned()))), 0..3)) {
        let context = LeafContext::new(ids(), &schema(true));
        let mut after = before.clone();
        for (_, data) in after.values_mut() {
            data.clone_from(&value);
        }
        after.extend(odd.clone());
        let (base, new) = (leaf(&context, true, &before), leaf(&context, true, &after));
        let delta = delta_bytes(&context, &base, &new, 1, base.id(&context.ids));
        prop_assert_eq!(apply_delta(&context, &base, &delta).unwrap(), new);
        let changed = after.iter().filter(|(id, row)| before.get(id).is_some_and(|old| old != *row)).count();
        if changed > 20 && changed * 10 > before.len() * 9 {
            let said_once = 40 + value.map_or(0, |value| value.len()) + odd.len() * 32;
            prop_assert!(delta.len() < said_once, "{} bytes", delta.len());
        }
    }

    #[test]
    fn forms_that_were_tampered_with_are_refused_or_yield_another_id(keyed: bool, before in rows(), after in rows(),
        at: prop::sample::Index, flip in 1_u8..) {
        let context = LeafContext::new(ids(), &schema(keyed));
        let (base, new) = (leaf(&context, keyed, &before), leaf(&context, keyed, &after));
        let id = new.id(&context.ids);
        let mut full = full_bytes(&context, &new);
        let position = at.index(full.len());
        full[position] ^= flip;
        if let Ok(read) = Leaf::read_full(&context, &full) {
            prop_assert!(read == new || read.id(&context.ids) != id);
        }
        let mut delta = delta_bytes(&context, &base, &new, 1, base.id(&context.ids));
        let position = at.index(delta.len());
        delta[position] ^= flip;
        if let Ok(read) = apply_delta(&context, &base, &delta) {
            prop_assert!(read == new || read.id(&context.ids) != id);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, rows in rows()) {
        let context = LeafContext::new(ids(), &schema(true));
        let _ = Leaf::read_full(&context, &bytes);
        let _ = apply_delta(&context, &leaf(&context, true, &rows), &bytes);
        let _ = Node::read_full(&bytes);
        let _ = Node::apply_delta(&node(&[1, 2, 3]), &bytes);
    }

    #[test]
    fn node_forms_give_back_their_nodes(before in prop::collection::btree_set(any::<u16>(), 1..200),
        after in prop::collection::btree_set(any::<u16>(), 1..200), salt: u8) {
        let base = node(&before.into_iter().collect::<Vec<_>>());
        let mut new = node(&after.into_iter().collect::<Vec<_>>());
        for child in new.children.iter_mut().step_by(3) {
            child.id.0[0] ^= salt;
            child.records += u64::from(salt);
        }
        let mut full = Vec::new();
        new.put_full(&mut full);
        prop_assert_eq!(Node::read_full(&full).unwrap(), new.clone());
        let mut delta = Vec::new();
        new.put_delta(DeltaHead { generation: 3, base: Hint([1; 6]) }, &base, &mut delta);
        prop_assert_eq!(Node::apply_delta(&base, &delta).unwrap(), new);
    }
}

fn node(keys: &[u16]) -> Node {
    let child = |key: &u16| {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&key.to_be_bytes());
        Child { first_key: Key::from_bytes(&key.to_be_bytes()), id: PartId(id), records: u64::from(*key) }
    };
    Node { level: 1, children: keys.iter().map(child).collect() }
}

/// Stored forms by hint, each in a frame of its own.
#[derive(Default)]
struct Stored {
    forms: BTreeMap<(Hint, bool), Vec<Form>>,
    reads: Mutex<usize>,
}

impl Stored {
    fn put(&mut self, hint: Hint, kind: ObjectKind, body: &[u8]) {
        let mut plain = vec![kind.byte()];
        crate::codec::put_bytes(&mut plain, body);
        let frame = Arc::new(Frame::parse(plain).unwrap());
        let inner = matches!(kind, ObjectKind::FullNode | ObjectKind::DeltaNode);
        let delta = matches!(kind, ObjectKind::DeltaLeaf | ObjectKind::DeltaNode);
        self.forms.entry((hint, inner)).or_default().push(Form { delta, body: Body::new(frame, 0) });
    }
}

impl PartSource for Stored {
    type Error = std::convert::Infallible;
    type Place = Form;

    fn places(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, Self::Error> {
        *self.reads.lock().unwrap() += 1;
        Ok(self.forms.get(&(hint, inner)).cloned().unwrap_or_default())
    }

    fn form(&self, place: &Form, _: bool) -> Result<Option<Form>, Self::Error> {
        Ok(Some(place.clone()))
    }
}

#[test]
fn a_chain_is_followed_to_the_wanted_leaf_even_where_short_names_collide() {
    let context = LeafContext::new(ids(), &schema(true));
    // Most days come back to the content of day 9, so that many forms share one name.
    let day = |n: i64| {
        let name = |id| format!("n{}", if id % 9 == n { n + 1 } else { 0 });
        leaf(&context, true, &(0..50).map(|id| (id, (Some(name(id)), None))).collect())
    };
    let mut stored = Stored::default();
    let mut lineage = Lineage::full(PartId::from(day(0).id(&context.ids)));
    let mut leaves: BTreeMap<PartId, Leaf> = BTreeMap::from([(lineage.id().unwrap(), day(0))]);
    stored.put(lineage.id().unwrap().hint(), ObjectKind::FullLeaf, &full_bytes(&context, &day(0)));
    for n in 1..30 {
        let (generation, base) = lineage.next_base().unwrap();
        let leaf = day(n);
        let id = leaf.id(&context.ids);
        let body = delta_bytes(&context, &leaves[&base], &leaf, generation, LeafId(base.0));
        stored.put(PartId::from(id).hint(), ObjectKind::DeltaLeaf, &body);
        lineage = lineage.extend(PartId::from(id));
        leaves.insert(PartId::from(id), leaf);
    }
    // Another leaf under every short name.
    let hints: Vec<Hint> = stored.forms.keys().map(|(hint, _)| *hint).collect();
    for hint in hints {
        stored.put(
            hint,
            ObjectKind::FullLeaf,
            &full_bytes(&context, &leaf(&context, true, &Rows::from([(9, (None, None))]))),
        );
    }
    let mut reader = TreeReader::new(&stored, context);
    for (id, leaf) in &leaves {
        assert_eq!(*reader.leaf(LeafId(id.0)).unwrap(), *leaf);
    }
    assert!(matches!(reader.leaf(LeafId([1; 32])), Err(ReadError::Missing { kind: "leaf", .. })));
}

#[test]
fn a_cycle_of_bases_ends_in_an_error() {
    let context = LeafContext::new(ids(), &schema(true));
    let rows = Rows::from([(1, (Some("x".to_owned()), None))]);
    let leaf = leaf(&context, true, &rows);
    let id = leaf.id(&context.ids);
    let mut stored = Stored::default();
    for generation in [5, 6, 7] {
        stored.put(
            PartId::from(id).hint(),
            ObjectKind::DeltaLeaf,
            &delta_bytes(&context, &leaf, &leaf, generation, id),
        );
    }
    let mut reader = TreeReader::new(&stored, context);
    assert!(matches!(reader.leaf(id), Err(ReadError::Missing { .. })));
    assert!(*stored.reads.lock().unwrap() < 20);
}

#[test]
fn a_scaffold_has_one_top_whatever_the_number_of_leaves() {
    let ids = ids();
    let params = TreeParams { leaf_records_target: 8, node_children_target: 8 };
    for leaves in [0_u32, 1, 2, 5, 12, 13, 100, 3000] {
        let mut nodes: BTreeMap<PartId, Node> = BTreeMap::new();
        let mut emit = |id, node| {
            nodes.insert(id, node);
            Ok::<_, std::convert::Infallible>(())
        };
        let mut scaffold = Scaffold::new(&ids, params);
        for n in 0..leaves {
            let mut id = [9; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            let child = Child { first_key: Key::from_bytes(&n.to_be_bytes()), id: PartId(id), records: 2 };
            scaffold.push_leaf(child, &mut emit).unwrap();
        }
        let top = scaffold.finish(&mut emit).unwrap();
        assert_eq!(top.map(|top| top.records), (leaves > 0).then_some(u64::from(leaves) * 2));
        let mut level = top.map_or(0, |top| top.level);
        let mut parts: Vec<PartId> = top.iter().map(|top| top.id).collect();
        while level > 0 {
            parts = parts.iter().flat_map(|id| nodes[id].children.iter().map(|child| child.id)).collect();
            level -= 1;
        }
        assert_eq!(parts.len(), leaves as usize);
        assert!(
            nodes.iter().all(|(id, node)| PartId::from(node.id(&ids)) == *id && node.children.len() > 1 || leaves < 2)
        );
    }
}

/// Vectors of `docs/repository-format.md`: a reader in any language must come to the same bytes.
#[test]
fn the_vectors_of_the_document_hold() {
    let context = LeafContext::new(ids(), &schema(true));
    let rows = Rows::from([(1, (Some("ab".to_owned()), None)), (-2, (None, Some("xyz".to_owned())))]);
    let leaf = leaf(&context, true, &rows);
    let id = leaf.id(&context.ids);
    let node =
        Node { level: 1, children: vec![Child { first_key: Key::from_bytes(leaf.key(0)), id: id.into(), records: 2 }] };
    let mut node_form = Vec::new();
    node.put_full(&mut node_form);
    let params = TreeParams { leaf_records_target: 100, node_children_target: 128 };
    let top = super::params::Top { level: 0, id: id.into(), records: 2 };
    let vectors = [
        ("record 1", hex::encode(leaf.record(1))),
        ("record -2", hex::encode(leaf.record(0))),
        ("key 1", hex::encode(leaf.key(1))),
        ("key -2", hex::encode(leaf.key(0))),
        ("digest 1", leaf.digest(1).unwrap().to_string()),
        ("border 1", format!("{:016x}", context.ids.border(0, leaf.key(1)))),
        ("full leaf", hex::encode(full_bytes(&context, &leaf))),
        ("leaf id", id.to_string()),
        ("full node", hex::encode(node_form)),
        ("node id", NodeId(PartId::from(node.id(&context.ids)).0).to_string()),
        ("class root", class_root(&context.ids, params, &SchemaDigest([5; 32]), Some(top)).to_string()),
    ];
    let document = include_str!("../../../docs/repository-format.md");
    let lines = vectors.map(|(name, value)| format!("| {name} | `{value}` |"));
    let missing: Vec<_> = lines.iter().filter(|line| !document.contains(*line)).collect();
    assert!(missing.is_empty(), "docs/repository-format.md should have these lines:\n{missing:#?}");
}
