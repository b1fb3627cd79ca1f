//! The text of dates and timestamps in ISO form, as PostgreSQL writes it under `DateStyle = 'ISO, YMD'`, UTC.
//!
//! Owns the exact conversion between that text and counts from 2000-01-01, PostgreSQL's own epoch, so that every value
//! of the engine's range fits 64 bits. A parser accepts only what the matching formatter writes: what it refuses is
//! kept as text, so no value is ever changed by the round trip. Calendar arithmetic after Howard Hinnant,
//! "chrono-Compatible Low-Level Date Algorithms".

const DAYS_1970_TO_2000: i64 = 10_957;
const MICROS_PER_DAY: i64 = 86_400_000_000;

fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - DAYS_1970_TO_2000
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the arithmetic gives days of 1 to 31 and months of 1 to 12"
)]
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + DAYS_1970_TO_2000 + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

fn digits(text: &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    Some(value)
}

/// Splits a trailing " BC" off and says whether it was there.
fn split_era(text: &[u8]) -> (&[u8], bool) {
    text.strip_suffix(b" BC").map_or((text, false), |rest| (rest, true))
}

/// Parses `YYYY-MM-DD` at the start; years have at least four digits and no needless leading zero.
fn parse_day(text: &[u8], before_christ: bool) -> Option<(i64, &[u8])> {
    let dash = if text.get(4) == Some(&b'-') { 4 } else { memchr::memchr(b'-', text)? };
    let (year, rest) = text.split_at_checked(dash)?;
    if year.len() < 4 || year.len() > 6 || (year.len() > 4 && year.first() == Some(&b'0')) {
        return None;
    }
    let (month, rest) = (digits(rest.get(1..3)?)?, rest.get(3..)?);
    if rest.first() != Some(&b'-') {
        return None;
    }
    let (day, rest) = (digits(rest.get(1..3)?)?, rest.get(3..)?);
    let shown = i64::from(digits(year)?);
    if shown == 0 {
        return None;
    }
    let year = if before_christ { 1 - shown } else { shown };
    if day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some((days_from_civil(year, month, day), rest))
}

/// Days since 2000-01-01 of a date's text; `i32::MAX` and `i32::MIN` stand for the infinities.
pub(super) fn parse_date(text: &[u8]) -> Option<i32> {
    match text {
        b"infinity" => return Some(i32::MAX),
        b"-infinity" => return Some(i32::MIN),
        _ => {}
    }
    let (text, before_christ) = split_era(text);
    let (days, rest) = parse_day(text, before_christ)?;
    let days = i32::try_from(days).ok()?;
    (rest.is_empty() && days != i32::MAX && days != i32::MIN).then_some(days)
}

fn parse_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else { return None };
    let (hours, minutes, seconds) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?, digits(&[*s1, *s2])?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let mut micros = i64::from(hours * 3600 + minutes * 60 + seconds) * 1_000_000;
    let Some(fraction) = rest.strip_prefix(b".") else { return Some((micros, rest)) };
    let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = fraction.split_at_checked(len)?;
    if len == 0 || len > 6 || fraction.last() == Some(&b'0') {
        return None;
    }
    let scale = 10_i64.pow(6 - u32::try_from(len).ok()?);
    micros += i64::from(digits(fraction)?) * scale;
    Some((micros, rest))
}

/// Microseconds since 2000-01-01 00:00 of a timestamp's text; the ends of `i64` stand for the infinities. With `zone`,
/// the text ends in `+00`.
pub(super) fn parse_timestamp(text: &[u8], zone: bool) -> Option<i64> {
    match text {
        b"infinity" => return Some(i64::MAX),
        b"-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (text, before_christ) = split_era(text);
    let (days, rest) = parse_day(text, before_christ)?;
    let (micros, rest) = parse_time(rest.strip_prefix(b" ")?)?;
    let rest = if zone { rest.strip_prefix(b"+00")? } else { rest };
    let total = days.checked_mul(MICROS_PER_DAY)?.checked_add(micros)?;
    (rest.is_empty() && total != i64::MAX && total != i64::MIN).then_some(total)
}

/// Microseconds since 1970 of a timestamp; nothing for the infinities.
pub(super) const fn unix_micros(total: i64) -> Option<i64> {
    if total == i64::MAX || total == i64::MIN {
        return None;
    }
    total.checked_add(DAYS_1970_TO_2000 * MICROS_PER_DAY)
}

/// Microseconds since 1970 of a day's beginning; nothing for the infinities.
pub(super) fn unix_micros_of_day(days: i32) -> Option<i64> {
    if days == i32::MAX || days == i32::MIN {
        return None;
    }
    unix_micros(i64::from(days).checked_mul(MICROS_PER_DAY)?)
}

fn put_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let text = value.to_string();
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

fn put_day(out: &mut Vec<u8>, days: i64) -> bool {
    let (year, month, day) = civil_from_days(days);
    let before_christ = year <= 0;
    put_padded(out, if before_christ { 1 - year } else { year }.unsigned_abs(), 4);
    out.push(b'-');
    put_padded(out, u64::from(month), 2);
    out.push(b'-');
    put_padded(out, u64::from(day), 2);
    before_christ
}

/// Writes a date's text.
pub(super) fn put_date(out: &mut Vec<u8>, days: i32) {
    match days {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        _ => {
            if put_day(out, i64::from(days)) {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

/// Writes a timestamp's text, with `+00` behind it if it carries a zone.
pub(super) fn put_timestamp(out: &mut Vec<u8>, total: i64, zone: bool) {
    match total {
        i64::MAX => return out.extend_from_slice(b"infinity"),
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    let before_christ = put_day(out, total.div_euclid(MICROS_PER_DAY));
    let micros = total.rem_euclid(MICROS_PER_DAY).unsigned_abs();
    let seconds = micros / 1_000_000;
    out.push(b' ');
    put_padded(out, seconds / 3600, 2);
    out.push(b':');
    put_padded(out, seconds / 60 % 60, 2);
    out.push(b':');
    put_padded(out, seconds % 60, 2);
    let mut fraction = micros % 1_000_000;
    if fraction > 0 {
        let mut width = 6;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        out.push(b'.');
        put_padded(out, fraction, width);
    }
    if zone {
        out.extend_from_slice(b"+00");
    }
    if before_christ {
        out.extend_from_slice(b" BC");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(total: i64, zone: bool) -> String {
        let mut out = Vec::new();
        put_timestamp(&mut out, total, zone);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_timestamps_read_as_postgresql_writes_them() {
        for (text, micros) in [
            ("2000-01-01 00:00:00", 0),
            ("1999-12-31 23:59:59.999999", -1),
            ("2026-11-22 04:05:06.5", 848_635_506_500_000),
            ("294276-12-31 23:59:59.999999", 9_223_371_331_199_999_999),
            ("4714-11-24 00:00:00 BC", -211_813_488_000_000_000),
            ("0001-01-01 00:00:00", -63_082_281_600_000_000),
        ] {
            assert_eq!(parse_timestamp(text.as_bytes(), false), Some(micros), "{text}");
            assert_eq!(stamp(micros, false), text);
        }
        assert_eq!(stamp(0, true), "2000-01-01 00:00:00+00");
        assert_eq!(
            parse_timestamp(b"0044-03-15 12:00:00+00 BC", true).map(|t| stamp(t, true)).unwrap(),
            "0044-03-15 12:00:00+00 BC"
        );
    }

    #[test]
    fn only_the_canonical_text_is_taken() {
        for text in [
            "2000-01-01 00:00:00.10",
            "2000-02-30 00:00:00",
            "02000-01-01 00:00:00",
            "2000-1-01 00:00:00",
            "2000-01-01T00:00:00",
            "0000-01-01 00:00:00",
            "2000-01-01 24:00:00",
            "2000-01-01 00:00:00 ",
            "",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes(), false), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_timestamp_round_trips(total in -211_813_488_000_000_000_i64..9_223_371_331_200_000_000, zone: bool) {
            prop_assert_eq!(parse_timestamp(stamp(total, zone).as_bytes(), zone), Some(total));
        }

        #[test]
        fn every_date_round_trips(days in -2_451_545_i32..2_145_031_949) {
            let mut out = Vec::new();
            put_date(&mut out, days);
            // Years beyond six digits stay text; PostgreSQL's dates reach 5874897 AD.
            let parsed = parse_date(&out);
            prop_assert!(parsed == Some(days) || (parsed.is_none() && days > 364_000_000));
        }
    }
}
