//! Times and windows as command lines write them.
//!
//! Owns the reading: whatever is wrong is told with the option that it stands in and the place within its text.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use strongroom_core::contract::{Blackout, Calendar, Retention, Span, TimeOfDay, Weekday, Window, ZoneName};
use strongroom_core::error::Code;

use crate::failure::Failure;

/// The text of an option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    option: &'static str,
    whole: &'a str,
    part: &'a str,
}

impl<'a> Text<'a> {
    /// The whole text of an option.
    pub(super) const fn of(option: &'static str, whole: &'a str) -> Self {
        Self { option, whole, part: whole }
    }

    const fn part(self, part: &'a str) -> Self {
        Self { part, ..self }
    }

    /// What is wrong here.
    fn wrong(self, why: impl std::fmt::Display) -> Failure {
        // A part is a slice of the whole.
        let bytes = self.part.as_ptr().addr().saturating_sub(self.whole.as_ptr().addr());
        let place = self.whole.get(..bytes).map_or(0, |before| before.chars().count()) + 1;
        let Self { option, whole, part } = self;
        Failure::new(Code::Usage, format!("--{option} {whole:?}: at character {place}, {part:?}: {why}"))
            .advise("See `strongroom schedule set --help` for the forms that are taken.")
    }

    /// Whether nothing is wanted.
    pub(super) fn is_none(self) -> bool {
        self.whole == "none"
    }

    /// Seconds: `90s`, `15m`, `4h`, `1d`, and several of them in a row.
    pub(super) fn seconds(self) -> Result<u64, Failure> {
        const FORM: &str = "not a time; write it as 90s, 15m, 4h, 1d or 1h30m";
        let (mut total, mut rest) = (0_u64, self.part);
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            let (number, unit) = rest.split_at_checked(digits).ok_or_else(|| self.wrong(FORM))?;
            let number: u64 = number.parse().map_err(|_| self.part(rest).wrong(FORM))?;
            let (seconds, after) = match unit.split_at_checked(1) {
                Some(("s", after)) => (1, after),
                Some(("m", after)) => (60, after),
                Some(("h", after)) => (3_600, after),
                Some(("d", after)) => (86_400, after),
                _ => return Err(self.part(rest).wrong(FORM)),
            };
            let more = number.checked_mul(seconds).and_then(|more| total.checked_add(more));
            total = more.ok_or_else(|| self.part(rest).wrong("the time is too long"))?;
            rest = after;
        }
        if self.part.is_empty() { Err(self.wrong(FORM)) } else { Ok(total) }
    }

    /// Seconds that fit a smaller number.
    pub(super) fn seconds_short(self) -> Result<u32, Failure> {
        u32::try_from(self.seconds()?).map_err(|_| self.wrong("the time is too long"))
    }

    /// Whole minutes.
    pub(super) fn minutes(self) -> Result<u32, Failure> {
        let seconds = self.seconds()?;
        if !seconds.is_multiple_of(60) {
            return Err(self.wrong("only whole minutes are taken"));
        }
        u32::try_from(seconds / 60).map_err(|_| self.wrong("the time is too long"))
    }

    /// `daily=14,weekly=8`. What is not named is 0.
    pub(super) fn retention(self) -> Result<Retention, Failure> {
        let mut kept = Retention::default();
        for part in self.part.split(',') {
            let here = self.part(part);
            let (key, count) = part.split_once('=').ok_or_else(|| here.wrong("write it as daily=14"))?;
            let place = match key.trim() {
                "daily" => &mut kept.daily,
                "weekly" => &mut kept.weekly,
                "monthly" => &mut kept.monthly,
                "yearly" => &mut kept.yearly,
                "days_min" => &mut kept.days_min,
                _ => return Err(here.wrong("the keys are daily, weekly, monthly, yearly and days_min")),
            };
            *place = count.trim().parse().map_err(|_| here.part(count).wrong("not a number"))?;
        }
        Ok(kept)
    }

    /// `[DAYS] HH:MM[,HH:MM] [ZONE]`.
    pub(super) fn calendar(self) -> Result<Calendar, Failure> {
        let (weekdays, when, zone) = self.days_when_zone()?;
        let at = when.part.split(',').map(|time| when.part(time).time()).collect::<Result<_, _>>()?;
        Ok(Calendar { at, weekdays, zone })
    }

    /// `[DAYS] HH:MM-HH:MM [ZONE]`.
    pub(super) fn window(self) -> Result<Window, Failure> {
        let (weekdays, when, zone) = self.days_when_zone()?;
        let (from, to) = when.part.split_once('-').ok_or_else(|| when.wrong("write it as 22:00-06:00"))?;
        Ok(Window { weekdays, from: when.part(from).time()?, to: when.part(to).time()?, zone })
    }

    /// A window, or `TIME..TIME`.
    pub(super) fn blackout(self) -> Result<Blackout, Failure> {
        let Some((from, until)) = self.part.split_once("..") else { return self.window().map(Blackout::Weekly) };
        let span = serde_json::json!({"from": from.trim(), "until": until.trim()});
        let read: Result<Span, _> = serde_json::from_value(span);
        // Which of the two is wrong is told by reading the first twice.
        let first = serde_json::json!({"from": from.trim(), "until": from.trim()});
        let wrong = if serde_json::from_value::<Span>(first).is_err() { from } else { until };
        read.map(Blackout::Once).map_err(|error| self.part(wrong).wrong(error))
    }

    fn days_when_zone(self) -> Result<(BTreeSet<Weekday>, Self, ZoneName), Failure> {
        let words: Vec<&str> = self.part.split_whitespace().collect();
        let begins_with_time = |word: &str| word.starts_with(|letter: char| letter.is_ascii_digit());
        let (days, when, zone) = match words[..] {
            [when] => (None, when, None),
            [days, when] if begins_with_time(when) && !begins_with_time(days) => (Some(days), when, None),
            [when, zone] => (None, when, Some(zone)),
            [days, when, zone] => (Some(days), when, Some(zone)),
            _ => return Err(self.wrong("write it as \"mon-fri 22:00-06:00 Europe/Berlin\"")),
        };
        let weekdays = days.map_or_else(|| Ok(Weekday::ALL.into()), |days| self.part(days).weekdays())?;
        let zone = match zone {
            Some(zone) => zone.parse().map_err(|error| self.part(zone).wrong(error))?,
            None => ZoneName::utc(),
        };
        Ok((weekdays, self.part(when), zone))
    }

    /// `mon,wed`, `mon-fri`, and both.
    fn weekdays(self) -> Result<BTreeSet<Weekday>, Failure> {
        let mut days = BTreeSet::new();
        for part in self.part.split(',') {
            let here = self.part(part);
            match part.split_once('-') {
                Some((from, to)) => {
                    let (from, to) = (here.part(from).weekday()?, here.part(to).weekday()?);
                    let from_there = Weekday::ALL.into_iter().cycle().skip_while(|day| *day != from);
                    let mut is_over = false;
                    days.extend(from_there.take(Weekday::ALL.len()).take_while(|day| {
                        let is_before = !is_over;
                        is_over |= *day == to;
                        is_before
                    }));
                }
                None => drop(days.insert(here.weekday()?)),
            }
        }
        Ok(days)
    }

    fn weekday(self) -> Result<Weekday, Failure> {
        self.word("the days are mon, tue, wed, thu, fri, sat and sun")
    }

    fn time(self) -> Result<TimeOfDay, Failure> {
        self.part.parse().map_err(|error| self.wrong(error))
    }

    /// A word of the contract's own form.
    fn word<T: DeserializeOwned>(self, why: &str) -> Result<T, Failure> {
        serde_json::from_value(serde_json::Value::from(self.part)).map_err(|_| self.wrong(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong<T>(read: Result<T, Failure>) -> String {
        read.err().unwrap().to_string()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("4h", 14_400), ("1d", 86_400), ("1h30m", 5_400)] {
            assert_eq!(Text::of("rpo", text).seconds().unwrap(), seconds, "{text}");
        }
        for text in ["", "h", "4", "4x", "-1h", "4 h", "99999999999999999999h", "9999999999999999h", "4hä"] {
            assert!(Text::of("rpo", text).seconds().is_err(), "{text}");
        }
        assert!(Text::of("every", "90s").minutes().is_err());
    }

    #[test]
    fn windows_have_days_and_zones_where_they_are_named() {
        let window = |text: &'static str| Text::of("window", text).window().unwrap();
        let plain = window("22:00-06:00");
        assert_eq!((plain.weekdays.len(), plain.zone), (7, ZoneName::utc()));
        let whole = window("fri-mon 22:00-06:00 Europe/Berlin");
        let days: Vec<Weekday> = whole.weekdays.into_iter().collect();
        assert_eq!(days, [Weekday::Mon, Weekday::Fri, Weekday::Sat, Weekday::Sun]);
        assert_eq!(window("sat,sun 00:00-24:00").weekdays.len(), 2);
        assert_eq!(window("22:00-06:00 +02:00").zone.to_string(), "+02:00");
        assert_eq!(Text::of("at", "mon-fri 01:30,13:00 Europe/Berlin").calendar().unwrap().at.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_option_and_its_place() {
        let found = wrong(Text::of("window", "mon 22:00-6:00 Europe/Berlin").window());
        assert!(found.starts_with("--window \"mon 22:00-6:00 Europe/Berlin\": at character 11, \"6:00\": "), "{found}");
        let found = wrong(Text::of("window", "mo 22:00-06:00").window());
        assert!(found.contains("at character 1, \"mo\": the days are mon"), "{found}");
        let found = wrong(Text::of("blackout", "2027-12-31T12:00:00Z..2028").blackout());
        assert!(found.contains("at character 23, \"2028\""), "{found}");
        let found = wrong(Text::of("keep", "daily=14,weekly=x").retention());
        assert!(found.contains("at character 17, \"x\": not a number"), "{found}");
        let found = wrong(Text::of("window", "").window());
        assert!(found.contains("at character 1"), "{found}");
    }

    #[test]
    fn a_blackout_comes_back_or_comes_once() {
        let weekly = Text::of("blackout", "sun 23:00-24:00").blackout().unwrap();
        assert!(matches!(weekly, Blackout::Weekly(_)));
        let once = Text::of("blackout", "2027-12-31T12:00:00+01:00..2028-01-02T00:00:00+01:00").blackout().unwrap();
        assert!(matches!(once, Blackout::Once(Span { from, until }) if from < until));
    }
}
