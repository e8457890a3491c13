//! What a cell of a list says: dates, telephone numbers, places, in the shapes in which people write them. Pure; what
//! cannot be understood is refused with a sentence, never guessed.

use dispatcher::contact::{self, BadAddress};
use domain::datum::Datum;
use domain::place::Position;
use jiff::civil::Date;

/// Why a cell cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCell {
    /// No date.
    #[error("is no date or year of birth; write 1941-03-05")]
    NoDate,
    /// The century is missing.
    #[error("says the year with two digits, which may be 19… or 20…; write 1941-03-05")]
    TwoDigitYear,
    /// Not born yet, or long dead.
    #[error("would mean a birth in {0}")]
    Unlikely(i64),
    /// A spreadsheet has rounded it.
    #[error("was rounded by the spreadsheet; make the column text, and write the number anew")]
    Rounded,
    /// Two numbers.
    #[error("holds more than one telephone number; a cell takes one")]
    Several,
    /// No telephone number.
    #[error("is no telephone number: {0}")]
    NoPhone(&'static str),
    /// Neither of the two.
    #[error("is neither 男 nor 女")]
    NoSex,
    /// No number.
    #[error("is no number of degrees; write 28.2182")]
    NoDegrees,
    /// Only one of the two.
    #[error("is only half a place: latitude and longitude belong together")]
    HalfAPlace,
    /// Numbers, but no place in China.
    #[error("is no place in China")]
    Elsewhere,
    /// An unknown coordinate system.
    #[error("is no coordinate system that is known here: WGS-84 (GPS), GCJ-02 (高德, 腾讯) or BD-09 (百度)")]
    NoDatum,
    /// Neither of the two.
    #[error("is no order for 120: 立即 (at_once) or 坐席先看 (operator_first)")]
    NoPolicy,
    /// A contact cannot be written to there.
    #[error(transparent)]
    NoAddress(#[from] BadAddress),
    /// Neither of the two.
    #[error("is neither 是 nor 否")]
    NoYes,
    /// Needed, and empty.
    #[error("is empty")]
    Missing,
}

/// Nobody who is alive was born before.
const BORN_MIN: i64 = 1890;
/// Excel's day 1 is 1900-01-01, and it believes in 1900-02-29.
const EXCEL_DAY_0: Date = jiff::civil::date(1899, 12, 30);

/// Digits and signs as a keyboard makes them: full-width forms become ordinary, Chinese signs their like.
pub(crate) fn narrow(text: &str) -> String {
    let narrow = |character: char| match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        '\u{3000}' | '\u{a0}' => ' ',
        '。' => '.',
        '—' | '–' | '‐' | '‑' | '−' | '―' => '-',
        '、' => ',',
        other => other,
    };
    text.chars().map(narrow).filter(|character| !matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}')).collect()
}

/// The year of a date of birth, however it is written; `this_year` is the last that can be.
pub(crate) fn born_in(text: &str, this_year: i16) -> Result<i16, BadCell> {
    let text = narrow(text);
    // A spreadsheet's dates come with a time.
    let text = text.trim().trim_end_matches(" 00:00:00").trim_end_matches(" 0:00:00").trim_end_matches(" 0:00").trim();
    let year = year_of(text)?;
    let last = i64::from(this_year);
    match i16::try_from(year) {
        Ok(year) if (BORN_MIN..=last).contains(&i64::from(year)) => Ok(year),
        _ => Err(BadCell::Unlikely(year)),
    }
}

fn year_of(text: &str) -> Result<i64, BadCell> {
    let parts: Vec<&str> = text.split(['-', '/', '.', '年', '月', '日', ' ']).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts.iter().any(|part| part.len() > 8 || !part.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(BadCell::NoDate);
    }
    let number = |part: &str| part.parse::<i64>().map_err(|_| BadCell::NoDate);
    match parts[..] {
        [one] => {
            let value = number(one)?;
            match one.len() {
                4 => Ok(value),
                // 194103: a year and a month.
                6 if (1..=12).contains(&(value % 100)) && value >= BORN_MIN * 100 => Ok(value / 100),
                8 => date(value / 10_000, value / 100 % 100, value % 100),
                5 => i32::try_from(value)
                    .ok()
                    .and_then(|days| EXCEL_DAY_0.checked_add(jiff::Span::new().days(days)).ok())
                    .map(|date| i64::from(date.year()))
                    .ok_or(BadCell::NoDate),
                1 | 2 => Err(BadCell::TwoDigitYear),
                _ => Err(BadCell::NoDate),
            }
        }
        [year, month] if year.len() == 4 => date(number(year)?, number(month)?, 1),
        [month, year] if year.len() == 4 => date(number(year)?, number(month)?, 1),
        [year, month, day] if year.len() == 4 => date(number(year)?, number(month)?, number(day)?),
        [a, b, year] if year.len() == 4 => {
            // 05.03.1941 and 03/05/1941: only the year is kept, so that the order of the others may stay open.
            let (a, b, year) = (number(a)?, number(b)?, number(year)?);
            date(year, b, a).or_else(|_| date(year, a, b))
        }
        [a, b] | [a, b, _] if a.len() <= 2 && b.len() <= 2 => Err(BadCell::TwoDigitYear),
        _ => Err(BadCell::NoDate),
    }
}

/// The year, when there is such a day.
fn date(year: i64, month: i64, day: i64) -> Result<i64, BadCell> {
    let part = |value: i64| i8::try_from(value).map_err(|_| BadCell::NoDate);
    let in_year = i16::try_from(year).map_err(|_| BadCell::NoDate)?;
    Date::new(in_year, part(month)?, part(day)?).map(|_| year).map_err(|_| BadCell::NoDate)
}

/// A telephone number as it is kept: `13800000101`, `0731-80000001`, `4008001234`.
pub(crate) fn phone(text: &str) -> Result<String, BadCell> {
    let text = narrow(text);
    // What a spreadsheet makes of a long number: 1.38E+10, 13800000101.0.
    if text.contains(['E', 'e']) && text.contains('.') {
        return Err(BadCell::Rounded);
    }
    let text = text.trim().strip_suffix(".0").unwrap_or(text.trim());
    if text.contains(['/', ';', ',', '|', '或', '\n']) {
        return Err(BadCell::Several);
    }
    let is_filler = |character: char| matches!(character, ' ' | '-' | '(' | ')' | '.' | '_' | '\t');
    let digits: String = text.trim_start_matches('+').chars().filter(|character| !is_filler(*character)).collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadCell::NoPhone("it takes digits, spaces and dashes"));
    }
    let is_long = |digits: &str| digits.len() >= 10;
    let digits = match digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86").filter(|rest| is_long(rest))) {
        // Said from abroad, an area code loses its zero.
        Some(rest) if !rest.starts_with(['1', '0', '4', '8']) || rest.starts_with("10") => format!("0{rest}"),
        Some(rest) => rest.to_owned(),
        None => digits,
    };
    let area = match digits.as_bytes() {
        [b'0', b'1', b'0', ..] | [b'0', b'2', ..] => 3,
        [b'0', b'3'..=b'9', ..] => 4,
        _ => 0,
    };
    match (digits.as_bytes(), digits.len()) {
        ([b'1', b'3'..=b'9', ..], 11) | ([b'4' | b'8', b'0', b'0', ..], 10) | ([b'2'..=b'8', ..], 7 | 8) => Ok(digits),
        ([b'1', b'3'..=b'9', ..], 20..) => Err(BadCell::Several),
        ([b'1', b'3'..=b'9', ..], _) => Err(BadCell::NoPhone("a mobile number has 11 digits")),
        ([b'0', ..], length) if area > 0 && (7..=8).contains(&(length - area.min(length))) => {
            Ok(format!("{}-{}", &digits[..area], &digits[area..]))
        }
        ([b'0', ..], _) => Err(BadCell::NoPhone("after the area code it has 7 or 8 digits")),
        (_, 7 | 8) => Err(BadCell::NoPhone("a local number begins with 2 to 8")),
        _ => Err(BadCell::NoPhone("it has too few or too many digits")),
    }
}

/// An address as the database takes it.
pub(crate) fn email(text: &str) -> Result<String, BadCell> {
    Ok(contact::email(narrow(text).trim())?)
}

/// Where a webhook is posted.
pub(crate) fn webhook(text: &str) -> Result<String, BadCell> {
    Ok(contact::webhook(text)?)
}

/// What signs a webhook's messages.
pub(crate) fn webhook_secret(text: &str) -> Result<String, BadCell> {
    Ok(contact::secret(text)?)
}

/// Yes or no.
pub(crate) fn yes(text: &str) -> Result<bool, BadCell> {
    match narrow(text).trim().to_lowercase().as_str() {
        "是" | "有" | "在岗" | "需要" | "yes" | "y" | "true" | "1" | "√" => Ok(true),
        "否" | "无" | "不在岗" | "离岗" | "不需要" | "no" | "n" | "false" | "0" | "×" => Ok(false),
        _ => Err(BadCell::NoYes),
    }
}

/// `female` or `male`.
pub(crate) fn sex(text: &str) -> Result<&'static str, BadCell> {
    match narrow(text).trim().to_lowercase().as_str() {
        "女" | "女性" | "f" | "female" | "2" => Ok("female"),
        "男" | "男性" | "m" | "male" | "1" => Ok("male"),
        _ => Err(BadCell::NoSex),
    }
}

/// When 120 is called.
pub(crate) fn policy(text: &str) -> Result<&'static str, BadCell> {
    match narrow(text).trim().to_lowercase().as_str() {
        "at_once" | "立即" | "立即转" | "立即转120" | "直接" => Ok("at_once"),
        "operator_first" | "坐席先看" | "先坐席" | "人工" | "先人工" => Ok("operator_first"),
        _ => Err(BadCell::NoPolicy),
    }
}

/// In which terms the coordinates of a row are said.
pub(crate) fn datum(text: &str) -> Result<Datum, BadCell> {
    let plain: String = narrow(text).to_lowercase().chars().filter(|character| character.is_alphanumeric()).collect();
    match plain.as_str() {
        "wgs84" | "wgs" | "gps" | "4326" | "epsg4326" | "cgcs2000" | "天地图" => Ok(Datum::Wgs84),
        "gcj02" | "gcj" | "高德" | "腾讯" | "火星" | "火星坐标" | "amap" => Ok(Datum::Gcj02),
        "bd09" | "bd" | "百度" | "baidu" => Ok(Datum::Bd09),
        _ => Err(BadCell::NoDatum),
    }
}

/// A place, and whether latitude and longitude had to be exchanged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    /// In WGS-84.
    pub(crate) at: Position,
    /// They stood in each other's column.
    pub(crate) swapped: bool,
}

/// A place from its two cells. In China no latitude can be a longitude, so that swapped ones are known for sure.
pub(crate) fn place(lat: &str, lon: &str, datum: Datum) -> Result<Placed, BadCell> {
    if lat.is_empty() != lon.is_empty() {
        return Err(BadCell::HalfAPlace);
    }
    let (lat, lon) = (degrees(lat)?, degrees(lon)?);
    let is_here = |lat: f64, lon: f64| (3.0..=54.0).contains(&lat) && (73.0..=136.0).contains(&lon);
    let (lat, lon, swapped) = match (is_here(lat, lon), is_here(lon, lat)) {
        (true, _) => (lat, lon, false),
        (false, true) => (lon, lat, true),
        (false, false) => return Err(BadCell::Elsewhere),
    };
    let at = datum.to_wgs84(lat, lon).map_err(|_| BadCell::Elsewhere)?;
    Ok(Placed { at, swapped })
}

/// Two numbers in one cell: `112.98,28.21`, in either order.
pub(crate) fn place_in_one(text: &str, datum: Datum) -> Result<Placed, BadCell> {
    let text = narrow(text);
    let parts: Vec<&str> = text.split([',', ' ', ';']).map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts[..] {
        // Either order is usual in one cell; nothing had to be put right.
        [a, b] => place(a, b, datum).map(|placed| Placed { swapped: false, ..placed }),
        [_] => Err(BadCell::HalfAPlace),
        _ => Err(BadCell::NoDegrees),
    }
}

fn degrees(text: &str) -> Result<f64, BadCell> {
    let text = narrow(text);
    let text = text.trim().trim_end_matches(['°', 'N', 'E', 'n', 'e']).trim();
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or(BadCell::NoDegrees)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_birth_is_read_in_every_shape() {
        for text in [
            "1941-03-05",
            "1941/3/5",
            "1941.3.5",
            "1941年3月5日",
            "19410305",
            "05.03.1941",
            "3/5/1941",
            "１９４１-03-05",
            "1941",
            "1941年",
            "1941年3月",
            "1941-03",
            "194103",
            "15040",
            "1941-03-05 00:00:00",
            "1941/3/5 0:00",
            "1941 03 05",
        ] {
            assert_eq!(born_in(text, 2026), Ok(1941), "{text}");
        }
    }

    #[test]
    fn a_birth_that_may_be_two_years_or_none_is_refused() {
        for text in ["41-03-05", "05.03.41", "41", "3/5/41", "5/41"] {
            assert_eq!(born_in(text, 2026), Err(BadCell::TwoDigitYear), "{text}");
        }
        for text in ["1941-13-05", "1941-02-30", "三月", "", "1941-03-05-07", "1941-3-5x", "123", "1234567", "+1941"]
        {
            assert_eq!(born_in(text, 2026), Err(BadCell::NoDate), "{text}");
        }
        assert_eq!(born_in("2031-01-01", 2026), Err(BadCell::Unlikely(2031)));
        assert_eq!(born_in("1741", 2026), Err(BadCell::Unlikely(1741)));
        assert_eq!(born_in("99999", 2026), Err(BadCell::Unlikely(2173)));
    }

    #[test]
    fn a_telephone_number_has_one_spelling() {
        for (text, expected) in [
            ("138 0000 0101", "13800000101"),
            ("１３８－００００－０１０１", "13800000101"),
            ("+86 138-0000-0101", "13800000101"),
            ("008613800000101", "13800000101"),
            ("13800000101.0", "13800000101"),
            ("0731-80001001", "0731-80001001"),
            ("（0731）8000 1001", "0731-80001001"),
            ("073180001001", "0731-80001001"),
            ("+86 731 8000 1001", "0731-80001001"),
            ("+86 10 8000 1001", "010-80001001"),
            ("010 8000 1001", "010-80001001"),
            ("021-80001001", "021-80001001"),
            ("400-800-1234", "4008001234"),
            ("8000 1001", "80001001"),
        ] {
            assert_eq!(phone(text), Ok(expected.to_owned()), "{text}");
            assert_eq!(phone(expected), Ok(expected.to_owned()), "{expected}");
        }
    }

    #[test]
    fn what_is_no_telephone_number_is_refused() {
        assert_eq!(phone("1.38E+10"), Err(BadCell::Rounded));
        assert_eq!(phone("13800000101/13800000102"), Err(BadCell::Several));
        assert_eq!(phone("13800000101、13800000102"), Err(BadCell::Several));
        assert_eq!(phone("13800000101 13800000102"), Err(BadCell::Several));
        for text in ["1380000010", "138000001011", "无", "0731-1", "12345678", "0", "", "010", "00", "0086", "86"] {
            assert!(matches!(phone(text), Err(BadCell::NoPhone(_))), "{text}: {:?}", phone(text));
        }
    }

    #[test]
    fn swapped_degrees_are_exchanged_and_places_elsewhere_refused() {
        let here = Position::new(28.2182, 112.9867).unwrap();
        assert_eq!(place("28.2182", "112.9867", Datum::Wgs84), Ok(Placed { at: here, swapped: false }));
        assert_eq!(place("112.9867", "28.2182", Datum::Wgs84), Ok(Placed { at: here, swapped: true }));
        assert_eq!(place_in_one("１１２.9867，28.2182", Datum::Wgs84), Ok(Placed { at: here, swapped: false }));
        assert_eq!(place("52.5", "13.4", Datum::Wgs84), Err(BadCell::Elsewhere));
        assert_eq!(place("0", "0", Datum::Wgs84), Err(BadCell::Elsewhere));
        assert_eq!(place("28.2", "", Datum::Wgs84), Err(BadCell::HalfAPlace));
        assert_eq!(place("28,2", "113", Datum::Wgs84), Err(BadCell::NoDegrees));
        assert_eq!(place("nan", "113", Datum::Wgs84), Err(BadCell::NoDegrees));
    }

    #[test]
    fn a_place_on_a_chinese_map_is_brought_into_our_datum() {
        let here = Position::new(28.2182, 112.9867).unwrap();
        for (name, datum_of) in
            [("GCJ-02", Datum::Gcj02), ("高德", Datum::Gcj02), ("百度", Datum::Bd09), ("ＷＧＳ８４", Datum::Wgs84)]
        {
            assert_eq!(datum(name), Ok(datum_of), "{name}");
            let (lat, lon) = datum_of.from_wgs84(here);
            let placed = place(&lat.to_string(), &lon.to_string(), datum_of).unwrap();
            assert!(placed.at.distance(here).0 < 1.0, "{name}");
        }
        assert_eq!(datum("北京54"), Err(BadCell::NoDatum));
    }

    #[test]
    fn sex_and_policy_are_read_in_both_languages() {
        assert_eq!((sex("女"), sex("Male")), (Ok("female"), Ok("male")));
        assert_eq!((policy("坐席先看"), policy("at_once")), (Ok("operator_first"), Ok("at_once")));
        assert_eq!((sex("?"), policy("x")), (Err(BadCell::NoSex), Err(BadCell::NoPolicy)));
    }

    #[test]
    fn an_address_is_read_as_a_keyboard_makes_it() {
        assert_eq!(email(" chen＠mail.example "), Ok("chen@mail.example".to_owned()));
        assert_eq!(email("chen"), Err(BadCell::NoAddress(BadAddress::NoEmail)));
    }

    #[test]
    fn yes_and_no_are_read_in_both_languages() {
        assert_eq!((yes("是"), yes("No"), yes("也许")), (Ok(true), Ok(false), Err(BadCell::NoYes)));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,40}", other in "\\PC{0,40}") {
            let _ = (born_in(&text, 2026), phone(&text), sex(&text), policy(&text), datum(&text), email(&text));
            let _ = (webhook(&text), webhook_secret(&text), yes(&text));
            let _ = (place(&text, &other, Datum::Bd09), place_in_one(&text, Datum::Gcj02));
        }

        #[test]
        fn no_digits_make_a_reader_panic(text in "[0-9+./ 年月日eE-]{0,24}", other in "[0-9.-]{0,24}") {
            let _ = (born_in(&text, 2026), phone(&text), place(&text, &other, Datum::Bd09));
        }

        #[test]
        fn a_number_that_was_read_reads_as_itself(text in "[0-9+ ()-]{5,18}") {
            if let Ok(read) = phone(&text) {
                prop_assert_eq!(phone(&read), Ok(read));
            }
        }
    }
}
