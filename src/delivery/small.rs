//! The files of many small jobs, read from the ledger together: each by itself asks it ten times.

use std::path::PathBuf;

use super::{Beside, ChunkTold, DeliveryError, receipt, write_chunk, write_json};
use crate::db::DbError;
use crate::ledger::{BroughtBy, ChunkRows, Job, Ledger};
use crate::receipt::{Form, RejectsWriter, ResultsWriter};

/// Rows of a job that is read together with others.
const MOST_ROWS: u64 = 64;
/// Bytes of its file.
const MOST_BYTES: u64 = 32 << 10;

/// All that the files of an ended job are made of.
pub(crate) struct SmallResults {
    job: Job,
    rows: ChunkRows,
    told: ChunkTold,
}

impl SmallResults {
    /// Whether a job may have few enough rows; the ledger knows more.
    pub(crate) fn may_be_of(job: &Job) -> bool {
        job.input_rows <= MOST_ROWS && job.input_bytes <= MOST_BYTES
    }

    /// Of those of these jobs that are small; `None` of the others.
    pub(crate) async fn load(ledger: &Ledger, jobs: &[Job]) -> Result<Vec<Option<Self>>, DbError> {
        let found = ledger.small_rows(jobs).await?;
        let pairs: Vec<(&Job, &ChunkRows)> = jobs
            .iter()
            .zip(&found)
            .filter_map(|(job, rows)| Some((job, rows.as_ref()?)))
            .collect();
        let mut told = ChunkTold::of_all(ledger, &pairs).await?.into_iter();
        let all = jobs.iter().zip(found).map(|(job, rows)| {
            Some(Self {
                rows: rows?,
                told: told.next()?,
                job: job.clone(),
            })
        });
        Ok(all.collect())
    }

    /// Writes the files beside the one that the job was made of. Their paths; the caller puts them on disk.
    pub(crate) fn write_beside(&self, form: Form, beside: &Beside<'_>) -> Result<Vec<PathBuf>, DeliveryError> {
        let (job, names) = (&self.job, beside.names(&self.job, form));
        let results = ResultsWriter::create_as(names.dir, &names.results, &job.header, form, names.durable)?;
        let rejects = RejectsWriter::create(names.dir, &names.rejects, &job.header, form).durable(names.durable);
        let (results, rejects) = write_chunk(&self.rows, &self.told, results, rejects)?;
        crate::failpoint::hit("while-writing-results");
        let (results, rejects) = (results.finish()?, rejects.finish()?);
        let mut receipt = receipt(job, &results, rejects.as_ref(), Vec::new());
        receipt.origin = Some(BroughtBy::Drop(beside.origin.clone()));
        receipt.input.notes.extend(beside.notes.iter().cloned());
        write_json(beside.dir, &names.receipt, &receipt, names.durable)?;
        let written = rejects.map(|rejects| rejects.path).into_iter();
        Ok(written.chain([results.path, beside.dir.join(&names.receipt)]).collect())
    }
}
