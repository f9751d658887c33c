//! A job for people who were not there: what it was, what came of it, and what went wrong, grouped by reason. As text,
//! and as one page of HTML that needs nothing else.

mod html;

use std::io::{self, Write};

use serde::Serialize;

use crate::db::DbError;
use crate::ledger::{ErrorGroup, Job, Ledger};
use crate::summary::JobSummary;

pub(crate) use html::page;

/// Everything a report tells.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// The job as every surface shows it.
    #[serde(flatten)]
    pub(crate) summary: JobSummary,
    /// From the first row to the last, in milliseconds; `null` while it runs.
    pub(crate) took_millis: Option<i64>,
    /// Rows per second over that time, if it was a second or more.
    pub(crate) rows_per_second: Option<u64>,
    /// Rows that were rejected or failed, most frequent reason first.
    pub(crate) errors: Vec<ErrorGroup>,
}

impl Report {
    /// What the ledger says of a job.
    pub(crate) async fn of(ledger: &Ledger, job: &Job) -> Result<Self, DbError> {
        let took = job.started_at.zip(job.finished_at).map(|(from, to)| to - from);
        // Of less than a second a rate says nothing.
        let rate = |millis: i64| (millis >= 1000).then(|| job.counts.finished() * 1000 / millis as u64);
        Ok(Self {
            summary: JobSummary::of(job),
            took_millis: took,
            rows_per_second: took.and_then(rate),
            errors: ledger.errors(job).await?,
        })
    }

    /// How long it took, for people.
    fn took(&self) -> Option<String> {
        let millis = self.took_millis?;
        let seconds = millis / 1000;
        Some(match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, _) => format!("{}.{:01} s", seconds, millis % 1000 / 100),
            (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
            (hours, minutes, _) => format!("{hours} h {minutes} min"),
        })
    }

    fn rate(&self) -> String {
        self.rows_per_second
            .map_or(String::new(), |rate| format!(", {rate} rows/s"))
    }

    /// The errors as text; what stands above them the command line prints as it does everywhere.
    pub(crate) fn write_errors(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(took) = self.took() {
            writeln!(out, "took      {took}{}", self.rate())?;
        }
        for group in &self.errors {
            let rows = if group.count == 1 { "row" } else { "rows" };
            writeln!(out, "\n{} {rows} {}: {}", group.count, group.outcome, group.code)?;
            for example in &group.examples {
                writeln!(out, "  row {}: {}", example.row, example.message)?;
            }
            let more = group.count - group.examples.len() as u64;
            if more > 0 {
                writeln!(out, "  … and {more} more")?;
            }
        }
        Ok(())
    }
}
