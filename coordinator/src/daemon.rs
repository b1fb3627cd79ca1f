//! A member as a program: its folder, how it comes to be, and its life from start to stop.
//!
//! Owns the order of things around a running member: what is read before it opens, who is told when it listens, what is
//! handed over before it ends. The folder is the only thing that lasts:
//!
//! ```text
//!   DIR/config.toml     names and addresses; written last, so that a folder without it was never finished
//!   DIR/data/           the member: state, log, and who it is
//!   DIR/identity/       root.pem · identity.pem (certificates and key) · issuer.pem (the same, of its issuer)
//!   DIR/operator/       the first operator's identity, made by `init`; may be taken away
//!   DIR/root/           the root's key, made by `init`; is to be taken away
//! ```
//!
//! ```text
//!   init ──► files, group, registration ──┐
//!                                         ├──► run: open ─► listen ─► READY ─┬─ signal ─► hand over ─► stop
//!   join ──► token ─► certificate, id  ───┤                                  └─ error ──► exit code
//!   recover ──► old state, new epoch ─────┘
//! ```

pub mod arguments;
pub mod ceremony;
pub mod error;
pub mod found;
pub mod growth;
pub mod health;
pub mod home;
mod issuer;
pub mod join;
pub mod notify;
pub mod process;
pub mod recover;
pub mod renewal;
pub mod run;
pub mod settings;
pub mod transport;

pub use arguments::Verb;
pub use error::DaemonError;
pub use home::Home;
pub use settings::Settings;

use std::sync::Arc;

use strongroom_core::entropy::Entropy;
use strongroom_platform::clock::Clock;

/// What a program takes from the machine.
#[derive(Clone)]
pub struct Machine {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
