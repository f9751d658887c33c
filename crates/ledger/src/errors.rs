//! Errors of a job's rows, by code.

use serde::Serialize;

use super::rows::columns;
use super::{Job, Ledger};
use tenantry_foundation::db::DbError;

/// Codes told of one job.
const MOST_CODES: u64 = 200;
/// Rows shown of each.
const EXAMPLES: u64 = 3;

/// Rows of a job that ended badly for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorGroup {
    /// The stable code.
    pub code: String,
    /// `rejected` or `failed`.
    pub outcome: String,
    /// How many rows.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<ErrorExample>,
}

/// One such row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorExample {
    /// Row number, from 1.
    pub row: u64,
    /// For people.
    pub message: String,
    /// The columns of the kind that are at fault, in the order of the message.
    pub columns: Vec<String>,
    /// The job's chunk that has it.
    #[serde(skip)]
    pub chunk: Option<i64>,
}

impl Ledger {
    /// The rows that were rejected or failed, most frequent reason first.
    pub async fn errors(&self, job: &Job) -> Result<Vec<ErrorGroup>, DbError> {
        let seq = job.seq;
        self.db
            .read(move |tx| {
                let groups = tx.query(
                    "SELECT COALESCE(code, ''), outcome, COUNT(*) FROM row_outcomes
                     WHERE job = $1 AND outcome IN ('rejected', 'failed')
                     GROUP BY COALESCE(code, ''), outcome ORDER BY COUNT(*) DESC, COALESCE(code, '') LIMIT $2",
                    &[seq.into(), MOST_CODES.into()],
                )?;
                let mut errors = Vec::with_capacity(groups.len());
                for group in groups {
                    let (code, outcome) = (group.text(0)?.to_owned(), group.text(1)?.to_owned());
                    let rows = tx.query(
                        "SELECT row, message,
                           (SELECT chunk FROM every_chunk c WHERE c.job = $1 AND c.first_row <= row_outcomes.row
                            ORDER BY c.chunk DESC LIMIT 1), columns
                         FROM row_outcomes WHERE job = $1 AND outcome = $2 AND COALESCE(code, '') = $3 ORDER BY row LIMIT $4",
                        &[
                            seq.into(),
                            outcome.as_str().into(),
                            code.as_str().into(),
                            EXAMPLES.into(),
                        ],
                    )?;
                    let example = |row: &tenantry_foundation::db::Row| {
                        Ok(ErrorExample {
                            row: row.int(0)? as u64,
                            message: row.text_or_empty(1)?.to_owned(),
                            chunk: row.opt_int(2)?,
                            columns: columns(row.text_or_empty(3)?),
                        })
                    };
                    errors.push(ErrorGroup {
                        code,
                        outcome,
                        count: group.int(2)? as u64,
                        examples: rows.iter().map(example).collect::<Result<_, DbError>>()?,
                    });
                }
                Ok(errors)
            })
            .await
    }
}
