//! What is looked up for those who ask: the ledger is asked by one at a time, and what it said is good for a while. One that has much
//! to count is not waited for: what it said last is told meanwhile.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::db::{DbError, SCHEMA_VERSION};
use crate::intake::inbox;
use crate::intake::schedule::{Rounds, ScheduleStatus, standing};
use crate::ledger::Ledger;
use crate::ledger::audit::{AuditStep, AuditWalk};
use crate::metrics::Metrics;
use crate::queue::RedisQueue;
use crate::service::Service;
use crate::tasks;

/// How long it is known whether the ledger can be reached, and how long it has to answer.
const READY_FOR: Duration = Duration::from_secs(2);
const READY_WITHIN: Duration = Duration::from_secs(1);
/// How long gauges of the ledger are good at least, and how long new ones are waited for.
const GAUGES_FOR: Duration = Duration::from_secs(5);
const GAUGES_WITHIN: Duration = Duration::from_secs(3);
/// A ledger with much to count is left alone this many times as long as that took.
const REST: u32 = 20;

/// Who is asked.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) service: Service,
    /// The queue whose inbox is read here.
    pub(crate) inbox: Option<RedisQueue>,
    /// How the rounds over schedules go, where they are served here.
    pub(crate) schedules: Option<Rounds>,
    /// Cancelled when the worker is to stop.
    pub(crate) stop: CancellationToken,
}

/// Whether jobs can be worked on here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// The worker finishes what it has in hand.
    Stopping,
    /// The ledger does not answer.
    Ledger,
    /// The ledger is of another version by now.
    Schema,
    /// Schedules are served here and cannot be looked at.
    Schedules,
}

impl Readiness {
    /// All that is said of it; logs say the rest.
    pub(super) fn word(self) -> &'static str {
        match self {
            Readiness::Ready => "ready\n",
            Readiness::Stopping => "stopping\n",
            Readiness::Ledger => "ledger\n",
            Readiness::Schema => "schema\n",
            Readiness::Schedules => "schedules\n",
        }
    }
}

pub(super) struct LedgerLook {
    asked: Asked,
    ready: Mutex<Option<(Instant, Readiness)>>,
    gauges: Mutex<Gauges>,
}

/// What is known of when gauges were set.
#[derive(Default)]
struct Gauges {
    /// Until when they are good.
    good_until: Option<Instant>,
    /// Sets them, and says how long that took.
    setting: Option<AbortOnDropHandle<GaugesSet>>,
    /// How far the audit record has been followed.
    audit: Option<AuditWalk>,
}

/// That gauges were set.
#[derive(Default)]
struct GaugesSet {
    took: Duration,
    audit: Option<AuditWalk>,
}

impl LedgerLook {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            ready: Mutex::default(),
            gauges: Mutex::default(),
        }
    }

    pub(super) async fn readiness(&self) -> Readiness {
        if self.asked.stop.is_cancelled() {
            return Readiness::Stopping;
        }
        let mut known = self.ready.lock().await;
        if let Some((at, readiness)) = *known
            && at.elapsed() < READY_FOR
        {
            return readiness;
        }
        let version = timeout(READY_WITHIN, self.asked.service.ledger.db().version_apart()).await;
        let schedules = self.asked.schedules.as_ref();
        let readiness = match version {
            Ok(Ok(SCHEMA_VERSION)) if schedules.is_some_and(Rounds::are_stuck) => Readiness::Schedules,
            Ok(Ok(SCHEMA_VERSION)) => Readiness::Ready,
            Ok(Ok(_)) => Readiness::Schema,
            Ok(Err(_)) | Err(_) => Readiness::Ledger,
        };
        *known = Some((Instant::now(), readiness));
        readiness
    }

    pub(super) async fn metrics(&self) -> String {
        let mut gauges = self.gauges.lock().await;
        if gauges.setting.is_none() && gauges.good_until.is_none_or(|until| until <= Instant::now()) {
            let audit = gauges.audit.take();
            let setting = tasks::spawn("metrics request", set_gauges(self.asked.clone(), audit));
            gauges.setting = Some(AbortOnDropHandle::new(setting));
        }
        if let Some(setting) = &mut gauges.setting
            && let Ok(set) = timeout(GAUGES_WITHIN, setting).await
        {
            let GaugesSet { took, audit } = set.unwrap_or_default();
            let rest = took * REST;
            gauges.setting = None;
            gauges.audit = audit;
            gauges.good_until = Some(Instant::now() + rest.max(GAUGES_FOR));
        }
        self.asked.service.metrics.to_text()
    }
}

async fn set_gauges(asked: Asked, audit: Option<AuditWalk>) -> GaugesSet {
    let (service, began) = (&asked.service, Instant::now());
    let (ledger, metrics) = (&service.ledger, &service.metrics);
    let mut audit = Some(audit.unwrap_or_else(|| AuditWalk::from_the_start(ledger, None)));
    if let Err(error) = look_at_ledger(ledger, metrics, &mut audit).await {
        tracing::debug!(%error, "the ledger cannot be asked for metrics");
        metrics.ledger_error(&error);
        metrics.ledger_is_away();
    }
    if let Ok(folders) = ledger.folder_gauges().await {
        metrics.folders_are(&folders);
    }
    if let Some(queue) = &asked.inbox {
        metrics.inbox_lag(inbox::length(queue).await.ok());
    }
    metrics.queue_notified(service.queue.wakes().counted());
    if let Some(store) = &service.stores.remote {
        metrics.remote_stands(store.standing().await);
    }
    GaugesSet {
        took: began.elapsed(),
        audit,
    }
}

async fn look_at_ledger(ledger: &Ledger, metrics: &Metrics, audit: &mut Option<AuditWalk>) -> Result<(), DbError> {
    let backlog = ledger.backlog().await?;
    metrics.ledger_is(&backlog, ledger.clock().now_millis());
    let schedules = standing(ledger).await?;
    let counted = ScheduleStatus::ALL.map(|status| {
        let count = schedules.iter().filter(|one| one.status == status).count();
        (status.as_str(), count as u64)
    });
    let successes = schedules
        .iter()
        .filter_map(|one| Some((one.schedule.name.as_str(), one.schedule.succeeded_at?)));
    metrics.schedules_stand(counted, successes);
    if let Some(walk) = audit.take() {
        match walk.on(ledger).await? {
            AuditStep::Goes(walk) => {
                // What was found in the round before stands until this one has ended.
                if walk.fault_count() > 0 {
                    metrics.audit_faults(walk.fault_count());
                }
                *audit = Some(walk);
            }
            AuditStep::Ends(report) => metrics.audit_faults(report.fault_count),
        }
    }
    Ok(())
}
