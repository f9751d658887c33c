//! What was decided about this ledger's jobs, wherever they are submitted: kept here and not with whoever submits, changed on record.
//!
//! It is texts by key; what they mean is for those who are held to it. A handle on the ledger knows them from when it was opened and learns
//! of changes [now and then](Ledger::learn_policy): nobody asks for them job by job. Each decision has a number, and a job's record
//! says which was the last one when it was submitted.

use std::collections::BTreeMap;

use super::approvers::{self, NUMBER};
use super::audit::{self, Action, AuditEntry};
use super::signing::{self, NotSigned};
use super::{Actor, Ledger};
use tenantry_foundation::db::{DbError, Tx};

/// What is decided, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredPolicy {
    /// How many decisions led to it; 0 if everything is as usual.
    pub number: i64,
    /// Texts by key, of what is not as usual.
    pub values: BTreeMap<String, String>,
}

impl StoredPolicy {
    /// What the ledger holds.
    pub fn read(tx: &mut dyn Tx) -> Result<Self, DbError> {
        let mut policy = Self::default();
        for row in tx.query("SELECT key, value FROM policy", &[])? {
            policy.values.insert(row.text(0)?.to_owned(), row.text(1)?.to_owned());
        }
        if let Some(number) = policy.values.remove(NUMBER) {
            policy.number = number
                .parse()
                .map_err(|_| DbError::Broken(format!("the policy's number is `{number}`")))?;
        }
        Ok(policy)
    }
}

impl Ledger {
    /// The policy as it was last learned of.
    pub fn policy(&self) -> StoredPolicy {
        tenantry_foundation::lock::lock(&self.policy).clone()
    }

    /// Learns of what was decided since.
    pub async fn learn_policy(&self) -> Result<StoredPolicy, DbError> {
        let policy = self.db.read(StoredPolicy::read).await?;
        tenantry_foundation::lock::lock(&self.policy).clone_from(&policy);
        Ok(policy)
    }

    /// What an approver signs to have `key` be `value`, or as usual without one.
    pub async fn text_of_decision(&self, key: &str, value: Option<&str>) -> Result<String, DbError> {
        let what = decision(key, value);
        self.db
            .read(move |tx| Ok(signing::decision_text(approvers::next_number(tx)?, &what)))
            .await
    }

    /// Decides that `key` is `value`, or as usual without one: by leave of an approver, once there is one.
    pub async fn set_policy(
        &self,
        key: &str,
        value: Option<&str>,
        by: &Actor,
        signature: Option<&str>,
    ) -> Result<Result<StoredPolicy, NotSigned>, DbError> {
        let (key, value, by, now) = (
            key.to_owned(),
            value.map(str::to_owned),
            by.clone(),
            self.clock.now_millis(),
        );
        let signature = signature.map(str::to_owned);
        let set = self.db.write(move |tx| {
            approvers::lock(tx)?;
            let what = decision(&key, value.as_deref());
            let text = signing::decision_text(approvers::next_number(tx)?, &what);
            let leave = match signing::leave(&approvers::all(tx)?, &text, signature.as_deref()) {
                Ok(leave) => leave,
                Err(why) => return Ok(Err(why)),
            };
            match &value {
                Some(value) => tx.exec(
                    "INSERT INTO policy (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    &[key.as_str().into(), value.as_str().into()],
                )?,
                None => tx.exec("DELETE FROM policy WHERE key = $1", &[key.as_str().into()])?,
            };
            approvers::count(tx)?;
            let leave = leave.map_or_else(String::new, |leave| format!("\n{}", leave.note));
            let entry = AuditEntry::own(Action::Decided, format!("{what}{leave}")).by(&by);
            audit::append(tx, now, &entry)?;
            Ok(Ok(()))
        });
        match set.await? {
            Ok(()) => Ok(Ok(self.learn_policy().await?)),
            Err(why) => Ok(Err(why)),
        }
    }
}

fn decision(key: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("policy {key} is {value}"),
        None => format!("policy {key} is as usual"),
    }
}
