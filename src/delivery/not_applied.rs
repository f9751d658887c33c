//! The rows of a job that were not applied, as many as fit into a reply.

use serde::Serialize;

use super::DeliveryError;
use crate::ledger::{Job, Ledger, Outcome, RowRecord};

/// Rows that were rejected or cancelled, or have failed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct NotApplied {
    /// The first of them, in the order of the rows.
    pub rows: Vec<RowRecord>,
    /// How many there are besides.
    pub rows_left_out: u64,
}

/// The rows of an ended job that were not applied: at most so many, which take at most so many bytes as JSON. Where the rows
/// are no longer kept, all are left out.
pub(crate) async fn not_applied(
    ledger: &Ledger,
    job: &Job,
    most_rows: usize,
    most_bytes: usize,
) -> Result<NotApplied, DeliveryError> {
    let counts = &job.counts;
    let all = counts.rejected + counts.failed + counts.cancelled;
    let mut found = NotApplied {
        rows: Vec::new(),
        rows_left_out: all,
    };
    if all == 0 {
        return Ok(found);
    }
    let mut bytes = 0;
    for (chunk, _) in ledger.chunk_states(job.seq).await? {
        let Some(rows) = ledger.chunk_rows(job, chunk).await? else {
            return Ok(found);
        };
        for row in rows.block().rows().filter(|row| rows.is_selected(row.number)) {
            let record = rows.record(row.number, row.line);
            let is_one = matches!(
                record.outcome,
                Some(Outcome::Rejected | Outcome::Failed | Outcome::Cancelled)
            );
            if !is_one {
                continue;
            }
            bytes += serde_json::to_string(&record).map_or(0, |text| text.len() + 1);
            if found.rows.len() == most_rows || bytes > most_bytes {
                return Ok(found);
            }
            found.rows.push(record);
            found.rows_left_out = found.rows_left_out.saturating_sub(1);
        }
        if found.rows_left_out == 0 {
            break;
        }
    }
    Ok(found)
}
