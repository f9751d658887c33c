//! `reasons.txt` beside a file whose job was stopped or applied no row: people who drop files see the folder, and may have no command line.

use std::io::Write;

use tenantry_jobs::printable;

use super::waiting::{self, BesideFile};
use super::{Desk, FolderError};
use crate::file::WholeFile;
use crate::intake::reasons::REASONS_TEXT;
use crate::ledger::Job;

/// Rows that are told; results.csv has all.
const TOLD: u64 = 100;

/// Writes why nothing of a file was done into the directory where it lies.
pub(super) async fn write(desk: &Desk, job: &Job, why: &str, beside: &BesideFile<'_>) -> Result<(), FolderError> {
    let rows = desk.service.ledger.rows_not_applied(job.seq, TOLD).await?;
    let [text] = beside.names([REASONS_TEXT]);
    let path = beside.dir.join(text);
    let written = (|| {
        let mut out = WholeFile::create(&path)?;
        writeln!(out, "{} was not carried out: {}", beside.file, printable(why))?;
        writeln!(out, "Job {}, kind {}.", job.id, job.kind)?;
        if !rows.is_empty() {
            writeln!(
                out,
                "results.csv has every row. Fix those that were rejected, and drop them again.\n"
            )?;
        }
        for row in &rows {
            let code = if row.code.is_empty() { "" } else { ": " };
            writeln!(out, "row {}: {}{code}{}", row.row, row.code, printable(&row.message))?;
        }
        let others = (job.counts.rejected + job.counts.failed).saturating_sub(rows.len() as u64);
        if others > 0 {
            writeln!(out, "… and {others} more, in results.csv")?;
        }
        out.finish()
    })();
    written.map_err(|error| FolderError::io(&path, error))
}

/// Removes what says that a job waits for approval, which is decided by now. The plan row by row stays.
pub(super) fn forget_waiting(beside: &BesideFile<'_>) -> Result<(), FolderError> {
    let [text, _] = beside.names([waiting::TEXT, waiting::TABLE]);
    let path = beside.dir.join(text);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FolderError::io(&path, error)),
        _ => Ok(()),
    }
}
