//! A worker: the runner over every job and, beside it, the inbox, the drop folders, the schedules, the care for the store's tokens,
//! answers to who asks how it is and, if it is to drain, the look whether anything is left.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::intake::folder::Folders;
use crate::intake::inbox::InboxSettings;
use crate::intake::schedule::{self, Rounds};
use crate::intake::{LedgerDoor, inbox};
use crate::ledger::Scope;
use crate::ledger::schedules::ScheduleSync;
use crate::listen::{self, Asked, Listener};
use crate::queue::Queue;
use crate::runner::Runner;
use crate::service::Service;
use crate::store::remote::RemoteStore;
use crate::tasks;

/// How often a draining worker that has nothing in hand looks whether anything is left: somebody waits for the end, but what
/// other workers have in hand may take its time.
const LOOKS: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(80));
/// How often a worker sees to the store's tokens, whether or not there are jobs. They live for weeks, and a token file that was
/// replaced by hand is noticed within the hour.
const TICK_EVERY: Duration = Duration::from_secs(3600);

/// How a worker works.
pub(crate) struct WorkerOptions {
    /// Chunks worked on at once, if not as many as the settings say.
    pub(crate) concurrency: Option<usize>,
    /// Whether it takes in jobs of other programs. Only a queue in Redis has an inbox.
    pub(crate) inbox: bool,
    /// The drop folders that it serves.
    pub(crate) folders: Folders,
    /// The schedules of the configuration; `None` where schedules are not served.
    pub(crate) schedules: Option<ScheduleSync>,
    /// Whether it stops when no job is left to work on.
    pub(crate) drain: bool,
    /// Where it says how it is.
    pub(crate) listener: Option<Listener>,
}

/// Works until `stop` is cancelled, or until nothing is left if it is to drain. Of how many jobs the results could not be
/// written, as far as a draining worker has tried.
///
/// # Errors
/// The runner cannot serve the queue, or a task of the worker's broke.
pub(crate) async fn serve(service: &Service, options: WorkerOptions, stop: CancellationToken) -> anyhow::Result<usize> {
    let runner = service.runner(Scope::All, options.concurrency);
    let beside = TaskTracker::new();
    if let (Queue::Redis(redis), true) = (&service.queue, options.inbox) {
        let door = LedgerDoor::new(service).to(Arc::new(runner.clone()));
        let settings = InboxSettings {
            lease: runner.lease(),
            document_bytes: service.settings.document_bytes,
        };
        beside.spawn(inbox::serve(redis.clone(), door, settings, stop.clone()));
    }
    let hand = Arc::new(runner.clone());
    beside.spawn(options.folders.clone().serve(service.clone(), Some(hand), stop.clone()));
    if let Some(store) = service.stores.remote.clone() {
        beside.spawn(tick(store, stop.clone()));
    }
    let schedules = options.schedules.map(|sync| {
        let rounds = Rounds::new();
        beside.spawn(schedule::serve(service.clone(), sync, rounds.clone(), stop.clone()));
        rounds
    });
    let draining = options.drain.then(|| {
        let draining = Draining {
            service: service.clone(),
            runner: runner.clone(),
            inbox: options.inbox,
            folders: options.folders.clone(),
            schedules: schedules.clone(),
        };
        beside.spawn(draining.drain(stop.clone()))
    });
    beside.close();
    // Answered until the last chunk in hand has ended.
    let closed = CancellationToken::new();
    let listening = options.listener.map(|listener| {
        let inbox = match &service.queue {
            Queue::Redis(redis) if options.inbox => Some(redis.clone()),
            _ => None,
        };
        let asked = Asked {
            service: service.clone(),
            inbox,
            schedules,
            stop: stop.clone(),
        };
        tasks::spawn("the worker", listen::serve(listener, asked, closed.clone()))
    });
    let served = runner.serve(stop.clone()).await;
    stop.cancel();
    closed.cancel();
    if let Some(listening) = listening {
        listening.await?;
    }
    served?;
    beside.wait().await;
    tracing::info!("stopped");
    Ok(match draining {
        Some(draining) => draining.await?,
        None => 0,
    })
}

/// Sees to tokens that end by themselves.
async fn tick(store: Arc<dyn RemoteStore>, stop: CancellationToken) {
    loop {
        store.tick().await;
        if stop.run_until_cancelled(tokio::time::sleep(TICK_EVERY)).await.is_none() {
            return;
        }
    }
}

/// What a worker that is to drain looks at.
struct Draining {
    service: Service,
    runner: Runner,
    inbox: bool,
    folders: Folders,
    /// Set where schedules are served.
    schedules: Option<Rounds>,
}

impl Draining {
    /// Stops the worker when no job is open, nothing waits at the inbox or lies ready in a folder, and results were tried to be
    /// written; of how many jobs they could not be.
    async fn drain(self, stop: CancellationToken) -> usize {
        let (mut unwritten, mut looks) = (0, 0);
        while stop
            .run_until_cancelled(tokio::time::sleep(LOOKS.after(looks)))
            .await
            .is_some()
        {
            if self.runner.is_busy() {
                looks = 0;
                continue;
            }
            looks += 1;
            if !self.has_work().await
                && let Ok(failed) = self.runner.deliver().await
            {
                unwritten = failed;
                stop.cancel();
            }
        }
        unwritten
    }

    /// Whether anything is left. Ways in are asked before jobs, for what leaves them becomes one.
    async fn has_work(&self) -> bool {
        let Self { service, folders, .. } = self;
        let waits = match &service.queue {
            Queue::Redis(redis) if self.inbox => inbox::waiting(redis).await.unwrap_or(true),
            _ => false,
        };
        waits
            || !folders.are_quiet(service).await
            || self.schedules.as_ref().is_some_and(|schedules| !schedules.are_quiet())
            || service.ledger.has_open_jobs().await.unwrap_or(true)
            || (matches!(service.queue, Queue::Redis(_)) && service.ledger.has_untold().await.unwrap_or(true))
    }
}
