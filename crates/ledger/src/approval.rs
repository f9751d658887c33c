//! Decisions of people about jobs: approve or reject a plan, pause and resume.
//!
//! An approval is of a job's [seal](super::seal), so that people approve only what they have seen. The submitter never approves.
//! The approver gives it in full, since another one with the same beginning can be found. It is never told to a caller that gives another.
//! A paused job keeps the chunks in hand, and no other is claimed.

use thiserror::Error;

use super::audit::{self, Action, AuditEntry, JOB_COLUMNS};
use super::closing::end_chunk;
use super::signing::NotSigned;
use super::{Actor, Job, JobState, Ledger, Outcome, StoredPolicy, approvers, person, signing};
use tenantry_foundation::db::{DbError, Row, Tx};

/// Why a decision was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecisionRefused {
    /// Nothing is to be decided.
    #[error("the job is {0}; only one that is awaiting-approval can be approved or rejected")]
    NotWaiting(&'static str),
    /// Somebody else has to.
    #[error("`{0}` submitted the job; somebody else has to approve it")]
    OwnJob(String),
    /// Another plan.
    #[error(
        "that is not the hash of the job's plan; look at the plan (`tenantry plan JOB`), which ends with its hash, before approving it"
    )]
    OtherPlan,
    /// Only some of it.
    #[error("the hash of a plan has 64 digits, and all of them are needed; this one has {0}")]
    PartOfHash(usize),
    /// A signature is needed, or the one there is does not do.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// The policy names others.
    #[error("`{0}` is not among those who may approve, by the policy of the ledger (`approval.approvers`): {1}")]
    NoApprover(String, String),
    /// It is too late.
    #[error("the time to approve the job ran out; submit it again")]
    Expired,
    /// It cannot be paused or resumed.
    #[error("the job is {0}, which cannot be {1}")]
    WrongState(&'static str, &'static str),
}

/// The key of the policy that names who may approve; nothing there: anybody but the submitter.
const APPROVERS: &str = "approval.approvers";

/// Digits of a plan's hash.
const HASH_DIGITS: usize = 64;
/// Recorded of an approval that nobody had to sign.
const BY_NAME_ALONE: &str = "by name alone, as nobody's key was enrolled";

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decided {
    /// It was carried out.
    Done,
    /// It was not.
    Refused(DecisionRefused),
}

impl Decided {
    /// Why it was not carried out, if it was not.
    pub fn done(self) -> Result<(), DecisionRefused> {
        match self {
            Self::Done => Ok(()),
            Self::Refused(why) => Err(why),
        }
    }
}

impl Ledger {
    /// Lets a job run, if `hash` is its plan's and `by` is not its submitter. Nobody's word is enough for that once somebody's key is
    /// enrolled.
    pub async fn approve(&self, job: &Job, hash: &str, by: &Actor) -> Result<Decided, DbError> {
        self.approve_signed(job, hash, by, None).await
    }

    /// As [`approve`](Self::approve) with the signature of an approver. The approval is the signer's, no matter which person brings it.
    pub async fn approve_signed(
        &self,
        job: &Job,
        hash: &str,
        by: &Actor,
        signature: Option<&str>,
    ) -> Result<Decided, DbError> {
        let now = self.clock.now_millis();
        let is_same = hash.eq_ignore_ascii_case(job.hash_to_approve());
        if job.state != JobState::AwaitingApproval {
            return Ok(Decided::Refused(DecisionRefused::NotWaiting(job.state.as_str())));
        }
        // Submitting under another name makes nobody somebody else.
        if signature.is_none() && signing::is_of_submitter(&by.name, &job.submitted_by, job.submitted_via.as_deref()) {
            return Ok(Decided::Refused(DecisionRefused::OwnJob(by.name.trim().to_owned())));
        }
        if hash.len() != HASH_DIGITS {
            return Ok(Decided::Refused(DecisionRefused::PartOfHash(hash.chars().count())));
        }
        if !is_same {
            return Ok(Decided::Refused(DecisionRefused::OtherPlan));
        }
        if job.approval_until.is_some_and(|until| until < now) {
            return Ok(Decided::Refused(DecisionRefused::Expired));
        }
        let (seq, mut by, text) = (job.seq, by.clone(), self.text_to_sign(job));
        let (submitted_by, via) = (job.submitted_by.clone(), job.submitted_via.clone());
        let signature = signature.map(str::to_owned);
        let until = job.approval_until.unwrap_or_default();
        self.db
            .write(move |tx| {
                let leave = match signing::leave(&approvers::all(tx)?, &text, signature.as_deref()) {
                    Ok(Some(leave)) if signing::is_of_submitter(&leave.name, &submitted_by, via.as_deref()) => {
                        return Ok(Decided::Refused(NotSigned::Own(leave.name).into()));
                    }
                    Ok(leave) => leave,
                    Err(why) => return Ok(Decided::Refused(why.into())),
                };
                let note = match leave {
                    Some(leave) => {
                        by.name = leave.name;
                        format!("{}\n{}", signing::until_note(until), leave.note)
                    }
                    None => BY_NAME_ALONE.to_owned(),
                };
                let named = StoredPolicy::read(tx)?.values.remove(APPROVERS).unwrap_or_default();
                let mut names = named
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .peekable();
                if names.peek().is_some() && !names.any(|name| person::is_same(name, &by.name)) {
                    return Ok(Decided::Refused(DecisionRefused::NoApprover(by.name.clone(), named)));
                }
                let sql = format!(
                    "UPDATE jobs SET state = 'queued', decided_by = $2, decided_at = $3
                     WHERE seq = $1 AND state = 'awaiting-approval' AND cancel_requested = 0 RETURNING {JOB_COLUMNS}"
                );
                let approved = tx.query_first(&sql, &[seq.into(), by.name.as_str().into(), now.into()])?;
                let decision = JobDecision {
                    action: Action::Approved,
                    by: Some(&by),
                    note: Some(note),
                    late: DecisionRefused::NotWaiting("decided on already"),
                };
                decision.record(tx, approved, now)
            })
            .await
    }

    /// Refuses to let a job run: its rows are cancelled.
    pub async fn reject_plan(&self, job: &Job, by: &Actor, why: &str) -> Result<Decided, DbError> {
        let reason = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        self.refuse(job, Some(by.clone()), format!("rejected by {by}{reason}"))
            .await
    }

    /// Ends the jobs that nobody approved in time; how many there were.
    pub async fn expire_approvals(&self) -> Result<u64, DbError> {
        let now = self.past();
        let due = self
            .db
            .read(move |tx| {
                tx.query(
                    "SELECT id FROM jobs WHERE state = 'awaiting-approval' AND approval_until < $1 LIMIT 100",
                    &[now.into()],
                )
            })
            .await?;
        let mut expired = 0;
        for row in due {
            let Ok(id) = row.text(0)?.parse() else { continue };
            let Some(job) = self.job(id).await? else { continue };
            let ended = self
                .refuse(&job, None, "nobody approved the job in time".to_owned())
                .await?;
            expired += u64::from(ended == Decided::Done);
        }
        Ok(expired)
    }

    async fn refuse(&self, job: &Job, by: Option<Actor>, message: String) -> Result<Decided, DbError> {
        if job.state != JobState::AwaitingApproval {
            return Ok(Decided::Refused(DecisionRefused::NotWaiting(job.state.as_str())));
        }
        let (seq, now) = (job.seq, self.clock.now_millis());
        self.db
            .write(move |tx| {
                let chunks = open_chunks(tx, seq)?;
                let sql = format!(
                    "UPDATE jobs SET cancel_requested = 1, decided_by = $2, decided_at = $3, message = $4
                     WHERE seq = $1 AND state = 'awaiting-approval' RETURNING {JOB_COLUMNS}"
                );
                let name = by.as_ref().map(|by| by.name.clone());
                let params = [seq.into(), name.into(), now.into(), message.as_str().into()];
                let refused = tx.query_first(&sql, &params)?;
                let mut ended = None;
                if refused.is_some() {
                    for chunk in chunks {
                        ended = end_chunk(tx, (seq, chunk), Outcome::Cancelled, None, now)?.or(ended);
                    }
                }
                let decision = JobDecision {
                    action: if by.is_some() {
                        Action::Rejected
                    } else {
                        Action::Expired
                    },
                    by: by.as_ref(),
                    note: Some(message),
                    late: DecisionRefused::NotWaiting("decided on already"),
                };
                let done = decision.record(tx, refused, now)?;
                audit::ended(tx, ended, None, now)?;
                Ok(done)
            })
            .await
    }

    /// Stops a job after the chunks in hand, to go on when it is resumed.
    pub async fn pause(&self, job: &Job, by: &Actor) -> Result<Decided, DbError> {
        let (seq, message) = (job.seq, format!("paused by {by}; `resume` goes on"));
        let (state, by, now) = (job.state.as_str(), by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let sql = format!(
                    "UPDATE jobs SET state = 'paused', message = $2 WHERE seq = $1
                     AND state IN ('queued', 'running', 'retryable') AND cancel_requested = 0 RETURNING {JOB_COLUMNS}"
                );
                let paused = tx.query_first(&sql, &[seq.into(), message.into()])?;
                let decision = JobDecision {
                    action: Action::Paused,
                    by: Some(&by),
                    note: None,
                    late: DecisionRefused::WrongState(state, "paused"),
                };
                decision.record(tx, paused, now)
            })
            .await
    }

    /// Lets a paused job go on. What went wrong so far no longer counts against it.
    pub async fn resume(&self, job: &Job, by: &Actor) -> Result<Decided, DbError> {
        let (seq, state) = (job.seq, job.state.as_str());
        let (by, now) = (by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let sql = format!(
                    "UPDATE jobs SET state = 'queued', message = NULL, refused = rejected + failed
                     WHERE seq = $1 AND state = 'paused' RETURNING {JOB_COLUMNS}"
                );
                let resumed = tx.query_first(&sql, &[seq.into()])?;
                let decision = JobDecision {
                    action: Action::Resumed,
                    by: Some(&by),
                    note: None,
                    late: DecisionRefused::WrongState(state, "resumed"),
                };
                decision.record(tx, resumed, now)
            })
            .await
    }

    /// Records that somebody was shown what a job keeps secret.
    pub async fn revealed(&self, job: &Job, by: &Actor, is_shown: bool, note: String) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        let entry = AuditEntry {
            actor: by.name.clone(),
            via: Some(by.way()),
            action: if is_shown {
                Action::Revealed
            } else {
                Action::RevealFailed
            },
            job: Some(job.id),
            kind: Some(job.kind.clone()),
            plan_hash: None,
            counts: None,
            note: Some(note),
            digest: None,
        };
        self.db.write(move |tx| audit::append(tx, now, &entry)).await
    }
}

/// What was decided on a job.
struct JobDecision<'d> {
    action: Action,
    /// Nobody, if the time was up.
    by: Option<&'d Actor>,
    note: Option<String>,
    /// What is answered if it came too late.
    late: DecisionRefused,
}

impl JobDecision<'_> {
    /// Records it if it was carried out: `job` is the job's [`JOB_COLUMNS`], or nothing if it came too late.
    fn record(self, tx: &mut dyn Tx, job: Option<Row>, now: i64) -> Result<Decided, DbError> {
        let Some(job) = job else {
            return Ok(Decided::Refused(self.late));
        };
        let mut entry = AuditEntry {
            note: self.note,
            ..audit::of_job(self.action, &job, 0)?
        };
        entry = match self.by {
            Some(by) => entry.by(by),
            None => AuditEntry {
                actor: "tenantry".to_owned(),
                via: None,
                ..entry
            },
        };
        audit::append(tx, now, &entry)?;
        Ok(Decided::Done)
    }
}

/// Chunks nobody works on, locked.
fn open_chunks(tx: &mut dyn Tx, job: i64) -> Result<Vec<i64>, DbError> {
    let sql = format!(
        "SELECT chunk FROM chunks WHERE job = $1 AND state IN ('queued', 'waiting') ORDER BY chunk{}",
        tx.dialect().for_update()
    );
    tx.query(&sql, &[job.into()])?.iter().map(|row| row.int(0)).collect()
}
