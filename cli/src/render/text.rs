//! Numbers, sizes, times and names as people read them.

use std::time::Duration;

use strongroom_core::time::WallTime;

/// A name or message for a terminal: characters that steer one are written as escapes.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size: `1.2 MB`, by thousands.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (bytes / 100, "kB");
    for next in UNITS.iter().skip(1) {
        if tenths < 10_000 {
            break;
        }
        (tenths, unit) = (tenths / 1000, next);
    }
    if tenths >= 1000 { format!("{} {unit}", tenths / 10) } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// A time span: `320 ms`, `4.2 s`, `3 min 12 s`.
pub(crate) fn span(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// A wall clock's reading, to the second.
pub(crate) fn time(time: WallTime) -> String {
    jiff::Timestamp::from_microsecond(time.0)
        .map_or_else(|_| time.to_string(), |stamp| stamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// The first digits of an id, which usually suffice to name it.
pub(crate) fn short(id: impl std::fmt::Display) -> String {
    id.to_string().chars().take(10).collect()
}

/// `1 record`, `2 records`.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Whole milliseconds.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds to the microsecond, for what takes less than one.
pub(crate) fn fine_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sizes_and_spans_are_short() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([size(999), size(1234), size(999_999), size(123_456_789)], ["999 B", "1.2 kB", "999 kB", "123 MB"]);
        assert_eq!(size(5_250_000_000), "5.2 GB");
        let spans = [320, 4240, 192_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["320 ms", "4.2 s", "3 min 12 s"]);
    }

    #[test]
    fn a_name_can_not_steer_the_terminal() {
        assert_eq!(shown("a\n\u{1b}[2Jb"), "a\\n\\u{1b}[2Jb");
    }
}
