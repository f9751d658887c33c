//! The ledger held against its audit record: what a job is said to be, against what was recorded of it when it happened.
//!
//! The chain shows whether records are as they were written; this shows whether everything else is as they say. It follows the chain once, and looks up the
//! jobs of each record as they are now: kind, submitter, plan, state, counts, who decided, the outcome of their rows and the images these left. What lets
//! a job run is looked at as a worker looks at it. It takes as long as there are records, and memory for a page of them.

mod of_job;
mod walked;

use serde::Serialize;

use self::walked::{Walked, is_first};
use super::allowances;
use super::approvers;
use super::audit::AuditRecord;
use super::job::Job;
use super::{JobFilter, JobId, JobState, Ledger, StoredPolicy, digest, seal};
use tenantry_foundation::db::{DbError, Dialect, Tx};

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
/// Jobs without a record that are named at most.
const MOST_UNRECORDED: usize = 100;
/// What keeps the audit record from being altered.
const SQLITE_GUARDS: &[&str] = &[
    "audit_advance",
    "audit_no_update",
    "audit_no_delete",
    "audit_head_no_insert",
    "audit_head_no_delete",
    "audit_head_forward",
];
const POSTGRES_GUARDS: &[&str] = &[
    "audit_advance",
    "audit_no_change",
    "audit_head_no_change",
    "audit_head_forward",
];

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
                Some(end) if digest::is_held(&end, digest::digests_after(tx)?) => {
                    Ok(digest::recomputed(tx, seq)? == end.digest)
                }
                Some(_) => Ok(true),
                None => Ok(false),
            })
            .await
    }

    /// Holds the ledger against its record.
    pub async fn verify_deep(&self) -> Result<DeepReport, DbError> {
        let mut report = DeepReport::default();
        let mut after = i64::MIN;
        let (newest, before) = self.db.read(|tx| count_up_to(tx, i64::MAX)).await?;
        let digests_after = self.db.read(digest::digests_after).await?;
        let counters_after = allowances::kept_after(self.clock.now_millis());
        let mut walked = Walked::new(newest, digests_after, counters_after);
        if let Some(what) = self.db.read(unguarded).await? {
            report.fault(None, what);
        }
        loop {
            let page = match self.audit_page(None, after).await {
                Ok(page) => page,
                Err(error) if error.is_of_the_surroundings() => return Err(error),
                Err(error) => {
                    let place = if after == i64::MIN {
                        "the first record".to_owned()
                    } else {
                        format!("record {after}")
                    };
                    report.fault(None, format!("records from {place} on cannot be read, and what they say is not held against anything: {error}"));
                    return Ok(report);
                }
            };
            let Some(last) = page.last() else { break };
            after = last.seq;
            for record in page {
                walked.take(&record);
                self.look_at(record, &mut walked, &mut report).await?;
            }
        }
        self.look_at_unended(&mut walked, &mut report).await?;
        self.look_at_open(&walked, &mut report).await?;
        let unrecorded = self.db.read(unrecorded).await?;
        let (_, now_there) = self.db.read(move |tx| count_up_to(tx, newest)).await?;
        // Jobs may have been removed meanwhile.
        let unknown = before
            .min(now_there)
            .saturating_sub(walked.found + unrecorded.len() as u64);
        if unknown > 0 && unrecorded.len() < MOST_UNRECORDED {
            report.fault(
                None,
format!(
                    "{unknown} of the jobs that say they were carried out as they came in are not on record; the audit record knows of no \
                     submission of them"
                ),
            );
        }
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
            let job = match self.job(id).await {
                Ok(job) => job,
                Err(error) if error.is_of_the_surroundings() => return Err(error),
                Err(error) => {
                    // Told once.
                    if is_first(&of) {
                        walked.found += 1;
                        report.fault(Some(id), format!("it cannot be read: {error}"));
                    }
                    continue;
                }
            };
            walked.take_job(id, &of, job.as_ref(), report);
            match job {
                Some(job) => self.hold(&job, &of, walked.digests_after, report).await?,
                None if is_first(&of) => drop(walked.unfound.insert(id.to_string(), id)),
                None => {}
            }
        }
        Ok(())
    }

    /// Looks at the jobs whose end is not on record: whether any is said to have ended.
    async fn look_at_unended(&self, walked: &mut Walked, report: &mut DeepReport) -> Result<(), DbError> {
        for id in walked.open() {
            // One that cannot be read was told of.
            let Ok(Some(job)) = self.job(id).await else { continue };
            if !job.state.is_final() && job.state != JobState::Planned {
                continue;
            }
            let has_ended = |one: &AuditRecord| one.action == "applied";
            if !self.audit_log(Some(id), 1_000).await?.iter().any(has_ended) {
                report.fault(
                    Some(id),
                    format!("it is {}, and no end of it is on record", job.state.as_str()),
                );
            }
        }
        Ok(())
    }

    /// Looks at the jobs that have not ended: whether each may be where it is.
    async fn look_at_open(&self, walked: &Walked, report: &mut DeepReport) -> Result<(), DbError> {
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
            let jobs = match self.jobs(filter).await {
                Ok(jobs) => jobs,
                Err(error) if error.is_of_the_surroundings() => return Err(error),
                Err(error) => {
                    report.fault(
                        None,
                        format!("jobs that are {} cannot be read: {error}", state.as_str()),
                    );
                    continue;
                }
            };
            for job in jobs {
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
                    let may_wait = matches!(state, JobState::AwaitingApproval);
                    if walked.is_awaiting(id) && !may_wait {
                        let what = "it waited for approval, and none is on record";
                        report.fault(
                            Some(id),
                            format!("it is {}, and may not be: {what}", job.state.as_str()),
                        );
                    }
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

/// Jobs that the audit record does not know, those that were carried out as they came in aside.
fn unrecorded(tx: &mut dyn Tx) -> Result<Vec<Option<JobId>>, DbError> {
    let sql = "SELECT id FROM jobs j WHERE j.state <> 'planned' AND j.carried_out IS NULL
         AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.job = j.id) ORDER BY seq LIMIT $1";
    tx.query(sql, &[(MOST_UNRECORDED as u64).into()])?
        .iter()
        .map(|row| JobId::read(row, 0).map(Some))
        .collect()
}

/// The number of the newest job up to `last`, and how many there are that were submitted.
fn count_up_to(tx: &mut dyn Tx, last: i64) -> Result<(i64, u64), DbError> {
    let sql = "SELECT COALESCE(MAX(seq), 0), COUNT(*) FROM jobs WHERE seq <= $1 AND state <> 'planned'";
    let Some(row) = tx.query_first(sql, &[last.into()])? else {
        return Ok((0, 0));
    };
    Ok((row.int(0)?, row.int(1)?.max(0) as u64))
}

/// Which of the triggers are missing that keep the audit record from being altered.
fn unguarded(tx: &mut dyn Tx) -> Result<Option<String>, DbError> {
    let (sql, guards) = match tx.dialect() {
        Dialect::Sqlite => (
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('audit', 'audit_head')",
            SQLITE_GUARDS,
        ),
        Dialect::Postgres => (
            "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'
             AND tgrelid IN ('audit'::regclass, 'audit_head'::regclass)",
            POSTGRES_GUARDS,
        ),
    };
    let mut there = Vec::new();
    for row in tx.query(sql, &[])? {
        there.push(row.text(0)?.to_owned());
    }
    let missing: Vec<&str> = guards
        .iter()
        .copied()
        .filter(|guard| !there.iter().any(|name| name == guard))
        .collect();
    Ok((!missing.is_empty()).then(|| {
        format!(
            "the audit record is not guarded, as triggers are missing ({}); restore a backup, or have the owner of the database make them",
            missing.join(", ")
        )
    }))
}
