//! `tenantry run`: plan, submit and process here, and write the results.

use std::path::{Path, PathBuf};

use clap::Args;
use tenantry_jobs::Job;

use super::output::{self, ProgressDisplay};
use super::{End, SubmissionArgs};
use crate::app::App;
use crate::ledger::{self, JobId};
use crate::plan::Source;
use crate::plan::file::PlanFile;
use crate::service::{RunError, RunOptions, SubmitRequest};
use crate::submit::{FileRefusal, Submitted};
use crate::summary::JobSummary;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Kind of job; `tenantry kinds` lists them
    kind: String,
    /// CSV files or Excel workbooks (.xlsx), or - for standard input; each becomes a job of its own
    #[arg(required_unless_present = "cells", conflicts_with = "cells", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Directory for results.csv, rejects.csv and receipt.json [default: ./tenantry-out/JOB]
    #[arg(long, value_name = "DIR", value_parser = super::directory)]
    out: Option<PathBuf>,
    /// Chunks worked on at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,
    /// Show every fault of a refused file, not just the first; --json always does
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    submission: SubmissionArgs,
}

pub(super) async fn run(args: &Run, app: &App, json: bool) -> anyhow::Result<End> {
    let kind = super::kind(&args.kind)?;
    let stop = super::stop_signal()?;
    let mut end = End::Fine;
    let files: Vec<Option<&Path>> = if args.files.is_empty() {
        vec![None]
    } else {
        args.files.iter().map(|file| Some(file.as_path())).collect()
    };
    let many = files.len();
    // Results of several files must not overwrite each other.
    let out_of = |number: usize| match (&args.out, many) {
        (Some(out), 1) => Some(out.clone()),
        (Some(out), _) => Some(out.join((number + 1).to_string())),
        (None, _) => None,
    };
    for number in 0..many {
        has_place(app, out_of(number).as_deref())?;
    }
    for (number, file) in files.into_iter().enumerate() {
        let out = out_of(number);
        if many > 1 && args.submission.passwords.is_plain() {
            anyhow::bail!("--plaintext-passwords takes one file at a time");
        }
        let file = FileSubmission {
            kind,
            source: args.submission.input.source(file, Some(&stop)).await?,
            plan: None,
            args: &args.submission,
            is_for_workers: false,
        };
        let submitted = file.submit(app, json).await?;
        let id = match submitted {
            Submitted::Refused(refusal) => {
                args.submission.passwords.forget();
                refused(kind.kind(), *refusal, args.all, json)?;
                end = end.max(End::Unfinished);
                continue;
            }
            Submitted::Queued(id) | Submitted::AwaitingApproval(id) => id,
            Submitted::Same(id) => {
                output::say(&format!("the same work is job {id} already; going on with it"));
                id
            }
        };
        let options = RunOptions {
            out: out.as_deref(),
            concurrency: args.concurrency.map(usize::from),
            stop: &stop,
        };
        let job = process(app, id, options, json).await?;
        args.submission.passwords.write(app, &job).await?;
        end = end.max(tell(&job, json)?);
        if stop.is_cancelled() {
            break;
        }
    }
    Ok(end)
}

/// Makes sure that results can be written, before there is a job that has some.
pub(super) fn has_place(app: &App, out: Option<&Path>) -> anyhow::Result<()> {
    let way = match out {
        Some(_) => "name another directory with --out",
        None => "name another directory with --out or `results.dir`",
    };
    let tried = app.service.try_results(out);
    tried.map_err(|error| anyhow::anyhow!("{error}; nothing was submitted; make room there, or {way}"))
}

/// A file to submit.
pub(super) struct FileSubmission<'a> {
    pub(super) kind: &'static dyn Job,
    pub(super) source: Source,
    /// The plan to go by.
    pub(super) plan: Option<PlanFile>,
    pub(super) args: &'a SubmissionArgs,
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
            passwords,
            source: self.source,
            idempotency_key: self.args.idempotency_key.clone(),
            reply_to: None,
            plan: self.plan,
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

/// Tells that a file was refused, and why.
pub(super) fn refused(kind: &str, mut refusal: FileRefusal, all: bool, json: bool) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = output::out();
    if json {
        refusal.write_json(kind, &mut out)?;
    } else {
        let good = refusal.good_rows();
        output::faults(&mut out, &mut refusal.faults, all)?;
        let way = match good {
            _ if refusal.is_for_now() => "nothing is wrong with the file; try again in a few minutes".to_owned(),
            0 => "mend the file".to_owned(),
            _ if !refusal.whole => "mend the file, which cannot be read to its end".to_owned(),
            _ => format!(
                "mend the file, or apply its {} with --skip-invalid",
                output::counted(good, "good row")
            ),
        };
        writeln!(out, "nothing was applied; {way}")?;
    }
    out.flush()?;
    Ok(())
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

/// Prints how a job ended.
pub(super) fn tell(job: &ledger::Job, json: bool) -> anyhow::Result<End> {
    use std::io::Write;
    let summary = JobSummary::of(job);
    let mut out = output::out();
    if json {
        writeln!(out, "{}", summary.to_json())?;
    } else {
        output::summary(&mut out, &summary)?;
    }
    out.flush()?;
    if let Some(next) = output::next(job, &summary).filter(|_| !json) {
        output::say(&format!("next: {next}"));
    }
    Ok(output::end_of(job.state, &job.counts))
}
