//! The depot as an agent sees it: packs and manifests go in, and nothing comes out but the id of a snapshot.

use std::sync::Arc;

use strongroom_agent::repository::{PackSink, Repository, RepositoryError};
use strongroom_core::id::{PackId, SnapshotId, SourceId};
use strongroom_depot::Depot;
use strongroom_depot::backend::{Backend, PackSink as DepotSink};

use crate::failure::Coded;

/// An agent's way into a depot.
pub(crate) struct DepotRepository {
    depot: Depot,
    needed: Vec<PackId>,
}

impl DepotRepository {
    /// The way into a depot whose lock the caller holds.
    pub(crate) fn new(depot: &Depot) -> Self {
        Self { depot: depot.clone(), needed: Vec::new() }
    }

    /// The same way for a source whose next snapshot may need these packs. They are locked anew before a manifest is put
    /// that says so.
    pub(crate) fn needing(self, needed: Vec<PackId>) -> Self {
        Self { needed, ..self }
    }
}

impl Repository for DepotRepository {
    fn pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, RepositoryError> {
        let backend: &Arc<dyn Backend> = self.depot.backend();
        let sink = backend.put_pack(pack).map_err(|error| failed("the depot can't begin a pack", error))?;
        Ok(Box::new(Sink(sink)))
    }

    fn put_manifest(
        &self,
        _source: SourceId,
        sequence: u64,
        _snapshot: SnapshotId,
        bytes: &[u8],
    ) -> Result<(), RepositoryError> {
        let kept = self.depot.backend().keep_on(&self.needed);
        kept.map_err(|error| failed("the depot could not extend the retention of older packs", error))?;
        let put = self.depot.put_manifest(bytes);
        put.map_err(|error| failed(&format!("the depot did not take manifest {sequence}"), error))
    }

    fn snapshot_at(&self, source: SourceId, sequence: u64) -> Result<Option<SnapshotId>, RepositoryError> {
        let found = self.depot.snapshot_at(source, sequence);
        found.map_err(|error| failed(&format!("the depot can't tell what manifest {sequence} is"), error))
    }
}

struct Sink(Box<dyn DepotSink>);

impl PackSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), RepositoryError> {
        self.0.write(bytes).map_err(|error| failed("the depot did not take a pack's bytes", error))
    }

    fn commit(self: Box<Self>) -> Result<(), RepositoryError> {
        self.0.commit().map_err(|error| failed("the depot could not make a pack durable", error))
    }
}

fn failed(what: &str, error: impl Coded) -> RepositoryError {
    RepositoryError { code: error.stable_code(), what: what.to_owned(), source: Some(Box::new(error)) }
}
