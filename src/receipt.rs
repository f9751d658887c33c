//! The row path's second half: from rows and their outcomes to the files a user gets back.
//!
//! `results.csv` has every row of the input with its outcome, `rejects.csv` only the rows to fix (both may be workbooks,
//! `results.xlsx` and `rejects.xlsx`), and `receipt.json` has the facts of the job. Each is written beside its final name and moved there
//! when it is complete and on disk, so a file of that name is never half of one.
//!
//! Three rules make a rejects file fit to be dropped again as it is, any number of times:
//! cells are those of the input, with an apostrophe before what a spreadsheet would run or change, which reading takes away
//! again ([`guard`](crate::input::guard)); our own columns begin with `_`, which readers ignore, and those of an earlier round
//! are left out; and our cells are always the *last* of a row, so that a row with too many or too few
//! cells still has as many too many or too few, and is not taken for a whole one.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use crate::input::Sha256;
use crate::ledger::{BroughtBy, Counts, JobId, JobState, Parameters};
pub use crate::table::{Form, TableFormat};

mod partial;
mod writer;

pub(crate) use partial::Durable;
use partial::Partial;
pub(crate) use writer::JOB_COLUMN;
pub use writer::{Line, RejectRows, RejectsWriter, ResultRows, ResultsWriter};

/// The file name of the results.
pub(crate) fn results_name(format: TableFormat) -> &'static str {
    match format {
        TableFormat::Csv => "results.csv",
        TableFormat::Xlsx => "results.xlsx",
    }
}

/// The file name of the rejects.
pub(crate) fn rejects_name(format: TableFormat) -> &'static str {
    match format {
        TableFormat::Csv => "rejects.csv",
        TableFormat::Xlsx => "rejects.xlsx",
    }
}

/// The file name of the receipt.
pub(crate) const RECEIPT: &str = "receipt.json";

/// The facts of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The job's id.
    pub job: JobId,
    /// Its kind, e.g. `bulk-add-users`.
    pub kind: String,
    /// The state it ended in, e.g. `completed`.
    pub state: JobState,
    /// What it was asked besides its rows, e.g. a fixed customer. Never a secret.
    pub parameters: Parameters,
    /// How many rows ended how.
    pub counts: Counts,
    /// What was read.
    pub input: InputFiles,
    /// Who asked for it.
    pub submitted_by: String,
    /// The file of a drop folder that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<BroughtBy>,
    /// When work on it began; `None` if it never did.
    pub started_at: Option<Timestamp>,
    /// When the last row had its outcome.
    pub finished_at: Option<Timestamp>,
    /// The name of the results, beside the receipt.
    #[serde(default)]
    pub results: String,
    /// Their hash.
    pub results_sha256: Sha256,
    /// Files that rows made.
    #[serde(default)]
    pub files: Vec<FileMade>,
    /// The name of the rejects; `None` when no row was rejected and there is no such file.
    #[serde(default)]
    pub rejects: Option<String>,
    /// Their hash.
    pub rejects_sha256: Option<Sha256>,
}

/// A file that a row made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMade {
    /// Its name, beside the receipt.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The hash of its bytes.
    pub sha256: Sha256,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFiles {
    /// The files as the user named them, in the order read.
    pub files: Vec<String>,
    /// The hash of their bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Their size together.
    pub bytes: u64,
    /// Their data rows together.
    pub rows: u64,
    /// What is to be said of the files, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Receipt {
    /// Writes `receipt.json` into `dir`.
    pub fn write(&self, dir: &Path) -> Result<Written, ReceiptError> {
        write_json(dir, RECEIPT, self, Durable::Now)
    }
}

/// Writes a document under that name into `dir`.
pub(crate) fn write_json(
    dir: &Path,
    name: &str,
    document: &impl Serialize,
    durable: Durable,
) -> Result<Written, ReceiptError> {
    let mut file = Partial::create(dir, name, durable)?;
    let mut json = serde_json::to_vec_pretty(document).map_err(|err| file.fault(err.into()))?;
    json.push(b'\n');
    file.write_all(&json).map_err(|err| file.fault(err))?;
    file.finish(0)
}

/// The name of the `nth` of `of` files with new users' passwords, counted from 1.
pub fn passwords_name(nth: usize, of: usize) -> String {
    if of <= 1 {
        "passwords.csv.age".to_owned()
    } else {
        format!("passwords-{nth}.csv.age")
    }
}

/// Writes a file that only its owner can read into `dir`, such as sealed passwords under their
/// [name](passwords_name). `rows` says how many it has.
pub fn write_private(dir: &Path, name: &str, bytes: &[u8], rows: u64) -> Result<Written, ReceiptError> {
    let mut file = Partial::create_private(dir, name)?;
    file.write_all(bytes).map_err(|err| file.fault(err))?;
    file.finish(rows)
}

/// A file that a row made, being written.
pub(crate) struct Download(Partial);

impl Download {
    /// Begins `name` in `dir`.
    pub(crate) fn create(dir: &Path, name: &str, durable: Durable) -> Result<Self, ReceiptError> {
        Partial::create(dir, name, durable).map(Self)
    }

    /// Appends to it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ReceiptError> {
        self.0.write_all(bytes).map_err(|err| self.0.fault(err))
    }

    /// Ends it.
    pub(crate) fn finish(self) -> Result<Written, ReceiptError> {
        self.0.finish(0)
    }
}

/// A file that is complete and on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where it lies.
    pub path: PathBuf,
    /// The hash of its bytes.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
    /// Its rows, the header not counted.
    pub rows: u64,
}

impl Written {
    /// Its name in its directory.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {error}", path.display())]
pub struct ReceiptError {
    /// Which one.
    pub path: PathBuf,
    /// Why.
    pub error: std::io::Error,
}
