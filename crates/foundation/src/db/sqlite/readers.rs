//! The connections that read: lent one call at a time, kept between calls, and all of them closed in the end.
//!
//! A call goes on when its caller has stopped waiting, and as long as it has a connection the database is in use.
//! So everybody who reads is known by a ticket, and a close can interrupt them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, InterruptHandle};

use super::super::DbError;
use super::place::{Access, DatabasePlace};
use crate::lock::lock;

/// How long a close waits for those that read; an interrupt reaches only what SQLite itself is busy with.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it interrupts them meanwhile.
const AGAIN: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(super) struct Readers {
    state: Mutex<ReaderPool>,
    left: Condvar,
}

#[derive(Default)]
struct ReaderPool {
    closed: bool,
    idle: Vec<Connection>,
    /// By number; nothing is there to interrupt as long as the connection is being made.
    busy: BTreeMap<u64, Option<InterruptHandle>>,
    last: u64,
}

/// Leave to read, until it is dropped. The connection has to be gone by then.
pub(super) struct ReaderTicket {
    readers: Arc<Readers>,
    number: u64,
}

impl Readers {
    /// Lets somebody in, unless the database was closed.
    pub(super) fn enter(self: &Arc<Self>) -> Result<ReaderTicket, DbError> {
        let mut state = self.state();
        if state.closed {
            return Err(DbError::Closed);
        }
        state.last += 1;
        let number = state.last;
        state.busy.insert(number, None);
        Ok(ReaderTicket {
            readers: Arc::clone(self),
            number,
        })
    }

    /// Closes what is idle, interrupts what is not, and waits a while for it to end.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.idle.clear();
        let until = Instant::now() + PATIENCE;
        while !state.busy.is_empty() && Instant::now() < until {
            for handle in state.busy.values().flatten() {
                handle.interrupt();
            }
            let waited = self.left.wait_timeout(state, AGAIN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if !state.busy.is_empty() {
            tracing::debug!(readers = state.busy.len(), "closing beside readers that do not end");
        }
    }

    fn state(&self) -> MutexGuard<'_, ReaderPool> {
        lock(&self.state)
    }
}

impl ReaderTicket {
    /// An idle connection, or a new one.
    pub(super) fn connection(&self, place: &DatabasePlace) -> Result<Connection, DbError> {
        place.check()?;
        let idle = self.readers.state().idle.pop();
        match idle {
            Some(connection) => Ok(self.interruptible(connection)),
            None => self.new_connection(place, Access::Read),
        }
    }

    /// A new connection.
    pub(super) fn new_connection(&self, place: &DatabasePlace, access: Access) -> Result<Connection, DbError> {
        Ok(self.interruptible(place.connect(access)?))
    }

    /// Keeps the connection for the next one.
    pub(super) fn give_back(self, connection: Connection) {
        let mut state = self.readers.state();
        if !state.closed {
            state.idle.push(connection);
        }
    }

    fn interruptible(&self, connection: Connection) -> Connection {
        let handle = connection.get_interrupt_handle();
        self.readers.state().busy.insert(self.number, Some(handle));
        connection
    }
}

impl Drop for ReaderTicket {
    fn drop(&mut self) {
        self.readers.state().busy.remove(&self.number);
        self.readers.left.notify_all();
    }
}
