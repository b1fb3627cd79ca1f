//! The runtime that talks to the store while callers wait.
//!
//! One worker thread, of this backend alone. Callers wait on a channel and never enter the runtime, so they may be
//! threads of another one.

use std::future::Future;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use super::error::StoreError;

/// Runs requests.
pub(super) struct Engine {
    /// There until the drop, which must not wait: it may happen on a thread of another runtime.
    runtime: Option<Runtime>,
}

/// Work under way.
pub(super) struct Pending<T> {
    answer: Receiver<T>,
    task: AbortHandle,
}

impl Engine {
    /// Starts the worker.
    pub(super) fn start() -> Result<Self, StoreError> {
        let built = Builder::new_multi_thread().worker_threads(1).thread_name("depot").enable_all().build();
        Ok(Self { runtime: Some(built.map_err(|source| StoreError::Engine { source })?) })
    }

    /// Begins work.
    pub(super) fn begin<T, F>(&self, work: F) -> Result<Pending<T>, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().ok_or(StoreError::Stopped)?;
        let (sender, answer) = sync_channel(1);
        let task = runtime.spawn(async move {
            // Nobody waits for work that was given up.
            let _ = sender.send(work.await);
        });
        Ok(Pending { answer, task: task.abort_handle() })
    }

    /// Does work to its end.
    pub(super) fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.begin(work)?.wait()
    }
}

impl<T> Pending<T> {
    /// Waits for the end.
    pub(super) fn wait(self) -> Result<T, StoreError> {
        self.answer.recv().map_err(|_| StoreError::Stopped)
    }

    /// Waits for the end, but no longer than that.
    pub(super) fn wait_for(self, at_most: Duration) -> Option<T> {
        self.answer.recv_timeout(at_most).ok()
    }

    /// Gives the work up.
    pub(super) fn cancel(self) {
        self.task.abort();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
