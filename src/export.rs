//! Exports: rows of the store as a file people open in a spreadsheet, or programs read.
//!
//! Rows go straight from the database's pages through the format's writer to wherever they are to go, a chunk of bytes
//! at a time.

use std::io::{self, Write};

use tenantry_jobs::{ExportColumn, ExportFormat};

use crate::table::{Form, Table, TableFormat};

/// A file being written.
pub(crate) enum ListWriter<W: Write> {
    /// For people.
    Table(Table<W>),
    /// An array of objects, one on each line.
    Json(W, Vec<&'static ExportColumn>, u64),
}

impl<W: Write> ListWriter<W> {
    /// Begins a file with its header.
    pub(crate) fn new(
        out: W,
        format: ExportFormat,
        columns: Vec<&'static ExportColumn>,
        form: Form,
    ) -> io::Result<Self> {
        let format = match format {
            ExportFormat::Csv => TableFormat::Csv,
            ExportFormat::Xlsx => TableFormat::Xlsx,
            ExportFormat::Json => return Ok(Self::Json(out, columns, 0)),
        };
        let titles = columns.iter().map(|column| column.title);
        Ok(Self::Table(Table::new(out, titles, Form { format, ..form })?))
    }

    /// Appends a row.
    pub(crate) fn write(&mut self, cells: &[String]) -> io::Result<()> {
        match self {
            Self::Table(table) => {
                for cell in cells {
                    table.cell(cell);
                }
                table.end_row()
            }
            Self::Json(out, columns, rows) => {
                out.write_all(if *rows == 0 { b"[\n" } else { b",\n" })?;
                *rows += 1;
                object(out, columns, cells)
            }
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Table(table) => Ok(table.finish()?.0),
            Self::Json(mut out, _, rows) => {
                out.write_all(if rows == 0 { b"[]\n" } else { b"\n]\n" })?;
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
