//! The wire format: cells and values in, rows and errors out.

use std::ops::Range;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::db::{Batch, Cell, DbError, Row, Value};

/// Time for each row of a COPY, beyond what a transaction may be quiet for; ten times what it takes.
const COPY_ROW: Duration = Duration::from_micros(200);

pub(super) fn copy_bound(idle_transaction: Duration, rows: usize) -> Duration {
    idle_transaction + COPY_ROW * u32::try_from(rows).unwrap_or(u32::MAX)
}

pub(super) fn put_cell(buffer: &mut BytesMut, cell: Cell<'_>) {
    match cell {
        Cell::Null => buffer.put_i32(-1),
        Cell::Int(value) => {
            buffer.put_i32(8);
            buffer.put_i64(value);
        }
        Cell::Text(value) => {
            buffer.put_i32(value.len() as i32);
            buffer.put_slice(value.as_bytes());
        }
    }
}

/// The query for each of many parameter sets, the number of the set in front of each row. Without the `OFFSET` the
/// planner may turn it around and read the whole table.
pub(super) fn query_over_sets(text: &str, set: &[Value]) -> String {
    let kinds = set.iter().map(|value| match value {
        Value::Int(_) => "bigint",
        Value::Blob(_) => "bytea",
        Value::Text(_) | Value::Null => "text",
    });
    let (text, sets) = over_sets(text, kinds);
    format!("SELECT sets.n, found.* FROM {sets} CROSS JOIN LATERAL ({text} OFFSET 0) AS found")
}

/// The statement for each of many parameter sets, whose types are those that the server gives the parameters of `text`.
pub(super) fn change_over_sets(text: &str, types: &[Type]) -> Result<String, DbError> {
    let (text, sets) = over_sets(text, types.iter().map(Type::name));
    let unknown = || DbError::Broken(format!("this cannot be done for many rows at once: {text}"));
    let cut = |at: &str| text.split_once(at).ok_or_else(unknown);
    match text.split_whitespace().next() {
        Some("UPDATE") => {
            let (update, clause) = cut("WHERE ")?;
            Ok(format!("{update} FROM {sets} WHERE {clause}"))
        }
        Some("DELETE") => {
            let (delete, clause) = cut("WHERE ")?;
            Ok(format!("{delete} USING {sets} WHERE {clause}"))
        }
        Some("INSERT") if text.contains("VALUES (") => {
            let (insert, values) = cut("VALUES (")?;
            let (values, rest) = match values.split_once("ON CONFLICT") {
                Some((values, rest)) => (values, format!(" ON CONFLICT{rest}")),
                None => (values, String::new()),
            };
            let values = values.trim_end().strip_suffix(')').ok_or_else(unknown)?;
            Ok(format!("{insert} SELECT {values} FROM {sets} ORDER BY sets.n{rest}"))
        }
        Some("INSERT") => {
            let (insert, select) = cut("SELECT ")?;
            Ok(format!(
                "{insert} SELECT found.* FROM {sets} CROSS JOIN LATERAL (SELECT {select} OFFSET 0) AS found"
            ))
        }
        _ => Err(unknown()),
    }
}

/// The text with its parameters as columns of `sets`, and the relation of that name.
fn over_sets<'k>(text: &str, kinds: impl ExactSizeIterator<Item = &'k str>) -> (String, String) {
    let mut text = text.to_owned();
    let count = kinds.len();
    for at in (1..=count).rev() {
        text = text.replace(&format!("${at}"), &format!("sets.p{at}"));
    }
    let arrays: Vec<String> = kinds.zip(1..).map(|(kind, at)| format!("${at}::{kind}[]")).collect();
    let names: Vec<String> = (1..=count).map(|at| format!("p{at}")).collect();
    let sets = format!(
        "unnest({}) WITH ORDINALITY AS sets({}, n)",
        arrays.join(", "),
        names.join(", ")
    );
    (text, sets)
}

/// The parameter sets as one array per parameter.
pub(super) fn columns(sets: &[Vec<Value>]) -> Vec<Vec<&Value>> {
    (0..sets[0].len())
        .map(|at| sets.iter().map(|set| &set[at]).collect())
        .collect()
}

/// The rows of a batch as one array per column.
pub(super) fn cells(batch: &Batch, rows: Range<usize>) -> Vec<Vec<Cell<'_>>> {
    let mut columns = vec![Vec::with_capacity(rows.len()); batch.width()];
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(batch.row(row)) {
            column.push(cell);
        }
    }
    columns
}

pub(super) fn borrowed<T: ToSql + Sync>(params: &[T]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    let value = |index: usize| {
        let kind = row.columns()[index].type_();
        let value = match *kind {
            Type::INT8 => row.try_get::<_, Option<i64>>(index).map(Value::from),
            Type::INT4 => row
                .try_get::<_, Option<i32>>(index)
                .map(|value| value.map(i64::from).into()),
            Type::BOOL => row
                .try_get::<_, Option<bool>>(index)
                .map(|value| value.map(i64::from).into()),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index).map(Value::from),
            _ => row.try_get::<_, Option<String>>(index).map(Value::from),
        };
        value.map_err(|error| DbError::Broken(error.to_string()))
    };
    (0..row.len()).map(value).collect::<Result<_, _>>().map(Row)
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Cell::Null.to_sql(kind, out),
            Value::Int(value) => Cell::Int(*value).to_sql(kind, out),
            Value::Text(value) => Cell::Text(value).to_sql(kind, out),
            Value::Blob(value) => value.as_slice().to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        Cell::accepts(kind) || *kind == Type::BYTEA
    }

    to_sql_checked!();
}

impl ToSql for Cell<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match *self {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Int(value) if *kind == Type::INT4 => i32::try_from(value)?.to_sql(kind, out),
            Cell::Int(value) => value.to_sql(kind, out),
            Cell::Text(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::INT4 | Type::TEXT | Type::VARCHAR)
    }

    to_sql_checked!();
}

/// Whether the connection or the server failed, rather than the statement.
pub(super) fn sql(error: &tokio_postgres::Error) -> DbError {
    let Some(answer) = error.as_db_error() else {
        let what = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let lost = error.is_closed()
            || std::error::Error::source(error).is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>);
        return if lost {
            DbError::Unavailable(what)
        } else {
            DbError::Broken(what)
        };
    };
    let what = answer.message().to_owned();
    match answer.code() {
        &SqlState::UNIQUE_VIOLATION => DbError::Conflict(what),
        // The last one says that this program was quiet for too long. Whatever it had begun has not happened.
        &(SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::LOCK_NOT_AVAILABLE
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT) => DbError::Contended(what),
        &SqlState::TOO_MANY_CONNECTIONS => DbError::Unavailable(what),
        // What PgBouncer says to a transaction where it pools statements.
        _ if what.contains("statement pooling") => DbError::Elsewhere(format!(
            "the database answered: {what}; PgBouncer with `pool_mode = statement` carries no transactions: set `transaction` or `session`"
        )),
        // Nothing of ours is left behind there.
        &SqlState::DUPLICATE_PSTATEMENT => DbError::Elsewhere(format!(
            "the database answered: {what}; a pooler has handed out a session in which another program has left prepared statements: \
             give this one a pool of its own (another user or database), or set `max_prepared_statements` in PgBouncer (1.21 or later)"
        )),
        code => match &code.code()[..2] {
            // Shut down, crashed, cannot connect now, cancelled by an administrator; the connection failed.
            "57" | "08" => DbError::Unavailable(what),
            // A full disk, no memory, a failed device; a server that only reads, as a standby; a missing permission.
            "53" | "58" => DbError::Elsewhere(format!("the database answered: {what}")),
            _ if matches!(
                code,
                &(SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE)
            ) =>
            {
                DbError::Elsewhere(format!(
                    "the database answered: {what}; `tenantry doctor` says what this role may do here"
                ))
            }
            _ => DbError::Broken(what),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_of_a_stopped_worker_end_within_two_leases() {
        // As `config/default.toml` has them: `ledger.idle_transaction`, `worker.chunk_rows`, `worker.lease`. One chunk is in a
        // COPY, and another has just been given its locks.
        let idle = Duration::from_secs(2);
        assert!(idle + copy_bound(idle, 5_000) <= 2 * Duration::from_secs(3));
    }
}
