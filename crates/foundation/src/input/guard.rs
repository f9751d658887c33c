//! Keeping spreadsheets from running what a cell says, and from changing it.
//!
//! A spreadsheet takes a cell of a CSV file that begins with one of some characters for a formula, digits for a number, of which it
//! drops the zeros at the beginning and after a point and the digits that it has no room for, and codes for dates, times, amounts of
//! money, percentages and truth values (`changed`). Who opens a list of ours and saves it would change them in silence, in columns that nobody looked
//! at, and a code that has become a date cannot be had back. So in the files we write, an apostrophe stands before
//! every such cell, whatever its column, and before a cell that such an apostrophe could be read into; reading takes exactly
//! one away again. What a spreadsheet shows as it is written needs none, nor do dates as `2026-03-05`, which are to be dates there.
//!
//! People edit our files before they hand them in: columns go, move, get other names, and whole files are saved as
//! something else. So an apostrophe before such a character is taken off in any file: no author of a file means one.
//! The one exception is a cell that also ends with an apostrophe, which is quoted; it stays as it is unless some column
//! shows that the file is ours.
//!
//! Only the beginning of a cell is guarded. A spreadsheet whose list separator is `;` splits a file with commas at the semicolons
//! within cells, quoted or not, and may so find a formula behind one. An apostrophe there would change what programs read in the middle of lists
//! (`SPE_E3;-EXCHANGE`), and the rest of such a sheet is not what the file says either. Who has such a
//! spreadsheet takes lists as workbooks, whose cells are texts, or imports them with the comma as the separator.

mod changed;

use super::block::{Cells, Mark};

const GUARD: u8 = b'\'';

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
        _ => changed::is_changed(cell),
    }
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

/// Whether what follows any apostrophes and byte order marks, which nobody sees, could begin a formula, or is changed. In East Asian locales full-width signs begin formulas, too.
#[cold]
fn runs(cell: &[u8]) -> bool {
    let mut rest = cell;
    while let [GUARD, after @ ..] | [0xef, 0xbb, 0xbf, after @ ..] = rest {
        rest = after;
    }
    match rest {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        [0xef, 0xbc, last, ..] => matches!(last, 0x8b | 0x8d | 0x9d | 0xa0),
        _ => changed::is_changed(rest),
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
