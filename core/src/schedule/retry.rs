//! What spreads starts and retries: hashes of what they belong to, so that every leader comes to the same.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

use super::RunState;
use super::view::{Now, SourceView};
use crate::contract::{Period, Terms};
use crate::id::SourceId;

/// What a spread is for, so that start and retries of a period do not share one.
const LABEL_JITTER: u8 = 1;
const LABEL_BACKOFF: u8 = 2;

/// A number from 0 to `most` that looks random and is not.
fn spread(source: SourceId, period: Period, label: u8, attempt: u32, most: u64) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(source.as_bytes());
    hasher.write(&period.0.to_be_bytes());
    hasher.write(&[label]);
    hasher.write(&attempt.to_be_bytes());
    most.checked_add(1).map_or(0, |count| hasher.finish() % count)
}

/// Seconds after its slot at which a period is due.
pub(super) fn jitter_s(view: &SourceView, period: Period) -> i64 {
    let most = u64::from(view.terms.contract().jitter_s);
    i64::try_from(spread(view.source, period, LABEL_JITTER, 0, most)).unwrap_or(0)
}

/// Milliseconds to wait after a failed attempt: doubled with each attempt up to the cap, and then between a half and
/// the whole of that.
pub fn backoff_ms(terms: &Terms, source: SourceId, period: Period, attempt: u32) -> u64 {
    let retries = &terms.contract().retries;
    let doubled = u64::from(retries.backoff_base_s) << attempt.saturating_sub(1).min(31);
    let whole_ms = doubled.min(retries.backoff_max_s.into()) * 1000;
    let half_ms = whole_ms / 2;
    whole_ms - half_ms + spread(source, period, LABEL_BACKOFF, attempt, half_ms)
}

/// Milliseconds until a source may be attempted again.
///
/// The back-off of a failed run also holds back the next period, so that a source that fails at once does not come
/// before all others at each slot.
pub(super) fn hold_ms(view: &SourceView, now: &Now) -> u64 {
    let backoff = view.last_run.and_then(|run| match run.state {
        RunState::Failed { ended } => Some(ended.after(backoff_ms(&view.terms, view.source, run.period, run.attempt))),
        _ => None,
    });
    backoff.max(view.not_before).map_or(0, |until| until.since(now.accrued))
}
