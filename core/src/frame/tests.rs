//! Frames give back what they were given, and bound what a hostile one can ask for.

use proptest::prelude::*;

use super::*;
use crate::id::{BlobId, ChunkId, LeafId, NodeId};

fn id_for(kind: ObjectKind, byte: u8) -> ObjectId {
    match kind {
        ObjectKind::FullLeaf | ObjectKind::DeltaLeaf => ObjectId::Leaf(LeafId([byte; 32])),
        ObjectKind::FullNode | ObjectKind::DeltaNode => ObjectId::Node(NodeId([byte; 32])),
        ObjectKind::WholeBlob | ObjectKind::ChunkList => ObjectId::Blob(BlobId([byte; 32])),
        ObjectKind::Chunk => ObjectId::Chunk(ChunkId([byte; 32])),
    }
}

fn frames_of(objects: &[(u8, Vec<u8>)]) -> Vec<PlainFrame> {
    let mut builder = FrameBuilder::new();
    let mut frames = Vec::new();
    for (kind, body) in objects {
        let kind = ObjectKind::from_byte(*kind).unwrap();
        frames.extend(builder.push(id_for(kind, 1), kind, body).unwrap());
    }
    frames.extend(builder.flush());
    frames
}

proptest! {
    #[test]
    fn what_goes_in_comes_out_in_order(
        objects in prop::collection::vec((1..=7_u8, prop::collection::vec(any::<u8>(), 0..60_000)), 0..12),
        level in 1..6_i32,
    ) {
        let (mut compressor, mut decompressor) = (Compressor::new().unwrap(), Decompressor::new().unwrap());
        let mut read = Vec::new();
        for frame in frames_of(&objects) {
            prop_assert!(frame.plain_len() <= FRAME_BYTES_TARGET || frame.entries().len() == 1);
            let compressed = compressor.compress(frame.clone(), level).unwrap();
            let opened = decompressor.frame(&compressed.envelope).unwrap();
            prop_assert_eq!(opened.plain_len(), compressed.plain_len());
            prop_assert_eq!(opened.len(), frame.entries().len());
            read.extend(opened.objects().map(|object| (object.kind.byte(), object.body.to_vec())));
        }
        prop_assert_eq!(read, objects);
    }

    #[test]
    fn hostile_envelopes_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..200), flag in 0..3_u8) {
        let mut envelope = vec![flag];
        envelope.extend(bytes);
        let _ = Decompressor::new().unwrap().frame(&envelope);
    }
}

#[test]
fn a_large_object_has_a_frame_to_itself() {
    let large = vec![3; FRAME_BYTES_TARGET + 1];
    let frames = frames_of(&[(1, vec![1; 10]), (1, large.clone()), (1, vec![2; 10]), (2, vec![2; 10])]);
    assert_eq!(frames.iter().map(|frame| frame.entries().len()).collect::<Vec<_>>(), [1, 1, 2]);
}

#[test]
fn only_a_frame_of_the_usual_size_holds_several_objects() {
    let empty_objects = |len: usize| [ObjectKind::Chunk.byte(), 0].repeat(len / 2);
    assert_eq!(Frame::parse(empty_objects(FRAME_BYTES_TARGET)).unwrap().len(), FRAME_BYTES_TARGET / 2);
    assert!(Frame::parse(empty_objects(FRAME_BYTES_TARGET + 2)).is_err());
    let mut alone = vec![ObjectKind::Chunk.byte()];
    crate::codec::put_bytes(&mut alone, &vec![0; FRAME_BYTES_TARGET]);
    assert_eq!(Frame::parse(alone.clone()).unwrap().len(), 1);
    alone.extend([ObjectKind::Chunk.byte(), 0]);
    assert!(Frame::parse(alone).is_err());
}

#[test]
fn refuses_an_object_under_the_id_of_another_kind() {
    let id = ObjectId::Leaf(LeafId([0; 32]));
    assert!(FrameBuilder::new().push(id, ObjectKind::FullNode, &[]).is_err());
}

#[test]
fn a_declared_length_bounds_the_memory() {
    let mut envelope = vec![ZSTD];
    crate::codec::put_varint(&mut envelope, 1 << 40);
    envelope.extend_from_slice(&zstd::bulk::compress(&vec![0; 100_000], 3).unwrap());
    assert!(Decompressor::new().unwrap().frame(&envelope).is_err());
    let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 3).unwrap();
    for declared in [10, (1 << 20) - 1, (1 << 20) + 1] {
        let mut envelope = vec![ZSTD];
        crate::codec::put_varint(&mut envelope, declared);
        envelope.extend_from_slice(&bomb);
        assert!(Decompressor::new().unwrap().open(&envelope, 1 << 21, "bomb").is_err());
    }
    assert!(Decompressor::new().unwrap().open(&[STORED, 1, 2, 3], 2, "stored").is_err());
}
