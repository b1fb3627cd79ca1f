//! A small world: sources with contracts that fit together, runs that take their time, and clocks, all from one seed.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::contract::tests::is_in;
use crate::contract::{Blackout, Window};
use crate::schedule::{RunRequest, StartReason};

/// Numbers that follow from a seed (`SplitMix64`: Steele, Lea and Flood, 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn is_one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn time(&mut self) -> String {
        format!("{:02}:{:02}", self.below(24), self.below(60))
    }

    /// A stretch of the day of so many hours.
    fn window(&mut self, hours: u64) -> Value {
        let (hour, minute) = (self.below(24), self.below(60));
        let (from, to) = (format!("{hour:02}:{minute:02}"), format!("{:02}:{minute:02}", (hour + hours) % 24));
        json!({"from": from, "to": to, "zone": self.pick(&["UTC", "+05:30", "-08:00"])})
    }

    /// A contract with the tightest RPO that its cadence and windows allow.
    pub(super) fn contract(&mut self) -> Contract {
        let cadence = if self.is_one_in(2) {
            json!({"every": {"minutes": self.pick(&[15, 60, 95, 240, 720])}})
        } else {
            let at: Vec<String> = (0..=self.below(3)).map(|_| self.time()).collect();
            json!({"calendar": {"at": at, "zone": self.pick(&["UTC", "+02:00", "-05:00"])}})
        };
        let windows: Vec<Value> = (0..self.below(3))
            .map(|_| {
                let hours = 4 + self.below(16);
                self.window(hours)
            })
            .collect();
        let mut blackouts: Vec<Value> = (0..self.below(3)).map(|_| json!({"weekly": self.window(1)})).collect();
        if self.is_one_in(2) {
            let day = 1 + self.below(20);
            let once =
                json!({"from": format!("2027-06-{day:02}T05:00:00Z"), "until": format!("2027-06-{day:02}T21:00:00Z")});
            blackouts.push(json!({"once": once}));
        }
        let attempts_max = 1 + self.below(4);
        let mut keys = json!({
            "cadence": cadence, "windows": windows, "blackouts": blackouts, "jitter_s": 0,
            "priority": self.below(101), "run_minutes_max": 60,
            "retries": {"attempts_max": attempts_max, "backoff_base_s": 30, "backoff_max_s": 600},
        });
        let jitter_s = self.pick(&[0, 59, 600]);
        let tries = [3600, 14_400, 43_200, 90_000, 200_000].map(|rpo_s| [(rpo_s, jitter_s), (rpo_s, 0)]);
        for (rpo_s, jitter_s) in tries.into_iter().flatten() {
            keys["rpo_s"] = json!(rpo_s);
            keys["jitter_s"] = json!(jitter_s);
            let contract = contract_with(&keys);
            if contract.validate(&jiff::tz::TimeZoneDatabase::none()).is_ok() {
                return contract;
            }
        }
        contract()
    }

    /// A source that was never run, on one of two host groups.
    pub(super) fn view(&mut self, id: u8) -> SourceView {
        let host_group = HostGroup([u8::try_from(self.below(2)).unwrap(); 16]);
        SourceView { host_group, ..fresh(id, &self.contract()) }
    }
}

/// How runs end.
#[derive(Clone, Copy)]
pub(super) struct Fortune {
    /// Of so many starts one fails; of 0, none.
    pub(super) failure_one_in: u64,
    pub(super) run_minutes_max: u64,
}

/// Sources, runs and clocks.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) now: Now,
    pub(super) views: Vec<SourceView>,
    pub(super) caps: Caps,
    pub(super) fortune: Fortune,
    /// Runs under way: when they end, and whether well.
    ends: BTreeMap<SourceId, (AccruedMs, bool)>,
    /// Starts of each period, and whether one succeeded.
    ledger: BTreeMap<(SourceId, Period), (u32, bool)>,
    pub(super) starts: BTreeMap<SourceId, Vec<AccruedMs>>,
}

impl World {
    pub(super) fn new(seed: u64, views: Vec<SourceView>, caps: Caps) -> Self {
        let fortune = Fortune { failure_one_in: 0, run_minutes_max: 20 };
        let (ends, ledger, starts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { dice: Dice::new(seed), now: noon(), views, caps, fortune, ends, ledger, starts }
    }

    /// Lets time pass, and runs end.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now = later(self.now, ms);
        for view in &mut self.views {
            let Some((at, is_success)) = self.ends.get(&view.source).copied() else { continue };
            if at <= self.now.accrued {
                self.ends.remove(&view.source);
                let period = view.last_run.unwrap().period;
                self.ledger.get_mut(&(view.source, period)).unwrap().1 |= is_success;
                end(view, is_success, self.now);
            }
        }
    }

    /// Plans, checks the plan against the rules, and starts what it says.
    pub(super) fn plan(&mut self) -> Plan {
        let planned = plan(self.now, self.views.iter(), &self.caps);
        assert_eq!(planned, plan(self.now, self.views.iter().rev(), &self.caps), "the order of views matters");
        assert!((1..=super::super::WAKE_MS_MAX).contains(&planned.next_wake_ms));
        assert!((1..).zip(&planned.queue).all(|(position, queued)| queued.position == position));
        for start in &planned.start {
            self.check(start);
            let at = self.views.iter().position(|view| view.source == start.source).unwrap();
            begin(&mut self.views[at], *start, self.now);
            let minutes = 1 + self.dice.below(self.fortune.run_minutes_max);
            let is_failure = self.fortune.failure_one_in > 0 && self.dice.is_one_in(self.fortune.failure_one_in);
            self.ends.insert(start.source, (self.now.accrued.after(minutes * 60_000), !is_failure));
            self.starts.entry(start.source).or_default().push(self.now.accrued);
        }
        for refused in &planned.refused {
            self.views.iter_mut().filter(|view| view.source == refused.source).for_each(|view| view.request = None);
        }
        planned
    }

    /// The rules, told once more in the simplest words.
    fn check(&mut self, start: &StartRun) {
        let view = self.views.iter().find(|view| view.source == start.source).unwrap();
        let contract = view.terms.contract();
        assert!(view.running().is_none(), "two runs at once");
        assert!(view.last_run.is_none_or(|run| start.period >= run.period), "a period came again");
        let (starts, is_done) = self.ledger.entry((start.source, start.period)).or_default();
        *starts += 1;
        assert!(!*is_done, "a period was run after its success");
        assert!(*starts <= contract.retries.attempts_max, "too many attempts");
        assert_eq!(*starts, start.attempt);
        let request = view.request.unwrap_or(RunRequest { is_forced: false });
        if request.is_forced {
            return;
        }
        let at = self.now.wall.0.div_euclid(1_000_000);
        assert!(!contract.blackouts.iter().any(|blackout| is_black(blackout, at)), "a start in a blackout");
        let is_open = contract.windows.is_empty() || contract.windows.iter().any(|window| is_within(window, at));
        assert!(is_open || start.reason == StartReason::Manual, "a start outside of the windows");
        let running = |view: &&SourceView| view.running().is_some();
        let group = |other: &&SourceView| other.host_group == view.host_group;
        assert!(self.views.iter().filter(running).count() < self.caps.runs_max as usize, "too many runs");
        let of_group = self.views.iter().filter(running).filter(group).count();
        assert!(of_group < self.caps.host_group_runs_max as usize, "too many runs on one host group");
    }
}

fn is_within(window: &Window, at: i64) -> bool {
    let text = window.zone.as_str();
    let (sign, digits) = if let Some(rest) = text.strip_prefix('-') { (-1, rest) } else { (1, text.trim_matches('+')) };
    let minutes = |digits: &str| digits[..2].parse::<i32>().unwrap() * 60 + digits[3..].parse::<i32>().unwrap();
    let offset = if text == "UTC" { 0 } else { sign * minutes(digits) };
    is_in(window, &TimeZone::fixed(jiff::tz::Offset::from_seconds(offset * 60).unwrap()), at)
}

fn is_black(blackout: &Blackout, at: i64) -> bool {
    match blackout {
        Blackout::Weekly(window) => is_within(window, at),
        Blackout::Once(span) => (span.from.0..span.until.0).contains(&(at * 1_000_000)),
    }
}
