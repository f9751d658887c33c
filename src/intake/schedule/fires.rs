//! A fire that may begin: its file is looked for, and its job submitted through the one door.
//!
//! The fire is held by a lease that is renewed for as long as that takes; its job is linked to it in the transaction that records
//! the job, and only under this worker's fence. So the successor of a worker that dies here finds either a fire with a job, or one to
//! begin anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::due::{FireAhead, FireTurn};
use super::known::KnownSchedule;
use super::reach::Reach;
use super::refused::{self, RefusedFire, RefusedRows};
use super::rows::{self, FileWatch, FoundRows};
use crate::config::IfSame;
use crate::db::DbError;
use crate::ledger::fires::{Fire, FireEnd, FireReason, FireState, HeldFire};
use crate::ledger::{Actor, JobState, Origin, OriginIntake, Via};
use crate::plan::RowSource;
use crate::service::{PasswordWish, Service, ServiceError, SubmitRequest};
use crate::submit::{SubmitError, Submitted};

/// When a submission that could not be made is tried again.
const TRY_EVERY: i64 = 15_000;
/// Looks at a file that may still be written to before others have their turn.
const MOST_LOOKS: u32 = 60;

/// A fire in hand.
pub(super) struct FireStart {
    pub(super) known: Arc<KnownSchedule>,
    pub(super) fire: Fire,
    pub(super) held: HeldFire,
    pub(super) turn: FireTurn,
}

/// Begins fires for one worker; clones are the same one.
#[derive(Clone)]
pub(super) struct Starter {
    pub(super) service: Service,
    /// Names this worker in leases.
    owner: Arc<str>,
    files: FileWatch,
    /// Where files of schedules are moved from and to.
    pub(super) reach: Reach,
    /// Cancelled when the worker is to stop.
    stop: CancellationToken,
}

/// The outcome of a fire in hand.
enum Began {
    /// Its job is recorded.
    Submitted,
    /// It is somebody else's by now.
    Lost,
    /// It ends here.
    Ends(FireEnd),
    /// It is looked at again then.
    Later(FireState, i64, String),
}

impl Starter {
    pub(super) fn new(service: Service, stop: CancellationToken) -> Self {
        let host = crate::machine::host_name();
        let reach = Reach::of(service.settings.schedule_roots.clone());
        let owner = format!("{host}/{}", service.ledger.clock().fresh_id()).into();
        Self {
            service,
            owner,
            files: FileWatch::within(reach.clone()),
            reach,
            stop,
        }
    }

    fn lease_millis(&self) -> i64 {
        self.service.settings.runner.lease.as_millis() as i64
    }

    /// No lease that was given by a clock such as this one ends later than so long from now.
    pub(super) fn longest_lease(&self) -> i64 {
        self.lease_millis().saturating_mul(10)
    }

    /// Takes a fire in hand.
    pub(super) async fn lease(&self, seq: i64) -> Result<Option<HeldFire>, DbError> {
        self.service
            .ledger
            .lease_fire(seq, &self.owner, self.lease_millis())
            .await
    }

    /// Begins a fire, and records its outcome.
    pub(super) async fn start(&self, start: FireStart) {
        let over = CancellationToken::new();
        let renewing = over.run_until_cancelled(self.renew(start.held));
        let beginning = async {
            let began = Box::pin(self.begin(&start)).await;
            over.cancel();
            began
        };
        let (_, began) = tokio::join!(renewing, beginning);
        if let Err(error) = self.close(&start, began).await {
            // Its lease runs out, and somebody begins it anew.
            tracing::warn!(%error, "schedule {}: the outcome of {} could not be recorded", start.fire.schedule, start.fire.nominal);
        }
    }

    async fn renew(&self, held: HeldFire) {
        loop {
            tokio::time::sleep(self.service.settings.runner.heartbeat).await;
            if let Err(error) = self.service.ledger.renew_fire(held, self.lease_millis()).await {
                tracing::debug!(%error, "the lease of a fire could not be renewed");
            }
        }
    }

    async fn close(&self, start: &FireStart, began: Result<Began, DbError>) -> Result<(), DbError> {
        let (fire, ledger) = (&start.fire, &self.service.ledger);
        let began = match began {
            Ok(began) => began,
            Err(error) => self.not_now(start, error.to_string()),
        };
        match began {
            Began::Submitted => Ok(()),
            Began::Lost => {
                tracing::warn!(
                    "schedule {}: another worker has taken over {}",
                    fire.schedule,
                    fire.nominal
                );
                Ok(())
            }
            Began::Later(state, at, why) => ledger.put_off_fire(start.held, state, at, why).await,
            Began::Ends(end) => {
                let (name, time) = (&fire.schedule, &fire.nominal);
                let why = end.reason.map_or("", FireReason::as_str);
                let detail = end.detail.as_deref().unwrap_or_default();
                if end.state == FireState::Failed {
                    tracing::error!("schedule {name}: {time} failed ({why}): {detail}");
                } else {
                    tracing::info!("schedule {name}: {time} is passed over ({why}): {detail}");
                }
                let end = FireEnd {
                    pause_after: start.known.config.pause_after.into(),
                    ..end
                };
                let (is_ended, is_paused) = ledger.end_fire(end).await?;
                if is_ended {
                    self.service.metrics.schedule_ran(why, 1);
                }
                if is_paused {
                    tracing::warn!("schedule {name} is paused: too many of its fires in a row failed");
                }
                Ok(())
            }
        }
    }

    /// It cannot be begun now: later, unless that has been so for too long.
    fn not_now(&self, start: &FireStart, why: String) -> Began {
        let now = self.service.ledger.clock().now_millis();
        let fire = &start.fire;
        if now - fire.starts.max(fire.made_at) > start.known.rules.within {
            return Began::Ends(ends_as(start, FireState::Failed, FireReason::NotStarted).because(why));
        }
        Began::Later(fire.state, now + TRY_EVERY, why)
    }

    async fn begin(&self, start: &FireStart) -> Result<Began, DbError> {
        let now = self.service.ledger.clock().now_millis();
        let way = match &start.turn {
            FireTurn::Skip(ahead) => {
                let end = ends_as(start, FireState::Skipped, FireReason::Overlap);
                return Ok(Began::Ends(end.because(format!("{} has not ended", called(ahead)))));
            }
            FireTurn::Wait => return Ok(Began::Later(FireState::Waiting, now, "waits for its turn".to_owned())),
            FireTurn::Begin => &[][..],
            FireTurn::After(way) => way,
        };
        let (source, files) = match self.rows(start).await {
            FoundRows::Row(source) => (source, Vec::new()),
            FoundRows::File { path, others } => {
                if let Some(end) = self.is_same(start, &path).await? {
                    return Ok(end);
                }
                (
                    rows::source(&start.known, &path),
                    std::iter::once(path).chain(others).collect(),
                )
            }
            FoundRows::Ends(state, reason, why) => {
                return Ok(Began::Ends(ends_as(start, state, reason).because(why)));
            }
            FoundRows::NotYet(after, why) => return Ok(Began::Later(FireState::Waiting, now + after, why)),
        };
        crate::failpoint::hit("after-file");
        self.make_way(start, way).await?;
        let file = files.first();
        let out = start.known.out_of(&start.fire, file.map(PathBuf::as_path));
        let out_told = out.as_ref().map(|out| out.display().to_string());
        let told = files.iter().map(|path| path.display().to_string()).collect();
        if !self
            .service
            .ledger
            .begin_fire(start.held, told, out_told.clone())
            .await?
        {
            return Ok(Began::Lost);
        }
        crate::failpoint::hit("before-submission");
        let submitted = self.submit(start, source, out_told).await;
        crate::failpoint::hit("after-submission");
        Ok(match self.became(start, submitted) {
            Ok(began) => began,
            Err(refused) => {
                let reason = refused.reason;
                // Nor is it believed where reasons are to be written.
                let out = out.filter(|out| self.service.settings.runner.roots.check(out).is_ok());
                let rows = RefusedRows {
                    known: start.known.clone(),
                    fire: start.fire.clone(),
                    file: file.cloned(),
                    out,
                    bom: self.service.settings.form.bom,
                };
                let told = tokio::task::spawn_blocking(move || refused.tell(&rows)).await;
                let why = told.unwrap_or_else(|error| error.to_string());
                Began::Ends(ends_as(start, FireState::Failed, reason).because(why))
            }
        })
    }

    /// Looks for the rows, and for a while again and again where they lie in a file that may still be written to.
    async fn rows(&self, start: &FireStart) -> FoundRows {
        let clock = self.service.ledger.clock();
        let mut looks = 0;
        loop {
            let now = (clock.now_millis(), clock.elapsed_millis());
            let found = self.files.find(&start.known, &start.fire, now).await;
            looks += 1;
            let goes_on = matches!(found, FoundRows::NotYet(rows::LOOK_AT_FILE_EVERY, _)) && looks < MOST_LOOKS;
            let pause = tokio::time::sleep(Duration::from_millis(rows::LOOK_AT_FILE_EVERY as u64));
            if !goes_on || self.stop.run_until_cancelled(pause).await.is_none() {
                return found;
            }
        }
    }

    /// What is to be done where the file is that of the fire before.
    async fn is_same(&self, start: &FireStart, path: &Path) -> Result<Option<Began>, DbError> {
        let (end, why) = match start.known.config.if_same {
            IfSame::Run => return Ok(None),
            IfSame::Skip => (FireState::Skipped, "its content is that of the fire before"),
            IfSame::Fail => (
                FireState::Failed,
                "its content is that of the fire before; was it not written anew?",
            ),
        };
        let Some(before) = self.service.ledger.file_before(&start.fire).await? else {
            return Ok(None);
        };
        let is_same = rows::sha256(path).await.is_ok_and(|sha256| sha256 == before);
        let ends = || ends_as(start, end, FireReason::StaleFile);
        Ok(is_same.then(|| Began::Ends(ends().because(format!("{}: {why}", path.display())))))
    }

    /// Cancels what this fire supersedes: plans that nobody has approved, and fires that have not begun.
    async fn make_way(&self, start: &FireStart, way: &[FireAhead]) -> Result<(), DbError> {
        let ledger = &self.service.ledger;
        for ahead in way {
            let by = format!("schedule {}, {}", start.fire.schedule, start.fire.nominal);
            match ahead.job {
                None => ledger.supersede_fire(ahead.seq, format!("superseded by {by}")).await?,
                Some((job, JobState::AwaitingApproval)) => {
                    if let Some(job) = ledger.job(job).await? {
                        let actor = Actor::new("tenantry", Via::Schedule);
                        // An approver who approved it in this moment was first.
                        let _ = ledger.reject_plan(&job, &actor, &format!("superseded by {by}")).await?;
                    }
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn submit(
        &self,
        start: &FireStart,
        source: RowSource,
        out: Option<String>,
    ) -> Result<Submitted, ServiceError> {
        let fire = &start.fire;
        let by = Actor::new(&start.known.schedule.defined_by, Via::Schedule);
        let request = SubmitRequest {
            kind: start.known.kind,
            parameters: start.known.config.parameters(),
            ignore_not_kept: start.known.config.ignore_not_kept(),
            passwords: PasswordWish::ConfiguredOrNone,
            source,
            idempotency_key: None,
            origin: Some(Origin {
                intake: OriginIntake::Fire,
                seq: fire.seq,
                fence: start.held.fence,
            }),
            not_before: None,
            reply_to: None,
            plan: None,
            approval: None,
            out_dir: out,
            is_for_workers: true,
        };
        self.service.submit(by, request, &|_| ()).await
    }

    fn became(&self, start: &FireStart, submitted: Result<Submitted, ServiceError>) -> Result<Began, RefusedFire> {
        let fire = &start.fire;
        let error = match submitted {
            Ok(Submitted::Queued(job)) => {
                tracing::info!(job.id = %job, "schedule {}: {} is job {job}", fire.schedule, fire.nominal);
                return Ok(Began::Submitted);
            }
            Ok(Submitted::AwaitingApproval(job)) => {
                let name = &fire.schedule;
                tracing::info!(job.id = %job, "schedule {name}: {} is job {job}, which somebody has to approve", fire.nominal);
                return Ok(Began::Submitted);
            }
            Ok(Submitted::Same(job)) => {
                tracing::info!(job.id = %job, "schedule {}: {} is job {job} already", fire.schedule, fire.nominal);
                return Ok(Began::Submitted);
            }
            Ok(Submitted::Refused(refusal)) => return Err(RefusedFire::of_rows(*refusal)),
            Err(ServiceError::Submit(SubmitError::OriginLost)) => return Ok(Began::Lost),
            Err(error) => error,
        };
        match RefusedFire::of_error(error) {
            Ok(refused) => Err(refused),
            // A full disk, a database or store that is away: nothing that the file could be changed for.
            Err(error) => Ok(self.not_now(start, error.to_string())),
        }
    }

    /// Takes away the results of older fires beyond those that are kept.
    pub(super) async fn tidy(&self, known: &KnownSchedule) -> Result<(), DbError> {
        let keep = u64::from(known.config.keep_out);
        if keep == 0 {
            return Ok(());
        }
        let name = &known.schedule.name;
        for (seq, out, job) in self.service.ledger.old_results(name, keep).await? {
            // What the ledger says is not believed to be where results are: nothing is removed elsewhere.
            if self.service.settings.runner.roots.check(Path::new(&out)).is_err() {
                continue;
            }
            let is_gone = match job {
                Some(job) => rows::remove_results(&out, job),
                None => refused::remove(Path::new(&out), name),
            };
            if is_gone {
                self.service.ledger.results_removed(seq).await?;
            }
        }
        Ok(())
    }
}

/// How a fire in hand ends.
fn ends_as(start: &FireStart, state: FireState, reason: FireReason) -> FireEnd {
    FireEnd::of(&start.fire.schedule, start.held, state, reason)
}

/// What people call what is ahead.
fn called(ahead: &FireAhead) -> String {
    match ahead.job {
        Some((job, state)) => format!("job {job} ({})", state.as_str()),
        None => "the fire before".to_owned(),
    }
}
