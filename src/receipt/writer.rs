//! Writers of `results.csv` and `rejects.csv`.
//!
//! The CSV is written by hand: the `csv` crate's writer takes about twice the processor time for the same cells, and
//! a job of a million rows waits for this at its end.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::partial::{Partial, remove};
use super::{Form, REJECTS, RESULTS, ReceiptError, Written};
use crate::input::{RowView, guard};

/// The columns we add to results. Those of rejects are among them.
const OURS: [&str; 5] = ["_row", "_outcome", "_code", "_message", "_id"];

/// Bytes gathered before they are hashed and written.
const BUFFER: usize = 64 << 10;

/// Results as CSV: the rows of the input in its order, each followed by what came of it.
#[derive(Debug)]
pub struct ResultRows<W: Write> {
    table: CsvTable<W>,
}

impl<W: Write> ResultRows<W> {
    /// Begins with the header.
    pub fn new(out: W, header: &[String], form: Form) -> Self {
        Self {
            table: CsvTable::new(out, header, &OURS, form),
        }
    }

    /// Adds a row. `code`, `message` and `id` may be empty.
    pub fn write(&mut self, row: &RowView<'_>, outcome: &str, code: &str, message: &str, id: &str) -> io::Result<()> {
        self.table.cells(row);
        let mut digits = [0; 20];
        self.table.cell(decimal(row.number, &mut digits));
        self.table.cell(outcome);
        self.table.cell(code);
        self.table.cell(message);
        self.table.cell(id);
        self.table.end_row()
    }

    /// Hands over what is still gathered.
    pub fn finish(mut self) -> io::Result<W> {
        self.table.flush()?;
        Ok(self.table.out)
    }
}

/// Rejects as CSV: only the rows to mend, each followed by what is wrong with it.
#[derive(Debug)]
pub struct RejectRows<W: Write> {
    table: CsvTable<W>,
}

impl<W: Write> RejectRows<W> {
    /// Begins with the header.
    pub fn new(out: W, header: &[String], form: Form) -> Self {
        Self {
            table: CsvTable::new(out, header, &OURS[2..4], form),
        }
    }

    /// Adds a row.
    pub fn write(&mut self, row: &RowView<'_>, code: &str, message: &str) -> io::Result<()> {
        self.table.cells(row);
        self.table.cell(code);
        self.table.cell(message);
        self.table.end_row()
    }

    /// Hands over what is still gathered.
    pub fn finish(mut self) -> io::Result<W> {
        self.table.flush()?;
        Ok(self.table.out)
    }
}

/// Writes `results.csv`.
#[derive(Debug)]
pub struct ResultsWriter {
    rows: ResultRows<Partial>,
}

impl ResultsWriter {
    /// Begins the file in `dir`. It appears under its name with [`finish`](Self::finish); dropped before, nothing is left.
    pub fn create(dir: &Path, header: &[String], form: Form) -> Result<Self, ReceiptError> {
        Ok(Self {
            rows: ResultRows::new(Partial::create(dir, RESULTS)?, header, form),
        })
    }

    /// Adds a row. `code`, `message` and `id` may be empty.
    pub fn write(
        &mut self,
        row: &RowView<'_>,
        outcome: &str,
        code: &str,
        message: &str,
        id: &str,
    ) -> Result<(), ReceiptError> {
        let written = self.rows.write(row, outcome, code, message, id);
        written.map_err(|err| self.rows.table.out.fault(err))
    }

    /// Completes the file.
    pub fn finish(self) -> Result<Written, ReceiptError> {
        self.rows.table.complete()
    }
}

/// Writes `rejects.csv`.
#[derive(Debug)]
pub struct RejectsWriter {
    dir: PathBuf,
    header: Vec<String>,
    form: Form,
    /// There is no file before there is a row for it.
    rows: Option<RejectRows<Partial>>,
}

impl RejectsWriter {
    /// Prepares to write the file in `dir`; nothing is created yet.
    pub fn create(dir: &Path, header: &[String], form: Form) -> Self {
        Self {
            dir: dir.to_owned(),
            header: header.to_vec(),
            form,
            rows: None,
        }
    }

    /// Adds a row.
    pub fn write(&mut self, row: &RowView<'_>, code: &str, message: &str) -> Result<(), ReceiptError> {
        let rows = if let Some(rows) = &mut self.rows {
            rows
        } else {
            let out = Partial::create(&self.dir, REJECTS)?;
            self.rows.insert(RejectRows::new(out, &self.header, self.form))
        };
        let written = rows.write(row, code, message);
        written.map_err(|err| rows.table.out.fault(err))
    }

    /// Completes the file, if there were rows. If not, one that an earlier attempt at the job left is removed:
    /// it is not true any more.
    pub fn finish(self) -> Result<Option<Written>, ReceiptError> {
        if let Some(rows) = self.rows {
            return rows.table.complete().map(Some);
        }
        let path = self.dir.join(REJECTS);
        match remove(&path) {
            Ok(()) => Ok(None),
            Err(error) => Err(ReceiptError { path, error }),
        }
    }
}

#[derive(Debug)]
struct CsvTable<W: Write> {
    out: W,
    buffer: Vec<u8>,
    /// How many columns at the end of the input are ours of an earlier round.
    ours: usize,
    rows: u64,
}

impl CsvTable<Partial> {
    fn complete(mut self) -> Result<Written, ReceiptError> {
        if let Err(err) = self.flush() {
            return Err(self.out.fault(err));
        }
        self.out.finish(self.rows)
    }
}

impl<W: Write> CsvTable<W> {
    fn new(out: W, header: &[String], added: &[&str], form: Form) -> Self {
        let ours = header
            .iter()
            .rev()
            .take_while(|name| OURS.contains(&name.as_str()))
            .count();
        let mut table = Self {
            out,
            buffer: Vec::with_capacity(BUFFER + 4096),
            ours,
            rows: 0,
        };
        let header = &header[..header.len() - ours];
        // Without the mark a reader would take this for a mark, or for UTF-16.
        let taken_for_one = |first: &String| first.starts_with('\u{feff}') || first.contains('\0');
        if form.bom || header.first().is_some_and(taken_for_one) {
            table.buffer.extend_from_slice("\u{feff}".as_bytes());
        }
        for name in header {
            // The delimiter is told by the first line, so other candidates for it are quoted there.
            if name.contains([';', '\t']) {
                table.quoted(name.as_bytes(), guard::is_needed(name.as_bytes()));
            } else {
                table.cell(name);
            }
        }
        for name in added {
            table.cell(name);
        }
        table.end_line();
        table
    }

    fn cells(&mut self, row: &RowView<'_>) {
        let cells = row.len().saturating_sub(self.ours);
        for cell in row.cells().take(cells) {
            self.cell(cell);
        }
    }

    #[inline]
    fn cell(&mut self, cell: &str) {
        let cell = cell.as_bytes();
        let guarded = guard::is_needed(cell);
        if plain(cell) {
            if guarded {
                self.buffer.push(b'\'');
            }
            self.buffer.extend_from_slice(cell);
            self.buffer.push(b',');
        } else {
            self.quoted(cell, guarded);
        }
    }

    #[cold]
    fn quoted(&mut self, mut cell: &[u8], guarded: bool) {
        self.buffer.push(b'"');
        if guarded {
            self.buffer.push(b'\'');
        }
        while let Some(quote) = memchr::memchr(b'"', cell) {
            self.buffer.extend_from_slice(&cell[..=quote]);
            self.buffer.push(b'"');
            cell = &cell[quote + 1..];
        }
        self.buffer.extend_from_slice(cell);
        self.buffer.extend_from_slice(b"\",");
    }

    fn end_line(&mut self) {
        self.buffer.pop();
        self.buffer.push(b'\n');
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.end_line();
        self.rows += 1;
        if self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Whether a cell needs no quotes.
#[inline]
fn plain(cell: &[u8]) -> bool {
    // One pass without an early end: cells are short, and this way the compiler takes several bytes at a time.
    !cell.iter().fold(false, |special, byte| {
        special | matches!(byte, b',' | b'"' | b'\n' | b'\r')
    })
}

/// A number's decimal digits.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).unwrap_or_default();
        }
    }
}
