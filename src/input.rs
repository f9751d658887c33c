//! The row path's first half: from the bytes of a file to blocks of rows.
//!
//! ```text
//! file ─ gunzip ─ hash ─ decode ─ tokenise ─ redact ─► Block ─► (kinds, spool)
//! ```
//! A file is read once, front to back, and never held whole: a window of text slides over it, and what leaves
//! is blocks of some thousand rows. What was hashed is therefore what was validated and what is applied, and
//! the file may change or vanish afterwards.
//!
//! Nothing here knows job kinds. Cells are handed on as they are, control characters, formulas and all; rows
//! may have more or fewer cells than the header. What is refused here is what leaves no rows to judge: an
//! encoding that does not decode, a quote that never closes, a file that changes while it is read.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

mod ahead;
mod block;
mod codec;
mod decode;
mod digest;
pub mod duplicates;
mod error;
mod redact;
mod source;
mod tokens;

pub use ahead::{ReadAhead, read_ahead};
pub use block::{Block, RowView, Rows};
pub use codec::CorruptBlock;
pub(crate) use digest::Meter;
pub use digest::{Digest, Sha256};
pub use error::{InputError, Position, code};
pub use redact::REDACTED;

use block::{Cells, Mark};
use decode::{Decoder, Filled};
use source::Source;
use tokens::Scanned;

/// How much of the first line is looked at to tell the delimiter.
const SNIFFED: usize = 64 << 10;

/// Bounds on what is held in memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest record, in bytes of decoded text.
    pub record_bytes: usize,
    /// The weight at which a block is full, however few its rows.
    pub block_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 4 << 20,
            block_bytes: 8 << 20,
        }
    }
}

impl Limits {
    /// What blocks can address: offsets are of 32 bits, and a block may end one record beyond its limit.
    const MOST: usize = 1 << 30;

    fn clamped(self) -> Self {
        Self {
            record_bytes: self.record_bytes.min(Self::MOST),
            block_bytes: self.block_bytes.min(Self::MOST),
        }
    }
}

/// A file of rows being read.
pub struct Input {
    decoder: Decoder,
    limits: Limits,
    /// Decoded text; what stands before `at` is done with.
    window: String,
    at: usize,
    /// The line `at` is on. Records begin at the start of a line.
    line: u64,
    /// Nothing follows the window.
    ended: bool,
    delimiter: u8,
    header: Vec<String>,
    header_line: u64,
    redacted: Vec<usize>,
    scratch: String,
    rows: u64,
    /// What the last block came to, so that the next is allocated in one go.
    last: (Mark, usize),
    failed: Option<InputError>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The window holds rows, and rows are not for logs.
        f.debug_struct("Input")
            .field("name", &self.name())
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Input {
    /// Opens a file and reads its header. Anything but a regular file is refused, without blocking.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, InputError> {
        Self::new(Source::open(path)?, limits)
    }

    /// Reads from anything; `name` is what errors call it.
    pub fn from_reader(name: &str, reader: Box<dyn Read + Send>, limits: Limits) -> Result<Self, InputError> {
        Self::new(Source::from_reader(name, reader)?, limits)
    }

    fn new(source: Source, limits: Limits) -> Result<Self, InputError> {
        let mut input = Self {
            decoder: Decoder::new(source),
            limits: limits.clamped(),
            window: String::new(),
            at: 0,
            line: 1,
            ended: false,
            delimiter: b',',
            header: Vec::new(),
            header_line: 1,
            redacted: Vec::new(),
            scratch: String::new(),
            rows: 0,
            last: (Mark { text: 0, cells: 0 }, 0),
            failed: None,
        };
        input.read_header()?;
        Ok(input)
    }

    /// The file as errors name it.
    pub fn name(&self) -> &str {
        self.decoder.source().name()
    }

    /// The first row that is not blank.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The line the header is on.
    pub fn header_line(&self) -> u64 {
        self.header_line
    }

    /// The delimiter, as told by the header.
    pub fn delimiter(&self) -> char {
        char::from(self.delimiter)
    }

    /// If the header is, in the eyes of the caller, a line that only precedes it, makes the next row the header.
    /// Says whether it did. To be called before the first block is read.
    pub fn skip_preamble(&mut self, is_preamble: impl FnOnce(&[String]) -> bool) -> Result<bool, InputError> {
        let skip = is_preamble(&self.header);
        if skip {
            self.read_header()?;
        }
        Ok(skip)
    }

    /// From now on cells of these columns, counted from 0, read [`REDACTED`] unless empty: what they hold enters
    /// no block.
    ///
    /// In a row with too many or too few cells a secret may have slipped sideways by as many, so those
    /// cells are redacted too.
    pub fn redact(&mut self, columns: &[usize]) {
        self.redacted = columns.to_vec();
    }

    /// Reads up to `max_rows` rows, fewer where they are large or a fault ends the file; `None` at the end of the
    /// file. Blank lines and rows whose every cell is blank are passed over.
    pub fn read_block(&mut self, max_rows: usize) -> Result<Option<Block>, InputError> {
        if let Some(err) = &self.failed {
            return Err(err.clone());
        }
        let block = self.block(max_rows);
        if let Err(err) = &block {
            self.failed = Some(err.clone());
        }
        block
    }

    /// Reads what is left of the file, without handing it out, and says what the file was.
    pub fn finish(mut self) -> Result<Digest, InputError> {
        const BLOCK: usize = 4096;
        while self.read_block(BLOCK)?.is_some() {}
        let meter = self.decoder.source().meter();
        Ok(Digest {
            sha256: meter.sha256(),
            bytes: meter.bytes,
            rows: self.rows,
            encoding: self.decoder.encoding(),
        })
    }

    fn block(&mut self, max_rows: usize) -> Result<Option<Block>, InputError> {
        let mut block = Block::new(self.rows + 1);
        let (mark, rows) = self.last;
        block.cells.text.reserve(mark.text + mark.text / 16);
        block.cells.ends.reserve(mark.cells);
        block.rows.reserve(rows);
        while block.rows.len() < max_rows.max(1) && block.cells.weight() < self.limits.block_bytes {
            let mark = block.cells.mark();
            let line = match self.record(&mut block.cells) {
                Ok(Some(line)) => line,
                Ok(None) => break,
                // The rows before the fault are as good as any.
                Err(err) if !block.is_empty() => {
                    block.cells.rewind(mark);
                    self.failed = Some(err);
                    break;
                }
                Err(err) => return Err(err),
            };
            if !self.redacted.is_empty() {
                redact::since(
                    mark,
                    &mut block.cells,
                    &self.redacted,
                    self.header.len(),
                    &mut self.scratch,
                );
            }
            block.end_row(line);
            self.rows += 1;
        }
        self.last = (block.cells.mark(), block.rows.len());
        if !block.is_empty() {
            return Ok(Some(block));
        }
        if self.rows == 0 {
            return Err(self.fault(code::NO_ROWS, "the file has a header and no rows"));
        }
        Ok(None)
    }

    fn read_header(&mut self) -> Result<(), InputError> {
        // Blank lines go first, so that the delimiter is told by a line that has any.
        loop {
            if !self.ended && self.window.len() - self.at < SNIFFED {
                self.slide();
                while self.window.len() < SNIFFED && self.fill()? {}
            }
            match self.window.as_bytes()[self.at..] {
                [b'\r', b'\n', ..] => self.at += 2,
                [b'\r' | b'\n', ..] => self.at += 1,
                _ => break,
            }
            self.line += 1;
        }
        let (delimiter, declared) = tokens::sniff(&self.window[self.at..]);
        self.delimiter = delimiter;
        let mut cells = Cells::default();
        if declared {
            self.record(&mut cells)?;
            cells = Cells::default();
        }
        let mark = cells.mark();
        let Some(line) = self.record(&mut cells)? else {
            return Err(self.fault(code::EMPTY_FILE, "the file holds nothing but blank lines"));
        };
        self.header_line = line;
        self.header = cells.since(mark).cells().map(str::to_owned).collect();
        Ok(())
    }

    /// Appends the cells of the next record that is not blank; returns the line it begins on.
    fn record(&mut self, cells: &mut Cells) -> Result<Option<u64>, InputError> {
        let mark = cells.mark();
        loop {
            match tokens::record(&self.window, self.at, self.ended, self.delimiter, cells) {
                Scanned::Record { end, breaks } => {
                    if end - self.at > self.limits.record_bytes {
                        return Err(self.too_long(None));
                    }
                    let line = self.line;
                    // The line end of the record itself; where the file ends without one, nobody asks again.
                    self.line += breaks + 1;
                    self.at = end;
                    if !cells.since(mark).cells().all(|cell| cell.trim_ascii().is_empty()) {
                        return Ok(Some(line));
                    }
                    cells.rewind(mark);
                }
                Scanned::Cut { quote } => {
                    cells.rewind(mark);
                    self.grow(quote)?;
                }
                Scanned::End => return Ok(None),
            }
        }
    }

    /// Makes the window at least twice as long as the record it does not hold the whole of.
    fn grow(&mut self, quote: Option<usize>) -> Result<(), InputError> {
        let held = self.window.len() - self.at;
        if held > self.limits.record_bytes {
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
        let limit = self.limits.record_bytes;
        let mut message = format!("the record that begins here is longer than {limit} bytes");
        if let Some(opened) = quote {
            let Position { line, column } = self.position(opened);
            let _ = write!(
                message,
                "; the quote opened at line {line}, column {column} is probably never closed"
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
        InputError::new(self.name(), code, message)
    }
}
