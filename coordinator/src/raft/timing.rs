//! How long a member waits, in ticks.
//!
//! Owns the election timeouts and their jitter. The jitter is drawn from a seed that each member has for itself, and
//! anew whenever the member's term, role or leader changes, so that two members that collide do not collide again.

/// The group's rhythm. A tick is what the shell makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Ticks between two heartbeats of a leader.
    pub heartbeat_ticks: u32,
    /// The shortest time without a leader after which a member campaigns.
    pub election_ticks_min: u32,
    /// The longest, which is never reached.
    pub election_ticks_max: u32,
}

impl Timing {
    /// For members that reach each other within a few milliseconds, at ticks of 50 ms: elections after 0.5 to 1 s.
    pub const LAN: Self = Self { heartbeat_ticks: 2, election_ticks_min: 10, election_ticks_max: 20 };
    /// For members that are up to 200 ms apart, at ticks of 100 ms: elections after 2 to 4 s.
    pub const WAN: Self = Self { heartbeat_ticks: 3, election_ticks_min: 20, election_ticks_max: 40 };
}

/// The draw of election timeouts.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    timing: Timing,
    seed: u64,
    seen: (u64, u8, u64),
    draws: u64,
    /// What was drawn last.
    ticks: u32,
}

impl Jitter {
    pub(super) fn new(timing: Timing, seed: u64) -> Self {
        let mut jitter = Self { timing, seed, seen: (0, 0, 0), draws: 0, ticks: 0 };
        jitter.draw();
        jitter
    }

    /// The timeout for a member in this term and role under this leader.
    pub(super) fn election_ticks(&mut self, term: u64, role: u8, leader: u64) -> u32 {
        if self.seen != (term, role, leader) {
            self.seen = (term, role, leader);
            self.draws += 1;
            self.draw();
        }
        self.ticks
    }

    fn draw(&mut self) {
        let Timing { election_ticks_min, election_ticks_max, .. } = self.timing;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_be_bytes());
        hasher.update(&self.draws.to_be_bytes());
        let drawn = u32::from_be_bytes(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default());
        self.ticks = election_ticks_min + drawn % election_ticks_max.saturating_sub(election_ticks_min).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_lasts_as_long_as_its_reign_and_is_a_function_of_the_seed() {
        let draws = |seed| {
            let mut jitter = Jitter::new(Timing::LAN, seed);
            (1..100)
                .map(|term| [jitter.election_ticks(term, 0, 0), jitter.election_ticks(term, 0, 0)])
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert!(draws(1).iter().all(|[first, again]| first == again && (10..20).contains(first)));
    }
}
