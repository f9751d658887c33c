//! The service that every surface calls, whether a command line, an inbox, a folder, a schedule or an HTTP API: a surface reads what
//! it was given, calls, and shows what it got.
//!
//! - `planning`: a file planned, for as many views of the plan as there are
//! - `submission`: a submission completed with what the configuration says, and its refusal as data
//! - `recipients`: whom passwords are sealed to
//! - `jobs`: what people decide about jobs, and looking them up
//! - `running`: a job worked on here, or waited for, and its results written
//! - `listing`: what the store holds
//! - `health`: whether all is there that the configuration speaks of

pub(crate) mod health;
mod jobs;
mod listing;
mod planning;
mod recipients;
mod running;
mod submission;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use jobs::ServiceError;
pub(crate) use listing::ListError;
pub(crate) use planning::{PlanEnd, PlanRequest, plan};
pub(crate) use recipients::{NoRecipient, PasswordWish};
pub(crate) use running::{Progress, RunError, RunOptions};
pub(crate) use submission::{SubmitRequest, ignores_not_kept};

use crate::db::{DbError, patiently};
use crate::delivery::Roots;
use crate::ledger::{Ledger, Scope};
use crate::metrics::Metrics;
use crate::policy::LedgerPolicy;
use crate::queue::Queue;
use crate::receipt::Form;
use crate::runner::Runner;
use crate::store::Stores;
use crate::submit::Rules;

/// The parts a service is made of. Clones share them.
#[derive(Clone)]
pub struct Service {
    /// The ledger, open.
    pub ledger: Ledger,
    /// The stores besides the ledger's database.
    pub stores: Stores,
    /// The queue; Redis is not asked before it is needed.
    pub queue: Queue,
    /// What it is held to.
    pub settings: Arc<ServiceSettings>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// What a service is held to.
pub struct ServiceSettings {
    /// What submissions are held to by the configuration.
    pub rules: Rules,
    /// What a worker is like.
    pub runner: crate::runner::RunnerSettings,
    /// Where files of schedules are read and put away.
    pub schedule_roots: Roots,
    /// Directory in which each job's results have one of their own.
    pub results: PathBuf,
    /// The form of results.
    pub form: Form,
    /// How long an unavailable ledger is waited for.
    pub patience: Duration,
    /// Public keys that passwords are sealed to.
    pub recipients: Vec<String>,
    /// Whether columns that a store does not keep are left out unless a submission says otherwise.
    pub ignore_not_kept: bool,
    /// Whether new users are handed out passwords unless a submission says otherwise.
    pub hands_out_passwords: bool,
    /// Where jobs take effect, without anything secret.
    pub store: Arc<str>,
    /// Bytes of the largest document of the inbox.
    pub document_bytes: usize,
}

impl Service {
    /// What the ledger's policy comes to, as it was last learned of.
    pub(crate) fn policy(&self) -> LedgerPolicy {
        LedgerPolicy::of(&self.ledger.policy())
    }

    /// What submissions are held to: the stricter of policy and configuration.
    pub fn rules(&self) -> Rules {
        Rules {
            limits: self.policy().limits(self.settings.rules.limits),
            ..self.settings.rules
        }
    }

    /// A runner over the queue, or over one of its own when it is to work on a single job.
    pub fn runner(&self, scope: Scope, concurrency: Option<usize>) -> Runner {
        let queue = match scope {
            Scope::All => self.queue.clone(),
            Scope::Job(_) => Queue::embedded(),
        };
        let mut settings = self.settings.runner.clone();
        settings.concurrency = concurrency.unwrap_or(settings.concurrency);
        Runner::new(self.ledger.clone(), self.stores.clone(), queue, settings, scope)
            .counting(self.metrics.clone(), self.settings.store.clone())
    }

    /// Repeats a question to the ledger while it is unavailable, for as long as there is patience.
    pub async fn patiently<T, F>(&self, ask: impl FnMut() -> F) -> Result<T, DbError>
    where
        F: Future<Output = Result<T, DbError>>,
    {
        patiently(self.settings.patience, ask).await
    }

    /// Closes the databases, so that each SQLite file holds all there is. Clones are of no more use then.
    pub async fn close(&self) {
        self.ledger.close().await;
        self.stores.close().await;
    }
}
