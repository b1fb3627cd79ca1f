//! The wire between agents, depots, coordinators and operators.
//!
//! This package will own the versioned message definitions, the code generated from them and the fallible conversion of
//! each message to the types of the core; it will hold no logic of its own. So far everything runs in one process, and
//! nothing is sent.
