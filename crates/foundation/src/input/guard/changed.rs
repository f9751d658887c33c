//! Values that a spreadsheet changes when it opens a CSV file: a number, a percentage, an amount of money, a fraction, a
//! date, a time or a truth value, whose text is not the one in the file, or is not what a workbook would then have in it.
//!
//! What it takes for what depends on its language, so a cell is one of these if some language makes it one: `5.3` is a
//! number in English and the 5th of March in German.

/// Digits of a whole number that are shown without an exponent.
const SHOWN: usize = 11;
/// Digits of a number that are kept.
const KEPT: usize = 15;
/// Bytes of the longest word for a truth value.
const LONGEST_TRUTH: usize = 10;
/// Bytes of the longest that may follow a number after a blank, ` September 2026`.
const LONGEST_AFTER_BLANK: usize = 15;

/// Names of months, whole and as they are shortened, in English, German, French, Spanish, Portuguese, Italian and Dutch.
#[rustfmt::skip]
const MONTHS: [&str; 71] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "january", "february", "march", "april", "june", "july", "august", "september", "october", "november", "december",
    "mrz", "mai", "okt", "dez", "januar", "februar", "juni", "juli", "oktober", "dezember",
    "janv", "mars", "avr", "juin", "juil", "janvier", "avril", "juillet", "septembre", "octobre", "novembre",
    "ene", "abr", "ago", "dic", "enero", "marzo", "abril", "mayo", "junio", "julio", "agosto",
    "fev", "set", "out", "janeiro", "maio", "setembro", "outubro", "gen", "mag", "giu", "lug", "ott", "maggio",
    "mrt", "mei",
];

/// Words for true and false, which spreadsheets write in capitals.
const TRUTHS: [&str; 12] = [
    "true",
    "false",
    "wahr",
    "falsch",
    "vrai",
    "faux",
    "verdadero",
    "falso",
    "verdadeiro",
    "vero",
    "waar",
    "onwaar",
];

/// Whether a cell is read as something else, by what it begins with. Signs are not asked about here.
#[inline]
pub(super) fn is_changed(cell: &[u8]) -> bool {
    match cell.first() {
        Some(b'0'..=b'9') => from_digit(cell),
        Some(b'A'..=b'Z' | b'a'..=b'z') => from_letter(cell),
        // `$5`, `(5)`, `.5`, and the first bytes of `£`, `¥` and `€`.
        Some(b'$' | b'(' | b'.' | b',' | 0xc2 | 0xe2) => is_reckoned(cell),
        _ => false,
    }
}

/// Whether a cell that begins with a digit is read as something else: `0155`, `2.10`, `491701234567`, `1e5`, `5-3`, `1/2`, `10:5`,
/// `5 Mar`, `3%`, `5 €`, `1,234`, `2 1/2`, `5 A`. A date as `2026-03-05` is one to everybody, and is left to be one.
#[inline]
fn from_digit(cell: &[u8]) -> bool {
    let (whole, rest) = digits(cell);
    match rest.first() {
        None => is_number(cell, whole, &[]),
        // Most cells that begin with digits and are no numbers: streets, telephones, GUIDs.
        Some(b' ') if rest.len() > LONGEST_AFTER_BLANK => false,
        Some(b' ') => is_reckoned(cell) || is_fraction(rest) || (whole <= 2 && is_date(cell)),
        Some(b'.' | b',') => {
            let (fraction, end) = digits(&rest[1..]);
            if end.is_empty() {
                // A decimal comma is a point in a workbook.
                rest[0] == b','
                    || fraction == 0
                    || is_number(cell, whole, &rest[1..])
                    || is_grouped(whole, rest)
                    || is_date(cell)
            } else {
                is_date(cell) || is_grouped(whole, rest) || is_reckoned(cell)
            }
        }
        Some(_) => is_date(cell) || is_reckoned(cell),
    }
}

/// Whether a cell has digits, what stands between the digits of numbers, and what makes a spreadsheet reckon with it: a
/// currency, a percent sign, a colon, an exponent, half of the day, a sign at its end, brackets around it, a point before it.
/// Which of these it takes is hard to foresee (`30  :` is thirty hours), so that all are taken for such.
fn is_reckoned(cell: &[u8]) -> bool {
    let is_around = matches!(cell, [b'(', .., b')']);
    let mut is_telling = is_around || matches!(cell, [b'.' | b',', ..] | [.., b'+' | b'-']);
    let (mut has_digit, mut word, mut letters, mut is_followed) = (false, [0; 2], 0, false);
    // Whether a digit follows the word, and a blank stands before it.
    let (mut before, mut is_apart) = (0, false);
    let mut rest = cell;
    loop {
        rest = match rest {
            [] => break,
            [byte @ (b'a'..=b'z' | b'A'..=b'Z'), after @ ..] => {
                let Some(letter) = word.get_mut(letters) else {
                    return false;
                };
                is_apart |= letters == 0 && before == b' ';
                *letter = byte.to_ascii_lowercase();
                letters += 1;
                is_followed = false;
                after
            }
            [byte, after @ ..] if byte.is_ascii_digit() => {
                (has_digit, is_followed) = (true, letters > 0);
                after
            }
            [b'%' | b':' | b'$', after @ ..] | [0xc2, 0xa3 | 0xa5, after @ ..] | [0xe2, 0x82, 0xac, after @ ..] => {
                is_telling = true;
                after
            }
            [b'.' | b',' | b'/' | b'-' | b'+' | b'(' | b')' | b' ', after @ ..] | [0xc2, 0xa0, after @ ..] => after,
            _ => return false,
        };
        before = cell[cell.len() - rest.len() - 1];
    }
    let is_word = match &word[..letters] {
        [] => is_telling,
        // An exponent has digits, and a letter by itself may be part of a house number, `5A`.
        b"e" => is_followed,
        b"a" | b"p" => is_apart,
        b"am" | b"pm" => true,
        _ => false,
    };
    has_digit && is_word
}

/// ` 1/2`, after a number.
fn is_fraction(rest: &[u8]) -> bool {
    let (above, rest) = digits(&rest[1..]);
    let below = rest.strip_prefix(b"/").map(digits);
    matches!(above, 1..=3) && below.is_some_and(|(below, end)| matches!(below, 1..=3) && end.is_empty())
}

/// `,234`, `.234.567`, after up to three digits: the thousands of some language.
fn is_grouped(whole: usize, rest: &[u8]) -> bool {
    let is_group = |group: &[u8]| group.len() == 4 && group[0] == rest[0] && group[1..].iter().all(u8::is_ascii_digit);
    matches!(whole, 1..=3) && rest.len().is_multiple_of(4) && rest.chunks(4).all(is_group)
}

/// Whether a cell that begins with a letter is read as something else: `MAR5`, `Sept-12`, `True`.
#[inline]
fn from_letter(cell: &[u8]) -> bool {
    match cell.last() {
        Some(last) if last.is_ascii_digit() => cell.len() <= 15 && is_month_and_number(cell),
        _ => cell.len() <= LONGEST_TRUTH && is_truth(cell),
    }
}

/// How many digits the cell begins with, and what follows them.
fn digits(cell: &[u8]) -> (usize, &[u8]) {
    let count = cell.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &cell[count..])
}

/// A number that is shown in another way than it is written.
fn is_number(cell: &[u8], whole: usize, fraction: &[u8]) -> bool {
    (whole > 1 && cell[0] == b'0') || whole > SHOWN || fraction.last() == Some(&b'0') || whole + fraction.len() > KEPT
}

/// `5-3`, `1/2`, `12-2026`, `5.3.`, `5 Mar`, `5-Mar-26`.
fn is_date(cell: &[u8]) -> bool {
    if cell.len() > 16 || is_of_iso(cell) {
        return false;
    }
    let cell = cell.strip_suffix(b".").unwrap_or(cell);
    let has_month_by_itself = cell.iter().any(u8::is_ascii_alphabetic);
    let (mut parts, mut may_be_month, mut years) = (0, false, 0);
    // Between numbers a comma is a decimal one.
    let is_between = |byte: &u8| matches!(byte, b'-' | b'/' | b'.' | b' ') || (*byte == b',' && has_month_by_itself);
    for part in cell.split(is_between) {
        parts += 1;
        let (count, rest) = digits(part);
        match (count, rest) {
            (1, []) if part == b"0" => return false,
            (1 | 2, []) => may_be_month |= matches!(number(part), 1..=12),
            (4, []) => years += 1,
            (0..=2, [_, ..]) if is_month(rest) => may_be_month = true,
            // Of `5. Mar`.
            (0, []) if parts == 2 => parts -= 1,
            _ => return false,
        }
    }
    // A blank stands between day and month only where that is a word.
    let is_spaced = cell.contains(&b' ') && !has_month_by_itself;
    may_be_month && years <= 1 && !is_spaced && (matches!(parts, 2 | 3) || (parts == 1 && has_month_by_itself))
}

/// `2026-03-05`.
fn is_of_iso(cell: &[u8]) -> bool {
    cell.len() == 10 && cell[4] == b'-' && cell[7] == b'-' && digits(cell).0 == 4
}

fn number(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

fn is_month(word: &[u8]) -> bool {
    MONTHS.iter().any(|month| word.eq_ignore_ascii_case(month.as_bytes()))
}

fn is_month_and_number(cell: &[u8]) -> bool {
    let letters = cell.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let rest = match &cell[letters..] {
        [b'.', b' ', rest @ ..] => rest,
        rest => rest.strip_prefix(b"-").or(rest.strip_prefix(b"/")).unwrap_or(rest),
    };
    let rest = rest.strip_prefix(b".").or(rest.strip_prefix(b" ")).unwrap_or(rest);
    let (count, end) = digits(rest);
    end.is_empty() && matches!(count, 1 | 2 | 4) && is_month(&cell[..letters])
}

/// A workbook has the same truth value whatever the word for it, and the English words come of it.
fn is_truth(cell: &[u8]) -> bool {
    !matches!(cell, b"TRUE" | b"FALSE") && TRUTHS.iter().any(|truth| cell.eq_ignore_ascii_case(truth.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_some_spreadsheet_changes_is_known() {
        for cell in [
            "00123",
            "0155",
            "2.10",
            "491701234567",
            "1e5",
            "1E5",
            "12e-3",
            "1.5E+10",
            "5-3",
            "5/3",
            "1/2",
            "5.3",
            "2.71",
            "5.3.",
            "3-5-26",
            "1.2.2026",
            "12-2026",
            "2026-5",
            "5-40",
            "5-Mar",
            "5 Mar",
            "5 September 2026",
            "5. Mrz",
            "5-mar-26",
            "05.03.26",
            "12:30",
            "9:5",
            "1:2:3",
            "MAR5",
            "Mar-05",
            "SEPT2",
            "Dez 24",
            "Mai 2026",
            "5MAR",
            "True",
            "false",
            "Wahr",
            "vero",
            "WAHR",
            "3%",
            "3 %",
            "12.5%",
            "1,5 %",
            "$5",
            "$1,200.50",
            "€ 5",
            "£5",
            "5€",
            "5 €",
            "19,90 €",
            "12 1/2",
            "1 3/4",
            "1,234",
            "2.718",
            "1.234.567",
            "(5)",
            "(1,200)",
            ".5",
            ",75",
            "5.",
            "5 A",
            "11 pm",
            "5pm",
            "007 AM",
            "12:30 PM",
            "8:00 - 17:00",
            "30  :",
            "12E4-9",
            "0 e5",
            "1-",
            "12+",
            "1$-",
            ".1%",
            "1,Okt",
            "12,12",
        ] {
            assert!(is_changed(cell.as_bytes()), "{cell}");
        }
        for cell in [
            "0",
            "155",
            "49170123456",
            "2.71828",
            "0.5",
            "20-22",
            "5-123",
            "1/20/300",
            "0155 x",
            "089 123",
            "5 3",
            "7 Main St",
            "1.2.3.4",
            "10.0.0.1",
            "2026-03-05",
            "2026-03-05T12:00:00Z",
            "1e",
            "1e5x",
            "12A",
            "7P",
            "3rd",
            "5th Ave",
            "84a03d81-6b37-4d66",
            "12345678-1234",
            "80331",
            "A-1",
            "MARSA5",
            "Mark5",
            "Marx 5",
            "May",
            "TRUE",
            "Trueman",
            "Falschauer",
            "W6",
            "M5",
            "100 % Cotton",
            "5 Acorn Way",
            "5 B",
            "12 1/2 High St",
            "12 Main St",
            "$",
            "$ave",
            "(425) 555-0100",
            "()",
            "…",
            "’s Gravenhage",
            "1,23,456",
            ".",
            ".net",
            "£",
            "°C",
        ] {
            assert!(!is_changed(cell.as_bytes()), "{cell}");
        }
    }
}
