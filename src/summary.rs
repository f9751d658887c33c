//! A job as every surface shows it: command line, replies over Redis, receipts.

use serde::Serialize;

use crate::delivery::{NotApplied, recorded_format};
use crate::ledger::{BroughtBy, Counts, Job, JobId, JobState, Parameters, ReplyTo, Undone};
use crate::moment::rfc3339;
use crate::receipt::{RECEIPT, rejects_name, results_name};
use tenantry_jobs::{JobKind, Passwords, Undo, find, rules::RESTORE_WITHIN_MILLIS};

/// One JSON object per job; the field names are stable.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct JobSummary {
    pub(crate) job: JobId,
    pub(crate) kind: String,
    pub(crate) state: JobState,
    pub(crate) counts: Counts,
    /// Rows that wait for a partner or a service.
    pub(crate) waiting: u64,
    /// What the first of them waits for; `null` where none does.
    pub(crate) waits_for: Option<String>,
    /// When those are looked at next; `null` where none waits.
    pub(crate) next_look: Option<String>,
    pub(crate) parameters: Parameters,
    /// The job this one takes back; `null` for any other.
    pub(crate) undo_of: Option<JobId>,
    /// What has to be approved, or was; `null` for a job that needed no approval.
    pub(crate) approval: Option<ApprovalSummary>,
    /// How the job can be taken back; `null` while it runs.
    pub(crate) undo: Option<String>,
    pub(crate) input: InputSummary,
    pub(crate) submitted_by: String,
    /// The way it came in, and from the command line the account and machine: `cli root@host`, `inbox`.
    pub(crate) submitted_via: Option<String>,
    /// The file of a drop folder that it was made of, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<BroughtBy>,
    pub(crate) created_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    /// Why it waits or failed; `null` when all is well.
    pub(crate) message: Option<String>,
    /// Paths on the machine that wrote them; `null` until they are written.
    pub(crate) results: Option<String>,
    pub(crate) rejects: Option<String>,
    pub(crate) receipt: Option<String>,
    pub(crate) files: Vec<String>,
}

#[derive(Serialize)]
struct ReplyText<'s> {
    entry: &'s str,
    idempotency_key: Option<&'s str>,
    /// The job, where it was made of another document than this; `null` where it was made of this one.
    repetition_of: Option<JobId>,
    /// `none` where users were made, and handed out no passwords; its sender sees no configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    passwords: Option<&'static str>,
    #[serde(flatten)]
    summary: &'s JobSummary,
    #[serde(flatten)]
    not_applied: Option<&'s NotApplied>,
}

/// Why a job had to be approved, and who decided.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ApprovalSummary {
    pub(crate) hash: String,
    pub(crate) reasons: Vec<String>,
    pub(crate) until: Option<String>,
    pub(crate) decided_by: Option<String>,
}

/// The file a job was made from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct InputSummary {
    pub(crate) name: String,
    pub sha256: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// What is to be said of the file, a sentence each.
    pub(crate) notes: Vec<String>,
}

impl JobSummary {
    /// What the ledger says of a job.
    pub(crate) fn of(job: &Job) -> Self {
        let dir = job.delivered_at.and(job.out_dir.as_deref());
        let path = |name: &str| dir.map(|dir| format!("{dir}/{name}"));
        let format = recorded_format(job).unwrap_or_default();
        Self {
            job: job.id,
            kind: job.kind.clone(),
            state: job.state,
            counts: job.counts,
            waiting: job.waiting,
            waits_for: job.waits_for.clone(),
            next_look: job.next_look.map(rfc3339),
            undo_of: job.undo_of_id,
            approval: (!job.gate.is_empty()).then(|| ApprovalSummary {
                hash: job.hash_to_approve().to_owned(),
                reasons: job.gate.clone(),
                until: job.approval_until.map(rfc3339),
                decided_by: job.decided_by.clone(),
            }),
            undo: undo_window(job),
            parameters: job.parameters.clone(),
            input: InputSummary {
                name: job.input_name.clone(),
                sha256: job.input_sha256.clone(),
                bytes: job.input_bytes,
                rows: job.input_rows,
                notes: job.input_notes.clone(),
            },
            submitted_by: job.submitted_by.clone(),
            submitted_via: job.submitted_via.clone(),
            origin: None,
            created_at: rfc3339(job.created_at),
            started_at: job.started_at.map(rfc3339),
            finished_at: job.finished_at.map(rfc3339),
            message: job.message.clone(),
            results: path(results_name(format)),
            rejects: path(rejects_name(format)).filter(|_| job.counts.rejected + job.counts.failed > 0),
            receipt: path(RECEIPT),
            files: job
                .files
                .iter()
                .filter_map(|name| path(&crate::delivery::delivered_name(name)))
                .collect(),
        }
    }

    /// Whether it made users who got no passwords.
    fn is_without_passwords(&self) -> bool {
        let makes_users = |job: &dyn JobKind| job.policy().passwords == Passwords::ForNewUsers;
        self.counts.applied > 0 && self.parameters.seal_to.is_empty() && find(&self.kind).is_ok_and(makes_users)
    }

    /// As a sender over Redis is told: with the id of the entry that its document came in as, its own key, whether that
    /// repeats another document, and the rows that were not applied where they were asked for.
    pub(crate) fn to_reply(&self, to: &ReplyTo, rows: Option<&NotApplied>) -> String {
        let name = &to.entry;
        let reply = ReplyText {
            entry: name.rsplit_once(':').map_or(name.as_str(), |(_, entry)| entry),
            idempotency_key: to.idempotency_key.as_deref(),
            // A job is called by what it was made of.
            repetition_of: (self.input.name != *name).then_some(self.job),
            passwords: self.is_without_passwords().then_some("none"),
            summary: self,
            not_applied: rows,
        };
        serde_json::to_string(&reply).unwrap_or_default()
    }

    /// As one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What was taken back of an ended job, and how the rest can be; `None` where there is nothing to take back.
fn undo_window(job: &Job) -> Option<String> {
    let finished = job.finished_at?;
    let applied = job.counts.applied;
    let is_over = |undone: &Undone| undone.rows >= applied && !undone.is_redone;
    let is_left = (applied > 0 || may_have_open_requests(job)) && !job.undone.as_ref().is_some_and(is_over);
    let way = is_left.then(|| way_back(job, finished)).flatten();
    let said: Vec<String> = taken_back(job).into_iter().chain(way).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn taken_back(job: &Job) -> Option<String> {
    let undone = job.undone.as_ref()?;
    let (by, state, applied) = (undone.by, undone.state, job.counts.applied);
    if !state.is_final() {
        return Some(format!("job {by} is to take it back, and is {}", state.as_str()));
    }
    Some(match undone.rows {
        0 => format!("job {by} took back none of its rows"),
        rows if undone.is_redone => {
            format!("{rows} of its rows were taken back, the last time by job {by}, and done again since")
        }
        rows if rows >= applied => format!("job {by} took it back"),
        rows => format!("{rows} of its {applied} applied rows are taken back, the last time by job {by}"),
    })
}

fn way_back(job: &Job, finished: i64) -> Option<String> {
    match tenantry_jobs::find(&job.kind).ok()?.policy().undo {
        undo @ (Undo::Never(_) | Undo::Nothing) => how_to_undo(undo, job.parameters.store.is_some()),
        Undo::WhileUnanswered if may_have_open_requests(job) => Some(
            "requests of cancelled rows, as long as the other partner has not answered them; an answer not at all"
                .to_owned(),
        ),
        // A job has ended when all that it asked for is answered, or was withdrawn.
        Undo::WhileUnanswered => Some(
            "not possible: a transfer that was answered or withdrawn, or is on paper, stays so; only the other partner can \
             transfer back what it was given"
                .to_owned(),
        ),
        _ if !job.keeps_rows => Some("not possible any more: its rows are no longer kept (`spool.retention`)".to_owned()),
        Undo::Within30Days => {
            let until = rfc3339(finished + RESTORE_WITHIN_MILLIS);
            let until = until.get(..10).unwrap_or_default();
            Some(format!("until {until}, after which the users are gone for good"))
        }
        undo @ Undo::WhileUntouched => how_to_undo(undo, job.parameters.store.is_some()),
    }
}

/// Whether rows were cancelled whose requests stand in a store that is no database: in one, they are withdrawn with the job.
pub(crate) fn may_have_open_requests(job: &Job) -> bool {
    let is_request = tenantry_jobs::find(&job.kind).is_ok_and(|kind| kind.policy().undo == Undo::WhileUnanswered);
    is_request && job.parameters.store.is_some() && job.counts.cancelled > 0
}

/// How a job that is undone like this can be taken back, in a store that is no database or in one; `None` where there is nothing to
/// take back.
pub(crate) fn how_to_undo(undo: Undo, is_remote: bool) -> Option<String> {
    Some(match undo {
        Undo::Within30Days => "within 30 days, after which the users are gone for good".to_owned(),
        Undo::WhileUntouched => "as long as nobody else changes the same fields".to_owned(),
        Undo::WhileUnanswered => {
            let then = if is_remote { " and then `tenantry undo`" } else { "" };
            format!(
                "a request by `tenantry cancel`{then}, as long as the other partner has not answered it; an answer not at all"
            )
        }
        Undo::Never(why) => format!("not possible: {why}"),
        Undo::Nothing => return None,
    })
}
