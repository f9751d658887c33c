//! Dates, exactly: `2027-02-28`, or with a time in UTC, `2027-02-28T12:00:00Z`.

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Milliseconds since the epoch; for a date alone those of its last moment in UTC.
pub(crate) fn last_moment(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let day = days(date)?;
    let within = match time {
        None => DAY_MILLIS - 1,
        Some(time) => millis_of(time)?,
    };
    Some(day * DAY_MILLIS + within)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let sound = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

/// Days since the epoch of `YYYY-MM-DD` in the Gregorian calendar.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (
        number(parts.next()?, 4)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1970..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // Counted from March, so that the leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (y / 400, y % 400);
    let of_year = (153 * m + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Milliseconds of `HH:MM:SSZ`, with or without a fraction.
fn millis_of(time: &str) -> Option<i64> {
    let time = time.strip_suffix(['Z', 'z'])?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = whole.split(':');
    let (hours, minutes, seconds) = (
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    let sound = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 60;
    if !sound || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(last_moment("1970-01-01"), Some(DAY_MILLIS - 1));
        assert_eq!(last_moment("1970-01-02T00:00:00Z"), Some(DAY_MILLIS));
        assert_eq!(last_moment("2000-02-29T00:00:00Z"), Some(951_782_400_000));
        assert_eq!(last_moment("2027-11-23T09:04:19.25Z"), Some(1_826_960_659_250));
        for none in [
            "2027-02-29",
            "1900-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-04-31",
            "27-04-30",
            "2027-4-30",
            "2027-04-30T",
            "",
            "2027-04-30T24:00:00Z",
            "2027-04-30T10:00:00",
            "2027-04-30T10:00:00+02:00",
            "30.04.2027",
            "1969-12-31",
        ] {
            assert_eq!(last_moment(none), None, "{none}");
        }
    }
}
