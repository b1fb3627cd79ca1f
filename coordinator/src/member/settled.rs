//! What a member knows to be agreed on, for those who look at its folder and do not go on with it.
//!
//! Owns one turn of a member that says nothing and asks for nothing.

use strongroom_proto::peers::v1::Envelope;

use super::event::{Answer, CopyJob, FlushJob, Outbox, SnapshotJob, Ticket};
use super::turn::Turn;
use super::{Member, MemberError};
use crate::id::Position;
use crate::raft::Standing;
use crate::state::{Machine, Outcome, Rows};

impl Member {
    /// The state with all entries that the member knows to be agreed on. The member is over.
    pub(crate) fn settled(mut self) -> Result<Machine, MemberError> {
        let mut turn = Turn { core: &mut self.core, config: &self.config, out: &mut Mute };
        self.group.turn(&mut turn)?;
        Ok(self.core.machine)
    }
}

/// Where nothing goes anywhere.
struct Mute;

impl Outbox for Mute {
    fn send(&mut self, _envelope: Envelope) {}
    fn answer(&mut self, _ticket: Ticket, _answer: Answer) {}
    fn read_ready(&mut self, _ticket: Ticket, _rows: &Rows) {}
    fn flush(&mut self, _job: FlushJob) {}
    fn copy(&mut self, _job: CopyJob) {}
    fn copy_ready(&mut self, _ticket: Ticket, _path: String) {}
    fn send_snapshot(&mut self, _job: SnapshotJob) {}
    fn standing(&mut self, _standing: Standing) {}
    fn applied(&mut self, _at: Position, _outcome: &Outcome) {}
}
