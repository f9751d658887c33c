//! The ledger held against its audit record: what a job is said to be, against what was recorded of it when it happened.
//!
//! The chain shows whether records are as they were written; this shows whether everything else is as they say. It follows the chain once, and looks up the
//! jobs of each record as they are now: kind, submitter, plan, state, counts, who decided, the outcome of their rows and the images these left. What lets
//! a job run is looked at as a worker looks at it. It takes as long as there are records, and memory for a page of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::allowances::{self, CountersByDay};
use super::approvers;
use super::audit::AuditRecord;
use super::job::Job;
use super::signing::{Approver, SignatureCheck};
use super::{Counts, JobFilter, JobId, JobState, Ledger, StoredPolicy, digest, person, seal};
use tenantry_foundation::db::{DbError, Tx};

/// Something that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeepFault {
    /// The job, if it is one's.
    pub job: Option<JobId>,
    /// What is not.
    pub what: String,
}

impl std::fmt::Display for DeepFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.job {
            Some(job) => write!(f, "job {job}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Faults that are kept; the others are counted.
const KEPT: usize = 100;

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeepReport {
    /// Jobs that were looked at.
    pub jobs: u64,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<DeepFault>,
}

impl DeepReport {
    fn fault(&mut self, job: Option<JobId>, what: impl Into<String>) {
        self.fault_count += 1;
        if self.faults.len() < KEPT {
            let what = what.into();
            self.faults.push(DeepFault { job, what });
        }
    }
}

impl Ledger {
    /// Whether the recorded outcomes of a job that has ended, and the images that its rows have left, are those it ended with. A job that
    /// ended before such hashes were recorded is taken for so.
    pub async fn is_as_ended(&self, job: &Job) -> Result<bool, DbError> {
        let seq = job.seq;
        let records = self.audit_log(Some(job.id), 1_000).await?;
        // Whatever was recorded since, it ended once.
        let end = records
            .into_iter()
            .rfind(|one| matches!(one.action.as_str(), "applied" | "carried-out"));
        self.db
            .read(move |tx| match end {
                Some(end) if end.seq > digest::digests_after(tx)? => Ok(digest::recomputed(tx, seq)? == end.digest),
                Some(_) => Ok(true),
                None => Ok(false),
            })
            .await
    }

    /// Holds the ledger against its record.
    pub async fn verify_deep(&self) -> Result<DeepReport, DbError> {
        let mut report = DeepReport::default();
        let mut after = i64::MIN;
        let mut walked = Walked {
            digests_after: self.db.read(digest::digests_after).await?,
            counters_after: allowances::kept_after(self.clock.now_millis()),
            ..Walked::default()
        };
        loop {
            let page = self.audit_page(None, after).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for record in page {
                walked.take(&record);
                self.look_at(record, &mut walked, &mut report).await?;
            }
        }
        self.look_at_open(&mut report).await?;
        let unrecorded = self.db.read(unrecorded).await?;
        for job in unrecorded {
            report.fault(job, "the audit record knows of no submission of it");
        }
        let (policy, approvers) = self
            .db
            .read(|tx| Ok((StoredPolicy::read(tx)?, approvers::all(tx)?)))
            .await?;
        walked.hold_against(&policy, &approvers, &mut report);
        let now = self.clock.now_millis();
        let counters = self.db.read(move |tx| allowances::kept(tx, now)).await?;
        walked.hold_counters(&counters, &mut report);
        Ok(report)
    }

    /// Looks at the jobs of a record.
    async fn look_at(&self, record: AuditRecord, walked: &mut Walked, report: &mut DeepReport) -> Result<(), DbError> {
        for of in record.of_each_job() {
            let Some(Ok(id)) = of.job.as_deref().map(str::parse::<JobId>) else {
                continue;
            };
            if is_first(&of) {
                let note = of.note.as_deref().unwrap_or_default();
                allowances::add_taken(&mut walked.taken, walked.counters_after, of.at, note);
            }
            match self.job(id).await? {
                Some(job) => self.hold(&job, &of, walked.digests_after, report).await?,
                None if is_first(&of) => drop(walked.unfound.insert(id.to_string(), id)),
                None => {}
            }
        }
        Ok(())
    }

    /// Holds a job against one record of it.
    async fn hold(
        &self,
        job: &Job,
        of: &AuditRecord,
        digests_after: i64,
        report: &mut DeepReport,
    ) -> Result<(), DbError> {
        let id = Some(job.id);
        let note = of.note.as_deref().unwrap_or_default();
        if is_first(of) {
            report.jobs += 1;
            if of.kind.as_deref() != Some(&job.kind) {
                report.fault(
                    id,
                    format!(
                        "it is of kind `{}`, and was submitted as `{}`",
                        job.kind,
                        of.kind.as_deref().unwrap_or("-")
                    ),
                );
            }
            if of.actor != job.submitted_by || of.via != job.submitted_via {
                report.fault(
                    id,
                    format!("it says that {} submitted it, and {} did", job.submitted_by, of.actor),
                );
            }
            if of.plan_hash.as_deref() != Some(job.hash_to_approve()) {
                report.fault(id, "its plan is not the one it was submitted with");
            }
        }
        if of.action == "approved" || of.action == "rejected" {
            let decided = job.decided_by.as_deref().unwrap_or("nobody");
            if decided != of.actor {
                report.fault(
                    id,
                    format!("it says that {decided} decided about it, and {} did", of.actor),
                );
            }
        }
        if matches!(of.action.as_str(), "applied" | "carried-out") {
            let ended = note.rsplit("; ").next().unwrap_or(note);
            let state = ended.split(',').next().unwrap_or_default();
            if state != job.state.as_str() {
                report.fault(id, format!("it is {}, and ended as {state}", job.state.as_str()));
            }
            let counts: Option<Counts> = of.counts.as_deref().and_then(|text| serde_json::from_str(text).ok());
            if counts.is_some_and(|counts| counts != job.counts) {
                report.fault(id, "the counts of its rows are not those it ended with");
            }
            let seq = job.seq;
            let found = self.db.read(move |tx| digest::recomputed(tx, seq)).await?;
            if of.seq <= digests_after && of.digest.is_some() {
                report.fault(
                    id,
                    "its record has a hash over the outcomes of its rows, and is said to be of before there were any",
                );
            } else if of.seq > digests_after && found != of.digest {
                report.fault(
                    id,
                    "the outcomes of its rows, or the images of what they changed, are not those it ended with",
                );
            }
        }
        Ok(())
    }

    /// Looks at the jobs that have not ended: whether each may be where it is.
    async fn look_at_open(&self, report: &mut DeepReport) -> Result<(), DbError> {
        let open = [
            JobState::AwaitingApproval,
            JobState::Queued,
            JobState::Running,
            JobState::Retryable,
            JobState::Paused,
        ];
        for state in open {
            let filter = JobFilter {
                state: Some(state),
                kind: None,
                limit: 100_000,
            };
            for job in self.jobs(filter).await? {
                let (seq, id) = (job.seq, job.id);
                let ended = self.audit_log(Some(id), 1_000).await?;
                if ended.iter().any(|one| one.action == "applied") {
                    report.fault(Some(id), format!("it is {}, and has ended", job.state.as_str()));
                    continue;
                }
                let first = ended
                    .iter()
                    .find(|one| matches!(one.action.as_str(), "submitted" | "retried" | "undone"));
                let is_gated = job.seal.is_some() || first.is_some_and(|first| first.plan_hash != job.plan_hash);
                if !is_gated {
                    continue;
                }
                if !self.is_as_sealed(&job).await? {
                    report.fault(
                        Some(id),
                        "its rows, parameters, recipients or submitter are not those that were submitted for approval",
                    );
                }
                if state != JobState::AwaitingApproval
                    && let Some(why) = self.db.read(move |tx| seal::unapproved(tx, seq)).await?
                {
                    report.fault(Some(id), format!("it is {}, and may not be: {why}", job.state.as_str()));
                }
            }
        }
        Ok(())
    }
}

/// Whether a record is of how a job came to be.
fn is_first(record: &AuditRecord) -> bool {
    matches!(
        record.action.as_str(),
        "submitted" | "retried" | "undone" | "carried-out"
    )
}

/// What the chain came to, beside single jobs.
#[derive(Default)]
struct Walked {
    signatures: SignatureCheck,
    policy: StoredPolicy,
    decisions: i64,
    /// What jobs have taken from limits, of the days after the one of which counters may be gone.
    taken: CountersByDay,
    counters_after: i64,
    /// The last record of before there were hashes over the outcome of rows.
    digests_after: i64,
    /// Jobs that are not there, by their ids, as far as no removal was recorded since.
    unfound: BTreeMap<String, JobId>,
}

impl Walked {
    fn take(&mut self, record: &AuditRecord) {
        let of = super::signing::JobApproval {
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

    /// Jobs that were submitted meanwhile have taken more.
    fn hold_counters(&self, counters: &CountersByDay, report: &mut DeepReport) {
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

    fn hold_against(&self, policy: &StoredPolicy, approvers: &[Approver], report: &mut DeepReport) {
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

/// Jobs that the audit record does not know, those that were carried out as they came in aside.
fn unrecorded(tx: &mut dyn Tx) -> Result<Vec<Option<JobId>>, DbError> {
    let sql = "SELECT id FROM jobs j WHERE j.state <> 'planned' AND j.carried_out IS NULL
         AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.job = j.id) ORDER BY seq LIMIT 100";
    tx.query(sql, &[])?
        .iter()
        .map(|row| JobId::read(row, 0).map(Some))
        .collect()
}
