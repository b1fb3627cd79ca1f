//! A shipment: the packs of one backup on their way to the depot, and the host's image beside them.
//!
//! Tree parts and whole blobs fill one pack after the other. Chunks of blobs are spread over two packs at random, so
//! that a row of chunk lengths can't be read off a pack (KEYS-AND-TREES §2). A pack is committed when it is full or the
//! backup ends; what was not committed leaves nothing behind.

use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::frame::CompressedFrame;
use strongroom_core::id::{PackId, SourceId};
use strongroom_core::manifest::PackRef;
use strongroom_core::pack::{PackError, PackIdentity, PackWriter};
use strongroom_core::seal::{EpochPublicKey, Recipient, Scope, SealError};

use crate::cache::{ImageUpdate, ImageWriter};
use crate::capture::{Output, OutputError};
use crate::repository::{PackSink, Repository};

struct Open {
    writer: PackWriter,
    sink: Box<dyn PackSink>,
}

/// What packs are sealed for and with.
#[derive(Clone, Copy)]
pub struct Sealing<'a> {
    /// Whose records they hold.
    pub source: SourceId,
    /// What their seals are bound to.
    pub scope: Scope,
    /// The home domain's newest epoch.
    pub epoch: &'a EpochPublicKey,
    /// Where ids and keys come from.
    pub entropy: &'a dyn Entropy,
}

/// The packs of one backup.
pub struct Shipment<'a> {
    repository: &'a dyn Repository,
    sealing: Sealing<'a>,
    image: Option<ImageWriter<'a>>,
    image_failed: Option<String>,
    tree: Option<Open>,
    chunks: [Option<Open>; 2],
    packs: Vec<PackRef>,
    bytes: Vec<u8>,
}

/// What a shipment came to.
pub struct Shipped {
    /// The packs that the depot now holds.
    pub packs: Vec<PackRef>,
    /// What the image is to be told once the snapshot is committed.
    pub image: Option<ImageUpdate>,
    /// Why the image could not be written, if so: the snapshot does not need it.
    pub image_failed: Option<String>,
}

impl<'a> Shipment<'a> {
    /// A shipment without packs.
    pub const fn new(repository: &'a dyn Repository, sealing: Sealing<'a>, image: Option<ImageWriter<'a>>) -> Self {
        Self {
            repository,
            sealing,
            image,
            image_failed: None,
            tree: None,
            chunks: [None, None],
            packs: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Commits what is open.
    pub fn finish(mut self) -> Result<Shipped, OutputError> {
        let [one, two] = std::mem::take(&mut self.chunks);
        for open in [self.tree.take(), one, two].into_iter().flatten() {
            self.commit(open)?;
        }
        let image = match self.image.map(ImageWriter::finish).transpose() {
            Ok(image) => image,
            Err(error) => {
                self.image_failed = Some(error.to_string());
                None
            }
        };
        Ok(Shipped { packs: self.packs, image, image_failed: self.image_failed })
    }

    /// Begins a pack: its header goes to the bytes that wait for the sink.
    fn begin(&mut self) -> Result<Open, OutputError> {
        let identity = identity(&self.sealing).map_err(boxed)?;
        let recipient = Recipient::Epoch(self.sealing.epoch);
        let writer = PackWriter::begin(identity, recipient, self.sealing.entropy, &mut self.bytes).map_err(boxed)?;
        Ok(Open { writer, sink: self.repository.pack(identity.pack).map_err(boxed)? })
    }

    fn append(&mut self, open: Option<Open>, frame: &CompressedFrame) -> Result<Option<Open>, OutputError> {
        self.bytes.clear();
        let mut open = match open {
            Some(open) => open,
            None => self.begin()?,
        };
        open.writer.append(frame, &mut self.bytes).map_err(boxed)?;
        open.sink.write(&self.bytes).map_err(boxed)?;
        if open.writer.is_full() {
            self.commit(open)?;
            return Ok(None);
        }
        Ok(Some(open))
    }

    fn commit(&mut self, open: Open) -> Result<(), OutputError> {
        let Open { writer, mut sink } = open;
        self.bytes.clear();
        let sealed = writer.finish(&mut self.bytes).map_err(boxed)?;
        sink.write(&self.bytes).map_err(boxed)?;
        sink.commit().map_err(boxed)?;
        self.packs.push(PackRef { pack: sealed.pack, bytes: sealed.bytes, root: sealed.root });
        Ok(())
    }
}

/// What a new pack is.
pub(crate) fn identity(sealing: &Sealing<'_>) -> Result<PackIdentity, PackError> {
    let pack = PackId(random_array(sealing.entropy).map_err(SealError::from)?);
    Ok(PackIdentity { pack, source: sealing.source, scope: sealing.scope })
}

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> OutputError {
    OutputError(Box::new(error))
}

impl Output for Shipment<'_> {
    fn put(&mut self, frame: &CompressedFrame) -> Result<(), OutputError> {
        let open = self.tree.take();
        self.tree = self.append(open, frame)?;
        let sealing = self.sealing;
        if let Some(image) = &mut self.image
            && let Err(error) = image.append(frame, || identity(&sealing), sealing.entropy)
        {
            self.image_failed = Some(error.to_string());
            self.image = None;
        }
        Ok(())
    }

    fn put_chunks(&mut self, frame: &CompressedFrame) -> Result<(), OutputError> {
        let [coin] = random_array::<1>(self.sealing.entropy).map_err(boxed)?;
        let at = usize::from(coin & 1);
        let open = self.chunks.get_mut(at).and_then(Option::take);
        let open = self.append(open, frame)?;
        if let Some(slot) = self.chunks.get_mut(at) {
            *slot = open;
        }
        Ok(())
    }
}
