//! The ledger as it is: set by the process that shows metrics, from one look at it.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Unlabelled;
use super::labels::{OfKind, OfState, OfStateAndKind, OfStatus, kind};
use crate::ledger::{Backlog, JobState};

#[derive(Debug, Default)]
pub(super) struct LedgerGauges {
    jobs: Family<OfStateAndKind, Gauge>,
    oldest: Family<OfState, Gauge>,
    approvals: Family<Unlabelled, Gauge>,
    rows_pending: Family<OfKind, Gauge>,
    rows_waiting: Family<Unlabelled, Gauge>,
    workers: Family<OfStatus, Gauge>,
    up: Gauge,
    spool_bytes: Family<Unlabelled, Gauge>,
    intents_unknown: Family<Unlabelled, Gauge>,
    audit_records: Counter,
    audit_faults: Family<Unlabelled, Gauge>,
}

impl LedgerGauges {
    pub(super) fn register(&self, ours: &mut Registry) {
        ours.register("jobs", "Open jobs of the ledger", self.jobs.clone());
        ours.register(
            "oldest_job_age_seconds",
            "How long the oldest job in a state is there",
            self.oldest.clone(),
        );
        ours.register(
            "approvals_pending",
            "Jobs that wait for an approval",
            self.approvals.clone(),
        );
        ours.register(
            "rows_pending",
            "Rows of open jobs without an outcome",
            self.rows_pending.clone(),
        );
        ours.register(
            "rows_waiting",
            "Rows that wait for a partner or a service",
            self.rows_waiting.clone(),
        );
        ours.register("workers", "Workers of the ledger", self.workers.clone());
        ours.register(
            "ledger_up",
            "Whether the ledger could be asked for these gauges",
            self.up.clone(),
        );
        ours.register(
            "spool_bytes",
            "Bytes of rows that the ledger keeps",
            self.spool_bytes.clone(),
        );
        ours.register(
            "partner_center_intents_unknown",
            "Calls whose outcome is unknown, of jobs that no worker has in hand",
            self.intents_unknown.clone(),
        );
        ours.register(
            "audit_records",
            "Records in the ledger's audit record",
            self.audit_records.clone(),
        );
        ours.register(
            "audit_faults",
            "What is wrong with the audit record, which is followed a part at each look, over and over",
            self.audit_faults.clone(),
        );
    }

    /// It cannot be asked: what is known of it is of no use.
    pub(super) fn away(&self) {
        self.up.set(0);
        self.jobs.clear();
        self.oldest.clear();
        self.approvals.clear();
        self.rows_pending.clear();
        self.rows_waiting.clear();
        self.workers.clear();
        self.spool_bytes.clear();
        self.intents_unknown.clear();
    }

    /// As it was at `now`.
    pub(super) fn are(&self, backlog: &Backlog, now: i64) {
        self.away();
        self.up.set(1);
        let mut approvals = 0;
        for open in &backlog.jobs {
            let (kind, state) = (kind(&open.kind), open.state.as_str());
            self.jobs
                .get_or_create(&OfStateAndKind { state, kind })
                .inc_by(open.jobs as i64);
            self.rows_pending
                .get_or_create(&OfKind { kind })
                .inc_by(open.rows as i64);
            let age = ((now - open.since) / 1000).max(0);
            let oldest = self.oldest.get_or_create_owned(&OfState { state });
            oldest.set(oldest.get().max(age));
            if open.state == JobState::AwaitingApproval {
                approvals += open.jobs;
            }
        }
        let alone = |gauge: &Family<Unlabelled, Gauge>, value: u64| gauge.get_or_create(&[]).set(value as i64);
        alone(&self.approvals, approvals);
        alone(&self.rows_waiting, backlog.rows_waiting);
        alone(&self.spool_bytes, backlog.spool_bytes);
        alone(&self.intents_unknown, backlog.intents_unknown);
        self.audit_records
            .inner()
            .store(backlog.audit_records, Ordering::Relaxed);
        let workers = &backlog.workers;
        let lost = workers.iter().filter(|worker| worker.is_lost).count();
        for (status, count) in [("live", workers.len() - lost), ("lost", lost)] {
            self.workers.get_or_create(&OfStatus { status }).set(count as i64);
        }
    }

    /// So much is wrong with the audit record.
    pub(super) fn audit_faults(&self, faults: u64) {
        self.audit_faults.get_or_create(&[]).set(faults as i64);
    }
}
