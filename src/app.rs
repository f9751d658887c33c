//! Puts the parts together as the configuration says.

use std::future::Future;

use anyhow::Context;
use tenantry_jobs::{Job, Passwords};

use crate::clock::Clock;
use crate::config::{Config, StoreConfig};
use crate::db::{DbError, patiently};
use crate::ledger::{ErrorLimit, Ledger, Scope};
use crate::passwords::Policy;
use crate::plan::Limits;
use crate::queue::Queue;
use crate::runner::retry::RetryPolicy;
use crate::runner::{LookPolicy, Runner, Settings};
use crate::store::partner_center::PartnerCenter;
use crate::store::{Sources, Stores};
use crate::submit::Rules;

/// Everything a command needs.
#[derive(Clone)]
pub struct App {
    /// The configuration in force.
    pub config: Config,
    /// The ledger, open.
    pub ledger: Ledger,
    /// The queue; Redis is not asked before it is needed.
    pub queue: Queue,
    /// The stores besides the ledger's database.
    pub stores: Stores,
    /// What passwords that are handed out are like.
    passwords: Policy,
    /// Whom they are sealed to, as configured when this program started.
    recipients: Vec<String>,
}

impl App {
    /// Opens the ledger, waiting up to `ledger.patience` for it.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let queue = Queue::connect(&config.queue.url, &config.queue.prefix)?;
        let passwords = config.passwords.policy()?;
        let recipients = match config.passwords.sealer()? {
            Some(sealer) => sealer.recipients().iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        let ledger = patiently(config.ledger.patience, || {
            Ledger::open_with(config.ledger.url.reveal(), config.ledger.options(), Clock::system())
        })
        .await
        .with_context(|| format!("the ledger `{}` cannot be opened", config.ledger.url))?;
        let stores = stores(&config)?;
        if let (Some(store), Queue::Redis(redis)) = (&stores.partner_center, &queue) {
            store.share_limits(redis.clone());
        }
        Ok(Self {
            config,
            ledger,
            queue,
            stores,
            passwords,
            recipients,
        })
    }

    /// Closes the databases, so that each SQLite file holds all there is. Clones are of no more use then.
    pub async fn close(&self) {
        self.ledger.close().await;
        self.stores.close().await;
    }

    /// Whom the passwords of a kind's accounts are sealed to; nobody if it hands out none, or none are to be.
    pub fn seal_to(&self, kind: &dyn Job) -> &[String] {
        if kind.policy().passwords != Passwords::No && self.config.passwords.hand_out {
            &self.recipients
        } else {
            &[]
        }
    }

    /// What needs approval, and what pauses a job.
    pub fn limits(&self) -> Limits {
        limits(&self.config)
    }

    /// What submissions are held to.
    pub fn rules(&self) -> Rules {
        Rules {
            chunk_rows: self.config.worker.chunk_rows,
            limits: self.limits(),
        }
    }

    /// A runner over the configured queue, or over one of its own when it is to work on a single job.
    pub fn runner(&self, scope: Scope, concurrency: Option<usize>) -> Runner {
        let queue = match scope {
            Scope::All => self.queue.clone(),
            Scope::Job(_) => Queue::embedded(),
        };
        let worker = &self.config.worker;
        let settings = Settings {
            concurrency: concurrency.unwrap_or(worker.concurrency),
            lease: worker.lease,
            heartbeat: worker.heartbeat,
            sweep_every: worker.sweep_every,
            leave_within: worker.leave_within,
            spool_keep: self.config.spool.keep,
            retry: RetryPolicy {
                attempts: self.config.retry.attempts,
                deaths: self.config.retry.deaths,
                first_delay: self.config.retry.first_delay,
                longest_delay: self.config.retry.longest_delay,
            },
            look: LookPolicy {
                first: self.config.transfers.first_look,
                longest: self.config.transfers.longest_look,
            },
            errors: Some(self.limits().errors),
            passwords: self.passwords.clone(),
            form: self.config.results.form(),
        };
        Runner::new(self.ledger.clone(), self.stores.clone(), queue, settings, scope)
    }

    /// Repeats a question to the ledger while it is unavailable, up to `ledger.patience`.
    pub async fn patiently<T, F>(&self, ask: impl FnMut() -> F) -> Result<T, DbError>
    where
        F: Future<Output = Result<T, DbError>>,
    {
        patiently(self.config.ledger.patience, ask).await
    }
}

/// The stores of the configuration besides the ledger's database.
pub fn stores(config: &Config) -> anyhow::Result<Stores> {
    let partner_center = match config.partner_center.settings()? {
        Some(settings) => {
            let store = PartnerCenter::new(settings, Clock::system());
            Some(store.map_err(|error| anyhow::anyhow!("Partner Center cannot be used: {error}"))?)
        }
        None => None,
    };
    let address = |(name, store): (&String, &StoreConfig)| (name.clone(), store.url.reveal().to_owned());
    Ok(Stores {
        partner_center: partner_center.clone().filter(|_| config.partner_center.enabled),
        sources: Sources::new(config.stores.iter().map(address)).and_partner_center(partner_center),
    })
}

/// What needs approval, and what pauses a job.
pub fn limits(config: &Config) -> Limits {
    let (approval, limits) = (&config.approval, &config.limits);
    Limits {
        approval: approval.required,
        approval_within: approval.within,
        user_share: f64::from(limits.user_percent) / 100.0,
        user_share_from: limits.user_percent_from,
        destructive_rows: limits.destructive_rows,
        rows: limits.rows,
        errors: ErrorLimit {
            rate: f64::from(limits.error_percent) / 100.0,
            from_rows: limits.error_percent_from,
        },
    }
}
