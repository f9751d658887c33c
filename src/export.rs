//! Exports: rows of the store as a file people open in a spreadsheet, or programs read.
//!
//! Rows go straight from the database's pages through the format's writer to wherever they are to go, a chunk of bytes
//! at a time. CSV cells that a spreadsheet would run are guarded like those of results.

use std::io::{self, Seek, Write};

use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};
use tenantry_jobs::{ExportColumn, ExportFormat};

use crate::input::guard;

/// Rows a sheet can hold, the header included (Excel's limit).
const SHEET_ROWS: u64 = 1_048_576;

/// A file being written.
pub(crate) enum ListWriter<W: Write> {
    /// Comma-separated values.
    Csv(Box<csv::Writer<W>>),
    /// An array of objects, one on each line.
    Json(W, Vec<&'static ExportColumn>, u64),
    /// A workbook.
    Xlsx(Box<Book>, W),
}

/// A workbook being written; its rows go to a temporary file.
pub(crate) struct Book {
    workbook: Workbook,
    columns: Vec<&'static ExportColumn>,
    rows: u64,
}

impl<W: Write> ListWriter<W> {
    /// Begins a file with its header.
    pub(crate) fn new(
        out: W,
        format: ExportFormat,
        columns: Vec<&'static ExportColumn>,
        bom: bool,
    ) -> io::Result<Self> {
        Ok(match format {
            ExportFormat::Csv => {
                let mut out = out;
                if bom {
                    out.write_all("\u{feff}".as_bytes())?;
                }
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(columns.iter().map(|column| column.title))?;
                Self::Csv(Box::new(writer))
            }
            ExportFormat::Json => Self::Json(out, columns, 0),
            ExportFormat::Xlsx => {
                let mut book = Book {
                    workbook: Workbook::new(),
                    columns,
                    rows: 0,
                };
                book.begin_sheet().map_err(io::Error::other)?;
                Self::Xlsx(Box::new(book), out)
            }
        })
    }

    /// Appends a row.
    pub(crate) fn write(&mut self, cells: &[String]) -> io::Result<()> {
        match self {
            Self::Csv(writer) => {
                for cell in cells {
                    if guard::is_needed(cell.as_bytes()) {
                        writer.write_field(format!("'{cell}"))?;
                    } else {
                        writer.write_field(cell)?;
                    }
                }
                writer.write_record(None::<&[u8]>)?;
                Ok(())
            }
            Self::Json(out, columns, rows) => {
                out.write_all(if *rows == 0 { b"[\n" } else { b",\n" })?;
                *rows += 1;
                object(out, columns, cells)
            }
            Self::Xlsx(book, _) => book.write(cells).map_err(io::Error::other),
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Csv(writer) => writer.into_inner().map_err(csv::IntoInnerError::into_error),
            Self::Json(mut out, _, rows) => {
                out.write_all(if rows == 0 { b"[]\n" } else { b"\n]\n" })?;
                Ok(out)
            }
            Self::Xlsx(mut book, mut out) => {
                let mut file = tempfile::tempfile()?;
                book.workbook.save_to_writer(&mut file).map_err(io::Error::other)?;
                file.rewind()?;
                io::copy(&mut file, &mut out)?;
                Ok(out)
            }
        }
    }
}

/// A row as a JSON object, its members in the order of the columns.
pub(crate) fn object(out: &mut impl Write, columns: &[&'static ExportColumn], cells: &[String]) -> io::Result<()> {
    let mut separator = "{";
    for (column, cell) in columns.iter().zip(cells) {
        write!(out, "{separator}\"{}\":", column.name)?;
        serde_json::to_writer(&mut *out, cell)?;
        separator = ",";
    }
    out.write_all(b"}")
}

impl Book {
    fn begin_sheet(&mut self) -> Result<(), XlsxError> {
        let sheet: &mut Worksheet = self.workbook.add_worksheet_with_constant_memory()?;
        for (at, column) in self.columns.iter().enumerate() {
            sheet.write_string(0, at as u16, column.title)?;
        }
        Ok(())
    }

    /// A workbook goes on in another sheet where one is full.
    fn write(&mut self, cells: &[String]) -> Result<(), XlsxError> {
        let within = self.rows % (SHEET_ROWS - 1);
        if within == 0 && self.rows > 0 {
            self.begin_sheet()?;
        }
        let last = self.workbook.worksheets().len() - 1;
        let sheet = self.workbook.worksheet_from_index(last)?;
        for (at, cell) in cells.iter().enumerate() {
            // As texts, so that nothing is a formula and no leading zero is lost.
            sheet.write_string(within as u32 + 1, at as u16, cell)?;
        }
        self.rows += 1;
        Ok(())
    }
}
