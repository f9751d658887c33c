//! `tenantry worker`: work on queued jobs until stopped.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{End, output};
use crate::app::App;
use crate::intake;
use crate::queue::Queue;
use crate::runner::Runner;
use crate::store::remote::RemoteStore;

/// How often a draining worker looks whether anything is left: one short question, and somebody waits for the end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often a worker sees to the store's tokens, whether or not there are jobs. They live for weeks, and a token file that was
/// replaced by hand is noticed within the hour.
const MIND_EVERY: Duration = Duration::from_secs(3600);

#[derive(Debug, Args)]
pub(super) struct Worker {
    /// Stop when no job is left to work on
    #[arg(long)]
    drain: bool,
    /// Chunks worked on at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,
}

pub(super) async fn worker(args: &Worker, app: &App) -> anyhow::Result<End> {
    let stop = super::stop_signal()?;
    let runner = app.service.runner(super::EVERYTHING, args.concurrency.map(usize::from));
    let intakes = TaskTracker::new();
    if let (Queue::Redis(redis), true) = (&app.service.queue, app.config.inbox.enabled) {
        intakes.spawn(intake::inbox::serve(
            redis.clone(),
            intake::LedgerDoor::new(&app.service),
            stop.clone(),
        ));
    }
    if let Some(store) = app.service.stores.remote.clone() {
        intakes.spawn(mind(store, stop.clone()));
    }
    intakes.close();
    let draining = args
        .drain
        .then(|| intakes.spawn(drain(app.clone(), runner.clone(), stop.clone())));
    tracing::info!(
        "working on the jobs of {} with {} at a time, queue {}",
        app.config.ledger.url,
        output::counted(
            args.concurrency.map_or(app.config.worker.concurrency, usize::from) as u64,
            "chunk"
        ),
        app.config.queue.url
    );
    runner.serve(stop.clone()).await?;
    stop.cancel();
    intakes.wait().await;
    tracing::info!("stopped");
    let unwritten = match draining {
        Some(draining) => draining.await?,
        None => 0,
    };
    Ok(if unwritten == 0 { End::Fine } else { End::Unfinished })
}

/// Sees to tokens that end by themselves.
async fn mind(store: Arc<dyn RemoteStore>, stop: CancellationToken) {
    loop {
        store.tick().await;
        if stop.run_until_cancelled(tokio::time::sleep(MIND_EVERY)).await.is_none() {
            return;
        }
    }
}

/// Stops the worker when no job is open, nothing waits at the inbox and results were tried to be written; of how many jobs
/// they could not be.
async fn drain(app: App, runner: Runner, stop: CancellationToken) -> usize {
    let mut unwritten = 0;
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        let waiting = match &app.service.queue {
            Queue::Redis(redis) if app.config.inbox.enabled => intake::inbox::waiting(redis).await.unwrap_or(true),
            _ => false,
        };
        let open = app.service.ledger.has_open_jobs().await.unwrap_or(true);
        let untold =
            matches!(app.service.queue, Queue::Redis(_)) && app.service.ledger.has_untold().await.unwrap_or(true);
        if !waiting
            && !open
            && !untold
            && let Ok(failed) = runner.deliver().await
        {
            unwritten = failed;
            stop.cancel();
        }
    }
    unwritten
}
