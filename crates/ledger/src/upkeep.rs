//! The sweep's work on the ledger: find work nobody was told of, clear up after the dead, hand out
//! results, and let go of what has been kept long enough.
//!
//! Nothing here reads what has ended: each question has an index of its own that holds only what it asks for.

use std::collections::HashMap;

use super::audit;
use super::claim::due_jobs;
use super::closing::end_chunk;
use super::plan::{Draft, PLANNING_LEASE_MILLIS, discard};
use super::{JobId, Ledger, Outcome, Scope};
use tenantry_foundation::db::{DbError, Dialect, Row, Tx};

/// Inputs whose rows are let go of in one transaction.
const PRUNED_TOGETHER: u64 = 200;

/// What was let go of in one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Inputs whose rows are gone.
    pub inputs: u64,
    /// Whether there may be more.
    pub is_more: bool,
}

/// Plans that one worker has seen, with their sign of life and when that was new.
#[derive(Debug, Default)]
pub struct Seen(HashMap<i64, (i64, i64)>);

impl Ledger {
    /// Jobs with chunks that could be claimed now, the next first, and how many each has, up to `most`.
    pub async fn claimable(&self, scope: Scope, most: u64) -> Result<Vec<(JobId, u64)>, DbError> {
        let now = self.clock.now_millis();
        self.db
            .read(move |tx| {
                let rows = tx.query(
                    &format!("{} LIMIT $3", due_jobs("j.id", scope)),
                    &[now.into(), scope.number().into(), most.into()],
                )?;
                rows.iter()
                    .map(|row| Ok((JobId::read(row, 0)?, row.int(1)? as u64)))
                    .collect()
            })
            .await
    }

    /// Whether any job is still to be worked on.
    pub async fn has_open_jobs(&self) -> Result<bool, DbError> {
        self.db
            .read(|tx| {
                // A job of which every open chunk waits for a partner or a service may take weeks.
                let open = "COALESCE((SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running', 'waiting')
                     AND c.state <> 'waiting' LIMIT 1), 0) = 1";
                let sql = format!(
                    "SELECT 1 FROM jobs j WHERE j.state IN ('queued', 'running', 'retryable') AND j.cancel_requested = 0 AND {open}
                     UNION ALL
                     SELECT 1 FROM jobs j WHERE j.cancel_requested = 1 AND j.finished_at IS NULL
                       AND j.state IN ('queued', 'running', 'retryable') AND {open} LIMIT 1"
                );
                Ok(!tx.query(&sql, &[])?.is_empty())
            })
            .await
    }

    /// Cancels the chunks of cancelled jobs whose workers died.
    pub async fn clear_up_cancelled(&self) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        let jobs = self
            .db
            .read(|tx| {
                let sql =
                    "SELECT seq FROM jobs WHERE cancel_requested = 1 AND finished_at IS NULL ORDER BY seq LIMIT 1000";
                ints(&tx.query(sql, &[])?)
            })
            .await?;
        for job in jobs {
            self.db.write(move |tx| cancel_orphans(tx, job, now)).await?;
        }
        Ok(())
    }

    /// Removes jobs whose submitters died while their files were read. They show life in the ledger: one that has shown none
    /// since the worker first saw it so is dead, whatever the clocks of both say.
    pub async fn discard_stale_plans(&self, seen: &mut Seen) -> Result<(), DbError> {
        let now = self.clock.elapsed_millis();
        let (planned, due) = self
            .db
            .read({
                let before = self.planned_before();
                move |tx| {
                    let sql = "SELECT seq, input, id, planning_until FROM jobs WHERE state = 'planned'";
                    Ok((tx.query(sql, &[])?, before))
                }
            })
            .await?;
        let mut known = HashMap::new();
        for row in planned {
            let (seq, until) = (row.int(0)?, row.opt_int(3)?.unwrap_or_default());
            let since = match seen.0.get(&seq) {
                Some((same, since)) if *same == until => *since,
                _ => now,
            };
            if until >= due && now - since < PLANNING_LEASE_MILLIS {
                known.insert(seq, (until, since));
                continue;
            }
            let input = row.int(1)?;
            let begun = Draft {
                id: JobId::read(&row, 2)?,
                seq,
                input,
            };
            self.db
                .write(move |tx| {
                    // It may have shown life since.
                    let still = tx.query(
                        "SELECT 1 FROM jobs WHERE seq = $1 AND state = 'planned' AND planning_until = $2",
                        &[seq.into(), until.into()],
                    )?;
                    if still.is_empty() { Ok(()) } else { discard(tx, begun) }
                })
                .await?;
        }
        seen.0 = known;
        Ok(())
    }

    /// Plans that were to show life before this are stale at first sight. Where the time is this machine's, the worker that
    /// died may have had another one, unless that was long ago.
    fn planned_before(&self) -> i64 {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        match self.db.dialect() {
            Dialect::Postgres => self.clock.now_millis(),
            Dialect::Sqlite => self.past() - DAY,
        }
    }

    /// Lets go of the rows of inputs whose every job ended more than `keep_millis` ago, some at a time. Outcomes
    /// stay.
    pub async fn prune_spool(&self, keep_millis: i64) -> Result<Pruned, DbError> {
        let before = self.past() - keep_millis;
        self.db
            .write(move |tx| {
                let sql = format!(
                    "SELECT seq, input FROM jobs WHERE spooled = 1 AND finished_at < $1 ORDER BY finished_at LIMIT $2{}",
                    tx.dialect().for_update_skip_locked()
                );
                let due = tx.query(&sql, &[before.into(), PRUNED_TOGETHER.into()])?;
                let mut inputs = 0;
                for row in &due {
                    inputs += u64::from(prune_one(tx, row.int(0)?, row.opt_int(1)?, before)?);
                }
                Ok(Pruned {
                    inputs,
                    is_more: due.len() as u64 == PRUNED_TOGETHER,
                })
            })
            .await
    }

    /// Records where the results of a job are to lie, and as what.
    pub async fn deliver_to(&self, seq: i64, dir: &str, format: &str, host: &str) -> Result<(), DbError> {
        let params = vec![seq.into(), dir.into(), host.into(), format.into()];
        self.db
            .write(move |tx| {
                tx.send(
                    "UPDATE jobs SET out_dir = $2, out_host = $3, out_format = $4, delivered_at = NULL WHERE seq = $1",
                    &params,
                )
            })
            .await
    }

    /// Ended jobs whose results are still to be written on `host`, as long as there are rows to write, oldest first.
    pub async fn undelivered(&self, host: &str) -> Result<Vec<JobId>, DbError> {
        let host = host.to_owned();
        self.db
            .read(move |tx| {
                let rows = tx.query(
                    "SELECT id FROM jobs WHERE out_dir IS NOT NULL AND delivered_at IS NULL AND out_host = $1
                     AND finished_at IS NOT NULL AND (block IS NOT NULL OR EXISTS (SELECT 1 FROM spool s WHERE s.input = jobs.input)
                       OR EXISTS (SELECT 1 FROM jobs o WHERE (o.input = jobs.input OR o.seq = -jobs.input) AND o.block IS NOT NULL)) ORDER BY seq LIMIT 100",
                    &[host.into()],
                )?;
                rows.iter().map(|row| JobId::read(row, 0)).collect()
            })
            .await
    }

    /// Records that the results of a job lie where, and as what, they were asked for last; not if they were asked for elsewhere
    /// in the meantime.
    pub async fn delivered(&self, seq: i64, dir: &str, format: &str) -> Result<(), DbError> {
        let params = vec![seq.into(), self.clock.now_millis().into(), dir.into(), format.into()];
        self.db
            .write(move |tx| {
                tx.send(
                    "UPDATE jobs SET delivered_at = $2
                     WHERE seq = $1 AND out_dir = $3 AND COALESCE(out_format, $4) = $4",
                    &params,
                )
            })
            .await
    }
}

/// Ends the chunks of a cancelled job that nobody works on.
fn cancel_orphans(tx: &mut dyn Tx, job: i64, now: i64) -> Result<(), DbError> {
    let sql = format!(
        "SELECT chunk FROM chunks WHERE job = $1 AND (state IN ('queued', 'waiting')
           OR (state = 'running' AND (lease_until < $2 OR lease_until > $2 + 2 * lease_length + 10000))) ORDER BY chunk{}",
        tx.dialect().for_update()
    );
    let orphans = ints(&tx.query(&sql, &[job.into(), now.into()])?)?;
    let mut ended = None;
    for chunk in orphans {
        ended = end_chunk(tx, (job, chunk), Outcome::Cancelled, None, now)?.or(ended);
    }
    audit::ended(tx, ended, None, now).map(drop)
}

/// Lets go of what hangs on an ended job's input, unless another job of it still needs the rows; that one is asked in its turn.
fn prune_one(tx: &mut dyn Tx, job: i64, input: Option<i64>, before: i64) -> Result<bool, DbError> {
    tx.send("UPDATE jobs SET spooled = 0 WHERE seq = $1", &[job.into()])?;
    let input = input.unwrap_or(-job);
    let needed = tx.query(
        "SELECT 1 FROM jobs WHERE (input = $1 OR seq = -$1) AND (finished_at IS NULL OR finished_at >= $2) LIMIT 1",
        &[input.into(), before.into()],
    )?;
    if !needed.is_empty() {
        return Ok(false);
    }
    let blocks = tx.exec("DELETE FROM spool WHERE input = $1", &[input.into()])?
        + tx.exec(
            "UPDATE jobs SET block = NULL WHERE (input = $1 OR seq = -$1) AND block IS NOT NULL",
            &[input.into()],
        )?;
    for of in ints(&tx.query("SELECT seq FROM jobs WHERE input = $1 OR seq = -$1", &[input.into()])?)? {
        for table in [
            "sealed_passwords",
            "artifacts",
            "artifact_blocks",
            "intents",
            "copying",
            "plan_parts",
        ] {
            tx.send(&format!("DELETE FROM {table} WHERE job = $1"), &[of.into()])?;
        }
    }
    Ok(blocks > 0)
}

fn ints(rows: &[Row]) -> Result<Vec<i64>, DbError> {
    rows.iter().map(|row| row.int(0)).collect()
}
