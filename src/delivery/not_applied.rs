//! The rows of a job that were not applied, as many as fit into a reply.

use serde::Serialize;
use tenantry_jobs::Subject;

use super::DeliveryError;
use crate::ledger::{Job, Ledger, Outcome, RowRecord};
use crate::plan::Subjects;

/// Rows that were rejected or cancelled, or have failed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct NotApplied {
    /// The first of them, in the order of the rows.
    pub rows: Vec<RowNotApplied>,
    /// How many there are besides.
    pub rows_left_out: u64,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct RowNotApplied {
    #[serde(flatten)]
    record: RowRecord,
    /// Whom or what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
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
    let subjects = Subjects::of(ledger, job).await?;
    for (chunk, _) in ledger.chunk_states(job.seq).await? {
        let Some(rows) = ledger.chunk_rows(job, chunk).await? else {
            return Ok(found);
        };
        let is_one = |record: &RowRecord| {
            matches!(
                record.outcome,
                Some(Outcome::Rejected | Outcome::Failed | Outcome::Cancelled)
            )
        };
        let selected = rows.block().rows().filter(|row| rows.is_selected(row.number));
        let (views, records): (Vec<_>, Vec<_>) = selected
            .map(|row| (row, rows.record(row.number, row.line)))
            .filter(|(_, record)| is_one(record))
            .take(most_rows + 1 - found.rows.len())
            .unzip();
        let about = match &subjects {
            Some(subjects) if !views.is_empty() => Some(subjects.about(views.iter().copied()).await?),
            _ => None,
        };
        for (row, record) in views.iter().zip(records) {
            let subject = about.as_ref().and_then(|about| about.subject(row));
            let one = RowNotApplied { record, subject };
            bytes += serde_json::to_string(&one).map_or(0, |text| text.len() + 1);
            if found.rows.len() == most_rows || bytes > most_bytes {
                return Ok(found);
            }
            found.rows.push(one);
            found.rows_left_out = found.rows_left_out.saturating_sub(1);
        }
        if found.rows_left_out == 0 {
            break;
        }
    }
    Ok(found)
}
