//! A clock that moves only when it is told to.
//!
//! Both clocks start where the test puts them. Passing time moves both; setting the wall clock, as an operator or a
//! time daemon would, moves that one alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Clock, MonotonicTime, WallTime};

/// The clocks of a simulated machine. Clones are handles to the same machine.
#[derive(Debug, Clone)]
pub struct SimClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    wall: WallTime,
    monotonic: MonotonicTime,
}

impl SimClock {
    /// A machine that was just started, and believes that it is `wall`.
    pub fn starting_at(wall: WallTime) -> Self {
        let state = State { wall, monotonic: MonotonicTime::ORIGIN };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Lets `duration` pass on both clocks.
    pub fn advance(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.with(|state| {
            state.wall = WallTime(state.wall.0.saturating_add(micros));
            state.monotonic = state.monotonic.plus(duration);
        });
    }

    /// Sets the wall clock, forwards or back; no time passes.
    pub fn set_wall(&self, wall: WallTime) {
        self.with(|state| state.wall = wall);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for SimClock {
    fn wall(&self) -> WallTime {
        self.with(|state| state.wall)
    }

    fn monotonic(&self) -> MonotonicTime {
        self.with(|state| state.monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_time_moves_both_clocks() {
        let clock = SimClock::starting_at(WallTime(1_000_000));
        clock.advance(Duration::from_millis(2));
        assert_eq!(clock.wall(), WallTime(1_002_000));
        assert_eq!(clock.monotonic(), MonotonicTime::from_nanos(2_000_000));
    }

    #[test]
    fn a_jump_of_the_wall_clock_leaves_the_monotonic_clock_alone() {
        let clock = SimClock::starting_at(WallTime(1_000_000));
        let other_handle = clock.clone();
        clock.set_wall(WallTime(0));
        assert_eq!(other_handle.wall(), WallTime(0));
        assert_eq!(other_handle.monotonic(), MonotonicTime::ORIGIN);
    }
}
