//! Rows out of a sheet of an Excel workbook.
//!
//! The workbook is copied to a temporary file while it is hashed, small ones in memory, because its parts are
//! not read in the order they stand in. A thread of its own then reads the sheet cell by cell and sends
//! rows, a few hundred at a time; only the texts that cells share are held whole. Who looks for the right sheet turns from one
//! to the next: the workbook stays open for that.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use tenantry_jobs::printable;

use super::block::{Block, Cells, Mark};
use super::digest::StreamHasher;
use super::error::{InputError, code};
use super::source::TextSource;
use super::{HiddenRows, InputLimits, InputOptions};

mod format;
mod formatted;
mod fraction;
mod hidden;
mod package;
mod reader;
mod value;
mod weigh;

use hidden::{BySheet, Hidden};
use reader::{OpenedSheet, SheetChoice, SheetReading, read};

/// Batches of rows read ahead.
const AHEAD: usize = 2;

pub(super) struct Sheet {
    file: String,
    name: String,
    shown: Vec<String>,
    /// The shown sheets without this one.
    others: Vec<String>,
    all_hidden: Arc<BySheet>,
    hidden: Arc<Hidden>,
    header_row: u64,
    /// Which columns, counted from 0, the header has a name for.
    named: Vec<usize>,
    meter: StreamHasher,
    readings: Sender<SheetReading>,
    /// Rows to come; `None` is the end, and an end without it is a defect of the reading.
    batches: Receiver<Result<Option<Block>, InputError>>,
    batch: Block,
    /// The row of `batch` that is next.
    next: usize,
    ended: bool,
}

impl Sheet {
    pub(super) fn open(source: TextSource, limits: InputLimits, options: &InputOptions) -> Result<Self, InputError> {
        let file = source.name().to_owned();
        let wanted = SheetChoice {
            sheet: options.sheet.clone(),
            skips_hidden: options.hidden_rows == Some(HiddenRows::Skip),
        };
        let (opened, opening) = sync_channel(1);
        let (readings, asked) = channel();
        let reading = move || read(source, limits, &wanted, &opened, &asked);
        std::thread::Builder::new()
            .name("read-sheet".to_owned())
            .spawn(reading)
            .map_err(|error| {
                let message = format!("no thread to read the file with ({error})");
                InputError::new(&file, code::UNREADABLE, message)
            })?;
        // A reader that is gone without a word came upon something nobody thought of.
        let OpenedSheet {
            name,
            shown,
            hidden,
            meter,
        } = opening.recv().unwrap_or_else(|_| Err(damaged(&file)))?;
        let mut sheet = Self {
            file,
            name: String::new(),
            shown,
            others: Vec::new(),
            all_hidden: hidden,
            hidden: Arc::default(),
            header_row: 0,
            named: Vec::new(),
            meter,
            readings,
            batches: sync_channel(AHEAD).1,
            batch: Block::default(),
            next: 0,
            ended: false,
        };
        sheet.turn_to(&name)?;
        Ok(sheet)
    }

    /// Reads this sheet from its beginning.
    pub(super) fn turn_to(&mut self, name: &str) -> Result<(), InputError> {
        let hidden = self.all_hidden.get(name).cloned().ok_or_else(|| {
            let message = format!(
                "it cannot be told which rows of the sheet `{name}` are hidden; open the workbook in a spreadsheet program and \
                 save it again"
            );
            InputError::new(&self.file, code::BAD_WORKBOOK, message)
        })?;
        let (rows, batches) = sync_channel(AHEAD);
        // The reader gives up the sheet it is at once nobody takes its rows.
        self.batches = batches;
        let sheet = name.to_owned();
        let asked = self.readings.send(SheetReading { sheet, rows });
        asked.map_err(|_| damaged(&self.file))?;
        name.clone_into(&mut self.name);
        self.others = self.shown.iter().filter(|shown| *shown != name).cloned().collect();
        (self.hidden, self.header_row) = (hidden, 0);
        (self.batch, self.next, self.ended) = (Block::default(), 0, false);
        Ok(())
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The other sheets that are shown.
    pub(super) fn others(&self) -> &[String] {
        &self.others
    }

    /// Which sheet is read, and what of it nobody sees, a sentence each.
    pub(super) fn notes(&self, hidden_rows: Option<HiddenRows>) -> Vec<String> {
        let others: Vec<String> = self
            .others
            .iter()
            .map(|name| format!("`{}`", printable(name)))
            .collect();
        let name = printable(&self.name);
        let mut notes = vec![match others.as_slice() {
            [] => format!("the sheet `{name}` was read"),
            some => format!(
                "the sheet `{name}` was read, and not {}; --sheet names another",
                some.join(", ")
            ),
        }];
        let counted = |count: usize, what: &str| match count {
            1 => format!("1 {what} of the sheet is hidden"),
            many => format!("{many} {what}s of the sheet are hidden"),
        };
        let (rows, columns) = self.hidden();
        if rows > 0 {
            let fate = match hidden_rows {
                Some(HiddenRows::Skip) => "passed over",
                _ => "read like the others",
            };
            notes.push(format!("{}, and {fate}", counted(rows, "row")));
        }
        if columns > 0 {
            notes.push(format!("{}, and read like the others", counted(columns, "column")));
        }
        notes
    }

    /// How many rows below the header, and how many columns that it names, are hidden.
    pub(super) fn hidden(&self) -> (usize, usize) {
        let columns = self.named.iter().filter(|at| self.hidden.has_column(**at)).count();
        (self.hidden.rows_below(self.header_row), columns)
    }

    pub(super) fn is_column_hidden(&self, column: usize) -> bool {
        self.hidden.has_column(column)
    }

    pub(super) fn meter(&self) -> &StreamHasher {
        &self.meter
    }

    /// The next row that is not blank, taken for a header.
    pub(super) fn header(&mut self) -> Result<(u64, Vec<String>), InputError> {
        let mut cells = Cells::default();
        let mark = cells.mark();
        match self.record(&mut cells)? {
            Some(line) => {
                let header: Vec<String> = cells.since(mark).cells().map(str::to_owned).collect();
                let named = header.iter().enumerate().filter(|(_, name)| !name.trim().is_empty());
                self.named = named.map(|(at, _)| at).collect();
                self.header_row = line;
                Ok((line, header))
            }
            None => Err(
                InputError::new(&self.file, code::EMPTY_FILE, "the sheet holds nothing but blank rows")
                    .in_sheet(Some(&self.name)),
            ),
        }
    }

    /// Appends the cells of the next row that is not blank, up to its last value; returns its number in the sheet.
    pub(super) fn record(&mut self, cells: &mut Cells) -> Result<Option<u64>, InputError> {
        while self.next == self.batch.len() {
            if self.ended {
                return Ok(None);
            }
            let received = self.batches.recv();
            let batch = received.unwrap_or_else(|_| Err(damaged(&self.file).in_sheet(Some(&self.name))))?;
            self.ended = batch.is_none();
            self.batch = batch.unwrap_or_default();
            self.next = 0;
        }
        let row = self.batch.row(self.next);
        self.next += 1;
        Ok(row.map(|row| {
            cells.copy(&row);
            row.line
        }))
    }

    /// Completes the row appended to a block since `mark`: a sheet keeps no empty cells at the end of a row, so up
    /// to the width of the header they are added. Notes which of its cells hold an error.
    pub(super) fn complete(&self, mark: Mark, block: &mut Block, width: usize) {
        for _ in block.cells.since(mark).len()..width {
            block.cells.end();
        }
        let row = block.rows.len() as u32;
        let of_batch = self.next.saturating_sub(1) as u32;
        let from = self.batch.errors.partition_point(|(row, _)| *row < of_batch);
        let errors = self.batch.errors[from..].iter().take_while(|(row, _)| *row == of_batch);
        block.errors.extend(errors.map(|(_, column)| (row, *column)));
    }
}

/// The letters a spreadsheet has for a column, counted from 0: `A`, `Z`, `AA`.
pub fn column_letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + (column % 26) as u8));
        match (column / 26).checked_sub(1) {
            Some(next) => column = next,
            None => return letters.into_iter().rev().collect(),
        }
    }
}

/// Whether a name is that of a workbook.
pub(super) fn is_named_so(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["xlsx", "xlsm"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// A file whose name promises a workbook.
pub(super) fn not_one(name: &str) -> InputError {
    let message = "the name is that of an Excel workbook, and the content is not; save it again as .xlsx, or, if it \
                   is CSV text, give it a name that ends in .csv";
    InputError::new(name, code::NOT_A_WORKBOOK, message)
}

/// A sheet asked of a file that has none.
pub(super) fn no_sheets(name: &str, sheet: &str) -> InputError {
    let message = format!("the sheet `{sheet}` is asked for, and this is no Excel workbook (.xlsx)");
    InputError::new(name, code::UNKNOWN_SHEET, message)
}

/// What the old container of Office documents holds.
pub(super) fn compound(mut source: TextSource) -> InputError {
    // The directory is somewhere in the file, in UTF-16.
    const LOOKED_AT: usize = 64 << 20;
    let encrypted: Vec<u8> = "EncryptedPackage".bytes().flat_map(|byte| [byte, 0]).collect();
    let finder = memchr::memmem::Finder::new(&encrypted);
    let (mut held, mut chunk, mut seen) = (Vec::new(), vec![0; 64 << 10], 0);
    loop {
        match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                held.extend_from_slice(&chunk[..read]);
                seen += read;
            }
            Err(error) => return error,
        }
        if finder.find(&held).is_some() {
            let message = "the workbook is protected by a password; save it without one";
            return InputError::new(source.name(), code::PASSWORD_PROTECTED, message);
        }
        if seen > LOOKED_AT {
            break;
        }
        held.drain(..held.len().saturating_sub(encrypted.len()));
    }
    let message = "this is an Office document of the old kind (.xls); save it as .xlsx or as CSV";
    InputError::new(source.name(), code::NOT_A_WORKBOOK, message)
}

/// A workbook that cannot be made sense of.
fn damaged(name: &str) -> InputError {
    let message = "the workbook is damaged; open it in a spreadsheet program and save it again";
    InputError::new(name, code::BAD_WORKBOOK, message)
}

#[cfg(test)]
mod tests {
    use super::column_letters;

    #[test]
    fn columns_have_the_letters_spreadsheets_give_them() {
        for (column, expected) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (51, "AZ"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ] {
            assert_eq!(column_letters(column), expected);
        }
    }
}
