//! Blobs come back whole, under their ids, and are cut where the key says.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::digest::{IdKey, Profile};
use crate::entropy::{Entropy as _, testing::Seeded};
use crate::id::ObjectId;
use crate::limits::{CHUNK_BYTES_MIN, CHUNK_BYTES_TARGET};

fn ids(byte: u8) -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([byte; 32]))
}

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Seeded::new(seed).fill(&mut bytes).unwrap();
    bytes
}

fn decode(ids: &IdFunctions, blob: BlobId, objects: &[BlobObject<'_>]) -> Result<Vec<u8>, BlobError> {
    let top = objects.last().unwrap();
    assert_eq!(top.id, ObjectId::Blob(blob));
    let any = BlobLength::AtMost(u64::MAX);
    match BlobForm::decode(ids, blob, any, Object { kind: top.kind, body: &top.body })? {
        BlobForm::Whole(content) => Ok(content.into_owned()),
        BlobForm::List(list) => {
            let mut verifier = BlobVerifier::new(ids, blob, &list);
            let mut content = Vec::new();
            for chunk in &list.chunks {
                let object = objects.iter().find(|object| object.id == ObjectId::Chunk(chunk.id)).unwrap();
                verifier.push(&object.body)?;
                content.extend_from_slice(&object.body);
            }
            verifier.finish()?;
            Ok(content)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn comes_back_whole_and_streamed(seed: u64, len in 0..900_000_usize, piece in 1..300_000_usize) {
        let (ids, content) = (ids(1), random(seed, len));
        let splitter = Splitter::new(&ids);
        let (blob, objects) = encode_blob(&ids, &splitter, &content).unwrap();
        prop_assert_eq!(&decode(&ids, blob, &objects).unwrap(), &content);

        let mut streamed = Vec::new();
        let mut sink = |object: BlobObject<'_>| {
            streamed.push((object.id, object.kind, object.body.into_owned()));
            Ok::<(), BlobError>(())
        };
        let mut encoder = BlobEncoder::new(&ids, &splitter);
        for part in content.chunks(piece) {
            encoder.write(part, &mut sink).unwrap();
        }
        prop_assert_eq!(encoder.finish(&mut sink).unwrap(), blob);
        let expected: Vec<_> = objects.into_iter().map(|o| (o.id, o.kind, o.body.into_owned())).collect();
        prop_assert!(streamed == expected, "streamed objects differ");
    }

    #[test]
    fn hostile_lists_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(list) = ChunkList::decode(&bytes) {
            prop_assert!(list.chunks.len() * 33 <= bytes.len());
        }
    }
}

#[test]
fn chunks_keep_their_bounds_and_mean() {
    let (ids, content) = (ids(1), random(3, 32 << 20));
    let splitter = Splitter::new(&ids);
    let lens: Vec<usize> = splitter.chunks(&content).map(<[u8]>::len).collect();
    assert!(lens.iter().all(|len| *len <= CHUNK_BYTES_MAX as usize));
    assert!(lens.iter().rev().skip(1).all(|len| *len > CHUNK_BYTES_MIN as usize));
    let mean = content.len() / lens.len();
    let target = CHUNK_BYTES_TARGET as usize;
    assert!((target * 3 / 4..target * 3 / 2).contains(&mean), "mean {mean}");
}

#[test]
fn an_insertion_changes_few_chunks_and_another_key_nearly_all() {
    let mut content = random(4, 8 << 20);
    let ids_of = |ids: &IdFunctions, content: &[u8]| -> HashSet<ChunkId> {
        Splitter::new(ids).chunks(content).map(|chunk| self::ids(1).chunk(chunk)).collect()
    };
    let (before, other) = (ids_of(&ids(1), &content), ids_of(&ids(2), &content));
    assert!(before.intersection(&other).count() <= before.len() / 50, "another key finds the same borders");
    content.splice(3_000_000..3_000_000, *b"a few bytes more");
    let after = ids_of(&ids(1), &content);
    assert!(after.difference(&before).count() <= 3, "{} new chunks", after.difference(&before).count());
}

#[test]
fn a_changed_chunk_or_list_is_an_error() {
    let (ids, content) = (ids(1), random(5, 500_000));
    let splitter = Splitter::new(&ids);
    let (blob, objects) = encode_blob(&ids, &splitter, &content).unwrap();
    for number in 0..objects.len() {
        let mut changed = objects.clone();
        let body = changed[number].body.to_mut();
        let at = body.len() / 2;
        body[at] ^= 1;
        let top = changed.last().unwrap();
        let form =
            BlobForm::decode(&ids, blob, BlobLength::Exactly(500_000), Object { kind: top.kind, body: &top.body });
        let BlobForm::List(list) = form.unwrap() else { panic!("a long blob is a list") };
        let mut verifier = BlobVerifier::new(&ids, blob, &list);
        let read: Result<(), BlobError> =
            changed.iter().take(changed.len() - 1).try_for_each(|chunk| verifier.push(&chunk.body));
        assert!(read.is_err(), "object {number}");
    }
    let (short, _) = encode_blob(&ids, &splitter, b"short").unwrap();
    let object = Object { kind: ObjectKind::WholeBlob, body: b"Short" };
    assert_eq!(
        BlobForm::decode(&ids, short, BlobLength::Exactly(5), object),
        Err(BlobError::WrongContent { blob: short })
    );
}

#[test]
fn a_list_that_is_longer_than_expected_is_refused_before_a_chunk_is_read() {
    let (ids, content) = (ids(1), random(6, 300_000));
    let (blob, objects) = encode_blob(&ids, &Splitter::new(&ids), &content).unwrap();
    let top = objects.last().unwrap();
    let decode = |expected| BlobForm::decode(&ids, blob, expected, Object { kind: top.kind, body: &top.body });
    assert!(decode(BlobLength::Exactly(300_000)).is_ok() && decode(BlobLength::AtMost(300_000)).is_ok());
    for expected in [BlobLength::Exactly(299_999), BlobLength::Exactly(300_001), BlobLength::AtMost(299_999)] {
        assert_eq!(decode(expected), Err(BlobError::WrongLength { blob, bytes: 300_000, expected }));
    }
    assert!(!BlobLength::Exactly(u64::MAX).admits(u64::MAX), "no cell makes a reader take all memory");
}
