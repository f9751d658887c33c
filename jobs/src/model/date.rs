//! Dates and times as files write them: `2027-06-30`, or RFC 3339 like `2027-06-30T12:00:00+02:00`.

/// What is wrong with a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateFault {
    /// Neither of the two forms.
    Form,
    /// A time without the offset that would say when it is.
    NoOffset,
    /// No such month.
    Month,
    /// No such day in a month of so many.
    Day(u8),
    /// No such time of day, or no such offset.
    Time,
}

impl DateFault {
    /// What was expected instead.
    pub(crate) fn expected(self) -> String {
        match self {
            DateFault::Form => "a date like `2027-06-30`, or a time like `2027-06-30T12:00:00Z`".to_owned(),
            DateFault::NoOffset => "a time with its offset from UTC, which `Z` is too".to_owned(),
            DateFault::Month => "a date with a month from 01 to 12".to_owned(),
            DateFault::Day(days) => format!("a date with a day from 01 to {days}, which is how many that month has"),
            DateFault::Time => "a time from 00:00:00 to 23:59:59, and an offset of less than a day".to_owned(),
        }
    }

    /// What was probably meant: Partner Center's times are UTC and sometimes do not say so.
    pub(crate) fn near(self, written: &str) -> Option<String> {
        let with_zone = format!("{written}Z");
        (self == DateFault::NoOffset && deadline(&with_zone).is_ok()).then_some(with_zone)
    }
}

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Milliseconds since the Unix epoch of a time, or of the last millisecond of a day in UTC: something that
/// ends on a day is good all that day.
pub(crate) fn deadline(text: &str) -> Result<i64, DateFault> {
    let mut rest = text.as_bytes();
    let date = date(&mut rest)?;
    if rest.is_empty() {
        return Ok(date + DAY - 1);
    }
    let [b'T' | b't' | b' ', time @ ..] = rest else {
        return Err(DateFault::Form);
    };
    rest = time;
    let hour = number(&mut rest, 2)?;
    expect(&mut rest, b':')?;
    let minute = number(&mut rest, 2)?;
    expect(&mut rest, b':')?;
    let second = number(&mut rest, 2)?;
    let milli = fraction(&mut rest)?;
    let offset = offset(rest)?;
    // A leap second has no place in Unix time, and no subscription ends in one.
    if hour > 23 || minute > 59 || second > 59 {
        return Err(DateFault::Time);
    }
    Ok(date + hour * HOUR + minute * MINUTE + second * SECOND + milli - offset)
}

/// The first millisecond of the day.
fn date(rest: &mut &[u8]) -> Result<i64, DateFault> {
    let year = number(rest, 4)?;
    expect(rest, b'-')?;
    let month = number(rest, 2)?;
    expect(rest, b'-')?;
    let day = number(rest, 2)?;
    if !(1..=12).contains(&month) {
        return Err(DateFault::Month);
    }
    let days = days_in(year, month);
    if !(1..=i64::from(days)).contains(&day) {
        return Err(DateFault::Day(days));
    }
    Ok(days_since_epoch(year, month, day) * DAY)
}

/// Milliseconds of a fraction of a second, of any length; what is finer is dropped.
fn fraction(rest: &mut &[u8]) -> Result<i64, DateFault> {
    let [b'.', digits @ ..] = *rest else {
        return Ok(0);
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return Err(DateFault::Form);
    }
    *rest = &digits[count..];
    let digit = |at: usize| digits[..count].get(at).map_or(0, |byte| i64::from(byte - b'0'));
    Ok(digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// Milliseconds by which the local time is ahead of UTC.
fn offset(rest: &[u8]) -> Result<i64, DateFault> {
    let (sign, mut rest) = match rest {
        [] => return Err(DateFault::NoOffset),
        [b'Z' | b'z'] => return Ok(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(DateFault::Form),
    };
    let hours = number(&mut rest, 2)?;
    expect(&mut rest, b':')?;
    let minutes = number(&mut rest, 2)?;
    if !rest.is_empty() {
        return Err(DateFault::Form);
    }
    if hours > 23 || minutes > 59 {
        return Err(DateFault::Time);
    }
    Ok(sign * (hours * HOUR + minutes * MINUTE))
}

fn number(rest: &mut &[u8], digits: usize) -> Result<i64, DateFault> {
    let (number, after) = rest.split_at_checked(digits).ok_or(DateFault::Form)?;
    *rest = after;
    number.iter().try_fold(0, |sum, byte| match byte {
        b'0'..=b'9' => Ok(sum * 10 + i64::from(byte - b'0')),
        _ => Err(DateFault::Form),
    })
}

fn expect(rest: &mut &[u8], wanted: u8) -> Result<(), DateFault> {
    match *rest {
        [first, after @ ..] if *first == wanted => {
            *rest = after;
            Ok(())
        }
        _ => Err(DateFault::Form),
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1 January 1970 in the Gregorian calendar, for a date that exists.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    // Counted from March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let day_of_year = (153 * months + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = days_since_epoch(1600, 1, 1);
        for year in 1600..2401 {
            for month in 1..=12 {
                for day in 1..=i64::from(days_in(year, month)) {
                    assert_eq!(days_since_epoch(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
        assert_eq!(days_since_epoch(1970, 1, 1), 0);
        assert_eq!(days_since_epoch(2000, 3, 1), 11_017);
        assert_eq!(days_since_epoch(0, 1, 1), -719_528);
    }

    #[test]
    fn a_day_lasts_until_its_end_and_a_time_is_exact() {
        for (text, expected) in [
            ("1970-01-01", DAY - 1),
            ("1969-12-31", -1),
            ("2024-02-29", 1_709_251_199_999),
            ("2000-02-29", 951_868_799_999),
            ("9999-12-31", 253_402_300_799_999),
            ("1970-01-01T00:00:00Z", 0),
            ("2027-06-30T12:00:00Z", 1_814_356_800_000),
            ("2027-06-30t12:00:00z", 1_814_356_800_000),
            ("2027-06-30 14:00:00+02:00", 1_814_356_800_000),
            ("2027-06-29T22:30:00-13:30", 1_814_356_800_000),
            ("1970-01-01T00:00:00.5Z", 500),
            ("1970-01-01T00:00:00.0070000Z", 7),
            ("1970-01-01T00:00:00.99999-00:00", 999),
        ] {
            assert_eq!(deadline(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn faults_of_a_date_are_told_apart() {
        for (text, expected) in [
            ("", DateFault::Form),
            ("30.06.2027", DateFault::Form),
            ("2027-6-30", DateFault::Form),
            ("+027-06-30", DateFault::Form),
            ("２０２７-06-30", DateFault::Form),
            ("2027-06-30T", DateFault::Form),
            ("2027-06-30T12:00Z", DateFault::Form),
            ("2027-06-30T12:00:00.Z", DateFault::Form),
            ("2027-06-30T12:00:00+0200", DateFault::Form),
            ("2027-06-30T12:00:00+02:00 ", DateFault::Form),
            ("2027-06-30T12:00:00 CET", DateFault::Form),
            ("2027-06-30T12:00:00", DateFault::NoOffset),
            ("2027-06-30T12:00:00.5", DateFault::NoOffset),
            ("2027-00-30", DateFault::Month),
            ("2027-13-30", DateFault::Month),
            ("2027-06-00", DateFault::Day(30)),
            ("2027-06-31", DateFault::Day(30)),
            ("2027-02-29", DateFault::Day(28)),
            ("2028-02-30", DateFault::Day(29)),
            ("2100-02-29", DateFault::Day(28)),
            ("2000-02-30", DateFault::Day(29)),
            ("2027-06-30T24:00:00Z", DateFault::Time),
            ("2027-06-30T12:60:00Z", DateFault::Time),
            ("2016-12-31T23:59:60Z", DateFault::Time),
            ("2027-06-30T12:00:00+24:00", DateFault::Time),
        ] {
            assert_eq!(deadline(text), Err(expected), "{text}");
            assert!(!expected.expected().is_empty());
        }
    }

    #[test]
    fn a_time_without_offset_was_probably_utc() {
        let near = |text| deadline(text).err().and_then(|fault| fault.near(text));
        assert_eq!(near("2027-06-30T12:00:00").as_deref(), Some("2027-06-30T12:00:00Z"));
        assert_eq!(near("2027-06-30T25:00:00"), None);
        assert_eq!(near("2027-06-31"), None);
    }
}
