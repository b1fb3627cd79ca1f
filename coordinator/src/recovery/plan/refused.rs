//! Why there is no plan.

use crate::id::MemberId;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// Nothing was surveyed.
    #[error("no survivor was surveyed")]
    NoSurvivor,
    /// The surveys are of different groups.
    #[error("the folders are of different groups: {one} and {other}")]
    OtherGroup {
        /// One of them.
        one: String,
        /// Another.
        other: String,
    },
    /// The group was founded anew twice, and the surveys are of both.
    #[error("the group was founded anew twice, by members {one} and {other}: give folders of one of the two only")]
    OtherFounding {
        /// The founder of one.
        one: MemberId,
        /// The founder of the other.
        other: MemberId,
    },
    /// A member was surveyed twice, and not in the same way: one of the folders is a copy, or it ran meanwhile.
    #[error("member {member} was found twice, with different contents")]
    Twice {
        /// The member.
        member: MemberId,
    },
    /// Enough members are left, as of a configuration that may be in force.
    #[error("{sound} of {voters} voters are sound, which may be a majority: start them instead")]
    QuorumIsThere {
        /// Sound survivors that vote.
        sound: usize,
        /// Voters of the group.
        voters: usize,
    },
}
