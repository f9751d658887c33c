//! `tenantry apply`: carry out a plan that was written earlier, or work on a job that is recorded.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::destination::DestinationArgs;
use super::input::{self, InputArgs, is_piped, spooled};
use super::outcome::{print_result, refused};
use super::output;
use super::passwords::PasswordArgs;
use super::run::{FileSubmission, has_place, process};
use super::{CommandEnd, SubmissionArgs};
use crate::app::App;
use crate::delivery::MayHold;
use crate::ledger::{Actor, JobState};
use crate::plan::PIPED;
use crate::plan::file::PlanFile;
use crate::service::{RunOptions, ServiceError};
use crate::submit::Submitted;

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Plan written by `plan --out`, - for one on standard input, or a job id
    what: String,
    #[command(flatten)]
    out: DestinationArgs,
    /// Chunks worked on at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,
    #[command(flatten)]
    passwords: PasswordArgs,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn apply(args: &ApplyArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let stop = super::stop_signal()?;
    let path = Path::new(&args.what);
    let id = if path.is_file() || is_piped(path) {
        has_place(app, args.out.dir(), MayHold::Nothing)?;
        match Box::pin(submit_plan(args, app, path, &stop, json)).await? {
            Some(id) => id,
            None => return Ok(CommandEnd::Unfinished),
        }
    } else {
        let job = match app.service.find(&args.what).await {
            Err(ServiceError::NoSuchJob(error)) => anyhow::bail!("{error}, and there is no such file"),
            found => found?,
        };
        if job.state == JobState::Planned {
            anyhow::bail!("job {} is still being planned", job.id);
        }
        if let Some(store) = app.service.lacked_store(&job) {
            anyhow::bail!(
                "job {} is for the store `{store}`, which is not configured here; `--config FILE` names the configuration it was \
                 submitted with",
                job.id
            );
        }
        match (args.out.dir(), &job.out_dir) {
            // Where the submitter wants them, as a schedule does in one place each time.
            (None, Some(recorded)) => {
                let recorded = Path::new(recorded);
                app.service.settings.runner.roots.check(recorded)?;
                has_place(app, Some(recorded), MayHold::Any)?;
            }
            (wanted, _) => has_place(app, wanted, MayHold::Of(job.id))?,
        }
        job.id
    };
    let options = RunOptions {
        out: args.out.destination(),
        concurrency: args.concurrency.map(usize::from),
        stop: &stop,
    };
    let job = process(app, id, options, json).await?;
    args.passwords.write(app, &job).await?;
    print_result(app, &job, json).await
}

/// Submits the file of a plan, to be applied as the plan says.
async fn submit_plan(
    args: &ApplyArgs,
    app: &App,
    path: &Path,
    stop: &CancellationToken,
    json: bool,
) -> anyhow::Result<Option<crate::ledger::JobId>> {
    let plan = match spooled(path, Some(stop)).await? {
        Some(plan) => PlanFile::of_spooled(plan)?,
        None => PlanFile::open(path)?,
    };
    let name = input::name(path);
    if plan.head.offline {
        anyhow::bail!("{name}: this plan was made --offline, without the store; make one with it");
    }
    if plan.tail.hash.is_none() {
        anyhow::bail!("{name}: the planned file could not be read to its end; fix it and plan it again");
    }
    if plan.tail.totals.reject > 0 && !plan.head.parameters.skip_invalid {
        anyhow::bail!(
            "{name}: the planned file has {} to reject; fix it, or plan it with --skip-invalid",
            output::counted(plan.tail.totals.reject, "row")
        );
    }
    let kind = super::kind(&plan.head.kind)?;
    let input = InputArgs {
        sheet: plan.head.sheet.clone(),
        encoding: plan.head.encoding.clone(),
        multiline_cells: plan.head.multiline_cells,
        hidden_rows: plan.head.hidden_rows,
        cells: plan.head.set.clone(),
    };
    if plan.head.file == Path::new(PIPED) {
        rows_come(path, &name)?;
    }
    let file = (!input.has_cells()).then_some(plan.head.file.as_path());
    let source = input.source(file, Some(stop)).await?;
    let submission = SubmissionArgs {
        customer: None,
        skip_invalid: false,
        ignore_not_kept: Some(plan.head.parameters.ignore_not_kept),
        idempotency_key: None,
        by: args.by.clone(),
        input,
        passwords: args.passwords.clone(),
    };
    let file = FileSubmission {
        kind,
        source,
        plan: Some(plan),
        not_before: None,
        args: &submission,
        is_for_workers: false,
    };
    let submitted = file.submit(app, json).await?;
    Ok(match submitted {
        Submitted::Refused(refusal) => {
            args.passwords.forget();
            refused(kind.kind(), *refusal, false, json)?;
            None
        }
        Submitted::Queued(id) | Submitted::AwaitingApproval(id) => Some(id),
        Submitted::Same(id) => {
            output::say(&format!("the same work is job {id} already; going on with it"));
            Some(id)
        }
    })
}

/// Makes sure that the rows of a plan made of a pipe come through standard input as well.
fn rows_come(plan: &Path, name: &str) -> anyhow::Result<()> {
    if plan == Path::new(PIPED) {
        anyhow::bail!(
            "{name}: the rows of this plan came through a pipe, so that they are read from standard input again; write the plan \
             to a file and name that"
        );
    }
    if std::io::stdin().is_terminal() {
        anyhow::bail!(
            "{name}: the rows of this plan came through a pipe; hand in the same rows again: tenantry apply {} < FILE",
            output::quoted(name)
        );
    }
    Ok(())
}
