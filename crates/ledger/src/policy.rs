//! The policy of this ledger's jobs, wherever they are submitted: kept here and not with the submitter, changed on record.
//!
//! It is texts by key; what they mean is for those who are held to it. A handle on the ledger knows them from when it was opened and learns
//! of changes [now and then](Ledger::refresh_policy): nobody asks for them job by job. Each decision has a number, and a job's record
//! says which was the last one when it was submitted.
//!
//! A handle that [trusts](Ledger::trusting) only some keys goes by the decisions under their signatures, as the audit record has them.
//! It does not go by the table, which every process that can write to the database can change. A signature is over the number of its
//! decision, so that a record that is repeated decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::approvers::{self, NUMBER};
use super::audit::{self, Action, AuditEntry};
use super::signing::{self, Approver, NotSigned};
use super::{Actor, Ledger};
use tenantry_foundation::db::{DbError, Tx};

/// Keys that had other names before, with those of now. Decisions on record have the names they were made under.
pub const RENAMED_POLICY_KEYS: [(&str, &str); 2] = [
    ("approval.within", "approval.expires_after"),
    ("limits.user_percent_from", "limits.user_percent_min_users"),
];

/// The name of today of a key.
fn todays_name(key: &str) -> &str {
    let renamed = RENAMED_POLICY_KEYS.iter().find(|(old, _)| *old == key);
    renamed.map_or(key, |(_, new)| new)
}

/// What is decided, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredPolicy {
    /// How many decisions led to it; 0 if everything is as usual.
    pub number: i64,
    /// Texts by key, of what is not as usual.
    pub values: BTreeMap<String, String>,
}

/// Records between decisions that are told from them.
const MOST_BETWEEN: i64 = 100;

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

    /// What was decided under signatures by these keys; or what the ledger holds, if there are none.
    pub(super) fn read_trusting(tx: &mut dyn Tx, keys: &[String]) -> Result<Self, DbError> {
        let mut policy = Self::read(tx)?;
        if keys.is_empty() {
            return Ok(policy);
        }
        policy.values.clear();
        let trusted: Vec<Approver> = keys.iter().map(|key| Approver::trusted(key)).collect();
        let sql = "SELECT action, note FROM audit WHERE action IN ('decided', 'enrolled', 'revoked') ORDER BY seq";
        let (mut newest, mut count) = (0, 0);
        for row in tx.query(sql, &[])? {
            count += 1;
            let note = row.text_or_empty(1)?;
            let (Some(what), Some(signature)) = (note.lines().next(), signing::signature_in(note)) else {
                continue;
            };
            let is_signed = |number: &i64| {
                let text = signing::decision_text(*number, what);
                matches!(signing::leave(&trusted, &text, Some(signature)), Ok(Some(_)))
            };
            // It is the count of all there were, unless somebody has put others between them.
            let Some(number) = (newest.max(count - MOST_BETWEEN) + 1..=count).rev().find(is_signed) else {
                continue;
            };
            newest = number;
            if row.text(0)? == Action::Decided.as_str() {
                policy.decide(what);
            }
        }
        Ok(policy)
    }

    /// Takes over what the note of a decision says.
    pub(super) fn decide(&mut self, what: &str) {
        let decided = what.strip_prefix("policy ").and_then(|what| what.split_once(" is "));
        match decided.map(|(key, value)| (todays_name(key), value)) {
            Some((key, "as usual")) => drop(self.values.remove(key)),
            Some((key, value)) => drop(self.values.insert(key.to_owned(), value.to_owned())),
            None => {}
        }
    }
}

impl Ledger {
    /// The policy as it was last learned of.
    pub fn policy(&self) -> StoredPolicy {
        tenantry_foundation::lock::lock(&self.policy).clone()
    }

    /// The same, held to what was decided under signatures by these keys, if there are any.
    pub async fn trusting(mut self, keys: Arc<[String]>) -> Result<Self, DbError> {
        self.trusted = keys;
        self.refresh_policy().await?;
        Ok(self)
    }

    /// Learns of what was decided since.
    pub async fn refresh_policy(&self) -> Result<StoredPolicy, DbError> {
        let trusted = self.trusted.clone();
        let policy = self
            .db
            .read(move |tx| StoredPolicy::read_trusting(tx, &trusted))
            .await?;
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
            Ok(()) => Ok(Ok(self.refresh_policy().await?)),
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
