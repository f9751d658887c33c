//! Tasks that run beside the one that starts them.
//!
//! Every task has an owner: what it ends with, or who waits for it. A task without one would outlive what it works for.

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Starts a task that `owner` ends or waits for. Dropping the handle does not end it. The owner is a field of the span the task
/// runs in.
///
/// # Panics
///
/// Outside of a runtime.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn spawn<F>(owner: &'static str, task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(task.instrument(tracing::trace_span!(parent: None, "task", owner)))
}
