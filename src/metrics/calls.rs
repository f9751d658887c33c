//! Calls to the service that is the store.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::{OfMethod, OfOperationAndStatus, OfScope};
use super::{FloatGauge, Timed, Unlabelled};
use crate::store::remote::{CallWatch, LimitScope, RemoteStanding, WatchedCall};

/// From a quick answer to one that is given up.
const SECONDS: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 60.0];

#[derive(Debug)]
pub(super) struct CallMetrics {
    requests: Family<OfOperationAndStatus, Counter>,
    duration: Timed<OfMethod>,
    throttled: Family<OfScope, Counter>,
    used: Family<Unlabelled, FloatGauge>,
    blocked: Family<Unlabelled, Gauge>,
    token_ends: Family<Unlabelled, Gauge>,
}

impl Default for CallMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            throttled: Family::default(),
            used: Family::default(),
            blocked: Family::default(),
            token_ends: Family::default(),
        }
    }
}

impl CallMetrics {
    pub(super) fn register(&self, ours: &mut Registry) {
        ours.register(
            "partner_center_requests",
            "Calls to Partner Center from here, by the class of their answers",
            self.requests.clone(),
        );
        ours.register(
            "partner_center_request_duration_seconds",
            "From sending a call to the head of its answer",
            self.duration.clone(),
        );
        ours.register(
            "partner_center_throttled",
            "Calls that were one too many, by whose limit it was",
            self.throttled.clone(),
        );
        ours.register(
            "partner_center_limit_used_ratio",
            "The share of the account's limit that is used from here, where one has been met",
            self.used.clone(),
        );
        ours.register(
            "partner_center_customers_blocked",
            "Customers that are left alone for now, since they were called too often",
            self.blocked.clone(),
        );
        ours.register(
            "partner_center_token_expiry_timestamp_seconds",
            "When the refresh token ends, since the Unix epoch",
            self.token_ends.clone(),
        );
    }

    pub(super) fn standing(&self, standing: RemoteStanding) {
        self.used.clear();
        self.token_ends.clear();
        if let Some(used) = standing.used {
            self.used.get_or_create(&[]).set(used);
        }
        if let Some(millis) = standing.token_ends_at {
            self.token_ends.get_or_create(&[]).set(millis / 1000);
        }
        let blocked = standing.customers_blocked as i64;
        self.blocked.get_or_create(&[]).set(blocked);
    }
}

impl CallWatch for super::Metrics {
    fn called(&self, call: WatchedCall) {
        let WatchedCall {
            operation,
            is_read,
            status,
            took,
        } = call;
        let status = match status {
            Some(429) => "429",
            Some(200..300) => "2xx",
            Some(500..) => "5xx",
            Some(_) => "4xx",
            None => "none",
        };
        let method = if is_read { "read" } else { "write" };
        let (calls, label) = (&self.calls, OfOperationAndStatus { operation, status });
        calls.requests.get_or_create(&label).inc();
        calls
            .duration
            .get_or_create(&OfMethod { method })
            .observe(took.as_secs_f64());
    }

    fn throttled(&self, scope: LimitScope) {
        let scope = match scope {
            LimitScope::Account => "account",
            LimitScope::Customer => "customer",
        };
        self.calls.throttled.get_or_create(&OfScope { scope }).inc();
    }
}
