//! The ledger's door, as intakes see it: a document becomes a submission, and the many ways a submission can
//! fail become the two that matter to an intake.

use std::sync::Arc;

use tenantry_jobs::Problem;

use super::{Accepted, Door, Handing, JobDocument, Reason, Refusal};
use crate::intake::document::{JobRows, code};
use crate::ledger::{Actor, Job, JobState, ReplyTo, Via};
use crate::metrics::EntryFault;
use crate::plan::{PlanError, RowFault, RowSource};
use crate::queue::Queue;
use crate::service::{PasswordWish, Service, ServiceError, SubmitRequest};
use crate::submit::{self, Hand, SubmitError, Submitted};
use crate::summary::JobSummary;

/// Faults told of one by one.
const MOST_FAULTS: u64 = 10_000;
/// Who a job is from when its document does not say.
const NOBODY: &str = "inbox";

/// Hands jobs in to the ledger.
#[derive(Clone)]
pub struct LedgerDoor {
    service: Service,
    from: DocumentSource,
    hand: Option<Arc<dyn Hand>>,
}

/// Whose documents come in.
#[derive(Clone)]
enum DocumentSource {
    /// Other programs'. What names them is what they say, and an entry is one job however often it comes.
    Inbox,
    /// Those of somebody who runs a command, and has said how passwords are delivered.
    Command(Actor, PasswordWish),
}

impl LedgerDoor {
    /// The door of a service for what comes in by its inbox.
    pub fn new(service: &Service) -> Self {
        Self {
            service: service.clone(),
            from: DocumentSource::Inbox,
            hand: None,
        }
    }

    /// The same, to a worker that may carry out at once what comes in.
    #[must_use]
    pub fn to(self, hand: Arc<dyn Hand>) -> Self {
        Self {
            hand: Some(hand),
            ..self
        }
    }

    /// The door for documents that somebody hands in by a command.
    pub(crate) fn of_command(service: &Service, by: Actor, passwords: PasswordWish) -> Self {
        Self {
            service: service.clone(),
            from: DocumentSource::Command(by, passwords),
            hand: None,
        }
    }

    /// What a document says that cannot be so here.
    pub(crate) fn refuses(&self, document: &JobDocument) -> Option<Reason> {
        let DocumentSource::Command(by, _) = &self.from else {
            return None;
        };
        if let Some(named) = document.submitted_by.as_ref().filter(|named| **named != by.name) {
            let expected = format!("expected `{by}`, who runs the command, or nothing; `--by` says who that is");
            return Some(Reason::new("$.submitted_by", code::BAD_VALUE, named, expected));
        }
        match (&document.reply_to, &self.service.queue) {
            (Some(stream), Queue::Embedded(_)) => {
                let expected =
                    "expected a queue in Redis to reply over, and `queue.url` names none; `--wait` tells how jobs end";
                Some(Reason::new("$.reply_to", code::BAD_VALUE, stream, expected))
            }
            _ => None,
        }
    }
}

impl Door for LedgerDoor {
    async fn submit(&self, document: JobDocument, default_key: String) -> Result<Accepted, Refusal> {
        let again = Handing {
            again: true,
            ..Handing::FIRST
        };
        let mut submitted = self.submit_all(vec![(document, default_key)], again).await;
        let lost = || Err(Refusal::Unavailable("nothing is known of it".to_owned()));
        submitted.pop().unwrap_or_else(lost)
    }

    fn takes_together(&self, document: &JobDocument) -> bool {
        document.rows.is_small() && self.service.stores.of(document.kind).is_none()
    }

    async fn submit_all(
        &self,
        documents: Vec<(JobDocument, String)>,
        handing: Handing,
    ) -> Vec<Result<Accepted, Refusal>> {
        let (mut handed, mut requests) = (Vec::with_capacity(documents.len()), Vec::with_capacity(documents.len()));
        for (document, default_key) in documents {
            let (one, by, request) = self.handed(document, default_key);
            handed.push(one);
            requests.push((by, request));
        }
        // What a worker may have died over is recorded before anything is done.
        let hand = self.hand.as_deref().filter(|_| !handing.again);
        let submitted = self.service.submit_all(requests, hand, handing.turn).await;
        let known = submitted.iter().filter_map(|one| match one {
            Ok(Submitted::AwaitingApproval(job) | Submitted::Same(job)) => Some(*job),
            _ => None,
        });
        // Many may have been there before, as when a sender sends again what Redis has lost.
        let mut known = match self.service.ledger.jobs_of(known.collect()).await {
            Ok(jobs) => Ok(jobs.into_iter()),
            Err(error) => Err(error.to_string()),
        };
        let mut told = Vec::with_capacity(handed.len());
        for (one, submitted) in handed.into_iter().zip(submitted) {
            let mut next = || match &mut known {
                Ok(jobs) => Ok(jobs.next().flatten()),
                Err(why) => Err(Refusal::Unavailable(why.clone())),
            };
            told.push(self.told(&one, submitted, &mut next));
        }
        told
    }

    fn refused(&self, reasons: &[Reason]) {
        let of_rows = reasons
            .iter()
            .any(|reason| tenantry_jobs::code::ALL.contains(&reason.code.as_str()));
        let fault = if of_rows {
            EntryFault::Rows
        } else {
            EntryFault::Document
        };
        self.service.metrics.inbox_rejected(fault);
    }
}

/// What is remembered of a document that was handed in, to tell its sender the outcome.
struct Handed {
    kind: &'static str,
    places: Places,
    reply_to: Option<ReplyTo>,
}

impl LedgerDoor {
    fn handed(&self, document: JobDocument, name: String) -> (Handed, Actor, SubmitRequest) {
        let places = match &document.rows {
            JobRows::Objects(_) => Places::Objects,
            JobRows::Csv(_) => Places::Csv,
        };
        // Rows that came as objects are no text somebody could have forgotten a quote in.
        let multiline_cells = document.multiline_cells || matches!(places, Places::Objects);
        let reply_to = document.reply_to.map(|stream| ReplyTo {
            stream,
            entry: name.clone(),
            idempotency_key: document.idempotency_key.clone(),
            with_rows: document.parameters.reply_rows,
        });
        let (by, default_key, passwords) = match &self.from {
            DocumentSource::Inbox => {
                let by = document.submitted_by.as_deref().unwrap_or(NOBODY);
                let by = Actor::new(by, Via::Inbox);
                (by, Some(name.clone()), PasswordWish::ConfiguredOrNone)
            }
            DocumentSource::Command(by, passwords) => (by.clone(), None, passwords.clone()),
        };
        let handed = Handed {
            kind: document.kind.kind(),
            places,
            reply_to: reply_to.clone(),
        };
        let request = SubmitRequest {
            kind: document.kind,
            parameters: document.parameters,
            ignore_not_kept: document.ignore_not_kept,
            passwords,
            source: RowSource::Bytes {
                // A sender knows its entry by this name, so the outcome it is told carries it.
                name,
                data: document.rows.into_csv().into(),
                multiline_cells,
            },
            idempotency_key: document.idempotency_key.or(default_key),
            origin: None,
            not_before: None,
            approval: None,
            reply_to,
            plan: None,
            out_dir: None,
            is_for_workers: true,
        };
        (handed, by, request)
    }
}

impl LedgerDoor {
    /// The outcome of a document, in an intake's terms. `known` gives the job that it is, where that is not just a new one.
    fn told(
        &self,
        handed: &Handed,
        submitted: Result<Submitted, ServiceError>,
        known: &mut dyn FnMut() -> Result<Option<Job>, Refusal>,
    ) -> Result<Accepted, Refusal> {
        let (job, is_new) = match submitted {
            Ok(Submitted::Queued(job)) => {
                return Ok(Accepted {
                    job,
                    is_new: true,
                    state: JobState::Queued,
                    awaiting_approval: None,
                });
            }
            Ok(Submitted::AwaitingApproval(job)) => (job, true),
            Ok(Submitted::Same(job)) => (job, false),
            Ok(Submitted::Refused(refusal)) => return Err(handed.places.refusal(*refusal)),
            Err(ServiceError::NoRecipient(_)) => {
                let mut expected =
                    "a kind that needs no recipient of passwords; none is configured (`passwords.recipients`)"
                        .to_owned();
                if matches!(self.from, DocumentSource::Command(..)) {
                    expected.push_str("; --no-passwords hands out none");
                }
                let reason = Reason::new("$.kind", "no-recipient", handed.kind, expected);
                return Err(Refusal::Invalid(vec![reason]));
            }
            Err(ServiceError::Submit(error)) => return Err(handed.places.failure(error)),
            Err(error) => return Err(Refusal::Failed(error.to_string())),
        };
        let recorded = known()?;
        let state = recorded.as_ref().map_or(JobState::Queued, |job| job.state);
        let awaiting = recorded.filter(|job| job.state == JobState::AwaitingApproval);
        let to = handed.reply_to.as_ref();
        let told = awaiting.and_then(|job| Some(JobSummary::of(&job).to_reply(to?, None)));
        Ok(Accepted {
            job,
            is_new,
            state,
            awaiting_approval: told,
        })
    }
}

/// How places in the CSV text are told to the sender of the document.
#[derive(Clone, Copy)]
enum Places {
    Objects,
    Csv,
}

impl Places {
    fn refusal(self, mut refusal: submit::FileRefusal) -> Refusal {
        let mut reasons = Vec::new();
        let told = refusal.faults.each(MOST_FAULTS, &mut |fault| {
            reasons.push(self.of_row(fault));
            Ok(())
        });
        if let Err(error) = told {
            return Refusal::Failed(format!("the faults cannot be read back: {error}"));
        }
        let untold = refusal.faults.len().saturating_sub(MOST_FAULTS);
        if untold > 0 {
            let expected = format!("{untold} more faults are not listed");
            reasons.push(Reason::new(self.root(), code::MORE_FAULTS, "", expected));
        }
        Refusal::Invalid(reasons)
    }

    fn failure(self, error: SubmitError) -> Refusal {
        match error {
            SubmitError::Plan(PlanError::Header { problems, line, .. }) => {
                Refusal::Invalid(problems.iter().map(|problem| self.of_header(problem, line)).collect())
            }
            SubmitError::Plan(PlanError::Input(error)) => {
                let mut reason = Reason::new(self.root(), error.code, "", error.message.clone());
                reason.line = self.line(error.line().unwrap_or_default());
                Refusal::Invalid(vec![reason])
            }
            SubmitError::KeyReused(_) => Refusal::Invalid(vec![Reason::new(
                "$.idempotency_key",
                "key-reused",
                "",
                error.to_string(),
            )]),
            // Nothing the sender could change, either of them.
            SubmitError::Db(error) if error.is_of_the_surroundings() => Refusal::Unavailable(error.to_string()),
            error => Refusal::Failed(error.to_string()),
        }
    }

    fn of_row(self, fault: &RowFault) -> Reason {
        let problem = &fault.problem;
        let column = if fault.header.is_empty() {
            &problem.column
        } else {
            &fault.header
        };
        let path = match self {
            Self::Csv => self.root().to_owned(),
            Self::Objects => {
                let row = format!("$.rows[{}]", fault.row.saturating_sub(1));
                if column.is_empty() {
                    row
                } else {
                    super::members::child(&row, column)
                }
            }
        };
        let expected = match self {
            Self::Csv if !column.is_empty() => format!("{column}: {}", problem.sentence()),
            _ => problem.sentence(),
        };
        let mut reason = Reason::new(path, &problem.code, &problem.value, expected).suggest(problem.suggestion.clone());
        reason.line = self.line(fault.line);
        reason.subject.clone_from(&fault.subject);
        reason
    }

    fn of_header(self, problem: &Problem, line: u64) -> Reason {
        let expected = if problem.column.is_empty() {
            problem.sentence()
        } else {
            format!("{}: {}", problem.column, problem.sentence())
        };
        let mut reason =
            Reason::new(self.root(), &problem.code, &problem.value, expected).suggest(problem.suggestion.clone());
        reason.line = self.line(line);
        reason
    }

    fn root(self) -> &'static str {
        match self {
            Self::Objects => "$.rows",
            Self::Csv => "$.csv",
        }
    }

    /// Lines mean something only in text the sender wrote.
    fn line(self, line: u64) -> Option<u64> {
        (matches!(self, Self::Csv) && line > 0).then_some(line)
    }
}
