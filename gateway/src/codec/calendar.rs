//! Times as terminals write them: digits without a zone.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::reading::known;

/// A moment from the digits of a clock that is ahead of UTC by `ahead_s` seconds; two-digit years are of this century.
pub(crate) fn moment(date: [u8; 3], time: [u8; 3], ahead_s: i64) -> Option<Timestamp> {
    let ([year, month, day], [hour, minute, second]) = (date, time);
    if year > 99 {
        return None;
    }
    let signed = |number: u8| i8::try_from(number).ok();
    // A leap second is the last of its minute.
    let second = second.min(if second == 60 { 59 } else { second });
    let there = DateTime::new(
        2000 + i16::from(year),
        signed(month)?,
        signed(day)?,
        signed(hour)?,
        signed(minute)?,
        signed(second)?,
        0,
    );
    let at = Offset::UTC.to_timestamp(there.ok()?).ok()?;
    Timestamp::from_second(at.as_second().checked_sub(ahead_s)?).ok().and_then(known)
}

/// Six digits, two by two.
pub(crate) fn pairs(digits: &str) -> Option<[u8; 3]> {
    let bytes: [u8; 6] = digits.as_bytes().try_into().ok()?;
    let two =
        |tens: u8, ones: u8| (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + ones - b'0');
    Some([two(bytes[0], bytes[1])?, two(bytes[2], bytes[3])?, two(bytes[4], bytes[5])?])
}

/// Three bytes of binary coded decimals.
pub(crate) fn bcd(bytes: [u8; 3]) -> Option<[u8; 3]> {
    let two = |byte: u8| (byte >> 4 < 10 && byte & 15 < 10).then(|| (byte >> 4) * 10 + (byte & 15));
    Some([two(bytes[0])?, two(bytes[1])?, two(bytes[2])?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_clock_is_eight_hours_ahead() {
        let at = moment([26, 8, 17], [22, 18, 12], 8 * 3600).map(|at| at.to_string());
        assert_eq!(at.as_deref(), Some("2026-08-17T14:18:12Z"));
    }

    #[test]
    fn what_is_no_date_is_no_moment() {
        assert_eq!(moment([0, 0, 0], [0, 0, 0], 0), None);
        assert_eq!(moment([26, 2, 30], [0, 0, 0], 0), None);
        assert_eq!(moment([26, 2, 3], [24, 0, 0], 0), None);
        assert_eq!(pairs("14022026"), None);
        assert_eq!(bcd([0x1a, 0, 0]), None);
    }
}
