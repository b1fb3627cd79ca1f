//! Accrued time where nobody writes.
//!
//! Owns a command without an effect. Time accrues with entries, by a minute at most with each, so a group that nobody
//! writes to would fall behind: whoever leads proposes one of these when half a minute has passed without an entry. Its
//! stamp is all that counts.

use serde::{Deserialize, Serialize};

use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::outcome::{Answer, Effected};

/// Lets accrued time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassTime;

impl Effect for PassTime {
    fn audited(&self) -> Option<Audited> {
        None
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, _: &mut Context<'_>) -> Effected {
        Ok(Answer::Applied)
    }
}
