//! The state machine as a whole, and the rules of each family as sentences.

mod world;
mod samples;
mod machine;
mod auditing;
mod signing;
mod sessions;
mod registry;
mod denying;
mod running;
mod retiring;
mod planning;
mod protection;
mod persisted;
mod naive;
mod sequences;

/// One command of each kind, for tests elsewhere in the crate.
pub(crate) fn sample_commands() -> Vec<super::Command> {
    samples::all()
}
