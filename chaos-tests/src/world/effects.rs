//! What a member wants done, collected while it turns and followed afterwards.

use prost::Message as _;
use strongroom_coordinator::id::{MemberId, Position};
use strongroom_coordinator::member::{Answer, CopyJob, Event, FlushJob, Outbox, SnapshotJob, Ticket, stage};
use strongroom_coordinator::raft::Standing;
use strongroom_coordinator::state::{Outcome, Rows};
use strongroom_platform::disk::{Disk, durable_replace};
use strongroom_proto::peers::v1::Envelope;

use super::clients::{Reply, read_object};
use super::{HostNumber, MS, What, World};
use crate::invariants::Broken;

/// Work that a member gives away, and that takes its time.
pub(super) enum Job {
    Flush(FlushJob),
    Copy(CopyJob),
}

/// Effects in the order in which they came.
#[derive(Default)]
pub(super) struct Effects {
    sent: Vec<Envelope>,
    answers: Vec<(Ticket, Answer)>,
    reads: Vec<(Ticket, Vec<Option<u64>>)>,
    jobs: Vec<Job>,
    snapshots: Vec<SnapshotJob>,
    standings: Vec<Standing>,
    applied: Vec<(Position, u64)>,
}

impl Effects {
    /// Where the entries stand that somebody is told of.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = Position> {
        self.answers.iter().filter_map(|(_, answer)| match answer {
            Answer::Applied { at, .. } => Some(*at),
            _ => None,
        })
    }
}

impl Outbox for Effects {
    fn send(&mut self, envelope: Envelope) {
        self.sent.push(envelope);
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answers.push((ticket, answer));
    }

    fn read_ready(&mut self, ticket: Ticket, rows: &Rows) {
        // All objects are read at once; the client that asked takes the one that it wants.
        let objects = (0..super::clients::OBJECTS_MAX).map(|object| read_object(rows, object));
        self.reads.push((ticket, objects.collect()));
    }

    fn flush(&mut self, job: FlushJob) {
        self.jobs.push(Job::Flush(job));
    }

    fn copy(&mut self, job: CopyJob) {
        self.jobs.push(Job::Copy(job));
    }

    fn copy_ready(&mut self, _ticket: Ticket, _path: String) {}

    fn send_snapshot(&mut self, job: SnapshotJob) {
        self.snapshots.push(job);
    }

    fn standing(&mut self, standing: Standing) {
        self.standings.push(standing);
    }

    fn applied(&mut self, at: Position, outcome: &Outcome) {
        let code = outcome.code().bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        self.applied.push((at, code));
    }
}

impl World {
    /// Sees to what a member wants done.
    pub(super) fn follow(&mut self, host: HostNumber, effects: Effects) -> Result<(), Broken> {
        let Effects { sent, answers, reads, jobs, snapshots, standings, applied } = effects;
        for standing in standings {
            let id = self.hosts.get(host).and_then(|host| host.id);
            tracing::debug!(ms = self.now / MS, host, ?id, ?standing, "a member's standing");
            self.invariants.standing(id, standing)?;
        }
        for (at, code) in applied {
            self.note(1, host, &at.index.0.to_le_bytes());
            self.invariants.applied(host, at, code)?;
        }
        for envelope in sent {
            self.transmit(host, &envelope)?;
        }
        for (ticket, answer) in answers {
            self.reply(host, ticket, Reply::of(answer));
        }
        for (ticket, objects) in reads {
            self.reply(host, ticket, Reply::Read(objects));
        }
        let life = self.hosts.get(host).map_or(0, |host| host.life);
        for job in jobs {
            let delay = self.network.work_delay() + 10 * self.lag_of(host);
            self.plan_in(delay, What::Job { host, life, job });
        }
        for job in snapshots {
            self.send_snapshot(host, life, &job);
        }
        Ok(())
    }

    /// A job is done, unless its process died before.
    pub(super) fn job(&mut self, host: HostNumber, life: u64, job: Job) -> Result<(), Broken> {
        if self.hosts.get(host).is_none_or(|host| host.life != life) {
            return Ok(());
        }
        let event = match job {
            Job::Flush(job) => job.run(),
            Job::Copy(job) => job.run(),
        };
        self.work(host, life, event)
    }

    /// An event of a process's own, unless that process died before.
    pub(super) fn work(&mut self, host: HostNumber, life: u64, event: Event) -> Result<(), Broken> {
        let Some(target) = self.hosts.get(host).filter(|host| host.life == life) else { return Ok(()) };
        if target.paused_until > self.now {
            let delay = target.paused_until - self.now;
            self.plan_in(delay, What::Work { host, life, event: Box::new(event) });
            return Ok(());
        }
        self.feed(host, event)
    }

    fn send_snapshot(&mut self, from: HostNumber, life: u64, job: &SnapshotJob) {
        let to = self.host_of(job.to);
        let bytes = self.hosts.get(from).and_then(|host| host.disk.read(&job.path, u64::MAX).ok());
        let is_lost = self.network.loses(from, to.unwrap_or(usize::MAX));
        let delay = self.network.transfer_delay();
        if let (Some(host), Some(mut bytes), false) = (to, bytes, is_lost) {
            self.network.spoil(&mut bytes);
            let envelope = job.envelope.encode_to_vec();
            self.plan_in(delay, What::DeliverSnapshot { from, host, envelope, bytes });
        } else {
            let event = Box::new(Event::SnapshotSent { to: job.to, is_done: false });
            self.plan_in(delay, What::Work { host: from, life, event });
        }
    }

    pub(super) fn deliver_snapshot(
        &mut self,
        from: HostNumber,
        host: HostNumber,
        envelope: &[u8],
        bytes: &[u8],
    ) -> Result<(), Broken> {
        self.note(2, host, &(bytes.len() as u64).to_le_bytes());
        let Ok(envelope) = Envelope::decode(envelope) else { return Ok(()) };
        let to = MemberId::from_number(envelope.to);
        let is_there = |it: &&mut super::Host| it.member.is_some() && it.paused_until <= self.now && it.id == to;
        let staged = self.hosts.get_mut(host).filter(is_there).and_then(|target| {
            let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(target.disk.clone());
            target.receipts += 1;
            let path = strongroom_coordinator::store::staged_path(&format!("incoming-{}", target.receipts));
            durable_replace(&disk, &path, bytes).ok()?;
            stage(&disk, envelope, path).ok()
        });
        let is_done = staged.is_some();
        if let Some(staged) = staged {
            self.feed(host, Event::Staged(Box::new(staged)))?;
        }
        let life = self.hosts.get(from).map_or(0, |host| host.life);
        if let Some(to) = to {
            let event = Box::new(Event::SnapshotSent { to, is_done });
            self.plan_in(MS, What::Work { host: from, life, event });
        }
        Ok(())
    }

    /// The host on which a member lives.
    pub(super) fn host_of(&self, member: MemberId) -> Option<HostNumber> {
        self.hosts.iter().position(|host| host.id == Some(member))
    }
}
