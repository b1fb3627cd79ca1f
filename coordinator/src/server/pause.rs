//! A wait of a given length, for loops that try again.

use std::time::Duration;

/// Waits. Nothing may depend on how long it took.
pub async fn pause(length: Duration) {
    drop(tokio::time::timeout(length, std::future::pending::<()>()).await);
}
