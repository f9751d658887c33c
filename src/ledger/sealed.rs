//! Passwords that chunks handed out, sealed. What lies here only the recipients can open.

use super::{Claim, Job, Ledger};
use crate::db::{DbError, Tx};

/// The sealed passwords of one chunk.
#[derive(Debug, Clone)]
pub struct SealedPasswords {
    /// How many accounts they are of.
    pub accounts: u64,
    /// A whole age file.
    pub data: Vec<u8>,
}

/// Keeps what a chunk sealed, in the transaction that made its accounts.
pub(crate) fn keep(tx: &mut dyn Tx, claim: &Claim, accounts: u64, data: Vec<u8>) -> Result<(), DbError> {
    tx.exec(
        "INSERT INTO sealed_passwords (job, chunk, accounts, data) VALUES ($1, $2, $3, $4)",
        &[claim.job.into(), claim.chunk.into(), accounts.into(), data.into()],
    )
    .map(drop)
}

impl Ledger {
    /// The chunks of a job that handed out passwords, in row order.
    pub async fn sealed_chunks(&self, job: &Job) -> Result<Vec<i64>, DbError> {
        let seq = job.seq;
        self.db
            .read(move |tx| {
                let sql = "SELECT chunk FROM sealed_passwords WHERE job = $1 ORDER BY chunk";
                tx.query(sql, &[seq.into()])?.iter().map(|row| row.int(0)).collect()
            })
            .await
    }

    /// What one of them sealed.
    pub async fn sealed_passwords(&self, job: &Job, chunk: i64) -> Result<Option<SealedPasswords>, DbError> {
        let seq = job.seq;
        self.db
            .read(move |tx| {
                let found = tx.query_first(
                    "SELECT accounts, data FROM sealed_passwords WHERE job = $1 AND chunk = $2",
                    &[seq.into(), chunk.into()],
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
