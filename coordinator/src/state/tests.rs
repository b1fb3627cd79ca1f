//! The state machine as a whole, and the rules of each family as sentences.

mod world;
mod samples;
mod machine;
mod auditing;
mod sessions;
mod registry;
mod running;
mod retiring;
mod planning;
mod protection;
mod persisted;
mod naive;
mod sequences;
