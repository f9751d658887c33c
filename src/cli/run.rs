//! `tenantry run`: plan, submit and process here, and write the results.

use std::path::{Path, PathBuf};

use clap::Args;
use tenantry_jobs::JobKind;
use tokio_util::sync::CancellationToken;

use super::destination::DestinationArgs;
use super::kinds::KindName;
use super::outcome::{print_result, refused};
use super::output;
use super::progress::ProgressDisplay;
use super::several::{self, FileOutcome, Several};
use super::{CommandEnd, SubmissionArgs};
use crate::app::App;
use crate::delivery::{DeliveryError, Destination, MayHold};
use crate::ledger::{self, JobId};
use crate::plan::RowSource;
use crate::plan::file::PlanFile;
use crate::service::{RunError, RunOptions, SubmitRequest};
use crate::submit::Submitted;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Kind of job; `tenantry kinds` lists them
    #[arg(value_parser = KindName, hide_possible_values = true)]
    kind: String,
    /// CSV files or Excel workbooks (.xlsx), or - for standard input; each becomes a job of its own
    #[arg(required_unless_present = "cells", conflicts_with = "cells", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    out: DestinationArgs,
    /// Chunks worked on at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,
    /// Show every fault of a refused file, not just the first; --json always does
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    submission: SubmissionArgs,
}

pub(super) async fn run(args: &RunArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let kind = super::kind(&args.kind)?;
    let stop = super::stop_signal()?;
    several::check(&args.files, Some(&args.submission))?;
    let many = args.files.len() > 1;
    for number in 0..args.files.len().max(1) {
        let out = out_of(args.out.dir(), number, many);
        has_place(app, out.as_deref(), args.submission.may_hold())?;
    }
    let work = RunFiles {
        args,
        app,
        kind,
        stop: &stop,
        json,
    };
    if !many {
        let ended = work.file(args.files.first().map(PathBuf::as_path), args.out.destination());
        return match Box::pin(ended).await? {
            FileOutcome::Refused(refusal) => {
                args.submission.passwords.forget();
                refused(kind.kind(), *refusal, args.all, json)?;
                Ok(CommandEnd::Unfinished)
            }
            FileOutcome::Job(job) | FileOutcome::Queued { job, .. } => {
                args.submission.passwords.write(app, &job).await?;
                print_result(app, &job, json).await
            }
        };
    }
    let mut several = Several::new(app, &args.files, kind.kind(), args.all, json)?;
    for (number, file) in args.files.iter().enumerate() {
        if stop.is_cancelled() {
            break;
        }
        let out = out_of(args.out.dir(), number, many);
        let ended = Box::pin(work.file(Some(file), args.out.in_dir(out.as_deref()))).await;
        if !several.add(ended).await? {
            break;
        }
    }
    several.finish()
}

/// The directory for results of the file of that number: those of several must not overwrite each other.
pub(super) fn out_of(out: Option<&Path>, number: usize, many: bool) -> Option<PathBuf> {
    out.map(|out| {
        if many {
            out.join((number + 1).to_string())
        } else {
            out.to_owned()
        }
    })
}

/// What is the same for every file.
struct RunFiles<'a> {
    args: &'a RunArgs,
    app: &'a App,
    kind: &'static dyn JobKind,
    stop: &'a CancellationToken,
    json: bool,
}

impl RunFiles<'_> {
    /// Submits one file, or the row of the command line, and works on its job here.
    async fn file(&self, file: Option<&Path>, out: Destination<'_>) -> anyhow::Result<FileOutcome> {
        let (args, app, json) = (self.args, self.app, self.json);
        let submission = FileSubmission {
            kind: self.kind,
            source: args.submission.input.source(file, Some(self.stop)).await?,
            plan: None,
            not_before: None,
            args: &args.submission,
            is_for_workers: false,
        };
        let id = match submission.submit(app, json).await? {
            Submitted::Refused(refusal) => return Ok(FileOutcome::Refused(refusal)),
            Submitted::Queued(id) | Submitted::AwaitingApproval(id) => id,
            Submitted::Same(id) => {
                output::say(&format!("the same work is job {id} already; going on with it"));
                id
            }
        };
        let options = RunOptions {
            out,
            concurrency: args.concurrency.map(usize::from),
            stop: self.stop,
        };
        Ok(FileOutcome::Job(Box::new(process(app, id, options, json).await?)))
    }
}

/// Makes sure that results can be written, before there is a job that has some.
pub(super) fn has_place(app: &App, out: Option<&Path>, holds: MayHold) -> anyhow::Result<()> {
    let way = match out {
        Some(_) => "name another directory with --out",
        None => "name another directory with --out or `results.dir`",
    };
    let tried = app.service.try_results(out, holds);
    tried.map_err(|error| {
        let make_room = match error.error {
            DeliveryError::Taken { .. } => "",
            _ => "make room there, or ",
        };
        anyhow::anyhow!("{error}; nothing was submitted; {make_room}{way}")
    })
}

/// A file to submit.
pub(super) struct FileSubmission<'a> {
    pub(super) kind: &'static dyn JobKind,
    pub(super) source: RowSource,
    /// The plan to go by.
    pub(super) plan: Option<PlanFile>,
    pub(super) args: &'a SubmissionArgs,
    /// When its work is to begin, if not at once.
    pub(super) not_before: Option<i64>,
    /// Whether workers are told, or the job is worked on here.
    pub(super) is_for_workers: bool,
}

impl FileSubmission<'_> {
    /// Submits it with a progress display.
    pub(super) async fn submit(self, app: &App, json: bool) -> anyhow::Result<Submitted> {
        let passwords = self.args.passwords.wish(app, self.kind)?;
        let progress = ProgressDisplay::new("checking", json);
        let request = SubmitRequest {
            kind: self.kind,
            parameters: match &self.plan {
                Some(plan) => plan.head.parameters.clone(),
                None => self.args.parameters(),
            },
            ignore_not_kept: self.args.ignore_not_kept,
            passwords,
            source: self.source,
            idempotency_key: self.args.idempotency_key.clone(),
            origin: None,
            not_before: self.not_before,
            approval: None,
            reply_to: None,
            plan: self.plan,
            out_dir: None,
            is_for_workers: self.is_for_workers,
        };
        let submitted = app
            .service
            .submit(self.args.by.clone(), request, &|rows| progress.rows(rows, None))
            .await;
        progress.done();
        Ok(submitted?)
    }
}

/// Works on one job here until it has ended, writing its results as it goes.
pub(super) async fn process(app: &App, id: JobId, options: RunOptions<'_>, json: bool) -> anyhow::Result<ledger::Job> {
    let stop = options.stop;
    let progress = ProgressDisplay::new("applying", json);
    let job = app.service.run(id, options, &progress).await;
    progress.done();
    let job = match job {
        Ok(job) => job,
        Err(error) => return Err(recorded(app, id, error).await),
    };
    if stop.is_cancelled() && !job.state.is_final() {
        output::say(&format!(
            "stopped; job {id} goes on where it was with the same command, or with a worker"
        ));
    }
    Ok(job)
}

/// With what of the job is recorded, and how to go on.
pub(super) async fn recorded(app: &App, id: JobId, error: RunError) -> anyhow::Error {
    // That one says it already.
    if matches!(error, RunError::Results { .. }) {
        return error.into();
    }
    let state = match app.service.ledger.job(id).await {
        Ok(Some(job)) if job.state.is_final() => {
            format!("job {id} is recorded and has ended; `tenantry results {id}` prints its results")
        }
        Ok(Some(job)) if job.counts.finished() > 0 => format!(
            "job {id} is recorded, and {} of its {} are done; `tenantry apply {id}` goes on with it, `tenantry cancel {id}` \
             stops it",
            job.counts.finished(),
            output::counted(job.counts.total, "row")
        ),
        _ => {
            format!("recorded as {id}, not applied; `tenantry apply {id}` applies it, `tenantry cancel {id}` drops it")
        }
    };
    anyhow::Error::from(error).context(state)
}
