//! Metrics as they are served, and that they stay bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::ledger::{Counts, JobState, OpenJobs, Outcome};
use crate::store::remote::{CallWatch, LimitScope, WatchedCall};

const OPERATIONS: [&str; 40] = [
    "o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9", "o10", "o11", "o12", "o13", "o14", "o15", "o16", "o17",
    "o18", "o19", "o20", "o21", "o22", "o23", "o24", "o25", "o26", "o27", "o28", "o29", "o30", "o31", "o32", "o33",
    "o34", "o35", "o36", "o37", "o38", "o39", "o40",
];
const SCHEDULE_RESULTS: [&str; 18] = [
    "completed",
    "failed",
    "cancelled",
    "overlap",
    "paused",
    "missed",
    "too-late",
    "too-many",
    "superseded",
    "removed",
    "by-hand",
    "no-file",
    "several-files",
    "stale-file",
    "unreadable",
    "incomplete",
    "refused",
    "not-started",
];

fn everything() -> Metrics {
    let metrics = Metrics::new("0.0.0", 0);
    let kinds = tenantry_jobs::KINDS.iter().map(|kind| kind.kind());
    // Names of no list are one.
    let kinds: Vec<&str> = kinds.chain(["undo", "of-tomorrow", "of-next-week"]).collect();
    let mut open = Vec::new();
    for kind in kinds {
        for state in JobState::ALL {
            let how = EndedJob {
                state: state.as_str().to_owned(),
                counts: Counts::default(),
            };
            metrics.finished(kind, &how, [0, 500, 1_500]);
            open.push(OpenJobs {
                state,
                kind: kind.to_owned(),
                jobs: 1,
                rows: 2,
                since: 0,
            });
        }
        for via in Via::ALL {
            metrics.submitted(kind, via);
        }
        metrics.refused(kind);
        for store in ["sql", "partner-center", "other"] {
            metrics.chunk(kind, store, Duration::from_millis(3));
        }
        let mut tally = RowTally::default();
        let codes = tenantry_jobs::code::ALL.iter().copied();
        let of = labels::kind(kind);
        for outcome in Outcome::ALL {
            tally.add(of, outcome, 1);
        }
        for code in codes.chain(["a code of tomorrow", "ada@alpha.example"]) {
            tally.add_errors(of, code, 1);
        }
        metrics.rows(&tally);
    }
    for why in [
        ChunkFailure::Surroundings,
        ChunkFailure::Rows,
        ChunkFailure::Damaged,
        ChunkFailure::Died,
    ] {
        metrics.chunk_failed(why);
    }
    for why in [EntryFault::Document, EntryFault::Rows] {
        metrics.inbox_rejected(why);
    }
    metrics.ledger_error(&DbError::Closed);
    for op in [DbOp::Read, DbOp::Write, DbOp::WriteApart] {
        metrics.ledger_op(op, Duration::from_millis(3));
    }
    metrics.approved_after(3_600_000);
    metrics.queue_notified([("sent", 3), ("unavailable", 1), ("full", 0), ("refused", 0)]);
    metrics.audit_faults(0);
    // As many operations as Partner Center has here, and each answer.
    for operation in OPERATIONS {
        for status in [None, Some(200), Some(302), Some(404), Some(429), Some(503)] {
            metrics.called(WatchedCall {
                operation,
                is_read: status.is_some(),
                status,
                took: Duration::from_millis(300),
            });
        }
    }
    for scope in [LimitScope::Account, LimitScope::Customer] {
        metrics.throttled(scope);
    }
    metrics.remote_stands(RemoteStanding {
        used: Some(0.5),
        customers_blocked: 1,
        token_ends_at: Some(86_400_000),
    });
    for reason in SCHEDULE_RESULTS {
        metrics.schedule_ran(reason, 1);
    }
    metrics.inbox_lag(Some(3));
    let backlog = Backlog {
        jobs: open,
        rows_waiting: 1,
        workers: Vec::new(),
        spool_bytes: 4_096,
        intents_unknown: 1,
        audit_records: 12,
    };
    metrics.ledger_is(&backlog, 10_000);
    let names: Vec<String> = (0..1_000).map(|n| format!("schedule-{n}")).collect();
    metrics.schedules_stand([("well", 1_000)], names.iter().map(|name| (name.as_str(), 5_000)));
    metrics.folders_are(&[FolderGauge {
        name: "users".to_owned(),
        status: FolderStatus::Served,
        ready: 3,
        at_work: 2,
        waiting: 1,
    }]);
    for how in [DropResult::Taken, DropResult::Done, DropResult::Failed] {
        metrics.dropped("users", 2, how);
    }
    metrics
}

#[test]
fn there_are_never_more_than_three_thousand_series_and_none_of_people() {
    let text = everything().to_text();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!((1_000..=3_000).contains(&series), "{series}");
    for of_no_list in ["of-tomorrow", "of-next-week", "a code of", "ada@"] {
        assert!(!text.contains(of_no_list), "{of_no_list}");
    }
    assert!(text.contains("kind=\"other\"") && text.contains("code=\"other\""));
    assert_eq!(text.matches("last_success_timestamp_seconds{schedule=").count(), 100);
}

#[test]
fn the_list_of_names_matches_the_served_metrics() {
    let text = everything().to_text();
    let told: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert_eq!(told, NAMES.iter().copied().collect());
}

#[test]
fn files_of_folders_are_counted_by_the_names_of_the_configuration() {
    let text = everything().to_text();
    for line in [
        "tenantry_drop_files_open{folder=\"users\",state=\"ready\"} 3",
        "tenantry_drop_files_total{folder=\"users\",result=\"failed\"} 2",
        "tenantry_drop_folders{status=\"served\"} 1",
        "tenantry_drop_folders{status=\"trouble\"} 0",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn gauges_of_a_ledger_that_is_away_are_not_told_as_if_it_were_there() {
    let metrics = everything();
    assert!(metrics.to_text().contains("tenantry_workers{status=\"live\"} 0"));
    assert!(
        metrics
            .to_text()
            .contains("tenantry_oldest_job_age_seconds{state=\"queued\"} 10")
    );
    metrics.ledger_is_away();
    let text = metrics.to_text();
    assert!(text.contains("tenantry_ledger_up 0"));
    for gone in [
        "tenantry_workers{",
        "tenantry_jobs{",
        "tenantry_rows_waiting",
        "tenantry_oldest_job_age_seconds{",
        "tenantry_spool_bytes",
        "tenantry_schedules{",
        "tenantry_schedule_last_success",
        "tenantry_drop_files_open{",
        "tenantry_drop_folders{",
    ] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains("tenantry_jobs_finished_total{"), "counters stay");
}
