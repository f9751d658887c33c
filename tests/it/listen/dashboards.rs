//! The dashboard and the alert rules that come with the program speak of metrics that there are.

use std::path::PathBuf;

use serde_json::Value;
use tenantry::testing::metrics::NAMES;

use super::config;
use crate::place::read;

/// The alert rules.
pub(super) fn alerts() -> PathBuf {
    config("grafana/alerts.yml")
}

/// The expressions of the dashboard, with a time where Grafana puts one.
pub(super) fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(config("grafana/tenantry.json"))).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions = targets.map(|target| target["expr"].as_str().expect("an expression"));
    expressions.map(|one| one.replace("$__rate_interval", "1m")).collect()
}

/// Words of a text that can only be names of metrics.
fn metrics_in(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("tenantry_") || word.starts_with("process_"))
        .collect()
}

fn is_told(word: &str) -> bool {
    let of_histogram = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|end| word.strip_suffix(end));
    NAMES.contains(&word) || of_histogram.is_some_and(|name| name.ends_with("_seconds") && NAMES.contains(&name))
}

#[test]
fn dashboard_and_alerts_name_metrics_that_there_are() {
    let texts = [expressions().join("\n"), read(alerts())];
    for text in &texts {
        let named = metrics_in(text);
        assert!(named.len() >= 10, "{named:?}");
        let wrong: Vec<_> = named.into_iter().filter(|word| !is_told(word)).collect();
        assert!(wrong.is_empty(), "there are no metrics {wrong:?}");
    }
    assert!(
        !is_told("tenantry_jobs_finished") && !is_told("tenantry_jobs_bucket"),
        "the test can fail"
    );
    assert!(
        metrics_in("rate(tenantry_rows_done_total[5m])")
            .iter()
            .any(|word| !is_told(word))
    );
}

#[test]
fn folders_and_schedules_are_on_the_dashboard_and_have_alerts() {
    let (shown, alerts) = (expressions().join("\n"), read(alerts()));
    let (shown, alerts) = (metrics_in(&shown), metrics_in(&alerts));
    for intake in ["tenantry_drop_", "tenantry_schedule"] {
        let told: Vec<_> = NAMES.iter().filter(|name| name.starts_with(intake)).collect();
        assert!(told.len() >= 3, "{told:?}");
        for name in &told {
            assert!(shown.contains(name), "{name} is on no panel");
        }
        assert!(
            alerts.iter().any(|name| name.starts_with(intake)),
            "nothing warns of {intake}"
        );
    }
}

#[test]
fn every_alert_has_a_runbook() {
    let rules = read(alerts());
    let count = |what: &str| rules.matches(what).count();
    assert!(count("- alert: ") >= 8);
    assert_eq!(count("- alert: "), count("runbook: "));
    assert_eq!(count("- alert: "), count("severity: "));
}
