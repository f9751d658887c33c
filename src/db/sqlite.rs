//! SQLite: one writer thread with group commit, readers on connections of their own.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use tokio::sync::oneshot;

use super::{Alone, Batch, Cell, DbError, Dialect, LOCK_PATIENCE, Row, Tx, Value};

/// Writers waiting at the same time share one commit, up to this many.
const GROUP: usize = 64;
/// After a commit that took this long the writer leaves the lock alone for a moment, so that other processes get it.
const LONG_COMMIT: Duration = Duration::from_millis(10);
const COURTESY: Duration = Duration::from_millis(1);

pub(super) struct Sqlite {
    path: PathBuf,
    writer: Sender<Work>,
    readers: Mutex<Vec<Connection>>,
    watcher: Mutex<Option<Connection>>,
}

/// A caller's closure: given the open transaction, or why there is none, does its part, says whether to
/// keep it, and how to tell the caller how the commit went.
type Work = Box<dyn FnOnce(Result<&mut SqliteTx<'_>, DbError>) -> (bool, Answer) + Send>;
type Answer = Box<dyn FnOnce(Result<(), DbError>) + Send>;

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        let writer = connect(path, Access::Write)?;
        let (sender, inbox) = channel();
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_loop(&writer, &inbox))
            .map_err(|error| DbError::Broken(error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            writer: sender,
            readers: Mutex::default(),
            watcher: Mutex::default(),
        })
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |tx| {
            let done = tx.and_then(|tx| work(tx));
            let keep = done.is_ok();
            let tell: Answer = Box::new(move |committed| {
                // A caller that stopped waiting is no reason to undo its work.
                let _ = reply.send(done.and_then(|value| committed.map(|()| value)));
            });
            (keep, tell)
        });
        let gone = || DbError::Broken("a write ended in a panic; nothing of it was kept".to_owned());
        self.writer.send(work).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let path = self.path.clone();
        let (connection, done) = tokio::task::spawn_blocking(move || {
            let connection = match idle {
                Some(connection) => connection,
                None => connect(&path, Access::Read)?,
            };
            connection.execute_batch("BEGIN").map_err(sql)?;
            let done = work(&mut SqliteTx {
                connection: &connection,
            });
            connection.execute_batch("COMMIT").map_err(sql)?;
            Ok((connection, done))
        })
        .await
        .map_err(|error| DbError::Broken(error.to_string()))??;
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        done
    }

    /// `PRAGMA data_version` is only comparable on one and the same connection, hence a connection for it.
    pub(super) fn change_mark(&self) -> Result<i64, DbError> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match watcher.take() {
            Some(connection) => connection,
            None => connect(&self.path, Access::Read)?,
        };
        let mark = connection
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .map_err(sql);
        *watcher = Some(connection);
        mark
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn connect(path: &Path, access: Access) -> Result<Connection, DbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let named = |error: rusqlite::Error| match sql(error) {
        DbError::Broken(what) => DbError::Broken(format!("{}: {what}", path.display())),
        DbError::Elsewhere(what) => DbError::Elsewhere(format!("{}: {what}", path.display())),
        other => other,
    };
    let connection = Connection::open_with_flags(path, flags).map_err(named)?;
    connection.busy_handler(Some(wait_for_lock)).map_err(named)?;
    connection.set_prepared_statement_cache_capacity(64);
    // FULL: a commit that was answered survives a power cut, which is what the ledger promises.
    let cache_kib = if access == Access::Write { 24 * 1024 } else { 2 * 1024 };
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{cache_kib}; PRAGMA wal_autocheckpoint = 4000;"
        ))
        .map_err(named)?;
    if access == Access::Read {
        connection.execute_batch("PRAGMA query_only = ON").map_err(named)?;
    }
    Ok(connection)
}

/// Asks again every millisecond: SQLite's own handler sleeps longer and longer and would starve
/// beside a process that writes chunk after chunk.
fn wait_for_lock(tries: i32) -> bool {
    std::thread::sleep(Duration::from_millis(1));
    u128::from(tries.unsigned_abs()) < LOCK_PATIENCE.as_millis()
}

fn write_loop(connection: &Connection, inbox: &Receiver<Work>) {
    while let Ok(first) = inbox.recv() {
        let began = Instant::now();
        let group = std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1));
        commit_together(connection, group);
        if began.elapsed() > LONG_COMMIT {
            std::thread::sleep(COURTESY);
        }
    }
}

fn commit_together(connection: &Connection, group: impl Iterator<Item = Work>) {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE").map_err(sql) {
        for work in group {
            let (_, answer) = work(Err(error.clone()));
            answer(Ok(()));
        }
        return;
    }
    let answers: Vec<Answer> = group.filter_map(|work| run_in_savepoint(connection, work)).collect();
    let committed = connection.execute_batch("COMMIT").map_err(sql);
    if committed.is_err() && !connection.is_autocommit() {
        // Nothing more can be done about a rollback that fails; the next BEGIN will say so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for answer in answers {
        answer(committed.clone());
    }
}

fn run_in_savepoint(connection: &Connection, work: Work) -> Option<Answer> {
    if let Err(error) = connection.execute_batch("SAVEPOINT one").map_err(sql) {
        return Some(work(Err(error)).1);
    }
    let ran = catch_unwind(AssertUnwindSafe(|| work(Ok(&mut SqliteTx { connection }))));
    let keep = matches!(ran, Ok((true, _)));
    let end = if keep {
        "RELEASE one"
    } else {
        "ROLLBACK TO one; RELEASE one"
    };
    if let Err(error) = connection.execute_batch(end) {
        tracing::error!(%error, "a savepoint could not be ended");
    }
    ran.ok().map(|(_, answer)| answer)
}

struct SqliteTx<'c> {
    connection: &'c Connection,
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

    fn query_each(&mut self, text: &str, params: &[Vec<Value>]) -> Result<Vec<Vec<Row>>, DbError> {
        let mut statement = self.connection.prepare_cached(&numbered(text)).map_err(sql)?;
        params.iter().map(|params| collect(&mut statement, params)).collect()
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
        for (index, cell) in batch.row(position).enumerate() {
            statement.raw_bind_parameter(index + 1, cell).map_err(sql)?;
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

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn sql(error: rusqlite::Error) -> DbError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            DbError::Unavailable("another process holds the write lock".to_owned())
        }
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
