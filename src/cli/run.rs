//! `tenantry run`: plan, submit and process here, and write the results.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::output::{self, Progress};
use super::{End, SubmissionArgs};
use crate::app::App;
use crate::delivery::{self, DeliveryError};
use crate::ledger::{Job, JobId, Parameters, Scope};
use crate::plan::Source;
use crate::plan::file::PlanFile;
use crate::queue::Queue;
use crate::submit::{Refusal, Submission, Submitted, submit};
use crate::summary::JobSummary;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Kind of job; `tenantry kinds` lists them
    kind: String,
    /// CSV files or Excel workbooks (.xlsx); each becomes a job of its own
    #[arg(required_unless_present = "cells", conflicts_with = "cells", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Directory for results.csv, rejects.csv and receipt.json [default: ./tenantry-out/JOB]
    #[arg(long, value_name = "DIR")]
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
    let sources = if args.files.is_empty() {
        vec![args.submission.input.source(None)?]
    } else {
        let sources = args.files.iter().map(|file| args.submission.input.source(Some(file)));
        sources.collect::<Result<_, _>>()?
    };
    let many = sources.len();
    // Results of several files must not overwrite each other.
    let out_of = |number: usize| match (&args.out, many) {
        (Some(out), 1) => Some(out.clone()),
        (Some(out), _) => Some(out.join((number + 1).to_string())),
        (None, _) => None,
    };
    for number in 0..many {
        has_place(app, out_of(number).as_deref())?;
    }
    for (number, source) in sources.into_iter().enumerate() {
        let out = out_of(number);
        if many > 1 && args.submission.passwords.is_plain() {
            anyhow::bail!("--plaintext-passwords takes one file at a time");
        }
        let submitted = hand_in(app, kind, source, None, &args.submission, &Queue::embedded(), json).await?;
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
        let job = process(app, id, out.as_deref(), args.concurrency.map(usize::from), &stop, json).await?;
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
    let base = &app.config.results.dir;
    let (dir, way) = match out {
        Some(out) => (out, "name another directory with --out"),
        None => (base.as_path(), "name another directory with --out or `results.dir`"),
    };
    delivery::try_dir(dir).map_err(|error| {
        let dir = dir.display();
        anyhow::anyhow!("results cannot be written to {dir}: {error}; nothing was submitted; make room there, or {way}")
    })
}

/// What to do about results that could not be written, and about their job.
pub(super) async fn unwritten(app: &App, id: JobId, error: anyhow::Error) -> anyhow::Error {
    let Some(DeliveryError::File(_) | DeliveryError::Directory { .. }) = error.downcast_ref() else {
        return error;
    };
    let way =
        format!("`tenantry results {id}` prints them, and a worker on this machine writes them once that is possible");
    let is_over = app
        .ledger
        .job(id)
        .await
        .is_ok_and(|job| job.is_some_and(|job| job.state.is_final()));
    if is_over {
        anyhow::anyhow!("{error}; job {id} has ended and its results are in the ledger: {way}")
    } else {
        anyhow::anyhow!(
            "{error}; job {id} is in the ledger and goes on where it was with a worker or with `tenantry apply {id}`; its results \
             are there as well: {way}"
        )
    }
}

/// Submits one file with a progress display.
pub(super) async fn hand_in(
    app: &App,
    kind: &'static dyn tenantry_jobs::Job,
    source: Source,
    plan: Option<PlanFile>,
    args: &SubmissionArgs,
    queue: &Queue,
    json: bool,
) -> anyhow::Result<Submitted> {
    let seal_to = args.passwords.seal_to(app, kind)?;
    let progress = Progress::new("checking", json);
    let given = match &plan {
        Some(plan) => plan.head.parameters.clone(),
        None => args.parameters(),
    };
    let submission = Submission {
        kind,
        parameters: Parameters { seal_to, ..given },
        source,
        idempotency_key: args.idempotency_key.clone(),
        submitted_by: args.by.clone(),
        reply_to: None,
        out_dir: None,
        plan,
    };
    let submitted = submit(&app.ledger, &app.stores, queue, &app.rules(), submission, &|rows| {
        progress.at(rows, None);
    })
    .await;
    progress.done();
    Ok(submitted?)
}

/// Tells that a file was refused, and why.
pub(super) fn refused(kind: &str, mut refusal: Refusal, all: bool, json: bool) -> anyhow::Result<()> {
    use std::io::Write;
    let good = refusal.totals.rows - refusal.totals.reject;
    let mut out = output::out();
    if json {
        let counts = json!({
            "applied": 0, "unchanged": 0, "rejected": refusal.totals.reject, "failed": 0, "cancelled": 0,
            "total": refusal.totals.rows,
        });
        let head = json!({ "job": null, "kind": kind, "state": "refused", "counts": counts, "started_at": null,
            "finished_at": null, "results": null, "rejects": null, "receipt": null });
        let head = head.to_string();
        write!(out, "{},\"errors\":", head.trim_end_matches('}'))?;
        output::faults_json(&mut out, &mut refusal.faults)?;
        writeln!(out, "}}")?;
    } else {
        output::faults(&mut out, &mut refusal.faults, all)?;
        let way = match good {
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
pub(super) async fn process(
    app: &App,
    id: JobId,
    out: Option<&Path>,
    concurrency: Option<usize>,
    stop: &CancellationToken,
    json: bool,
) -> anyhow::Result<Job> {
    let job = load(app, id).await?;
    let dir = match delivery::claim_dir(&app.ledger, &job, out, &app.config.results.dir).await {
        Ok(dir) => dir,
        Err(error) => return Err(Box::pin(unwritten(app, id, error.into())).await),
    };
    if job.is_at_rest() && !job.state.is_final() {
        return Ok(job);
    }
    let runner = app.runner(Scope::Job(job.seq), concurrency);
    let work_over = stop.child_token();
    let working = {
        let work_over = work_over.clone();
        async move { runner.serve(work_over).await }
    };
    let watching = async {
        let written = watch(app, id, &dir, stop, json).await;
        work_over.cancel();
        written
    };
    let (worked, watched) = tokio::join!(working, watching);
    worked?;
    if let Err(error) = watched {
        return Err(Box::pin(unwritten(app, id, error)).await);
    }
    load(app, id).await
}

/// Shows progress and writes results until the job has ended or the user has had enough.
async fn watch(app: &App, id: JobId, dir: &Path, stop: &CancellationToken, json: bool) -> anyhow::Result<()> {
    let progress = Progress::new("applying", json);
    let showing = async {
        loop {
            let job = load(app, id).await?;
            progress.of(job.counts.total);
            progress.at(job.counts.finished(), Some(job.counts.total));
            if job.is_at_rest() {
                return anyhow::Ok(job);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // Boxed, as it is large and would be carried in every future around it.
    let (form, patience) = (app.config.results.form(), app.config.ledger.patience);
    let writing = Box::pin(delivery::deliver_to(&app.ledger, id, dir, form, patience));
    let both = async {
        let (mut showing, mut writing) = (std::pin::pin!(showing), writing);
        tokio::select! {
            shown = &mut showing => {
                // A job that only rests writes its results when it ends; who ends it sees to that.
                if shown?.state.is_final() {
                    writing.await?;
                }
            }
            written = &mut writing => {
                written?;
                showing.await?;
            }
        }
        anyhow::Ok(())
    };
    let watched = stop.run_until_cancelled(both).await;
    progress.done();
    if let Some(done) = watched {
        done
    } else {
        output::say(&format!(
            "stopped; job {id} goes on where it was with the same command, or with a worker"
        ));
        Ok(())
    }
}

/// The job as it is now.
pub(super) async fn load(app: &App, id: JobId) -> anyhow::Result<Job> {
    let job = app.patiently(|| app.ledger.job(id)).await?;
    job.ok_or_else(|| anyhow::anyhow!("job {id} is gone from the ledger"))
}

/// Prints how a job ended.
pub(super) fn tell(job: &Job, json: bool) -> anyhow::Result<End> {
    use std::io::Write;
    let summary = JobSummary::of(job);
    let mut out = output::out();
    if json {
        writeln!(out, "{}", summary.to_json())?;
    } else {
        output::summary(&mut out, &summary)?;
    }
    out.flush()?;
    Ok(output::end_of(job.state, &job.counts))
}
