//! The tags of all tables, in one place so that none is given twice.
//!
//! Owns the numbers and nothing else; what a table holds stands beside the family of commands that owns it. A tag that
//! was once in a release is never given to another table.

use super::rows::Table;

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $tag:literal;)*) => {
        $($(#[$doc])* pub(in crate::state) const $name: u8 = $tag;)*

        #[cfg(test)]
        pub(in crate::state) const ALL: &[u8] = &[$($name),*];
    };
}

tags! {
    /// What the machine notes about itself; the only rows that the digest leaves out.
    META = 0;
    COUNTERS = 1;
    CLIENT_SESSIONS = 2;
    CLIENT_SESSION_DAYS = 3;
    CLIENT_OUTCOMES = 4;
    AUDIT_EVENTS = 5;
    AUDIT_FRONTIER = 6;
    JURISDICTIONS = 10;
    REGIONS = 11;
    SITES = 12;
    MEMBERS = 20;
    TOKENS = 30;
    CERTIFICATES = 31;
    DENIALS = 32;
    DENIED = 33;
    DEPOTS = 40;
    AGENTS = 41;
    SOURCES = 50;
    SOURCE_NAMES = 51;
    CONTRACTS = 52;
    SCHEDULES = 60;
    RUNS = 61;
    SOURCE_RUNS = 62;
    HOST_GROUPS = 63;
    EPOCHS = 70;
    UPLOADS = 71;
    HEADS = 80;
    SNAPSHOTS = 81;
    SOURCE_SNAPSHOTS = 82;
    SNAPSHOT_PACKS = 83;
    PACKS = 84;
    LIVE_PACKS = 85;
    PENDING_SNAPSHOTS = 86;
    RECEIPTS = 90;
    PACK_COPIES = 91;
    OPERATORS = 100;
    OPERATOR_IDENTITIES = 101;
    AUDIT_TILES = 110;
    AUDIT_KEYS = 120;
    AUDIT_CHECKPOINT = 121;
    RETIRED_SOURCES = 135;
    REFOUNDINGS = 140;
    DENIAL_ENDS = 145;
    REFUSED_REQUESTS = 146;
    AUDIT_KEYS_RETIRED = 147;
}

/// Declares tables: name, tag, key and value.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $tag:ident: $key:ty => $value:ty;)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl $crate::state::rows::Table for $name {
                const TAG: u8 = $crate::state::tables::$tag;
                type Key = $key;
                type Value = $value;
            }
        )*
    };
}

pub(in crate::state) use tables;

/// Whether rows of this table are part of the digest.
pub(in crate::state) const fn is_digested<T: Table>() -> bool {
    T::TAG != META
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn no_two_tables_share_a_tag() {
        let distinct: BTreeSet<u8> = ALL.iter().copied().collect();
        assert_eq!(distinct.len(), ALL.len());
    }
}
