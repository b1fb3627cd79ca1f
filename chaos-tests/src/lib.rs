//! What no single package can show of itself.
//!
//! This package stands above all others, so it may look at each of them. Its test `tidy` holds the source tree to the
//! project's habits. [`oracle`] judges what clients of an installation saw. The simulation of whole installations from
//! one seed will live here too.

pub mod oracle;
