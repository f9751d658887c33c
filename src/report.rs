//! A summary of a job and its errors, grouped by reason, for people who were not there. As text,
//! and as one page of HTML that needs nothing else.

mod html;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use tenantry_jobs::Subject;

use crate::db::DbError;
use crate::ledger::{ErrorExample, ErrorGroup, Job, Ledger};
use crate::plan::{Place, Subjects};
use crate::summary::JobSummary;

pub(crate) use html::{begins_a_page, page};

/// Everything a report tells.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct JobReport {
    /// The job as every surface shows it.
    #[serde(flatten)]
    pub(crate) summary: JobSummary,
    /// From the first row to the last, in milliseconds; `null` while it runs.
    pub(crate) took_millis: Option<i64>,
    /// Rows per second over that time, if it was a second or more.
    pub(crate) rows_per_second: Option<u64>,
    /// Rows that were rejected or failed, most frequent reason first.
    pub(crate) errors: Vec<ErrorReason>,
}

/// Rows that were rejected or failed for one reason.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ErrorReason {
    /// The stable code.
    pub(crate) code: String,
    /// `rejected` or `failed`.
    pub(crate) outcome: String,
    /// How many rows.
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) examples: Vec<Example>,
}

/// One such row. Where it stood and whom it is about are known as long as the rows are kept.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Example {
    /// Row number, from 1.
    pub(crate) row: u64,
    /// Line of the file that it began on; of a workbook, the row of the sheet.
    pub(crate) line: Option<u64>,
    /// The sheet, where the file is a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sheet: Option<String>,
    /// The cells of a sheet that are at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cells: Vec<String>,
    /// Whom or what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Subject>,
    /// For people.
    pub(crate) message: String,
    /// The columns of the kind that are at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<String>,
}

impl Example {
    /// `row 3, line 5`, or `sheet Users, row 5 (B5)`.
    fn place(&self) -> String {
        let place = Place {
            row: self.row,
            line: self.line,
            sheet: self.sheet.as_deref(),
            cells: self.cells.clone(),
        };
        place.to_string()
    }
}

/// The examples with what their spooled rows tell.
async fn reasons(ledger: &Ledger, job: &Job) -> Result<Vec<ErrorReason>, DbError> {
    let subjects = Subjects::of(ledger, job).await?;
    let groups = ledger.errors(job).await?;
    let mut wanted: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    for example in groups.iter().flat_map(|group| &group.examples) {
        wanted
            .entry(example.chunk.unwrap_or_default())
            .or_default()
            .push(example.row);
    }
    let mut told: BTreeMap<u64, (Option<u64>, Option<Subject>)> = BTreeMap::new();
    for (chunk, rows) in wanted {
        let Some(subjects) = &subjects else { break };
        if let Some(known) = subjects.chunk(chunk, Some(rows.clone())).await? {
            told.extend(rows.into_iter().map(|row| (row, (known.line(row), known.subject(row)))));
        }
    }
    let mut example = |example: ErrorExample| {
        let (line, subject) = told.remove(&example.row).unwrap_or_default();
        let columns = subjects
            .as_ref()
            .map_or(Vec::new(), |subjects| subjects.places(&example.columns));
        let place = Place::of(job, example.row, line, &columns);
        Example {
            row: example.row,
            line: place.line,
            sheet: place.sheet.map(str::to_owned),
            cells: place.cells,
            subject,
            message: example.message,
            columns: example.columns,
        }
    };
    let reason = |group: ErrorGroup| ErrorReason {
        code: group.code,
        outcome: group.outcome,
        count: group.count,
        examples: group.examples.into_iter().map(&mut example).collect(),
    };
    Ok(groups.into_iter().map(reason).collect())
}

impl JobReport {
    /// What the ledger says of a job.
    pub(crate) async fn of(ledger: &Ledger, job: &Job) -> Result<Self, DbError> {
        let took = job.started_at.zip(job.finished_at).map(|(from, to)| to - from);
        // Of less than a second a rate says nothing.
        let rate = |millis: i64| (millis >= 1000).then(|| job.counts.finished() * 1000 / millis as u64);
        Ok(Self {
            summary: JobSummary::of(job),
            took_millis: took,
            rows_per_second: took.and_then(rate),
            errors: reasons(ledger, job).await?,
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
                let about = example
                    .subject
                    .as_ref()
                    .map_or(String::new(), |about| format!(", {about}"));
                writeln!(out, "  {}{about}: {}", example.place(), example.message)?;
            }
            let more = group.count - group.examples.len() as u64;
            if more > 0 {
                writeln!(out, "  … and {more} more")?;
            }
        }
        Ok(())
    }
}
