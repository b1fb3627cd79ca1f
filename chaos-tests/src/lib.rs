//! What no single package can show of itself.
//!
//! This package stands above all others, so it may look at each of them. Its library simulates whole groups from one
//! seed ([`world`]), judges what clients saw ([`oracle`]) and what must hold at every moment ([`invariants`]), and runs groups
//! of real processes ([`processes`]). Its test `tidy` holds the source tree to the project's habits.

pub mod dice;
pub mod invariants;
pub mod oracle;
pub mod processes;
pub mod world;
