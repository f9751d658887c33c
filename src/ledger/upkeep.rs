//! What the sweep does for the ledger: find work nobody was told of, clear up after the dead, hand out
//! replies and results, and let go of what has been kept long enough.

use super::audit;
use super::closing::end_chunk;
use super::plan::{Begun, discard};
use super::{JobId, Ledger, Outcome, Scope};
use crate::db::{Db, DbError, Row};

/// A finished job whose submitter asked to be told.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct Reply {
    pub job: JobId,
    pub seq: i64,
    pub reply_to: String,
}

impl Ledger {
    /// Jobs with chunks that could be claimed now, and how many each has.
    pub async fn claimable(&self, scope: Scope) -> Result<Vec<(JobId, u64)>, DbError> {
        claimable(&self.db, scope, self.clock.now_millis()).await
    }

    /// Whether any job is still to be worked on.
    pub async fn has_open_jobs(&self) -> Result<bool, DbError> {
        self.db
            .read(|tx| {
                // A job of which every open chunk waits for somebody else may take weeks.
                let sql = "SELECT 1 FROM jobs j WHERE j.state IN ('queued', 'running', 'retryable')
                     AND EXISTS (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running')) LIMIT 1";
                Ok(!tx.query(sql, &[])?.is_empty())
            })
            .await
    }

    /// Cancels the chunks of cancelled jobs whose workers died, and removes jobs whose submitters did.
    pub async fn clear_up(&self) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        let (orphans, stale) = self
            .db
            .read(move |tx| {
                let orphans = tx.query(
                    "SELECT c.job, c.chunk FROM chunks c JOIN jobs j ON j.seq = c.job
                     WHERE j.cancel_requested = 1
                     AND j.state IN ('queued', 'running', 'retryable', 'paused', 'awaiting-approval')
                     AND (c.state IN ('queued', 'waiting') OR (c.state = 'running' AND c.lease_until < $1)) LIMIT 1000",
                    &[now.into()],
                )?;
                let stale = tx.query(
                    "SELECT seq, input, id FROM jobs WHERE state = 'planned' AND planning_until < $1",
                    &[now.into()],
                )?;
                Ok((orphans, stale))
            })
            .await?;
        if orphans.is_empty() && stale.is_empty() {
            return Ok(());
        }
        self.db
            .write(move |tx| {
                let mut ended = Vec::new();
                for row in &orphans {
                    let (job, chunk) = (row.int(0)?, row.int(1)?);
                    let sql = format!(
                        "SELECT 1 FROM chunks WHERE job = $1 AND chunk = $2
                         AND (state IN ('queued', 'waiting') OR (state = 'running' AND lease_until < $3)){}",
                        tx.dialect().for_update()
                    );
                    if !tx.query(&sql, &[job.into(), chunk.into(), now.into()])?.is_empty() {
                        ended.extend(end_chunk(tx, job, chunk, Outcome::Cancelled, None, now)?);
                    }
                }
                for row in &stale {
                    let id = row
                        .text(2)?
                        .parse()
                        .map_err(|_| DbError::Broken("a job's id is no UUID".to_owned()))?;
                    discard(
                        tx,
                        Begun {
                            id,
                            seq: row.int(0)?,
                            input: row.int(1)?,
                        },
                    )?;
                }
                for entry in ended {
                    audit::ended(tx, Some(entry), None, now)?;
                }
                Ok(())
            })
            .await
    }

    /// Lets go of the rows of inputs whose every job ended more than `keep_millis` ago. Outcomes stay.
    /// Returns how many inputs were let go.
    pub async fn prune_spool(&self, keep_millis: i64) -> Result<u64, DbError> {
        let before = self.clock.now_millis() - keep_millis;
        let due = self
            .db
            .read(move |tx| {
                tx.query(
                    "SELECT DISTINCT s.input FROM spool s WHERE NOT EXISTS
                       (SELECT 1 FROM jobs j WHERE j.input = s.input AND (j.finished_at IS NULL OR j.finished_at >= $1))
                     LIMIT 100",
                    &[before.into()],
                )
            })
            .await?;
        let mut gone = 0;
        for row in due {
            let input = row.int(0)?;
            gone += self
                .db
                .write(move |tx| {
                    let freed = tx.exec(
                        "DELETE FROM spool WHERE input = $1 AND NOT EXISTS
                           (SELECT 1 FROM jobs j WHERE j.input = $1 AND (j.finished_at IS NULL OR j.finished_at >= $2))",
                        &[input.into(), before.into()],
                    )?;
                    for table in ["sealed_passwords", "artifacts", "artifact_blocks", "intents", "copying"] {
                        let sql = format!(
                            "DELETE FROM {table} WHERE job IN (SELECT seq FROM jobs WHERE input = $1)
                             AND NOT EXISTS (SELECT 1 FROM spool WHERE input = $1)"
                        );
                        tx.exec(&sql, &[input.into()])?;
                    }
                    Ok(u64::from(freed > 0))
                })
                .await?;
        }
        Ok(gone)
    }

    /// Lets go of users that were deleted too long ago to be restored. Returns how many there were.
    pub async fn purge_deleted_users(&self) -> Result<u64, DbError> {
        let before = self.clock.now_millis() - crate::store::sql::RESTORE_WITHIN_MILLIS;
        self.db
            .write(move |tx| tx.exec("DELETE FROM deleted_users WHERE deleted_at < $1", &[before.into()]))
            .await
    }

    /// Ended jobs whose submitters are still to be told, oldest first.
    pub async fn unreplied(&self) -> Result<Vec<Reply>, DbError> {
        self.db
            .read(|tx| {
                let rows = tx.query(
                    "SELECT id, seq, reply_to FROM jobs WHERE reply_to IS NOT NULL AND replied_at IS NULL
                     AND state IN ('completed', 'failed', 'cancelled') ORDER BY seq LIMIT 100",
                    &[],
                )?;
                let reply = |row: &Row| {
                    Ok(Reply {
                        job: id(row)?,
                        seq: row.int(1)?,
                        reply_to: row.text(2)?.to_owned(),
                    })
                };
                rows.iter().map(reply).collect()
            })
            .await
    }

    /// Records that the submitter was told.
    pub async fn replied(&self, seq: i64) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        self.db
            .write(move |tx| {
                tx.exec(
                    "UPDATE jobs SET replied_at = $2 WHERE seq = $1",
                    &[seq.into(), now.into()],
                )
                .map(drop)
            })
            .await
    }

    /// Records where the results of a job are to lie.
    pub async fn deliver_to(&self, seq: i64, dir: &str, host: &str) -> Result<(), DbError> {
        let params = vec![seq.into(), dir.into(), host.into()];
        self.db
            .write(move |tx| {
                tx.exec(
                    "UPDATE jobs SET out_dir = $2, out_host = $3, delivered_at = NULL WHERE seq = $1",
                    &params,
                )
                .map(drop)
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
                     AND state IN ('completed', 'failed', 'cancelled')
                     AND EXISTS (SELECT 1 FROM spool WHERE input = jobs.input) ORDER BY seq LIMIT 100",
                    &[host.into()],
                )?;
                rows.iter().map(id).collect()
            })
            .await
    }

    /// Records that the results of a job lie in its directory.
    pub async fn delivered(&self, seq: i64) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        self.db
            .write(move |tx| {
                tx.exec(
                    "UPDATE jobs SET delivered_at = $2 WHERE seq = $1",
                    &[seq.into(), now.into()],
                )
                .map(drop)
            })
            .await
    }
}

fn id(row: &Row) -> Result<JobId, DbError> {
    row.text(0)?
        .parse()
        .map_err(|_| DbError::Broken("a job's id is no UUID".to_owned()))
}

/// How many chunks could be claimed now, and the jobs of some of them.
async fn claimable(db: &Db, scope: Scope, now: i64) -> Result<Vec<(JobId, u64)>, DbError> {
    let only = match scope {
        Scope::All => 0,
        Scope::Job(seq) => seq,
    };
    db.read(move |tx| {
        let rows = tx.query(
            "SELECT j.id, COUNT(*) FROM chunks c JOIN jobs j ON j.seq = c.job
             WHERE c.state IN ('queued', 'running', 'waiting') AND j.state IN ('queued', 'running', 'retryable')
             AND ((c.state IN ('queued', 'waiting') AND c.not_before <= $1) OR (c.state = 'running' AND c.lease_until < $1))
             AND ($2 = 0 OR j.seq = $2) GROUP BY j.id LIMIT 100",
            &[now.into(), only.into()],
        )?;
        rows.iter().map(|row| Ok((id(row)?, row.int(1)? as u64))).collect()
    })
    .await
}
