//! Errors of a file as a whole, with their places.

use tenantry_jobs::printable;

/// A fault that ends the reading of a file.
///
/// Faults of single rows are the job kinds' to find; what stands here leaves no rows to go on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {}", printable(.file), PositionText(*.at, .sheet.as_deref()), printable(.message))]
pub struct InputError {
    /// The file as the user named it.
    pub file: String,
    /// The sheet, where the file is a workbook and the fault is in one of its sheets.
    pub sheet: Option<Box<str>>,
    /// Where in the decoded text, if the fault has a place.
    pub at: Option<Position>,
    /// Stable code, `kebab-case`; see [`code`].
    pub code: &'static str,
    /// What is wrong and what to do, without a full stop.
    pub message: String,
}

impl InputError {
    /// An error of the file as a whole; `code` is one of [`code`].
    pub fn new(file: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            sheet: None,
            at: None,
            code,
            message: message.into(),
        }
    }

    pub(super) fn at(mut self, at: Position) -> Self {
        self.at = Some(at);
        self
    }

    /// Of that sheet of a workbook.
    #[must_use]
    pub fn in_sheet(mut self, sheet: Option<&str>) -> Self {
        self.sheet = sheet.map(Box::from);
        self
    }

    /// The line of the fault, if it has one; of a workbook, the row of the sheet.
    pub fn line(&self) -> Option<u64> {
        self.at.map(|at| at.line)
    }

    /// The column of the fault in characters, if it has one.
    pub fn column(&self) -> Option<u64> {
        self.at.map(|at| at.column)
    }
}

/// A place in a file, both counted from 1. CRLF, LF and a lone CR each end a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character within the line (not the byte).
    pub column: u64,
}

impl Position {
    /// The place just after `text`, which begins at the start of `line`.
    pub(super) fn after(line: u64, text: &str) -> Self {
        let bytes = text.as_bytes();
        let tail = memchr::memrchr2(b'\n', b'\r', bytes).map_or(text, |end| &text[end + 1..]);
        Self {
            line: line + line_breaks(bytes),
            column: tail.chars().count() as u64 + 1,
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How many lines end within `bytes`.
pub(super) fn line_breaks(bytes: &[u8]) -> u64 {
    memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|&at| bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'))
        .count() as u64
}

/// `:line:column`, or the sheet and its row, or nothing.
struct PositionText<'e>(Option<Position>, Option<&'e str>);

impl std::fmt::Display for PositionText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.1, self.0) {
            (Some(sheet), Some(at)) => write!(f, " sheet \"{}\" row {}", printable(sheet), at.line),
            (Some(sheet), None) => write!(f, " sheet \"{}\"", printable(sheet)),
            (None, Some(at)) => write!(f, ":{at}"),
            (None, None) => Ok(()),
        }
    }
}

/// The stable error codes of files. A code, once released, keeps its meaning.
pub mod code {
    /// No file of that name.
    pub const NOT_FOUND: &str = "not-found";
    /// A directory, pipe, socket or device.
    pub const NOT_A_FILE: &str = "not-a-file";
    /// The operating system would not let us open or read it.
    pub const UNREADABLE: &str = "unreadable";
    /// Nothing in it, or nothing but blank lines.
    pub const EMPTY_FILE: &str = "empty-file";
    /// A header and no rows.
    pub const NO_ROWS: &str = "no-rows";
    /// It grew, shrank or was written to while it was read.
    pub const FILE_CHANGED: &str = "file-changed";
    /// A quoted cell is still open at the end of the file.
    pub const UNCLOSED_QUOTE: &str = "unclosed-quote";
    /// Text follows the quote that closes a cell, or a quoted cell holds what looks like rows.
    pub const STRAY_QUOTE: &str = "stray-quote";
    /// A record is longer than the limit.
    pub const RECORD_TOO_LONG: &str = "record-too-long";
    /// The bytes are not text in the encoding the file is in.
    pub const INVALID_ENCODING: &str = "invalid-encoding";
    /// It is a page of the web, or another document that has no rows.
    pub const NOT_A_TABLE: &str = "not-a-table";
    /// It begins as gzip and does not go on so.
    pub const BAD_GZIP: &str = "bad-gzip";
    /// Its name says it is an Excel workbook, or it is a zip archive, and it is no workbook that can be read.
    pub const NOT_A_WORKBOOK: &str = "not-a-workbook";
    /// A workbook that is damaged.
    pub const BAD_WORKBOOK: &str = "bad-workbook";
    /// A workbook that is protected by a password.
    pub const PASSWORD_PROTECTED: &str = "password-protected";
    /// Rows of a sheet are hidden, and the kind deletes or ends something.
    pub const HIDDEN_ROWS: &str = "hidden-rows";
    /// A workbook has no sheet of that name, or the file has no sheets at all.
    pub const UNKNOWN_SHEET: &str = "unknown-sheet";
    /// Several sheets of a workbook fit, and none is named.
    pub const SEVERAL_SHEETS: &str = "several-sheets";
    /// A workbook unzips to more than the limit.
    pub const TOO_LARGE: &str = "too-large";
}

#[cfg(test)]
mod tests {
    use super::{Position, line_breaks};

    #[test]
    fn every_kind_of_line_end_counts_once() {
        assert_eq!(line_breaks(b"a\r\nb\nc\rd\r"), 4);
        assert_eq!(Position::after(3, "a\r\nü\u{301}x"), Position { line: 4, column: 4 });
        assert_eq!(Position::after(3, ""), Position { line: 3, column: 1 });
    }
}
