//! Passwords that chunks handed out, sealed. What lies here only the recipients can open.

use super::{Claim, Job, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// The sealed passwords of one chunk.
#[derive(Debug, Clone)]
pub struct SealedPasswords {
    /// How many accounts they are of.
    pub accounts: u64,
    /// A whole age file.
    pub data: Vec<u8>,
}

/// What a chunk sealed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedPart {
    chunk: i64,
    part: i64,
}

/// Keeps what a chunk sealed, in the transaction that records what became of its accounts.
pub fn keep(tx: &mut dyn Tx, claim: &Claim, accounts: u64, data: Vec<u8>) -> Result<(), DbError> {
    let of: [Value; 2] = [claim.job.into(), claim.chunk.into()];
    let sql = "SELECT COUNT(*) FROM sealed_passwords WHERE job = $1 AND chunk = $2";
    let part = tx.query_first(sql, &of)?.map_or(Ok(0), |row| row.int(0))?;
    let [job, chunk] = of;
    tx.exec(
        "INSERT INTO sealed_passwords (job, chunk, part, accounts, data) VALUES ($1, $2, $3, $4, $5)",
        &[job, chunk, part.into(), accounts.into(), data.into()],
    )
    .map(drop)
}

impl Ledger {
    /// What a job sealed, in row order as far as rows end in order.
    pub async fn sealed_parts(&self, job: &Job) -> Result<Vec<SealedPart>, DbError> {
        let seq = job.seq;
        self.db
            .read(move |tx| {
                let sql = "SELECT chunk, part FROM sealed_passwords WHERE job = $1 ORDER BY chunk, part";
                let part = |row: &Row| {
                    Ok(SealedPart {
                        chunk: row.int(0)?,
                        part: row.int(1)?,
                    })
                };
                tx.query(sql, &[seq.into()])?.iter().map(part).collect()
            })
            .await
    }

    /// What one of them sealed.
    pub async fn sealed_passwords(&self, job: &Job, of: SealedPart) -> Result<Option<SealedPasswords>, DbError> {
        let seq = job.seq;
        self.db
            .read(move |tx| {
                let found = tx.query_first(
                    "SELECT accounts, data FROM sealed_passwords WHERE job = $1 AND chunk = $2 AND part = $3",
                    &[seq.into(), of.chunk.into(), of.part.into()],
                )?;
                found
                    .map(|row| {
                        Ok(SealedPasswords {
                            accounts: row.int(0)? as u64,
                            data: row.blob(1)?.to_vec(),
                        })
                    })
                    .transpose()
            })
            .await
    }
}
