//! The service over one real member, asked by callers whose certificates are real.

mod auditing;
mod commands;
pub(in crate::server) mod installation;
mod reading;
