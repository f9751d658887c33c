//! SQLite: one writer thread with group commit, readers on connections of their own.
//!
//! - `place`: the file, and whether it is still the one that was opened.
//! - `readers`: the connections that read.
//! - `tx`: statements and values.

mod place;
mod readers;
mod tx;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{DbError, Tx};
use crate::lock::lock;
use place::{Access, DatabasePlace};
use readers::Readers;
use tx::{SqliteTx, sql};

/// Writers waiting at the same time share one commit, up to this many.
const GROUP: usize = 64;
/// After a commit that took this long the writer leaves the lock alone for a moment, so that other processes get it.
const LONG_COMMIT: Duration = Duration::from_millis(10);
const COURTESY: Duration = Duration::from_millis(1);
/// How long the last checkpoint waits for other processes. Those that still use the file make one of their own.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(100);

pub(super) struct Sqlite {
    place: DatabasePlace,
    closed: AtomicBool,
    /// Gone when the database was closed, upon which the thread ends.
    writer: Mutex<Option<Sender<Transaction>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    watcher: Mutex<Option<Connection>>,
}

/// A caller's closure: given the open transaction, or why there is none, does its part, says whether to
/// keep it, and how to tell the caller how the commit went.
type Transaction = Box<dyn FnOnce(Result<&mut SqliteTx<'_>, DbError>) -> (bool, OnCommit) + Send>;
type OnCommit = Box<dyn FnOnce(Result<(), DbError>) + Send>;

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        let (place, connection) = DatabasePlace::open(path)?;
        let (sender, inbox) = channel();
        let here = place.clone();
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                write_loop(&connection, &here, &inbox);
                leave(connection, &here);
            })
            .map_err(|error| DbError::Broken(error.to_string()))?;
        Ok(Self {
            place,
            closed: AtomicBool::new(false),
            writer: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            readers: Arc::default(),
            watcher: Mutex::default(),
        })
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Transaction = Box::new(move |tx| {
            let done = tx.and_then(|tx| work(tx));
            let keep = done.is_ok();
            let tell: OnCommit = Box::new(move |committed| {
                let done = match committed {
                    // It explains whatever else went wrong.
                    Err(replaced @ DbError::Replaced(_)) => Err(replaced),
                    committed => done.and_then(|value| committed.map(|()| value)),
                };
                // A caller that stopped waiting is no reason to undo its work.
                let _ = reply.send(done);
            });
            (keep, tell)
        });
        let gone = || DbError::Broken("a write ended in a panic; nothing of it was kept".to_owned());
        match lock(&self.writer).as_ref() {
            Some(writer) => writer.send(work).map_err(|_| gone())?,
            None => return Err(DbError::Closed),
        }
        answer.await.map_err(|_| gone())?
    }

    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let ticket = self.readers.enter()?;
        let place = self.place.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // Dropped in the order connection, ticket: who has a ticket may still have a connection.
            let ticket = ticket;
            let connection = ticket.connection(&place)?;
            connection.execute_batch("BEGIN").map_err(sql)?;
            let done = work(&mut SqliteTx {
                connection: &connection,
            });
            connection.execute_batch("COMMIT").map_err(sql)?;
            ticket.give_back(connection);
            done.map_err(|error| place.explain(error))
        });
        reading.await.map_err(|error| DbError::Broken(error.to_string()))?
    }

    /// Writes a consistent copy of everything to `file`, which is empty or not there. Others may write meanwhile.
    pub(super) async fn copy_to(&self, file: PathBuf) -> Result<(), DbError> {
        let ticket = self.readers.enter()?;
        let place = self.place.clone();
        let copying = tokio::task::spawn_blocking(move || {
            let ticket = ticket;
            let Some(file) = file.to_str() else {
                return Err(DbError::Broken("the name of the file is no UTF-8".to_owned()));
            };
            let connection = ticket.new_connection(&place, Access::Write)?;
            let copied = connection.execute("VACUUM INTO ?1", [file]).map_err(sql);
            copied.and_then(|_| place.check()).map_err(|error| place.explain(error))
        });
        copying.await.map_err(|error| DbError::Broken(error.to_string()))?
    }

    /// `PRAGMA data_version` is only comparable on one and the same connection, hence a connection for it.
    pub(super) fn change_mark(&self) -> Result<i64, DbError> {
        let mut watcher = lock(&self.watcher);
        if self.closed.load(Ordering::SeqCst) {
            return Err(DbError::Closed);
        }
        self.place.check()?;
        let connection = match watcher.take() {
            Some(connection) => connection,
            None => self.place.connect(Access::Read)?,
        };
        let mark = connection
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .map_err(sql);
        *watcher = Some(connection);
        mark
    }

    /// Finishes the writes there are, closes every connection and waits for that. Those that read are interrupted.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.readers.close();
        drop(lock(&self.watcher).take());
        drop(lock(&self.writer).take());
        let mut thread = lock(&self.thread);
        if let Some(thread) = thread.take()
            // The last handle may have been in a closure that the writer ran.
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the database ended in a panic");
        }
    }
}

/// For a caller that forgot to close it, or could not.
impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_loop(connection: &Connection, place: &DatabasePlace, inbox: &Receiver<Transaction>) {
    while let Ok(first) = inbox.recv() {
        let began = Instant::now();
        let group = std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1));
        commit_together(connection, place, group);
        if began.elapsed() > LONG_COMMIT {
            std::thread::sleep(COURTESY);
        }
    }
}

/// Brings what is in the log into the file and closes it. The last of all processes to do so leaves one file.
fn leave(connection: Connection, place: &DatabasePlace) {
    // Another file in its place is not ours to touch, and what lies beside may be that one's log.
    if place.check().is_ok() {
        let checkpoint = connection
            .busy_timeout(CHECKPOINT_PATIENCE)
            .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)));
        match checkpoint {
            Ok(0) => {}
            Ok(_) => tracing::debug!("another process uses the database and brings it up to date when it ends"),
            Err(error) => tracing::warn!(%error, "the log of the database cannot be brought into its file"),
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the database cannot be closed");
    }
}

fn commit_together(connection: &Connection, place: &DatabasePlace, group: impl Iterator<Item = Transaction>) {
    let begun = place
        .check()
        .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE").map_err(sql));
    if let Err(error) = begun.map_err(|error| place.explain(error)) {
        // Only those that waited by now: who hears of it may fix the matter and ask again.
        let refused: Vec<Transaction> = group.collect();
        for work in refused {
            let (_, answer) = work(Err(error.clone()));
            answer(Ok(()));
        }
        return;
    }
    let answers: Vec<OnCommit> = group.filter_map(|work| run_in_savepoint(connection, work)).collect();
    // What went to a file that nobody will open again is not said to be done.
    let committed = place
        .check()
        .and_then(|()| connection.execute_batch("COMMIT").map_err(sql))
        .map_err(|error| place.explain(error));
    if committed.is_err() && !connection.is_autocommit() {
        // Nothing more can be done about a rollback that fails; the next BEGIN will say so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for answer in answers {
        answer(committed.clone());
    }
}

fn run_in_savepoint(connection: &Connection, work: Transaction) -> Option<OnCommit> {
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
