//! `tenantry submit`: check a file and queue it for the workers.

mod lines;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tenantry_jobs::JobKind;
use tokio_util::sync::CancellationToken;

use super::destination::ResultsFormat;
use super::kinds::KindName;
use super::outcome::{print_result, refused};
use super::output;
use super::progress::ProgressDisplay;
use super::run::{FileSubmission, has_place, out_of, recorded};
use super::several::{self, FileOutcome, Several};
use super::{CommandEnd, SubmissionArgs};
use crate::app::App;
use crate::delivery::Destination;
use crate::ledger::{Job, JobId, JobState};
use crate::submit::Submitted;

#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// Kind of job; `tenantry kinds` lists them
    #[arg(required_unless_present = "jobs", value_parser = KindName, hide_possible_values = true)]
    kind: Option<String>,
    /// CSV files or Excel workbooks (.xlsx), or - for standard input; each becomes a job of its own
    #[arg(required_unless_present_any = ["cells", "jobs"], conflicts_with = "cells", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Submit many jobs: a JSON document per line, as the inbox takes them, from a file or - for standard input. Prints a JSON
    /// object per line, in order, once each is recorded, or with --wait once it has ended
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_ONE_JOB)]
    jobs: Option<PathBuf>,
    /// Wait until the job has ended, write its results and print how it went
    #[arg(long)]
    wait: bool,
    /// With --wait: directory for results, rejects and receipt.json [default: ./tenantry-out/JOB]
    #[arg(long, value_name = "DIR", value_parser = super::directory, requires = "wait")]
    out: Option<PathBuf>,
    /// With --wait: write results and rejects as CSV or as Excel workbooks [default: as configured, else csv]
    #[arg(long, requires = "wait")]
    format: Option<ResultsFormat>,
    /// Begin at this time, such as 2026-12-24T18:00+01:00 or 2026-12-24T18:00[Europe/Berlin]: the file is checked now, and
    /// approved where it has to be; rows that are not as they were planned any more are rejected then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<i64>,
    /// Show every fault of a refused file, not just the first
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    submission: SubmissionArgs,
}

/// A time that means the same wherever it is read.
fn moment(text: &str) -> Result<i64, String> {
    let instant = text
        .parse::<jiff::Timestamp>()
        .or_else(|_| text.parse::<jiff::Zoned>().map(|zoned| zoned.timestamp()));
    let told =
        "expected a time and where it is that, such as `2026-12-24T18:00+01:00` or `2026-12-24T18:00[Europe/Berlin]`";
    instant
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|_| told.to_owned())
}

/// What a document says itself.
const OF_ONE_JOB: [&str; 16] = [
    "kind",
    "at",
    "files",
    "out",
    "format",
    "all",
    "customer",
    "skip_invalid",
    "ignore_not_kept",
    "idempotency_key",
    "sheet",
    "encoding",
    "multiline_cells",
    "hidden_rows",
    "cells",
    "plaintext_passwords",
];

pub(super) async fn submit(args: &SubmitArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    if let Some(file) = &args.jobs {
        let stop = super::stop_signal()?;
        return Box::pin(lines::submit(file, args, app, &stop)).await;
    }
    let kind = super::kind(args.kind.as_deref().unwrap_or_default())?;
    if args.submission.passwords.is_plain() && !args.wait {
        anyhow::bail!(
            "--plaintext-passwords: there are no passwords before a worker has done the rows; wait for that with --wait, or put \
             a public key into `passwords.recipients` (`tenantry keygen` makes one), leave the option out, and run \
             `tenantry reveal JOB` when the job has ended"
        );
    }
    several::check(&args.files, Some(&args.submission))?;
    let many = args.files.len() > 1;
    if args.wait {
        for number in 0..args.files.len().max(1) {
            let out = out_of(args.out.as_deref(), number, many);
            has_place(app, out.as_deref(), args.submission.may_hold())?;
        }
    }
    let stop = super::stop_signal()?;
    let work = SubmitFiles {
        args,
        app,
        kind,
        stop: &stop,
        json,
    };
    if many {
        return work.several().await;
    }
    let file = args.files.first().map(PathBuf::as_path);
    let (job, new) = match Box::pin(work.queue(file)).await? {
        FileOutcome::Refused(refusal) => {
            args.submission.passwords.forget();
            refused(kind.kind(), *refusal, args.all, json)?;
            return Ok(CommandEnd::Unfinished);
        }
        FileOutcome::Queued { job, new } => (job, new),
        FileOutcome::Job(job) => (job, false),
    };
    if !args.wait {
        let mut out = output::out();
        if json {
            writeln!(out, "{}", json!({ "job": job.id, "kind": kind.kind(), "new": new }))?;
        } else {
            writeln!(out, "{}", job.id)?;
        }
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let job = work.wait(job.id, args.out.as_deref()).await?;
    args.submission.passwords.write(app, &job).await?;
    print_result(app, &job, json).await
}

/// What is the same for every file.
struct SubmitFiles<'a> {
    args: &'a SubmitArgs,
    app: &'a App,
    kind: &'static dyn JobKind,
    stop: &'a CancellationToken,
    json: bool,
}

impl SubmitFiles<'_> {
    /// Queues all files before any is waited for, so that workers have all of them in hand.
    async fn several(&self) -> anyhow::Result<CommandEnd> {
        let args = self.args;
        let mut queued = Vec::new();
        for file in &args.files {
            if self.stop.is_cancelled() {
                break;
            }
            let one = Box::pin(self.queue(Some(file))).await;
            let goes_on = one.as_ref().err().is_none_or(several::is_of_file);
            queued.push(one);
            if !goes_on {
                break;
            }
        }
        let mut several = Several::new(self.app, &args.files, self.kind.kind(), args.all, self.json)?;
        for (number, one) in queued.into_iter().enumerate() {
            let ended = match one {
                Ok(FileOutcome::Queued { job, .. }) if args.wait => {
                    let out = out_of(args.out.as_deref(), number, true);
                    let waited = self.wait(job.id, out.as_deref()).await;
                    waited.map(|job| FileOutcome::Job(Box::new(job)))
                }
                other => other,
            };
            several.add(ended).await?;
        }
        several.finish()
    }

    /// Submits one file, or the row of the command line.
    async fn queue(&self, file: Option<&Path>) -> anyhow::Result<FileOutcome> {
        let (args, app) = (self.args, self.app);
        let submission = FileSubmission {
            kind: self.kind,
            source: args.submission.input.source(file, Some(self.stop)).await?,
            plan: None,
            not_before: args.at,
            args: &args.submission,
            is_for_workers: true,
        };
        let (id, new) = match submission.submit(app, self.json).await? {
            Submitted::Refused(refusal) => return Ok(FileOutcome::Refused(refusal)),
            Submitted::Queued(id) | Submitted::AwaitingApproval(id) => (id, true),
            Submitted::Same(id) => (id, false),
        };
        let job = app.service.job(id).await?;
        if job.state == JobState::AwaitingApproval && !self.json && !args.wait {
            output::say(&format!(
                "job {id} awaits approval ({}); `tenantry plan {id}` shows what it would do",
                job.gate.join("; ")
            ));
        }
        if !job.parameters.seal_to.is_empty() && !self.json && !args.wait {
            output::hint(&format!(
                "once job {id} has ended, the holder of a recipient's key opens its passwords with `tenantry reveal {id} \
                 --identity KEYFILE`"
            ));
        }
        Ok(FileOutcome::Queued {
            job: Box::new(job),
            new,
        })
    }

    /// Waits for a job until it has ended, or the command is stopped; the job as it is then.
    async fn wait(&self, id: JobId, out: Option<&Path>) -> anyhow::Result<Job> {
        let app = self.app;
        let progress = ProgressDisplay::new("applying", self.json);
        let out = Destination {
            dir: out,
            format: self.args.format.map(ResultsFormat::table),
        };
        let waiting = app.service.wait(id, out, &progress);
        let waited = self.stop.run_until_cancelled(waiting).await;
        progress.done();
        match waited {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(recorded(app, id, error).await),
            None => output::say(&format!(
                "no longer waiting; job {id} is recorded and goes on with a worker: `tenantry show {id}` says how far it is, \
                 `tenantry cancel {id}` stops it"
            )),
        }
        Ok(app.service.job(id).await?)
    }
}
