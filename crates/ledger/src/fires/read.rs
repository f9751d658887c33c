//! Fires read back.

use std::collections::HashMap;

use super::{Fire, FireCause, FireOutcome, FireReason, FireState, Ledger};
use crate::{JobId, JobState};
use tenantry_foundation::db::{DbError, Row, Tx};

/// Fires of one schedule that are looked at together at most; the others' turn comes when these have ended.
const OPEN_OF_ONE: i64 = 20;
/// Ended jobs that are looked at together.
const ENDED: i64 = 500;

/// A fire that has not ended.
#[derive(Debug, Clone)]
pub struct OpenFire {
    /// The fire.
    pub fire: Fire,
    /// Up to when somebody has it in hand.
    pub lease_until: Option<i64>,
}

/// The last fire of each schedule that did something or could not, by name.
pub type LastFires = HashMap<String, Fire>;

pub(super) const COLUMNS: &str = "f.seq, f.schedule, f.revision, f.nominal, f.attempt, f.part, f.due, f.starts, f.look_at, f.cause,
    f.state, f.reason, f.detail, f.last_nominal, f.last_due, f.times, f.asked_by, f.file, f.out_path, f.outcome, f.sha256, f.made_at,
    f.ended_at, j.id, j.state";

pub(super) fn read(row: &Row) -> Result<Fire, DbError> {
    let text = |column: usize| row.opt_text(column).map(|text| text.map(str::to_owned));
    let job = match row.opt_text(23)? {
        Some(_) => Some(JobId::read(row, 23)?),
        None => None,
    };
    Ok(Fire {
        seq: row.int(0)?,
        schedule: row.text(1)?.to_owned(),
        revision: row.int(2)?,
        nominal: row.text(3)?.to_owned(),
        attempt: row.int(4)?,
        part: row.int(5)?,
        due: row.int(6)?,
        starts: row.int(7)?,
        look_at: row.int(8)?,
        cause: FireCause::parse(row.text(9)?)?,
        state: FireState::parse(row.text(10)?)?,
        reason: row.opt_text(11)?.map(FireReason::parse).transpose()?,
        detail: text(12)?,
        last_nominal: text(13)?,
        last_due: row.opt_int(14)?,
        times: row.int(15)? as u64,
        asked_by: text(16)?,
        file: text(17)?,
        out_path: text(18)?,
        outcome: row.opt_text(19)?.map(FireOutcome::parse).transpose()?,
        sha256: text(20)?,
        made_at: row.int(21)?,
        ended_at: row.opt_int(22)?,
        job,
        job_state: row.opt_text(24)?.map(JobState::parse).transpose()?,
    })
}

impl Ledger {
    /// The fires that have not ended, those of each schedule in their order, and of each the first ones only.
    pub async fn open_fires(&self) -> Result<Vec<OpenFire>, DbError> {
        self.db
            .read(|tx| {
                let sql = format!(
                    "SELECT {COLUMNS}, f.lease_until FROM (
                       SELECT fires.*, ROW_NUMBER() OVER (PARTITION BY schedule ORDER BY seq) AS place FROM fires
                       WHERE state IN ('due', 'waiting', 'submitted')) f
                     LEFT JOIN jobs j ON j.seq = f.job WHERE f.place <= $1 ORDER BY f.seq"
                );
                let open = |row: &Row| {
                    Ok(OpenFire {
                        fire: read(row)?,
                        lease_until: row.opt_int(25)?,
                    })
                };
                tx.query(&sql, &[OPEN_OF_ONE.into()])?.iter().map(open).collect()
            })
            .await
    }

    /// Fires whose jobs have ended, and which have not.
    pub async fn fires_to_end(&self) -> Result<Vec<Fire>, DbError> {
        self.db
            .read(|tx| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM fires f LEFT JOIN jobs j ON j.seq = f.job
                     WHERE f.state = 'submitted' AND (j.state IS NULL OR j.state IN ('completed', 'failed', 'cancelled'))
                     ORDER BY f.seq LIMIT $1"
                );
                tx.query(&sql, &[ENDED.into()])?.iter().map(read).collect()
            })
            .await
    }

    /// The fires of a schedule, the newest first.
    pub async fn fires(&self, schedule: &str, limit: u64) -> Result<Vec<Fire>, DbError> {
        let name = schedule.to_owned();
        self.db
            .read(move |tx| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM fires f LEFT JOIN jobs j ON j.seq = f.job WHERE f.schedule = $1
                     ORDER BY f.seq DESC LIMIT $2"
                );
                tx.query(&sql, &[name.into(), limit.into()])?.iter().map(read).collect()
            })
            .await
    }

    /// The fire that brought a job, if one did. Of several the first.
    pub async fn fire_of(&self, job: i64) -> Result<Option<Fire>, DbError> {
        self.db
            .read(move |tx| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM fires f LEFT JOIN jobs j ON j.seq = f.job WHERE f.job = $1 ORDER BY f.seq LIMIT 1"
                );
                tx.query_first(&sql, &[job.into()])?.as_ref().map(read).transpose()
            })
            .await
    }

    /// The last fire of each schedule that has ended and was not passed over.
    pub async fn last_fires(&self) -> Result<LastFires, DbError> {
        self.db
            .read(|tx| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM fires f LEFT JOIN jobs j ON j.seq = f.job
                     WHERE f.seq IN (SELECT (SELECT MAX(o.seq) FROM fires o WHERE o.schedule = s.name
                       AND o.state IN ('ended', 'failed', 'submitted')) FROM schedules s)"
                );
                let fires: Vec<Fire> = tx.query(&sql, &[])?.iter().map(read).collect::<Result<_, _>>()?;
                Ok(fires.into_iter().map(|fire| (fire.schedule.clone(), fire)).collect())
            })
            .await
    }

    /// Which instants of a schedule, over all its revisions, had a fire that ended well or has not ended.
    pub async fn times_done(&self, schedule: &str, from: i64, to: i64) -> Result<Vec<(i64, FireState)>, DbError> {
        let name = schedule.to_owned();
        self.db
            .read(move |tx| {
                let sql = "SELECT due, state FROM fires WHERE schedule = $1 AND due >= $2 AND due <= $3
                    AND (outcome = 'good' OR state IN ('due', 'waiting', 'submitted')) ORDER BY due, seq";
                let rows = tx.query(sql, &[name.into(), from.into(), to.into()])?;
                rows.iter()
                    .map(|row| Ok((row.int(0)?, FireState::parse(row.text(1)?)?)))
                    .collect()
            })
            .await
    }

    /// What the file of the last fire of a schedule before that one was, by the hash of its bytes.
    pub async fn file_before(&self, fire: &Fire) -> Result<Option<String>, DbError> {
        let (name, seq) = (fire.schedule.clone(), fire.seq);
        self.db
            .read(move |tx| {
                let sql = "SELECT sha256 FROM fires WHERE schedule = $1 AND seq < $2 AND sha256 IS NOT NULL ORDER BY seq DESC LIMIT 1";
                let row = tx.query_first(sql, &[name.into(), seq.into()])?;
                row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
            })
            .await
    }

    /// Where fires of a schedule have put their results, or why they were refused, the newest first: those beyond the last `keep`
    /// that had results, and what was refused before.
    pub async fn old_results(&self, schedule: &str, keep: u64) -> Result<Vec<(i64, String, Option<JobId>)>, DbError> {
        let name = schedule.to_owned();
        self.db
            .read(move |tx| {
                let sql = "SELECT f.seq, f.out_path, j.id FROM fires f LEFT JOIN jobs j ON j.seq = f.job
                    WHERE f.schedule = $1 AND f.out_path IS NOT NULL AND f.state IN ('ended', 'failed')
                      AND f.seq <= (SELECT e.seq FROM fires e WHERE e.schedule = $1 AND e.out_path IS NOT NULL AND e.state = 'ended'
                        ORDER BY e.seq DESC LIMIT 1 OFFSET $2)
                    ORDER BY f.seq DESC LIMIT 100";
                let one = |row: &Row| {
                    let job = match row.opt_text(2)? {
                        Some(_) => Some(JobId::read(row, 2)?),
                        None => None,
                    };
                    Ok((row.int(0)?, row.text(1)?.to_owned(), job))
                };
                tx.query(sql, &[name.into(), keep.into()])?.iter().map(one).collect()
            })
            .await
    }

    /// Forgets where a fire had put its results, which are gone.
    pub async fn results_removed(&self, seq: i64) -> Result<(), DbError> {
        let forget = move |tx: &mut dyn Tx| {
            tx.exec("UPDATE fires SET out_path = NULL WHERE seq = $1", &[seq.into()])
                .map(drop)
        };
        self.db.write(forget).await
    }
}
