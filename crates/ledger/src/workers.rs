//! The workers of this ledger. Each one gives a sign of life now and then, together with its leases where it has some;
//! one that ends says so. A worker that has given none for several times as long as it meant to is lost: it was killed, or its
//! machine or its network is away. What it had in hand goes by its leases and not by this; it is for people and for alerts.
//!
//! Times are the ledger's ([`Ledger::clock`]). A sign of the future was given by a clock that has been put back since, and is as
//! good as none.

use serde::Serialize;

use super::Ledger;
use tenantry_foundation::db::{DbError, Row, Tx};

/// Signs in a row that are missing when a worker counts as lost.
const MISSED: i64 = 5;
/// How long lost workers are shown.
const SHOWN: i64 = 24 * 60 * 60 * 1000;

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct WorkerSign {
    /// Names it in leases.
    pub id: String,
    /// The machine it runs on.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// The version of its program.
    pub version: &'static str,
    /// Where its jobs take effect, without anything secret.
    pub store: String,
    /// Chunks it works on at once.
    pub concurrency: u64,
    /// How often it gives a sign, in milliseconds.
    pub every_millis: i64,
    /// Chunks in hand.
    pub chunks: u64,
}

/// A worker as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct Worker {
    pub id: String,
    pub host: String,
    pub pid: i64,
    pub version: String,
    pub store: String,
    pub concurrency: u64,
    pub chunks: u64,
    pub started_at: i64,
    pub seen_at: i64,
    /// Whether it has been silent for too long.
    pub is_lost: bool,
}

impl Ledger {
    /// Takes a sign of life; the first one of a worker makes it known.
    pub async fn sign(&self, sign: WorkerSign) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        self.db.write_apart(move |tx| record(tx, &sign, now)).await
    }

    /// Forgets a worker that ends.
    pub async fn sign_off(&self, id: &str) -> Result<(), DbError> {
        let id = id.to_owned();
        self.db
            .write_apart(move |tx| tx.exec("DELETE FROM workers WHERE id = $1", &[id.into()]).map(drop))
            .await
    }

    /// The workers, those that were seen last first.
    pub async fn workers(&self) -> Result<Vec<Worker>, DbError> {
        let now = self.clock.now_millis();
        self.db.read(move |tx| all(tx, now)).await
    }

    /// Whether anybody works on jobs.
    pub async fn has_workers(&self) -> Result<bool, DbError> {
        Ok(self.workers().await?.iter().any(|worker| !worker.is_lost))
    }

    /// Forgets the workers that were lost long ago.
    pub async fn forget_lost_workers(&self) -> Result<(), DbError> {
        let (before, after) = (self.past() - SHOWN, self.clock.now_millis() + SHOWN);
        self.db
            .write(move |tx| {
                let sql = "DELETE FROM workers WHERE seen_at < $1 OR seen_at > $2";
                tx.send(sql, &[before.into(), after.into()])
            })
            .await
    }
}

/// Records a sign of life given at `now`.
pub(super) fn record(tx: &mut dyn Tx, sign: &WorkerSign, now: i64) -> Result<(), DbError> {
    tx.send(
        "INSERT INTO workers (id, host, pid, version, store, concurrency, every, chunks, started_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         ON CONFLICT (id) DO UPDATE SET chunks = excluded.chunks, seen_at = excluded.seen_at",
        &[
            sign.id.as_str().into(),
            sign.host.as_str().into(),
            i64::from(sign.pid).into(),
            sign.version.into(),
            sign.store.as_str().into(),
            sign.concurrency.into(),
            sign.every_millis.into(),
            sign.chunks.into(),
            now.into(),
        ],
    )
}

/// The workers as they are at `now`, those that were seen last first.
pub fn all(tx: &mut dyn Tx, now: i64) -> Result<Vec<Worker>, DbError> {
    let sql = "SELECT id, host, pid, version, store, concurrency, chunks, started_at, seen_at, every FROM workers
        ORDER BY seen_at DESC, id";
    tx.query(sql, &[])?.iter().map(|row| read(row, now)).collect()
}

fn read(row: &Row, now: i64) -> Result<Worker, DbError> {
    let (seen_at, every) = (row.int(8)?, row.int(9)?);
    Ok(Worker {
        id: row.text(0)?.to_owned(),
        host: row.text(1)?.to_owned(),
        pid: row.int(2)?,
        version: row.text(3)?.to_owned(),
        store: row.text(4)?.to_owned(),
        concurrency: row.int(5)? as u64,
        chunks: row.int(6)? as u64,
        started_at: row.int(7)?,
        seen_at,
        is_lost: (now - seen_at).abs() > every * MISSED,
    })
}
