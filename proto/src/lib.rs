//! The wire between agents, depots, coordinators and operators.
//!
//! This package owns the versioned message definitions and the code generated from them, and the one client that all who
//! ask the group share. There is no other logic in it: whoever takes a message checks it and turns it into types of its
//! own, and the conversion can fail.

pub mod agents;
pub mod client;
pub mod common;
pub mod depots;
pub mod enrolment;
pub mod operators;
pub mod peers;
