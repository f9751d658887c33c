//! What is told, and that it stays bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::ledger::{Counts, OpenJobs, Outcome};

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
    metrics.inbox_lag(Some(3));
    let backlog = Backlog {
        jobs: open,
        rows_waiting: 1,
        workers: Vec::new(),
    };
    metrics.ledger_is(&backlog, 10_000);
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
}

#[test]
fn the_list_of_names_is_what_is_told() {
    let text = everything().to_text();
    let told: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert_eq!(told, NAMES.iter().copied().collect());
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
    ] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains("tenantry_jobs_finished_total{"), "counters stay");
}
