//! The wire between agents, depots, coordinators and operators.
//!
//! This package owns the versioned message definitions and the code generated from them. It holds no logic: whoever takes
//! a message checks it and turns it into types of its own, and the conversion can fail.

pub mod agents;
pub mod common;
pub mod depots;
pub mod operators;
pub mod peers;
