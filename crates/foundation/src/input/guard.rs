//! Keeping spreadsheets from running what a cell says, and from changing it.
//!
//! A spreadsheet takes a cell of a CSV file that begins with one of some characters for a formula, and digits for a number,
//! of which it drops the zeros at the beginning and after a point, and the digits that it has no room for. In the files we
//! write, an apostrophe stands before such a cell, and before a cell that such an apostrophe could be read
//! into; reading takes exactly one away again.
//!
//! People edit our files before they hand them in: columns go, move, get other names, and whole files are saved as
//! something else. So an apostrophe before such a character is taken off in any file: nobody means one, whoever wrote it.
//! The one exception is a cell that also ends with an apostrophe, which is quoted; it stays as it is unless some column
//! shows that the file is ours.

use super::block::{Cells, Mark};

const GUARD: u8 = b'\'';
/// Digits of a whole number that are shown without an exponent.
const SHOWN: usize = 11;
/// Digits of a number that are kept.
const KEPT: usize = 15;

/// Columns that files of ours have, and hardly any other, without case, blanks and hyphens.
const OURS: [&str; 9] = [
    "_row",
    "_place",
    "_outcome",
    "_code",
    "_subject",
    "_message",
    "_id",
    "microsoftid",
    "primarydomainname",
];

/// Whether a cell is to be written with an apostrophe before it.
#[inline]
pub fn is_needed(cell: &[u8]) -> bool {
    match cell.first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n') => true,
        // An apostrophe already, or the first byte of a full-width sign.
        Some(&GUARD | 0xef) => runs(cell),
        Some(b'0'..=b'9') => is_changed(cell),
        _ => false,
    }
}

/// Whether a spreadsheet reads the cell, which begins with a digit, as a number and shows another: `0155`, `2.10`,
/// `491701234567`.
#[inline]
fn is_changed(cell: &[u8]) -> bool {
    let whole = cell.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match &cell[whole..] {
        [] => &[][..],
        [b'.' | b',', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => fraction,
        _ => return false,
    };
    (whole > 1 && cell[0] == b'0') || whole > SHOWN || fraction.last() == Some(&b'0') || whole + fraction.len() > KEPT
}

/// Whether a cell of a workbook, which runs no texts, is to be written with an apostrophe before it: because reading takes
/// one away.
#[inline]
pub fn is_needed_in_text(cell: &[u8]) -> bool {
    cell.first() == Some(&GUARD) && runs(cell)
}

/// The cell as it was before it was written.
#[inline]
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(guarded) if runs(cell.as_bytes()) => guarded,
        _ => cell,
    }
}

/// Whether what follows any apostrophes and byte order marks, which nobody sees, could begin a formula, or is a number that is
/// changed. In East Asian locales full-width signs begin formulas, too.
#[cold]
fn runs(cell: &[u8]) -> bool {
    let mut rest = cell;
    while let [GUARD, after @ ..] | [0xef, 0xbb, 0xbf, after @ ..] = rest {
        rest = after;
    }
    match rest {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        [b'0'..=b'9', ..] => is_changed(rest),
        [0xef, 0xbc, last, ..] => matches!(last, 0x8b | 0x8d | 0x9d | 0xa0),
        _ => false,
    }
}

/// Whether a file with this header is one we wrote, edited since or not.
pub(super) fn is_ours(header: &[String]) -> bool {
    let key = |name: &String| {
        let letters = unguarded(name)
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{feff}'));
        letters.flat_map(char::to_lowercase).collect::<String>()
    };
    header.iter().map(key).any(|name| OURS.contains(&name.as_str()))
}

/// Takes the guards off the row appended since `mark`, in a file that is ours or not.
pub(super) fn take_off(mark: Mark, ours: bool, cells: &mut Cells, scratch: &mut String) {
    if memchr::memchr(GUARD, &cells.text.as_bytes()[mark.text..]).is_none() {
        return;
    }
    let lifted = |cell: &str| lift(cell, ours).len() < cell.len();
    if cells.since(mark).cells().any(lifted) {
        cells.rewrite(mark, scratch, |_, cell| lift(cell, ours));
    }
}

/// The cell without a guard.
fn lift(cell: &str, ours: bool) -> &str {
    let is_quoted = cell.len() > 1 && cell.as_bytes().last() == Some(&GUARD);
    if is_quoted && !ours { cell } else { unguarded(cell) }
}
