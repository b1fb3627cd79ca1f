//! Rows read through the layers, against one plain map.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

/// A base that a test can flush into.
#[derive(Default)]
struct Flushed(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Base for Flushed {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<RawRows, Unreadable> {
        let rows = self.0.lock().unwrap();
        let rows = rows.range(from.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

struct Numbers;

impl Table for Numbers {
    const TAG: u8 = 7;
    type Key = u64;
    type Value = u32;
}

#[derive(Debug, Clone)]
enum Step {
    Put(u64, u32),
    Remove(u64),
    Freeze,
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..12_u64, any::<u32>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => (0..12_u64).prop_map(Step::Remove),
        1 => Just(Step::Freeze),
        1 => Just(Step::Flush),
    ];
    proptest::collection::vec(step, 0..60)
}

fn flush(base: &Flushed, frozen: &mut Option<Arc<Layer>>, rows: &mut Rows) {
    let Some(layer) = frozen.take() else { return };
    let mut flushed = base.0.lock().unwrap();
    for (key, value) in layer.iter() {
        match value {
            Some(value) => drop(flushed.insert(key.to_vec(), value.to_vec())),
            None => drop(flushed.remove(key)),
        }
    }
    rows.thaw();
}

proptest! {
    #[test]
    fn layers_read_as_one_map(steps in steps(), limit in 1..14_usize, after in proptest::option::of(0..12_u64)) {
        let base = Arc::new(Flushed::default());
        let mut rows = Rows::over(base.clone(), StateDigest::default());
        let mut plain = BTreeMap::new();
        let mut frozen = None;
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    let mut change = rows.change();
                    change.put::<Numbers>(&key, &value).unwrap();
                    change.commit().unwrap();
                    plain.insert(key, value);
                }
                Step::Remove(key) => {
                    let mut change = rows.change();
                    change.remove::<Numbers>(&key);
                    change.commit().unwrap();
                    plain.remove(&key);
                }
                Step::Freeze => frozen = rows.freeze().or(frozen),
                Step::Flush => flush(&base, &mut frozen, &mut rows),
            }
            for key in 0..12 {
                prop_assert_eq!(rows.get::<Numbers>(&key).unwrap(), plain.get(&key).copied());
            }
            let expected: Vec<_> = plain.iter().filter(|(key, _)| after.is_none_or(|after| **key > after))
                .take(limit).map(|(key, value)| (*key, *value)).collect();
            prop_assert_eq!(rows.list::<Numbers>(&[], after.as_ref(), limit).unwrap(), expected);
        }
        let mut digest = StateDigest::default();
        for (key, value) in &plain {
            digest.add(&row_key::<Numbers>(key), &postcard::to_stdvec(value).unwrap());
        }
        prop_assert_eq!(rows.digest(), digest);
    }
}

#[test]
fn a_change_that_is_dropped_leaves_nothing() {
    let mut rows = Rows::over(Arc::new(Flushed::default()), StateDigest::default());
    let mut change = rows.change();
    change.put::<Numbers>(&1, &1).unwrap();
    assert_eq!(change.get::<Numbers>(&1).unwrap(), Some(1));
    drop(change);
    assert_eq!(rows.get::<Numbers>(&1).unwrap(), None);
    assert_eq!(rows.digest(), StateDigest::default());
}

#[test]
fn a_row_of_another_shape_is_no_row() {
    let base = Arc::new(Flushed::default());
    base.0.lock().unwrap().insert(row_key::<Numbers>(&1), vec![1, 2, 3]);
    let rows = Rows::over(base, StateDigest::default());
    assert!(matches!(rows.get::<Numbers>(&1), Err(Unreadable::Malformed { table: 7 })));
}
