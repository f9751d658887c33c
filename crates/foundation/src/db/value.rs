//! Values in and out of SQL: the three types both databases agree on, and NULL.

use std::fmt;

use super::DbError;

/// A parameter, or a column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Int(value as i64)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Blob(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// One row of a result. Asking for the wrong type is a defect and answers [`DbError::Broken`].
#[derive(Debug, Clone)]
pub struct Row(pub(super) Vec<Value>);

/// Its values, for people: apart by commas, `-` for NULL.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, value) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match value {
                Value::Null => write!(f, "{comma}-")?,
                Value::Int(number) => write!(f, "{comma}{number}")?,
                Value::Text(text) => write!(f, "{comma}{text}")?,
                Value::Blob(bytes) => write!(f, "{comma}{} bytes", bytes.len())?,
            }
        }
        Ok(())
    }
}

impl Row {
    /// An integer that cannot be NULL.
    pub fn int(&self, column: usize) -> Result<i64, DbError> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            other => Err(mismatch(column, "an integer", other)),
        }
    }

    /// An integer or NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, DbError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    /// A text that cannot be NULL.
    pub fn text(&self, column: usize) -> Result<&str, DbError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(value),
            other => Err(mismatch(column, "a text", other)),
        }
    }

    /// A text or NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>, DbError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// A text; NULL reads as the empty string, as an absent value does everywhere above SQL.
    pub fn text_or_empty(&self, column: usize) -> Result<&str, DbError> {
        Ok(self.opt_text(column)?.unwrap_or(""))
    }

    /// Takes a text out; NULL is the empty string, as in [`text_or_empty`](Self::text_or_empty).
    pub fn take_text(&mut self, column: usize) -> Result<String, DbError> {
        match self.0.get_mut(column) {
            Some(Value::Text(value)) => Ok(std::mem::take(value)),
            Some(Value::Null) => Ok(String::new()),
            other => Err(mismatch(column, "a text", other.as_deref())),
        }
    }

    /// Bytes or NULL.
    pub fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, DbError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.blob(column).map(Some),
        }
    }

    /// Bytes that cannot be NULL.
    pub fn blob(&self, column: usize) -> Result<&[u8], DbError> {
        match self.0.get(column) {
            Some(Value::Blob(value)) => Ok(value),
            other => Err(mismatch(column, "bytes", other)),
        }
    }
}

fn mismatch(column: usize, wanted: &str, found: Option<&Value>) -> DbError {
    let found = match found {
        None => "no such column",
        Some(Value::Null) => "NULL",
        Some(Value::Int(_)) => "an integer",
        Some(Value::Text(_)) => "a text",
        Some(Value::Blob(_)) => "bytes",
    };
    DbError::Broken(format!("column {column} should hold {wanted}, found {found}"))
}
