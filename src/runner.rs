//! The runner: claims chunks, has the store apply them, records what happened, and sweeps.
//!
//! A ticket from the queue is a notification and nothing more. The worker that gets it claims the next chunks of the ledger,
//! a large one or many small ones at a time, until none is left. The sweep notifies workers of chunks whose notification they
//! lack (a lost ticket, a lease that ran out, a retry that is due). So losing the whole queue costs one sweep interval.
//!
//! - `at_once`: jobs that are carried out as they come in.
//! - `chunk`: what was claimed together, from spool to closed.
//! - `deliver`: results whose writer died.
//! - `ended`: what is said and counted of chunks and jobs that have ended.
//! - `export`: rows that make files.
//! - `failure`: a chunk that failed.
//! - `gate`: whether a job that had to be approved is as it was.
//! - `held`: the leases in hand and their heartbeat.
//! - `outage`: when the ledger was away.
//! - `remote`: rows carried out by a store that is no database.
//! - `replies`: submitters told how their jobs ended.
//! - `retry`: when a chunk that failed is tried again; pure.
//! - `sign`: signs of life.
//! - `sync`: rows that copy from another store.
//! - `sweep`: everything that happens because time passes.
//! - `turns`: chunks that change the same customers.

mod at_once;
mod chunk;
mod deliver;
mod ended;
mod export;
mod failure;
pub(crate) mod gate;
mod held;
mod outage;
mod remote;
mod replies;
pub(crate) mod retry;
mod sign;
mod sweep;
mod sync;
mod turns;

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::anchor::Anchors;
use crate::backoff::Backoff;
use crate::db::DbError;
use crate::delivery::Roots;
use crate::ledger::{Claim, Claimant, ErrorLimit, Ledger, Scope, Together};
use crate::machine::host_name;
use crate::metrics::Metrics;
use crate::passwords::PasswordPolicy;
use crate::queue::{Queue, QueueError, Ticket};
use crate::receipt::Form;
use crate::store::Stores;
use gate::GateSettings;
use held::HeldChunks;
use outage::LedgerOutage;
use replies::ToBeTold;
use retry::RetryPolicy;
use tenantry_jobs::Undo;
use tracing::Instrument;
use turns::Turns;

/// Chunks beyond the usual number, each of a job of its own, where a store takes its time.
const SPARE: usize = 8;

/// Rows of small chunks that are carried out in one transaction: as many as one chunk usually has.
const TOGETHER_ROWS: u64 = 5_000;

/// How a runner works.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// Chunks in hand at once.
    pub concurrency: usize,
    /// Small chunks carried out in one transaction at most; 1 for each by itself.
    pub together: usize,
    /// How long a chunk stays ours without a heartbeat.
    pub lease: Duration,
    /// How often leases are renewed.
    pub heartbeat: Duration,
    /// How often the ledger is asked for work nobody was told of.
    pub sweep_interval: Duration,
    /// How long chunks in hand are waited for when the worker is to stop.
    pub leave_within: Duration,
    /// How long the rows of ended jobs are kept.
    pub spool_keep: Duration,
    /// How long ended jobs are kept; `None` for ever.
    pub keep_jobs: Option<Duration>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// When rows that wait for a partner or a service are looked at again.
    pub look: Backoff,
    /// What passwords that are handed out are like.
    pub passwords: PasswordPolicy,
    /// When a job of whose rows too many go wrong is paused.
    pub errors: Option<ErrorLimit>,
    /// How results are written that are left to a worker.
    pub form: Form,
    /// Where results are written that are left to a worker.
    pub roots: Roots,
    /// What has to be approved.
    pub gates: GateSettings,
    /// Where the audit record is anchored.
    pub anchors: Option<Arc<Anchors>>,
}

impl RunnerSettings {
    fn look_again(&self, claim: &Claim) -> Duration {
        self.look.after(claim.attempt.max(1) as u64)
    }
}

/// A worker's runner; clones are the same worker.
#[derive(Clone)]
pub struct Runner {
    ledger: Ledger,
    stores: Stores,
    queue: Queue,
    settings: RunnerSettings,
    scope: Scope,
    /// Names this worker in leases; new at every start, so that a restarted worker is another one.
    owner: Arc<str>,
    held: Arc<HeldChunks>,
    turns: Arc<Turns>,
    outage: Arc<LedgerOutage>,
    /// Held while results are written that others have left.
    delivering: Arc<Mutex<()>>,
    told: Arc<ToBeTold>,
    /// Why this worker cannot go on.
    broken: Arc<OnceLock<DbError>>,
    metrics: Arc<Metrics>,
    /// Where jobs take effect, as people are told.
    store: Arc<str>,
}

/// Why a worker ended by itself.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The ledger is not the one that was opened.
    #[error(transparent)]
    Ledger(#[from] DbError),
}

impl Runner {
    /// A runner for the jobs in `scope`.
    pub fn new(ledger: Ledger, stores: Stores, queue: Queue, settings: RunnerSettings, scope: Scope) -> Self {
        let owner = format!(
            "{}/{}/{}",
            host_name(),
            std::process::id(),
            ledger.clock().fresh_id().simple()
        );
        Self {
            metrics: Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), ledger.clock().now_millis())),
            store: "".into(),
            ledger,
            stores,
            queue,
            settings,
            scope,
            owner: owner.into(),
            held: Arc::default(),
            turns: Arc::default(),
            outage: Arc::default(),
            delivering: Arc::default(),
            told: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// The same, which counts there, and says that its jobs take effect in `store`.
    #[must_use]
    pub(crate) fn counting(self, metrics: Arc<Metrics>, store: Arc<str>) -> Self {
        Self { metrics, store, ..self }
    }

    /// Works until `stop` is cancelled; then finishes what is in hand and returns: rows of a chunk that is carried out row
    /// by row, and else chunks. What has not ended in time, because the ledger does not answer, is left to others.
    pub async fn serve(&self, stop: CancellationToken) -> Result<(), ServeError> {
        // Heartbeats go on while the last chunks are finished.
        let finished = CancellationToken::new();
        let background = TaskTracker::new();
        background.spawn(self.clone().heartbeat(finished.clone()));
        self.sweep(&background, &stop);
        background.spawn(self.clone().watch(stop.clone()));
        if self.scope == Scope::All {
            background.spawn(self.clone().deliveries(stop.clone()));
        }
        background.close();
        let runner = self.clone();
        let stopping = stop.clone();
        let serving = crate::queue::serve(
            &self.queue,
            &self.owner,
            self.settings.concurrency + self.spare(),
            stop.clone(),
            move |ticket| {
                let (runner, stopping) = (runner.clone(), stopping.clone());
                async move { runner.answer(ticket, &stopping).await }
            },
        );
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(self.settings.leave_within).await;
        };
        let served = tokio::select! {
            served = serving => served,
            () = too_late => {
                tracing::warn!("chunks in hand have not ended in {:?}; they go on elsewhere", self.settings.leave_within);
                Ok(())
            }
        };
        stop.cancel();
        finished.cancel();
        background.wait().await;
        if let Some(anchors) = self.settings.anchors.as_ref().filter(|_| self.broken.get().is_none()) {
            anchors.end(&self.ledger).await;
        }
        self.sign_off().await;
        match self.broken.get() {
            Some(error) => Err(error.clone().into()),
            None => Ok(served?),
        }
    }

    /// Whether it has anything in hand.
    pub(crate) fn is_busy(&self) -> bool {
        !self.held.holds_nothing()
    }

    /// How long what is in hand stays this worker's without a sign of it.
    pub(crate) fn lease(&self) -> Duration {
        self.settings.lease
    }

    /// Chunks of further jobs that may be in hand.
    fn spare(&self) -> usize {
        if self.stores.remote.is_some() { SPARE } else { 0 }
    }

    /// Claims and works off chunks until nothing is left or the worker is to stop.
    async fn answer(&self, _ticket: Ticket, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            crate::failpoint::hit("before-claim");
            let Some(room) = self.held.room(self.settings.concurrency, self.spare()).await else {
                return;
            };
            let claimant = Claimant {
                owner: self.owner.to_string(),
                apart: apart(),
                scope: self.scope,
                besides: room.besides.clone(),
                busy: room.busy,
                lease_millis: self.settings.lease.as_millis() as i64,
                deaths: (!self.outage.was_within(self.settings.lease * 2)).then_some(self.settings.retry.deaths),
            };
            let together = room.besides.is_empty().then(|| self.together());
            let doubts = self.turns.doubts();
            match self.ledger.claim_together(claimant, together).await {
                Ok(claims) => {
                    if claims.is_empty() {
                        return;
                    }
                    crate::failpoint::hit("after-claim");
                    let hold = self.held.hold(&claims);
                    // In the order of claims, as they are made one after the other.
                    let _turn = self.turns.hold(&claims, doubts);
                    drop(room);
                    let span = ended::span_of(&claims);
                    self.work(claims, hold, stop).instrument(span).await;
                }
                Err(error) => {
                    drop(room);
                    self.ledger_is_out(&error, stop).await;
                    return;
                }
            }
        }
    }

    /// What may be claimed together.
    fn together(&self) -> Together {
        static KINDS: LazyLock<Arc<[&'static str]>> = LazyLock::new(|| {
            // Those that are destructive for good have the customers as they are, and what comes after them too.
            let changes = tenantry_jobs::KINDS.iter().filter(|kind| match kind.policy().undo {
                Undo::Nothing => false,
                Undo::Never(_) => !kind.policy().destructive,
                Undo::Within30Days | Undo::WhileUntouched | Undo::WhileUnanswered => true,
            });
            changes.map(|kind| kind.kind()).chain(["undo"]).collect()
        });
        Together {
            kinds: KINDS.clone(),
            chunks: self.settings.together,
            rows: TOGETHER_ROWS,
        }
    }

    /// Nothing can be claimed without the ledger; the sweep notifies when it is back.
    async fn ledger_is_out(&self, error: &DbError, stop: &CancellationToken) {
        self.look_at(error, stop);
        tracing::warn!(%error, "no chunk can be claimed now; trying again");
        tokio::select! {
            () = tokio::time::sleep(self.settings.sweep_interval) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Kinds of jobs that make files or copies: they come after what was claimed before, and nothing comes after them.
fn apart() -> Arc<[&'static str]> {
    static KINDS: LazyLock<Arc<[&'static str]>> = LazyLock::new(|| {
        let kinds = tenantry_jobs::KINDS.iter();
        let apart = kinds.filter(|kind| kind.policy().undo == Undo::Nothing);
        apart.map(|kind| kind.kind()).collect()
    });
    KINDS.clone()
}

impl Runner {
    /// Remembers that the ledger is away. If it will not come back as it was, the worker stops.
    fn look_at(&self, error: &DbError, stop: &CancellationToken) {
        self.metrics.ledger_error(error);
        match error {
            DbError::Unavailable(_) => self.outage.note(),
            DbError::Replaced(_) => {
                let _ = self.broken.set(error.clone());
                stop.cancel();
            }
            _ => {}
        }
    }
}
