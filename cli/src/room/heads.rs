//! Heads on their way from the depot into the group's catalogue.
//!
//! ```text
//!   depot      1 ── 2 ── 3 ── 4        a manifest is durable before the group hears of it
//!   group      1 ── 2                  3 and 4 are committed next, in order, each with the receipt for its packs
//! ```
//!
//! Owns the one way in which snapshots are committed: a run's own, those of a run that died before its commit, and all
//! of them when the catalogue is built anew. A head counts only if the source's key signed it and it follows the group's
//! newest one; the group checks the latter itself. Doing it again changes nothing.

use strongroom_coordinator::state::bytes::Signature;
use strongroom_coordinator::state::packs::{AddedPack, PackDifference};
use strongroom_coordinator::state::query;
use strongroom_coordinator::state::receipts::{PACKS_PER_RECEIPT_MAX, Receipts, RegisterReceipt};
use strongroom_coordinator::state::snapshots::{CommitSnapshot, SnapshotFacts};
use strongroom_coordinator::state::uploads::{CloseUpload, OpenUpload};
use strongroom_coordinator::state::{Answer, Command};
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::{RunId, SnapshotId, SourceId, UploadId};
use strongroom_core::manifest::{ClassTags, Interval, ManifestHead, PackRef, Predecessor, UnverifiedManifest};
use strongroom_core::seal::VerifyingKey;
use strongroom_core::time::WallTime;
use strongroom_depot::backend::BackendError;

use super::group::{Group, unread};
use super::receipts::{Receipted, root_of};
use crate::failure::{Attempt as _, Failure};

/// An upload that is live: only under it are heads committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload {
    source: SourceId,
    id: UploadId,
    epoch: u64,
}

impl Upload {
    /// What ends it.
    pub(crate) fn closing(&self) -> Command {
        CloseUpload { source: self.source, upload: self.id, epoch: self.epoch }.into()
    }
}

/// How the newest snapshots of group and depot stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Both have the same newest snapshot, or none.
    Same,
    /// The depot has more: a run died before its commit.
    DepotAhead,
    /// The group has committed a snapshot that the depot does not have.
    DepotLacks(SnapshotId),
}

impl Group<'_> {
    /// Opens an upload of a source, as a part of a run if there is one. `before` is agreed on first.
    pub(crate) fn open_upload(
        &mut self,
        source: SourceId,
        run: Option<RunId>,
        mut before: Vec<Command>,
    ) -> Result<Upload, Failure> {
        let what = || "can't open an upload";
        let upload = UploadId(random_array(self.room().entropy()).attempt(what)?);
        let agent = self.room().settings().parts.agent;
        before.push(OpenUpload { upload, source, agent, run }.into());
        match self.submit(before, what)?.pop() {
            Some(Answer::Epoch(epoch)) => Ok(Upload { source, id: upload, epoch }),
            _ => Err(Failure::new(Code::Internal, what())),
        }
    }

    /// Commits, in order, the heads of a source that the depot has and the group lacks. Those before one that can't be
    /// committed stay committed.
    pub(crate) fn commit_heads(&mut self, upload: &Upload) -> Result<(), Failure> {
        let signer = self.signer_of(upload.source)?;
        loop {
            let newest = query::head(self.rows(), &upload.source).attempt(unread)?;
            let after =
                newest.map_or(Predecessor::None, |head| Predecessor::Head { sequence: head.sequence, hash: head.hash });
            let sequence = newest.map_or(1, |head| head.sequence.saturating_add(1));
            let bytes = match self.room().backend().read_manifest(upload.source, sequence) {
                Err(BackendError::NoManifest { .. }) => return Ok(()),
                read => read.attempt(|| format!("can't read manifest {sequence} of source {}", upload.source))?,
            };
            let what = || format!("manifest {sequence} of source {} can't be committed", upload.source);
            let manifest =
                UnverifiedManifest::parse(&bytes).and_then(|it| it.verify(std::slice::from_ref(&signer), after));
            let manifest = manifest.attempt(what)?;
            let now = self.room().clock().wall();
            let commit = commit_of(upload, manifest.head(), bytes.len() as u64, now)?;
            let mut commands = self.receipts_for(upload, &manifest.head().packs_added)?;
            commands.push(commit.into());
            self.submit(commands, what)?;
        }
    }

    /// How the newest snapshots of group and depot stand to each other for a source.
    pub(crate) fn agreement(&self, source: SourceId) -> Result<Agreement, Failure> {
        let newest = query::head(self.rows(), &source).attempt(unread)?;
        let sequence = newest.map_or(0, |head| head.sequence);
        let depot = self.room().depot();
        let what = || format!("can't look up the newest snapshot of source {source}");
        if let Some(head) = newest
            && depot.snapshot_at(source, sequence).attempt(what)? != Some(head.snapshot)
        {
            return Ok(Agreement::DepotLacks(head.snapshot));
        }
        let is_ahead = depot.snapshot_at(source, sequence.saturating_add(1)).attempt(what)?.is_some();
        Ok(if is_ahead { Agreement::DepotAhead } else { Agreement::Same })
    }

    /// Whether a snapshot has the copies that its contract asks for.
    pub(crate) fn is_protected(&self, snapshot: SnapshotId) -> Result<bool, Failure> {
        let row = query::snapshot(self.rows(), &snapshot).attempt(unread)?;
        Ok(row.is_some_and(|row| row.protected_ms.is_some()))
    }

    /// Whether a snapshot holds all that was to be captured.
    pub(crate) fn is_complete(&self, snapshot: SnapshotId) -> Result<bool, Failure> {
        let row = query::snapshot(self.rows(), &snapshot).attempt(unread)?;
        Ok(row.is_some_and(|row| row.facts.is_complete))
    }

    fn signer_of(&self, source: SourceId) -> Result<VerifyingKey, Failure> {
        let row = query::source(self.rows(), &source).attempt(unread)?;
        let row =
            row.ok_or_else(|| Failure::new(Code::NotFound, format!("the group does not know source {source}")))?;
        let bytes = row.facts.signer.as_bytes().to_vec();
        VerifyingKey::new(self.room().settings().profile, bytes).attempt(|| "the source's key can't be used")
    }

    /// The depot's receipts for packs that ascend by id, each signed by the depot and checked here.
    fn receipts_for(&self, upload: &Upload, packs: &[PackRef]) -> Result<Vec<Command>, Failure> {
        let settings = self.room().settings();
        let (depot, profile) = (settings.parts.depot, settings.profile);
        let row = query::depot(self.rows(), &depot).attempt(unread)?;
        let row = row.ok_or_else(|| Failure::new(Code::MemberUnusable, "the group does not know the room's depot"))?;
        let key = VerifyingKey::new(profile, row.facts.key.as_bytes().to_vec());
        let key = key.attempt(|| "the depot's key can't be used")?;
        let mut commands = Vec::new();
        for packs in packs.chunks(PACKS_PER_RECEIPT_MAX) {
            let root = root_of(profile, packs);
            if self.rows().get::<Receipts>(&(depot, root)).attempt(unread)?.is_some() {
                // Given before, by a run that died afterwards.
                continue;
            }
            let receipted = Receipted { depot, source: upload.source, epoch: upload.epoch, root };
            let signature = self.room().sign_receipt(&receipted, packs)?;
            let signed =
                Signature::new(&signature).ok().filter(|it| receipted.is_signed_by(&key, profile, it.as_bytes()));
            let signature = signed.ok_or_else(|| {
                Failure::new(Code::WrongKey, "the depot signs with another key than the one that the group knows")
            })?;
            let packs = packs.iter().map(|pack| pack.pack).collect();
            let (source, epoch) = (upload.source, upload.epoch);
            commands.push(RegisterReceipt { depot, source, epoch, root, packs, signature }.into());
        }
        Ok(commands)
    }
}

/// The commit that a head asks for.
fn commit_of(
    upload: &Upload,
    head: &ManifestHead,
    manifest_bytes: u64,
    now: WallTime,
) -> Result<CommitSnapshot, Failure> {
    let classes = u32::try_from(head.classes.len());
    let facts = SnapshotFacts {
        sequence: head.sequence,
        head: head.hash(),
        previous: head.previous,
        root: head.root,
        manifest_bytes,
        plaintext_bytes: head.totals.plaintext_bytes,
        records: head.totals.records,
        classes: classes.map_err(|_| Failure::new(Code::Damaged, "a head lists more classes than there can be"))?,
        tags: head.classes.iter().fold(ClassTags::default(), |tags, class| tags.with(class.tags)),
        is_complete: head.complete,
        interval: head.interval.map(|Interval { lo, hi }| (lo, hi)),
    };
    let added = |pack: &PackRef| AddedPack { pack: pack.pack, bytes: pack.bytes, root: pack.root };
    let packs = PackDifference {
        restarts: head.restarts_packs,
        added: head.packs_added.iter().map(added).collect(),
        // A list that begins anew drops all before it; the group takes no drops beside that.
        dropped: if head.restarts_packs { Vec::new() } else { head.packs_dropped.clone() },
    };
    let Upload { source, id: upload, epoch } = *upload;
    // Both were read from this host's clock; the process that made the cut may be another one.
    let cut_age_ms = u64::try_from(now.0.saturating_sub(head.started.0) / 1_000).unwrap_or_default();
    Ok(CommitSnapshot { source, upload, epoch, snapshot: head.snapshot, facts, packs, cut_age_ms })
}
