//! Clients that ask as fast as they are answered.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use strongroom_platform::clock::{Clock, SystemClock};

/// One client: asks once, and panics if it is refused.
pub(crate) type Client = Box<dyn FnMut() -> Pin<Box<dyn Future<Output = ()>>>>;

/// What was measured of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Answers a second.
    pub(crate) per_second: f64,
    /// The median time to an answer, in milliseconds.
    pub(crate) p50_ms: f64,
    /// The time within which 99 of 100 were answered.
    pub(crate) p99_ms: f64,
}

/// Both sides of one figure.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) kind: &'static str,
    pub(crate) clients: usize,
    pub(crate) strongroom: Rate,
    pub(crate) etcd: Rate,
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, clients, strongroom, etcd } = self;
        write!(
            out,
            "{kind:5} {clients:4} clients: {:8.0}/s (p50 {:.2} ms, p99 {:.2} ms), etcd {:8.0}/s (p50 {:.2} ms, p99 {:.2} ms), ratio {:.2}",
            strongroom.per_second,
            strongroom.p50_ms,
            strongroom.p99_ms,
            etcd.per_second,
            etcd.p50_ms,
            etcd.p99_ms,
            strongroom.per_second / etcd.per_second,
        )
    }
}

impl Figure {
    /// The medians of each kind and number of clients, in the order of the first round.
    pub(crate) fn medians(figures: &[Self]) -> Vec<Self> {
        let mut medians: Vec<Self> = Vec::new();
        for first in figures {
            let is_same = |it: &&Self| (it.kind, it.clients) == (first.kind, first.clients);
            if medians.iter().any(|known| is_same(&known)) {
                continue;
            }
            let all: Vec<&Self> = figures.iter().filter(is_same).collect();
            medians.push(Self {
                kind: first.kind,
                clients: first.clients,
                strongroom: Rate::median(all.iter().map(|it| it.strongroom)),
                etcd: Rate::median(all.iter().map(|it| it.etcd)),
            });
        }
        medians
    }

    fn json(&self) -> serde_json::Value {
        let rate =
            |it: &Rate| serde_json::json!({ "per_second": it.per_second, "p50_ms": it.p50_ms, "p99_ms": it.p99_ms });
        serde_json::json!({
            "kind": self.kind,
            "clients": self.clients,
            "strongroom": rate(&self.strongroom),
            "etcd": rate(&self.etcd),
            "ratio": self.strongroom.per_second / self.etcd.per_second,
        })
    }

    /// Medians and samples as one document.
    pub(crate) fn to_json(figures: &[Self]) -> String {
        let rows = |figures: &[Self]| figures.iter().map(Self::json).collect::<Vec<_>>();
        let document = serde_json::json!({ "medians": rows(&Self::medians(figures)), "samples": rows(figures) });
        serde_json::to_string_pretty(&document).expect("plain values")
    }
}

impl Rate {
    /// The median of each number by itself.
    fn median(rates: impl Iterator<Item = Self>) -> Self {
        let rates: Vec<Self> = rates.collect();
        let middle = |number: fn(&Self) -> f64| {
            let mut numbers: Vec<f64> = rates.iter().map(number).collect();
            numbers.sort_by(f64::total_cmp);
            numbers[numbers.len() / 2]
        };
        Self { per_second: middle(|it| it.per_second), p50_ms: middle(|it| it.p50_ms), p99_ms: middle(|it| it.p99_ms) }
    }
}

/// Lets so many clients ask for a while; the first tenth does not count.
pub(crate) async fn measure(clients: usize, length: Duration, new: impl Fn(usize) -> Client) -> Rate {
    let local = tokio::task::LocalSet::new();
    let start = SystemClock.monotonic();
    let (warm, end) = (start.plus(length / 10), start.plus(length));
    let mut tasks = Vec::new();
    for number in 0..clients {
        let mut client = new(number);
        tasks.push(local.spawn_local(async move {
            let mut times = Vec::new();
            loop {
                let before = SystemClock.monotonic();
                if before >= end {
                    return times;
                }
                client().await;
                if before >= warm {
                    times.push(SystemClock.monotonic().since(before));
                }
            }
        }));
    }
    let mut times = local
        .run_until(async {
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.expect("a client"));
            }
            all
        })
        .await;
    times.sort();
    let measured = length.mul_f64(0.9).as_secs_f64();
    let at = |share: f64| {
        let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    Rate { per_second: times.len() as f64 / measured, p50_ms: at(0.5), p99_ms: at(0.99) }
}
