//! `sync-customers`: copies what another store holds, object by object and page by page.
//!
//! Every copy is known by what it is a copy of: `copies` says which record here stands for which there, and in which
//! version it was copied. So a later run reads only keys and versions of what has not changed, somebody who was
//! renamed stays the same user, and what is gone is found by its absence from the page that its key belongs into.
//! It is marked as missing and never erased.
//!
//! A page is read from the other store ([`Originals`]) and then settled here ([`Settling`]) in a transaction of its own,
//! with the progress of its row, so that a worker that dies costs one page. A plan settles the same pages without
//! writing.
//!
//! The other store is a database like ours or a service, and both are read the same way: as [records](crate::reader) in the
//! order of their keys. Those of a service have no versions, so theirs is a fingerprint of what they hold. What a service does
//! not keep stays as it is here.
//!
//! What is here already is taken for the copy if it has the same identity (tenant GUID, customer and sign-in name,
//! subscription GUID, customer and SKU) and is nobody else's copy. A record that stands in the way and is no copy is
//! left alone, and what could not be copied because of it is told by name.

mod decision;
mod known;
mod originals;
mod page;
mod settle;
mod write;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tenantry_jobs::{Problem, Sync, code};

use super::reader::NamedCustomer;
use super::record::{Object, Record};
use crate::error::ApplyError;
use crate::reader::{RecordKey, RecordKind, Source};
use crate::{FieldChange, Verdict};
use tenantry_foundation::db::{DbError, Tx, Value};

pub use originals::Originals;
use page::SyncPage;
pub use settle::Settling;

/// What could not be copied is named up to this often.
const MOST_NAMED: usize = 5;

/// What to copy, with values of its own.
#[derive(Debug, Clone)]
pub struct SyncRequest {
    /// Number of the row that asks for it.
    pub row: u64,
    /// Name of the other store.
    pub from: String,
    /// The only customer, as the other store knows it.
    customer: Option<NamedCustomer>,
    users: bool,
    subscriptions: bool,
    /// Everything, not only what has another version.
    full: bool,
}

impl SyncRequest {
    pub(super) fn new(row: u64, sync: &Sync<'_>) -> Self {
        Self {
            row,
            from: sync.from.to_owned(),
            customer: sync.customer.map(NamedCustomer::of),
            users: sync.users,
            subscriptions: sync.subscriptions,
            full: sync.full,
        }
    }

    fn wants(&self, step: SyncStep) -> bool {
        match step {
            SyncStep::Customers => true,
            // Users' licences are of seats that subscriptions bring.
            SyncStep::Seats => self.users || self.subscriptions,
            SyncStep::Users => self.users,
            SyncStep::Subscriptions => self.subscriptions,
        }
    }

    /// The only customer's key in the other store, if there is to be but one. That it has no such customer is
    /// [`StoreError::Rejected`](crate::remote::StoreError::Rejected).
    pub async fn customer_in(&self, source: &Source) -> Result<Option<String>, ApplyError> {
        match &self.customer {
            Some(named) => source.reader.customer_key(named.reference()).await.map(Some),
            None => Ok(None),
        }
    }
}

/// What is copied, in this order, since what comes later refers to what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SyncStep {
    #[default]
    Customers,
    Seats,
    Users,
    Subscriptions,
}

impl SyncStep {
    const ALL: [SyncStep; 4] = [Self::Customers, Self::Seats, Self::Users, Self::Subscriptions];

    fn object(self) -> Object {
        match self {
            SyncStep::Customers => Object::Customer,
            SyncStep::Seats => Object::Seats,
            SyncStep::Users => Object::User,
            SyncStep::Subscriptions => Object::Subscription,
        }
    }

    fn kind(self) -> RecordKind {
        match self {
            SyncStep::Customers => RecordKind::Customer,
            SyncStep::Seats => RecordKind::Seats,
            SyncStep::Users => RecordKind::User,
            SyncStep::Subscriptions => RecordKind::Subscription,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            SyncStep::Customers => "customers",
            SyncStep::Seats => "seats",
            SyncStep::Users => "users",
            SyncStep::Subscriptions => "subscriptions",
        }
    }

    fn after(self) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step > self)
    }
}

/// How far a row has come, and what it has done.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SyncProgress {
    /// What is being copied; nothing any more at the end.
    step: Option<SyncStep>,
    /// The last key that was settled.
    after: RecordKey,
    counts: [Count; SyncStep::ALL.len()],
    left_out: u64,
    /// Customers among them.
    #[serde(default)]
    customers_left_out: u64,
    /// The first few of what was left out, and why.
    named: Vec<String>,
    /// A running hash of every change, for plans.
    fingerprint: String,
}

/// The outcome of the records of one sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    new: u64,
    changed: u64,
    missing: u64,
}

impl Count {
    fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [(self.new, "new"), (self.changed, "changed"), (self.missing, "missing")];
        let said: Vec<String> = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        f.write_str(&said.join(", "))
    }
}

impl SyncProgress {
    /// Nothing done yet.
    pub fn begin() -> Self {
        Self {
            step: Some(SyncStep::Customers),
            ..Self::default()
        }
    }

    /// The progress a row has recorded.
    pub fn load(tx: &mut dyn Tx, job: i64, row: u64) -> Result<Option<Self>, DbError> {
        let found = tx.query_first(
            "SELECT progress FROM copying WHERE job = $1 AND row = $2",
            &[job.into(), row.into()],
        )?;
        let parse = |text: &str| serde_json::from_str(text).map_err(|error| DbError::Broken(error.to_string()));
        found.map(|row| parse(row.text(0)?)).transpose()
    }

    /// Records it, in the transaction that settled a page.
    pub fn save(&self, tx: &mut dyn Tx, job: i64, row: u64) -> Result<(), DbError> {
        let text = serde_json::to_string(self).map_err(|error| DbError::Broken(error.to_string()))?;
        tx.exec(
            "INSERT INTO copying (job, row, progress) VALUES ($1, $2, $3)
             ON CONFLICT (job, row) DO UPDATE SET progress = excluded.progress",
            &[job.into(), row.into(), text.into()],
        )
        .map(drop)
    }

    /// Lets go of what was recorded, in the transaction that records the row's outcome.
    pub fn forget(tx: &mut dyn Tx, job: i64, requests: &[SyncRequest]) -> Result<(), DbError> {
        let rows: Vec<Vec<Value>> = requests.iter().map(|one| vec![job.into(), one.row.into()]).collect();
        tx.exec_each("DELETE FROM copying WHERE job = $1 AND row = $2", &rows)
            .map(drop)
    }

    /// Whether everything was settled.
    pub fn is_done(&self) -> bool {
        self.step.is_none()
    }

    /// Whether there was nothing to do.
    pub fn is_unchanged(&self) -> bool {
        self.left_out == 0 && self.counts.iter().all(|count| count.is_none())
    }

    /// Why nothing of what a row is about was copied, if it is about one customer and that one was left out.
    pub fn refusal(&self, request: &SyncRequest) -> Option<Problem> {
        let customer = request.customer.as_ref().filter(|_| self.customers_left_out > 0)?;
        let named = customer.reference();
        let sentence = format!("left out: {}", self.left_out_text());
        Some(Problem::stated(code::REFUSED, "customer", named.as_written(), sentence))
    }

    /// What a plan says of a row that would do this.
    pub fn verdict(&self, request: &SyncRequest) -> Verdict {
        if let Some(problem) = self.refusal(request) {
            return Verdict::Reject(problem);
        }
        if self.is_unchanged() {
            return Verdict::Unchanged;
        }
        let counted = SyncStep::ALL.into_iter().zip(self.counts);
        let mut changes: Vec<FieldChange> = counted
            .filter(|(_, count)| !count.is_none())
            .map(|(step, count)| FieldChange::new(step.plural(), "", count.to_string()))
            .collect();
        if self.left_out > 0 {
            changes.push(FieldChange::new("left out", "", self.left_out_text()));
        }
        // So that the plan's hash is of what changes, not of how much.
        changes.push(FieldChange::new(FieldChange::FINGERPRINT, "", &self.fingerprint));
        Verdict::Change(changes)
    }

    /// What was done, in words.
    pub fn message(&self) -> String {
        let counted = SyncStep::ALL.into_iter().zip(self.counts);
        let said: Vec<String> = counted
            .filter(|(_, count)| !count.is_none())
            .map(|(step, count)| format!("{}: {count}", step.plural()))
            .collect();
        let mut message = said.join("; ");
        if self.left_out > 0 {
            let separator = if message.is_empty() { "" } else { "; " };
            let _ = write!(message, "{separator}left out: {}", self.left_out_text());
        }
        message
    }

    fn left_out_text(&self) -> String {
        let more = self.left_out - self.named.len() as u64;
        let named = self.named.join("; ");
        if more > 0 {
            format!("{named}; and {more} more")
        } else {
            named
        }
    }

    fn leave_out(&mut self, what: String) {
        self.note(&["left out", &what]);
        self.left_out += 1;
        self.customers_left_out += u64::from(self.step == Some(SyncStep::Customers));
        if self.named.len() < MOST_NAMED {
            self.named.push(what);
        }
    }

    fn count(&mut self, step: SyncStep) -> &mut Count {
        &mut self.counts[step as usize]
    }

    /// Takes something into the fingerprint.
    fn note(&mut self, parts: &[&str]) {
        let mut hasher = Sha256::new();
        hasher.update(&self.fingerprint);
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        self.fingerprint = hasher.finalize()[..16].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    }

    fn note_new(&mut self, step: SyncStep, key: &RecordKey, record: &Record) {
        let mut parts = vec![step.plural(), &key.id, &key.part, "new"];
        // Its customer's id here is not known to every plan.
        let fields = record.fields().filter(|(field, _)| *field != "customer");
        parts.extend(fields.map(|(_, value)| value));
        self.note(&parts);
    }

    /// Goes on behind a page.
    fn pass(&mut self, page: &SyncPage, request: &SyncRequest) {
        if let Some(until) = &page.until {
            self.after = until.clone();
            return;
        }
        let mut next = page.step.after();
        while next.is_some_and(|step| !request.wants(step)) {
            next = next.and_then(SyncStep::after);
        }
        (self.step, self.after) = (next, RecordKey::default());
    }
}
