//! Several files on one command line: each is a job of its own, in the order given, and one summary at the end says the outcome of
//! all of them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::outcome::{print_result, refused};
use super::output::{self, printable};
use super::text_width::{padded, text_width};
use super::{CommandEnd, SubmissionArgs, input};
use crate::app::App;
use crate::ledger::Job;
use crate::plan::PlanError;
use crate::submit::FileRefusal;
use crate::summary::JobSummary;

/// How far one file came.
pub(super) enum FileOutcome {
    /// Its job has ended, or rests.
    Job(Box<Job>),
    /// Its job is queued, which was made for it or was there before.
    Queued {
        /// The job.
        job: Box<Job>,
        /// Whether it was made for this file.
        new: bool,
    },
    /// It has faults, and nothing was recorded.
    Refused(Box<FileRefusal>),
}

/// Refuses, before anything is begun, files that are not there, files that are named twice, and options that are good for one file.
pub(super) fn check(files: &[PathBuf], submission: Option<&SubmissionArgs>) -> anyhow::Result<()> {
    if files.len() < 2 {
        return Ok(());
    }
    if submission.is_some_and(|submission| submission.passwords.is_plain()) {
        anyhow::bail!("--plaintext-passwords takes one file at a time");
    }
    if submission.is_some_and(|submission| submission.idempotency_key.is_some()) {
        anyhow::bail!(
            "--idempotency-key stands for one job, and each file is a job of its own: name one file at a time"
        );
    }
    let mut known: BTreeMap<(u64, u64), &Path> = BTreeMap::new();
    for file in files {
        let place = if input::is_standard_input(file) {
            Path::new("/dev/stdin")
        } else {
            file
        };
        let name = input::name(file);
        let there = std::fs::metadata(place)
            .map_err(|error| anyhow::anyhow!("{name}: the file cannot be read ({error}); nothing was begun"))?;
        match known.insert((there.dev(), there.ino()), file) {
            Some(other) if other == file => anyhow::bail!("{name} is named twice; nothing was begun"),
            Some(other) => {
                let other = input::name(other);
                anyhow::bail!("{other} and {name} are the same file; nothing was begun");
            }
            None => {}
        }
    }
    Ok(())
}

/// Whether what went wrong is wrong with that file alone, so that the next ones are begun all the same.
pub(super) fn is_of_file(error: &anyhow::Error) -> bool {
    matches!(
        output::plan_error(error),
        Some(PlanError::Input(_) | PlanError::Header { .. })
    )
}

const HEADER: [&str; 8] = [
    "file",
    "state",
    "rows",
    "applied",
    "unchanged",
    "rejected",
    "failed",
    "job",
];

/// The summary of several files.
pub(super) struct Several<'f> {
    app: &'f App,
    files: &'f [PathBuf],
    kind: &'static str,
    /// Whether every fault of a refused file is shown.
    all: bool,
    /// The one JSON document, if that is what is wanted.
    document: Option<output::Out>,
    table: Vec<[String; 8]>,
    end: CommandEnd,
}

impl<'f> Several<'f> {
    pub(super) fn new(
        app: &'f App,
        files: &'f [PathBuf],
        kind: &'static str,
        all: bool,
        json: bool,
    ) -> io::Result<Self> {
        let mut document = json.then(output::out);
        if let Some(out) = &mut document {
            write!(out, "{{\"inputs\":[")?;
        }
        Ok(Self {
            app,
            files,
            kind,
            all,
            document,
            table: vec![HEADER.map(str::to_owned)],
            end: CommandEnd::Fine,
        })
    }

    /// Says the outcome of the next file, and whether the ones after it are to be begun.
    pub(super) async fn add(&mut self, ended: anyhow::Result<FileOutcome>) -> anyhow::Result<bool> {
        let number = self.table.len() - 1;
        let file = input::name(&self.files[number]);
        if let Some(out) = &mut self.document {
            write!(out, "{}", if number == 0 { "\n" } else { ",\n" })?;
        }
        let (row, end, goes_on) = match ended {
            Ok(FileOutcome::Job(job)) => {
                let end = match &mut self.document {
                    Some(out) => {
                        let mut told = serde_json::to_value(JobSummary::of(&job))?;
                        told["file"] = json!(file);
                        write!(out, "{told}")?;
                        output::end_of(job.state, &job.counts)
                    }
                    None => print_result(self.app, &job, false).await?,
                };
                (of_job(file, &job), end, true)
            }
            Ok(FileOutcome::Queued { job, new }) => {
                if let Some(out) = &mut self.document {
                    let told = json!({ "file": file, "job": job.id, "kind": job.kind, "state": job.state, "new": new });
                    write!(out, "{told}")?;
                }
                (of_job(file, &job), CommandEnd::Fine, true)
            }
            Ok(FileOutcome::Refused(mut refusal)) => {
                let row = of_refused(file.clone(), &refusal);
                match &mut self.document {
                    Some(out) => refusal.write_json(self.kind, Some(&file), out)?,
                    None => refused(self.kind, *refusal, self.all, false)?,
                }
                (row, CommandEnd::Unfinished, true)
            }
            Err(error) => {
                output::complain(&error);
                let goes_on = is_of_file(&error);
                let state = if goes_on { "refused" } else { "failed" };
                if let Some(out) = &mut self.document {
                    let mut told = output::error_document(&error);
                    told["file"] = json!(file);
                    told["state"] = json!(state);
                    write!(out, "{told}")?;
                }
                (nothing(file, state), CommandEnd::Unfinished, goes_on)
            }
        };
        if let Some(out) = &mut self.document {
            out.flush()?;
        }
        self.table.push(row);
        self.end = self.end.max(end);
        Ok(goes_on)
    }

    /// Ends the summary. Files of which nothing was said were not begun.
    pub(super) fn finish(mut self) -> anyhow::Result<CommandEnd> {
        let begun = self.table.len() - 1;
        let left: Vec<String> = self.files[begun..].iter().map(|file| input::name(file)).collect();
        if !left.is_empty() {
            self.end = self.end.max(CommandEnd::Unfinished);
            output::warn(&format!("not begun: {}", printable(&left.join(", "))));
        }
        if let Some(out) = &mut self.document {
            for (file, number) in left.iter().zip(begun..) {
                let separator = if number == 0 { "\n" } else { ",\n" };
                write!(out, "{separator}{}", json!({ "file": file, "state": "not-begun" }))?;
            }
            writeln!(out, "\n],\"not_begun\":{}}}", Value::from(left))?;
            out.flush()?;
            return Ok(self.end);
        }
        self.table
            .extend(left.into_iter().map(|file| nothing(file, "not begun")));
        let mut out = output::out();
        writeln!(out)?;
        for line in aligned(&self.table) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        Ok(self.end)
    }
}

fn of_job(file: String, job: &Job) -> [String; 8] {
    let counts = &job.counts;
    let [rows, applied, unchanged, rejected, failed] = [
        counts.total,
        counts.applied,
        counts.unchanged,
        counts.rejected,
        counts.failed,
    ]
    .map(|count| count.to_string());
    let state = job.state.as_str().to_owned();
    [
        file,
        state,
        rows,
        applied,
        unchanged,
        rejected,
        failed,
        job.id.to_string(),
    ]
}

fn of_refused(file: String, refusal: &FileRefusal) -> [String; 8] {
    let mut row = nothing(file, "refused");
    // Of a file that cannot be read to its end nobody knows how many rows it has.
    if refusal.whole {
        row[2] = refusal.totals.rows.to_string();
        row[5] = refusal.totals.reject.to_string();
    }
    row
}

fn nothing(file: String, state: &str) -> [String; 8] {
    let none = || "-".to_owned();
    [file, state.to_owned(), none(), none(), none(), none(), none(), none()]
}

/// The rows as lines, with numbers to the right.
fn aligned(table: &[[String; 8]]) -> impl Iterator<Item = String> {
    let widths: [usize; 8] = std::array::from_fn(|column| {
        let widths = table.iter().map(|row| text_width(&printable(&row[column])));
        widths.max().unwrap_or(0)
    });
    table.iter().map(move |row| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let cell = printable(cell);
            if (2..7).contains(&column) {
                format!("{cell:>width$}")
            } else {
                padded(&cell, width)
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    })
}
