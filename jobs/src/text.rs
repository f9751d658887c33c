//! Rules about characters that hold for every cell.
//!
//! Characters that nobody sees come into files with what is copied from web pages and documents. Around a value they are
//! taken off like blanks; within one they are refused, since two values that look alike would be different ones. Those that
//! join letters or choose their form belong to some scripts and stay.

pub(crate) mod dates;
mod errors;
mod placeholders;

use std::borrow::Cow;

/// Whether nobody sees the character, beside blanks and controls: marks of direction, joiners, hyphens that do not show,
/// byte order marks, tags, the braille pattern without dots. What chooses the form of an ideograph belongs to it.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180E}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E00FF}' | '\u{E01F0}'..='\u{E0FFF}')
}

/// Whether the character means something between letters: U+200C and U+200D, which join them or keep them apart.
fn joins(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Whether the character is none that a value can begin or end with.
pub(crate) fn is_around(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// The text as it comes out of a file: composed (NFC), without what cannot be seen around it.
pub fn as_read(text: &str) -> Cow<'_, str> {
    match crate::key::composed(text) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(is_around)),
        Cow::Owned(text) => Cow::Owned(text.trim_matches(is_around).to_owned()),
    }
}

/// Whether a cell that was read says what a store holds. A file cannot say some texts that stores hold, and who hands in the
/// nearest that it can say asks for nothing.
#[inline]
pub fn is_as_read(held: &str, read: &str) -> bool {
    held == read || is_near(held, read)
}

/// Most texts are ASCII without blanks around them, and are read as they are.
fn is_near(held: &str, read: &str) -> bool {
    let is_plain = held.is_ascii() && !held.starts_with(is_around) && !held.ends_with(is_around);
    !is_plain && as_read(held) == read
}

/// Whether the text holds a character that no value has: a control character (C0, DEL or C1), one that nobody sees, or
/// U+FFFD, which stands where one was lost.
#[inline]
pub(crate) fn has_control(text: &str) -> bool {
    !is_of_plain_bytes(text) && text.chars().any(is_none_of_a_value)
}

/// Whether the text surely has no [control](has_control) and no character that nobody sees. Looked at as bytes, without a
/// branch, it is few instructions.
#[inline]
pub(crate) fn is_of_plain_bytes(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & is_plain_byte(byte))
}

/// Whether the text surely has no [control](has_control) and no `?`.
#[inline]
pub(crate) fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| is_plain_byte(byte) && byte != b'?';
    text.bytes().fold(true, |plain, byte| plain & is_plain(byte))
}

/// Characters that begin with a byte of 0xC3 to 0xD7, U+00C0 to U+05FF, are all letters and marks, but for one that begins with 0xCD.
#[inline]
fn is_plain_byte(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E | 0x80..=0xC1 | 0xC3..=0xCC | 0xCE..=0xD7)
}

pub(crate) fn is_none_of_a_value(c: char) -> bool {
    c.is_control() || c == '\u{FFFD}' || is_line(c) || (is_invisible(c) && !joins(c))
}

/// Whether the character draws a line of a box, which letters become that are read as those of a console: `M├╝ller`.
pub(crate) fn is_line(c: char) -> bool {
    matches!(c, '\u{2500}'..='\u{257F}')
}

/// Where a `?` stands for a letter that the encoding of a saved file did not have: before another one, as in `M?ller`, or
/// with nothing but others, `???? ??`. With `beside`, also after one: `Jos?`, which is no question in a name.
pub(crate) fn lost_letter(text: &str, beside: bool) -> Option<usize> {
    if text.contains("://") {
        return None;
    }
    if !text.chars().any(char::is_alphanumeric) {
        return text
            .contains("??")
            .then(|| text.chars().take_while(|c| *c != '?').count());
    }
    let mut before = ' ';
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map_or(' ', |(_, next)| *next);
        let is_within = next.is_alphabetic() && !before.is_ascii_digit() && !"/&=".contains(before);
        if c == '?' && (is_within || (beside && before.is_alphabetic())) {
            return Some(at);
        }
        before = c;
    }
    None
}

/// What a spreadsheet has made of a value, said with what to do; `None` for a value. `digits` says whether the
/// column is of numbers that are no quantities: telephones, postal codes, ids.
#[inline]
pub(crate) fn spoilt(text: &str, digits: impl Fn() -> bool) -> Option<&'static str> {
    match text.as_bytes().first()? {
        b'#' | b'E' | b'F' => errors::is_error(text).then_some(
            "a spreadsheet wrote an error here, or that a column is too narrow, instead of the value; fix the cell there, or \
             type the value",
        ),
        b'=' => is_formula(text).then_some("this is a formula and not its value; type what it comes to"),
        b'\'' => {
            let runs = text[1..].starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
            (runs || (text[1..].starts_with(|c: char| c.is_ascii_digit()) && digits()))
                .then_some("the apostrophe is not part of the value, spreadsheets mark text by it; delete it")
        }
        b'0'..=b'9' => is_number_spoilt(text, digits),
        b'+' | b'-' => is_number_spoilt(&text[1..], digits),
        _ => placeholders::spoilt(text, digits),
    }
}

/// `=` before a number, a text, a cell or a function.
fn is_formula(text: &str) -> bool {
    let rest = text.trim_start_matches(['=', '+', '-', '@', '$', '(', ' ']);
    let letters = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'.')
        .count();
    let after = rest.as_bytes().get(letters);
    match letters {
        0 => after.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'"'),
        _ => matches!(after, Some(b'(' | b'!' | b'$')) || (letters <= 3 && after.is_some_and(u8::is_ascii_digit)),
    }
}

/// `4.91512E+11`, and in a column of `digits` `5E+10` and `1067.0`.
#[inline]
fn is_number_spoilt(text: &str, digits: impl Fn() -> bool) -> Option<&'static str> {
    let (whole, rest) = leading_digits(text.as_bytes());
    match rest.first()? {
        b'.' | b',' | b'E' | b'e' if whole > 0 => {}
        // What most numbers are: telephones with blanks, streets, dates.
        _ => return None,
    }
    let (part, rest) = match rest {
        [b'.' | b',', after @ ..] => {
            let (digits, rest) = leading_digits(after);
            (&after[..digits], rest)
        }
        _ => (&[][..], rest),
    };
    if let [b'E' | b'e', exponent @ ..] = rest {
        // A code may be `12E4`, and none has a point in it.
        let (exponent, is_signed) = match exponent {
            [b'+' | b'-', digits @ ..] => (digits, true),
            digits => (digits, false),
        };
        let is_number = !exponent.is_empty() && leading_digits(exponent).1.is_empty();
        let is_spoilt = is_number
            && match (part.is_empty(), is_signed) {
                (true, false) => false,
                (false, true) => true,
                _ => digits(),
            };
        return is_spoilt.then_some(
            "a spreadsheet has kept only some of the digits; format the column as text there, and type the value again",
        );
    }
    (rest.is_empty() && !part.is_empty() && part.iter().all(|byte| *byte == b'0') && digits()).then_some(
        "a program took the digits for a quantity (leading zeros may be lost as well); write the column as text",
    )
}

/// How many digits the text begins with, and what follows them.
fn leading_digits(text: &[u8]) -> (usize, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits, &text[digits..])
}

/// Whether the text has a capital ASCII letter.
pub(crate) fn has_ascii_upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_and_characters_are_checked_alike(text in "[ -~]{0,9}([\\PC\\u{80}-\\u{700}]|.|\\n){0,3}[ -~]{0,9}") {
            prop_assert_eq!(has_control(&text), text.chars().any(is_none_of_a_value));
            prop_assert!(!is_of_plain_bytes(&text) || !text.contains(is_invisible));
            prop_assert!(!is_plain(&text) || !(has_control(&text) || text.contains('?')));
        }
    }

    #[test]
    fn control_characters_are_seen() {
        for (text, expected) in [
            ("", false),
            ("Zoë Øst, Łódź · 北京", false),
            ("naïve £5 ¡olé!", false),
            ("a\0b", true),
            ("a\tb", true),
            ("a\u{7f}b", true),
            ("long enough for words, and then \u{7f}", true),
            ("long enough\tfor words, and then some", true),
            ("0123456\u{1f}", true),
            ("long enough for words, ~ and then some", false),
            ("a\u{85}b", true),
            ("e\u{301}", false),
            ("e\u{200f}", true),
            ("Jos\u{fffd}", true),
            ("SP\u{200b}B", true),
            ("Li\u{34f}ly", true),
            ("A\u{2800}B", true),
            ("A\u{e0041}B", true),
            ("\u{845b}\u{e0100}\u{57ce}", false),
            ("\u{202e}abc", true),
            ("می\u{200c}خواهم", false),
            ("👩\u{200d}💻\u{fe0f}", false),
            ("M├╝ller", true),
            ("★ VIP — ✓ →", false),
        ] {
            assert_eq!(has_control(text), expected, "{text:?}");
        }
    }

    #[test]
    fn letters_that_were_lost_are_seen() {
        for (text, at) in [
            ("M?ller", 1),
            ("?ukasz", 0),
            ("B\u{f6} ?ukasz", 3),
            ("O'?eill", 2),
            ("Wei?enburger Stra?e 5", 3),
            ("????", 0),
            ("??? ????", 0),
            ("(??)", 1),
        ] {
            assert_eq!(lost_letter(text, false), Some(at), "{text}");
        }
        for text in [
            "Jos?",
            "Lód? 5",
            "Questions?",
            "Was nun? GmbH",
            "?",
            "? 5",
            "5?",
            "A 7?b",
            "http://a/?q",
            "",
        ] {
            assert_eq!(lost_letter(text, false), None, "{text}");
        }
        assert_eq!(
            (lost_letter("Jos?", true), lost_letter("Lód? 5", true)),
            (Some(3), Some(3))
        );
        assert_eq!(lost_letter("? 5", true), None);
    }

    #[test]
    fn a_value_that_a_spreadsheet_has_changed_is_seen() {
        for text in [
            "#N/A",
            "#name?",
            "########",
            "#WERT!",
            "#¡DIV/0!",
            "Err:502",
            "'-b'",
            "'=x",
            "'＠home'",
            "=1+1",
            "=A1",
            "=SUM(A1:A3)",
            "=\"00123\"",
            "=\"\"",
            "NULL",
            "NaN",
            "System.String[]",
            "System.Collections.Generic.List`1[System.String]",
            "Microsoft.Graph.PowerShell.Models.MicrosoftGraphAssignedLicense",
            "@{Name=Ana}",
            "[object Object]",
            "4.91512E+11",
            "4,9e+11",
            "1.5E-3",
        ] {
            assert!(spoilt(text, || false).is_some(), "{text}");
        }
        for text in [
            "'0155",
            "'+49 89 1",
            "5E+10",
            "01067.0",
            "1067,00",
            "4.91512E+11",
            "+4.91512E+11",
            "-5E+10",
            "4.9E11",
            "4,91512e11",
            "None",
            "n/a",
            "nan",
            "[\"+49 89 1\"]",
            "’+49 89 1",
            "´0155",
        ] {
            assert!(spoilt(text, || true).is_some(), "{text}");
        }
        for text in [
            "5E+10",
            "1067.0",
            "3.5",
            "None",
            "N/A",
            "Nan",
            "Null",
            "’s Gravenhage",
            "[1] Rd",
        ] {
            assert_eq!(spoilt(text, || false), None, "{text}");
        }
        for text in [
            "#",
            "#1",
            "#4 High Street",
            "#Ü1",
            "'t Hooft",
            "'n' Roll",
            "12E4",
            "1E4-9",
            "= Company =",
            "=Acme",
            "+49 89 1",
            "1.800.555",
            "0155",
            "3.5",
            "E+5",
            "Nullarbor",
            "Systems Ltd",
            "@home",
            "",
        ] {
            assert_eq!(spoilt(text, || true), None, "{text}");
        }
    }
}
