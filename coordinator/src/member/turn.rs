//! What a turn of the log does to the member.
//!
//! Owns the handler that the group calls while it turns: messages leave at once, entries reach the state in their order,
//! and whoever waits for one is answered.

use strongroom_core::time::WallTime;
use strongroom_platform::disk::durable::clear_temporaries;
use strongroom_platform::mutant::{self, Mutant};
use strongroom_proto::peers::v1::envelope::Content;
use strongroom_proto::peers::v1::{DigestReport, LogMessage};

use super::event::Outbox;
use super::{Core, MemberConfig, MemberError};
use crate::id::{LogIndex, MemberId, Position};
use crate::raft::Handler;
use crate::raft::log::Floor;
use crate::state::{Configuration, Outcome, Request};
use crate::store;

/// One turn.
pub(super) struct Turn<'a> {
    pub(super) core: &'a mut Core,
    pub(super) config: &'a MemberConfig,
    pub(super) out: &'a mut dyn Outbox,
}

impl Handler for Turn<'_> {
    type Error = MemberError;

    fn send(&mut self, to: MemberId, message: LogMessage) {
        let is_snapshot = message.snapshot.is_some();
        let envelope = self.core.envelope(to, Content::Log(message));
        if !is_snapshot {
            self.out.send(envelope);
        } else if let Some(job) = self.core.snapshots.job(to, envelope) {
            self.out.send_snapshot(job);
        }
    }

    fn command(&mut self, at: Position, bytes: &[u8]) -> Result<(), MemberError> {
        let own = mutant::is_active(Mutant::ApplyReadsClock).then(|| self.in_own_time(bytes)).flatten();
        let outcome = self.core.machine.apply(at, own.as_deref().unwrap_or(bytes))?;
        self.applied(at, &outcome)
    }

    fn configuration(&mut self, at: Position, new: Configuration, context: &[u8]) -> Result<(), MemberError> {
        tracing::info!(index = %at.index, ?new, "the members changed");
        let outcome = self.core.machine.apply_configuration(at, new, context)?;
        self.core.divergence.keep_to(self.core.machine.configuration());
        self.applied(at, &outcome)
    }

    fn read(&mut self, token: &[u8], index: LogIndex) {
        self.core.reads.answered(token, index);
    }

    fn install(&mut self, at: Position) -> Result<Floor, MemberError> {
        let Some(staged) = self.core.take_staged(at) else { return Err(MemberError::NotStaged) };
        let generation = self.core.generation + 1;
        let disk = &self.core.disk;
        let path = store::path(generation);
        // A file of this generation was never named by the log: an installation died before that.
        store::discard(disk, &path)?;
        disk.rename_no_replace(&staged.path, &path)?;
        disk.sync_dir(store::DIR)?;
        self.core.snapshots.staged = Some(staged);
        Ok(Floor { position: at, generation })
    }

    fn installed(&mut self) -> Result<(), MemberError> {
        let Some(staged) = self.core.snapshots.staged.take() else { return Err(MemberError::NotStaged) };
        let old = store::path(self.core.generation);
        self.core.generation += 1;
        self.core.flushed = staged.machine.position();
        self.core.flushing = None;
        self.core.machine = staged.machine;
        self.core.store = staged.store;
        tracing::info!(index = %self.core.flushed.index, "a snapshot was installed");
        store::discard(&self.core.disk, &old)?;
        clear_temporaries(self.core.disk.as_ref(), store::DIR)?;
        Ok(())
    }
}

impl Turn<'_> {
    fn applied(&mut self, at: Position, outcome: &Outcome) -> Result<(), MemberError> {
        self.core.proposals.applied(at, outcome, self.out);
        self.out.applied(at, outcome);
        if at.index.0.is_multiple_of(self.config.digest_entries) {
            self.report(at.index)?;
        }
        Ok(())
    }

    /// A request as if it had been made now and here, which no two members agree on: what a mutant applies.
    fn in_own_time(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (mut request, _) = Request::decode(bytes).ok()?;
        request.stamp.wall = WallTime(i64::from_be_bytes(self.core.identity.member.number().to_be_bytes()));
        request.encode().ok()
    }

    /// Tells the others what the state is here, and compares.
    fn report(&mut self, index: LogIndex) -> Result<(), MemberError> {
        let digest = self.core.machine.digest();
        for to in self.core.others(self.core.machine.configuration()) {
            let report = DigestReport { index: index.0, digest: digest.to_bytes().to_vec().into() };
            self.out.send(self.core.envelope(to, Content::Digest(report)));
        }
        self.core.divergence.heard(self.core.identity.member, index, digest);
        self.core.check_divergence()
    }
}
