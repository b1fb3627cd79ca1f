//! Heads on their way from the depot into the group's catalogue.
//!
//! ```text
//!   depot      1 ── 2 ── 3 ── 4        a manifest is durable before the group hears of it
//!   group      1 ── 2                  3 and 4 are committed next, in order, each with the receipt for its packs
//! ```
//!
//! Owns the one way in which snapshots are committed: a run's own, those of a run that died before its commit, and all
//! of them when the catalogue is built anew. A head counts only if the source's key signed it and it follows the group's
//! newest one; the group checks the latter itself. Doing it again changes nothing. What lies behind a place of the chain
//! that is empty in the depot can't be committed, and is told ([`Gap`]).

use strongroom_coordinator::state::bytes::Signature;
use strongroom_coordinator::state::query;
use strongroom_coordinator::state::receipts::{PACKS_PER_RECEIPT_MAX, ReceiptSigner, Receipts, RegisterReceipt};
use strongroom_coordinator::state::snapshots::{Bringing, CommitSnapshot};
use strongroom_coordinator::state::uploads::{CloseUpload, OpenUpload};
use strongroom_coordinator::state::{Answer, Command};
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::{MerkleRoot, PackId, RunId, SnapshotId, SourceId, UploadId};
use strongroom_core::manifest::{PackRef, Predecessor, UnverifiedManifest};
use strongroom_core::receipt::Receipt;
use strongroom_core::seal::VerifyingKey;
use strongroom_depot::backend::BackendError;

use super::Room;
use super::group::{Group, Member, unread};
use crate::failure::{Attempt as _, Failure};

/// An upload that is live: only under it are heads committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload(Bringing);

impl Upload {
    /// What ends it.
    pub(crate) fn closing(&self) -> Command {
        let Bringing { source, upload, epoch } = self.0;
        CloseUpload { source, upload, epoch }.into()
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
    /// The depot has more, and not what comes next.
    Gap(Gap),
}

/// A part of a source's chain that the depot lacks, with something behind it: nobody can show that what lies behind
/// follows what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The first place that is empty.
    first: u64,
    /// The next place that is not.
    next: u64,
}

impl Gap {
    /// The first gap among manifests of one source, at or behind a place; their sequences ascend.
    pub(crate) fn from(place: u64, sequences: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut first = place;
        for next in sequences.into_iter().skip_while(|sequence| *sequence < place) {
            if next > first {
                return Some(Self { first, next });
            }
            first = next.saturating_add(1);
        }
        None
    }

    /// What it means for a source.
    pub(crate) fn told(&self, name: &str) -> Failure {
        let missing = match self.next - self.first {
            1 => format!("manifest {} of {name}", self.first),
            _ => format!("manifests {} to {} of {name}", self.first, self.next - 1),
        };
        let what = format!("the depot lacks {missing}, and has manifest {}", self.next);
        Failure::new(Code::ChainGap, what)
    }
}

impl Room {
    /// The first gap in the depot's chain of a source, at or behind a place.
    pub(crate) fn gap_from(&self, source: SourceId, place: u64) -> Result<Option<Gap>, Failure> {
        let listed = self.backend().list_manifests().attempt(|| "can't list the depot's manifests")?.items;
        let ours = listed.iter().filter(|manifest| manifest.source == source);
        Ok(Gap::from(place, ours.map(|manifest| manifest.sequence)))
    }
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
            Some(Answer::Epoch(epoch)) => Ok(Upload(Bringing { source, upload, epoch })),
            _ => Err(Failure::new(Code::Internal, what())),
        }
    }

    /// Commits, in order, the heads of a source that the depot has and the group lacks. Those before one that can't be
    /// committed stay committed, and those before an empty place of the chain.
    pub(crate) fn commit_heads(&mut self, upload: &Upload) -> Result<(), Failure> {
        let by = upload.0;
        let signer = self.signer_of(by.source)?;
        loop {
            let newest = query::head(self.rows(), &by.source).attempt(unread)?;
            let after =
                newest.map_or(Predecessor::None, |head| Predecessor::Head { sequence: head.sequence, hash: head.hash });
            let sequence = newest.map_or(1, |head| head.sequence.saturating_add(1));
            let bytes = match self.room().backend().read_manifest(by.source, sequence) {
                Err(BackendError::NoManifest { .. }) => return Ok(()),
                read => read.attempt(|| format!("can't read manifest {sequence} of source {}", by.source))?,
            };
            let what = || format!("manifest {sequence} of source {} can't be committed", by.source);
            let manifest =
                UnverifiedManifest::parse(&bytes).and_then(|it| it.verify(std::slice::from_ref(&signer), after));
            let manifest = manifest.attempt(what)?;
            let head = manifest.head();
            // Both were read from this host's clock; the process that made the cut may be another one.
            let cut_age = self.room().clock().wall().0.saturating_sub(head.started.0);
            let cut_age_ms = u64::try_from(cut_age / 1_000).unwrap_or_default();
            let mut commands = self.receipts_for(by, &head.packs_added)?;
            commands.push(CommitSnapshot::of_head(head, bytes.len() as u64, by, cut_age_ms).into());
            self.submit(commands, what)?;
        }
    }

    /// Whether a snapshot has the copies that its contract asks for.
    pub(crate) fn is_protected(&self, snapshot: SnapshotId) -> Result<bool, Failure> {
        let row = query::snapshot(self.rows(), &snapshot).attempt(unread)?;
        Ok(row.is_some_and(|row| row.protected_ms.is_some()))
    }

    fn signer_of(&self, source: SourceId) -> Result<VerifyingKey, Failure> {
        let row = query::source(self.rows(), &source).attempt(unread)?;
        let row =
            row.ok_or_else(|| Failure::new(Code::NotFound, format!("the group does not know source {source}")))?;
        let bytes = row.facts.signer.as_bytes().to_vec();
        VerifyingKey::new(self.room().settings().profile, bytes).attempt(|| "the source's key can't be used")
    }

    /// The depot's receipts for packs that ascend by id, each signed by the depot and checked here.
    fn receipts_for(&self, by: Bringing, packs: &[PackRef]) -> Result<Vec<Command>, Failure> {
        let settings = self.room().settings();
        let (depot, profile) = (settings.parts.depot, settings.profile);
        let row = query::depot(self.rows(), &depot).attempt(unread)?;
        let row = row.ok_or_else(|| Failure::new(Code::MemberUnusable, "the group does not know the room's depot"))?;
        let key = VerifyingKey::new(profile, row.facts.key.as_bytes().to_vec());
        let key = key.attempt(|| "the depot's key can't be used")?;
        let signer = ReceiptSigner { depot, profile, key: &key };
        let mut commands = Vec::new();
        for packs in packs.chunks(PACKS_PER_RECEIPT_MAX) {
            let held: Vec<(PackId, MerkleRoot)> = packs.iter().map(|pack| (pack.pack, pack.root)).collect();
            let receipt = Receipt::over(profile, depot, by.source, by.epoch, &held);
            if self.rows().get::<Receipts>(&(depot, receipt.root)).attempt(unread)?.is_some() {
                // Given before, by a run that died afterwards.
                continue;
            }
            let signature = Signature::new(&self.room().sign_receipt(&receipt, packs)?).ok();
            let register = signature.and_then(|it| RegisterReceipt::signed(signer, by.source, by.epoch, &held, it));
            let register = register.ok_or_else(|| {
                Failure::new(Code::WrongKey, "the depot signs with another key than the one that the group knows")
            })?;
            commands.push(register.into());
        }
        Ok(commands)
    }
}

impl<M: Member> Group<'_, M> {
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
        let next = sequence.saturating_add(1);
        if depot.snapshot_at(source, next).attempt(what)?.is_some() {
            return Ok(Agreement::DepotAhead);
        }
        Ok(self.room().gap_from(source, next)?.map_or(Agreement::Same, Agreement::Gap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_found_wherever_a_chain_has_one_and_nowhere_else() {
        let gap = |place, sequences: &[u64]| Gap::from(place, sequences.iter().copied());
        assert_eq!([gap(1, &[]), gap(1, &[1, 2, 3]), gap(3, &[1, 2]), gap(2, &[1, 2])], [None; 4]);
        assert_eq!(gap(1, &[2]), Some(Gap { first: 1, next: 2 }));
        assert_eq!(gap(1, &[1, 2, 5, 9]), Some(Gap { first: 3, next: 5 }));
        assert_eq!(gap(3, &[1, 2, 5]), Some(Gap { first: 3, next: 5 }));
        assert_eq!(gap(6, &[1, 2, 5, 6, 9]), Some(Gap { first: 7, next: 9 }));
        assert_eq!(gap(u64::MAX, &[u64::MAX]), None);
        let told = Gap { first: 3, next: 5 }.told("cmdb").to_string();
        assert_eq!(told, "the depot lacks manifests 3 to 4 of cmdb, and has manifest 5");
    }
}
