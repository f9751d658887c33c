//! A shared board on which workers keep what they felt of limits: each key's rate, until when it is blocked, and who needs
//! how much of it.
//!
//! What is put up of a key is kept by these rules. The estimate of the higher version holds; where the turns are the same, the
//! higher rate with its ceiling, and the longer block. What a worker needs is forgotten once the worker has been silent
//! for two seconds, and all of it when nobody has asked for an hour.

use std::time::Duration;

use futures::future::BoxFuture;
use thiserror::Error;

/// A place that all workers of an account can reach.
pub trait LimitBoard: Send + Sync {
    /// Puts up what this worker thinks and needs of keys, and returns for each, in the same order, what holds then.
    /// Answers or fails within a few seconds, since the first calls about a customer wait for it.
    fn exchange<'a>(&'a self, reports: &'a [KeyReport]) -> BoxFuture<'a, Result<Vec<KeyState>, BoardError>>;

    /// Waits until it is worth trying again after an error. Workers go on without the board in the meantime.
    fn wait_out<'a>(&'a self, error: &'a BoardError) -> BoxFuture<'a, ()>;
}

/// Why there was no exchange.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub struct BoardError(pub String);

/// What is thought of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SharedEstimate {
    /// Calls per second of all workers, once a limit was met.
    pub rate: Option<f64>,
    /// Where the limit is thought to be, in calls per second; 0 as long as none was met.
    pub ceiling: f64,
    /// How often the estimate was changed by events.
    pub version: u64,
}

/// What a worker thinks and needs of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyReport {
    /// The key's name: 32 hexadecimal digits that do not tell whose it is.
    pub name: String,
    /// What this worker thinks of the limit.
    pub estimate: SharedEstimate,
    /// How long nobody may call from now on.
    pub blocked_for: Duration,
    /// Calls per second of this worker.
    pub calls: f64,
    /// Whether calls of this worker wait for the limit.
    pub is_backlogged: bool,
}

/// What holds of a key for all workers.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyState {
    /// What is thought of the limit.
    pub estimate: SharedEstimate,
    /// How long nobody may call from now on.
    pub blocked_for: Duration,
    /// What the workers but the one that asks do with it.
    pub others: Others,
}

/// What other workers do with a key.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Others {
    /// Calls per second of those who could do with no more.
    pub satisfied: f64,
    /// Calls per second of those who have calls that wait.
    pub backlogged: f64,
    /// How many of the latter there are.
    pub backlogged_workers: u32,
}
