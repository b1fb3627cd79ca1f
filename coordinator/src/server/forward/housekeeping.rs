//! What members ask the leader for of their own accord: the whole of it, as a type.
//!
//! Owns the list, and who may ask for what on it. A member speaks for itself alone. What operators, agents and depots
//! ask for is never handed on by a member: they are told who leads, and are decided upon there by the name that their
//! own connection has proven. So the word of a member is never taken for that of anybody else.

use crate::id::MemberId;
use crate::state::certificates::IssueCertificate;
use crate::state::members::MemberBooted;
use crate::state::session::OpenSession;
use crate::state::tokens::SpendToken;
use crate::state::{Command, Configuration};

/// A command that a member may ask the leader for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Housekeeping {
    /// A session, for the others.
    OpenSession(OpenSession),
    /// A certificate that the member's issuer has signed is to be noted.
    IssueCertificate(IssueCertificate),
    /// Somebody has shown the member the secret of a token.
    SpendToken(SpendToken),
    /// The member has started.
    MemberBooted(MemberBooted),
}

impl Housekeeping {
    /// The command as housekeeping; nothing if members do not ask for it.
    pub fn of(command: Command) -> Option<Self> {
        Some(match command {
            Command::OpenSession(it) => Self::OpenSession(it),
            Command::IssueCertificate(it) => Self::IssueCertificate(it),
            Command::SpendToken(it) => Self::SpendToken(it),
            Command::MemberBooted(it) => Self::MemberBooted(it),
            _ => return None,
        })
    }

    /// Whether a member may ask for it, as the group is. One that left or has not come yet may ask for nothing, one that
    /// only listens lets nobody in, and nobody starts but itself.
    pub fn may_come_from(&self, member: MemberId, configuration: &Configuration) -> bool {
        match self {
            Self::OpenSession(_) => configuration.has(member),
            Self::MemberBooted(it) => configuration.has(member) && it.member == member,
            Self::IssueCertificate(_) | Self::SpendToken(_) => configuration.has_voter(member),
        }
    }
}

impl From<Housekeeping> for Command {
    fn from(housekeeping: Housekeeping) -> Self {
        match housekeeping {
            Housekeeping::OpenSession(it) => it.into(),
            Housekeeping::IssueCertificate(it) => it.into(),
            Housekeeping::SpendToken(it) => it.into(),
            Housekeeping::MemberBooted(it) => it.into(),
        }
    }
}

macro_rules! from {
    ($($name:ident),*) => {
        $(impl From<$name> for Housekeeping {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*
    };
}

from!(OpenSession, IssueCertificate, SpendToken, MemberBooted);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strongroom_core::id::ClientSession;

    use super::*;

    fn id(number: u64) -> MemberId {
        MemberId::from_number(number).unwrap()
    }

    /// 1 votes, 2 listens, 3 is being left.
    fn configuration() -> Configuration {
        Configuration {
            learners: BTreeSet::from([id(2)]),
            voters_outgoing: BTreeSet::from([id(1), id(3)]),
            ..Configuration::single(id(1))
        }
    }

    #[test]
    fn four_kinds_of_commands_are_housekeeping_and_no_other() {
        let kinds: Vec<Command> =
            crate::state::sample_commands().into_iter().filter_map(Housekeeping::of).map(Command::from).collect();
        let expected = ["session.open", "member.boot", "token.spend", "certificate.renew"];
        assert_eq!(kinds.iter().map(Command::action).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_member_asks_for_what_its_part_in_the_group_is_good_for() {
        let group = configuration();
        let session = Housekeeping::from(OpenSession { session: ClientSession([1; 16]) });
        let spend = crate::state::sample_commands().into_iter().filter_map(Housekeeping::of);
        let spend = spend.into_iter().find(|it| matches!(it, Housekeeping::SpendToken(_))).unwrap();
        let boot = |number| Housekeeping::from(MemberBooted { member: id(number), boot: 2 });
        for (number, opens, spends) in [(1, true, true), (2, true, false), (3, true, true), (4, false, false)] {
            assert_eq!(session.may_come_from(id(number), &group), opens, "{number}");
            assert_eq!(spend.may_come_from(id(number), &group), spends, "{number}");
            assert_eq!(boot(number).may_come_from(id(number), &group), opens, "{number}");
            assert!(!boot(9).may_come_from(id(number), &group), "{number} says that another one started");
        }
    }
}
