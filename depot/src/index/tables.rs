//! The index's tables, and how a pack enters and leaves them.

use redb::{ReadableTable as _, TableDefinition, WriteTransaction};
use strongroom_core::id::{Hint, PackId};
use strongroom_core::pack::{Directory, PackHeader};

use super::IndexError;

/// Facts about the index itself.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Pack id → pack number, size, header.
pub(super) const PACKS: TableDefinition<'_, &[u8; 16], (u32, u64, &[u8])> = TableDefinition::new("packs");
/// Pack number → pack id.
pub(super) const NUMBERS: TableDefinition<'_, u32, &[u8; 16]> = TableDefinition::new("numbers");
/// Pack number, ordinal of a frame's first object → frame number, offset, length in the file.
pub(super) const FRAMES: TableDefinition<'_, (u32, u32), (u32, u64, u32)> = TableDefinition::new("frames");
/// Hint, pack number, ordinal → kind.
pub(super) const OBJECTS: TableDefinition<'_, &[u8; 14], u8> = TableDefinition::new("objects");

/// The key of an object: its hint in front, so that candidates lie side by side.
pub(super) fn object_key(hint: Hint, pack: u32, ordinal: u32) -> [u8; 14] {
    let mut key = [0; 14];
    let parts = hint.0.into_iter().chain(pack.to_be_bytes()).chain(ordinal.to_be_bytes());
    key.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    key
}

/// Pack number and ordinal of an object's key.
pub(super) fn split_key(key: &[u8; 14]) -> (u32, u32) {
    let number = |from: usize| key.iter().skip(from).take(4).fold(0, |number, byte| number << 8 | u32::from(*byte));
    (number(6), number(10))
}

/// Enters a pack, unless it is there.
pub(super) fn insert(
    write: &WriteTransaction,
    header: &PackHeader,
    bytes: u64,
    directory: &Directory,
) -> Result<(), IndexError> {
    let pack = header.identity.pack;
    let mut packs = write.open_table(PACKS).map_err(IndexError::database)?;
    if packs.get(&pack.0).map_err(IndexError::database)?.is_some() {
        return Ok(());
    }
    let mut numbers = write.open_table(NUMBERS).map_err(IndexError::database)?;
    let last = numbers.last().map_err(IndexError::database)?.map(|(number, _)| number.value());
    let number = last.map_or(Some(0), |last| last.checked_add(1)).ok_or(IndexError::Full)?;
    numbers.insert(number, &pack.0).map_err(IndexError::database)?;
    packs.insert(&pack.0, (number, bytes, header.to_bytes().as_slice())).map_err(IndexError::database)?;

    let mut frames = write.open_table(FRAMES).map_err(IndexError::database)?;
    for (frame, info) in (0_u32..).zip(directory.frames()).filter(|(_, info)| info.objects > 0) {
        let value = (frame, info.offset, info.sealed_len);
        frames.insert((number, info.first_object), value).map_err(IndexError::database)?;
    }
    // In key order, which the table takes in faster than at random.
    let mut entries: Vec<([u8; 14], u8)> = (0_u32..)
        .zip(directory.objects())
        .map(|(ordinal, object)| (object_key(object.hint, number, ordinal), object.kind.byte()))
        .collect();
    entries.sort_unstable();
    let mut objects = write.open_table(OBJECTS).map_err(IndexError::database)?;
    for (key, kind) in &entries {
        objects.insert(key, kind).map_err(IndexError::database)?;
    }
    Ok(())
}

/// Takes packs out that the depot no longer has. One pass over all objects, since nothing is sorted by pack.
pub(super) fn remove(write: &WriteTransaction, gone: &[PackId]) -> Result<(), IndexError> {
    let mut packs = write.open_table(PACKS).map_err(IndexError::database)?;
    let mut numbers = write.open_table(NUMBERS).map_err(IndexError::database)?;
    let mut frames = write.open_table(FRAMES).map_err(IndexError::database)?;
    let mut gone_numbers = Vec::with_capacity(gone.len());
    for pack in gone {
        let number = packs.remove(&pack.0).map_err(IndexError::database)?.map(|value| value.value().0);
        if let Some(number) = number {
            numbers.remove(number).map_err(IndexError::database)?;
            frames.retain_in((number, 0)..=(number, u32::MAX), |_, _| false).map_err(IndexError::database)?;
            gone_numbers.push(number);
        }
    }
    gone_numbers.sort_unstable();
    let mut objects = write.open_table(OBJECTS).map_err(IndexError::database)?;
    objects.retain(|key, _| gone_numbers.binary_search(&split_key(key).0).is_err()).map_err(IndexError::database)
}
