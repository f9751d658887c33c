//! Metrics: what a process counts, served to Prometheus.
//!
//! Counters are counted where things happen, in memory; gauges of the ledger are set where they are shown (`listen`). Labels have
//! values of closed lists only ([`labels`]): never a customer, a job, a user or a file, whose number has no end. What is of no
//! list is `other`. Folders and schedules have the names that their operator gave them; of schedules there are a hundred at most.
//!
//! [`NAMES`] is what there is; dashboards and alerts are held against it.

mod calls;
mod gauges;
mod labels;
mod process;
mod schedules;
mod tally;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::db::{DbError, DbOp};
use crate::ledger::drops::{FolderGauge, FolderStatus};
use crate::ledger::{Backlog, EndedJob, Via};
use crate::store::remote::RemoteStanding;
use calls::CallMetrics;
use gauges::LedgerGauges;
use labels::{
    Build, Coded, InFolder, OfChunk, OfFolder, OfKind, OfOp, OfOutcome, OfReason, OfResult, OfStateAndKind, OfStatus,
    Submitted, code, kind, ledger_error, state,
};
use process::Process;
use schedules::ScheduleMetrics;
pub(crate) use tally::RowTally;

/// The type of the text.
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Every metric, as it is told. Histograms have `_bucket`, `_sum` and `_count` besides.
pub const NAMES: &[&str] = &[
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "tenantry_approvals_pending",
    "tenantry_audit_faults",
    "tenantry_audit_records_total",
    "tenantry_build_info",
    "tenantry_chunk_duration_seconds",
    "tenantry_chunk_failures_total",
    "tenantry_drop_files_open",
    "tenantry_drop_files_total",
    "tenantry_drop_folders",
    "tenantry_inbox_lag",
    "tenantry_inbox_rejected_total",
    "tenantry_job_approval_wait_seconds",
    "tenantry_job_duration_seconds",
    "tenantry_job_queue_wait_seconds",
    "tenantry_jobs",
    "tenantry_jobs_finished_total",
    "tenantry_jobs_refused_total",
    "tenantry_jobs_submitted_total",
    "tenantry_leases_held",
    "tenantry_leases_lost_total",
    "tenantry_ledger_errors_total",
    "tenantry_ledger_op_duration_seconds",
    "tenantry_ledger_up",
    "tenantry_oldest_job_age_seconds",
    "tenantry_partner_center_customers_blocked",
    "tenantry_partner_center_intents_unknown",
    "tenantry_partner_center_limit_used_ratio",
    "tenantry_partner_center_request_duration_seconds",
    "tenantry_partner_center_requests_total",
    "tenantry_partner_center_throttled_total",
    "tenantry_partner_center_token_expiry_timestamp_seconds",
    "tenantry_queue_wakes_total",
    "tenantry_row_errors_total",
    "tenantry_rows_pending",
    "tenantry_rows_total",
    "tenantry_rows_waiting",
    "tenantry_schedule_last_success_timestamp_seconds",
    "tenantry_schedule_runs_total",
    "tenantry_schedules",
    "tenantry_spool_bytes",
    "tenantry_workers",
];

/// From a small job to one of a million rows.
const SECONDS: [f64; 11] = [0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];
/// From a small chunk to one that another service is asked about row by row.
const CHUNK_SECONDS: [f64; 7] = [0.01, 0.05, 0.2, 1.0, 5.0, 60.0, 600.0];
/// From a look that is answered from memory to a transaction that waits for others.
const OP_SECONDS: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.5, 2.0, 10.0];
/// From a plan that somebody looked out for to one that was nearly forgotten.
const APPROVAL_SECONDS: [f64; 8] = [60.0, 300.0, 1_800.0, 7_200.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0];

/// Of a gauge that is not told while nobody knows it.
type Unlabelled = [(&'static str, &'static str); 0];

type FloatGauge = Gauge<f64, AtomicU64>;

type Timed<S> = Family<S, Histogram, fn() -> Histogram>;

fn timed<S: Clone + Eq + std::hash::Hash>() -> Timed<S> {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}

/// Why a chunk failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChunkFailure {
    /// Something is away that it needs.
    Surroundings,
    /// Something is wrong with its rows.
    Rows,
    /// It cannot be read.
    Damaged,
    /// Its worker died over it.
    Died,
}

/// The outcome of a dropped file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DropResult {
    /// It was taken.
    Taken,
    /// It lies in `done`.
    Done,
    /// It lies in `failed`.
    Failed,
}

/// Where an entry of the inbox was at fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntryFault {
    /// The document.
    Document,
    /// Its rows.
    Rows,
}

/// What one process counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    process: Process,
    submitted: Family<Submitted, Counter>,
    refused: Family<OfKind, Counter>,
    finished: Family<OfStateAndKind, Counter>,
    duration: Timed<OfKind>,
    queue_wait: Timed<OfKind>,
    rows: Family<OfOutcome, Counter>,
    row_errors: Family<Coded, Counter>,
    chunk_duration: Timed<OfChunk>,
    chunk_failures: Family<OfReason, Counter>,
    leases_lost: Counter,
    leases_held: Gauge,
    ledger_errors: Family<OfReason, Counter>,
    inbox_rejected: Family<OfReason, Counter>,
    dropped: Family<OfFolder, Counter>,
    drops: Family<InFolder, Gauge>,
    folders: Family<OfStatus, Gauge>,
    inbox_lag: Family<Unlabelled, Gauge>,
    ledger_ops: Timed<OfOp>,
    approval_wait: Histogram,
    queue_wakes: Family<OfResult, Counter>,
    ledger: LedgerGauges,
    calls: CallMetrics,
    schedules: ScheduleMetrics,
}

impl Metrics {
    /// Nothing counted, by a process of `version` that began at that time, in milliseconds since the epoch.
    pub(crate) fn new(version: &'static str, began_millis: i64) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            process: Process::began(began_millis),
            submitted: Family::default(),
            refused: Family::default(),
            finished: Family::default(),
            duration: timed(),
            queue_wait: timed(),
            rows: Family::default(),
            row_errors: Family::default(),
            chunk_duration: Family::new_with_constructor(|| Histogram::new(CHUNK_SECONDS)),
            chunk_failures: Family::default(),
            leases_lost: Counter::default(),
            leases_held: Gauge::default(),
            ledger_errors: Family::default(),
            inbox_rejected: Family::default(),
            dropped: Family::default(),
            drops: Family::default(),
            folders: Family::default(),
            inbox_lag: Family::default(),
            ledger_ops: Family::new_with_constructor(|| Histogram::new(OP_SECONDS)),
            approval_wait: Histogram::new(APPROVAL_SECONDS),
            queue_wakes: Family::default(),
            ledger: LedgerGauges::default(),
            calls: CallMetrics::default(),
            schedules: ScheduleMetrics::default(),
        };
        metrics.register(version);
        metrics
    }

    /// Counters lose `_total` here, which the format adds.
    fn register(&mut self, version: &'static str) {
        let mut registry = Registry::default();
        self.process.register(&mut registry);
        let ours = registry.sub_registry_with_prefix("tenantry");
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version }).set(1);
        ours.register("build_info", "The version of the program", build);
        ours.register(
            "inbox_lag",
            "Entries of the Redis inbox that are not dealt with",
            self.inbox_lag.clone(),
        );
        ours.register(
            "jobs_submitted",
            "Jobs recorded by this process",
            self.submitted.clone(),
        );
        ours.register(
            "jobs_refused",
            "Submissions refused for faults of their rows",
            self.refused.clone(),
        );
        ours.register("jobs_finished", "Jobs that ended here", self.finished.clone());
        ours.register(
            "job_duration_seconds",
            "From the first claim of a job to its end",
            self.duration.clone(),
        );
        ours.register(
            "job_queue_wait_seconds",
            "From the submission of a job to its first claim",
            self.queue_wait.clone(),
        );
        ours.register("rows", "Rows that ended here", self.rows.clone());
        ours.register(
            "row_errors",
            "Rows that were rejected or failed here",
            self.row_errors.clone(),
        );
        ours.register(
            "chunk_duration_seconds",
            "From the claim of a chunk to its end",
            self.chunk_duration.clone(),
        );
        ours.register("chunk_failures", "Chunks that failed here", self.chunk_failures.clone());
        ours.register("leases_held", "Chunks in hand here", self.leases_held.clone());
        ours.register(
            "leases_lost",
            "Chunks that passed to another worker",
            self.leases_lost.clone(),
        );
        ours.register(
            "ledger_errors",
            "Questions to the ledger that failed",
            self.ledger_errors.clone(),
        );
        ours.register("inbox_rejected", "Entries refused here", self.inbox_rejected.clone());
        ours.register(
            "ledger_op_duration_seconds",
            "From asking for a transaction of the ledger to its end",
            self.ledger_ops.clone(),
        );
        ours.register(
            "job_approval_wait_seconds",
            "From the submission of a job that ended here to its approval, where it had to be approved",
            self.approval_wait.clone(),
        );
        ours.register(
            "queue_wakes",
            "Notifications sent to the queue from here",
            self.queue_wakes.clone(),
        );
        self.ledger.register(ours);
        self.calls.register(ours);
        self.schedules.register(ours);
        self.register_folders(ours);
        self.registry = registry;
    }

    fn register_folders(&self, ours: &mut Registry) {
        ours.register(
            "drop_files_open",
            "Files of drop folders that are not done with",
            self.drops.clone(),
        );
        ours.register(
            "drop_folders",
            "Drop folders that were ever served",
            self.folders.clone(),
        );
        ours.register(
            "drop_files",
            "Files of drop folders, as they went on here",
            self.dropped.clone(),
        );
    }

    /// Everything as it is now, in Prometheus' text format.
    pub(crate) fn to_text(&self) -> String {
        self.process.look();
        let mut text = String::new();
        // A text takes everything.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }

    /// A job was recorded.
    pub(crate) fn submitted(&self, of: &str, via: Via) {
        let of = Submitted {
            kind: kind(of),
            via: via.as_str(),
        };
        self.submitted.get_or_create(&of).inc();
    }

    /// A submission was refused.
    pub(crate) fn refused(&self, of: &str) {
        self.refused.get_or_create(&OfKind { kind: kind(of) }).inc();
    }

    /// A job had waited so long for its approval.
    pub(crate) fn approved_after(&self, millis: i64) {
        self.approval_wait.observe(seconds(millis));
    }

    /// A transaction of the ledger took so long.
    pub(crate) fn ledger_op(&self, op: DbOp, took: Duration) {
        let op = match op {
            DbOp::Read => "read",
            DbOp::Write => "write",
            DbOp::WriteApart => "write-apart",
        };
        self.ledger_ops.get_or_create(&OfOp { op }).observe(took.as_secs_f64());
    }

    /// Notifications sent to the queue, by result.
    pub(crate) fn queue_notified(&self, counted: impl IntoIterator<Item = (&'static str, u64)>) {
        for (result, count) in counted {
            let wakes = self.queue_wakes.get_or_create(&OfResult { result });
            wakes.inner().store(count, Ordering::Relaxed);
        }
    }

    /// How it stands with the service that is the store.
    pub(crate) fn remote_stands(&self, standing: RemoteStanding) {
        self.calls.standing(standing);
    }

    /// So many due times of schedules ended so: the state of their job, or why there is none.
    pub(crate) fn schedule_ran(&self, result: &'static str, times: u64) {
        self.schedules.ran(result, times);
    }

    /// How many schedules have each status, and when each of them had its last success, in milliseconds since the epoch.
    pub(crate) fn schedules_stand<'s>(
        &self,
        statuses: impl IntoIterator<Item = (&'static str, u64)>,
        successes: impl IntoIterator<Item = (&'s str, i64)>,
    ) {
        self.schedules.stand(statuses, successes);
    }

    /// So much is wrong with the audit record.
    pub(crate) fn audit_faults(&self, faults: u64) {
        self.ledger.audit_faults(faults);
    }

    /// A job ended that was recorded, begun and ended at these times, in milliseconds since the epoch.
    pub(crate) fn finished(&self, of: &str, how: &EndedJob, [recorded, begun, ended]: [i64; 3]) {
        let of = kind(of);
        let label = OfStateAndKind {
            state: state(&how.state),
            kind: of,
        };
        self.finished.get_or_create(&label).inc();
        let of = OfKind { kind: of };
        self.duration.get_or_create(&of).observe(seconds(ended - begun));
        self.queue_wait.get_or_create(&of).observe(seconds(begun - recorded));
    }

    /// Rows ended.
    pub(crate) fn rows(&self, tally: &RowTally) {
        for ((kind, outcome), rows) in tally.outcomes() {
            self.rows.get_or_create(&OfOutcome { kind, outcome }).inc_by(rows);
        }
        for ((kind, told), rows) in tally.errors() {
            let code = code(told);
            self.row_errors.get_or_create(&Coded { kind, code }).inc_by(rows);
        }
    }

    /// A chunk was carried out in a store.
    pub(crate) fn chunk(&self, of: &str, store: &'static str, took: Duration) {
        let kind = kind(of);
        let chunk = OfChunk { kind, store };
        self.chunk_duration.get_or_create(&chunk).observe(took.as_secs_f64());
    }

    /// A chunk failed.
    pub(crate) fn chunk_failed(&self, why: ChunkFailure) {
        let reason = match why {
            ChunkFailure::Surroundings => "surroundings",
            ChunkFailure::Rows => "rows",
            ChunkFailure::Damaged => "damaged",
            ChunkFailure::Died => "died",
        };
        self.chunk_failures.get_or_create(&OfReason { reason }).inc();
    }

    /// Chunks passed to another worker.
    pub(crate) fn leases_lost(&self, chunks: usize) {
        self.leases_lost.inc_by(chunks as u64);
    }

    /// So many chunks are in hand.
    pub(crate) fn leases_held(&self, chunks: usize) {
        self.leases_held.set(chunks as i64);
    }

    /// The ledger did not answer as it should.
    pub(crate) fn ledger_error(&self, error: &DbError) {
        let reason = ledger_error(error);
        self.ledger_errors.get_or_create(&OfReason { reason }).inc();
    }

    /// An entry of the inbox was refused.
    pub(crate) fn inbox_rejected(&self, why: EntryFault) {
        let reason = match why {
            EntryFault::Document => "document",
            EntryFault::Rows => "rows",
        };
        self.inbox_rejected.get_or_create(&OfReason { reason }).inc();
    }

    /// So many files of a folder went on.
    pub(crate) fn dropped(&self, folder: &str, files: usize, how: DropResult) {
        let result = match how {
            DropResult::Taken => "taken",
            DropResult::Done => "done",
            DropResult::Failed => "failed",
        };
        let folder = folder.to_owned();
        self.dropped
            .get_or_create(&OfFolder { folder, result })
            .inc_by(files as u64);
    }

    /// The folders of the ledger as they are now. As [`ledger_is`](Self::ledger_is).
    pub(crate) fn folders_are(&self, folders: &[FolderGauge]) {
        self.drops.clear();
        self.folders.clear();
        for status in FolderStatus::ALL {
            let count = folders.iter().filter(|one| one.status == status).count();
            let status = status.as_str();
            self.folders.get_or_create(&OfStatus { status }).set(count as i64);
        }
        for one in folders {
            for (state, files) in [("ready", one.ready), ("at-work", one.at_work), ("waiting", one.waiting)] {
                let folder = one.name.clone();
                self.drops.get_or_create(&InFolder { folder, state }).set(files as i64);
            }
        }
    }

    /// So many entries of the inbox are not dealt with, if that can be told.
    pub(crate) fn inbox_lag(&self, entries: Option<u64>) {
        self.inbox_lag.clear();
        if let Some(entries) = entries {
            self.inbox_lag.get_or_create(&[]).set(entries as i64);
        }
    }

    /// The ledger cannot be asked: what is known of it is of no use.
    pub(crate) fn ledger_is_away(&self) {
        self.ledger.away();
        self.schedules.clear();
        self.drops.clear();
        self.folders.clear();
    }

    /// The ledger as it was at `now`. One who shows metrics sets these, and nobody else.
    pub(crate) fn ledger_is(&self, backlog: &Backlog, now: i64) {
        self.ledger.are(backlog, now);
    }
}

fn seconds(millis: i64) -> f64 {
    millis.max(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests;
