//! Seeded mutants: defects that the simulation must find.
//!
//! Owns their list and the switch. A mutant breaks one rule that the product keeps, at the place where it keeps it. The
//! simulation runs each of them until an invariant breaks; one that survives shows that the simulation is too gentle.
//! Without the feature `mutants` there is no switch: [`is_active`] is a constant, and the compiler leaves nothing of a
//! mutant. With it a mutant is active on one thread, for as long as its [`Guard`] lives.

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Votes and acknowledgements leave before the log has what they promise.
    PromiseBeforeLog,
    /// Frames of the log are written and not synced.
    LogUnsynced,
    /// Term and vote are not written.
    HardStateForgotten,
    /// Frames are taken for whole at recovery, whatever their checksum says.
    FramesUnverified,
    /// A damaged frame that was acknowledged is taken for torn, and the log ends there.
    DamageTakenForTorn,
    /// A leader serves reads without asking the others whether it still leads.
    ReadsUnasked,
    /// A retried request takes effect again.
    RetriesRepeated,
    /// The log forgets entries that are applied and not flushed.
    FloorPastFlush,
    /// The state is flushed past what the log knows to be agreed on.
    CommitUnsettled,
    /// A configuration is acted on before it is durable that it was agreed on.
    ConfigurationUnsettled,
    /// A received snapshot is installed as it came.
    SnapshotUnverified,
    /// A snapshot takes the place of the state, and the log is not told.
    LogKeptAtInstall,
    /// A proposal whose fate is not known is answered as one that was never made.
    LossTakenForRefusal,
    /// A folder whose log is gone gets a new one under the old id.
    IdReused,
    /// A member puts its own time into what it applies.
    ApplyReadsClock,
    /// A joint configuration is never left.
    JointForgotten,
    /// A member that found its promises gone leaves no note of it.
    QuarantineUnnoted,
    /// A leader agrees by a majority alone, wherever its members lie.
    CommitInOneRegion,
    /// A leader hands over to the preferred region whenever it can, without patience.
    PreferenceImpatient,
}

impl Mutant {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::PromiseBeforeLog,
        Self::LogUnsynced,
        Self::HardStateForgotten,
        Self::FramesUnverified,
        Self::DamageTakenForTorn,
        Self::ReadsUnasked,
        Self::RetriesRepeated,
        Self::FloorPastFlush,
        Self::CommitUnsettled,
        Self::ConfigurationUnsettled,
        Self::SnapshotUnverified,
        Self::LogKeptAtInstall,
        Self::LossTakenForRefusal,
        Self::IdReused,
        Self::ApplyReadsClock,
        Self::JointForgotten,
        Self::QuarantineUnnoted,
        Self::CommitInOneRegion,
        Self::PreferenceImpatient,
    ];
}

#[cfg(not(feature = "mutants"))]
mod switch {
    //! The switch that is not there.

    use super::Mutant;

    /// Never: this build has no mutants.
    pub const fn is_active(_mutant: Mutant) -> bool {
        false
    }
}

#[cfg(feature = "mutants")]
mod switch {
    //! The switch of a thread.

    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Says whether the rule is broken on this thread.
    pub fn is_active(mutant: Mutant) -> bool {
        ACTIVE.get() == Some(mutant)
    }

    /// Breaks a rule on this thread until it is dropped.
    #[derive(Debug)]
    pub struct Guard(());

    impl Guard {
        /// Makes a mutant the active one of this thread.
        pub fn of(mutant: Mutant) -> Self {
            ACTIVE.set(Some(mutant));
            Self(())
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            ACTIVE.set(None);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_mutant_lives_as_long_as_its_guard() {
            let guard = Guard::of(Mutant::LogUnsynced);
            assert!(is_active(Mutant::LogUnsynced) && !is_active(Mutant::ReadsUnasked));
            drop(guard);
            assert!(!is_active(Mutant::LogUnsynced));
        }
    }
}

pub use switch::*;
