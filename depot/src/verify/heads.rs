//! Reads all heads of a depot, source by source along their chains.

use std::collections::BTreeMap;

use strongroom_core::id::SourceId;
use strongroom_core::manifest::{ManifestHead, NeededPacks, PackRef, Predecessor, VerifiedManifest};
use strongroom_core::seal::VerifyingKey;

use super::{Finding, Signers};
use crate::backend::StoredManifest;
use crate::depot::{Depot, DepotError};

/// The manifests of a depot that are what their sources signed.
#[derive(Debug, Default)]
pub struct Heads {
    /// By source, then by sequence.
    pub verified: Vec<VerifiedManifest>,
    /// What is wrong with the others, and with the chains.
    pub findings: Vec<Finding>,
}

impl Heads {
    /// Every pack that any of the heads adds, ascending by id: what none of them names is an orphan.
    pub fn packs(&self) -> Vec<PackRef> {
        let added = self.verified.iter().flat_map(|manifest| &manifest.head().packs_added);
        added.map(|pack| (pack.pack, *pack)).collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// The heads of a source along its chain.
    pub fn of_source(&self, source: SourceId) -> impl Iterator<Item = &VerifiedManifest> {
        self.verified.iter().filter(move |manifest| manifest.head().source == source)
    }

    /// The packs that a snapshot needs, as far as the chain of heads tells.
    pub fn needed_packs(&self, head: &ManifestHead) -> Option<NeededPacks> {
        let mut needed = None;
        self.follow_packs(head.source, |manifest, packs| {
            if manifest.head().sequence == head.sequence {
                needed = packs.cloned();
            }
        });
        needed
    }

    /// Follows a source's chain: each snapshot with the packs that it needs, as far as the heads up to it tell.
    pub fn follow_packs<'a>(
        &'a self,
        source: SourceId,
        mut visit: impl FnMut(&'a VerifiedManifest, Option<&NeededPacks>),
    ) {
        let mut packs = NeededPacks::new();
        let (mut next, mut is_known) = (1, true);
        for manifest in self.of_source(source) {
            let head = manifest.head();
            let follows = head.restarts_packs || (is_known && head.sequence == next);
            is_known = packs.apply(head).is_ok() && follows;
            next = head.sequence.saturating_add(1);
            visit(manifest, is_known.then_some(&packs));
        }
    }
}

/// Reads and checks every manifest. A gap or a bad head is a finding; the chain goes on behind it, unproven there.
pub fn read_heads(depot: &Depot, signers: Signers<'_>) -> Result<Heads, DepotError> {
    let listing = depot.backend().list_manifests()?;
    let mut heads = Heads::default();
    heads.findings.extend(listing.foreign.into_iter().map(|path| Finding::ForeignFile { path }));
    for manifests in listing.items.chunk_by(|a, b| a.source == b.source) {
        let Some(StoredManifest { source, .. }) = manifests.first().copied() else {
            continue;
        };
        let mut chain = Chain::new(source, signers(source));
        for manifest in manifests {
            chain.read(depot, manifest.sequence, &mut heads)?;
        }
    }
    Ok(heads)
}

/// Where the reading of one source's chain stands.
struct Chain {
    source: SourceId,
    signers: Vec<VerifyingKey>,
    next: u64,
    after: Predecessor,
    /// The packs needed so far, while every head from the last restart on was good.
    packs: Option<NeededPacks>,
}

impl Chain {
    const fn new(source: SourceId, signers: Vec<VerifyingKey>) -> Self {
        Self { source, signers, next: 1, after: Predecessor::None, packs: None }
    }

    fn read(&mut self, depot: &Depot, sequence: u64, heads: &mut Heads) -> Result<(), DepotError> {
        let source = self.source;
        if sequence != self.next {
            heads.findings.push(Finding::MissingManifest { source, sequence: self.next });
            self.lose_track();
        }
        self.next = sequence.saturating_add(1);
        let verified = match depot.read_manifest(source, sequence) {
            Ok(manifest) if manifest.claimed_head().source != source => Err("it is another source's".to_owned()),
            Ok(manifest) => manifest.verify(&self.signers, self.after).map_err(|error| error.to_string()),
            Err(DepotError::Manifest(error)) => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        let why = match verified {
            Ok(manifest) if manifest.head().sequence != sequence => "its sequence is not that of its name".to_owned(),
            Ok(manifest) => match self.apply(&manifest) {
                Ok(()) => {
                    self.after = manifest.as_predecessor();
                    heads.verified.push(manifest);
                    return Ok(());
                }
                Err(why) => why,
            },
            Err(why) => why,
        };
        heads.findings.push(Finding::BadManifest { source, sequence, why });
        self.lose_track();
        Ok(())
    }

    /// Continues the list of packs, which a restart begins anew.
    fn apply(&mut self, manifest: &VerifiedManifest) -> Result<(), String> {
        let head = manifest.head();
        if head.restarts_packs {
            self.packs = Some(NeededPacks::new());
        }
        match &mut self.packs {
            Some(packs) => packs.apply(head).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    fn lose_track(&mut self) {
        self.after = Predecessor::Unchecked;
        self.packs = None;
    }
}
