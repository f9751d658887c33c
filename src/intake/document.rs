//! A job as a JSON document.
//!
//! A document is read to its end whatever is wrong with it, so that its sender hears of all faults at once,
//! each with the place it stands at. `job-document.schema.json` says the same for machines; a
//! test holds the two together.

mod reading;
mod rows;

use std::fmt;

use tenantry_jobs::JobKind;

use super::Reason;
use crate::ledger::Parameters;
use reading::Reading;
use rows::ObjectRows;

/// The keys of a document.
pub(crate) const KEYS: [&str; 9] = [
    "kind",
    "parameters",
    "rows",
    "csv",
    "multiline_cells",
    "idempotency_key",
    "submitted_by",
    "reply_to",
    "reply_rows",
];
/// The keys of its `parameters`.
pub(crate) const PARAMETER_KEYS: [&str; 3] = ["customer", "skip_invalid", "ignore_not_kept"];
/// Bytes of rows that are little to read.
const SMALL: usize = 16 << 10;
/// The longest idempotency key, and the longest name.
const LONGEST_NAME: usize = 200;

/// The stable codes of a document's faults; faults of rows have those of the job kinds.
pub(crate) mod code {
    /// No JSON, or not a JSON object.
    pub(crate) const NOT_A_DOCUMENT: &str = "not-a-document";
    /// A key the document does not have.
    pub(crate) const UNKNOWN_KEY: &str = "unknown-key";
    /// A key named twice.
    pub(crate) const DUPLICATE_KEY: &str = "duplicate-key";
    /// A key that must be there and is not.
    pub(crate) const MISSING_KEY: &str = "missing-key";
    /// A value of the wrong sort or form.
    pub(crate) const BAD_VALUE: &str = "bad-value";
    /// No such job kind.
    pub(crate) const UNKNOWN_KIND: &str = "unknown-kind";
    /// It is larger than is read.
    pub(crate) const TOO_LARGE: &str = "too-large";
    /// Workers ended while they read it.
    pub(crate) const READER_ENDED: &str = "reader-ended";
    /// More faults than are told of one by one.
    pub(crate) const MORE_FAULTS: &str = "more-faults";
}

/// A job that another program wants done. It is well formed; whether its rows are right is seen at the door.
pub struct JobDocument {
    /// The kind.
    pub kind: &'static dyn JobKind,
    /// What is the same for every row.
    pub parameters: Parameters,
    /// Whether columns that the store does not keep are left out; `None` where the sender does not say it.
    pub ignore_not_kept: Option<bool>,
    /// The rows.
    pub rows: JobRows,
    /// Whether cells of CSV text may hold lines like its own.
    pub multiline_cells: bool,
    /// The sender's own key: documents with the same one are the same job.
    pub idempotency_key: Option<String>,
    /// Who sent it.
    pub submitted_by: Option<String>,
    /// Redis stream that is told the outcome.
    pub reply_to: Option<String>,
}

impl fmt::Debug for JobDocument {
    /// Never the rows: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobDocument")
            .field("kind", &self.kind.kind())
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}

/// The rows of a document.
pub enum JobRows {
    /// Column and value, in the order they were written.
    Objects(ObjectRows),
    /// CSV text with its header.
    Csv(String),
}

/// What a document says that lies beside a file which has the rows.
#[derive(Default)]
pub(crate) struct FileDocument {
    /// The kind, where it says one.
    pub(crate) kind: Option<&'static dyn JobKind>,
    /// What is the same for every row.
    pub(crate) parameters: Parameters,
    /// Whether columns that the store does not keep are left out; `None` where the sender does not say it.
    pub(crate) ignore_not_kept: Option<bool>,
    /// Whether cells may hold lines like the file's own.
    pub(crate) multiline_cells: bool,
    /// The sender's own key.
    pub(crate) idempotency_key: Option<String>,
    /// Who it says it is from.
    pub(crate) submitted_by: Option<String>,
}

impl FileDocument {
    /// Reads one as far as it can be read, with everything that is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> (Self, Vec<Reason>) {
        let mut reading = Reading::default();
        let document = reading.file_document(bytes).unwrap_or_default();
        (document, reading.into_reasons())
    }
}

/// A document that is not well formed.
#[derive(Debug)]
pub struct Malformed {
    /// Everything that is wrong with it.
    pub reasons: Vec<Reason>,
    /// Who hears of it, if that much could be read.
    pub sender: DocumentSender,
}

/// How the sender of a document hears of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentSender {
    /// The Redis stream.
    pub reply_to: Option<String>,
    /// What the sender knows the document by.
    pub idempotency_key: Option<String>,
}

impl JobDocument {
    /// Reads a document. `prefix` is what our own Redis keys begin with; they are no place for replies.
    pub fn parse(bytes: &[u8], prefix: &str) -> Result<Self, Malformed> {
        let mut reading = Reading::default();
        let document = reading.document(bytes, prefix);
        match document {
            Ok(document) if reading.is_sound() => Ok(document),
            Ok(document) => Err(Malformed {
                reasons: reading.into_reasons(),
                sender: document.sender(),
            }),
            Err(sender) => Err(Malformed {
                reasons: reading.into_reasons(),
                sender,
            }),
        }
    }

    /// How its sender hears of it.
    pub(super) fn sender(&self) -> DocumentSender {
        DocumentSender {
            reply_to: self.reply_to.clone(),
            idempotency_key: self.idempotency_key.clone(),
        }
    }

    /// The rows as CSV text, as a file would have them.
    pub fn into_csv(self) -> Vec<u8> {
        self.rows.into_csv()
    }
}

impl JobRows {
    /// Whether there is little to read.
    pub(super) fn is_small(&self) -> bool {
        match self {
            JobRows::Csv(text) => text.len() <= SMALL,
            JobRows::Objects(rows) => rows.bytes() <= SMALL,
        }
    }

    /// As CSV text. The header of objects is all their keys, in the order they are first met.
    pub fn into_csv(self) -> Vec<u8> {
        match self {
            JobRows::Csv(text) => text.into_bytes(),
            JobRows::Objects(rows) => rows.into_csv(),
        }
    }
}

#[cfg(test)]
mod tests;
