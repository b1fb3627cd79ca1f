//! Turns of a member: it takes what has come since its last one, and turns.
//!
//! Owns the line of events in front of a member, which the engine of a real process keeps in its queue. How many a turn
//! takes at most, and how long one takes, is drawn for each run: one at a time, a few, or as many as the engine does.

use strongroom_coordinator::member::Event;

use super::effects::Effects;
use super::{HostNumber, What, World};
use crate::invariants::Broken;

impl World {
    /// Puts an event in front of a host's member. One that takes events singly takes it at once; others go on with the
    /// turn that they are in, and find it when that is over.
    pub(super) fn feed(&mut self, number: HostNumber, event: Event) -> Result<(), Broken> {
        let batch_max = self.plan.batch_max;
        let Some(host) = self.hosts.get_mut(number).filter(|host| host.member.is_some()) else { return Ok(()) };
        host.inbox.push_back(event);
        if batch_max <= 1 {
            return self.take(number);
        }
        if host.inbox.len() == 1 {
            self.plan_turn(number);
        }
        Ok(())
    }

    /// A member's turn comes, unless its process died before.
    pub(super) fn turn(&mut self, number: HostNumber, life: u64) -> Result<(), Broken> {
        let Some(host) = self.hosts.get(number).filter(|host| host.life == life) else { return Ok(()) };
        if host.paused_until > self.now {
            let delay = host.paused_until - self.now;
            self.plan_in(delay, What::Turn { host: number, life });
            return Ok(());
        }
        self.take(number)?;
        if self.hosts.get(number).is_some_and(|host| !host.inbox.is_empty()) {
            self.plan_turn(number);
        }
        Ok(())
    }

    fn plan_turn(&mut self, number: HostNumber) {
        let delay = self.network.turn_delay();
        let life = self.hosts.get(number).map_or(0, |host| host.life);
        self.plan_in(delay, What::Turn { host: number, life });
    }

    /// Lets a member take what has come, and turn, and sees to what comes of it.
    fn take(&mut self, number: HostNumber) -> Result<(), Broken> {
        let mut effects = Effects::default();
        let reign_least = self.reign_least();
        let Some(host) = self.hosts.get_mut(number) else { return Ok(()) };
        let stamp = host.stamp(self.now);
        let Some(member) = host.member.as_mut() else { return Ok(()) };
        let batch = host.inbox.len().min(self.plan.batch_max.max(1));
        self.batch_largest = self.batch_largest.max(batch);
        let mut taken = host.inbox.drain(..batch).try_for_each(|mut event| {
            if let Event::Submit { request, .. } = &mut event {
                // The clocks are read when the request is taken, however long it has waited.
                request.stamp = stamp;
            }
            member.take(event, &mut effects)
        });
        if taken.is_ok() {
            taken = member.turn(&mut effects);
        }
        if taken.is_ok() {
            self.invariants.look_at(number, member)?;
            self.invariants.led(member, self.now, reign_least, self.is_healing)?;
            for at in effects.acknowledged() {
                self.invariants.acknowledged(member, at)?;
            }
        }
        self.follow(number, effects)?;
        match taken {
            Ok(()) => Ok(()),
            Err(error) => self.die(number, &error),
        }
    }
}
