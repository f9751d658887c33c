//! The row path's first half: from the bytes of a file to blocks of rows.
//!
//! ```text
//! CSV   file ─ gunzip ─ hash ─ decode ─ tokenise ─┐
//!                                                 ├─ unguard ─ compose ─ redact ─► Block ─► (kinds, spool)
//! Excel file ─ hash ─ unzip ─ cells of one sheet ─┘
//! ```
//! A file is read once, front to back, and never held whole: a window of text slides over it, and what leaves
//! is blocks of some thousand rows. Of a workbook the rows of the sheet stream in the same way; the table of texts
//! that its cells share has to be held whole, and is bounded. What was hashed is therefore what was validated and what is applied, and
//! the file may change or vanish afterwards.
//!
//! Nothing here knows job kinds. Cells are handed on as they are, control characters, formulas and all, but for letters and
//! their marks, which are composed (NFC); rows may have more or fewer cells than the header. What is refused here is what
//! leaves no rows to judge: an encoding that does not decode or makes no sense, a quote that never closes or stands in the
//! wrong place, a workbook that is none, a file that changes while it is read.

use std::io::Read;
use std::path::Path;

mod ahead;
mod block;
mod codec;
mod decode;
mod digest;
pub mod duplicates;
pub mod encoding;
mod error;
pub mod guard;
mod guess;
mod notes;
mod redact;
mod sheet;
mod short;
mod source;
mod spooled;
mod swallowed;
mod text;
mod tokens;

pub use ahead::{ReadAhead, read_ahead};
pub use block::{Block, RowView, Rows};
pub use codec::CorruptBlock;
pub use digest::StreamHasher;
pub use digest::{Digest, Sha256};
pub use error::{InputError, Position, code};
pub use redact::REDACTED;
pub use sheet::column_letters;
pub use spooled::{STANDARD_INPUT, SpooledInput, SpooledReader};

use block::{Cells, Mark};
use notes::Notes;
use sheet::Sheet;
use source::{Magic, TextSource};
use text::Text;

/// Bounds on what is held in memory.
#[derive(Debug, Clone, Copy)]
pub struct InputLimits {
    /// The longest record, in bytes of decoded text.
    pub record_bytes: usize,
    /// The weight at which a block is full, however few its rows.
    pub block_bytes: usize,
    /// The most that a text, or what of a workbook is read, may unzip to. It streams, so this bounds time, not memory.
    pub unzipped_bytes: u64,
    /// The most elements that what of a workbook is read may have, besides [`ELEMENTS_PER_BYTE`](Self::ELEMENTS_PER_BYTE).
    pub elements: u64,
    /// The most that may be held of a workbook at once: the texts that cells share, formats, names of sheets.
    pub held_bytes: u64,
    /// The most columns of a header, up to its last name.
    pub columns: usize,
    /// The most cells of a row.
    pub cells: usize,
    /// The most blank lines of a text that follow each other.
    pub blank_lines: u64,
    /// The most that is kept of what can be read only once.
    pub spooled_bytes: u64,
}

impl Default for InputLimits {
    fn default() -> Self {
        Self {
            record_bytes: 4 << 20,
            block_bytes: 8 << 20,
            unzipped_bytes: 4 << 30,
            elements: 2_000_000,
            held_bytes: 64 << 20,
            columns: 1000,
            cells: 1 << 14,
            blank_lines: 20_000_000,
            spooled_bytes: 4 << 30,
        }
    }
}

impl InputLimits {
    /// Elements that each byte of a workbook's file may unzip to. Each takes about a microsecond, so that a file makes work only
    /// as it is long. Spreadsheet programs write less than one for each byte; rows that are alike but for one number, and do not name their cells, have
    /// nine; a file of nothing but empty rows has a hundred.
    pub const ELEMENTS_PER_BYTE: u64 = 16;

    /// What blocks can address: offsets are of 32 bits, and a block may end one record beyond its limit.
    const MOST: usize = 1 << 30;

    fn clamped(self) -> Self {
        Self {
            record_bytes: self.record_bytes.min(Self::MOST),
            block_bytes: self.block_bytes.min(Self::MOST),
            ..self
        }
    }
}

/// What of a file is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputOptions {
    /// The sheet of a workbook, by name; the first one that is shown otherwise. A file without sheets is refused
    /// if one is named.
    pub sheet: Option<String>,
    /// The encoding of a text, as [`encoding::named`] knows it; found out otherwise. Of a workbook it is not asked.
    pub encoding: Option<String>,
    /// Whether a quoted cell of a text may hold lines with as many delimiters as the header, which mostly means that a quote
    /// is missing.
    pub multiline_cells: bool,
    /// Whether nothing can be missing at the end, since the bytes came all together and not from a program that may have been
    /// stopped while it wrote them.
    pub whole: bool,
    /// How hidden rows of a sheet are handled. Where nobody says it they are read, and counted in the notes.
    pub hidden_rows: Option<HiddenRows>,
}

/// How rows that a sheet hides are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HiddenRows {
    /// They are read like the others.
    Include,
    /// They are passed over.
    Skip,
}

/// A file of rows being read.
pub struct Input {
    rows_from: RowsFrom,
    limits: InputLimits,
    header: Vec<String>,
    header_line: u64,
    /// Whether we wrote the file.
    ours: bool,
    redacted: Vec<usize>,
    scratch: String,
    rows: u64,
    /// What the last block came to, so that the next is allocated in one go.
    last: (Mark, usize),
    failed: Option<InputError>,
    notes: Notes,
    whole: bool,
    hidden_rows: Option<HiddenRows>,
}

enum RowsFrom {
    Text(Box<Text>),
    Sheet(Box<Sheet>),
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is being read holds rows, and rows are not for logs.
        f.debug_struct("Input")
            .field("name", &self.name())
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Input {
    /// Opens a file and reads its header. Anything but a regular file is refused, without blocking.
    pub fn open(path: &Path, limits: InputLimits) -> Result<Self, InputError> {
        Self::open_with(path, limits, &InputOptions::default())
    }

    /// Opens a file and reads the header of what the options name.
    pub fn open_with(path: &Path, limits: InputLimits, options: &InputOptions) -> Result<Self, InputError> {
        Self::new(TextSource::open(path)?, limits, options)
    }

    /// Opens a file that others may have put a link in the place of, and that has another name for people: no link is followed.
    pub fn open_no_link(
        path: &Path,
        name: &str,
        limits: InputLimits,
        options: &InputOptions,
    ) -> Result<Self, InputError> {
        Self::new(TextSource::open_no_link(path, name)?, limits, options)
    }

    /// Reads what was kept of a pipe, and the header of what the options name.
    pub fn of_spooled(spooled: &SpooledInput, limits: InputLimits, options: &InputOptions) -> Result<Self, InputError> {
        Self::from_reader_with(spooled.name(), Box::new(spooled.reader()), limits, options)
    }

    /// Reads from anything; `name` is what errors call it.
    pub fn from_reader(name: &str, reader: Box<dyn Read + Send>, limits: InputLimits) -> Result<Self, InputError> {
        Self::from_reader_with(name, reader, limits, &InputOptions::default())
    }

    /// As [`from_reader`](Self::from_reader), with options.
    pub fn from_reader_with(
        name: &str,
        reader: Box<dyn Read + Send>,
        limits: InputLimits,
        options: &InputOptions,
    ) -> Result<Self, InputError> {
        Self::new(TextSource::from_reader(name, reader)?, limits, options)
    }

    fn new(mut source: TextSource, limits: InputLimits, options: &InputOptions) -> Result<Self, InputError> {
        let limits = limits.clamped();
        source.unzip_at_most(limits.unzipped_bytes);
        let rows_from = match source.magic() {
            Magic::Zip => RowsFrom::Sheet(Box::new(Sheet::open(source, limits, options)?)),
            Magic::Compound => return Err(sheet::compound(source)),
            Magic::None if sheet::is_named_so(source.name()) => return Err(sheet::not_one(source.name())),
            Magic::None => {
                if let Some(sheet) = &options.sheet {
                    return Err(sheet::no_sheets(source.name(), sheet));
                }
                let named = options.encoding.as_deref().map(encoding::named).transpose();
                let named = named.map_err(|what| InputError::new(source.name(), code::INVALID_ENCODING, what))?;
                RowsFrom::Text(Box::new(Text::new(source, &limits, named, options.multiline_cells)))
            }
        };
        let mut input = Self {
            rows_from,
            limits,
            header: Vec::new(),
            header_line: 1,
            ours: false,
            redacted: Vec::new(),
            scratch: String::new(),
            rows: 0,
            last: (Mark { text: 0, cells: 0 }, 0),
            failed: None,
            notes: Notes::default(),
            whole: options.whole,
            hidden_rows: options.hidden_rows,
        };
        match input.read_header() {
            // Another sheet may be meant: a caller that wants this one's rows is told.
            Err(error)
                if error.code == code::EMPTY_FILE && options.sheet.is_none() && !input.other_sheets().is_empty() =>
            {
                input.failed = Some(error);
            }
            read => read?,
        }
        Ok(input)
    }

    /// The file as errors name it.
    pub fn name(&self) -> &str {
        match &self.rows_from {
            RowsFrom::Text(text) => text.source().name(),
            RowsFrom::Sheet(sheet) => sheet.file(),
        }
    }

    /// The sheet that is being read, where the file is a workbook.
    pub fn sheet(&self) -> Option<&str> {
        match &self.rows_from {
            RowsFrom::Text(_) => None,
            RowsFrom::Sheet(sheet) => Some(sheet.name()),
        }
    }

    /// The other sheets that are shown, where the file is a workbook.
    pub fn other_sheets(&self) -> &[String] {
        match &self.rows_from {
            RowsFrom::Text(_) => &[],
            RowsFrom::Sheet(sheet) => sheet.others(),
        }
    }

    /// Reads this sheet of the workbook instead, from its first row that is not blank; a text has none. It is to be asked for
    /// before the first block is read.
    pub fn turn_to(&mut self, sheet: &str) -> Result<(), InputError> {
        match &mut self.rows_from {
            RowsFrom::Text(text) => return Err(sheet::no_sheets(text.source().name(), sheet)),
            RowsFrom::Sheet(open) => open.turn_to(sheet)?,
        }
        self.header.clear();
        self.failed = None;
        self.read_header()
    }

    /// What the text is read as so far.
    fn encoding(&self) -> &'static str {
        match &self.rows_from {
            RowsFrom::Text(text) => text.encoding(),
            RowsFrom::Sheet(_) => "UTF-8",
        }
    }

    /// How many rows of the sheet below the header, and how many columns that it names, are hidden.
    pub fn hidden(&self) -> (usize, usize) {
        match &self.rows_from {
            RowsFrom::Text(_) => (0, 0),
            RowsFrom::Sheet(sheet) => sheet.hidden(),
        }
    }

    /// Whether the column, counted from 0, is hidden in the sheet that is read.
    pub fn is_column_hidden(&self, column: usize) -> bool {
        match &self.rows_from {
            RowsFrom::Text(_) => false,
            RowsFrom::Sheet(sheet) => sheet.is_column_hidden(column),
        }
    }

    /// The first row that is not blank. Empty where the first of several sheets has none; reading it is an error then.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The line the header is on; of a workbook, the row of the sheet.
    pub fn header_line(&self) -> u64 {
        self.header_line
    }

    /// The delimiter, as told by the header; a workbook has none, and a comma stands for it.
    pub fn delimiter(&self) -> char {
        match &self.rows_from {
            RowsFrom::Text(text) => char::from(text.delimiter()),
            RowsFrom::Sheet(_) => ',',
        }
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

    /// From now on a row of a text that only lacks empty cells at its end has as many cells as the header, where it has at least
    /// `least`. `named` is how many cells the header has up to its last name. The rows around it show whether it is such
    /// a row, however they are read in blocks.
    pub fn complete_short(&mut self, least: usize, named: usize) {
        if let RowsFrom::Text(text) = &mut self.rows_from {
            text.complete_short(least, named);
        }
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
        let encoding = self.encoding();
        let mut notes: Vec<String> = match &self.rows_from {
            RowsFrom::Text(text) => {
                let unended = text.unended().filter(|_| !self.whole && self.rows > 1);
                let completed = notes::completed(text.completed());
                completed.into_iter().chain(unended.map(notes::unended)).collect()
            }
            RowsFrom::Sheet(sheet) => sheet.notes(self.hidden_rows),
        };
        let (meter, broken) = match &self.rows_from {
            RowsFrom::Text(text) => (text.source().meter(), text.broken()),
            RowsFrom::Sheet(sheet) => (sheet.meter(), None),
        };
        let place = match &self.rows_from {
            RowsFrom::Text(_) => "line",
            RowsFrom::Sheet(_) => "row",
        };
        notes.extend(self.notes.told(encoding, broken, self.rows, place));
        Ok(Digest {
            sha256: meter.sha256(),
            bytes: meter.bytes,
            rows: self.rows,
            notes,
            encoding,
        })
    }

    fn block(&mut self, max_rows: usize) -> Result<Option<Block>, InputError> {
        let mut block = Block::new(self.rows + 1);
        let (mark, rows) = self.last;
        block.cells = Cells::with_room(mark.text + mark.text / 16, mark.cells);
        block.rows.reserve(rows);
        while block.rows.len() < max_rows.max(1) && block.cells.weight() < self.limits.block_bytes {
            let mark = block.cells.mark();
            let line = match self.rows_from.record(&mut block.cells) {
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
            guard::take_off(mark, self.ours, &mut block.cells, &mut self.scratch);
            block.cells.compose(mark, &mut self.scratch);
            if let RowsFrom::Sheet(sheet) = &mut self.rows_from {
                sheet.complete(mark, &mut block, self.header.len());
            }
            let (usual, ought) = self.rows_from.widths(self.header.len());
            block
                .uneven
                .extend(ought.map(|ought| (block.rows.len() as u32, ought as u32)));
            if !self.redacted.is_empty() {
                let slip = redact::Slip::of(&block.cells.since(mark), self.header.len(), usual, ought);
                redact::since(mark, &mut block.cells, &self.redacted, slip, &mut self.scratch);
            }
            block.end_row(line);
            self.rows += 1;
        }
        self.last = (block.cells.mark(), block.rows.len());
        self.notes.look(&block, self.encoding());
        if !block.is_empty() {
            return Ok(Some(block));
        }
        if self.rows == 0 {
            let what = if self.sheet().is_some() { "sheet" } else { "file" };
            let message = format!("the {what} has a header and no rows");
            return Err(InputError::new(self.name(), code::NO_ROWS, message).in_sheet(self.sheet()));
        }
        Ok(None)
    }

    fn read_header(&mut self) -> Result<(), InputError> {
        (self.header_line, self.header) = match &mut self.rows_from {
            RowsFrom::Text(text) => text.header()?,
            RowsFrom::Sheet(sheet) => sheet.header()?,
        };
        let columns = self.header.iter().rposition(|name| !name.trim_ascii().is_empty());
        let columns = columns.map_or(0, |last| last + 1);
        if columns > self.limits.columns {
            // Nothing of it is compared with anything, and nothing of it is kept.
            self.header = Vec::new();
            let most = self.limits.columns;
            let message =
                format!("the header has {columns} columns, and no more than {most} are read; delete the others");
            return Err(InputError::new(self.name(), code::TOO_LARGE, message).in_sheet(self.sheet()));
        }
        self.ours = guard::is_ours(&self.header);
        if let (true, RowsFrom::Text(text)) = (self.ours, &mut self.rows_from) {
            text.trust_quotes();
        }
        for cell in &mut self.header {
            *cell = guard::unguarded(cell).to_owned();
        }
        Ok(())
    }
}

impl RowsFrom {
    /// How many cells a row should have as far as can be told, and the last row where there is a doubt about it.
    fn widths(&self, header: usize) -> (usize, Option<usize>) {
        match self {
            RowsFrom::Text(text) => (text.usual(), text.ought()),
            RowsFrom::Sheet(_) => (header, None),
        }
    }

    /// Appends the cells of the next row that is not blank; returns the line it begins on.
    fn record(&mut self, cells: &mut Cells) -> Result<Option<u64>, InputError> {
        match self {
            RowsFrom::Text(text) => text.record(cells),
            RowsFrom::Sheet(sheet) => sheet.record(cells),
        }
    }
}
