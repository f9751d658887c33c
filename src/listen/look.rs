//! What is looked up for those who ask: the ledger is asked by one at a time, and what it said is good for a while. One that has much
//! to count is not waited for: what it said last is told meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::db::SCHEMA_VERSION;
use crate::intake::inbox;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::queue::RedisQueue;
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
    pub(crate) ledger: Ledger,
    /// The queue whose inbox is read here.
    pub(crate) inbox: Option<RedisQueue>,
    pub(crate) metrics: Arc<Metrics>,
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
}

impl Readiness {
    /// All that is said of it; logs say the rest.
    pub(super) fn word(self) -> &'static str {
        match self {
            Readiness::Ready => "ready\n",
            Readiness::Stopping => "stopping\n",
            Readiness::Ledger => "ledger\n",
            Readiness::Schema => "schema\n",
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
    setting: Option<AbortOnDropHandle<Duration>>,
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
        let version = timeout(READY_WITHIN, self.asked.ledger.db().version_apart()).await;
        let readiness = match version {
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
            let setting = tasks::spawn("who asks for metrics", set_gauges(self.asked.clone()));
            gauges.setting = Some(AbortOnDropHandle::new(setting));
        }
        if let Some(setting) = &mut gauges.setting
            && let Ok(set) = timeout(GAUGES_WITHIN, setting).await
        {
            let rest = set.unwrap_or_default() * REST;
            gauges.setting = None;
            gauges.good_until = Some(Instant::now() + rest.max(GAUGES_FOR));
        }
        self.asked.metrics.to_text()
    }
}

async fn set_gauges(asked: Asked) -> Duration {
    let (ledger, metrics, began) = (&asked.ledger, &asked.metrics, Instant::now());
    match ledger.backlog().await {
        Ok(backlog) => metrics.ledger_is(&backlog, ledger.clock().now_millis()),
        Err(error) => {
            tracing::debug!(%error, "the ledger cannot be asked for metrics");
            metrics.ledger_error(&error);
            metrics.ledger_is_away();
        }
    }
    if let Some(queue) = &asked.inbox {
        metrics.inbox_lag(inbox::length(queue).await.ok());
    }
    began.elapsed()
}
