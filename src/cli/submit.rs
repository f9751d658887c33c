//! `tenantry submit`: check a file and queue it for the workers.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::{self, ProgressDisplay};
use super::run::{FileSubmission, has_place, recorded, refused, tell};
use super::{End, SubmissionArgs};
use crate::app::App;
use crate::ledger::JobState;
use crate::submit::Submitted;

#[derive(Debug, Args)]
pub(super) struct Submit {
    /// Kind of job; `tenantry kinds` lists them
    kind: String,
    /// CSV file or Excel workbook (.xlsx), or - for standard input
    #[arg(required_unless_present = "cells", conflicts_with = "cells")]
    file: Option<PathBuf>,
    /// Wait until the job has ended, write its results and print how it went
    #[arg(long)]
    wait: bool,
    /// With --wait: directory for results.csv, rejects.csv and receipt.json [default: ./tenantry-out/JOB]
    #[arg(long, value_name = "DIR", value_parser = super::directory, requires = "wait")]
    out: Option<PathBuf>,
    /// Show every fault of a refused file, not just the first
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    submission: SubmissionArgs,
}

pub(super) async fn submit(args: &Submit, app: &App, json: bool) -> anyhow::Result<End> {
    let kind = super::kind(&args.kind)?;
    if args.submission.passwords.is_plain() && !args.wait {
        anyhow::bail!(
            "--plaintext-passwords: there are no passwords before a worker has done the rows; wait for that with --wait, or put \
             a public key into `passwords.recipients` (`tenantry keygen` makes one), leave the option out, and run \
             `tenantry reveal JOB` when the job has ended"
        );
    }
    if args.wait {
        has_place(app, args.out.as_deref())?;
    }
    let stop = super::stop_signal()?;
    let source = args.submission.input.source(args.file.as_deref(), Some(&stop)).await?;
    let file = FileSubmission {
        kind,
        source,
        plan: None,
        args: &args.submission,
        is_for_workers: true,
    };
    let submitted = file.submit(app, json).await?;
    let (id, new) = match submitted {
        Submitted::Refused(refusal) => {
            args.submission.passwords.forget();
            refused(kind.kind(), *refusal, args.all, json)?;
            return Ok(End::Unfinished);
        }
        Submitted::Queued(id) | Submitted::AwaitingApproval(id) => (id, true),
        Submitted::Same(id) => (id, false),
    };
    if !args.wait {
        let job = app.service.job(id).await?;
        if job.state == JobState::AwaitingApproval && !json {
            output::say(&format!(
                "job {id} awaits approval ({}); `tenantry plan {id}` shows what it would do",
                job.gate.join("; ")
            ));
        }
        let mut out = output::out();
        if json {
            writeln!(out, "{}", json!({ "job": id, "kind": kind.kind(), "new": new }))?;
        } else {
            writeln!(out, "{id}")?;
        }
        out.flush()?;
        return Ok(End::Fine);
    }
    let progress = ProgressDisplay::new("applying", json);
    let waiting = app.service.wait(id, args.out.as_deref(), &progress);
    let waited = stop.run_until_cancelled(waiting).await;
    progress.done();
    match waited {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(recorded(app, id, error).await),
        None => output::say(&format!(
            "no longer waiting; job {id} is recorded and goes on with a worker: `tenantry show {id}` says how far it is, \
             `tenantry cancel {id}` stops it"
        )),
    }
    let job = app.service.job(id).await?;
    args.submission.passwords.write(app, &job).await?;
    tell(&job, json)
}
