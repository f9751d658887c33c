//! Approvers: people whose keys are known, and whose signatures approve.
//!
//! While no key is enrolled, approvers are the names they give: a reminder and no control. Once a key is enrolled, every approval needs a
//! signature by an enrolled key. It is over a text that says what is approved: a job's id, kind, plan and until when; a decision on the
//! policy; the next key. The text and its signature can be made anywhere, with `ssh-keygen`. The signature is part of the audit record,
//! as are the keys, so a reader with a copy of it can check every approval. A revoked key approves nothing more, nor what has not been
//! carried out yet.

use super::audit::{self, Action, AuditEntry};
use super::signing::{Approver, NotSigned, decision_text, job_text, leave};
use super::{Actor, Job, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx};

/// Everybody who was enrolled, those whose key was revoked included.
pub(super) fn all(tx: &mut dyn Tx) -> Result<Vec<Approver>, DbError> {
    let sql = "SELECT name, key, added_at, revoked_at FROM approvers ORDER BY id";
    tx.query(sql, &[])?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Approver, DbError> {
    Ok(Approver {
        name: row.text(0)?.to_owned(),
        key: row.text(1)?.to_owned(),
        added_at: row.int(2)?,
        revoked_at: row.opt_int(3)?,
    })
}

impl Ledger {
    /// Everybody who was enrolled, in that order.
    pub async fn approvers(&self) -> Result<Vec<Approver>, DbError> {
        self.db.read(all).await
    }

    /// What an approver signs to enrol that key, or to revoke it.
    pub async fn text_of_enrolment(&self, is_new: bool, name: &str, key: &str) -> Result<String, DbError> {
        let what = enrolment(is_new, name, key);
        self.db.read(move |tx| Ok(decision_text(next_number(tx)?, &what))).await
    }

    /// Enrols a key under a name, or revokes it: by leave of an approver, once there is one.
    pub async fn enrol(
        &self,
        is_new: bool,
        (name, key): (&str, &str),
        by: &Actor,
        signature: Option<&str>,
    ) -> Result<Result<(), NotSigned>, DbError> {
        let (name, key, by, now) = (name.to_owned(), key.to_owned(), by.clone(), self.clock.now_millis());
        let signature = signature.map(str::to_owned);
        self.db
            .write(move |tx| {
                lock(tx)?;
                let what = enrolment(is_new, &name, &key);
                let text = decision_text(next_number(tx)?, &what);
                let leave = match leave(&all(tx)?, &text, signature.as_deref()) {
                    Ok(leave) => leave,
                    Err(why) => return Ok(Err(why)),
                };
                let (sql, action) = if is_new {
                    (
                        "INSERT INTO approvers (name, key, added_at) VALUES ($1, $2, $3)",
                        Action::Enrolled,
                    )
                } else {
                    (
                        "UPDATE approvers SET revoked_at = $3 WHERE name = $1 AND key = $2 AND revoked_at IS NULL",
                        Action::Revoked,
                    )
                };
                tx.exec(sql, &[name.into(), key.into(), now.into()])?;
                count(tx)?;
                let leave = leave.map_or_else(String::new, |leave| format!("\n{}", leave.note));
                let entry = AuditEntry::own(action, format!("{what}{leave}")).by(&by);
                audit::append(tx, now, &entry)?;
                Ok(Ok(()))
            })
            .await
    }

    /// What an approver signs to let a job run.
    pub fn text_to_sign(&self, job: &Job) -> String {
        let id = job.id.to_string();
        job_text(
            &id,
            &job.kind,
            job.hash_to_approve(),
            job.approval_until.unwrap_or_default(),
        )
    }
}

/// Two who decide at once decide one after the other.
pub(super) fn lock(tx: &mut dyn Tx) -> Result<(), DbError> {
    let sql = format!("SELECT seq FROM audit_head WHERE id = 1{}", tx.dialect().for_update());
    tx.query(&sql, &[]).map(drop)
}

fn enrolment(is_new: bool, name: &str, key: &str) -> String {
    format!("{} {key} {name}", if is_new { "enrol" } else { "revoke" })
}

/// The key, in the policy's table, of how many decisions there were.
pub(super) const NUMBER: &str = "number";

/// The number that the next decision gets.
pub(super) fn next_number(tx: &mut dyn Tx) -> Result<i64, DbError> {
    let found = tx.query_first("SELECT value FROM policy WHERE key = $1", &[NUMBER.into()])?;
    let number = found.map_or(Ok(0), |row| {
        let text = row.text(0)?;
        text.parse::<i64>()
            .map_err(|_| DbError::Broken(format!("the policy's number is `{text}`")))
    })?;
    Ok(number + 1)
}

/// Counts a decision; its number.
pub(super) fn count(tx: &mut dyn Tx) -> Result<i64, DbError> {
    let number = next_number(tx)?;
    tx.exec(
        "INSERT INTO policy (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        &[NUMBER.into(), number.to_string().into()],
    )?;
    Ok(number)
}
