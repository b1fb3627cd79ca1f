//! Changes of the group's members.
//!
//! Owns what may be changed in one step and how it is written. Every change is joint (Ongaro §4.3), one at a time; a new
//! member is a learner first, and is promoted when it has caught up. The configuration is left joint no longer than it
//! takes to agree on leaving it; since the crate forgets to leave when leadership changes in between, the leader's
//! watchdog proposes it again.

use std::collections::BTreeSet;

use prost::Message as _;
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2};
use strongroom_platform::mutant::{self, Mutant};

use super::group::{Group, Unproposed};
use crate::id::{MemberId, Position};
use crate::state::Configuration;

/// One step that the members take together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new member that only listens.
    AddLearner(MemberId),
    /// A learner gets a vote; another voter may leave in the same step.
    Promote {
        /// Who gets the vote.
        learner: MemberId,
        /// Who leaves.
        removes: Option<MemberId>,
    },
    /// A member leaves.
    Remove(MemberId),
    /// The change under way is brought to its end.
    Leave,
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// The member belongs to the group already.
    #[error("{0} is a member already")]
    IsMember(MemberId),
    /// The member does not belong to the group, or not as what is needed.
    #[error("{0} is no learner of this group")]
    NoLearner(MemberId),
    /// The member does not belong to the group.
    #[error("{0} is no member of this group")]
    NoMember(MemberId),
    /// Nobody would be left to decide.
    #[error("{0} is the last voter")]
    LastVoter(MemberId),
    /// An earlier change is not at its end.
    #[error("an earlier change of the members is not at its end")]
    UnderWay,
    /// There is no change under way.
    #[error("no change of the members is under way")]
    NotUnderWay,
}

impl Change {
    /// Checks the change against the configuration that it is to start from.
    pub fn check(&self, now: &Configuration) -> Result<(), Unchanged> {
        let (is_leave, is_joint) = (*self == Self::Leave, now.is_joint());
        let refusal = match self {
            Self::Leave => (!is_joint).then_some(Unchanged::NotUnderWay),
            Self::AddLearner(id) => {
                let is_member = now.voters.contains(id) || now.learners.contains(id);
                is_member.then_some(Unchanged::IsMember(*id))
            }
            Self::Promote { learner, removes } => {
                let gone = removes.filter(|gone| !now.voters.contains(gone)).map(Unchanged::NoMember);
                let is_learner = now.learners.contains(learner);
                if is_learner { gone } else { Some(Unchanged::NoLearner(*learner)) }
            }
            Self::Remove(id) if now.voters == BTreeSet::from([*id]) => Some(Unchanged::LastVoter(*id)),
            Self::Remove(id) => {
                let is_member = now.voters.contains(id) || now.learners.contains(id);
                (!is_member).then_some(Unchanged::NoMember(*id))
            }
        };
        match refusal {
            _ if is_joint && !is_leave => Err(Unchanged::UnderWay),
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    fn singles(&self) -> Vec<(ConfChangeType, MemberId)> {
        match self {
            Self::AddLearner(id) => vec![(ConfChangeType::AddLearnerNode, *id)],
            Self::Promote { learner, removes } => {
                let gone = removes.map(|gone| (ConfChangeType::RemoveNode, gone));
                [(ConfChangeType::AddNode, *learner)].into_iter().chain(gone).collect()
            }
            Self::Remove(id) => vec![(ConfChangeType::RemoveNode, *id)],
            Self::Leave => Vec::new(),
        }
    }

    fn to_raft(&self) -> ConfChangeV2 {
        let mut change = ConfChangeV2::default();
        if *self != Self::Leave {
            let is_forgotten = mutant::is_active(Mutant::JointForgotten);
            let explicit = ConfChangeTransition::Explicit;
            change.set_transition(if is_forgotten { explicit } else { ConfChangeTransition::Implicit });
        }
        let singles = self.singles().into_iter().map(|(kind, id)| {
            let mut single = ConfChangeSingle::default();
            single.set_change_type(kind);
            single.node_id = id.number();
            single
        });
        change.set_changes(singles.collect::<Vec<_>>().into());
        change
    }
}

impl Group {
    /// Proposes a change of the members, with what the state is to note of it.
    pub fn change(&mut self, change: &Change, context: Vec<u8>) -> Result<Position, Unproposed> {
        self.propose_change(change.to_raft(), context)
    }
}

/// A change as it stands in an entry: field by field what the crate writes, read by our own decoder.
#[derive(Clone, PartialEq, prost::Message)]
struct Written {
    #[prost(int32, tag = "1")]
    transition: i32,
    #[prost(message, repeated, tag = "2")]
    changes: Vec<WrittenSingle>,
    #[prost(bytes = "vec", tag = "3")]
    context: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WrittenSingle {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint64, tag = "2")]
    member: u64,
}

/// Reads a change back; nothing if the bytes are none. An empty change leaves a joint configuration.
pub(super) fn decode(bytes: &[u8]) -> Option<ConfChangeV2> {
    let written = Written::decode(bytes).ok()?;
    let mut change = ConfChangeV2::default();
    change.set_transition(match written.transition {
        0 => ConfChangeTransition::Auto,
        1 => ConfChangeTransition::Implicit,
        2 => ConfChangeTransition::Explicit,
        _ => return None,
    });
    let singles = written.changes.iter().map(|written| {
        let mut single = ConfChangeSingle::default();
        single.set_change_type(match written.kind {
            0 => ConfChangeType::AddNode,
            1 => ConfChangeType::RemoveNode,
            2 => ConfChangeType::AddLearnerNode,
            _ => return None,
        });
        single.node_id = MemberId::from_number(written.member)?.number();
        Some(single)
    });
    change.set_changes(singles.collect::<Option<Vec<_>>>()?.into());
    Some(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MemberId {
        MemberId::from_number(number).unwrap()
    }

    fn three_and_a_learner() -> Configuration {
        Configuration {
            voters: (1..=3).map(id).collect(),
            learners: BTreeSet::from([id(4)]),
            ..Configuration::default()
        }
    }

    #[test]
    fn a_change_needs_the_members_that_it_speaks_of() {
        let now = three_and_a_learner();
        assert_eq!(Change::AddLearner(id(5)).check(&now), Ok(()));
        assert_eq!(Change::AddLearner(id(4)).check(&now), Err(Unchanged::IsMember(id(4))));
        assert_eq!(Change::Promote { learner: id(4), removes: Some(id(1)) }.check(&now), Ok(()));
        assert_eq!(Change::Promote { learner: id(5), removes: None }.check(&now), Err(Unchanged::NoLearner(id(5))));
        assert_eq!(
            Change::Promote { learner: id(4), removes: Some(id(9)) }.check(&now),
            Err(Unchanged::NoMember(id(9)))
        );
        assert_eq!(Change::Remove(id(4)).check(&now), Ok(()));
        assert_eq!(Change::Remove(id(9)).check(&now), Err(Unchanged::NoMember(id(9))));
        assert_eq!(Change::Leave.check(&now), Err(Unchanged::NotUnderWay));
        assert_eq!(Change::Remove(id(1)).check(&Configuration::single(id(1))), Err(Unchanged::LastVoter(id(1))));
    }

    #[test]
    fn while_one_change_is_under_way_there_is_no_other() {
        let now = Configuration { voters_outgoing: BTreeSet::from([id(1)]), auto_leave: true, ..three_and_a_learner() };
        assert_eq!(Change::AddLearner(id(5)).check(&now), Err(Unchanged::UnderWay));
        assert_eq!(Change::Remove(id(1)).check(&now), Err(Unchanged::UnderWay));
        assert_eq!(Change::Leave.check(&now), Ok(()));
    }

    #[test]
    fn a_change_is_read_as_the_crate_wrote_it() {
        use protobuf_free::bytes_of;
        for change in [
            Change::AddLearner(id(7)),
            Change::Promote { learner: id(4), removes: Some(id(u64::MAX)) },
            Change::Remove(id(1)),
            Change::Leave,
        ] {
            let written = change.to_raft();
            let read = decode(&bytes_of(&written)).unwrap();
            assert_eq!(read, written);
        }
        assert_eq!(decode(&[0xff; 3]), None);
    }

    mod protobuf_free {
        //! What the crate would put into an entry, by our own encoder over the same numbers.

        use prost::Message as _;
        use raft::eraftpb::ConfChangeV2;

        use super::super::{Written, WrittenSingle};

        pub(super) fn bytes_of(change: &ConfChangeV2) -> Vec<u8> {
            let single = |it: &raft::eraftpb::ConfChangeSingle| WrittenSingle {
                kind: it.get_change_type() as i32,
                member: it.node_id,
            };
            let changes = change.get_changes().iter().map(single).collect();
            Written { transition: change.get_transition() as i32, changes, context: Vec::new() }.encode_to_vec()
        }
    }
}
