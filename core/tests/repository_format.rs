//! What `docs/repository-format.md` says, against what the core writes and reads.

#[cfg(test)]
#[path = "repository_format/vectors.rs"]
mod vectors;
