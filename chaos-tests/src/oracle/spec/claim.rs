//! A name that belongs to whoever claims it first, for good.
//!
//! Stands for everything that is created if it is absent: ids, leases' epochs, snapshots under a name. Catches two who
//! are both told that they won, and an owner who changes.

use std::fmt;

use super::{Keyed, ObjectKey, Spec, or_nothing};

/// Names that belong to nobody at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim;

/// Who claims a name. A workload that claims twice for one claimant can't tell the two claims apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claimant(pub u64);

impl fmt::Display for Claimant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// What can be asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimAction {
    /// Whose is it?
    ReadOwner,
    /// Let it be this one's, if it is nobody's.
    Claim(Claimant),
}

/// What can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// To a read: the owner, if there is one.
    Owner(Option<Claimant>),
    /// To a claim: the name was nobody's, and is the claimant's.
    Won,
    /// To a claim: the name is this one's already, be it the claimant itself.
    Taken(Claimant),
}

impl Spec for Claim {
    type Key = ObjectKey;
    type State = Option<Claimant>;
    type Input = Keyed<ClaimAction>;
    type Output = ClaimAnswer;

    fn key(&self, input: &Self::Input) -> ObjectKey {
        input.key.clone()
    }

    fn initial(&self, _key: &ObjectKey, _answers: &[&Self::Output]) -> Self::State {
        None
    }

    fn step(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> Option<Self::State> {
        match (input.action, output) {
            (ClaimAction::ReadOwner, ClaimAnswer::Owner(seen)) if seen == state => Some(*state),
            (ClaimAction::Claim(claimant), ClaimAnswer::Won) if state.is_none() => Some(Some(claimant)),
            (ClaimAction::Claim(_), ClaimAnswer::Taken(owner)) if *state == Some(*owner) => Some(*state),
            _ => None,
        }
    }

    fn step_unseen(&self, state: &Self::State, input: &Self::Input) -> Vec<Self::State> {
        match input.action {
            ClaimAction::ReadOwner => vec![*state],
            ClaimAction::Claim(claimant) => vec![state.or(Some(claimant))],
        }
    }

    fn is_read(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        input.action == ClaimAction::ReadOwner || matches!(output, Some(ClaimAnswer::Taken(_)))
    }

    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let asked = match input.action {
            ClaimAction::ReadOwner => "read owner".to_owned(),
            ClaimAction::Claim(claimant) => format!("claim for {claimant}"),
        };
        match output {
            None => asked,
            Some(ClaimAnswer::Owner(owner)) => format!("{asked}: {}", or_nothing(owner.as_ref())),
            Some(ClaimAnswer::Won) => format!("{asked}: won"),
            Some(ClaimAnswer::Taken(owner)) => format!("{asked}: taken by {owner}"),
        }
    }
}
