//! What a restore tells beside its verdict: secrets to have at hand, classes that were left out, and steps that are left
//! to do by hand. All of it is the snapshot's own word.

use strongroom_agent::profile::Recovery;

use crate::failure::{Attempt as _, Failure};
use crate::render::{Output, text};
use crate::room::custodian::OpenSnapshot;

/// What a snapshot says of restores.
pub(super) fn of(snapshot: &OpenSnapshot) -> Result<Recovery, Failure> {
    Recovery::of(&snapshot.view()?).attempt(|| "can't read what the snapshot says of restores")
}

/// What the operator must have at hand before a restored copy works.
pub(super) fn show_needs(output: &Output, recovery: &Recovery) {
    if !recovery.external_secrets.is_empty() {
        output.say("Have at hand, since it lies outside the source:");
    }
    for secret in &recovery.external_secrets {
        output.say(format!("  {}: {}", text::shown(&secret.name), text::shown(&secret.why)));
    }
}

/// Classes that are empty because the snapshot left them out.
pub(super) fn show_left_out(output: &Output, recovery: &Recovery) {
    if recovery.left_out.is_empty() {
        return;
    }
    let classes = text::plural(recovery.left_out.len() as u64, "class", "classes");
    output.say(format!("{classes} that the snapshot left out: there, and empty: {}.", recovery.left_out.join(", ")));
}

/// What is left to do by hand.
pub(super) fn show_steps(output: &Output, recovery: &Recovery) {
    if !recovery.after_restore.is_empty() {
        output.say("Now, in this order:");
    }
    for (number, step) in (1..).zip(&recovery.after_restore) {
        output.say(format!("  {number}. {}", text::shown(&step.step)));
        output.say(format!("     {}", text::shown(&step.why)));
    }
}
