//! Blobs of a snapshot: what restores the source natively, the schemas, the facts.

use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_core::blob::{BlobError, Splitter, encode_blob};
use strongroom_core::digest::IdFunctions;
use strongroom_core::frame::{Compressor, FrameBuilder, ObjectKind};
use strongroom_core::id::BlobId;
use strongroom_core::limits::{BLOB_VALUE_BYTES_MAX, SCHEMAS_BYTES_MAX};
use strongroom_core::manifest::BlobEntry;
use strongroom_core::record::ClassSchema;

use super::job::BackupError;
use crate::capture::{CaptureError, Output, OutputError};
use crate::profile::PROFILE;
use crate::shipment::Shipment;
use crate::source::{Cut, NativeBlob};

/// The role of the blob that holds all class schemas.
pub(super) const SCHEMAS: &str = "schemas";

/// The role of the blob that holds the facts that a restore must meet.
pub(super) const FACTS: &str = "facts";

const BLOB_LEVEL: i32 = 12;

/// Facts of a cut that stay equal while the source does.
#[derive(Serialize)]
struct SteadyFacts<'a> {
    engine: &'a str,
    engine_version: &'a str,
    database: &'a str,
    settings: &'a BTreeMap<String, String>,
}

/// Stores blobs, unless the preceding snapshot's packs hold them.
pub(super) struct BlobStore<'a, 'b> {
    ids: &'a IdFunctions,
    held: &'a [BlobEntry],
    shipment: &'a mut Shipment<'b>,
    splitter: Splitter,
    whole: FrameBuilder,
    chunks: FrameBuilder,
    compressor: Compressor,
    entries: Vec<BlobEntry>,
}

impl<'a, 'b> BlobStore<'a, 'b> {
    pub(super) fn new(
        ids: &'a IdFunctions,
        held: &'a [BlobEntry],
        shipment: &'a mut Shipment<'b>,
    ) -> Result<Self, BackupError> {
        Ok(Self {
            ids,
            held,
            shipment,
            splitter: Splitter::new(ids),
            whole: FrameBuilder::new(),
            chunks: FrameBuilder::new(),
            compressor: Compressor::new().map_err(CaptureError::Compression)?,
            entries: Vec::new(),
        })
    }

    /// Stores one blob.
    pub(super) fn put(&mut self, role: &str, content: &[u8]) -> Result<BlobId, BackupError> {
        let failed = |error| OutputError(Box::new(error));
        let (bytes, bytes_max) =
            (content.len() as u64, if role == SCHEMAS { SCHEMAS_BYTES_MAX } else { BLOB_VALUE_BYTES_MAX });
        if bytes > bytes_max {
            return Err(OutputError(Box::new(BlobError::TooLong { bytes })).into());
        }
        let id = self.ids.blob(content);
        let known = self.held.iter().chain(&self.entries).any(|held| held.id == id);
        self.entries.push(BlobEntry { role: role.to_owned(), id, bytes });
        if known {
            return Ok(id);
        }
        let (_, objects) =
            encode_blob(self.ids, &self.splitter, content).map_err(|error| OutputError(Box::new(error)))?;
        for object in objects {
            let chunk = object.kind == ObjectKind::Chunk;
            let builder = if chunk { &mut self.chunks } else { &mut self.whole };
            let full = builder.push(object.id, object.kind, &object.body).map_err(failed)?;
            if let Some(frame) = full {
                let frame = self.compressor.compress(frame, BLOB_LEVEL).map_err(CaptureError::Compression)?;
                if chunk { self.shipment.put_chunks(&frame)? } else { self.shipment.put(&frame)? }
            }
        }
        Ok(id)
    }

    /// Stores what is left and gives the list.
    pub(super) fn finish(mut self) -> Result<Vec<BlobEntry>, BackupError> {
        if let Some(frame) = self.whole.flush() {
            let frame = self.compressor.compress(frame, BLOB_LEVEL).map_err(CaptureError::Compression)?;
            self.shipment.put(&frame)?;
        }
        if let Some(frame) = self.chunks.flush() {
            let frame = self.compressor.compress(frame, BLOB_LEVEL).map_err(CaptureError::Compression)?;
            self.shipment.put_chunks(&frame)?;
        }
        Ok(self.entries)
    }
}

/// Stores the native blobs, the schemas and the facts of a cut.
pub(super) fn store_blobs(
    store: &mut BlobStore<'_, '_>,
    cut: &dyn Cut,
    native: &[NativeBlob],
) -> Result<(), BackupError> {
    for blob in native {
        store.put(&blob.role, &blob.content)?;
    }
    let schemas: Vec<&ClassSchema> = cut.classes().iter().map(|class| &class.schema).collect();
    store.put(SCHEMAS, &serde_json::to_vec(&schemas).map_err(BackupError::Json)?)?;
    if let Some(applied) = cut.profile() {
        store.put(PROFILE, &serde_json::to_vec(applied.profile()).map_err(BackupError::Json)?)?;
    }
    let facts = cut.facts();
    let steady = SteadyFacts {
        engine: &facts.engine,
        engine_version: &facts.engine_version,
        database: &facts.database,
        settings: &facts.settings,
    };
    store.put(FACTS, &serde_json::to_vec(&steady).map_err(BackupError::Json)?)?;
    Ok(())
}
