//! Passwords that chunks handed out, sealed. What lies here only the recipients can open.

use super::{Claim, Job, JobId, Ledger, Parameters};
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

/// A job that gave somebody a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordJob {
    /// Its number.
    pub seq: i64,
    /// Its id.
    pub id: JobId,
    /// Whether it handed passwords out at all.
    pub hands_out: bool,
    /// Whether its passwords were written in the clear, so that nothing of them is kept.
    pub in_the_clear: bool,
}

/// The jobs of these kinds that were at work at a time, in milliseconds since the epoch: one of them set a password that was set
/// then from here.
pub fn jobs_at_work(tx: &mut dyn Tx, kinds: &[&str], at: i64) -> Result<Vec<PasswordJob>, DbError> {
    let places: Vec<String> = (2..kinds.len() + 2).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT seq, id, parameters FROM jobs WHERE kind IN ({kinds}) AND started_at <= $1 AND finished_at IS NULL
         UNION ALL SELECT seq, id, parameters FROM jobs WHERE kind IN ({kinds}) AND started_at <= $1 AND finished_at >= $1
         ORDER BY seq",
        kinds = places.join(",")
    );
    let kinds = kinds.iter().map(|kind| Value::from(*kind));
    let params: Vec<Value> = std::iter::once(at.into()).chain(kinds).collect();
    let damaged = |error: &dyn std::fmt::Display| DbError::Broken(format!("a job is damaged: {error}"));
    let job = |row: &Row| {
        let parameters: Parameters = serde_json::from_str(row.text(2)?).map_err(|error| damaged(&error))?;
        Ok(PasswordJob {
            seq: row.int(0)?,
            id: row.text(1)?.parse().map_err(|error| damaged(&error))?,
            hands_out: !parameters.seal_to.is_empty(),
            in_the_clear: parameters.in_the_clear,
        })
    };
    tx.query(&sql, &params)?.iter().map(job).collect()
}

/// Why passwords cannot be handed out.
pub fn unsealed(error: &dyn std::fmt::Display) -> DbError {
    DbError::Broken(format!("passwords cannot be handed out: {error}"))
}

/// Keeps passwords, sealed to the job's recipients, in the transaction that records the outcome of their accounts.
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
    tx.send(
        "INSERT INTO sealed_passwords (job, chunk, part, accounts, data) VALUES ($1, $2, $3, $4, $5)",
        &[
            claim.job.into(),
            claim.chunk.into(),
            part.into(),
            (rows.len() as u64).into(),
            data.into(),
        ],
    )
}

impl Ledger {
    /// The job of one of these kinds that gave a user a password at that time; `None` where it cannot be told. The user is one
    /// of a store that is no database, and its id stands in what rows note of it.
    pub async fn password_job(
        &self,
        kinds: &'static [&'static str],
        at: i64,
        user: &str,
    ) -> Result<Option<PasswordJob>, DbError> {
        let user = user.to_owned();
        self.db
            .read(move |tx| {
                let mut jobs = jobs_at_work(tx, kinds, at)?;
                if jobs.len() > 1 {
                    let mentions = format!("%{}%", user.replace(['%', '_', '\\'], ""));
                    let sql = "SELECT 1 FROM intents WHERE job = $1 AND (result = $2 OR image LIKE $3) LIMIT 1";
                    let mut of_user = Vec::new();
                    for job in jobs {
                        let params = [job.seq.into(), user.as_str().into(), mentions.as_str().into()];
                        if tx.query_first(sql, &params)?.is_some() {
                            of_user.push(job);
                        }
                    }
                    jobs = of_user;
                }
                Ok(if jobs.len() == 1 { jobs.pop() } else { None })
            })
            .await
    }

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
