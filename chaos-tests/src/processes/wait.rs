//! Waiting for a condition, with a deadline.

use std::time::Duration;

use strongroom_platform::clock::{Clock as _, SystemClock};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(25);

/// What did not come to be in time.
#[derive(Debug, thiserror::Error)]
#[error("after {} s: {what}", limit.as_secs())]
pub struct TooLate {
    /// What was waited for, and how far it had come.
    pub what: String,
    /// How long it was waited.
    pub limit: Duration,
}

/// Looks until there is an answer. `look` says what is missing as long as there is none.
pub async fn until<T>(limit: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, TooLate> {
    let end = SystemClock.monotonic().plus(limit);
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(what) if SystemClock.monotonic() >= end => return Err(TooLate { what, limit }),
            Err(_) => pass(LOOK).await,
        }
    }
}

/// Lets some time pass, for a fault to last. No condition may rest on how long it was.
pub async fn pass(length: Duration) {
    drop(tokio::time::timeout(length, std::future::pending::<()>()).await);
}
