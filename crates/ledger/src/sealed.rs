//! Passwords that chunks handed out, sealed. What lies here only the recipients can open.

use super::{Claim, Job, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx, Value};
use tenantry_foundation::passwords::{PasswordRow, Recipient, Sealer};

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

/// Why passwords cannot be handed out.
pub fn unsealed(error: &dyn std::fmt::Display) -> DbError {
    DbError::Broken(format!("passwords cannot be handed out: {error}"))
}

/// Keeps passwords, sealed to the job's recipients, in the transaction that records what became of their accounts.
pub fn keep(tx: &mut dyn Tx, claim: &Claim, rows: &[PasswordRow]) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let of: [Value; 2] = [claim.job.into(), claim.chunk.into()];
    let sql = "SELECT COUNT(*) FROM sealed_passwords WHERE job = $1 AND chunk = $2 AND part >= 0";
    let part = tx.query_first(sql, &of)?.map_or(Ok(0), |row| row.int(0))?;
    insert(tx, claim, part, rows)
}

/// Keeps the password of one row by itself, until it is kept together with others.
pub(crate) fn keep_alone(tx: &mut dyn Tx, claim: &Claim, row: u64, password: &PasswordRow) -> Result<(), DbError> {
    insert(tx, claim, alone(row), std::slice::from_ref(password))
}

/// Drops what these rows keep by themselves, in the transaction that keeps it together.
pub fn drop_alone(tx: &mut dyn Tx, claim: &Claim, rows: &[u64]) -> Result<(), DbError> {
    let of = |row: &u64| vec![claim.job.into(), claim.chunk.into(), alone(*row).into()];
    let params: Vec<Vec<Value>> = rows.iter().map(of).collect();
    tx.exec_each(
        "DELETE FROM sealed_passwords WHERE job = $1 AND chunk = $2 AND part = $3",
        &params,
    )
    .map(drop)
}

/// The part of a chunk that a row keeps by itself: those that rows keep together count from 0.
fn alone(row: u64) -> i64 {
    -(row as i64)
}

fn insert(tx: &mut dyn Tx, claim: &Claim, part: i64, rows: &[PasswordRow]) -> Result<(), DbError> {
    let recipients = claim.parameters.seal_to.iter().map(|key| key.parse::<Recipient>());
    let recipients: Vec<Recipient> = recipients.collect::<Result<_, _>>().map_err(|error| unsealed(&error))?;
    let sealer = Sealer::new(recipients).ok_or_else(|| unsealed(&"the job names no recipient"))?;
    let data = sealer.seal(rows).map_err(|error| unsealed(&error))?;
    tx.exec(
        "INSERT INTO sealed_passwords (job, chunk, part, accounts, data) VALUES ($1, $2, $3, $4, $5)",
        &[
            claim.job.into(),
            claim.chunk.into(),
            part.into(),
            (rows.len() as u64).into(),
            data.into(),
        ],
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
