//! The service over one real member, asked by callers whose certificates are real.

mod auditing;
mod commands;
mod installation;
mod reading;
