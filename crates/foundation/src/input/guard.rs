//! Keeping spreadsheets from running what a cell says.
//!
//! A spreadsheet takes a cell of a CSV file that begins with one of some characters for a formula. In the files we
//! write, an apostrophe stands before such a cell, and before a cell that such an apostrophe could be read
//! into; reading a file of ours takes exactly one away again. Whether a file is ours its header tells, so
//! the cells of all others are left alone.

use super::block::{Cells, Mark};

const GUARD: u8 = b'\'';

/// Columns that stand side by side in every file of ours, and hardly in any other: in results and rejects, and in lists of
/// users, which are edited and come back as changes.
const OURS: [[&str; 2]; 2] = [["_code", "_message"], ["Microsoft ID", "Primary domain name"]];

/// Whether a cell is to be written with an apostrophe before it.
#[inline]
pub fn is_needed(cell: &[u8]) -> bool {
    match cell.first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n') => true,
        // An apostrophe already, or the first byte of a full-width sign.
        Some(&GUARD | 0xef) => runs(cell),
        _ => false,
    }
}

/// The cell as it was before it was written.
#[inline]
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(guarded) if runs(cell.as_bytes()) => guarded,
        _ => cell,
    }
}

/// Whether what follows any apostrophes and byte order marks, which nobody sees, could begin a formula. In East Asian
/// locales full-width signs do, too.
#[cold]
fn runs(cell: &[u8]) -> bool {
    let mut rest = cell;
    while let [GUARD, after @ ..] | [0xef, 0xbb, 0xbf, after @ ..] = rest {
        rest = after;
    }
    match rest {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        [0xef, 0xbc, last, ..] => matches!(last, 0x8b | 0x8d | 0x9d | 0xa0),
        _ => false,
    }
}

/// Whether a file with this header is one we wrote, edited since or not.
pub(super) fn is_ours(header: &[String]) -> bool {
    header.windows(2).any(|names| OURS.iter().any(|ours| names == ours))
}

/// Takes the guards off the row appended since `mark`.
pub(super) fn take_off(mark: Mark, cells: &mut Cells, scratch: &mut String) {
    let guarded = |cell: &str| unguarded(cell).len() < cell.len();
    if cells.since(mark).cells().any(guarded) {
        cells.rewrite(mark, scratch, |_, cell| unguarded(cell));
    }
}
