//! Rows out of CSV text: a window slides over it, and records are cut from that.

use std::fmt::Write as _;

use encoding_rs::Encoding;

use super::InputLimits;
use super::block::{Cells, RowView};
use super::decode::{Decoder, Filled};
use super::error::{InputError, Position, code};
use super::short::{Ahead, Look, Short};
use super::source::TextSource;
use super::swallowed;
use super::tokens::{self, Preface, Scanned};

/// How much of the first line is looked at to tell the delimiter.
const SNIFFED: usize = 64 << 10;

pub(super) struct Text {
    decoder: Decoder,
    record_bytes: usize,
    blank_lines: u64,
    cells: usize,
    /// Decoded text; what stands before `at` is done with.
    window: String,
    at: usize,
    /// The line `at` is on. Records begin at the start of a line.
    line: u64,
    /// Nothing follows the window.
    ended: bool,
    delimiter: u8,
    /// Cells of the header.
    width: usize,
    /// Whether a cell may hold lines that look like rows.
    multiline: bool,
    /// Cells that hold line ends.
    broken: u64,
    /// The line of the last row, where no line end ends it.
    unended: Option<u64>,
    short: Short,
    /// How many cells the last row should have, where the rows around it leave a doubt about it.
    ought: Option<usize>,
}

impl Text {
    pub(super) fn new(
        source: TextSource,
        limits: &InputLimits,
        named: Option<&'static Encoding>,
        multiline: bool,
    ) -> Self {
        Self {
            decoder: Decoder::new(source, named),
            record_bytes: limits.record_bytes,
            blank_lines: limits.blank_lines,
            cells: limits.cells,
            window: String::new(),
            at: 0,
            line: 1,
            ended: false,
            delimiter: b',',
            width: 0,
            multiline,
            broken: 0,
            unended: None,
            short: Short::default(),
            ought: None,
        }
    }

    pub(super) fn source(&self) -> &TextSource {
        self.decoder.source()
    }

    pub(super) fn encoding(&self) -> &'static str {
        self.decoder.encoding()
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// From now on cells may hold text that looks like rows: the writer of the text quotes its cells rightly.
    pub(super) fn trust_quotes(&mut self) {
        self.multiline = true;
    }

    /// From now on rows are completed that only lack empty cells at their end, where they have at least `least` cells;
    /// `named` is how many cells the header has up to its last name.
    pub(super) fn complete_short(&mut self, least: usize, named: usize) {
        self.short.allow(least, named);
    }

    /// Rows that were completed.
    pub(super) fn completed(&self) -> u64 {
        self.short.completed()
    }

    /// How many cells the last row read should have, where the rows around it leave a doubt about it.
    pub(super) fn ought(&self) -> Option<usize> {
        self.ought
    }

    /// How many cells a row should have, as far as can be told.
    pub(super) fn usual(&self) -> usize {
        self.short.usual()
    }

    /// The line of the last row read, where the text ends with it and no line end does.
    pub(super) fn unended(&self) -> Option<u64> {
        self.unended
    }

    /// Lines of the text, and cells that hold line ends, if any do.
    pub(super) fn broken(&self) -> Option<(u64, u64)> {
        (self.broken > 0).then_some((self.line - 1, self.broken))
    }

    /// The next row that is not blank, taken for a header: the delimiter is told by it.
    pub(super) fn header(&mut self) -> Result<(u64, Vec<String>), InputError> {
        // Blank lines and what only precedes the header go first, so that the delimiter is told by the header.
        let mut named = None;
        let mut blank = 0;
        loop {
            if !self.ended && self.window.len() - self.at < SNIFFED {
                self.slide();
                while self.window.len() < SNIFFED && self.fill()? {}
            }
            let rest = &self.window[self.at..];
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            if blanks > 0 && rest[blanks..].starts_with(['\r', '\n']) {
                self.at += blanks;
                continue;
            }
            match (rest.as_bytes(), tokens::preface(rest)) {
                ([b'\r', b'\n', ..], _) => self.at += 2,
                ([b'\r' | b'\n', ..], _) => self.at += 1,
                (_, Some(preface)) => {
                    if let Preface::Delimiter(delimiter) = preface {
                        named = Some(delimiter);
                        self.delimiter = delimiter;
                    }
                    self.record(&mut Cells::default())?;
                    continue;
                }
                _ => break,
            }
            self.line += 1;
            self.short.pass();
            blank += 1;
            self.not_only_blank(blank)?;
        }
        self.width = 0;
        self.delimiter = named.unwrap_or_else(|| tokens::sniff(&self.window[self.at..]));
        let mut cells = Cells::default();
        let mark = cells.mark();
        let Some(line) = self.record(&mut cells)? else {
            return Err(self.fault(code::EMPTY_FILE, "the file holds nothing but blank lines"));
        };
        self.width = cells.since(mark).len();
        Ok((line, cells.since(mark).cells().map(str::to_owned).collect()))
    }

    /// Whether no more blank lines follow each other than a file has that people made.
    fn not_only_blank(&self, blank: u64) -> Result<(), InputError> {
        if blank > self.blank_lines {
            let message = format!(
                "more than {} blank lines follow each other; remove them",
                self.blank_lines
            );
            return Err(self.fault(code::TOO_LARGE, message));
        }
        Ok(())
    }

    /// Appends the cells of the next record that is not blank; returns the line it begins on.
    pub(super) fn record(&mut self, cells: &mut Cells) -> Result<Option<u64>, InputError> {
        let mark = cells.mark();
        let mut blank = 0;
        loop {
            match tokens::record(&self.window, self.at, self.ended, self.delimiter, cells) {
                Scanned::Record { end, breaks } => {
                    if end - self.at > self.record_bytes {
                        return Err(self.too_long(None));
                    }
                    if breaks > 0 {
                        self.swallowed(&cells.since(mark))?;
                    }
                    let line = self.line;
                    // The line end of the record itself; where the file ends without one, nobody asks again.
                    self.line += breaks + 1;
                    self.at = end;
                    let row = cells.since(mark);
                    if row.cells().all(is_blank) {
                        self.short.pass();
                        cells.rewind(mark);
                        blank += 1;
                        self.not_only_blank(blank)?;
                        continue;
                    }
                    if row.len() > self.cells {
                        let (has, most) = (row.len(), self.cells);
                        let message =
                            format!("the record that begins here has {has} cells, and no more than {most} are read");
                        let at = Position { line, column: 1 };
                        return Err(self.fault(code::RECORD_TOO_LONG, message).at(at));
                    }
                    let is_ended = is_ended(&self.window, end);
                    self.unended = (!is_ended).then_some(line);
                    self.ought = None;
                    match self.short.look(&row, self.width, is_ended) {
                        Look::Done => {}
                        Look::Short => {
                            if self.with_lookahead(|short, ahead| short.is_meant(&row, is_ended, ahead))? {
                                (row.len()..self.width).for_each(|_| cells.end());
                            }
                        }
                        Look::Uneven => self.ought = self.with_lookahead(|short, ahead| short.ought(&row, ahead))?,
                    }
                    return Ok(Some(line));
                }
                Scanned::Cut { quote } => {
                    cells.rewind(mark);
                    self.grow(quote)?;
                }
                Scanned::Stray { opened, quote } => {
                    cells.rewind(mark);
                    let from = self.position(opened);
                    let message = format!(
                        "text follows the quote that closes a cell (opened at line {}, character {}); \
                         double a quote that is part of the text, or take it away",
                        from.line, from.column
                    );
                    return Err(self.fault(code::STRAY_QUOTE, message).at(self.position(quote)));
                }
                Scanned::End => return Ok(None),
            }
        }
    }

    /// Decides about the row that was read last, by the records that follow.
    fn with_lookahead<T>(
        &mut self,
        decide: impl FnOnce(&mut Short, &mut dyn FnMut() -> Result<Option<Ahead>, InputError>) -> Result<T, InputError>,
    ) -> Result<T, InputError> {
        let mut short = std::mem::take(&mut self.short);
        let mut scratch = Cells::default();
        let mut at = 0;
        let decided = decide(&mut short, &mut || self.ahead(&mut at, &mut scratch));
        self.short = short;
        decided
    }

    /// The record `at` bytes after the next one to be read, which is not read by that.
    fn ahead(&mut self, at: &mut usize, scratch: &mut Cells) -> Result<Option<Ahead>, InputError> {
        let mark = scratch.mark();
        loop {
            scratch.rewind(mark);
            let from = self.at + *at;
            match tokens::record(&self.window, from, self.ended, self.delimiter, scratch) {
                Scanned::Record { end, .. } => {
                    let row = scratch.since(mark);
                    let ahead = Ahead {
                        width: row.len(),
                        is_blank: row.cells().all(is_blank),
                        is_ended: is_ended(&self.window, end),
                    };
                    *at = end - self.at;
                    scratch.rewind(mark);
                    return Ok(Some(ahead));
                }
                Scanned::Cut { .. } if !self.ended && self.window.len() - from <= self.record_bytes => {
                    let held = self.window.len() - from;
                    self.slide();
                    while self.window.len() - *at <= held * 2 && self.fill()? {}
                }
                // What is wrong there is told when it is read.
                Scanned::Cut { .. } | Scanned::Stray { .. } | Scanned::End => return Ok(None),
            }
        }
    }

    /// Refuses a cell that holds what looks like rows, since a quote that is missing makes one of those.
    fn swallowed(&mut self, record: &RowView<'_>) -> Result<(), InputError> {
        for (index, cell) in record.cells().enumerate() {
            if !cell.contains(['\r', '\n']) {
                continue;
            }
            self.broken += 1;
            if !self.multiline && swallowed::holds_rows(cell, index, record, self.delimiter, self.width) {
                let message = format!(
                    "cell {} of the record that begins here holds whole rows, or the end of one and the beginning of another; \
                     a quote is probably missing or one too many; if it is meant so, say --multiline-cells (`multiline_cells` of a folder, a schedule or a job document)",
                    index + 1
                );
                let at = Position {
                    line: self.line,
                    column: 1,
                };
                return Err(self.fault(code::STRAY_QUOTE, message).at(at));
            }
        }
        Ok(())
    }

    /// Makes the window at least twice as long as the record it does not hold the whole of.
    fn grow(&mut self, quote: Option<usize>) -> Result<(), InputError> {
        let held = self.window.len() - self.at;
        if held > self.record_bytes {
            return Err(self.too_long(quote));
        }
        if self.ended {
            // The end of the text ends any record but one within quotes.
            let opened = quote.unwrap_or(self.at);
            let message =
                "the quoted cell that opens here is never closed; close it, or double the quote if it is text";
            return Err(self.fault(code::UNCLOSED_QUOTE, message).at(self.position(opened)));
        }
        self.slide();
        while self.window.len() <= held * 2 && self.fill()? {}
        Ok(())
    }

    /// Lets go of the text that is done with.
    fn slide(&mut self) {
        self.window.drain(..self.at);
        self.at = 0;
    }

    /// Decodes some more; says whether there may be yet more.
    fn fill(&mut self) -> Result<bool, InputError> {
        match self.decoder.fill(&mut self.window)? {
            Filled::Text => Ok(true),
            Filled::End => {
                self.ended = true;
                Ok(false)
            }
            // All records before the fault are out; what is left of the window is the one it stands in.
            Filled::Broken(message) => {
                let at = self.position(self.window.len());
                Err(self.fault(code::INVALID_ENCODING, message).at(at))
            }
        }
    }

    fn too_long(&self, quote: Option<usize>) -> InputError {
        let limit = self.record_bytes;
        let mut message = format!("the record that begins here is longer than {limit} bytes");
        if let Some(opened) = quote {
            let Position { line, column } = self.position(opened);
            let _ = write!(
                message,
                "; the quote opened at line {line}, character {column} is probably never closed"
            );
        }
        let at = Position {
            line: self.line,
            column: 1,
        };
        self.fault(code::RECORD_TOO_LONG, message).at(at)
    }

    fn position(&self, offset: usize) -> Position {
        Position::after(self.line, &self.window[self.at..offset])
    }

    fn fault(&self, code: &'static str, message: impl Into<String>) -> InputError {
        InputError::new(self.source().name(), code, message)
    }
}

fn is_blank(cell: &str) -> bool {
    cell.trim_ascii().is_empty()
}

/// Whether a line end ends the record that ends at `end`.
fn is_ended(window: &str, end: usize) -> bool {
    matches!(window.as_bytes().get(end.wrapping_sub(1)), Some(b'\r' | b'\n'))
}
