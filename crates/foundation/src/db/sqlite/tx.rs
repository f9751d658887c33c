//! One transaction on an SQLite connection: statements, bulk insertion, and values on their way in and out.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, params_from_iter};

use super::super::{Alone, Batch, Cell, DbError, Dialect, Row, Tx, Value};

/// One open transaction on this connection.
pub(super) struct SqliteTx<'c> {
    pub(super) connection: &'c Connection,
}

impl Tx for SqliteTx<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn exec(&mut self, text: &str, params: &[Value]) -> Result<u64, DbError> {
        let mut statement = self.connection.prepare_cached(&numbered(text)).map_err(sql)?;
        statement
            .execute(params_from_iter(params))
            .map(|changed| changed as u64)
            .map_err(sql)
    }

    fn query(&mut self, text: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let mut statement = self.connection.prepare_cached(&numbered(text)).map_err(sql)?;
        collect(&mut statement, params)
    }

    fn exec_each(&mut self, text: &str, params: &[Vec<Value>]) -> Result<Vec<u64>, DbError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare_cached(&numbered(text)).map_err(sql)?;
        params
            .iter()
            .map(|params| {
                statement
                    .execute(params_from_iter(params))
                    .map(|changed| changed as u64)
                    .map_err(sql)
            })
            .collect()
    }

    fn exec_all(&mut self, text: &str, params: &[Vec<Value>]) -> Result<u64, DbError> {
        Ok(self.exec_each(text, params)?.into_iter().sum())
    }

    fn exec_all_returning(&mut self, text: &str, params: &[Vec<Value>]) -> Result<Vec<Row>, DbError> {
        Ok(self.query_each(text, params)?.into_iter().flatten().collect())
    }

    fn query_each(&mut self, text: &str, params: &[Vec<Value>]) -> Result<Vec<Vec<Row>>, DbError> {
        let mut statement = self.connection.prepare_cached(&numbered(text)).map_err(sql)?;
        params.iter().map(|params| collect(&mut statement, params)).collect()
    }

    /// One that has been given out is not given out again, even if its row is gone: the table remembers the last.
    fn fresh_keys(&mut self, table: &str, _column: &str, count: usize) -> Result<Vec<i64>, DbError> {
        let last = self.query_first("SELECT seq FROM sqlite_sequence WHERE name = $1", &[table.into()])?;
        let last = last.map_or(Ok(0), |row| row.int(0))?;
        Ok((1..=count as i64).map(|at| last + at).collect())
    }

    fn insert(&mut self, table: &str, columns: &[&str], batch: &Batch) -> Result<(), DbError> {
        insert(self.connection, table, columns, batch, "").map(drop)
    }

    fn insert_new(&mut self, table: &str, columns: &[&str], batch: &Batch) -> Result<Vec<usize>, DbError> {
        insert(self.connection, table, columns, batch, " ON CONFLICT DO NOTHING")
    }

    fn lock(&mut self, _table: &str, _ids: &[i64]) -> Result<(), DbError> {
        Ok(())
    }

    fn alone_with(&mut self, _what: Alone) -> Result<(), DbError> {
        Ok(())
    }

    fn attempt(&mut self, work: &mut dyn FnMut(&mut dyn Tx) -> Result<(), DbError>) -> Result<(), DbError> {
        self.connection.execute_batch("SAVEPOINT attempt").map_err(sql)?;
        let done = work(self);
        let end = match done {
            Ok(()) => "RELEASE attempt",
            Err(_) => "ROLLBACK TO attempt; RELEASE attempt",
        };
        let ended = self.connection.execute_batch(end).map_err(sql);
        done.and(ended)
    }
}

/// Inserts the rows one by one; the positions of those that were not.
fn insert(
    connection: &Connection,
    table: &str,
    columns: &[&str],
    batch: &Batch,
    on_conflict: &str,
) -> Result<Vec<usize>, DbError> {
    let places: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let text = format!(
        "INSERT INTO {table} ({}) VALUES ({}){on_conflict}",
        columns.join(", "),
        places.join(", ")
    );
    let mut statement = connection.prepare_cached(&text).map_err(sql)?;
    let mut refused = Vec::new();
    for position in 0..batch.len() {
        // What is bound stays bound, and many cells are as in the row before: each that is bound costs SQLite a copy.
        let mut before = position.checked_sub(1).map(|before| batch.row(before));
        for (index, cell) in batch.row(position).enumerate() {
            if before.as_mut().and_then(Iterator::next) != Some(cell) {
                statement.raw_bind_parameter(index + 1, cell).map_err(sql)?;
            }
        }
        if statement.raw_execute().map_err(sql)? == 0 {
            refused.push(position);
        }
    }
    Ok(refused)
}

fn collect(statement: &mut rusqlite::Statement<'_>, params: &[Value]) -> Result<Vec<Row>, DbError> {
    let width = statement.column_count();
    let rows = statement
        .query_map(params_from_iter(params), |row| {
            (0..width)
                .map(|column| row.get_ref(column).map(Value::from))
                .collect::<Result<_, _>>()
                .map(Row)
        })
        .map_err(sql)?;
    rows.collect::<Result<_, _>>().map_err(sql)
}

/// `$1` is a *named* parameter to SQLite; `?1` is the numbered one meant.
fn numbered(text: &str) -> Cow<'_, str> {
    if text.contains('$') {
        Cow::Owned(text.replace('$', "?"))
    } else {
        Cow::Borrowed(text)
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Real(value) => Value::Text(value.to_string()),
            ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => Value::Blob(value.to_vec()),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Int(value) => ValueRef::Integer(*value),
            Cell::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

/// What an error of SQLite's is to those above.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(super) fn sql(error: rusqlite::Error) -> DbError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            DbError::Unavailable("another process holds the write lock".to_owned())
        }
        // Nothing but a close interrupts.
        Some(ErrorCode::OperationInterrupted) => DbError::Closed,
        Some(ErrorCode::ConstraintViolation) => DbError::Conflict(error.to_string()),
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory,
        ) => DbError::Elsewhere(format!("the database answered: {error}")),
        _ => DbError::Broken(error.to_string()),
    }
}
