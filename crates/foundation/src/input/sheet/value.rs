//! The text of a cell: what a person who sees the sheet would type into a CSV file, in a form that does not
//! depend on their language.

use std::fmt::Write as _;

use calamine::{DataRef, ExcelDateTime};

/// The first day number that is past the year 9999.
const DAYS: f64 = 2_958_466.0;

/// Appends the text of a value.
pub(super) fn write(value: &DataRef<'_>, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        DataRef::Empty => Ok(()),
        DataRef::String(value) | DataRef::DurationIso(value) => text.write_str(value),
        DataRef::SharedString(value) => text.write_str(value),
        DataRef::DateTimeIso(value) => text.write_str(value.strip_suffix("T00:00:00").unwrap_or(value)),
        DataRef::Int(value) => write!(text, "{value}"),
        DataRef::Float(value) => number(*value, text),
        DataRef::Bool(true) => text.write_str("TRUE"),
        DataRef::Bool(false) => text.write_str("FALSE"),
        DataRef::DateTime(value) => date(value, text),
        DataRef::Error(error) => write!(text, "{error}"),
    };
}

/// Whether a whole number has more digits than spreadsheets keep: what follows the fifteenth is lost, whatever is shown of it.
pub(super) fn is_cut(value: f64) -> bool {
    value.abs() >= 1e15 && value.is_finite()
}

/// Whole numbers as they are, others to the 15 digits that spreadsheets reckon with. One of which digits are lost has an
/// exponent, as spreadsheets show it, so that nobody takes it for what was typed.
pub(super) fn number(value: f64, text: &mut String) -> std::fmt::Result {
    if value == 0.0 {
        // There is a negative zero.
        return text.write_str("0");
    }
    if is_cut(value) {
        let shown = format!("{value:.14E}");
        let (digits, exponent) = shown.split_once('E').unwrap_or((&shown, "0"));
        return write!(
            text,
            "{}E+{exponent}",
            digits.trim_end_matches('0').trim_end_matches('.')
        );
    }
    let rounded = if value.fract() == 0.0 {
        value
    } else {
        format!("{value:.14e}").parse().unwrap_or(value)
    };
    write!(text, "{rounded}")
}

/// `2024-01-31`, `2024-01-31T08:30:00`, `08:30:00`, or `PT36H` for a duration.
fn date(value: &ExcelDateTime, text: &mut String) -> std::fmt::Result {
    let days = value.as_f64();
    if !(0.0..DAYS).contains(&days) {
        return number(days, text);
    }
    if value.is_duration() {
        return duration(days, text);
    }
    let (year, month, day, hour, minute, second, milli) = value.to_ymd_hms_milli();
    let has_date = days >= 1.0;
    if has_date {
        write!(text, "{year:04}-{month:02}-{day:02}")?;
    }
    if has_date && (hour, minute, second, milli) == (0, 0, 0, 0) {
        return Ok(());
    }
    if has_date {
        text.push('T');
    }
    write!(text, "{hour:02}:{minute:02}:{second:02}")?;
    if milli > 0 {
        write!(text, ".{milli:03}")?;
    }
    Ok(())
}

fn duration(days: f64, text: &mut String) -> std::fmt::Result {
    let millis = (days * 86_400_000.0).round() as u64;
    let (seconds, milli) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    text.push_str("PT");
    for (count, unit) in [(hours, 'H'), (minutes, 'M')] {
        if count > 0 {
            write!(text, "{count}{unit}")?;
        }
    }
    match milli {
        0 if seconds == 0 && millis > 0 => Ok(()),
        0 => write!(text, "{seconds}S"),
        _ => write!(text, "{seconds}.{milli:03}S"),
    }
}

#[cfg(test)]
mod tests {
    use calamine::{DataRef, ExcelDateTime, ExcelDateTimeType};

    use super::write;

    #[test]
    fn values_are_written_as_one_would_type_them() {
        let date = |days, is_1904| DataRef::DateTime(ExcelDateTime::new(days, ExcelDateTimeType::DateTime, is_1904));
        let span = |days| DataRef::DateTime(ExcelDateTime::new(days, ExcelDateTimeType::TimeDelta, false));
        for (value, expected) in [
            (DataRef::Float(12_345_678_901_234.0), "12345678901234"),
            (DataRef::Float(1.5), "1.5"),
            (DataRef::Float(0.1 + 0.2), "0.3"),
            (DataRef::Float(-0.0), "0"),
            (DataRef::Float(1e-7), "0.0000001"),
            (DataRef::Float(1e21), "1E+21"),
            (DataRef::Float(999_999_999_999_999.0), "999999999999999"),
            (DataRef::Float(-12_345_678_901_234_567_890.0), "-1.23456789012346E+19"),
            (DataRef::Int(-3), "-3"),
            (DataRef::Bool(true), "TRUE"),
            (date(45_322.0, false), "2024-01-31"),
            (date(45_322.354_166_666_664, false), "2024-01-31T08:30:00"),
            (date(0.5, false), "12:00:00"),
            (date(43_860.0, true), "2024-01-31"),
            (date(-1.0, false), "-1"),
            (date(2_958_466.0, false), "2958466"),
            (span(1.5), "PT36H"),
            (span(0.0), "PT0S"),
            (span(0.000_017_361_111), "PT1.500S"),
            (DataRef::DateTimeIso("2024-01-31T00:00:00".to_owned()), "2024-01-31"),
        ] {
            let mut text = String::new();
            write(&value, &mut text);
            assert_eq!(text, expected, "{value:?}");
        }
    }
}
