//! Tables for people: every CSV file and every workbook this program writes goes through here.
//!
//! Two things make them fit for a spreadsheet. CSV begins with a byte order mark, unless that is turned off: Excel takes
//! UTF-8 without one for the encoding of the country, shows `KÃ¶ln` for `Köln`, and saves it so. And nothing in them is run:
//! in CSV an apostrophe stands before a cell that a spreadsheet would run or change, which reading takes away again
//! ([`guard`](crate::input::guard)); in a workbook every cell is text.

mod book;
mod csv;

use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;

use book::Book;
use csv::Csv;

/// What CSV begins with so that a spreadsheet takes it for UTF-8.
pub(crate) const BOM: &str = "\u{feff}";

/// How tables are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// Whether CSV begins with a byte order mark.
    pub bom: bool,
    /// As what.
    pub format: TableFormat,
}

/// What a table is written as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum TableFormat {
    /// Comma-separated values.
    #[default]
    Csv,
    /// An Excel workbook.
    Xlsx,
}

impl TryFrom<String> for TableFormat {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::named(&name).ok_or("expected `csv` or `xlsx`")
    }
}

impl TableFormat {
    /// The word for it, which is also what the names of such files end in.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// The format of that word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        [Self::Csv, Self::Xlsx]
            .into_iter()
            .find(|format| format.as_str() == word)
    }

    /// What the ending of a file's name asks for; CSV unless it is that of a workbook.
    pub(crate) fn of_name(path: &Path) -> Self {
        match path.extension() {
            Some(ending) if ending.eq_ignore_ascii_case("xlsx") => Self::Xlsx,
            _ => Self::Csv,
        }
    }
}

/// A table being written, cell by cell.
#[derive(Debug)]
pub(crate) enum Table<W: Write> {
    /// To be written as it goes.
    Csv(Csv<W>),
    /// To be written at its end.
    Xlsx(Box<Book>, W),
}

impl<W: Write> Table<W> {
    /// Begins with the header.
    pub(crate) fn new<'h>(out: W, header: impl IntoIterator<Item = &'h str>, form: Form) -> io::Result<Self> {
        let header: Vec<&str> = header.into_iter().collect();
        Ok(match form.format {
            TableFormat::Csv => Self::Csv(Csv::new(out, &header, form.bom)),
            TableFormat::Xlsx => Self::Xlsx(Box::new(Book::new(&header)?), out),
        })
    }

    /// Adds a cell to the row.
    #[inline]
    pub(crate) fn cell(&mut self, cell: &str) {
        match self {
            Self::Csv(csv) => csv.cell(cell),
            Self::Xlsx(book, _) => book.cell(cell),
        }
    }

    /// Ends the row.
    pub(crate) fn end_row(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.end_row(),
            Self::Xlsx(book, _) => book.end_row(),
        }
    }

    /// Ends the table: what it was written to, and its rows, the header not counted.
    pub(crate) fn finish(self) -> io::Result<(W, u64)> {
        match self {
            Self::Csv(csv) => csv.finish(),
            Self::Xlsx(book, mut out) => {
                let rows = book.finish(&mut out)?;
                Ok((out, rows))
            }
        }
    }

    /// What it is written to.
    pub(crate) fn out(&self) -> &W {
        match self {
            Self::Csv(csv) => &csv.out,
            Self::Xlsx(_, out) => out,
        }
    }
}
