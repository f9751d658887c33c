//! The reading of a document: every member is looked at, and what is wrong with one keeps nobody from the next.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;
use tenantry_jobs::{JobKind, nearest};

use super::super::Reason;
use super::super::members::{Members, Sort, child, each_item, text};
use super::rows::{MOST_COLUMNS, NamedTwice, ObjectRows};
use super::{DocumentSender, FileDocument, JobDocument, JobRows, KEYS, LONGEST_NAME, PARAMETER_KEYS, code};
use crate::ledger::{Parameters, person};
use crate::notify::is_reply_stream;

/// Faults told of one by one; a document with more is beyond fixing by hand.
const MOST_FAULTS: usize = 10_000;

/// A document being read, and what was found wrong so far.
#[derive(Default)]
pub(super) struct Reading {
    faults: Vec<Reason>,
    untold: usize,
}

impl Reading {
    pub(super) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, reason: Reason) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(reason);
        } else {
            self.untold += 1;
        }
    }

    pub(super) fn into_reasons(mut self) -> Vec<Reason> {
        if self.untold > 0 {
            let expected = format!("{} more faults are not listed", self.untold);
            self.faults.push(Reason::new("$", code::MORE_FAULTS, "", expected));
        }
        self.faults
    }

    /// The document as far as it could be read, or else how its sender hears of it.
    pub(super) fn document(&mut self, bytes: &[u8], prefix: &str) -> Result<JobDocument, DocumentSender> {
        let Some(members) = self.object(bytes) else {
            return Err(DocumentSender::default());
        };
        let members = self.known("$", members, &KEYS);
        let get = |key: &str| members.get(key).copied();
        let kind = self.kind(get("kind"));
        let (mut parameters, ignore_not_kept) = get("parameters").map(|raw| self.parameters(raw)).unwrap_or_default();
        parameters.reply_rows = get("reply_rows").is_some_and(|raw| self.yes_or_no("$.reply_rows", raw));
        let rows = self.rows(get("rows"), get("csv"));
        let multiline_cells = get("multiline_cells").is_some_and(|raw| self.yes_or_no("$.multiline_cells", raw));
        let idempotency_key = self.name("idempotency_key", get("idempotency_key"));
        let submitted_by = self.person("submitted_by", get("submitted_by"));
        let reply_to = self.reply_to(get("reply_to"), prefix);
        match (kind, rows) {
            (Some(kind), Some(rows)) => Ok(JobDocument {
                kind,
                parameters,
                ignore_not_kept,
                rows,
                multiline_cells,
                idempotency_key,
                submitted_by,
                reply_to,
            }),
            _ => Err(DocumentSender {
                reply_to,
                idempotency_key,
            }),
        }
    }

    /// The members of the document, if it is one.
    fn object<'a>(&mut self, bytes: &'a [u8]) -> Option<Vec<(Cow<'a, str>, &'a RawValue)>> {
        let expected = match std::str::from_utf8(bytes) {
            Ok(json) => match serde_json::from_str(json) {
                Ok(Members(members)) => return Some(members),
                Err(error) => format!("expected a JSON object: {error}"),
            },
            Err(error) => format!("expected UTF-8 text; byte {} is not", error.valid_up_to() + 1),
        };
        self.fault(Reason::new("$", code::NOT_A_DOCUMENT, "", expected));
        None
    }

    /// A document beside a file, as far as it could be read.
    pub(super) fn file_document(&mut self, bytes: &[u8]) -> Option<FileDocument> {
        const OF_A_FILE: [(&str, &str); 4] = [
            ("rows", "expected none; the rows are those of the file"),
            ("csv", "expected none; the rows are those of the file"),
            (
                "reply_to",
                "expected none; the results of a file lie where the file goes",
            ),
            (
                "reply_rows",
                "expected none; the results of a file lie where the file goes",
            ),
        ];
        let members = self.object(bytes)?;
        let members = self.known("$", members, &KEYS);
        for (key, expected) in OF_A_FILE {
            if members.contains_key(key) {
                self.fault(Reason::new(child("$", key), code::BAD_VALUE, "", expected));
            }
        }
        let get = |key: &str| members.get(key).copied();
        let (parameters, ignore_not_kept) = get("parameters").map(|raw| self.parameters(raw)).unwrap_or_default();
        Some(FileDocument {
            kind: get("kind").and_then(|raw| self.kind(Some(raw))),
            parameters,
            ignore_not_kept,
            multiline_cells: get("multiline_cells").is_some_and(|raw| self.yes_or_no("$.multiline_cells", raw)),
            idempotency_key: self.name("idempotency_key", get("idempotency_key")),
            submitted_by: self.person("submitted_by", get("submitted_by")),
        })
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

    fn kind(&mut self, raw: Option<&RawValue>) -> Option<&'static dyn JobKind> {
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

    fn parameters(&mut self, raw: &RawValue) -> (Parameters, Option<bool>) {
        const PATH: &str = "$.parameters";
        let mut parameters = Parameters::default();
        let Ok(Members(members)) = serde_json::from_str(raw.get()) else {
            self.wrong(PATH, raw, "an object");
            return (parameters, None);
        };
        let members = self.known(PATH, members, &PARAMETER_KEYS);
        if let Some(raw) = members.get("customer") {
            parameters.customer = self.name("parameters.customer", Some(raw));
        }
        let mut said = |path, key| members.get(key).map(|raw| self.yes_or_no(path, raw));
        parameters.skip_invalid = said("$.parameters.skip_invalid", "skip_invalid").unwrap_or(false);
        let ignore_not_kept = said("$.parameters.ignore_not_kept", "ignore_not_kept");
        (parameters, ignore_not_kept)
    }

    fn yes_or_no(&mut self, path: &str, raw: &RawValue) -> bool {
        match raw.get() {
            "true" => true,
            "false" => false,
            _ => {
                self.wrong(path, raw, "true or false");
                false
            }
        }
    }

    fn rows(&mut self, rows: Option<&RawValue>, csv: Option<&RawValue>) -> Option<JobRows> {
        match (rows, csv) {
            (Some(rows), None) => self.objects(rows).map(JobRows::Objects),
            (None, Some(csv)) => {
                let text = self.text("$.csv", csv, "CSV text")?;
                if text.trim().is_empty() {
                    self.wrong("$.csv", csv, "CSV text with a header and at least one row");
                }
                Some(JobRows::Csv(text))
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

    fn objects(&mut self, raw: &RawValue) -> Option<ObjectRows> {
        const EXPECTED: &str = "an array of objects, one per row, at least one";
        let (mut rows, mut at) = (ObjectRows::default(), 0);
        let is_array = each_item(raw, |raw| {
            self.row(at, raw, &mut rows);
            rows.end_row();
            at += 1;
        });
        if !is_array || at == 0 {
            self.wrong("$.rows", raw, EXPECTED);
        }
        if !is_array {
            return None;
        }
        if rows.has_more_columns() {
            let expected = format!("expected at most {MOST_COLUMNS} different columns");
            self.fault(Reason::new("$.rows", code::BAD_VALUE, "", expected));
            return None;
        }
        Some(rows)
    }

    fn row(&mut self, at: usize, raw: &RawValue, rows: &mut ObjectRows) {
        let path = || format!("$.rows[{at}]");
        let Ok(Members(members)) = serde_json::from_str(raw.get()) else {
            self.wrong(&path(), raw, "an object of column and value");
            return;
        };
        if members.is_empty() || members.len() > MOST_COLUMNS {
            self.wrong(&path(), raw, "an object of 1 to 1000 columns");
            return;
        }
        for (key, raw) in members {
            let value = self.cell(|| child(&path(), &key), raw);
            if let Err(NamedTwice) = rows.add(&key, &value) {
                self.twice(&child(&path(), &key));
            }
        }
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

    /// The name of somebody, as it is recorded.
    fn person(&mut self, key: &str, raw: Option<&RawValue>) -> Option<String> {
        let path = format!("$.{key}");
        let name = self.text(&path, raw?, "a string")?;
        match person::named(&name) {
            Ok(name) => Some(name),
            Err(why) => {
                self.fault(Reason::new(path, code::BAD_VALUE, &name, why.to_string()));
                None
            }
        }
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
