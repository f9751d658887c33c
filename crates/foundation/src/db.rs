//! The database: one door to SQLite and PostgreSQL, for ledger and SQL store alike.
//!
//! Ledger and store share one database so that effects, outcomes and chunk state commit together.
//! Everything above this module is written once, as closures over a [`Tx`]: a synchronous view of
//! one open transaction. SQLite runs write closures on a single writer thread that commits many
//! callers' closures together; PostgreSQL runs each on a blocking thread with a pooled connection.
//! Only what the two databases do differently lives below: bulk insertion, row locks, placeholders.
//!
//! The portable subset: `$1` placeholders, `BIGINT`/`TEXT`/blob columns, times as milliseconds,
//! `ON CONFLICT`, `RETURNING`, sums cast to `BIGINT`.

mod batch;
mod migrate;
mod patience;
mod postgres;
mod rights;
mod script;
mod sqlite;
mod value;

use crate::clock::TimeTold;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use thiserror::Error;

pub use batch::{Batch, Cell};
pub use migrate::SCHEMA_VERSION;
use migrate::TablesPlace;
pub use patience::patiently;
pub use postgres::{with_login, without_password};
pub use rights::Rights;
pub use value::{Row, Value};

/// What can go wrong below the ledger and the store.
#[derive(Debug, Clone, Error)]
pub enum DbError {
    /// The database cannot be reached, is locked, or lost the connection; the same call may work later.
    /// Whether a write that got this answer took effect is unknown.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Somebody else is changing the same records; nothing was written, and the same call works in a moment.
    #[error("{0}")]
    Contended(String),
    /// Something that the database needs is away or refuses it, as a full disk, a missing permission; the same may work
    /// later, and a caller that can wait does so.
    #[error("{0}")]
    Elsewhere(String),
    /// A unique constraint refused the write.
    #[error("already there: {0}")]
    Conflict(String),
    /// The lease this write was made under has passed to another worker; nothing was written.
    #[error("the lease has passed to another worker")]
    LeaseLost,
    /// The schema was written by a newer program.
    #[error("the database has schema version {found}, this program knows up to {known}; use a newer tenantry")]
    Newer {
        /// Version found in the database.
        found: i64,
        /// Newest version this program can work with.
        known: i64,
    },
    /// What is in the database cannot be brought into this program's schema before somebody has decided about it. Nothing
    /// was changed.
    #[error("{0}")]
    Unfit(String),
    /// There is no schema of this program, or no such file. Nothing was made.
    #[error("{0}")]
    Missing(String),
    /// The file of an SQLite database is gone, or another one is in its place. Nothing was written.
    #[error(
        "the ledger's file {0} was removed or replaced while it was open; nothing more is written to it; start again"
    )]
    Replaced(String),
    /// This program has closed the database; see [`Db::close`].
    #[error("the database was closed here before; nothing was read or written")]
    Closed,
    /// The address of the database makes no sense.
    #[error("{0}")]
    BadUrl(String),
    /// What is recorded of a chunk cannot be read, so none of its rows can be carried out.
    #[error("{0}")]
    Damaged(String),
    /// Anything else: damage, or a defect of ours.
    #[error("the database answered: {0}")]
    Broken(String),
}

impl DbError {
    /// Whether the same call may work in a while although nobody does anything about it.
    pub fn passes(&self) -> bool {
        matches!(self, DbError::Unavailable(_) | DbError::Contended(_))
    }

    /// Whether it has nothing to do with what was asked for.
    pub fn is_of_the_surroundings(&self) -> bool {
        matches!(
            self,
            DbError::Unavailable(_)
                | DbError::Contended(_)
                | DbError::Elsewhere(_)
                | DbError::Replaced(_)
                | DbError::Closed
        )
    }
}

/// How PostgreSQL is connected to. SQLite takes no notice of any of it.
#[derive(Debug, Clone, Copy)]
pub struct ConnectOptions {
    /// Connections at once; one more is kept for [`Db::write_apart`].
    pub connections: usize,
    /// After this long without a word each side asks the other whether it is still there, as often again, and takes
    /// the third question without an answer for a no.
    pub keepalive: Duration,
    /// How long [locks](Tx::lock) are waited for before the answer is [`DbError::Contended`].
    pub lock_wait: Duration,
    /// How long the server keeps a transaction open whose program has gone quiet, and lets one statement wait for a lock.
    pub idle_transaction: Duration,
}

impl ConnectOptions {
    /// The defaults, with that many connections.
    pub fn with_connections(connections: usize) -> Self {
        Self {
            connections,
            ..Self::default()
        }
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connections: 4,
            keepalive: Duration::from_secs(3),
            lock_wait: Duration::from_secs(30),
            idle_transaction: Duration::from_secs(2),
        }
    }
}

/// Which database is behind a [`Tx`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// An SQLite file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

impl Dialect {
    /// Suffix that locks the selected rows until the transaction ends. SQLite has one writer and needs none.
    pub fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE",
        }
    }

    /// Suffix that locks the selected rows and passes over those others hold.
    pub fn for_update_skip_locked(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// One open transaction. It commits when the closure it was given to returns `Ok`.
pub trait Tx {
    /// Which database this is.
    fn dialect(&self) -> Dialect;

    /// Runs one statement and returns how many rows it changed.
    fn exec(&mut self, sql: &str, params: &[Value]) -> Result<u64, DbError>;

    /// Runs one statement of which nobody needs to know how many rows it changed. PostgreSQL gets it together with the next
    /// statement, which then answers with what is wrong with it.
    fn send(&mut self, sql: &str, params: &[Value]) -> Result<(), DbError> {
        self.exec(sql, params).map(drop)
    }

    /// [`exec_all`](Self::exec_all) in the manner of [`send`](Self::send).
    fn send_all(&mut self, sql: &str, params: Vec<Vec<Value>>) -> Result<(), DbError> {
        self.exec_all(sql, &params).map(drop)
    }

    /// As [`send_all`](Self::send_all) where each parameter set has to change one row; the error is `otherwise` if one does not.
    fn send_each(&mut self, sql: &str, params: Vec<Vec<Value>>, otherwise: fn() -> DbError) -> Result<(), DbError> {
        let changed = self.exec_all(sql, &params)?;
        exactly(changed, params.len(), otherwise)
    }

    /// Runs one query.
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError>;

    /// Runs one statement once per parameter set (pipelined on PostgreSQL) and returns the changed rows of each.
    fn exec_each(&mut self, sql: &str, params: &[Vec<Value>]) -> Result<Vec<u64>, DbError>;

    /// Runs one statement once per parameter set (all in one on PostgreSQL) and returns how many rows were changed in all.
    /// The sets are about different rows. The statement is an `INSERT`, of `VALUES` or of a `SELECT`, an `UPDATE` or a
    /// `DELETE`, whose first `WHERE` is its own.
    fn exec_all(&mut self, sql: &str, params: &[Vec<Value>]) -> Result<u64, DbError>;

    /// As [`exec_all`](Self::exec_all) for a statement with `RETURNING`: what it returns, in no particular order.
    fn exec_all_returning(&mut self, sql: &str, params: &[Vec<Value>]) -> Result<Vec<Row>, DbError>;

    /// Runs one query once per parameter set (all in one on PostgreSQL; no set's first value is NULL).
    fn query_each(&mut self, sql: &str, params: &[Vec<Value>]) -> Result<Vec<Vec<Row>>, DbError>;

    /// Several queries, each as [`query_each`](Self::query_each); they are asked together where an answer takes its time.
    fn query_all(&mut self, queries: &[(&str, &[Vec<Value>])]) -> Result<Vec<Vec<Vec<Row>>>, DbError> {
        let queries = queries.iter();
        queries.map(|(sql, params)| self.query_each(sql, params)).collect()
    }

    /// As [`fresh_keys`](Self::fresh_keys) of several tables, each with its key column.
    fn fresh_keys_of(&mut self, of: &[(&str, &str)], count: usize) -> Result<Vec<Vec<i64>>, DbError> {
        of.iter()
            .map(|(table, column)| self.fresh_keys(table, column, count))
            .collect()
    }

    /// So many keys for new rows of `table`, whose key `column` the database hands out, in ascending order. Nobody else gets them.
    fn fresh_keys(&mut self, table: &str, column: &str, count: usize) -> Result<Vec<i64>, DbError>;

    /// Inserts all rows of `batch`, or fails.
    fn insert(&mut self, table: &str, columns: &[&str], batch: &Batch) -> Result<(), DbError>;

    /// Inserts the rows of `batch` that meet no unique constraint. The first column is a unique id.
    /// Returns the positions in the batch, ascending, of the rows that did.
    fn insert_new(&mut self, table: &str, columns: &[&str], batch: &Batch) -> Result<Vec<usize>, DbError>;

    /// Locks the rows of `table` with these ids, in ascending order, until the transaction ends. SQLite has one writer and
    /// needs no lock.
    fn lock(&mut self, table: &str, ids: &[i64]) -> Result<(), DbError>;

    /// Waits until no other transaction has asked for this, and keeps others waiting until this one ends. SQLite has one
    /// writer and needs no lock.
    fn alone_with(&mut self, what: Alone) -> Result<(), DbError>;

    /// The transaction counts for others as soon as it commits, but is lost if the server crashes soon after. So are those
    /// that commit in the same manner after it, and none that commits in the usual manner is kept without it. Nothing changes on
    /// SQLite.
    fn commit_soon(&mut self) -> Result<(), DbError> {
        match self.dialect() {
            Dialect::Postgres => self.send("SET LOCAL synchronous_commit = off", &[]),
            Dialect::Sqlite => Ok(()),
        }
    }

    /// Runs `work`; whatever it wrote is undone if it fails, and the transaction goes on either way.
    fn attempt(&mut self, work: &mut dyn FnMut(&mut dyn Tx) -> Result<(), DbError>) -> Result<(), DbError>;

    /// The first row of a query, if there is one.
    fn query_first(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, params)?.into_iter().next())
    }
}

fn exactly(changed: u64, wanted: usize, otherwise: fn() -> DbError) -> Result<(), DbError> {
    if changed == wanted as u64 {
        Ok(())
    } else {
        Err(otherwise())
    }
}

/// What one transaction at a time can have for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// Giving records names that are unique over all customers: domains, external ids, subscription ids.
    Names = 1,
    /// Writing copies of records of other stores.
    Copies = 2,
    /// Claiming what is done next.
    Claims = 3,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbOp {
    /// To look something up.
    Read,
    /// To write.
    Write,
    /// To write in time, past what waits.
    WriteApart,
}

/// Told of each transaction and how long it took, from when it was asked for.
pub type DbWatch = Box<dyn Fn(DbOp, Duration) + Send + Sync>;

/// How often a database is opened again whose server took this program for a stopped one, as on a machine that was suspended.
const OPEN_AGAIN: u32 = 4;

/// A handle on the database; clones share it.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    watch: Arc<OnceLock<DbWatch>>,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

impl Db {
    /// Opens the database at `url` (`sqlite:PATH` or `postgres://…`) and brings its schema up to date.
    pub async fn open(url: &str, options: ConnectOptions) -> Result<Self, DbError> {
        Self::connect(url, options)?.up_to_date().await
    }

    /// As [`open`](Self::open) where a schema of this program is already, of whatever version; [`DbError::Missing`] where none is.
    pub async fn open_existing(url: &str, options: ConnectOptions) -> Result<Self, DbError> {
        let db = Self::open_as_it_is(url, options)?;
        match db.version().await? {
            0 => Err(DbError::Missing("the database is empty".to_owned())),
            _ => db.up_to_date().await,
        }
    }

    /// Brings the schema up to date.
    async fn up_to_date(self) -> Result<Self, DbError> {
        let db = self;
        let mut again = OPEN_AGAIN;
        loop {
            let place = db.place();
            match db.write(move |tx| migrate::migrate(tx, place.as_ref())).await {
                Err(DbError::Contended(_)) if again > 0 => again -= 1,
                done => return done.map(|()| db),
            }
        }
    }

    /// Opens the database at `url` to read from it: it has to be there, in this program's schema.
    pub async fn open_to_read(url: &str, options: ConnectOptions) -> Result<Self, DbError> {
        let db = Self::open_as_it_is(url, options)?;
        match db.version().await? {
            SCHEMA_VERSION => Ok(db),
            0 => Err(DbError::Broken("it is empty".to_owned())),
            found if found < SCHEMA_VERSION => Err(DbError::Broken(format!(
                "it has schema version {found}, and this program reads {SCHEMA_VERSION}; \
                 the first command of this program that writes there brings it up to date"
            ))),
            found => Err(DbError::Newer {
                found,
                known: SCHEMA_VERSION,
            }),
        }
    }

    /// Opens the database at `url`, which has to be there, whatever its schema is.
    pub fn open_as_it_is(url: &str, options: ConnectOptions) -> Result<Self, DbError> {
        if let Some(path) = sqlite_path(url)
            && let Err(error) = path.metadata()
        {
            let place = std::path::absolute(&path).unwrap_or(path);
            return Err(match error.kind() {
                std::io::ErrorKind::NotFound => DbError::Missing(format!("there is no file {}", place.display())),
                _ => DbError::Elsewhere(format!("{} cannot be looked at: {error}", place.display())),
            });
        }
        Self::connect(url, options)
    }

    /// The schema version the database at `url` has, without changing anything; 0 when it has none.
    pub async fn inspect(url: &str) -> Result<i64, DbError> {
        if let Some(path) = sqlite_path(url)
            && !path.exists()
        {
            return Ok(0);
        }
        let db = Self::connect(url, ConnectOptions::with_connections(1))?;
        let version = db.version().await;
        db.close().await;
        version
    }

    /// The schema version; 0 when there is none.
    pub async fn version(&self) -> Result<i64, DbError> {
        self.read(migrate::version).await
    }

    /// As [`version`](Self::version), not kept waiting by other transactions of this program.
    pub async fn version_apart(&self) -> Result<i64, DbError> {
        match &self.engine {
            // A reader waits for no writer.
            Engine::Sqlite(_) => self.version().await,
            Engine::Postgres(_) => self.write_apart(migrate::version).await,
        }
    }

    /// Ends the use of the database: what was begun to be written is finished, what reads is interrupted, and every
    /// later call on any clone answers [`DbError::Closed`]. On SQLite everything is in the one file then, unless
    /// another process still uses it. PostgreSQL needs no such end, and its connections stay usable.
    pub async fn close(&self) {
        if let Engine::Sqlite(sqlite) = &self.engine {
            let sqlite = Arc::clone(sqlite);
            if let Err(error) = tokio::task::spawn_blocking(move || sqlite.close()).await {
                tracing::error!(%error, "the database could not be closed");
            }
        }
    }

    /// Writes a consistent copy of an SQLite database to `file`, which is empty or not there, while others write.
    /// It is not yet safe from a power cut then. On PostgreSQL there is no such thing.
    pub async fn copy_to(&self, file: &Path) -> Result<(), DbError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.copy_to(file.to_owned()).await,
            Engine::Postgres(_) => Err(DbError::Broken("PostgreSQL is copied with `pg_dump`".to_owned())),
        }
    }

    fn connect(url: &str, options: ConnectOptions) -> Result<Self, DbError> {
        let engine = if let Some(path) = sqlite_path(url) {
            Engine::Sqlite(Arc::new(sqlite::Sqlite::open(&path)?))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(Arc::new(postgres::Postgres::new(url, options)?))
        } else {
            return Err(DbError::BadUrl(
                "the url begins with neither `sqlite:` nor `postgres://`".to_owned(),
            ));
        };
        Ok(Self {
            engine,
            watch: Arc::default(),
        })
    }

    /// Where the tables lie, on PostgreSQL.
    fn place(&self) -> Option<TablesPlace> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(postgres) => Some(postgres.place()),
        }
    }

    /// What the role that is connected as can do; `None` on SQLite, which has none.
    pub async fn rights(&self) -> Result<Option<Rights>, DbError> {
        match self.dialect() {
            Dialect::Sqlite => Ok(None),
            Dialect::Postgres => self.read(Rights::read).await.map(Some),
        }
    }

    /// Has each transaction from now on told to `watch`; only the first one counts.
    pub fn watched_by(&self, watch: DbWatch) {
        let _ = self.watch.set(watch);
    }

    /// Tells of a transaction that was asked for then.
    fn told(&self, op: DbOp, began: Instant) {
        if let Some(watch) = self.watch.get() {
            watch(op, began.elapsed());
        }
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        match self.engine {
            Engine::Sqlite(_) => Dialect::Sqlite,
            Engine::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs `work` in a transaction of its own (SQLite commits it together with its neighbours').
    /// It commits when `work` returns `Ok`. Runs to its end even if the caller stops waiting.
    pub async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let began = Instant::now();
        let done = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Postgres(postgres) => postgres.run(work, Use::Write).await,
        };
        self.told(DbOp::Write, began);
        done
    }

    /// As [`write`](Self::write), but never kept waiting by the other transactions of this program: for what has to happen
    /// in time, and is short.
    pub async fn write_apart<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let began = Instant::now();
        let done = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Postgres(postgres) => postgres.run(work, Use::WriteApart).await,
        };
        self.told(DbOp::WriteApart, began);
        done
    }

    /// Ends the transactions of programs that have stopped in the middle of inserting rows, where the database does not do so
    /// by itself; how many they were. Workers ask for it again and again.
    pub async fn end_stopped(&self) -> Result<i64, DbError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(0),
            Engine::Postgres(postgres) => postgres.end_stopped().await,
        }
    }

    /// The database's time. `None` on SQLite, which has none but this machine's.
    pub async fn time(&self) -> Result<Option<TimeTold>, DbError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        let told = self.write_apart(|tx| {
            let asked = Instant::now();
            let row = tx.query_first(
                "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
                &[],
            )?;
            let answered = Instant::now();
            let millis = row.map_or_else(|| Err(DbError::Broken("there is no time".to_owned())), |row| row.int(0))?;
            Ok(TimeTold {
                millis,
                asked,
                answered,
            })
        });
        told.await.map(Some)
    }

    /// Runs `work` over one consistent snapshot. Writing fails.
    pub async fn read<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let began = Instant::now();
        let done = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work).await,
            Engine::Postgres(postgres) => postgres.run(work, Use::Read).await,
        };
        self.told(DbOp::Read, began);
        done
    }

    /// A number that changes when another process has written to an SQLite database; cheap enough to
    /// poll many times a second. `None` on PostgreSQL, where there is nothing so cheap.
    pub fn change_mark(&self) -> Result<Option<i64>, DbError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.change_mark().map(Some),
            Engine::Postgres(_) => Ok(None),
        }
    }
}

/// What a PostgreSQL connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
    WriteApart,
}

/// How long SQLite waits for another process' write lock before it answers [`DbError::Unavailable`].
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The file that an SQLite address names.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}
