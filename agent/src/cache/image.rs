//! The image: the stored forms of the newest trees, kept on the host under the host's key.
//!
//! It is a set of packs like those in the depot, with the same frames, sealed a second time for this host. Since it
//! keeps every form of each living chain, it gives the content of the newest generation of a part and of every base
//! that a later one may name. Forms that no living chain needs are left behind when the image is compacted.
//!
//! Where forms lie is remembered in a table of the index; a form that can't be read makes the caller do without.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_core::codec::Malformed;
use strongroom_core::entropy::Entropy;
use strongroom_core::frame::{CompressedFrame, Decompressor, Frame, ObjectKind};
use strongroom_core::id::{Hint, PackId};
use strongroom_core::pack::{FrameInfo, PackError, PackHeader, PackIdentity, PackReader, PackWriter};
use strongroom_core::seal::{HostKey, Recipient};
use strongroom_core::tree::reader::{Body, Form, PartSource};
use strongroom_platform::disk::{Disk, DiskError, DiskFile, DiskRead};

/// Decompressed frames kept at hand. A chain draws on few packs, and neighbouring parts on the same frames.
const FRAMES_CACHED: usize = 48;

const TABLE: &[u8] = b"image";
const PACKS: &[u8] = b"image packs";
const FACTS: &[u8] = b"image facts";
const SETTLED: &[u8] = b"settled bytes";

/// An image that can't be read or written. The remedy is always to do without.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A pack can't be written or read.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The table of places failed.
    #[error("the image's table can't be read or written")]
    Table(#[source] sled::Error),
    /// Compression failed for want of memory.
    #[error("compression failed")]
    Compression(#[source] std::io::Error),
    /// A place leads nowhere.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl From<sled::Error> for ImageError {
    fn from(error: sled::Error) -> Self {
        Self::Table(error)
    }
}

/// One pack of the image, open.
struct OpenPack {
    file: Box<dyn DiskRead>,
    reader: PackReader,
    frames: Vec<FrameInfo>,
}

type FrameKey = (PackId, u32);

struct Cached {
    packs: BTreeMap<PackId, Arc<OpenPack>>,
    frames: VecDeque<(FrameKey, Arc<Frame>)>,
    decompressor: Decompressor,
}

/// The image of one source.
pub struct Image {
    disk: Arc<dyn Disk>,
    dir: String,
    host: HostKey,
    table: sled::Tree,
    packs: sled::Tree,
    facts: sled::Tree,
    cached: Mutex<Cached>,
}

impl Image {
    /// Opens the image that lies in a folder, with its table in the index.
    pub fn open(disk: Arc<dyn Disk>, dir: &str, host: HostKey, index: &super::Index) -> Result<Self, ImageError> {
        disk.create_dir_all(dir)?;
        let decompressor = Decompressor::new().map_err(ImageError::Compression)?;
        let cached = Cached { packs: BTreeMap::new(), frames: VecDeque::new(), decompressor };
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            host,
            table: index.tree(TABLE)?,
            packs: index.tree(PACKS)?,
            facts: index.tree(FACTS)?,
            cached: Mutex::new(cached),
        })
    }

    /// Bytes of all packs of the image.
    pub fn bytes(&self) -> Result<u64, ImageError> {
        let mut total = 0;
        for item in &self.packs {
            let (_, value) = item?;
            total += value.as_ref().try_into().map_or(0, u64::from_be_bytes);
        }
        Ok(total)
    }

    /// Bytes that the image had when it was last known to hold little that is dead.
    pub(super) fn settled_bytes(&self) -> Result<u64, ImageError> {
        let stored = self.facts.get(SETTLED)?;
        Ok(stored.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    fn settle(&self) -> Result<(), ImageError> {
        self.facts.insert(SETTLED, &self.bytes()?.to_be_bytes())?;
        Ok(())
    }

    /// The packs that the image consists of.
    pub(super) fn packs(&self) -> Result<Vec<PackId>, ImageError> {
        let ids = self.packs.iter().keys().map(|key| Ok(key?.as_ref().try_into().ok().map(PackId)));
        ids.filter_map(Result::transpose).collect()
    }

    /// Forms under a short name; the same as a reader sees.
    pub(super) fn committed_forms(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, ImageError> {
        let places = self.places(hint, inner)?;
        places.iter().filter_map(|place| self.form(place, inner).transpose()).collect()
    }

    /// Puts the packs of an update in the place of others, and forgets where those held what.
    pub(super) fn replace(&self, old: &[PackId], update: &ImageUpdate) -> Result<(), ImageError> {
        let mut batch = sled::Batch::default();
        for pack in old {
            batch.remove(pack.as_bytes());
        }
        for (pack, bytes) in &update.packs {
            batch.insert(pack.as_bytes(), &bytes.to_be_bytes());
        }
        self.packs.apply_batch(batch)?;
        // What follows removes the old packs: the new ones must be on record first.
        self.packs.flush()?;
        for key in self.table.iter().keys() {
            let key = key?;
            if old.contains(&Place::decode(&key)?.pack) {
                self.table.remove(key)?;
            }
        }
        {
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            cached.packs.clear();
            cached.frames.clear();
        }
        self.settle()?;
        self.remove_strays()
    }

    /// Removes packs that no committed snapshot added: what is left of runs that died.
    pub fn remove_strays(&self) -> Result<(), ImageError> {
        for entry in self.disk.list(&self.dir)? {
            let id: Option<PackId> = entry.name.strip_suffix(".pack").and_then(|name| name.parse().ok());
            let known = match id {
                Some(id) => self.packs.contains_key(id.as_bytes())?,
                None => false,
            };
            if !known && !entry.is_dir {
                self.disk.remove(&format!("{}/{}", self.dir, entry.name))?;
            }
        }
        Ok(())
    }

    /// Forgets everything: the next snapshot fills the image anew.
    pub fn clear(&self) -> Result<(), ImageError> {
        self.table.clear()?;
        self.packs.clear()?;
        self.facts.clear()?;
        self.remove_strays()
    }

    /// A writer for the frames of one run.
    pub fn writer(&self) -> ImageWriter<'_> {
        ImageWriter { image: self, open: None, done: Vec::new() }
    }

    fn path(&self, pack: PackId) -> String {
        format!("{}/{pack}.pack", self.dir)
    }

    fn open_pack(&self, cached: &mut Cached, id: PackId) -> Result<Arc<OpenPack>, ImageError> {
        if let Some(pack) = cached.packs.get(&id) {
            return Ok(Arc::clone(pack));
        }
        let file = self.disk.open_read(&self.path(id))?;
        let len = file.len()?;
        let read = |offset: u64, bytes: u64| -> Result<Vec<u8>, ImageError> {
            let mut buffer = vec![0; usize::try_from(bytes.min(len)).map_err(|_| Malformed::new("image pack"))?];
            file.read_at(offset, &mut buffer)?;
            Ok(buffer)
        };
        let header = PackHeader::parse(&read(0, PackHeader::LEN_MAX as u64)?)?;
        let reader = header.open(&self.host)?;
        let tail = PackReader::tail_len(reader.identity().scope.profile) as u64;
        let trailer = reader.trailer(len, &read(len.saturating_sub(tail), tail)?)?;
        let footer = read(trailer.footer_offset, trailer.footer_len)?;
        let directory = reader.directory(&trailer, &footer, &mut cached.decompressor)?;
        let pack = Arc::new(OpenPack { file, reader, frames: directory.frames().to_vec() });
        cached.packs.insert(id, Arc::clone(&pack));
        Ok(pack)
    }

    fn frame(&self, key: FrameKey) -> Result<Arc<Frame>, ImageError> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frame)) = cached.frames.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(frame));
        }
        let pack = self.open_pack(&mut cached, key.0)?;
        let info = pack.frames.get(key.1 as usize).ok_or(Malformed::new("image: frame number"))?;
        let mut sealed = vec![0; info.sealed_len as usize];
        pack.file.read_at(info.offset, &mut sealed)?;
        let frame = Arc::new(pack.reader.open_frame(key.1, sealed, &mut cached.decompressor)?);
        if cached.frames.len() == FRAMES_CACHED {
            cached.frames.pop_front();
        }
        cached.frames.push_back((key, Arc::clone(&frame)));
        Ok(frame)
    }
}

impl PartSource for Image {
    type Error = ImageError;
    type Place = Place;

    /// The table does not tell leaves from nodes.
    fn places(&self, hint: Hint, _: bool) -> Result<Vec<Place>, ImageError> {
        let mut places = Vec::new();
        for item in self.table.scan_prefix(hint.as_bytes()).keys() {
            let place = Place::decode(&item?)?;
            if self.packs.contains_key(place.pack.as_bytes())? {
                places.push(place);
            }
        }
        Ok(places)
    }

    fn form(&self, place: &Place, inner: bool) -> Result<Option<Form>, ImageError> {
        let frame = self.frame((place.pack, place.frame))?;
        let Some(object) = frame.object(place.slot) else { return Ok(None) };
        let (is_inner, delta) = match object.kind {
            ObjectKind::FullLeaf => (false, false),
            ObjectKind::DeltaLeaf => (false, true),
            ObjectKind::FullNode => (true, false),
            ObjectKind::DeltaNode => (true, true),
            _ => return Ok(None),
        };
        Ok((is_inner == inner).then(|| Form { delta, body: Body::new(frame, place.slot) }))
    }
}

/// Where one form lies: the key of a table entry without a value.
pub struct Place {
    hint: Hint,
    pack: PackId,
    frame: u32,
    slot: u32,
}

impl Place {
    fn encode(&self) -> [u8; 30] {
        let mut bytes = [0; 30];
        bytes[..6].copy_from_slice(self.hint.as_bytes());
        bytes[6..22].copy_from_slice(self.pack.as_bytes());
        bytes[22..26].copy_from_slice(&self.frame.to_be_bytes());
        bytes[26..].copy_from_slice(&self.slot.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = strongroom_core::codec::Reader::new(bytes, "image place");
        let place = Self {
            hint: Hint(reader.array()?),
            pack: PackId(reader.array()?),
            frame: reader.u32()?,
            slot: reader.u32()?,
        };
        reader.finish()?;
        Ok(place)
    }
}

struct Open {
    writer: PackWriter,
    file: Box<dyn DiskFile>,
}

/// Writes the frames of one run into the image. What it wrote counts once [`ImageUpdate`] is applied.
pub struct ImageWriter<'a> {
    image: &'a Image,
    open: Option<Open>,
    done: Vec<(PackId, u64)>,
}

/// The packs that a run added, to be applied after its commit. Places in packs that were never applied lead nowhere
/// and are passed over.
pub struct ImageUpdate {
    packs: Vec<(PackId, u64)>,
}

impl ImageWriter<'_> {
    /// Adds a frame; `identity` is for a pack that may have to be begun.
    pub fn append(
        &mut self,
        frame: &CompressedFrame,
        identity: impl Fn() -> Result<PackIdentity, PackError>,
        entropy: &dyn Entropy,
    ) -> Result<(), ImageError> {
        let mut bytes = Vec::new();
        if self.open.is_none() {
            let identity = identity()?;
            let writer = PackWriter::begin(identity, Recipient::Host(&self.image.host), entropy, &mut bytes)?;
            let file = self.image.disk.create_new(&self.image.path(identity.pack))?;
            self.open = Some(Open { writer, file });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let pack = open.writer.pack();
        let number = open.writer.append(frame, &mut bytes)?;
        open.file.write_all(&bytes)?;
        let mut batch = sled::Batch::default();
        for (slot, entry) in frame.entries().iter().enumerate() {
            let slot = u32::try_from(slot).map_err(|_| Malformed::new("image: slot"))?;
            batch.insert(Place { hint: entry.id.hint(), pack, frame: number, slot }.encode().as_slice(), &[]);
        }
        self.image.table.apply_batch(batch)?;
        if open.writer.is_full() {
            self.close()?;
        }
        Ok(())
    }

    /// Ends the last pack.
    pub fn finish(mut self) -> Result<ImageUpdate, ImageError> {
        self.close()?;
        Ok(ImageUpdate { packs: self.done })
    }

    fn close(&mut self) -> Result<(), ImageError> {
        let Some(Open { writer, mut file }) = self.open.take() else { return Ok(()) };
        let mut bytes = Vec::new();
        let sealed = writer.finish(&mut bytes)?;
        file.write_all(&bytes)?;
        file.sync()?;
        self.done.push((sealed.pack, sealed.bytes));
        Ok(())
    }
}

impl ImageUpdate {
    /// Makes the run's packs part of the image.
    pub fn apply(&self, image: &Image) -> Result<(), ImageError> {
        let first = image.packs.is_empty();
        for (pack, bytes) in &self.packs {
            image.packs.insert(pack.as_bytes(), &bytes.to_be_bytes())?;
        }
        if first {
            image.settle()?;
        }
        Ok(())
    }
}
