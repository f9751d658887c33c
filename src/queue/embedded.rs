//! The queue within one process. Other processes' work is found by the runner, which watches the ledger.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::backend::Slots;
use super::{Ticket, Wakes};
use crate::lock::lock;

/// Tickets kept at most; one that finds no room says nothing the others do not.
const CAPACITY: usize = 4096;

/// Tickets in memory.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedQueue(Arc<Tickets>);

#[derive(Debug, Default)]
struct Tickets {
    waiting: Mutex<VecDeque<Ticket>>,
    notified: Notify,
    wakes: Wakes,
}

impl EmbeddedQueue {
    pub(super) fn wakes(&self) -> &Wakes {
        &self.0.wakes
    }

    pub(super) fn push(&self, ticket: Ticket, count: usize) {
        let mut tickets = lock(&self.0.waiting);
        for _ in 0..count.min(CAPACITY - tickets.len().min(CAPACITY)) {
            tickets.push_back(ticket);
        }
        self.0.notified.notify_one();
    }

    /// Hands tickets over until the worker is gone.
    pub(super) async fn consume(self, places: Slots) {
        while let Some(place) = places.free().await {
            place.take(self.pop().await);
        }
    }

    pub(super) async fn pop(&self) -> Ticket {
        loop {
            let notified = self.0.notified.notified();
            let ticket = lock(&self.0.waiting).pop_front();
            if let Some(ticket) = ticket {
                return ticket;
            }
            notified.await;
        }
    }
}
