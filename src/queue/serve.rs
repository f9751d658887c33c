//! The worker around a queue: apalis' worker and monitor over our backend.

use std::convert::Infallible;
use std::future::Future;

use apalis::prelude::{Event, Monitor, ParallelizeExt, WorkerBuilder, WorkerBuilderExt};
use tokio_util::sync::CancellationToken;

use super::backend::{Taken, Tickets};
use super::{Queue, QueueError, Ticket};
use crate::tasks;

/// Calls `handler` for each ticket, up to `concurrency` at a time, until `stop` is cancelled; then waits for the
/// handlers in hand. A handler that panics costs its ticket and nothing else.
pub async fn serve<F, Fut>(
    queue: &Queue,
    name: &str,
    concurrency: usize,
    stop: CancellationToken,
    handler: F,
) -> Result<(), QueueError>
where
    F: Fn(Ticket) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (queue, name, stopping) = (queue.clone(), name.to_owned(), stop.clone());
    let worker = move |_restarts: usize| {
        let handler = handler.clone();
        let handle = move |taken: Taken| {
            let handled = handler(taken.ticket);
            async move {
                handled.await;
                drop(taken.place);
                Ok::<(), Infallible>(())
            }
        };
        WorkerBuilder::new(name.as_str())
            .backend(Tickets::of(&queue, concurrency, stopping.clone()))
            .catch_panic()
            .parallelize(|task| tasks::spawn("the queue's worker", task))
            .build(handle)
    };
    let stopped = async move {
        stop.cancelled().await;
        Ok(())
    };
    Monitor::new()
        .register(worker)
        .should_restart(|worker, error| {
            tracing::error!(worker = worker.name(), %error, "the queue's worker ended and is started again");
            true
        })
        .on_event(|_, event| {
            if let Event::Error(error) = event {
                tracing::error!(%error, "a ticket's handler ended in a panic");
            }
        })
        .run_with_signal(stopped)
        .await
        .map_err(|error| QueueError::Ended(error.to_string()))
}
