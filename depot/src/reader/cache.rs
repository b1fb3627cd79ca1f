//! Opened frames, the least recently used given up first.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_core::frame::Frame;
use strongroom_core::id::PackId;

type Key = (PackId, u32);

/// Frames by pack and number, bounded by the memory that they hold.
pub(super) struct FrameCache {
    bytes_max: usize,
    bytes: usize,
    clock: u64,
    frames: BTreeMap<Key, (u64, Arc<Frame>)>,
    by_age: BTreeMap<u64, Key>,
}

impl FrameCache {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, clock: 0, frames: BTreeMap::new(), by_age: BTreeMap::new() }
    }

    pub(super) fn contains(&self, pack: PackId, number: u32) -> bool {
        self.frames.contains_key(&(pack, number))
    }

    pub(super) fn get(&mut self, pack: PackId, number: u32) -> Option<Arc<Frame>> {
        let key = (pack, number);
        let (age, frame) = self.frames.get_mut(&key)?;
        self.by_age.remove(age);
        self.clock += 1;
        *age = self.clock;
        self.by_age.insert(self.clock, key);
        Some(Arc::clone(frame))
    }

    /// Keeps a frame, unless it alone is more than the bound.
    pub(super) fn insert(&mut self, pack: PackId, number: u32, frame: Arc<Frame>) {
        let key = (pack, number);
        let bytes = frame.memory_bytes();
        if bytes > self.bytes_max || self.frames.contains_key(&key) {
            return;
        }
        while self.bytes + bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                break;
            };
            if let Some((_, frame)) = self.frames.remove(&oldest) {
                self.bytes -= frame.memory_bytes();
            }
        }
        self.clock += 1;
        self.bytes += bytes;
        self.by_age.insert(self.clock, key);
        self.frames.insert(key, (self.clock, frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Arc<Frame> {
        let mut plain = vec![7, 100];
        plain.extend([0; 100]);
        Arc::new(Frame::parse(plain).unwrap())
    }

    #[test]
    fn gives_up_the_least_recently_used_and_keeps_its_bound() {
        let size = frame().memory_bytes();
        let mut cache = FrameCache::new(3 * size);
        let pack = PackId([1; 16]);
        for number in 0..3 {
            cache.insert(pack, number, frame());
        }
        assert!(cache.get(pack, 0).is_some());
        cache.insert(pack, 3, frame());
        assert!(cache.contains(pack, 0) && !cache.contains(pack, 1) && cache.contains(pack, 2));
        assert!(cache.bytes <= 3 * size);
        FrameCache::new(size - 1).insert(pack, 0, frame());
        let mut small = FrameCache::new(size - 1);
        small.insert(pack, 0, frame());
        assert!(!small.contains(pack, 0));
    }
}
