//! Plans of jobs that have to be approved, kept as compressed parts for as long as the job's rows are.

use super::{Draft, Ledger};
use tenantry_foundation::db::DbError;

impl Ledger {
    /// Keeps the next part of a plan with a job that is being planned.
    pub async fn keep_plan(&self, job: Draft, part: u64, text: String) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                let data = lz4_flex::compress_prepend_size(text.as_bytes());
                tx.exec(
                    "INSERT INTO plan_parts (job, part, data) VALUES ($1, $2, $3)",
                    &[job.seq.into(), part.into(), data.into()],
                )
                .map(drop)
            })
            .await
    }

    /// The job that the plan of this one is kept with: itself, or one whose rows it tries again. `None` where none is kept.
    pub async fn plan_kept_with(&self, job: i64) -> Result<Option<i64>, DbError> {
        self.db
            .read(move |tx| {
                let sql = "WITH RECURSIVE line (job, depth) AS (
                     SELECT CAST($1 AS BIGINT), 0
                     UNION SELECT jobs.retry_of, line.depth + 1 FROM jobs JOIN line ON jobs.seq = line.job WHERE jobs.retry_of < jobs.seq)
                   SELECT line.job FROM line WHERE EXISTS (SELECT 1 FROM plan_parts p WHERE p.job = line.job) ORDER BY depth LIMIT 1";
                tx.query_first(sql, &[job.into()])?.map(|row| row.int(0)).transpose()
            })
            .await
    }

    /// A part of a job's plan; `None` beyond the last, and where none is kept.
    pub async fn plan_part(&self, job: i64, part: u64) -> Result<Option<String>, DbError> {
        self.db
            .read(move |tx| {
                let sql = "SELECT data FROM plan_parts WHERE job = $1 AND part = $2";
                let Some(row) = tx.query_first(sql, &[job.into(), part.into()])? else {
                    return Ok(None);
                };
                let text = lz4_flex::decompress_size_prepended(row.blob(0)?)
                    .ok()
                    .and_then(|text| String::from_utf8(text).ok());
                text.map(Some)
                    .ok_or_else(|| DbError::Broken(format!("part {part} of a plan is damaged")))
            })
            .await
    }
}
