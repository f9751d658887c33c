//! Statements that are sent together with the next one, since nobody has to see their answers before it.
//!
//! A small job is a few dozen statements, most of which change something and answer nothing; waiting for each would take
//! most of the time of its transaction, during which others wait for its locks. A statement about many rows is sent at once, so
//! that the server is at work while the next one is made.

use std::pin::Pin;
use std::task::Poll;

use crate::db::DbError;
use futures::future::{MaybeDone, join_all, maybe_done};

type OwedAnswer = Pin<Box<dyn Future<Output = Result<(), DbError>> + Send>>;

/// Statements that go along with the next one at most. `join_all` begins so many in their order.
const MOST: usize = 24;

/// Statements in the order in which they are to be sent.
#[derive(Default)]
pub(super) struct Unanswered {
    statements: Vec<MaybeDone<OwedAnswer>>,
    /// So many of them are sent.
    sent: usize,
}

impl Unanswered {
    pub(super) fn push(&mut self, statement: impl Future<Output = Result<(), DbError>> + Send + 'static) {
        self.statements.push(maybe_done(Box::pin(statement)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    pub(super) fn is_one(&self) -> bool {
        self.statements.len() == 1
    }

    /// Whether it is time to send them. There is room for one more and its settings then.
    pub(super) fn is_full(&self) -> bool {
        self.statements.len() >= MOST
    }

    /// Sends those that are not sent yet, without waiting for an answer.
    pub(super) async fn begin(&mut self) {
        for statement in &mut self.statements[self.sent..] {
            poll_once(statement).await;
        }
        self.sent = self.statements.len();
    }

    /// All of them; those that are not sent yet are sent when they are waited for, and not at all otherwise.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Sends all of them and waits for the answers. The error is the first one.
    pub(super) async fn all(mut self) -> Result<(), DbError> {
        join_all(self.statements.iter_mut()).await;
        let answers = self.statements.iter_mut();
        let answers = answers.filter_map(|statement| Pin::new(statement).take_output());
        answers.collect()
    }
}

/// Sends a statement and does not wait for its answer.
pub(super) async fn poll_once<T>(statement: impl Future<Output = T>) {
    let mut statement = std::pin::pin!(statement);
    std::future::poll_fn(|context| {
        let _ = statement.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}
