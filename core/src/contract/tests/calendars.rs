//! Slots and openings against references that walk through time minute by minute.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{second, zones};
use crate::contract::openings::{Opening, Openings, Week};
use crate::contract::rhythm::{Rhythm, Slots};
use crate::contract::{Period, TimeOfDay, Weekday, Window, ZoneName, wall_seconds};
use crate::time::WallTime;

const DAY_S: i64 = 86_400;

/// Minutes since 1970 as the clocks of a zone count them.
fn label(zone: &TimeZone, at: i64) -> i64 {
    let stamp = Timestamp::from_second(at).unwrap();
    (at + i64::from(zone.to_offset(stamp).seconds())).div_euclid(60)
}

/// Day of the week and minute of the day of a label. The first of January 1970 was a Thursday.
fn day_and_minute(label: i64) -> (usize, u16) {
    let day = usize::try_from((label.div_euclid(1440) + 3).rem_euclid(7)).unwrap();
    (day, u16::try_from(label.rem_euclid(1440)).unwrap())
}

/// All slots from `from` to `to`: a slot is where clocks show its time, or pass it, for the first time.
fn slots_by_walking(slots: &Slots, from: i64, to: i64) -> Vec<i64> {
    let mut reached = (1..=4 * 60).map(|minute| label(&slots.zone, from - minute * 60)).max().unwrap();
    let mut found = Vec::new();
    for at in (from..=to).step_by(60) {
        let shown = label(&slots.zone, at);
        let passed = (reached + 1..=shown).map(day_and_minute);
        if passed.into_iter().any(|(day, minute)| slots.days[day] && slots.minutes.contains(&minute)) {
            found.push(at);
        }
        reached = reached.max(shown);
    }
    found
}

/// Midnights in UTC some days before clocks are changed in Berlin, New York and Lord Howe, and one in summer.
fn starts() -> impl Strategy<Value = i64> {
    let dates = ["2027-03-20", "2027-10-24", "2027-03-07", "2027-11-01", "2027-03-28", "2027-09-27", "2027-06-28"];
    let seconds = dates.map(|date| second(&format!("{date}T00:00:00Z")));
    prop::sample::select(seconds.to_vec())
}

fn some_slots() -> impl Strategy<Value = Slots> {
    let minutes = prop::collection::btree_set(prop_oneof![0..300_u16, 0..1440_u16], 1..6);
    (prop::sample::select(zones()), any::<[bool; 7]>(), 0..7_usize, minutes).prop_map(
        |(zone, mut days, day, minutes)| {
            days[day] = true;
            Slots { zone, days, minutes: minutes.into_iter().collect() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn slots_are_those_that_walking_finds(
        slots in some_slots(),
        start in starts(),
        probes in prop::collection::vec((0..22 * DAY_S, 0..50 * DAY_S), 40),
    ) {
        let walked = slots_by_walking(&slots, start - 8 * DAY_S, start + 53 * DAY_S);
        let rhythm = Rhythm::Calendar(slots);
        let at_slots = walked.iter().filter(|slot| (start..start + 22 * DAY_S).contains(*slot));
        let exact = at_slots.map(|slot| (slot - start, slot - start + 30 * DAY_S));
        for (a, b) in probes.into_iter().chain(exact) {
            let (a, b) = (start + a, start + b);
            prop_assert_eq!(rhythm.latest(a), walked.iter().copied().rfind(|slot| *slot <= a));
            prop_assert_eq!(rhythm.next(a), walked.iter().copied().find(|slot| *slot > a));
            let between = walked.iter().filter(|slot| a < **slot && **slot < b).count();
            prop_assert_eq!(rhythm.count_between(a, b), between as u64, "from {} to {}", a - start, b - start);
        }
    }

    #[test]
    fn years_of_slots_are_counted_as_if_one_by_one(
        slots in some_slots(),
        start in starts(),
        from in 0..14 * DAY_S,
        days in 50..900_i64,
    ) {
        let minutes: BTreeSet<u16> = slots.minutes.iter().map(|minute| (*minute).max(300)).collect();
        let rhythm = Rhythm::Calendar(Slots { minutes: minutes.into_iter().collect(), ..slots });
        let (from, to) = (start + from, start + from + days * DAY_S + 4321);
        let mut walked = 0;
        let mut at = from;
        while let Some(slot) = rhythm.next(at).filter(|slot| *slot < to) {
            walked += 1;
            at = slot;
        }
        prop_assert_eq!(rhythm.count_between(from, to), walked);
    }

    #[test]
    fn equal_distances_are_those_that_walking_finds(minutes in 1..5000_i64, a in 0..40 * DAY_S, b in 0..40 * DAY_S) {
        let rhythm = Rhythm::Every { step_s: minutes * 60 };
        let walked: Vec<i64> = (0..=100 * DAY_S).step_by(usize::try_from(minutes * 60).unwrap()).collect();
        prop_assert_eq!(rhythm.latest(a), walked.iter().copied().rfind(|slot| *slot <= a));
        prop_assert_eq!(rhythm.next(a), walked.iter().copied().find(|slot| *slot > a));
        let between = walked.iter().filter(|slot| a < **slot && **slot < b).count();
        prop_assert_eq!(rhythm.count_between(a, b), between as u64);
    }

    #[test]
    fn openings_are_those_that_walking_finds(
        windows in prop::collection::vec(some_window(), 0..3),
        blackouts in prop::collection::vec(some_window(), 0..3),
        once in prop::collection::vec((0..20_000_i64, 1..5000_i64), 0..3),
        start in starts(),
    ) {
        let weeks = |windows: &[(Window, TimeZone)]| {
            windows.iter().map(|(window, zone)| Week::new(window, zone.clone())).collect::<Vec<_>>()
        };
        let once: Vec<(i64, i64)> =
            once.into_iter().map(|(from, long)| (start + from * 60, start + (from + long) * 60)).collect();
        let openings = Openings { windows: weeks(&windows), weekly: weeks(&blackouts), once: once.clone() };
        let mut next_open = None;
        for at in (0..14 * 1440).rev().map(|minute| start + minute * 60) {
            let is_black = once.iter().any(|(from, to)| *from <= at && at < *to)
                || blackouts.iter().any(|(window, zone)| is_in(window, zone, at));
            let is_out = !windows.is_empty() && !windows.iter().any(|(window, zone)| is_in(window, zone, at));
            let expected = match (is_black, is_out) {
                (true, _) => Opening::Blackout,
                (false, true) => Opening::OutsideWindows,
                (false, false) => Opening::Open,
            };
            prop_assert_eq!(openings.at(at), expected);
            if expected == Opening::Open {
                next_open = Some(at);
            }
            if next_open.is_some() {
                prop_assert_eq!(openings.next_open(at), next_open);
            }
        }
    }
}

fn some_window() -> impl Strategy<Value = (Window, TimeZone)> {
    let times = (0..1440_u16, 0..=1440_u16).prop_filter("they differ", |(from, to)| from != to);
    let days = prop::collection::btree_set(prop::sample::select(Weekday::ALL.to_vec()), 1..=7);
    (times, days, prop::sample::select(zones())).prop_map(|((from, to), weekdays, zone)| {
        let time = |minutes| TimeOfDay::from_minutes(minutes).unwrap();
        (Window { weekdays, from: time(from), to: time(to), zone: ZoneName::utc() }, zone)
    })
}

/// Whether clocks show a time within the window, asked the way a person would.
pub(crate) fn is_in(window: &Window, zone: &TimeZone, at: i64) -> bool {
    let (day, minute) = day_and_minute(label(zone, at));
    let days: BTreeSet<usize> = window.weekdays.iter().map(|day| usize::from(day.ordinal())).collect();
    let (from, to) = (window.from.minutes(), window.to.minutes());
    if from < to {
        return days.contains(&day) && from <= minute && minute < to;
    }
    let began_today = days.contains(&day) && minute >= from;
    let began_yesterday = days.contains(&((day + 6) % 7)) && minute < to;
    began_today || began_yesterday
}

fn daily(zone: usize, minutes: &[u16]) -> Rhythm {
    Rhythm::Calendar(Slots { zone: zones()[zone].clone(), days: [true; 7], minutes: minutes.to_vec() })
}

/// The slots after a time, as many as are expected.
fn assert_slots(rhythm: &Rhythm, from: &str, expected: &[&str]) {
    let mut at = second(from);
    for slot in expected {
        at = rhythm.next(at).unwrap();
        assert_eq!(at, second(slot), "after {from}");
    }
}

#[test]
fn a_slot_in_a_gap_comes_right_after_it_and_once() {
    let berlin = ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"];
    assert_slots(&daily(0, &[150]), "2027-03-26T12:00:00Z", &berlin);
    let new_york = ["2027-03-13T07:30:00Z", "2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"];
    assert_slots(&daily(1, &[150]), "2027-03-12T12:00:00Z", &new_york);
    let together = ["2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"];
    assert_slots(&daily(0, &[90, 125, 150, 180, 210]), "2027-03-28T00:00:00Z", &together);
}

#[test]
fn a_slot_in_a_fold_comes_the_first_time_and_once() {
    let berlin = ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"];
    assert_slots(&daily(0, &[150]), "2027-10-29T12:00:00Z", &berlin);
    let new_york = ["2027-11-06T05:30:00Z", "2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"];
    assert_slots(&daily(1, &[90]), "2027-11-05T12:00:00Z", &new_york);
}

#[test]
fn clocks_that_are_out_of_their_minds_find_slots_all_the_same() {
    for wall in [i64::MIN, -1, 0, 1, i64::MAX / 2, i64::MAX] {
        let now = wall_seconds(WallTime(wall));
        for rhythm in [daily(0, &[150]), daily(4, &[0, 1439]), Rhythm::Every { step_s: 2_419_200 }] {
            assert!(rhythm.latest(now).is_none_or(|slot| slot <= now), "{wall}");
            assert!(rhythm.next(now).unwrap() > now, "{wall}");
            let _ = rhythm.count_between(0, now);
        }
        assert_eq!(Openings::default().next_open(now), Some(now));
    }
    assert_eq!(Period(u64::MAX).second(), wall_seconds(WallTime(i64::MAX)));
}

#[test]
fn a_century_of_slots_is_counted_without_walking_through_it() {
    let (from, to) = (second("2027-01-01T00:00:00Z"), second("2127-01-01T00:00:00Z"));
    assert_eq!(daily(0, &[150]).count_between(from, to), 36_524);
    assert_eq!(Rhythm::Every { step_s: 3600 }.count_between(from, to), 36_524 * 24 - 1);
}

/// From 02:46 in the second run of the hour on, a slot at 02:50 of that day has been.
#[test]
fn a_count_that_begins_in_a_fold_leaves_out_what_came_the_first_time() {
    let (from, to) = (second("2027-10-31T01:46:00Z"), second("2028-01-30T12:00:00Z"));
    assert_eq!(daily(0, &[170]).count_between(from, to), 91);
}

#[test]
fn distances_between_slots_go_round_the_week() {
    let mut slots = Slots { zone: TimeZone::UTC, days: [true; 7], minutes: vec![60, 120] };
    assert_eq!(Rhythm::Calendar(slots.clone()).gaps_s(), (3600, 23 * 3600));
    slots.days = [true, true, true, true, true, false, false];
    assert_eq!(Rhythm::Calendar(slots.clone()).gaps_s(), (3600, 71 * 3600));
    slots.days = [false, false, true, false, false, false, false];
    slots.minutes = vec![0];
    assert_eq!(Rhythm::Calendar(slots).gaps_s(), (7 * DAY_S, 7 * DAY_S));
}
