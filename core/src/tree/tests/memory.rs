//! What a reader holds is bounded, whatever lies under a short name.

use std::sync::Weak;

use super::*;
use crate::limits::LEAVES_KEPT_BYTES_MAX;

/// A thousand forms under each short name that somebody else put there, and how many were open at a time.
struct Crowd {
    full: Vec<u8>,
    delta: Vec<u8>,
    crowded: Hint,
    opened: Mutex<(Vec<Weak<Frame>>, usize)>,
}

impl PartSource for Crowd {
    type Error = std::convert::Infallible;
    type Place = bool;

    fn places(&self, hint: Hint, _: bool) -> Result<Vec<bool>, Self::Error> {
        Ok(if hint == self.crowded { vec![false; 1000] } else { vec![true] })
    }

    fn form(&self, delta: &bool, _: bool) -> Result<Option<Form>, Self::Error> {
        let (kind, body) =
            if *delta { (ObjectKind::DeltaLeaf, &self.delta) } else { (ObjectKind::FullLeaf, &self.full) };
        let mut plain = vec![kind.byte()];
        crate::codec::put_bytes(&mut plain, body);
        let frame = Arc::new(Frame::parse(plain).unwrap());
        let mut opened = self.opened.lock().unwrap();
        opened.0.push(Arc::downgrade(&frame));
        opened.0.retain(|frame| frame.strong_count() > 0);
        opened.1 = opened.1.max(opened.0.len());
        Ok(Some(Form { delta: *delta, body: Body::new(frame, 0) }))
    }
}

#[test]
fn forms_that_others_put_under_a_name_are_open_one_at_a_time() {
    let context = LeafContext::new(ids(), &schema(true));
    let of = |id, name: &str| leaf(&context, true, &Rows::from([(id, (Some(name.to_owned()), None))]));
    let (base, next) = (of(1, "base"), of(1, "next"));
    let (base_id, next_id) = (base.id(&context.ids), next.id(&context.ids));
    for (crowded, wanted) in [(base_id, base_id), (base_id, next_id)] {
        let crowd = Crowd {
            full: full_bytes(&context, &of(2, "another")),
            delta: delta_bytes(&context, &base, &next, 1, base_id),
            crowded: PartId::from(crowded).hint(),
            opened: Mutex::default(),
        };
        let read = TreeReader::new(&crowd, context.clone()).leaf(wanted);
        assert!(matches!(read, Err(ReadError::Missing { .. })));
        assert!(crowd.opened.lock().unwrap().1 <= 2, "a delta and one form of its base");
    }
}

#[test]
fn large_leaves_are_not_kept_at_hand() {
    let context = LeafContext::new(ids(), &schema(true));
    let mut stored = Stored::default();
    let large: Vec<LeafId> = (0..6)
        .map(|id| {
            let leaf = leaf(&context, true, &Rows::from([(id, (Some("x".repeat(12 << 20)), None))]));
            stored.put(PartId::from(leaf.id(&context.ids)).hint(), ObjectKind::FullLeaf, &full_bytes(&context, &leaf));
            leaf.id(&context.ids)
        })
        .collect();
    let mut reader = TreeReader::new(&stored, context);
    let leaves: Vec<_> = large.iter().map(|id| Arc::downgrade(&reader.leaf(*id).unwrap())).collect();
    let kept: usize = leaves.iter().filter_map(Weak::upgrade).map(|leaf| leaf.record_bytes()).sum();
    assert!(kept > 0 && kept <= LEAVES_KEPT_BYTES_MAX, "{kept}");
}
