//! A job as a JSON document.
//!
//! A document is read to its end whatever is wrong with it, so that its sender hears of all faults at once,
//! each with the place it stands at. `job-document.schema.json` says the same for machines; a
//! test holds the two together.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::value::RawValue;
use tenantry_jobs::{Job, nearest};

use super::Reason;
use super::members::{Members, Sort, child, text};
use crate::ledger::Parameters;

/// The JSON Schema of the document.
pub const JOB_DOCUMENT_SCHEMA: &str = include_str!("job-document.schema.json");

/// The keys of a document.
pub const KEYS: [&str; 7] = [
    "kind",
    "parameters",
    "rows",
    "csv",
    "idempotency_key",
    "submitted_by",
    "reply_to",
];
/// The keys of its `parameters`.
pub const PARAMETER_KEYS: [&str; 2] = ["customer", "skip_invalid"];
/// Faults told of one by one; a document with more is beyond mending by hand.
const MOST_FAULTS: usize = 10_000;
/// Different columns of all rows together. Far above what any kind has, and a bound on the CSV text they make.
const MOST_COLUMNS: usize = 1_000;
/// The longest idempotency key, and the longest name.
const LONGEST_NAME: usize = 200;

/// The stable codes of a document's faults; faults of rows have those of the job kinds.
pub mod code {
    /// No JSON, or not a JSON object.
    pub const NOT_A_DOCUMENT: &str = "not-a-document";
    /// A key the document does not have.
    pub const UNKNOWN_KEY: &str = "unknown-key";
    /// A key named twice.
    pub const DUPLICATE_KEY: &str = "duplicate-key";
    /// A key that must be there and is not.
    pub const MISSING_KEY: &str = "missing-key";
    /// A value of the wrong sort or form.
    pub const BAD_VALUE: &str = "bad-value";
    /// No such job kind.
    pub const UNKNOWN_KIND: &str = "unknown-kind";
    /// More faults than are told of one by one.
    pub const MORE_FAULTS: &str = "more-faults";
}

/// A job that another program wants done. It is well formed; whether its rows are right is seen at the door.
pub struct JobDocument {
    /// The kind.
    pub kind: &'static dyn Job,
    /// What is the same for every row.
    pub parameters: Parameters,
    /// The rows.
    pub rows: Rows,
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
pub enum Rows {
    /// Column and value, in the order they were written.
    Objects(Vec<Vec<(String, String)>>),
    /// CSV text with its header.
    Csv(String),
}

/// A document that is not well formed.
#[derive(Debug)]
pub struct Malformed {
    /// Everything that is wrong with it.
    pub reasons: Vec<Reason>,
    /// Where its sender hears of it, if that much could be read.
    pub reply_to: Option<String>,
}

impl JobDocument {
    /// Reads a document. `prefix` is what our own Redis keys begin with; they are no place for replies.
    pub fn parse(bytes: &[u8], prefix: &str) -> Result<Self, Malformed> {
        let mut reading = Reading::default();
        let document = reading.document(bytes, prefix);
        match document {
            Ok(document) if reading.faults.is_empty() => Ok(document),
            Ok(JobDocument { reply_to, .. }) | Err(reply_to) => Err(Malformed {
                reasons: reading.into_reasons(),
                reply_to,
            }),
        }
    }

    /// The rows as CSV text, as a file would have them.
    pub fn into_csv(self) -> Vec<u8> {
        self.rows.into_csv()
    }
}

impl Rows {
    /// As CSV text. The header of objects is all their keys, in the order they are first met.
    pub fn into_csv(self) -> Vec<u8> {
        let rows = match self {
            Rows::Csv(text) => return text.into_bytes(),
            Rows::Objects(rows) => rows,
        };
        let mut header: Vec<&str> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (key, _) in rows.iter().flatten() {
            places.entry(key).or_insert_with(|| {
                header.push(key);
                header.len() - 1
            });
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(&header).expect("memory takes what is written");
        let mut record = vec![""; header.len()];
        for row in &rows {
            record.fill("");
            for (key, value) in row {
                record[places[key.as_str()]] = value;
            }
            csv.write_record(&record).expect("memory takes what is written");
        }
        csv.into_inner().expect("memory takes what is written")
    }
}

/// Whether `stream` can be told outcomes.
pub fn is_reply_stream(stream: &str, prefix: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":._{}-".contains(c);
    let ours = stream
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix(':'))
        .is_some_and(|name| ["tickets", "inbox"].contains(&name.split(':').next().unwrap_or(name)));
    (1..=LONGEST_NAME).contains(&stream.len()) && stream.chars().all(plain) && !ours
}

/// A document being read, and what was found wrong so far.
#[derive(Default)]
struct Reading {
    faults: Vec<Reason>,
    untold: usize,
}

impl Reading {
    fn fault(&mut self, reason: Reason) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(reason);
        } else {
            self.untold += 1;
        }
    }

    fn into_reasons(mut self) -> Vec<Reason> {
        if self.untold > 0 {
            let expected = format!("{} more faults are not listed", self.untold);
            self.faults.push(Reason::new("$", code::MORE_FAULTS, "", expected));
        }
        self.faults
    }

    /// The document as far as it could be read, or else the stream its sender listens to.
    fn document(&mut self, bytes: &[u8], prefix: &str) -> Result<JobDocument, Option<String>> {
        let json = match std::str::from_utf8(bytes) {
            Ok(json) => json,
            Err(error) => {
                let expected = format!("expected UTF-8 text; byte {} is not", error.valid_up_to() + 1);
                self.fault(Reason::new("$", code::NOT_A_DOCUMENT, "", expected));
                return Err(None);
            }
        };
        let Members(members) = match serde_json::from_str(json) {
            Ok(members) => members,
            Err(error) => {
                let expected = format!("expected a JSON object: {error}");
                self.fault(Reason::new("$", code::NOT_A_DOCUMENT, "", expected));
                return Err(None);
            }
        };
        let members = self.known("$", members, &KEYS);
        let get = |key: &str| members.get(key).copied();
        let kind = self.kind(get("kind"));
        let parameters = get("parameters").map_or_else(Parameters::default, |raw| self.parameters(raw));
        let rows = self.rows(get("rows"), get("csv"));
        let idempotency_key = self.name("idempotency_key", get("idempotency_key"));
        let submitted_by = self.name("submitted_by", get("submitted_by"));
        let reply_to = self.reply_to(get("reply_to"), prefix);
        match (kind, rows) {
            (Some(kind), Some(rows)) => Ok(JobDocument {
                kind,
                parameters,
                rows,
                idempotency_key,
                submitted_by,
                reply_to,
            }),
            _ => Err(reply_to),
        }
    }

    /// The members there may be; a fault for each other and for each that is named twice.
    fn known<'a>(
        &mut self,
        path: &str,
        members: Vec<(Cow<'a, str>, &'a RawValue)>,
        keys: &[&'static str],
    ) -> HashMap<&'static str, &'a RawValue> {
        let mut known = HashMap::new();
        for (key, value) in members {
            let Some(name) = keys.iter().find(|name| **name == key) else {
                let expected = format!("expected one of {}", keys.join(", "));
                let reason = Reason::new(child(path, &key), code::UNKNOWN_KEY, &key, expected);
                self.fault(reason.suggest(nearest(&key, keys.iter().copied())));
                continue;
            };
            if known.insert(*name, value).is_some() {
                self.twice(&child(path, &key));
            }
        }
        known
    }

    fn twice(&mut self, path: &str) {
        self.fault(Reason::new(path, code::DUPLICATE_KEY, "", "expected once, named twice"));
    }

    fn kind(&mut self, raw: Option<&RawValue>) -> Option<&'static dyn Job> {
        const PATH: &str = "$.kind";
        let Some(raw) = raw else {
            self.fault(Reason::new(
                PATH,
                code::MISSING_KEY,
                "",
                "expected the name of a job kind",
            ));
            return None;
        };
        let name = self.text(PATH, raw, "the name of a job kind")?;
        match tenantry_jobs::find(&name) {
            Ok(kind) => Some(kind),
            Err(near) => {
                let reason = Reason::new(PATH, code::UNKNOWN_KIND, &name, "expected the name of a job kind");
                self.fault(reason.suggest(near));
                None
            }
        }
    }

    fn parameters(&mut self, raw: &RawValue) -> Parameters {
        const PATH: &str = "$.parameters";
        let mut parameters = Parameters::default();
        let Ok(Members(members)) = serde_json::from_str(raw.get()) else {
            self.wrong(PATH, raw, "an object");
            return parameters;
        };
        let members = self.known(PATH, members, &PARAMETER_KEYS);
        if let Some(raw) = members.get("customer") {
            parameters.customer = self.name("parameters.customer", Some(raw));
        }
        match members.get("skip_invalid").map(|raw| (raw, raw.get())) {
            Some((_, "true")) => parameters.skip_invalid = true,
            None | Some((_, "false")) => {}
            Some((raw, _)) => self.wrong("$.parameters.skip_invalid", raw, "true or false"),
        }
        parameters
    }

    fn rows(&mut self, rows: Option<&RawValue>, csv: Option<&RawValue>) -> Option<Rows> {
        match (rows, csv) {
            (Some(rows), None) => self.objects(rows).map(Rows::Objects),
            (None, Some(csv)) => {
                let text = self.text("$.csv", csv, "CSV text")?;
                if text.trim().is_empty() {
                    self.wrong("$.csv", csv, "CSV text with a header and at least one row");
                }
                Some(Rows::Csv(text))
            }
            (Some(_), Some(_)) => {
                self.fault(Reason::new(
                    "$.csv",
                    code::BAD_VALUE,
                    "",
                    "expected either `rows` or `csv`, not both",
                ));
                None
            }
            (None, None) => {
                self.fault(Reason::new("$.rows", code::MISSING_KEY, "", "expected `rows` or `csv`"));
                None
            }
        }
    }

    fn objects(&mut self, raw: &RawValue) -> Option<Vec<Vec<(String, String)>>> {
        const EXPECTED: &str = "an array of objects, one per row, at least one";
        let Ok(rows) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            self.wrong("$.rows", raw, EXPECTED);
            return None;
        };
        if rows.is_empty() {
            self.wrong("$.rows", raw, EXPECTED);
        }
        let read = |(at, row): (usize, &&RawValue)| self.row(&format!("$.rows[{at}]"), row);
        let rows: Vec<_> = rows.iter().enumerate().map(read).collect();
        let columns: HashSet<&str> = rows.iter().flatten().map(|(column, _)| column.as_str()).collect();
        if columns.len() > MOST_COLUMNS {
            let expected = format!(
                "expected at most {MOST_COLUMNS} different columns, found {}",
                columns.len()
            );
            self.fault(Reason::new("$.rows", code::BAD_VALUE, "", expected));
            return None;
        }
        Some(rows)
    }

    fn row(&mut self, path: &str, raw: &RawValue) -> Vec<(String, String)> {
        let Ok(Members(members)) = serde_json::from_str(raw.get()) else {
            self.wrong(path, raw, "an object of column and value");
            return Vec::new();
        };
        if members.is_empty() || members.len() > MOST_COLUMNS {
            self.wrong(path, raw, "an object of 1 to 1000 columns");
            return Vec::new();
        }
        let mut row: Vec<(String, String)> = Vec::with_capacity(members.len());
        for (key, raw) in members {
            // Rows have a few dozen columns at most, so looking through them is the quicker way.
            if row.iter().any(|(known, _)| *known == key) {
                self.twice(&child(path, &key));
                continue;
            }
            let value = self.cell(|| child(path, &key), raw);
            row.push((key.into_owned(), value));
        }
        row
    }

    /// A cell's text: that of a string, a number as it is written, nothing for null.
    fn cell(&mut self, path: impl FnOnce() -> String, raw: &RawValue) -> String {
        match Sort::of(raw) {
            Sort::Null => String::new(),
            Sort::Bool | Sort::Number => raw.get().to_owned(),
            Sort::Text => text(raw).unwrap_or_else(|| {
                self.wrong(&path(), raw, "a string whose escapes make characters");
                String::new()
            }),
            Sort::Array | Sort::Object => {
                self.wrong(&path(), raw, "a string, a number, a boolean or null");
                String::new()
            }
        }
    }

    /// A short name: no control characters, not blank.
    fn name(&mut self, key: &str, raw: Option<&RawValue>) -> Option<String> {
        let path = format!("$.{key}");
        let raw = raw?;
        let name = self.text(&path, raw, "a string")?;
        let length = name.chars().count();
        if name.trim().is_empty() || length > LONGEST_NAME || name.chars().any(char::is_control) {
            let expected = format!("expected 1 to {LONGEST_NAME} characters, no control characters");
            self.fault(Reason::new(path, code::BAD_VALUE, &name, expected));
            return None;
        }
        Some(name)
    }

    fn reply_to(&mut self, raw: Option<&RawValue>, prefix: &str) -> Option<String> {
        const PATH: &str = "$.reply_to";
        let stream = self.text(PATH, raw?, "the name of a Redis stream")?;
        if is_reply_stream(&stream, prefix) {
            return Some(stream);
        }
        let expected = "expected a Redis stream that is not one of ours: 1 to 200 letters, digits and : . _ { } -";
        self.fault(Reason::new(PATH, code::BAD_VALUE, &stream, expected));
        None
    }

    fn text(&mut self, path: &str, raw: &RawValue, expected: &str) -> Option<String> {
        let text = (Sort::of(raw) == Sort::Text).then(|| text(raw)).flatten();
        if text.is_none() {
            self.wrong(path, raw, expected);
        }
        text
    }

    /// A value of the wrong sort. It is named and not repeated, for it may hold anything.
    fn wrong(&mut self, path: &str, raw: &RawValue, expected: &str) {
        let expected = format!("expected {expected}, found {}", found(raw));
        self.fault(Reason::new(path, code::BAD_VALUE, "", expected));
    }
}

fn found(raw: &RawValue) -> &'static str {
    match (Sort::of(raw), raw.get()) {
        (_, "[]") => "an empty array",
        (_, "{}") => "an empty object",
        (Sort::Text, text) if text.trim_matches('"').trim().is_empty() => "an empty string",
        (sort, _) => sort.named(),
    }
}

#[cfg(test)]
mod tests;
