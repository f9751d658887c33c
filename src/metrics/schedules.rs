//! Metrics of schedules: outcomes of due times, and states.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{OfResult, OfSchedule, OfStatus};

/// Schedules whose last success is told; the names are of a configuration or of people who may define schedules.
const MOST: usize = 100;

#[derive(Debug, Default)]
pub(super) struct ScheduleMetrics {
    runs: Family<OfResult, Counter>,
    schedules: Family<OfStatus, Gauge>,
    last_success: Family<OfSchedule, Gauge>,
}

impl ScheduleMetrics {
    pub(super) fn register(&self, ours: &mut Registry) {
        ours.register(
            "schedule_runs",
            "Due times of schedules that ended here, by the state of their job or why there is none",
            self.runs.clone(),
        );
        ours.register(
            "schedules",
            "Schedules, by how it stands with them",
            self.schedules.clone(),
        );
        ours.register(
            "schedule_last_success_timestamp_seconds",
            "When a schedule had its last success, since the Unix epoch",
            self.last_success.clone(),
        );
    }

    /// So many due times ended so.
    pub(super) fn ran(&self, result: &'static str, times: u64) {
        self.runs.get_or_create(&OfResult { result }).inc_by(times);
    }

    pub(super) fn clear(&self) {
        self.schedules.clear();
        self.last_success.clear();
    }

    /// How many schedules have each status, and when each of them had its last success, in milliseconds since the epoch.
    pub(super) fn stand<'s>(
        &self,
        statuses: impl IntoIterator<Item = (&'static str, u64)>,
        successes: impl IntoIterator<Item = (&'s str, i64)>,
    ) {
        self.clear();
        for (status, count) in statuses {
            self.schedules.get_or_create(&OfStatus { status }).set(count as i64);
        }
        for (schedule, millis) in successes.into_iter().take(MOST) {
            let label = OfSchedule {
                schedule: schedule.to_owned(),
            };
            self.last_success.get_or_create(&label).set(millis / 1000);
        }
    }
}
