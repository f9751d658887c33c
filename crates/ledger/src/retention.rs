//! Removing jobs that ended long ago.
//!
//! A job goes in two steps, each of many small transactions that hold up no worker. First the job itself is removed: from then on
//! no query finds it, and a number in `removals` says that something of it is left. Then what it has left is removed some rows at
//! a time, the number last. A worker that dies in between has removed whole jobs only, and the next one goes on.
//!
//! The audit record keeps everything about removed jobs, and gets a record of each lot: how many jobs, the first and the last of
//! them, and a hash over what they were and came to. A job stays as long as its retry or its undo is there. What brought jobs goes
//! after them (`brought`).

mod brought;

use super::Ledger;
use super::audit::{self, Action, AuditEntry};
use tenantry_foundation::db::{DbError, Dialect, Tx, Value};
use tenantry_foundation::input::StreamHasher;
use tenantry_foundation::{failpoint, moment};

/// Jobs looked at in one transaction.
const LOT: u64 = 500;
/// Removed jobs whose remains are removed in one transaction, if they are small.
const CLEARED_TOGETHER: u64 = 100;
/// Rows of one table that one transaction removes of a large job at most.
const ROWS_AT_ONCE: i64 = 10_000;
/// Pages that SQLite gives back to the file system in one transaction.
const PAGES_AT_ONCE: i64 = 2_000;

/// Tables of what belongs to rows of jobs.
pub(super) const BY_ROW: [&str; 7] = [
    "row_outcomes",
    "before_images",
    "waiting_rows",
    "intents",
    "artifacts",
    "artifact_blocks",
    "copying",
];
/// Tables of what belongs to jobs, some records each.
pub(super) const BY_JOB: [&str; 4] = ["chunks", "sealed_passwords", "plan_parts", "replies"];

/// How far jobs, and what brought them, have been looked through, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct LookedThrough {
    job: i64,
    /// `None` once all were.
    drop: Option<i64>,
    fire: Option<i64>,
}

impl Default for LookedThrough {
    fn default() -> Self {
        Self {
            job: 0,
            drop: Some(0),
            fire: Some(0),
        }
    }
}

impl Ledger {
    /// Removes some of the jobs that ended more than `keep_millis` ago; `false` if there are no more of them.
    pub async fn remove_jobs(&self, keep_millis: i64, through: &mut LookedThrough) -> Result<bool, DbError> {
        let (before, now, from) = (self.past() - keep_millis, self.clock.now_millis(), through.job);
        let next = match self.db.write(move |tx| remove_lot(tx, from, before, now)).await {
            // Another worker is removing the same ones, and goes on with the next.
            Err(DbError::Contended(_)) => None,
            other => other?,
        };
        failpoint::hit("removed");
        through.job = next.unwrap_or_default();
        Ok(next.is_some())
    }

    /// Removes some of what removed jobs have left; `false` if nothing is left.
    pub async fn clear_removed(&self) -> Result<bool, DbError> {
        let is_more = self.db.write(clear_some).await?;
        failpoint::hit("cleared");
        Ok(is_more)
    }

    /// Gives some of the room that removed records took back to the file system; `false` if there is no more of it. PostgreSQL does
    /// so by itself.
    pub async fn give_room_back(&self) -> Result<bool, DbError> {
        if self.db.dialect() == Dialect::Postgres {
            return Ok(false);
        }
        self.db
            .write(|tx| {
                let pages = |tx: &mut dyn Tx| {
                    let free = tx.query_first("PRAGMA freelist_count", &[])?;
                    free.map_or(Ok(0), |row| row.int(0))
                };
                let free = pages(tx)?;
                if free == 0 {
                    return Ok(false);
                }
                tx.query(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"), &[])?;
                let left = pages(tx)?;
                // A file of an earlier version keeps its free pages for what comes.
                Ok(left > 0 && left < free)
            })
            .await
    }
}

/// Looks at the oldest jobs after `from` and removes those that ended before; the number of the last one looked at, if there may be
/// more behind it.
fn remove_lot(tx: &mut dyn Tx, from: i64, before: i64, now: i64) -> Result<Option<i64>, DbError> {
    // Those that come next, whatever they are: asking for those that are due would read all there are when none is.
    let sql = "SELECT seq, id, kind, state, created_at, finished_at, total, applied, unchanged, rejected, failed, cancelled, input,
         CASE WHEN spooled = 0 AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.retry_of = j.seq)
           AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.undo_of = j.seq) THEN 1 ELSE 0 END
       FROM jobs j WHERE seq > $1 ORDER BY seq LIMIT $2";
    let looked_at = tx.query(sql, &[from.into(), LOT.into()])?;
    let mut meter = StreamHasher::default();
    let (mut ids, mut seqs, mut remains) = (Vec::new(), Vec::new(), Vec::new());
    let (mut last, mut is_more) = (from, looked_at.len() as u64 == LOT);
    for row in &looked_at {
        last = row.int(0)?;
        if row.int(4)? >= before {
            is_more = false;
            break;
        }
        if row.opt_int(5)?.is_some_and(|ended| ended < before) && row.int(13)? == 1 {
            meter.pass(format!("{} {} {}", row.text(1)?, row.text(2)?, row.text(3)?).as_bytes());
            for number in 4..12 {
                meter.pass(format!(" {}", row.int(number)?).as_bytes());
            }
            meter.pass(b"\n");
            seqs.push(vec![last.into()]);
            remains.push(vec![last.into(), row.opt_int(12)?.into(), row.int(6)?.into()]);
            ids.push(row.text(1)?);
        }
    }
    if let (Some(first), Some(newest)) = (ids.first(), ids.last()) {
        let note = format!(
            "{} {} that ended before {}, {first} to {newest}, sha256 {}",
            ids.len(),
            if ids.len() == 1 { "job" } else { "jobs" },
            moment::second(before),
            meter.sha256().as_str(),
        );
        // First, so that who comes second is told of this and not of a number that is there already.
        let taken = || DbError::Contended("others are removing the same jobs".to_owned());
        tx.send_each("DELETE FROM jobs WHERE seq = $1", seqs.clone(), taken)?;
        tx.send_all("INSERT INTO removals (job, input, rows) VALUES ($1, $2, $3)", remains)?;
        tx.send_all("UPDATE drops SET job = NULL WHERE job = $1", seqs.clone())?;
        tx.send_all("UPDATE fires SET job = NULL WHERE job = $1", seqs)?;
        audit::append(tx, now, &AuditEntry::own(Action::Pruned, note))?;
        failpoint::hit("removing");
    }
    Ok(is_more.then_some(last))
}

fn clear_some(tx: &mut dyn Tx) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT job, input, rows FROM removals ORDER BY job LIMIT $1{}",
        tx.dialect().for_update_skip_locked()
    );
    let (mut jobs, mut inputs, mut rows) = (Vec::new(), Vec::new(), 0);
    for row in tx.query(&sql, &[CLEARED_TOGETHER.into()])? {
        rows += row.int(2)?;
        if rows > ROWS_AT_ONCE && !jobs.is_empty() {
            break;
        }
        jobs.push(vec![row.int(0)?.into()]);
        inputs.extend(row.opt_int(1)?.map(|input| vec![input.into()]));
    }
    let [first, ..] = jobs.as_slice() else {
        return Ok(false);
    };
    if rows > ROWS_AT_ONCE && jobs.len() == 1 {
        for table in BY_ROW {
            if remove_rows(tx, table, &first[0])? {
                return Ok(true);
            }
        }
    }
    for table in BY_ROW.iter().chain(&BY_JOB) {
        tx.send_all(&format!("DELETE FROM {table} WHERE job = $1"), jobs.clone())?;
    }
    for (table, column) in [("spool", "input"), ("inputs", "id")] {
        let unused =
            format!("DELETE FROM {table} WHERE {column} = $1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE input = $1)");
        tx.send_all(&unused, inputs.clone())?;
    }
    tx.send_all("DELETE FROM removals WHERE job = $1", jobs)?;
    failpoint::hit("clearing");
    Ok(true)
}

/// Removes the first rows of a large job from a table; whether there were any.
fn remove_rows(tx: &mut dyn Tx, table: &str, job: &Value) -> Result<bool, DbError> {
    let sql = format!("SELECT MIN(row) FROM {table} WHERE job = $1");
    let first = tx.query_first(&sql, std::slice::from_ref(job))?;
    let Some(first) = first.map(|row| row.opt_int(0)).transpose()?.flatten() else {
        return Ok(false);
    };
    let sql = format!("DELETE FROM {table} WHERE job = $1 AND row < $2");
    tx.send(&sql, &[job.clone(), (first + ROWS_AT_ONCE).into()])?;
    Ok(true)
}
