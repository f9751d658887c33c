//! Puts the parts together as the configuration says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::anchor::Anchors;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config::{AfterRun, Config, ScheduleConfig};
use crate::db::{DbError, patiently};
use crate::delivery::Roots;
use crate::ledger::{ErrorLimit, Ledger};
use crate::metrics::Metrics;
use crate::plan::Limits;
use crate::queue::Queue;
use crate::registry;
use crate::runner::gate::GateSettings;
use crate::runner::retry::RetryPolicy;
use crate::secret::SecretUrl;
use crate::service::{Service, ServiceSettings};
use crate::submit::Rules;

/// Small chunks that a worker carries out in one transaction. More would make each job wait longer for its outcome, and share
/// costs that are next to nothing by then.
const TOGETHER: usize = 500;

/// The configuration in force, and the service over what it names.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The service.
    pub service: Service,
}

/// What is done where there is no ledger.
#[derive(Debug, Clone, Copy)]
enum Absent {
    SetUp,
    Refuse,
}

impl App {
    /// Opens the ledger, or sets one up, waiting up to `ledger.connect_timeout` for it.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        Self::opened(config, Absent::SetUp).await
    }

    /// Opens a ledger that is there, waiting up to `ledger.connect_timeout` for it. None is set up, so that a command that looks something
    /// up in the wrong directory does not find an empty ledger there.
    pub async fn open_existing(config: Config) -> anyhow::Result<Self> {
        Self::opened(config, Absent::Refuse).await
    }

    async fn opened(config: Config, absent: Absent) -> anyhow::Result<Self> {
        let queue = Queue::connect(&config.queue.url, config.queue.options())?;
        let settings = Arc::new(settings(&config)?);
        let ledger = match patiently(config.ledger.connect_timeout, || ledger(&config, absent)).await {
            Err(DbError::Missing(why)) => anyhow::bail!(
                "there is no ledger at `{}`: {why} ({}); name the ledger with --ledger or TENANTRY__LEDGER__URL, or set one up with \
                 `tenantry init` or `tenantry migrate`",
                config.ledger.url,
                config.read_from()
            ),
            opened => opened.with_context(|| format!("the ledger `{}` cannot be opened", config.ledger.url))?,
        };
        let ledger = ledger.trusting(config.approval.keys()?.into()).await?;
        let stores = registry::stores(&config, Some(&queue))?;
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), ledger.clock().now_millis()));
        let watching = metrics.clone();
        ledger
            .db()
            .watched_by(Box::new(move |op, took| watching.ledger_op(op, took)));
        if let Some(store) = &stores.remote {
            store.watched_by(metrics.clone());
        }
        Ok(Self {
            service: Service {
                ledger,
                stores,
                queue,
                settings,
                metrics,
            },
            config,
        })
    }
}

async fn ledger(config: &Config, absent: Absent) -> Result<Ledger, DbError> {
    let (url, options) = (config.ledger.url.reveal(), config.ledger.options());
    match absent {
        Absent::SetUp => Ledger::open_with(url, options, Clock::system()).await,
        Absent::Refuse => Ledger::open_existing(url, options, Clock::system()).await,
    }
}

/// What the configuration holds a service to.
fn settings(config: &Config) -> anyhow::Result<ServiceSettings> {
    let recipients = match config.passwords.sealer()? {
        Some(sealer) => sealer.recipients().iter().map(ToString::to_string).collect(),
        None => Vec::new(),
    };
    let limits = limits(config);
    let (worker, retry) = (&config.worker, &config.retry);
    Ok(ServiceSettings {
        rules: Rules {
            chunk_rows: worker.chunk_rows,
            limits,
        },
        runner: crate::runner::RunnerSettings {
            concurrency: worker.concurrency,
            together: TOGETHER,
            lease: worker.lease,
            heartbeat: worker.heartbeat,
            sweep_interval: worker.sweep_interval,
            leave_within: worker.leave_within,
            spool_keep: config.spool.retention,
            keep_jobs: config.retention.jobs,
            retry: RetryPolicy {
                attempts: retry.attempts,
                deaths: retry.deaths,
                backoff: Backoff::new(retry.first_delay, retry.max_delay),
            },
            look: Backoff::new(config.transfers.poll_interval, config.transfers.max_poll_interval),
            errors: Some(limits.errors),
            passwords: config.passwords.policy()?,
            form: config.results.form(),
            roots: roots(config),
            gates: GateSettings {
                policy_holds: true,
                limits,
                keys: config.approval.keys()?.into(),
            },
            anchors: config.audit.place()?.map(Anchors::new),
        },
        schedule_roots: schedule_roots(config),
        results: config.results.dir.clone(),
        form: config.results.form(),
        patience: config.ledger.connect_timeout,
        recipients,
        ignore_not_kept: config.partner_center.ignore_not_kept,
        hands_out_passwords: config.passwords.deliver,
        store: store(config).into(),
        document_bytes: config.inbox.document_bytes,
    })
}

/// Where a worker writes results by itself: each job's own directory, what is configured for it, and where schedules write to, as far
/// as that is always the same.
fn roots(config: &Config) -> Roots {
    let of_schedules = config
        .schedules
        .named
        .values()
        .filter(|schedule| !schedule.out.is_empty());
    let fixed = of_schedules.map(|schedule| fixed_part(Path::new(&schedule.out)));
    let results = &config.results;
    let configured = std::iter::once(&results.dir).chain(&results.roots).cloned();
    Roots::new(configured.chain(fixed))
}

/// Where a worker reads the files of schedules and puts them away: where those of the configuration are, as far as that is always the same, and what
/// it names for others.
fn schedule_roots(config: &Config) -> Roots {
    let schedules = &config.schedules;
    let of_one = |schedule: &ScheduleConfig| {
        let read = Path::new(&schedule.file).parent().map(fixed_part);
        let read = read.filter(|_| !schedule.file.is_empty());
        let put_away = match &schedule.after {
            AfterRun::Archive(directory) => Some(fixed_part(Path::new(&directory.to_string()))),
            AfterRun::Leave => None,
        };
        [read, put_away]
    };
    let fixed = schedules.named.values().flat_map(of_one).flatten();
    // One that begins with a placeholder, or is a name alone, is where the worker was started.
    let here = |root: PathBuf| {
        if root.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            root
        }
    };
    Roots::new(fixed.chain(schedules.roots.iter().cloned()).map(here))
}

/// The part of a path before its first placeholder.
fn fixed_part(path: &Path) -> PathBuf {
    let parts = path.components();
    parts
        .take_while(|part| !part.as_os_str().to_string_lossy().contains('{'))
        .collect()
}

/// Where jobs take effect, for people.
fn store(config: &Config) -> String {
    let remote = &config.partner_center;
    match remote.enabled {
        false => config.ledger.url.to_string(),
        true if remote.api_url.is_empty() => format!("Partner Center ({})", remote.cloud),
        true => format!("Partner Center ({})", SecretUrl::new(&remote.api_url)),
    }
}

/// What needs approval, and what pauses a job.
pub fn limits(config: &Config) -> Limits {
    let (approval, limits) = (&config.approval, &config.limits);
    Limits {
        // Who names the keys that count wants what has to be approved to be approved.
        approval: approval.required || !approval.keys.is_empty(),
        approval_expires_after: approval.expires_after,
        own_undo_within: approval.own_undo_within,
        user_share: f64::from(limits.user_percent) / 100.0,
        user_share_min_users: limits.user_percent_min_users,
        destructive_rows: limits.destructive_rows,
        rows: limits.rows,
        errors: ErrorLimit {
            rate: f64::from(limits.error_percent) / 100.0,
            min_rows: limits.error_percent_min_rows,
        },
    }
}
