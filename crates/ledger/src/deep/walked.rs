//! What the chain has come to, record by record, beside what single records say.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::DeepReport;
use crate::allowances::CountersByDay;
use crate::audit::{AWAITS, AuditRecord};
use crate::job::Job;
use crate::signing::{Approver, SignatureCheck};
use crate::{JobId, JobState, StoredPolicy, person};

/// Whether a record is of how a job came to be.
pub(super) fn is_first(record: &AuditRecord) -> bool {
    matches!(
        record.action.as_str(),
        "submitted" | "retried" | "undone" | "carried-out"
    )
}

/// What the chain came to, beside single jobs.
#[derive(Default)]
pub(super) struct Walked {
    signatures: SignatureCheck,
    policy: StoredPolicy,
    decisions: i64,
    /// What jobs have taken from limits, of the days after the one of which counters may be gone.
    pub(super) taken: CountersByDay,
    pub(super) counters_after: i64,
    /// The last record of before there were hashes over the outcome of rows.
    pub(super) digests_after: i64,
    /// Jobs that are not there, by their ids, as far as no removal was recorded since.
    pub(super) unfound: BTreeMap<String, JobId>,
    /// Jobs that waited for approval when they were submitted, and that nobody has decided about yet.
    awaiting: HashSet<JobId>,
    /// Jobs whose end has not come.
    open: HashSet<JobId>,
    /// Jobs that say who decided about them, without a record of it so far.
    decided: HashMap<JobId, String>,
    /// The number of the newest job at the beginning.
    pub(super) newest: i64,
    /// How many of the jobs that were there then were found on record.
    pub(super) found: u64,
}

impl Walked {
    /// Before the first record.
    pub(super) fn new(newest: i64, digests_after: i64, counters_after: i64) -> Self {
        Self {
            counters_after,
            digests_after,
            newest,
            ..Self::default()
        }
    }

    pub(super) fn take(&mut self, record: &AuditRecord) {
        let of = crate::signing::JobApproval {
            job: record.job.as_deref().unwrap_or_default(),
            kind: record.kind.as_deref().unwrap_or_default(),
            hash: record.plan_hash.as_deref().unwrap_or_default(),
            submitted: ("", None),
            note: record.note.as_deref().unwrap_or_default(),
        };
        // What is wrong with signatures the chain is followed for.
        let _ = self.signatures.take(&record.action, record.at, &of);
        match record.action.as_str() {
            "decided" => {
                self.decisions += 1;
                self.policy.decide(of.note.lines().next().unwrap_or_default());
            }
            "enrolled" | "revoked" => self.decisions += 1,
            "pruned" => {
                let span = of.note.split_once(" to ").map(|(_, rest)| rest);
                let newest = span.and_then(|rest| rest.split(',').next()).unwrap_or_default();
                self.unfound.retain(|id, _| id.as_str() > newest);
            }
            _ => {}
        }
    }

    /// Takes a record of a job; `job` is what is there of it.
    pub(super) fn take_job(&mut self, id: JobId, of: &AuditRecord, job: Option<&Job>, report: &mut DeepReport) {
        let note = of.note.as_deref().unwrap_or_default();
        if is_first(of) {
            self.open.insert(id);
            self.found += u64::from(job.is_some_and(|job| job.seq <= self.newest));
            if note.lines().next().is_some_and(|line| line.ends_with(AWAITS)) {
                self.awaiting.insert(id);
            }
            if let Some(by) = job.and_then(|job| job.decided_by.clone()) {
                self.decided.insert(id, by);
            }
        }
        match of.action.as_str() {
            "approved" | "rejected" | "expired" => {
                self.awaiting.remove(&id);
                self.decided.remove(&id);
            }
            "applied" | "carried-out" => {
                self.open.remove(&id);
                if self.awaiting.remove(&id) && !note.starts_with(JobState::Cancelled.as_str()) {
                    report.fault(Some(id), "it waited for approval, and ran without one on record");
                }
            }
            _ => {}
        }
    }

    /// Jobs whose end was not found, to be looked at.
    pub(super) fn open(&mut self) -> Vec<JobId> {
        self.open.drain().collect()
    }

    /// Jobs that waited for approval, and about which nothing was decided.
    pub(super) fn is_awaiting(&self, id: JobId) -> bool {
        self.awaiting.contains(&id)
    }

    /// Jobs that were submitted meanwhile have taken more.
    pub(super) fn hold_counters(&self, counters: &CountersByDay, report: &mut DeepReport) {
        for (counter @ (_, what, whose), taken) in &self.taken {
            let used = counters.get(counter).copied().unwrap_or_default();
            if used < *taken {
                report.fault(
                    None,
                    format!("jobs took {taken} {what} of {whose} in a day, and {used} are counted against the limit"),
                );
            }
        }
    }

    pub(super) fn hold_against(&self, policy: &StoredPolicy, approvers: &[Approver], report: &mut DeepReport) {
        for (job, by) in &self.decided {
            report.fault(
                Some(*job),
                format!("it says that {by} decided about it, and no decision is on record"),
            );
        }
        for job in self.unfound.values() {
            report.fault(
                Some(*job),
                "it was submitted, and is gone without having been removed on record",
            );
        }
        if policy.values != self.policy.values || policy.number != self.decisions {
            report.fault(
                None,
                "the policy is not the one that was decided on (`tenantry policy`)",
            );
        }
        let recorded = self.signatures.approvers();
        let is_same = |a: &Approver, b: &Approver| {
            person::is_same(&a.name, &b.name) && a.key == b.key && a.revoked_at.is_some() == b.revoked_at.is_some()
        };
        let are_same = recorded.len() == approvers.len()
            && recorded
                .iter()
                .all(|one| approvers.iter().any(|other| is_same(one, other)));
        if !are_same {
            report.fault(
                None,
                "the approvers are not those whose keys were enrolled and revoked (`tenantry approvers`)",
            );
        }
    }
}
