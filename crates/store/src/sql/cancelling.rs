//! Jobs that are cancelled while rows of theirs wait for another partner. Nobody would look at the requests of these rows any
//! more, and they would stand in the way of others for thirty days: they are withdrawn with the job, in its transaction.
//!
//! Requests that were left open by earlier versions, or by a worker that was making them at that moment, are found and closed
//! by `doctor`.

use super::transfer::status;
use tenantry_foundation::db::{Db, DbError, Row, Tx, Value};
use tenantry_ledger::audit::{self, Action, AuditEntry};
use tenantry_ledger::ids::job_of;
use tenantry_ledger::{Actor, Ledger, job};

/// A request of ours that no row waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    id: i64,
    customer: i64,
    /// The subscription it is about.
    pub subscription_id: String,
    /// The id of the job that made it.
    pub job: String,
}

/// Asks a job to stop, for `by`, and withdraws the requests that its rows wait for. `false` when it had ended before.
pub async fn cancel(ledger: &Ledger, job: i64, by: &Actor) -> Result<bool, DbError> {
    ledger.cancel_also(job, by, withdraw_waiting).await
}

/// Withdraws what rows of a job wait for; what is to be recorded of it.
fn withdraw_waiting(tx: &mut dyn Tx, job: i64, now: i64) -> Result<Option<String>, DbError> {
    // What has become of the others since they were looked at.
    tx.exec(
        "UPDATE waiting_rows SET message = message || '; its request is ' ||
           (SELECT t.status FROM transfers t WHERE t.id = CAST($1 AS BIGINT) * 4294967296 + waiting_rows.row) || ' by now'
         WHERE job = $1 AND EXISTS (SELECT 1 FROM transfers t
           WHERE t.id = CAST($1 AS BIGINT) * 4294967296 + waiting_rows.row AND t.status <> $2)",
        &[job.into(), status::PENDING.into()],
    )?;
    let open = tx.query(
        "SELECT t.id, t.customer, t.subscription_id, w.row FROM waiting_rows w
         JOIN transfers t ON t.id = CAST($1 AS BIGINT) * 4294967296 + w.row
         WHERE w.job = $1 AND t.status = $2 ORDER BY t.id",
        &[job.into(), status::PENDING.into()],
    )?;
    let open: Vec<(Abandoned, i64)> = open
        .iter()
        .map(|row| Ok((abandoned(row, String::new())?, row.int(3)?)))
        .collect::<Result<_, DbError>>()?;
    let of_rows: Vec<&Abandoned> = open.iter().map(|(request, _)| request).collect();
    let withdrawn = withdraw(tx, &of_rows, now)?;
    if withdrawn == 0 {
        return Ok(None);
    }
    let said: Vec<Vec<Value>> = open.iter().map(|(_, row)| vec![job.into(), (*row).into()]).collect();
    tx.exec_each(
        "UPDATE waiting_rows SET message = message || '; its request was withdrawn with the job' WHERE job = $1 AND row = $2",
        &said,
    )?;
    Ok(Some(format!("withdrew {}", requests(withdrawn))))
}

/// Requests of jobs that are pending and that no row waits for.
pub fn find(tx: &mut dyn Tx, now: i64) -> Result<Vec<Abandoned>, DbError> {
    let open = tx.query(
        "SELECT t.id, t.customer, t.subscription_id FROM transfers t
         WHERE t.status = $1 AND t.expires_at >= $2 AND t.id >= 4294967296
         AND NOT EXISTS (SELECT 1 FROM waiting_rows w WHERE w.job = t.id / 4294967296 AND w.row = t.id % 4294967296)
         AND EXISTS (SELECT 1 FROM jobs j WHERE j.seq = t.id / 4294967296 AND j.finished_at IS NOT NULL)
         ORDER BY t.id",
        &[status::PENDING.into(), now.into()],
    )?;
    open.iter()
        .map(|row| {
            let job = job::shown_id(tx, job_of(row.int(0)?))?;
            abandoned(row, job)
        })
        .collect()
}

/// Withdraws requests that nobody waits for, on record. How many.
pub async fn close(db: &Db, found: &[Abandoned], by: &Actor, now: i64) -> Result<u64, DbError> {
    let (found, by) = (found.to_vec(), by.clone());
    db.write(move |tx| {
        let withdrawn = withdraw(tx, &found.iter().collect::<Vec<_>>(), now)?;
        if withdrawn > 0 {
            let entry = AuditEntry {
                actor: by.name.clone(),
                via: Some(by.way()),
                action: Action::Repaired,
                job: None,
                kind: None,
                plan_hash: None,
                counts: None,
                digest: None,
                note: Some(format!("withdrew {} that no row waited for", requests(withdrawn))),
            };
            audit::append(tx, now, &entry)?;
        }
        Ok(withdrawn)
    })
    .await
}

/// Withdraws requests that are still pending; how many.
fn withdraw(tx: &mut dyn Tx, open: &[&Abandoned], now: i64) -> Result<u64, DbError> {
    let mut customers: Vec<i64> = open.iter().map(|request| request.customer).collect();
    customers.sort_unstable();
    customers.dedup();
    if customers.is_empty() {
        return Ok(0);
    }
    tx.lock("customers", &customers)?;
    let ids: Vec<Vec<Value>> = open
        .iter()
        .map(|request| {
            vec![
                request.id.into(),
                status::CANCELLED.into(),
                now.into(),
                status::PENDING.into(),
            ]
        })
        .collect();
    let changed = tx.exec_each(
        "UPDATE transfers SET status = $2, updated_at = $3, version = version + 1 WHERE id = $1 AND status = $4",
        &ids,
    )?;
    Ok(changed.iter().sum())
}

fn abandoned(row: &Row, job: String) -> Result<Abandoned, DbError> {
    Ok(Abandoned {
        id: row.int(0)?,
        customer: row.int(1)?,
        subscription_id: row.text(2)?.to_owned(),
        job,
    })
}

fn requests(number: u64) -> String {
    format!("{number} transfer request{}", if number == 1 { "" } else { "s" })
}
