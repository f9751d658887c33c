//! A workbook of one table. Its cells are texts, so that nothing is a formula and no leading zero is lost.

use std::borrow::Cow;
use std::io::{self, Seek, Write};

use rust_xlsxwriter::{Workbook, XlsxError};

use crate::input::guard;

/// Rows a sheet can hold, the header included (Excel's limit).
const SHEET_ROWS: u64 = 1_048_576;
/// Characters a cell can hold (Excel's limit), as UTF-16 counts them.
const CELL_CHARACTERS: usize = 32_767;

/// A workbook being written; its rows go to a temporary file.
pub(crate) struct Book {
    workbook: Workbook,
    header: Vec<String>,
    /// Rows that are complete, of all sheets.
    rows: u64,
    /// Those of them that are in the last sheet, and how many cells of the next one are.
    in_sheet: u64,
    column: u16,
    /// What has gone wrong with the row, which is told at its end.
    failed: Option<io::Error>,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Book {
    pub(super) fn new(header: &[&str]) -> io::Result<Self> {
        let mut book = Self {
            workbook: Workbook::new(),
            header: header.iter().map(|name| (*name).to_owned()).collect(),
            rows: 0,
            in_sheet: 0,
            column: 0,
            failed: None,
        };
        book.begin_sheet()?;
        Ok(book)
    }

    fn begin_sheet(&mut self) -> io::Result<()> {
        self.in_sheet = 0;
        self.workbook
            .add_worksheet_with_constant_memory()
            .map_err(io::Error::other)?;
        for (at, name) in self.header.clone().iter().enumerate() {
            self.write(0, at as u16, name)?;
        }
        Ok(())
    }

    pub(super) fn cell(&mut self, cell: &str) {
        if self.failed.is_none() {
            self.failed = self.add(cell).err();
        }
        self.column = self.column.saturating_add(1);
    }

    /// A workbook goes on in another sheet where one is full.
    fn add(&mut self, cell: &str) -> io::Result<()> {
        if self.in_sheet == SHEET_ROWS - 1 {
            self.begin_sheet()?;
        }
        self.write(self.in_sheet as u32 + 1, self.column, cell)
    }

    fn write(&mut self, row: u32, column: u16, cell: &str) -> io::Result<()> {
        if cell.is_empty() {
            return Ok(());
        }
        let text = if guard::is_needed_in_text(cell.as_bytes()) {
            Cow::Owned(format!("'{cell}"))
        } else {
            Cow::Borrowed(cell)
        };
        let last = self.workbook.worksheets().len() - 1;
        let sheet = self.workbook.worksheet_from_index(last).map_err(io::Error::other)?;
        match sheet.write_string(row, column, text) {
            Ok(_) => Ok(()),
            Err(XlsxError::MaxStringLengthExceeded) => Err(io::Error::other(format!(
                "row {}, column {}: the cell has {} characters, and a cell of a workbook holds {CELL_CHARACTERS}; write CSV",
                row + 1,
                crate::input::column_letters(column.into()),
                cell.encode_utf16().count()
            ))),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    pub(super) fn end_row(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.rows += 1;
        self.in_sheet += 1;
        self.column = 0;
        Ok(())
    }

    /// Writes the workbook; how many rows it has.
    pub(super) fn finish(mut self, out: &mut impl Write) -> io::Result<u64> {
        let mut file = tempfile::tempfile()?;
        self.workbook.save_to_writer(&mut file).map_err(io::Error::other)?;
        file.rewind()?;
        io::copy(&mut file, out)?;
        Ok(self.rows)
    }
}
