//! Locks of a transaction, and how long it waits for them.

use std::sync::Arc;

use futures::future::join3;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::super::wire::{row, sql};
use super::PgTx;
use crate::db::DbError;

/// Takes the bound of a statement away again.
const UNBOUND: &str = "SET LOCAL statement_timeout TO DEFAULT";
/// Advisory locks that stand for rows, each by its place.
const TAKE_PLACES: &str = "SELECT pg_advisory_xact_lock(8026015, place) FROM unnest($1::int4[]) AS places(place)";
const TAKE_FREE_PLACES: &str = "SELECT COUNT(*) FROM unnest($1::int4[]) AS places(place)
    WHERE NOT pg_try_advisory_xact_lock(8026015, place)";
/// Places that one transaction takes at most, since the server has room for a few thousand locks in all. One that would need more
/// waits for its rows alone.
const MOST_PLACES: usize = 256;

impl PgTx {
    /// Locks rows of `table`, in the order of their ids.
    pub(super) fn lock_rows(&mut self, table: &str, ids: &[i64]) -> Result<(), DbError> {
        let mut places: Vec<i32> = ids.iter().map(|id| place_of(*id)).collect();
        places.sort_unstable();
        places.dedup();
        if places.len() <= MOST_PLACES && !self.take_free(&places)? {
            // Looking the table up for the first time takes a snapshot, which would be kept while waiting.
            self.batch("LOCK TABLE lock_queue IN ACCESS SHARE MODE")?;
            self.wait_for("LOCK TABLE lock_queue IN EXCLUSIVE MODE", &[])?;
            self.wait_for(TAKE_PLACES, &[&places])?;
        }
        self.wait_for(
            &format!("SELECT 1 FROM {table} WHERE id = ANY($1) ORDER BY id FOR UPDATE"),
            &[&ids],
        )
    }

    /// Takes places if all of them are free, and else none.
    fn take_free(&mut self, places: &[i32]) -> Result<bool, DbError> {
        let statement = self.statement(TAKE_FREE_PLACES)?;
        self.later("SAVEPOINT free");
        let client = Arc::clone(&self.connected.client);
        let taken = self.wait(client.query_one(&statement, &[&places]))?;
        if row(&taken.map_err(|error| sql(&error))?)?.int(0)? == 0 {
            return Ok(true);
        }
        self.batch("ROLLBACK TO free")?;
        Ok(false)
    }

    /// Takes locks. The server waits for them no longer than a transaction may be quiet, so that a program that is stopped
    /// meanwhile is not given them afterwards. A program that still runs asks again, for `lock_wait` in all.
    pub(super) fn wait_for(&mut self, text: &str, params: &[&(dyn ToSql + Sync)]) -> Result<(), DbError> {
        let statement = self.statement(text)?;
        let (lock_wait, client) = (self.options.lock_wait, Arc::clone(&self.connected.client));
        let bound = self.options.idle_transaction.min(lock_wait).as_millis().max(1);
        let times = (lock_wait.as_millis() / bound).max(1);
        let mut before = "SAVEPOINT locks";
        for time in 1.. {
            let bounded = format!("{before}; SET LOCAL statement_timeout = {bound}");
            let asked = join3(
                client.batch_execute(&bounded),
                client.query(&statement, params),
                client.batch_execute(UNBOUND),
            );
            let (bounded, locked, unbounded) = self.wait(asked)?;
            bounded.map_err(|error| sql(&error))?;
            match locked {
                Ok(_) => return unbounded.map_err(|error| sql(&error)),
                Err(error) if !is_impatience(&error) => return Err(sql(&error)),
                Err(_) if time >= times => {
                    return Err(DbError::Contended(format!(
                        "somebody else has kept the same records locked for {lock_wait:?}"
                    )));
                }
                Err(_) => before = "ROLLBACK TO locks",
            }
        }
        Ok(())
    }
}

/// Whether a statement was ended because it waited too long. One that an administrator cancels has the same code, and is
/// asked again as well.
fn is_impatience(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(&(SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE))
    )
}

/// Which advisory lock stands for the row of that id. Two that share one merely wait for each other.
fn place_of(id: i64) -> i32 {
    ((id ^ (id >> 32)) & 0x7fff_ffff) as i32
}
