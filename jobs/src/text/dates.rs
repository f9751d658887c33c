//! Codes that a spreadsheet has taken for dates or times: `MAR5` becomes `05. Mrz`, the house numbers `3-5` become `5-Mar`, the
//! shelf `1:2` becomes `01:02:00`.
//!
//! Spreadsheets write months small or with one capital. `MAR-05` is a code that nothing was done to.

/// Names of months as spreadsheets shorten them in the languages of Europe, without the point at their end.
#[rustfmt::skip]
const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    // German, French, Spanish, Italian, Portuguese, Dutch.
    "mrz", "mär", "mai", "okt", "dez", "janv", "févr", "mars", "avr", "juin", "juil", "août", "déc", "ene", "abr", "ago",
    "dic", "gen", "mag", "giu", "lug", "set", "ott", "fev", "out", "mrt", "mei",
    // Danish, Swedish, Norwegian, Finnish.
    "maj", "des", "tammi", "helmi", "maalis", "huhti", "touko", "kesä", "heinä", "elo", "syys", "loka", "marras", "joulu",
    // Polish, Czech, Croatian, Slovenian, Romanian, Hungarian.
    "sty", "lut", "kwi", "cze", "lip", "sie", "wrz", "paź", "lis", "gru", "led", "úno", "bře", "dub", "kvě", "čvn", "čvc",
    "srp", "zář", "říj", "pro", "sij", "velj", "ožu", "tra", "svi", "kol", "ruj", "stu", "avg", "ian", "iun", "iul",
    "noi", "febr", "márc", "ápr", "máj", "jún", "júl", "szept",
    // Turkish, Russian.
    "oca", "şub", "nis", "haz", "tem", "ağu", "eyl", "eki", "kas", "ara", "янв", "фев", "мар", "апр", "май", "июн", "июл",
    "авг", "сен", "окт", "ноя", "дек",
];

/// What is said of a value that was a code before a spreadsheet took it for a date or a time. `codes` says whether the column is of such.
#[inline]
pub(crate) fn spoilt(text: &str, codes: impl Fn() -> bool) -> Option<&'static str> {
    let (first, last) = (text.as_bytes().first()?, text.as_bytes().last()?);
    let may_be = match first {
        b'0'..=b'9' => text.len() >= 4 && text.as_bytes()[1..].iter().take(4).any(|byte| b"-./ :".contains(byte)),
        // As a workbook's times of more than a day are read.
        b'P' if text.starts_with("PT") => text.as_bytes().get(2).is_some_and(u8::is_ascii_digit),
        // A month comes before a number.
        b'A'..=b'Z' | b'a'..=b'z' | 0xC3..=0xD1 => {
            // The shortest name of a month has three letters.
            let name = text.bytes().position(|byte| b"-./ ".contains(&byte));
            last.is_ascii_digit() && text.len() <= 14 && name.is_some_and(|bytes| bytes >= 3)
        }
        _ => false,
    };
    if !may_be {
        return None;
    }
    if is_date(text) && codes() {
        return Some(
            "a spreadsheet took the value for a date; format the column as text there, and type the value again",
        );
    }
    (is_time_alone(text) && codes())
        .then_some("a spreadsheet took the value for a time; format the column as text there, and type the value again")
}

/// `01:02:00`, with seconds, which nobody types; `PT36H`.
fn is_time_alone(text: &str) -> bool {
    match text.strip_prefix("PT") {
        Some(length) => {
            length.ends_with(['H', 'M', 'S'])
                && length
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || matches!(byte, b'H' | b'M' | b'S' | b'.'))
        }
        None => text.split(':').count() == 3 && is_time(text),
    }
}

/// `5-Mar`, `05. Mrz`, `Mar-05`, `5-Mar-26`, `2026-03-05`, `05.03.2026 00:00:00`.
fn is_date(text: &str) -> bool {
    if let Some((name, number)) = text.rsplit_once(['-', ' ']) {
        let is_year = matches!(number.len(), 2 | 4) && digits(number).is_some();
        if is_year && is_month(name) {
            return true;
        }
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) if is_time(time) => (date, true),
        _ => (text, false),
    };
    // The blank belongs to German dates.
    let date = date.replace(". ", "-");
    let parts: Vec<&str> = date.split(['-', '.', '/']).collect();
    match parts.as_slice() {
        [day, month] => !time && is_day(day) && is_month(month),
        [day, month, year] if is_month(month) => is_day(day) && matches!(year.len(), 2 | 4) && digits(year).is_some(),
        [year, month, day] if year.len() == 4 => is_year(year) && is_day(month) && is_day(day),
        // As spreadsheets of some languages write one, with two digits each.
        [one, other, year] if date.contains('/') && [one, other, year].iter().all(|part| part.len() == 2) => {
            is_day(one) && is_day(other) && digits(year).is_some() && (is_month_number(one) || is_month_number(other))
        }
        [one, other, year] => is_day(one) && is_day(other) && is_year(year),
        _ => false,
    }
}

fn is_month(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let mut letters = name.chars();
    letters.next().is_some_and(char::is_alphabetic)
        && letters.all(char::is_lowercase)
        && MONTHS.contains(&name.to_lowercase().as_str())
}

fn is_day(number: &str) -> bool {
    number.len() <= 2 && digits(number).is_some_and(|day| (1..=31).contains(&day))
}

fn is_month_number(number: &str) -> bool {
    digits(number).is_some_and(|month| (1..=12).contains(&month))
}

fn is_year(number: &str) -> bool {
    number.len() == 4 && digits(number).is_some_and(|year| (1900..2100).contains(&year))
}

fn digits(number: &str) -> Option<u32> {
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.parse().ok()).flatten()
}

/// `0:00`, `10:30:00.000Z`, `12:00:00 AM`.
fn is_time(time: &str) -> bool {
    let time = time
        .trim_end_matches('Z')
        .trim_end_matches(" AM")
        .trim_end_matches(" PM");
    let time = time.split_once('.').map_or(time, |(time, _)| time);
    let parts: Vec<&str> = time.split(':').collect();
    matches!(parts.len(), 2 | 3) && parts.iter().all(|part| part.len() <= 2 && digits(part).is_some())
}

#[cfg(test)]
mod tests {
    use super::spoilt;

    #[test]
    fn codes_that_became_dates_are_seen() {
        for text in [
            "5-Mar",
            "05-Mar",
            "Mar-05",
            "Mar-2026",
            "5-Mar-26",
            "05. Mrz",
            "5. Mai",
            "Mrz 05",
            "05-mars",
            "1-août",
            "5-maj",
            "05/fev",
            "5-kwi",
            "5.pro",
            "05.май",
            "Şub 05",
            "Май-05",
            "05.03.2026 00:00:00",
            "2026-03-05 00:00:00",
            "2026-03-05T00:00:00",
            "2026-03-05T00:00:00.000Z",
            "2026-03-05 10:30:00",
            "2026-03-05T10:30:00",
            "5.3.2026 7:05",
            "3/5/2026 12:00:00 AM",
            "05.03.2026",
            "3/5/2026",
            "2026-03-05",
            "03/05/26",
            "13/05/26",
            "01:02:00",
            "12:30:00",
            "1:02:00 PM",
            "PT36H",
            "PT25H30M",
            "PT1.500S",
        ] {
            assert!(spoilt(text, || true).is_some(), "{text}");
            assert_eq!(spoilt(text, || false), None, "{text}");
        }
        for text in [
            "MAR-05",
            "5-MAR",
            "MAR05",
            "3-5",
            "3/5",
            "12-14",
            "1-Main",
            "1 March Street",
            "5 Mar Vista",
            "Mar Vista",
            "Mai 5a",
            "05.03.26.11.12",
            "05-03-26",
            "12345-6789",
            "089 1234",
            "01.23.45",
            "99.99.2026",
            "32-Mar",
            "SPE_E3",
            "Suite 05",
            "1.5",
            "13/14/26",
            "3/5/26",
            "12:30",
            "1:2:3:4",
            "PTH",
            "PT4 Team",
            "PT12",
            "",
        ] {
            assert_eq!(spoilt(text, || true), None, "{text}");
        }
    }
}
