//! Intents: what a row is about to have done in a store that is no database.
//!
//! A call to such a store cannot commit together with its record. So the record comes first: the step, and a generation
//! that its request id is made of. A worker that finds an intent that is not done first asks the store for its outcome.
//! It then sends again under the same request id; only an answer opens a new generation.
//!
//! With an intent goes an image of what the step found, so that an undo knows what to bring back.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{Claim, JobId, Ledger, fence, sealed};
use tenantry_foundation::db::{DbError, Row, Tx, Value};
use tenantry_foundation::passwords::PasswordRow;

/// A step of a row that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// How many calls of this step were answered before this one.
    pub generation: i64,
    /// What the step came to, once it is known.
    pub result: Option<String>,
    /// What it found and what it leaves, as JSON; empty for a step that is not undone by itself.
    pub image: String,
    /// How many steps of the row were begun before it.
    pub place: i64,
    /// Whether it is of the job that this one tries again.
    pub is_inherited: bool,
}

/// A step that was done, for an undo to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneStep {
    /// Its name.
    pub step: String,
    /// What it came to.
    pub result: String,
    /// What it found and what it left, as JSON.
    pub image: String,
}

/// The step of a row that had its password handed out before it ended well.
pub const HANDED_OUT: &str = "handed out";

/// How long a password counts as just set.
const RECENT_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// By row and step.
pub type Intents = HashMap<(u64, String), Intent>;

/// The id a call is sent under: the same for the same row, step and generation, and for nothing else.
pub fn request_id(job: JobId, row: u64, step: &str, generation: i64) -> Uuid {
    Uuid::new_v5(&job.0, format!("{row} {step} {generation}").as_bytes())
}

impl Ledger {
    /// The intents of a chunk's rows; of a job that tries another one's rows again, that one's too.
    pub async fn intents(&self, claim: &Claim) -> Result<Intents, DbError> {
        let (job, first, last) = (claim.job, claim.first_row, claim.first_row + claim.rows);
        self.db
            .read(move |tx| {
                let mut intents = Intents::new();
                let mut of = Some(job);
                while let Some(ancestor) = of {
                    let rows = tx.query(
                        "SELECT row, step, generation, state, result, image, place FROM intents
                         WHERE job = $1 AND row >= $2 AND row < $3",
                        &[ancestor.into(), first.into(), last.into()],
                    )?;
                    for row in &rows {
                        let key = (row.int(0)? as u64, row.text(1)?.to_owned());
                        intents.entry(key).or_insert(intent(row, ancestor != job)?);
                    }
                    let parent = tx.query_first("SELECT retry_of FROM jobs WHERE seq = $1", &[ancestor.into()])?;
                    let parent = parent.map(|parent| parent.opt_int(0)).transpose()?.flatten();
                    // Each is older than the one before it.
                    of = parent.filter(|parent| *parent < ancestor);
                }
                Ok(intents)
            })
            .await
    }

    /// Until when the lease of a chunk is held, in milliseconds since the epoch, as the ledger has it now.
    ///
    /// # Errors
    /// [`DbError::LeaseLost`] if it is not.
    pub async fn held_until(&self, claim: &Claim) -> Result<i64, DbError> {
        let claim = claim.clone();
        self.db.read(move |tx| fence::until(tx, &claim)).await
    }

    /// Commits the intent to do a step, before it is done. Until when the chunk's lease is held, in milliseconds since the epoch.
    pub async fn intend(&self, claim: &Claim, row: u64, step: &str, intent: &Intent) -> Result<i64, DbError> {
        let (claim, step, intent) = (claim.clone(), step.to_owned(), intent.clone());
        self.db
            .write(move |tx| {
                let until = fence::check_until(tx, &claim)?;
                tx.send(
                    "INSERT INTO intents (job, row, step, generation, state, image, place)
                     VALUES ($1, $2, $3, $4, 'open', $5, $6)
                     ON CONFLICT (job, row, step) DO UPDATE SET generation = excluded.generation, state = 'open',
                       image = excluded.image",
                    &[
                        claim.job.into(),
                        row.into(),
                        step.into(),
                        intent.generation.into(),
                        intent.image.into(),
                        intent.place.into(),
                    ],
                )?;
                Ok(until)
            })
            .await
    }

    /// Records what a step came to, and keeps the password that it was answered with, sealed: nobody is told it again.
    pub async fn settle(
        &self,
        claim: &Claim,
        row: u64,
        (step, result): (&str, &str),
        password: Option<PasswordRow>,
    ) -> Result<(), DbError> {
        let (claim, step, result) = (claim.clone(), step.to_owned(), result.to_owned());
        self.db
            .write(move |tx| {
                fence::check(tx, &claim)?;
                tx.send(
                    "UPDATE intents SET state = 'done', result = $4 WHERE job = $1 AND row = $2 AND step = $3",
                    &[claim.job.into(), row.into(), step.into(), result.into()],
                )?;
                if let Some(password) = &password {
                    sealed::keep_alone(tx, &claim, row, password)?;
                    hand_out(tx, claim.job, &[row])?;
                }
                fence::progressed(tx, &claim)
            })
            .await
    }

    /// Whether a row of the job, or of one that it tries again, has had a step of this name come to this.
    pub async fn has_result(&self, claim: &Claim, step: &str, result: &str) -> Result<bool, DbError> {
        let (job, step, result) = (claim.job, step.to_owned(), result.to_owned());
        self.db
            .read(move |tx| {
                let found = tx.query_first(
                    "WITH RECURSIVE line (job) AS (
                       SELECT CAST($1 AS BIGINT)
                       UNION SELECT jobs.retry_of FROM jobs JOIN line ON jobs.seq = line.job WHERE jobs.retry_of IS NOT NULL)
                     SELECT 1 FROM intents JOIN line ON intents.job = line.job
                     WHERE step = $2 AND state = 'done' AND result = $3 LIMIT 1",
                    &[job.into(), step.into(), result.into()],
                )?;
                Ok(found.is_some())
            })
            .await
    }

    /// The steps of this name that rows of jobs of this kind have done, where the job is at work or ended within that time, and
    /// the step came to `what` or its image mentions it.
    pub async fn done_lately(
        &self,
        (kind, step): (&'static str, &'static str),
        what: &str,
        within_millis: i64,
    ) -> Result<Vec<DoneStep>, DbError> {
        let what = what.to_owned();
        let mentions = format!("%{}%", what.replace(['%', '_', '\\'], ""));
        let since = self.clock().now_millis() - within_millis;
        self.db
            .read(move |tx| {
                let found = tx.query(
                    "SELECT i.step, i.result, i.image FROM (
                       SELECT seq FROM jobs WHERE kind = $1 AND finished_at IS NULL
                       UNION ALL SELECT seq FROM jobs WHERE kind = $1 AND finished_at >= $2
                     ) j JOIN intents i ON i.job = j.seq
                     WHERE i.step = $3 AND i.state = 'done' AND (i.result = $4 OR i.image LIKE $5)",
                    &[
                        kind.into(),
                        since.into(),
                        step.into(),
                        what.as_str().into(),
                        mentions.as_str().into(),
                    ],
                )?;
                let done = |row: &Row| {
                    Ok(DoneStep {
                        step: row.text(0)?.to_owned(),
                        result: row.text_or_empty(1)?.to_owned(),
                        image: row.text_or_empty(2)?.to_owned(),
                    })
                };
                found.iter().map(done).collect()
            })
            .await
    }

    /// Notes that a user has been given a password: `account` names the user in its store.
    pub async fn note_password(&self, claim: &Claim, account: &str) -> Result<(), DbError> {
        let (claim, account, now) = (claim.clone(), account.to_owned(), self.clock().now_millis());
        self.db
            .write(move |tx| {
                fence::check(tx, &claim)?;
                tx.send(
                    "DELETE FROM passwords_set WHERE set_at < $1",
                    &[(now - RECENT_MILLIS).into()],
                )?;
                tx.send(
                    "INSERT INTO passwords_set (account, set_at) VALUES ($1, $2)
                     ON CONFLICT (account) DO UPDATE SET set_at = excluded.set_at",
                    &[account.into(), now.into()],
                )
            })
            .await
    }

    /// When a user was last given a password, if that was within a day: milliseconds since the epoch.
    pub async fn password_set_at(&self, account: &str) -> Result<Option<i64>, DbError> {
        let (account, since) = (account.to_owned(), self.clock().now_millis() - RECENT_MILLIS);
        self.db
            .read(move |tx| {
                let found = tx.query_first(
                    "SELECT set_at FROM passwords_set WHERE account = $1 AND set_at >= $2",
                    &[account.into(), since.into()],
                )?;
                found.map(|row| row.int(0)).transpose()
            })
            .await
    }
}

fn intent(row: &Row, is_inherited: bool) -> Result<Intent, DbError> {
    let is_done = row.text(3)? == "done";
    Ok(Intent {
        generation: row.int(2)?,
        result: is_done.then(|| row.text_or_empty(4).map(str::to_owned)).transpose()?,
        image: row.text_or_empty(5)?.to_owned(),
        place: row.int(6)?,
        is_inherited,
    })
}

/// Notes that these rows have had their passwords handed out, together with handing them out.
pub fn hand_out(tx: &mut dyn Tx, job: i64, rows: &[u64]) -> Result<(), DbError> {
    let params: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| vec![job.into(), (*row).into(), HANDED_OUT.into()])
        .collect();
    tx.exec_each(
        "INSERT INTO intents (job, row, step, generation, state, result, image, place)
         VALUES ($1, $2, $3, 0, 'done', '', '', 0) ON CONFLICT (job, row, step) DO NOTHING",
        &params,
    )
    .map(drop)
}

/// The steps that these rows of a job have done, in the order in which they were begun.
pub fn done_steps(tx: &mut dyn Tx, job: i64, first: u64, last: u64) -> Result<BTreeMap<u64, Vec<DoneStep>>, DbError> {
    let found = tx.query(
        "SELECT row, step, result, image FROM intents
         WHERE job = $1 AND row BETWEEN $2 AND $3 AND state = 'done' AND image <> '' ORDER BY row, place, step",
        &[job.into(), first.into(), last.into()],
    )?;
    let mut steps: BTreeMap<u64, Vec<DoneStep>> = BTreeMap::new();
    for row in found {
        steps.entry(row.int(0)? as u64).or_default().push(DoneStep {
            step: row.text(1)?.to_owned(),
            result: row.text_or_empty(2)?.to_owned(),
            image: row.text_or_empty(3)?.to_owned(),
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_its_steps_alone() {
        let job = JobId(Uuid::from_u128(7));
        let id = request_id(job, 1, "create", 0);
        assert_eq!(id, request_id(job, 1, "create", 0));
        for other in [
            request_id(JobId(Uuid::from_u128(8)), 1, "create", 0),
            request_id(job, 2, "create", 0),
            request_id(job, 1, "licenses", 0),
            request_id(job, 1, "create", 1),
        ] {
            assert_ne!(id, other);
        }
    }
}
