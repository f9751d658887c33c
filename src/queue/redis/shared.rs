//! A connection for short commands, shared by all callers that have some. A caller that finds it lost has it made anew; all callers that
//! wait meanwhile wait for the same attempt and have its answer.

use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisError, RedisFuture, Value};

use super::RedisParts;
use crate::lock::lock;
use crate::queue::QueueError;
use crate::tasks;

type Attempt = Shared<BoxFuture<'static, Result<MultiplexedConnection, QueueError>>>;

/// The attempt whose connection is in use.
#[derive(Default)]
pub(super) struct Current(Mutex<Option<Attempt>>);

impl Current {
    fn attempt(&self, parts: &Arc<RedisParts>) -> Attempt {
        let mut current = lock(&self.0);
        match &*current {
            Some(attempt) if !matches!(attempt.peek(), Some(Err(_))) => attempt.clone(),
            _ => {
                let parts = Arc::clone(parts);
                let attempt = async move {
                    let (connection, driver) = parts.connect(parts.options.timeout, None).await?;
                    tasks::spawn("the connection's commands", driver);
                    Ok(connection)
                };
                let attempt = attempt.boxed().shared();
                *current = Some(attempt.clone());
                attempt
            }
        }
    }

    fn is_lost(&self, lost: &Attempt) {
        let mut current = lock(&self.0);
        if current.as_ref().is_some_and(|attempt| attempt.ptr_eq(lost)) {
            *current = None;
        }
    }
}

/// The connection for short commands.
#[derive(Clone)]
pub(crate) struct SharedConnection {
    connection: MultiplexedConnection,
    attempt: Attempt,
    parts: Arc<RedisParts>,
}

impl SharedConnection {
    pub(super) async fn of(parts: &Arc<RedisParts>) -> Result<Self, QueueError> {
        let attempt = parts.current.attempt(parts);
        let connection = attempt.clone().await?;
        Ok(Self {
            connection,
            attempt,
            parts: Arc::clone(parts),
        })
    }

    /// Has a lost connection made anew for the next caller.
    fn heard<T>(&self, answer: Result<T, RedisError>) -> Result<T, RedisError> {
        if let Err(error) = &answer
            && error.is_unrecoverable_error()
        {
            self.parts.current.is_lost(&self.attempt);
        }
        answer
    }
}

impl ConnectionLike for SharedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        async move {
            let answer = self.connection.req_packed_command(command).await;
            self.heard(answer)
        }
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        async move {
            let answer = self.connection.req_packed_commands(pipeline, offset, count).await;
            self.heard(answer)
        }
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
