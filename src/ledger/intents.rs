//! Intents: what a row is about to have done in a store that is no database.
//!
//! A call to such a store cannot commit together with its record. So the record comes first: the step, and a generation
//! that its request id is made of. Whoever finds an intent that is not done asks the store what became of it before
//! anything else is sent, and then under the same request id; only an answer opens a new generation.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Claim, JobId, Ledger, lease};
use crate::db::{DbError, Row};

/// A step of a row that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// How many calls of this step were answered before this one.
    pub generation: i64,
    /// What the step came to, once it is known.
    pub result: Option<String>,
}

/// By row and step.
pub type Intents = HashMap<(u64, String), Intent>;

/// The id a call is sent under: the same for the same row, step and generation, and for nothing else.
pub fn request_id(job: JobId, row: u64, step: &str, generation: i64) -> Uuid {
    Uuid::new_v5(&job.0, format!("{row} {step} {generation}").as_bytes())
}

impl Ledger {
    /// The intents of a chunk's rows.
    pub async fn intents(&self, claim: &Claim) -> Result<Intents, DbError> {
        let (job, first, last) = (claim.job, claim.first_row, claim.first_row + claim.rows);
        self.db
            .read(move |tx| {
                let rows = tx.query(
                    "SELECT row, step, generation, state, result FROM intents WHERE job = $1 AND row >= $2 AND row < $3",
                    &[job.into(), first.into(), last.into()],
                )?;
                let intent = |row: &Row| {
                    let is_done = row.text(3)? == "done";
                    let intent = Intent {
                        generation: row.int(2)?,
                        result: is_done.then(|| row.text_or_empty(4).map(str::to_owned)).transpose()?,
                    };
                    Ok(((row.int(0)? as u64, row.text(1)?.to_owned()), intent))
                };
                rows.iter().map(intent).collect()
            })
            .await
    }

    /// Commits the intent to do a step, before it is done.
    pub async fn intend(&self, claim: &Claim, row: u64, step: &str, generation: i64) -> Result<(), DbError> {
        let (claim, step) = (claim.clone(), step.to_owned());
        self.db
            .write(move |tx| {
                lease::fence(tx, &claim)?;
                tx.exec(
                    "INSERT INTO intents (job, row, step, generation, state) VALUES ($1, $2, $3, $4, 'open')
                     ON CONFLICT (job, row, step) DO UPDATE SET generation = excluded.generation, state = 'open'",
                    &[claim.job.into(), row.into(), step.into(), generation.into()],
                )
                .map(drop)
            })
            .await
    }

    /// Records what a step came to.
    pub async fn settle(&self, claim: &Claim, row: u64, step: &str, result: &str) -> Result<(), DbError> {
        let (claim, step, result) = (claim.clone(), step.to_owned(), result.to_owned());
        self.db
            .write(move |tx| {
                lease::fence(tx, &claim)?;
                tx.exec(
                    "UPDATE intents SET state = 'done', result = $4 WHERE job = $1 AND row = $2 AND step = $3",
                    &[claim.job.into(), row.into(), step.into(), result.into()],
                )
                .map(drop)
            })
            .await
    }
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
