//! The network between hosts: delays, losses, duplicates, and links that are down one way or both.

use std::collections::BTreeSet;

use prost::Message as _;
use strongroom_coordinator::id::MemberId;
use strongroom_coordinator::member::Event;
use strongroom_proto::peers::v1::Envelope;

use super::{HostNumber, MS, Nanos, Plan, What, World};
use crate::dice::Dice;
use crate::invariants::Broken;

/// How late the copy of a client's request can be: it has gone on by then.
const LATE_MAX: Nanos = 4_000 * MS;

/// The links.
pub(super) struct Network {
    dice: Dice,
    loss: u64,
    duplicates: u64,
    delay_max: Nanos,
    stragglers: u64,
    turn_max: Nanos,
    /// Directed links that carry nothing.
    cut: BTreeSet<(HostNumber, HostNumber)>,
}

impl Network {
    pub(super) fn new(plan: &Plan) -> Self {
        let Plan { seed, loss, duplicates, delay_max, stragglers, turn_max, .. } = *plan;
        Self {
            dice: Dice::new(seed, "network"),
            loss,
            duplicates,
            delay_max,
            stragglers,
            turn_max,
            cut: BTreeSet::new(),
        }
    }

    /// From now on nothing is lost, and all links are up.
    pub(super) fn heal(&mut self) {
        (self.loss, self.duplicates, self.stragglers) = (0, 0, 0);
        self.delay_max = 2 * MS;
        self.cut.clear();
    }

    pub(super) fn cut(&mut self, from: HostNumber, to: HostNumber) {
        self.cut.insert((from, to));
    }

    pub(super) fn mend_all(&mut self) {
        self.cut.clear();
    }

    pub(super) fn loses(&mut self, from: HostNumber, to: HostNumber) -> bool {
        self.dice.in_a_thousand(self.loss) || self.cut.contains(&(from, to))
    }

    pub(super) fn delay(&mut self) -> Nanos {
        let most = if self.dice.in_a_thousand(self.stragglers) { 2_000 * MS } else { self.delay_max };
        self.dice.between(MS / 10, most)
    }

    pub(super) fn work_delay(&mut self) -> Nanos {
        self.dice.between(MS / 2, 30 * MS)
    }

    pub(super) fn turn_delay(&mut self) -> Nanos {
        self.dice.between(MS / 10, self.turn_max)
    }

    pub(super) fn transfer_delay(&mut self) -> Nanos {
        self.dice.between(MS, 300 * MS)
    }

    /// Turns a bit over in some of the transfers, as a faulty machine in between does. Empty pages are spared: nothing would
    /// come of it.
    pub(super) fn spoil(&mut self, bytes: &mut [u8]) {
        if self.dice.in_a_thousand(self.loss) {
            let at = usize::try_from(self.dice.below(bytes.len() as u64)).unwrap_or_default();
            if let Some(byte) = bytes.iter_mut().skip(at).find(|byte| **byte != 0) {
                *byte ^= 1;
            }
        }
    }

    pub(super) fn mend(&mut self, one: HostNumber, other: HostNumber) {
        self.cut.remove(&(one, other));
        self.cut.remove(&(other, one));
    }

    pub(super) fn is_whole(&self) -> bool {
        self.cut.is_empty()
    }

    /// When the copies of a client's request arrive, and whether at another host than the one that it was sent to.
    pub(super) fn request_delays(&mut self) -> Vec<(Nanos, bool)> {
        if self.dice.in_a_thousand(self.loss) {
            return Vec::new();
        }
        let mut copies = vec![(self.delay(), false)];
        if self.dice.in_a_thousand(self.duplicates) {
            copies.push((self.dice.between(MS, LATE_MAX), self.dice.in_a_thousand(500)));
        }
        copies
    }

    fn copies(&mut self, from: HostNumber, to: HostNumber) -> u64 {
        if self.loses(from, to) { 0 } else { 1 + u64::from(self.dice.in_a_thousand(self.duplicates)) }
    }
}

impl World {
    /// Puts a member's message on its way.
    pub(super) fn transmit(&mut self, from: HostNumber, envelope: &Envelope) -> Result<(), Broken> {
        self.invariants.said(envelope)?;
        let to = MemberId::from_number(envelope.to).and_then(|id| self.host_of(id));
        let Some(host) = to else { return Ok(()) };
        let lag = self.lag_of(from) + self.lag_of(host);
        let bytes = envelope.encode_to_vec();
        for _ in 0..self.network.copies(from, host) {
            let delay = self.network.delay();
            self.plan_in(delay + lag, What::Deliver { host, bytes: bytes.clone() });
        }
        Ok(())
    }

    /// By how much everything that a host does takes longer.
    pub(super) fn lag_of(&self, number: HostNumber) -> Nanos {
        self.hosts.get(number).map_or(0, |host| host.lag)
    }

    pub(super) fn deliver(&mut self, number: HostNumber, bytes: &[u8]) -> Result<(), Broken> {
        let Some(host) = self.hosts.get(number).filter(|host| host.member.is_some()) else { return Ok(()) };
        if host.paused_until > self.now {
            let delay = host.paused_until - self.now;
            self.plan_in(delay, What::Deliver { host: number, bytes: bytes.to_vec() });
            return Ok(());
        }
        self.note(3, number, blake3::hash(bytes).as_bytes());
        let Ok(envelope) = Envelope::decode(bytes) else { return Ok(()) };
        self.feed(number, Event::Envelope(envelope))
    }
}
