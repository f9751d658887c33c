//! Writers of results and rejects.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::partial::{Durable, Partial, remove};
use super::{Form, ReceiptError, Written};
use crate::input::RowView;
use crate::table::Table;

/// The columns we add to results.
const OF_RESULTS: [&str; 7] = ["_row", "_place", "_outcome", "_code", "_subject", "_message", "_id"];
/// The columns we add to rejects.
const OF_REJECTS: [&str; 5] = ["_place", "_code", "_subject", "_message", JOB_COLUMN];
/// The column of rejects that says which job rejected them, so that they are known when they are handed in again.
pub(crate) const JOB_COLUMN: &str = "_job";

/// What is said of a row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line<'l> {
    /// Where it stands in the input, for people.
    pub place: &'l str,
    /// Its outcome, e.g. `applied`.
    pub outcome: &'l str,
    /// Stable code; may be empty.
    pub code: &'l str,
    /// Whom or what it is about; may be empty.
    pub subject: &'l str,
    /// For people; may be empty.
    pub message: &'l str,
    /// GUID of the record concerned; may be empty.
    pub id: &'l str,
    /// The job; may be empty.
    pub job: &'l str,
}

/// Results as a table: the rows of the input in its order, each followed by its outcome.
#[derive(Debug)]
pub struct ResultRows<W: Write> {
    rows: InputRows<W>,
}

impl<W: Write> ResultRows<W> {
    /// Begins with the header.
    pub fn new(out: W, header: &[String], form: Form) -> io::Result<Self> {
        Ok(Self {
            rows: InputRows::new(out, header, &OF_RESULTS, form)?,
        })
    }

    /// Adds a row.
    pub fn write(&mut self, row: &RowView<'_>, line: &Line<'_>) -> io::Result<()> {
        self.rows.cells(row);
        let mut digits = [0; 20];
        let table = &mut self.rows.table;
        table.cell(decimal(row.number, &mut digits));
        for cell in [line.place, line.outcome, line.code, line.subject, line.message, line.id] {
            table.cell(cell);
        }
        table.end_row()
    }

    /// Hands over what is still gathered.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.rows.table.finish()?.0)
    }
}

/// Rejects as a table: only the rows to fix, each followed by what is wrong with it.
#[derive(Debug)]
pub struct RejectRows<W: Write> {
    rows: InputRows<W>,
}

impl<W: Write> RejectRows<W> {
    /// Begins with the header.
    pub fn new(out: W, header: &[String], form: Form) -> io::Result<Self> {
        Ok(Self {
            rows: InputRows::new(out, header, &OF_REJECTS, form)?,
        })
    }

    /// Adds a row.
    pub fn write(&mut self, row: &RowView<'_>, line: &Line<'_>) -> io::Result<()> {
        self.rows.cells(row);
        for cell in [line.place, line.code, line.subject, line.message, line.job] {
            self.rows.table.cell(cell);
        }
        self.rows.table.end_row()
    }

    /// Hands over what is still gathered.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.rows.table.finish()?.0)
    }
}

/// Writes `results.csv` or `results.xlsx`.
#[derive(Debug)]
pub struct ResultsWriter {
    rows: ResultRows<Partial>,
}

impl ResultsWriter {
    /// Begins the file of that name in `dir`. It appears under its name with [`finish`](Self::finish); dropped before, nothing is left.
    pub fn create(dir: &Path, name: &str, header: &[String], form: Form) -> Result<Self, ReceiptError> {
        Self::create_as(dir, name, header, form, Durable::Now)
    }

    /// The same, to be put on disk then.
    pub(crate) fn create_as(
        dir: &Path,
        name: &str,
        header: &[String],
        form: Form,
        durable: Durable,
    ) -> Result<Self, ReceiptError> {
        let out = Partial::create(dir, name, durable)?;
        let path = out.path().to_owned();
        let rows = ResultRows::new(out, header, form).map_err(|error| ReceiptError { path, error })?;
        Ok(Self { rows })
    }

    /// Adds a row.
    pub fn write(&mut self, row: &RowView<'_>, line: &Line<'_>) -> Result<(), ReceiptError> {
        let written = self.rows.write(row, line);
        written.map_err(|error| self.rows.rows.table.out().fault(error))
    }

    /// Completes the file.
    pub fn finish(self) -> Result<Written, ReceiptError> {
        complete(self.rows.rows.table)
    }
}

/// Writes `rejects.csv` or `rejects.xlsx`.
#[derive(Debug)]
pub struct RejectsWriter {
    dir: PathBuf,
    name: String,
    header: Vec<String>,
    form: Form,
    durable: Durable,
    /// There is no file before there is a row for it.
    rows: Option<RejectRows<Partial>>,
}

impl RejectsWriter {
    /// Prepares to write the file of that name in `dir`; nothing is created yet.
    pub fn create(dir: &Path, name: &str, header: &[String], form: Form) -> Self {
        Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            header: header.to_vec(),
            form,
            durable: Durable::Now,
            rows: None,
        }
    }

    /// Adds a row.
    pub fn write(&mut self, row: &RowView<'_>, line: &Line<'_>) -> Result<(), ReceiptError> {
        let rows = if let Some(rows) = &mut self.rows {
            rows
        } else {
            let out = Partial::create(&self.dir, &self.name, self.durable)?;
            let path = out.path().to_owned();
            let rows = RejectRows::new(out, &self.header, self.form);
            self.rows.insert(rows.map_err(|error| ReceiptError { path, error })?)
        };
        let written = rows.write(row, line);
        written.map_err(|error| rows.rows.table.out().fault(error))
    }

    /// The same, to be put on disk then.
    #[must_use]
    pub(crate) fn durable(mut self, durable: Durable) -> Self {
        self.durable = durable;
        self
    }

    /// Completes the file, if there were rows. If not, one that an earlier attempt at the job left is removed:
    /// it is not true any more.
    pub fn finish(self) -> Result<Option<Written>, ReceiptError> {
        if let Some(rows) = self.rows {
            return complete(rows.rows.table).map(Some);
        }
        let path = self.dir.join(&self.name);
        match remove(&path) {
            Ok(()) => Ok(None),
            Err(error) => Err(ReceiptError { path, error }),
        }
    }
}

fn complete(table: Table<Partial>) -> Result<Written, ReceiptError> {
    let path = table.out().path().to_owned();
    match table.finish() {
        Ok((out, rows)) => out.finish(rows),
        Err(error) => Err(ReceiptError { path, error }),
    }
}

/// Rows of the input, with columns of ours at their end.
#[derive(Debug)]
struct InputRows<W: Write> {
    table: Table<W>,
    /// How many columns at the end of the input are ours of an earlier round.
    ours: usize,
}

impl<W: Write> InputRows<W> {
    fn new(out: W, header: &[String], added: &[&str], form: Form) -> io::Result<Self> {
        let ours = header
            .iter()
            .rev()
            .take_while(|name| OF_RESULTS.contains(&name.as_str()) || **name == JOB_COLUMN)
            .count();
        let header = header[..header.len() - ours].iter().map(String::as_str);
        Ok(Self {
            table: Table::new(out, header.chain(added.iter().copied()), form)?,
            ours,
        })
    }

    fn cells(&mut self, row: &RowView<'_>) {
        let cells = row.len().saturating_sub(self.ours);
        for cell in row.cells().take(cells) {
            self.table.cell(cell);
        }
    }
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
