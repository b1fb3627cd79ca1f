//! What a contract must be beyond its shape, and the terms that follow from it.
//!
//! The answer depends on the contract and on the zone data, and on no clock: windows and blackouts in different zones are
//! laid over each other in a winter's and in a summer's fortnight of one fixed year.

use std::collections::BTreeSet;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::bounds;
use super::calendar::{Blackout, Cadence, Calendar, Span, Window};
use super::openings::{Openings, Week, once};
use super::rhythm::{DAY_S, Rhythm, Slots};
use super::{Contract, ContractError, Terms, Weekday, ZoneName};

/// Monday, 4 January 2027, and Monday, 5 July 2027, both 00:00 UTC: the clocks of the north stand at winter and at summer
/// time, those of the south the other way round.
const FORTNIGHTS_S: [i64; 2] = [1_799_020_800, 1_814_745_600];

/// Days of a fortnight, and one for the zones.
const FORTNIGHT_DAYS: i64 = 15;

impl Contract {
    /// Checks everything, and resolves the zones. `zones` may be empty; UTC and fixed offsets work without it.
    pub fn validate(&self, zones: &TimeZoneDatabase) -> Result<Terms, ContractError> {
        self.check_bounds()?;
        let rhythm = self.rhythm(zones)?;
        self.check_rhythm(&rhythm)?;
        let openings = self.openings(zones)?;
        self.check_openings(&openings)?;
        Ok(Terms { contract: self.clone(), rhythm, openings })
    }

    /// Checks what needs no zone data: numbers, places, and how long the lists are. [`Self::validate`] may still refuse
    /// what passes here.
    pub fn check_bounds(&self) -> Result<(), ContractError> {
        self.check_numbers()?;
        self.check_places()?;
        match &self.cadence {
            Cadence::Every(every) => within("cadence.every.minutes", every.minutes, bounds::EVERY_MINUTES)?,
            Cadence::Calendar(calendar) => filled("cadence.calendar.at", calendar.at.len(), bounds::SLOTS_MAX)?,
        }
        at_most("windows", self.windows.len(), bounds::WINDOWS_MAX)?;
        at_most("blackouts", self.blackouts.len(), bounds::BLACKOUTS_MAX)
    }

    fn check_numbers(&self) -> Result<(), ContractError> {
        let (kept, retries) = (&self.retention, &self.retries);
        within("rpo_s", self.rpo_s, bounds::RPO_S)?;
        within("rto_s", self.rto_s, bounds::RTO_S)?;
        within("retention.daily", kept.daily, bounds::DAILY)?;
        within("retention.weekly", kept.weekly, bounds::WEEKLY)?;
        within("retention.monthly", kept.monthly, bounds::MONTHLY)?;
        within("retention.yearly", kept.yearly, bounds::YEARLY)?;
        within("retention.days_min", kept.days_min, bounds::DAYS_MIN)?;
        within("run_minutes_max", self.run_minutes_max, bounds::RUN_MINUTES)?;
        within("jitter_s", self.jitter_s, bounds::JITTER_S)?;
        within("priority", self.priority, bounds::PRIORITY)?;
        within("retries.attempts_max", retries.attempts_max, bounds::ATTEMPTS)?;
        within("retries.backoff_base_s", retries.backoff_base_s, bounds::BACKOFF_BASE_S)?;
        within("retries.backoff_max_s", retries.backoff_max_s, bounds::BACKOFF_MAX_S)?;
        let (base_s, most_s) = (retries.backoff_base_s, retries.backoff_max_s);
        if base_s > most_s {
            return Err(ContractError::BackoffBackwards { base_s, most_s });
        }
        let counts = [kept.daily, kept.weekly, kept.monthly, kept.yearly, kept.days_min];
        if counts == [0; 5] { Err(ContractError::NothingKept) } else { Ok(()) }
    }

    fn check_places(&self) -> Result<(), ContractError> {
        within("copies", self.copies, bounds::COPIES)?;
        within("regions", self.regions, bounds::COPIES)?;
        let (regions, copies) = (self.regions, self.copies);
        if regions > copies {
            return Err(ContractError::RegionsBeyondCopies { regions, copies });
        }
        filled("jurisdictions", self.jurisdictions.len(), bounds::JURISDICTIONS_MAX)
    }

    fn rhythm(&self, zones: &TimeZoneDatabase) -> Result<Rhythm, ContractError> {
        match &self.cadence {
            Cadence::Every(every) => Ok(Rhythm::Every { step_s: i64::from(every.minutes) * 60 }),
            Cadence::Calendar(calendar) => Ok(Rhythm::Calendar(slots(calendar, zones)?)),
        }
    }

    fn check_rhythm(&self, rhythm: &Rhythm) -> Result<(), ContractError> {
        let (least, most) = rhythm.gaps_s();
        let (least, gap_s) = (seconds(least), seconds(most));
        if gap_s > self.rpo_s {
            return Err(ContractError::CadenceBeyondRpo { gap_s, rpo_s: self.rpo_s });
        }
        if u64::from(self.jitter_s) >= least {
            return Err(ContractError::JitterBeyondCadence { jitter_s: self.jitter_s, gap_s: least });
        }
        Ok(())
    }

    fn openings(&self, zones: &TimeZoneDatabase) -> Result<Openings, ContractError> {
        let mut openings = Openings::default();
        for (at, window) in self.windows.iter().enumerate() {
            openings.windows.push(week(&format!("windows[{at}]"), window, zones)?);
        }
        for (at, blackout) in self.blackouts.iter().enumerate() {
            match blackout {
                Blackout::Weekly(window) => {
                    openings.weekly.push(week(&format!("blackouts[{at}].weekly"), window, zones)?);
                }
                Blackout::Once(span) => openings.once.push(absolute(&format!("blackouts[{at}].once"), span)?),
            }
        }
        Ok(openings)
    }

    /// Absolute blackouts are left aside: they come once, and the debt that they cause is seen.
    fn check_openings(&self, openings: &Openings) -> Result<(), ContractError> {
        let weekly = Openings { once: Vec::new(), ..openings.clone() };
        for from in FORTNIGHTS_S {
            let closed = weekly.closed_s_max(from, FORTNIGHT_DAYS);
            if closed >= FORTNIGHT_DAYS * DAY_S {
                return Err(ContractError::NeverOpen);
            }
            if seconds(closed) > self.rpo_s {
                return Err(ContractError::ClosedBeyondRpo { closed_s: seconds(closed), rpo_s: self.rpo_s });
            }
        }
        Ok(())
    }
}

fn slots(calendar: &Calendar, zones: &TimeZoneDatabase) -> Result<Slots, ContractError> {
    if calendar.at.iter().any(|time| time.is_end()) {
        return Err(ContractError::BeginsAtEnd { key: "cadence.calendar.at".to_owned() });
    }
    Ok(Slots {
        zone: zone("cadence.calendar.zone", &calendar.zone, zones)?,
        days: days("cadence.calendar.weekdays", &calendar.weekdays)?,
        minutes: calendar.at.iter().map(|time| time.minutes()).collect(),
    })
}

fn days(key: &str, weekdays: &BTreeSet<Weekday>) -> Result<[bool; 7], ContractError> {
    filled(key, weekdays.len(), Weekday::ALL.len())?;
    Ok(Weekday::ALL.map(|day| weekdays.contains(&day)))
}

fn week(key: &str, window: &Window, zones: &TimeZoneDatabase) -> Result<Week, ContractError> {
    days(&format!("{key}.weekdays"), &window.weekdays)?;
    if window.from.is_end() {
        return Err(ContractError::BeginsAtEnd { key: format!("{key}.from") });
    }
    if window.from == window.to {
        return Err(ContractError::NoLength { key: key.to_owned() });
    }
    Ok(Week::new(window, zone(&format!("{key}.zone"), &window.zone, zones)?))
}

fn absolute(key: &str, span: &Span) -> Result<(i64, i64), ContractError> {
    let (from, until) = once(span);
    if until <= from {
        return Err(ContractError::Backwards { key: key.to_owned() });
    }
    if until - from > bounds::BLACKOUT_S_MAX {
        let (days, most) = ((until - from) / DAY_S, bounds::BLACKOUT_S_MAX / DAY_S);
        return Err(ContractError::BlackoutTooLong { key: key.to_owned(), days, most });
    }
    Ok((from, until))
}

fn zone(key: &str, name: &ZoneName, zones: &TimeZoneDatabase) -> Result<TimeZone, ContractError> {
    name.resolve(zones).ok_or_else(|| ContractError::UnknownZone { key: key.to_owned(), zone: name.clone() })
}

fn within(key: &str, found: impl Into<u64>, (least, most): (u64, u64)) -> Result<(), ContractError> {
    let found = found.into();
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(ContractError::OutOfBounds { key: key.to_owned(), found, least, most })
}

fn filled(key: &str, count: usize, most: usize) -> Result<(), ContractError> {
    if count == 0 { Err(ContractError::Empty { key: key.to_owned() }) } else { at_most(key, count, most) }
}

fn at_most(key: &str, count: usize, most: usize) -> Result<(), ContractError> {
    if count > most { Err(ContractError::TooMany { key: key.to_owned(), count, most }) } else { Ok(()) }
}

fn seconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0)
}
