//! The apalis backend both queues share: tickets out of a channel. It never fails and never ends by itself,
//! so no hiccup of a queue ends a worker.

use std::convert::Infallible;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::{RandomId, TaskId};
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_util::task::AbortOnDropHandle;
use tower::layer::util::Identity;

use super::{Queue, Ticket};

/// Tickets of a queue, for one worker.
pub(super) struct Tickets {
    tickets: Receiver<Ticket>,
    /// Takes tickets out of the queue for as long as this worker lives.
    _feeder: AbortOnDropHandle<()>,
}

impl Tickets {
    pub(super) fn of(queue: &Queue) -> Self {
        // One at a time: what is taken out of a shared queue and not begun is kept from other workers.
        let (sender, tickets) = channel(1);
        let feed = {
            let queue = queue.clone();
            async move {
                match queue {
                    Queue::Embedded(queue) => queue.consume(sender).await,
                    Queue::Redis(queue) => queue.consume(sender).await,
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "it is aborted with the worker it feeds")]
        let feeder = tokio::spawn(feed);
        Self {
            tickets,
            _feeder: AbortOnDropHandle::new(feeder),
        }
    }
}

impl Backend for Tickets {
    type Task = Task<Ticket>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.tickets.poll_recv(cx).map(|ticket| {
            ticket.map(|ticket| {
                Ok(TaskBuilder::new(ticket)
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
    type Args = Ticket;
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
