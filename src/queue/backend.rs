//! The apalis backend both queues share: tickets out of a channel. It never fails and never ends by itself,
//! so no hiccup of a queue ends a worker.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::{RandomId, TaskId};
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::layer::util::Identity;

use super::{Queue, Ticket};
use crate::tasks;

/// A ticket, and the place among the worker's handlers that was free before it was taken out of the queue.
pub(super) struct Taken {
    pub(super) ticket: Ticket,
    pub(super) place: OwnedSemaphorePermit,
}

/// Where a queue puts what it hands to one worker. A place is waited for first: what is taken out of a shared queue
/// and not begun would be kept from other workers.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    taken: Sender<Taken>,
}

impl Slots {
    /// Waits for a free place; none once the worker is gone.
    pub(super) async fn free(&self) -> Option<Slot<'_>> {
        let place = tokio::select! {
            place = Arc::clone(&self.free).acquire_owned() => place.ok()?,
            () = self.taken.closed() => return None,
        };
        Some(Slot {
            place,
            taken: &self.taken,
        })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.taken.is_closed()
    }
}

/// A free place.
pub(super) struct Slot<'a> {
    place: OwnedSemaphorePermit,
    taken: &'a Sender<Taken>,
}

impl Slot<'_> {
    pub(super) fn take(self, ticket: Ticket) {
        // There are as many slots as places, so only a worker that is gone refuses; its ticket is notified again.
        let _ = self.taken.try_send(Taken {
            ticket,
            place: self.place,
        });
    }
}

/// Tickets of a queue, for one worker.
pub(super) struct Tickets {
    taken: Receiver<Taken>,
    /// Takes tickets out of the queue for as long as this worker lives.
    _feeder: AbortOnDropHandle<()>,
}

impl Tickets {
    /// At most `concurrency` at a time, and none once `stop` is cancelled.
    pub(super) fn of(queue: &Queue, concurrency: usize, stop: CancellationToken) -> Self {
        let (sender, taken) = channel(concurrency);
        let places = Slots {
            free: Arc::new(Semaphore::new(concurrency)),
            taken: sender,
        };
        let feed = {
            let queue = queue.clone();
            let consume = async move {
                match queue {
                    Queue::Embedded(queue) => queue.consume(places).await,
                    Queue::Redis(queue) => queue.consume(places).await,
                }
            };
            async move { stop.run_until_cancelled(consume).await.unwrap_or_default() }
        };
        let feeder = tasks::spawn("the worker it feeds", feed);
        Self {
            taken,
            _feeder: AbortOnDropHandle::new(feeder),
        }
    }
}

impl Backend for Tickets {
    type Task = Task<Taken>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.taken.poll_recv(cx).map(|taken| {
            taken.map(|taken| {
                Ok(TaskBuilder::new(taken)
                    .task_id(TaskId::from_string(RandomId::default()))
                    .build())
            })
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Tickets {
    type Args = Taken;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
