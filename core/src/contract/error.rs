//! Contracts that can't be kept as they are written. Every message names the key and says what to do.

use super::ZoneName;

/// Why a contract is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// A number is too small or too large.
    #[error("{key}: {found} is out of bounds; give {least} to {most}")]
    OutOfBounds {
        /// The key.
        key: String,
        /// What it says.
        found: u64,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// A list has nothing in it.
    #[error("{key}: the list is empty; name at least one, or leave the key out where it may be left out")]
    Empty {
        /// The key.
        key: String,
    },
    /// A list is too long.
    #[error("{key}: {count} are too many; give {most} at most")]
    TooMany {
        /// The key.
        key: String,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Nothing would be kept.
    #[error("retention: nothing would be kept; give a count or days_min")]
    NothingKept,
    /// More regions than copies.
    #[error("regions: {copies} copies can't lie in {regions} regions; raise copies or lower regions")]
    RegionsBeyondCopies {
        /// Regions asked for.
        regions: u8,
        /// Copies asked for.
        copies: u8,
    },
    /// Runs are further apart than what may be lost.
    #[error("cadence: {gap_s} s can pass between two slots, and rpo_s is {rpo_s}; run more often, or raise rpo_s")]
    CadenceBeyondRpo {
        /// The longest distance between slots.
        gap_s: u64,
        /// What was promised.
        rpo_s: u64,
    },
    /// Starts are spread beyond the next slot.
    #[error("jitter_s: {jitter_s} s reach the next slot, which can come after {gap_s} s; lower jitter_s")]
    JitterBeyondCadence {
        /// Seconds of jitter.
        jitter_s: u32,
        /// The shortest distance between slots.
        gap_s: u64,
    },
    /// The first back-off is longer than the longest.
    #[error(
        "retries.backoff_base_s: {base_s} s are more than backoff_max_s, {most_s}; lower the one or raise the other"
    )]
    BackoffBackwards {
        /// The first back-off.
        base_s: u32,
        /// The longest.
        most_s: u32,
    },
    /// Something is to begin at the end of the day.
    #[error("{key}: 24:00 is the end of a day; write 00:00, and the next day")]
    BeginsAtEnd {
        /// The key.
        key: String,
    },
    /// A window or blackout begins when it ends.
    #[error("{key}: from and to are the same; for a whole day write 00:00 to 24:00")]
    NoLength {
        /// The key.
        key: String,
    },
    /// An absolute blackout ends before it begins.
    #[error("{key}: until is not after from; swap them, or remove it")]
    Backwards {
        /// The key.
        key: String,
    },
    /// An absolute blackout is too long.
    #[error("{key}: {days} days are too long for a blackout, {most} at most; pause the source instead")]
    BlackoutTooLong {
        /// The key.
        key: String,
        /// Its days.
        days: i64,
        /// The most.
        most: i64,
    },
    /// No zone data are installed, or none that have this name.
    #[error("{key}: the zone {zone} is not known here; check its spelling, install the zone data (tzdata), or use UTC")]
    UnknownZone {
        /// The key.
        key: String,
        /// The zone.
        zone: ZoneName,
    },
    /// The blackouts cover all windows.
    #[error("windows: the blackouts leave no time in which a run may start; widen a window or shorten a blackout")]
    NeverOpen,
    /// Nothing may start for longer than what may be lost.
    #[error("windows: for {closed_s} s no run may start, and rpo_s is {rpo_s}; open more windows, or raise rpo_s")]
    ClosedBeyondRpo {
        /// The longest time without an opening.
        closed_s: u64,
        /// What was promised.
        rpo_s: u64,
    },
}
