//! The rows of a plan that is kept with its job, one after the other, each with whom it is about.

use std::io;
use std::time::Duration;

use tenantry_jobs::Subject;

use super::kept::{KeptPlan, KeptRow};
use super::subjects::{ChunkSubjects, Subjects};
use crate::db::{DbError, patiently};
use crate::ledger::{Job, Ledger};

/// Why the rows of a plan cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptRowsError {
    /// The ledger.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What they are told to.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is nothing to tell them from.
    #[error("its rows are no longer kept (`spool.retention`)")]
    RowsGone,
}

/// A row of a plan, and the chunk that it stands in.
pub(crate) struct ToldRow<'r> {
    /// The row.
    pub(crate) row: &'r KeptRow,
    about: &'r ChunkSubjects,
}

impl ToldRow<'_> {
    /// The line that it begins on.
    pub(crate) fn line(&self) -> Option<u64> {
        self.about.line(self.row.row)
    }

    /// Whom or what it is about.
    pub(crate) fn subject(&self) -> Option<Subject> {
        self.about.subject(self.row.row)
    }
}

/// Tells every row of the plan of a job; of an undo, those of which there is something to say.
pub(crate) async fn each_kept_row(
    ledger: &Ledger,
    job: &Job,
    plan: &mut KeptPlan,
    patience: Duration,
    each: &mut (dyn FnMut(&ToldRow<'_>) -> io::Result<()> + Send),
) -> Result<(), KeptRowsError> {
    let subjects = patiently(patience, || Subjects::of(ledger, job)).await?;
    let is_undo = job.undo_of.is_some();
    for (chunk, _) in patiently(patience, || ledger.chunk_states(job.seq)).await? {
        let about = match &subjects {
            Some(subjects) => patiently(patience, || subjects.chunk(chunk, None)).await?,
            None => None,
        };
        let about = about.ok_or(KeptRowsError::RowsGone)?;
        let (first, last) = about.rows();
        let tried_again = match job.retry_of {
            Some(_) => patiently(patience, || ledger.rows_of_chunk(job, chunk)).await?,
            None => None,
        };
        plan.pass(first).await?;
        let mut next = plan.next(last).await?;
        for row in first..=last {
            let told = match next.take_if(|next| next.row == row) {
                Some(told) => {
                    next = plan.next(last).await?;
                    Some(told)
                }
                None if is_undo => continue,
                None => None,
            };
            let told = match told {
                _ if plan.repeated.contains(&row) => KeptRow::bare(row, "reject"),
                Some(told) => told,
                None => KeptRow::bare(row, "create"),
            };
            if tried_again.as_ref().is_some_and(|rows| !rows.contains(&row)) {
                continue;
            }
            each(&ToldRow {
                row: &told,
                about: &about,
            })?;
        }
    }
    Ok(())
}
