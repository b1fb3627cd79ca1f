//! How far a long run is: a bar on a terminal, plain lines elsewhere, `status` lines for programs.
//!
//! One thread watches the counters of the run and the signals of the process. The first Ctrl-C (or SIGTERM) asks the run
//! to stop, which leaves a state that the next run goes on from; the second ends the process at once. SIGUSR1 prints how
//! far the run is.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use strongroom_agent::capture::Progress;
use strongroom_platform::clock::{Clock, MonotonicTime};

use super::json::{MessageType, Schema};
use super::{Output, text};

/// How often the counters are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Ticks between two lines for programs, and between two lines for people without a terminal.
const TICKS_PER_STATUS: u64 = 10;
const TICKS_PER_LINE: u64 = 100;
/// What a process ends with that was interrupted.
const INTERRUPTED: i32 = 130;

/// What a watch shows.
pub(crate) struct Watched {
    /// The run, for people: `backing up cmdb`.
    pub(crate) doing: String,
    /// The schema of its lines.
    pub(crate) schema: Schema,
    /// Its counters.
    pub(crate) progress: Arc<Progress>,
    /// Records that there will be, where that is known.
    pub(crate) records: Option<u64>,
}

/// A run that is watched. Ends when it is dropped.
pub(crate) struct Watch {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Serialize)]
struct Status {
    records: u64,
    bytes_read: u64,
    classes: u64,
    elapsed_ms: u64,
}

impl Watch {
    /// Starts to watch.
    pub(crate) fn start(output: &Output, clock: &Arc<dyn Clock>, watched: Watched) -> Self {
        let (end, ended) = sync_channel(1);
        let eye = Watcher {
            output: output.clone(),
            clock: Arc::clone(clock),
            started: clock.monotonic(),
            bar: bar(output, &watched),
            watched,
        };
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
            let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1]).ok();
            let second = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM] {
                // Without this, only the way to end a run that does not heed the first signal is missing.
                let _ = signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&second));
            }
            let mut ticks = 0;
            while matches!(ended.recv_timeout(TICK), Err(RecvTimeoutError::Timeout)) {
                let pending: Vec<i32> = signals.iter_mut().flat_map(Signals::pending).collect();
                for signal in pending {
                    eye.signalled(signal, &second);
                }
                ticks += 1;
                eye.tick(ticks);
            }
            // Nobody listens any more: from here on a signal ends the process.
            second.store(true, Ordering::SeqCst);
            if let Some(bar) = &eye.bar {
                bar.finish_and_clear();
            }
        });
        Self { end: Some(end), thread: thread.ok() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A watcher that panicked has nothing more to show.
            let _ = thread.join();
        }
    }
}

struct Watcher {
    output: Output,
    clock: Arc<dyn Clock>,
    started: MonotonicTime,
    watched: Watched,
    bar: Option<ProgressBar>,
}

impl Watcher {
    fn signalled(&self, signal: i32, second: &AtomicBool) {
        if signal == SIGUSR1 {
            self.line(&self.sentence());
        } else {
            self.watched.progress.stop.store(true, Ordering::SeqCst);
            second.store(true, Ordering::SeqCst);
            self.line(&format!("{}: stopping; once more ends it at once", self.watched.doing));
        }
    }

    fn tick(&self, ticks: u64) {
        if let Some(bar) = &self.bar {
            let status = self.status();
            bar.set_position(status.records);
            bar.set_message(Self::rates(&status));
        } else if self.output.is_json() {
            if ticks % TICKS_PER_STATUS == 1 {
                self.output.message(self.watched.schema, MessageType::Status, &self.status());
            }
        } else if ticks.is_multiple_of(TICKS_PER_LINE) {
            self.output.note(self.sentence());
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| super::write_err(line)),
            None => super::write_err(line),
        }
    }

    fn status(&self) -> Status {
        let progress = &self.watched.progress;
        Status {
            records: progress.records.load(Ordering::Relaxed),
            bytes_read: progress.bytes.load(Ordering::Relaxed),
            classes: progress.classes.load(Ordering::Relaxed),
            elapsed_ms: text::ms(self.clock.monotonic().since(self.started)),
        }
    }

    fn sentence(&self) -> String {
        let status = self.status();
        format!(
            "{}: {} after {}, {}",
            self.watched.doing,
            text::plural(status.records, "record", "records"),
            text::span(Duration::from_millis(status.elapsed_ms)),
            Self::rates(&status)
        )
    }

    fn rates(status: &Status) -> String {
        let per_second = |amount: u64| amount.saturating_mul(1000) / status.elapsed_ms.max(1);
        let records = format!("{} records/s", text::count(per_second(status.records)));
        if status.bytes_read == 0 {
            return records;
        }
        format!("{records}, {} read, {}/s", text::size(status.bytes_read), text::size(per_second(status.bytes_read)))
    }
}

fn bar(output: &Output, watched: &Watched) -> Option<ProgressBar> {
    if output.is_json() || output.is_quiet() || !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = watched.records.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = match watched.records {
        Some(_) => "{prefix} {bar:30} {human_pos}/{human_len} {msg}",
        None => "{spinner} {prefix}: {human_pos} records, {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(text::shown(&watched.doing));
    Some(bar)
}
