//! The binary form of decimal numbers: digits to the base 10,000, and where the point stands.
//!
//! ```text
//!   number of digits (i16) · weight of the first (i16) · sign (u16) · decimals shown (u16) · digits (i16 each)
//! ```

/// Decimal digits in one digit to the base 10,000.
const GROUP: usize = 4;

/// Appends the binary form of a number's text as the server writes it, or nothing for any other text.
pub(super) fn put_numeric(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let special = match text {
        "NaN" => Some(0xc000_u16),
        "Infinity" => Some(0xd000),
        "-Infinity" => Some(0xf000),
        _ => None,
    };
    if let Some(sign) = special {
        put_head(out, 0, 0, sign, 0);
        return Some(());
    }
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(decimals) {
        return None;
    }
    let shown = u16::try_from(decimals.len()).ok()?;
    let ahead = (GROUP - whole.len() % GROUP) % GROUP;
    let padded = format!("{}{whole}{decimals}", &"000".get(..ahead)?);
    let mut groups: Vec<i16> = padded.as_bytes().chunks(GROUP).map(group).collect();
    let mut weight = i16::try_from((ahead + whole.len()) / GROUP).ok()? - 1;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= i16::try_from(leading).ok()?;
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    groups.truncate(groups.len() - trailing);
    if groups.is_empty() {
        weight = 0;
    }
    let sign = if is_negative && !groups.is_empty() { 0x4000 } else { 0 };
    put_head(out, i16::try_from(groups.len()).ok()?, weight, sign, shown);
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Some(())
}

/// Up to four decimal digits as one digit; what is missing at the end counts as zeros.
fn group(digits: &[u8]) -> i16 {
    let digit = |at: usize| digits.get(at).map_or(0, |byte| i16::from(byte - b'0'));
    digit(0) * 1000 + digit(1) * 100 + digit(2) * 10 + digit(3)
}

fn put_head(out: &mut Vec<u8>, digits: i16, weight: i16, sign: u16, shown: u16) {
    out.extend_from_slice(&digits.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&shown.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Option<Vec<i32>> {
        let mut out = Vec::new();
        put_numeric(text, &mut out)?;
        Some(out.chunks(2).map(|pair| i32::from(i16::from_be_bytes([pair[0], pair[1]]))).collect())
    }

    #[test]
    fn numbers_are_cut_into_groups_at_the_point() {
        assert_eq!(form("0"), Some(vec![0, 0, 0, 0]));
        assert_eq!(form("0.00"), Some(vec![0, 0, 0, 2]));
        assert_eq!(form("1"), Some(vec![1, 0, 0, 0, 1]));
        assert_eq!(form("-12345.6"), Some(vec![3, 1, 0x4000, 1, 1, 2345, 6000]));
        assert_eq!(form("0.00001"), Some(vec![1, -2, 0, 5, 1000]));
        assert_eq!(form("100000000"), Some(vec![1, 2, 0, 0, 1]));
        assert_eq!(form("NaN").unwrap()[2], i32::from(0xc000_u16.cast_signed()));
        for text in ["", "-", "1e5", ".5", "1.2.3", "+1"] {
            assert_eq!(form(text), None, "{text}");
        }
    }
}
