//! Numbers and names of the group, each with a type of its own.
//!
//! Owns identity only: no rule is here. Random ids are minted by the shell from injected entropy. The numbers of the log
//! are those of Raft (Ongaro, "Consensus: Bridging Theory and Practice", 2014), wrapped so that a term can't be taken for
//! an index.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strongroom_core::entropy::{Entropy, EntropyError, random_array};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// The number that follows.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

number!(
    /// A place in the replicated log; the first entry is 1, and 0 is before all.
    LogIndex
);
number!(
    /// A reign of at most one leader.
    Term
);
number!(
    /// How often the group was founded anew after its quorum was lost. What belongs to an earlier epoch is refused.
    ClusterEpoch
);

/// A place in the log and the term in which its entry was proposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The place.
    pub index: LogIndex,
    /// The term of its entry.
    pub term: Term,
}

/// A group, for its whole life. Random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId(pub [u8; 16]);

impl ClusterId {
    /// Draws a new one.
    pub fn mint(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        random_array(entropy).map(Self)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ClusterId({self})")
    }
}

/// A member of the group, as long as its data folder lives: minted with the folder, and never used again. A number in
/// the log and in rows, 16 hexadecimal digits wherever people read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(NonZeroU64);

impl MemberId {
    /// Draws a new one.
    pub fn mint(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        loop {
            if let Some(id) = Self::from_number(u64::from_be_bytes(random_array(entropy)?)) {
                return Ok(id);
            }
        }
    }

    /// The member of this number; zero is no member.
    pub const fn from_number(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MemberId({self})")
    }
}

/// A group as of its latest founding. Two foundings out of one survivor have the same number and not the same founder, so
/// that neither group ever takes the other for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupIdentity {
    /// The group, for its whole life.
    pub cluster: ClusterId,
    /// How often it was founded anew.
    pub epoch: ClusterEpoch,
    /// The member that founded it this time. Its id is random, and is never used again.
    pub founder: MemberId,
}

/// Text that names no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a member's id: expected 16 hexadecimal digits")]
pub struct NotAMember;

impl FromStr for MemberId {
    type Err = NotAMember;

    fn from_str(text: &str) -> Result<Self, NotAMember> {
        let is_plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_plain);
        number.and_then(Self::from_number).ok_or(NotAMember)
    }
}

impl Serialize for MemberId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
    }
}

impl<'de> Deserialize<'de> for MemberId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let text = String::deserialize(from)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            NonZeroU64::deserialize(from).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_as_it_is_shown() {
        let id = MemberId::from_number(0x2a).unwrap();
        assert_eq!(id.to_string(), "000000000000002a");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "2a", "+00000000000002a", "0000000000000000", "00000000000000000"] {
            assert_eq!(text.parse::<MemberId>(), Err(NotAMember), "{text}");
        }
    }
}
