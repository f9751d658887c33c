//! The thread that reads a workbook: opened once, its parts weighed, one sheet after the other chosen, and its rows sent off.

use std::io::{Seek, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use calamine::{CellErrorType, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use tempfile::SpooledTempFile;
use tenantry_jobs::{did_you_mean, nearest};

use super::super::InputLimits;
use super::super::block::Block;
use super::super::digest::StreamHasher;
use super::super::error::{InputError, Position, code};
use super::super::source::TextSource;
use super::formatted::{self, Formatted, MOST_COLUMNS};
use super::hidden::{BySheet, Hidden};
use super::{format, package};

/// A workbook up to this size is held in memory, a larger one in a temporary file.
const IN_MEMORY: usize = 8 << 20;
/// A batch is sent at this many rows, or at this weight.
const BATCH_ROWS: usize = 512;
const BATCH_BYTES: usize = 256 << 10;
/// What a sheet can have.
const MOST_ROWS: u32 = 1 << 20;
/// Empty cells between values. A few bytes can name a cell thousands of columns away.
const MOST_GAPS: u64 = 1 << 30;

/// What is known before the first row.
pub(super) struct OpenedSheet {
    /// The sheet that is wanted.
    pub(super) name: String,
    /// The sheets that are shown.
    pub(super) shown: Vec<String>,
    /// What is hidden in each sheet, by its name.
    pub(super) hidden: Arc<BySheet>,
    pub(super) meter: StreamHasher,
}

/// A sheet to be read from its beginning, until nobody takes its rows any more.
pub(super) struct SheetReading {
    pub(super) sheet: String,
    pub(super) rows: BlockSender,
}

/// What of a workbook is read.
#[derive(Debug, Clone, Default)]
pub(super) struct SheetChoice {
    pub(super) sheet: Option<String>,
    /// Whether rows that are hidden are passed over.
    pub(super) skips_hidden: bool,
}

/// Rows on their way; `None` is the end.
pub(super) type BlockSender = SyncSender<Result<Option<Block>, InputError>>;

/// Opens a workbook, and reads of it what is asked for until nobody asks any more.
pub(super) fn read(
    source: TextSource,
    limits: InputLimits,
    wanted: &SheetChoice,
    opened: &SyncSender<Result<OpenedSheet, InputError>>,
    readings: &Receiver<SheetReading>,
) {
    let file = source.name().to_owned();
    let (mut book, hidden) = match open(source, limits, wanted.sheet.as_deref()) {
        Ok((book, name, hidden, meter)) => {
            let hidden = Arc::new(hidden);
            let told = OpenedSheet {
                name,
                shown: shown(&book).cloned().collect(),
                hidden: hidden.clone(),
                meter,
            };
            if opened.send(Ok(told)).is_err() {
                return;
            }
            (book, hidden)
        }
        Err(error) => {
            // Nobody to tell is nobody to read for.
            let _ = opened.send(Err(error));
            return;
        }
    };
    while let Ok(SheetReading { sheet: name, rows }) = readings.recv() {
        let mut sheet = SheetRows {
            file: &file,
            name: &name,
            limits,
            batch: Block::default(),
            gaps: 0,
            formatted: Formatted::default(),
            skipped: hidden
                .get(&name)
                .map(|hidden| &**hidden)
                .filter(|_| wanted.skips_hidden),
        };
        let end = sheet.send(&mut book, &rows);
        let _ = rows.send(end.map(|()| None));
    }
}

type Workbook = Xlsx<SpooledTempFile>;

fn open(
    mut source: TextSource,
    limits: InputLimits,
    wanted: Option<&str>,
) -> Result<(Workbook, String, BySheet, StreamHasher), InputError> {
    let mut copy = SpooledTempFile::new(IN_MEMORY);
    let mut chunk = vec![0; 128 << 10];
    let cannot = |file: &str, error: std::io::Error| {
        let message = format!("the workbook cannot be copied to a temporary file ({error})");
        InputError::new(file, code::UNREADABLE, message)
    };
    loop {
        match source.read(&mut chunk)? {
            0 => break,
            read => copy
                .write_all(&chunk[..read])
                .map_err(|error| cannot(source.name(), error))?,
        }
    }
    copy.rewind().map_err(|error| cannot(source.name(), error))?;
    let file = source.name();
    let hidden = package::check(&mut copy, file, limits)?;
    copy.rewind().map_err(|error| cannot(file, error))?;
    let book = Xlsx::new(copy).map_err(|error| explain(file, &error))?;
    let name = choose(&book, file, wanted)?;
    Ok((book, name, hidden, source.meter().clone()))
}

/// The names of the sheets of cells that are not hidden.
fn shown(book: &Workbook) -> impl Iterator<Item = &String> {
    let sheets = book.sheets_metadata().iter();
    let shown = sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    shown.map(|sheet| &sheet.name)
}

fn choose(book: &Workbook, file: &str, wanted: Option<&str>) -> Result<String, InputError> {
    let sheets = || {
        let all = book.sheets_metadata().iter();
        all.filter(|sheet| sheet.typ == SheetType::WorkSheet)
    };
    let Some(wanted) = wanted else {
        return shown(book).next().cloned().ok_or_else(|| {
            InputError::new(
                file,
                code::UNKNOWN_SHEET,
                "the workbook has no sheet of cells that is not hidden",
            )
        });
    };
    let names = || sheets().map(|sheet| sheet.name.as_str());
    let found = names()
        .find(|name| *name == wanted)
        // A workbook cannot have two sheets whose names differ in case alone.
        .or_else(|| names().find(|name| name.to_lowercase() == wanted.to_lowercase()));
    found.map(str::to_owned).ok_or_else(|| {
        let near = did_you_mean(nearest(wanted, names()));
        let all: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        let message = format!("there is no sheet `{wanted}`, the sheets are {}{near}", all.join(", "));
        InputError::new(file, code::UNKNOWN_SHEET, message)
    })
}

fn explain(file: &str, error: &XlsxError) -> InputError {
    match error {
        XlsxError::Password => InputError::new(
            file,
            code::PASSWORD_PROTECTED,
            "the workbook is protected by a password; save it without one",
        ),
        error => {
            let message =
                format!("the workbook is damaged ({error}); open it in a spreadsheet program and save it again");
            InputError::new(file, code::BAD_WORKBOOK, message)
        }
    }
}

/// The rows of one sheet, on their way.
struct SheetRows<'a> {
    file: &'a str,
    name: &'a str,
    limits: InputLimits,
    batch: Block,
    gaps: u64,
    /// Which cells show another text than their value.
    formatted: Formatted,
    /// Rows that are passed over because they are hidden.
    skipped: Option<&'a Hidden>,
}

impl SheetRows<'_> {
    fn send(&mut self, book: &mut Workbook, rows: &BlockSender) -> Result<(), InputError> {
        self.formatted = self.formats(book)?;
        let cells = book.worksheet_cells_reader(self.name);
        let mut cells = cells.map_err(|error| explain(self.file, &error).in_sheet(Some(self.name)))?;
        let mut row: Option<u32> = None;
        let mut mark = self.batch.cells.mark();
        let mut last = None;
        loop {
            let cell = cells
                .next_cell_with_formula_metadata()
                .map_err(|error| self.broken(row, &error))?;
            let at = cell.as_ref().map(|cell| cell.pos);
            // A row ends where the next one begins.
            if let Some(ended) = row.filter(|row| at.is_none_or(|(next, _)| next != *row)) {
                self.end_row(ended, mark);
                if self.batch.len() >= BATCH_ROWS || self.batch.weight() >= BATCH_BYTES {
                    let batch = std::mem::take(&mut self.batch);
                    if rows.send(Ok(Some(batch))).is_err() {
                        return Ok(());
                    }
                }
                mark = self.batch.cells.mark();
                last = None;
            }
            let (Some(cell), Some((next, column))) = (cell, at) else {
                break;
            };
            if row.is_some_and(|row| next < row) || last.is_some_and(|last| column <= last) {
                return Err(self.fault(next, code::BAD_WORKBOOK, "its cells are out of order"));
            }
            if next >= MOST_ROWS || column >= MOST_COLUMNS {
                return Err(self.fault(
                    next,
                    code::BAD_WORKBOOK,
                    "a cell is beyond the last row or column there can be",
                ));
            }
            row = Some(next);
            last = Some(column);
            // What a formula comes to, the program that wrote the file has to say; an empty cell is not the answer.
            let value = match (cell.value, cell.formula) {
                (calamine::DataRef::Empty, Some(_)) => calamine::DataRef::Error(CellErrorType::GettingData),
                (value, _) => value,
            };
            self.cell(next, column, &value, mark)?;
        }
        if !self.batch.is_empty() {
            let _ = rows.send(Ok(Some(std::mem::take(&mut self.batch))));
        }
        Ok(())
    }

    fn formats(&self, book: &mut Workbook) -> Result<Formatted, InputError> {
        let cells = book.worksheet_cells_reader(self.name);
        let cells = cells.map_err(|error| explain(self.file, &error).in_sheet(Some(self.name)))?;
        // What is damaged in the sheet is told where its rows are read.
        match formatted::of(cells) {
            Ok(formatted) => Ok(formatted),
            Err(formatted::TooMany(row)) => Err(self.fault(row, code::TOO_LARGE, formatted::TOO_MANY)),
        }
    }

    fn cell(
        &mut self,
        row: u32,
        column: u32,
        value: &calamine::DataRef<'_>,
        mark: super::Mark,
    ) -> Result<(), InputError> {
        let cells = &mut self.batch.cells;
        let before = cells.text.len();
        format::write_as(value, self.formatted.get(row, column), &mut cells.text);
        let text = cells.text.len() - before;
        if text == 0 {
            return Ok(());
        }
        let gap = column as usize - cells.since(mark).len();
        if gap > 0 {
            let value = cells.text.split_off(before);
            (0..gap).for_each(|_| cells.end());
            cells.text.push_str(&value);
        }
        cells.end();
        self.gaps += gap as u64;
        if matches!(value, calamine::DataRef::Error(_)) {
            self.batch.errors.push((self.batch.rows.len() as u32, column));
        }
        if self.batch.cells.text.len() - mark.text > self.limits.record_bytes {
            let message = format!("the row is longer than {} bytes", self.limits.record_bytes);
            return Err(self.fault(row, code::RECORD_TOO_LONG, message));
        }
        if self.gaps > MOST_GAPS {
            let message = "there are too many empty cells between values; delete what stands far to the right";
            return Err(self.fault(row, code::TOO_LARGE, message));
        }
        Ok(())
    }

    /// Ends a row, or takes it back where it is blank.
    fn end_row(&mut self, row: u32, mark: super::Mark) {
        let blank = |cell: &str| cell.trim_ascii().is_empty();
        let is_skipped = self.skipped.is_some_and(|hidden| hidden.has(row + 1));
        if is_skipped || self.batch.cells.since(mark).cells().all(blank) {
            self.batch.cells.rewind(mark);
        } else {
            self.batch.end_row(u64::from(row) + 1);
        }
    }

    fn broken(&self, row: Option<u32>, error: &XlsxError) -> InputError {
        if let XlsxError::CellError(value) = error {
            let message = format!("a cell after this row holds the error `{value}`, which has no value to read");
            return self.fault(row.unwrap_or_default(), code::BAD_WORKBOOK, message);
        }
        let error = explain(self.file, error).in_sheet(Some(self.name));
        match row {
            Some(row) => error.at(position(row)),
            None => error,
        }
    }

    fn fault(&self, row: u32, code: &'static str, message: impl Into<String>) -> InputError {
        InputError::new(self.file, code, message)
            .in_sheet(Some(self.name))
            .at(position(row))
    }
}

fn position(row: u32) -> Position {
    Position {
        line: u64::from(row) + 1,
        column: 1,
    }
}
