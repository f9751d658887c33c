//! Submissions: completed with what the configuration says, and told as data where they are refused.

use std::io::{self, Write};

use serde_json::json;
use tenantry_jobs::JobKind;

use super::{PasswordWish, Service, ServiceError};
use crate::ledger::{Actor, JobId, Origin, Parameters, ReplyTo, Via};
use crate::plan::file::PlanFile;
use crate::plan::{PlanInput, Planning, RowSource};
use crate::queue::Queue;
use crate::store::Stores;
use crate::submit::{FileRefusal, Hand, RecordTurn, Submission, SubmitError, Submitted, Submitter};
use crate::undo::UndoRequest;

/// What somebody wants done.
pub struct SubmitRequest {
    /// The kind.
    pub kind: &'static dyn JobKind,
    /// What is the same for every row; whom passwords are sealed to follows from `passwords`, and what is left out from
    /// `ignore_not_kept`.
    pub parameters: Parameters,
    /// Whether columns that the store does not keep are left out; as the configuration says where the submitter does not.
    pub ignore_not_kept: Option<bool>,
    /// How passwords are delivered.
    pub passwords: PasswordWish,
    /// The rows.
    pub source: RowSource,
    /// The submitter's own key: a second submission with it is the same job.
    pub idempotency_key: Option<String>,
    /// What brought it, if no person did.
    pub origin: Option<Origin>,
    /// When its work is to begin, if not at once.
    pub not_before: Option<i64>,
    /// Who is told the outcome, of this job or of the one that is the same.
    pub reply_to: Option<ReplyTo>,
    /// Why somebody has to approve it whatever the limits say.
    pub approval: Option<String>,
    /// The plan to go by: rows that are no longer as it says are rejected.
    pub plan: Option<PlanFile>,
    /// Directory on this machine that results are to be written to by its workers, wherever that is not the submitter's business.
    pub out_dir: Option<String>,
    /// Whether workers are told. Otherwise the submitter works on the job.
    pub is_for_workers: bool,
}

impl Service {
    /// Takes a submission. `progress` is told how many rows have been checked.
    pub async fn submit(
        &self,
        by: Actor,
        request: SubmitRequest,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Submitted, ServiceError> {
        let (queue, kind, via) = (self.told(request.is_for_workers), request.kind, by.via);
        if let Err(error) = self.recipients(kind, &request.passwords) {
            // What is wrong with the file as a whole comes first: it is what people look at.
            let file = PlanInput {
                source: request.source,
                kind,
                parameters: &request.parameters,
                against: None,
                chunk_rows: 1,
                keep_blocks: false,
            };
            Planning::open(file).await.map_err(SubmitError::Plan)?;
            return Err(error.into());
        }
        let submission = self.submission(by, request)?;
        let submitted = self.submitter(&queue, None).submit(submission, progress).await?;
        self.count(kind, via, &submitted);
        Ok(submitted)
    }

    /// Takes several submissions for workers, recorded in their order when it is their `turn`; a worker that takes them in may carry
    /// them out at once by its `hand`. The outcome of each.
    pub async fn submit_all(
        &self,
        requests: Vec<(Actor, SubmitRequest)>,
        hand: Option<&dyn Hand>,
        turn: RecordTurn,
    ) -> Vec<Result<Submitted, ServiceError>> {
        let (mut submissions, mut refused) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()));
        for (by, request) in requests {
            let (kind, via) = (request.kind, by.via);
            match self.submission(by, request) {
                Ok(submission) => {
                    submissions.push(submission);
                    refused.push(Ok((kind, via)));
                }
                Err(error) => refused.push(Err(error)),
            }
        }
        let submitter = self.submitter(&self.queue, hand);
        let mut submitted = submitter.submit_all(submissions, turn).await.into_iter();
        let outcome = |refused: Result<(&dyn JobKind, Via), ServiceError>| match refused {
            Err(error) => Some(Err(error)),
            Ok((kind, via)) => submitted.next().map(|submitted| {
                let submitted = submitted?;
                self.count(kind, via, &submitted);
                Ok(submitted)
            }),
        };
        refused.into_iter().filter_map(outcome).collect()
    }

    fn count(&self, kind: &dyn JobKind, via: Via, submitted: &Submitted) {
        match submitted {
            Submitted::Queued(_) | Submitted::AwaitingApproval(_) => self.metrics.submitted(kind.kind(), via),
            Submitted::Refused(_) => self.metrics.refused(kind.kind()),
            Submitted::Same(_) => {}
        }
    }

    fn submission(&self, by: Actor, request: SubmitRequest) -> Result<Submission, ServiceError> {
        let seal_to = self.recipients(request.kind, &request.passwords)?;
        let in_the_clear = matches!(request.passwords, PasswordWish::To(_)) && !seal_to.is_empty();
        Ok(Submission {
            kind: request.kind,
            parameters: Parameters {
                ignore_not_kept: self.ignores_not_kept(request.kind, request.ignore_not_kept),
                seal_to,
                in_the_clear,
                ..request.parameters
            },
            source: request.source,
            idempotency_key: request.idempotency_key,
            submitted_by: by,
            origin: request.origin,
            not_before: request.not_before,
            reply_to: request.reply_to,
            approval: request.approval,
            out_dir: request.out_dir,
            plan: request.plan,
        })
    }

    fn submitter<'s>(&'s self, queue: &'s Queue, hand: Option<&'s dyn Hand>) -> Submitter<'s> {
        Submitter {
            ledger: &self.ledger,
            stores: &self.stores,
            queue,
            rules: self.rules(),
            hand,
        }
    }

    /// Submits the undo of a job. Its id, or that of the job that was doing the same.
    pub async fn undo(
        &self,
        by: &Actor,
        job: &crate::ledger::Job,
        is_for_workers: bool,
    ) -> Result<JobId, ServiceError> {
        let request = UndoRequest {
            ledger: &self.ledger,
            stores: &self.stores,
            limits: &self.rules().limits,
            job,
        };
        Ok(request.submit(&self.told(is_for_workers), by).await?.job)
    }

    fn ignores_not_kept(&self, kind: &dyn JobKind, said: Option<bool>) -> bool {
        ignores_not_kept(&self.stores, kind, said, self.settings.ignore_not_kept)
    }

    fn told(&self, workers: bool) -> Queue {
        if workers { self.queue.clone() } else { Queue::embedded() }
    }
}

/// Whether columns that a store does not keep are left out: as was said, or else as is `configured` for stores that do not keep
/// everything. A job of the database's own is the same whatever is configured.
pub(crate) fn ignores_not_kept(stores: &Stores, kind: &dyn JobKind, said: Option<bool>, configured: bool) -> bool {
    said.unwrap_or_else(|| configured && stores.of(kind).is_some())
}

impl FileRefusal {
    /// Rows that could be applied without the others.
    pub fn good_rows(&self) -> u64 {
        self.totals.rows - self.totals.reject
    }

    /// Whether the same file works later: the store does not show yet what its rows need, and nothing else is wrong.
    pub fn is_for_now(&self) -> bool {
        self.whole && self.faults.are_for_now()
    }

    /// As one JSON document of the form of a job's summary, with every fault, and with the name of the `file` where there are several.
    pub fn write_json(&mut self, kind: &str, file: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
        let counts = json!({
            "applied": 0, "unchanged": 0, "rejected": self.totals.reject, "failed": 0, "cancelled": 0,
            "total": self.totals.rows,
        });
        let mut head = json!({ "job": null, "kind": kind, "state": "refused", "counts": counts, "started_at": null,
            "finished_at": null, "results": null, "rejects": null, "receipt": null });
        if let Some(file) = file {
            head["file"] = json!(file);
        }
        let head = head.to_string();
        write!(out, "{},\"errors\":", head.trim_end_matches('}'))?;
        self.faults.write_json(out)?;
        writeln!(out, "}}")
    }
}
