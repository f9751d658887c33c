//! `approve`, `reject`, `pause`, `resume`: what people decide about jobs.
//!
//! An approver has seen the plan: on a terminal it is shown and asked about; a script says all of its hash.

use std::io::{self, IsTerminal};

use anyhow::bail;
use clap::Args;

use super::outcome::print_summary;
use super::signing::SigningArgs;
use super::{CommandEnd, output};
use crate::app::App;
use crate::ledger::{Actor, Job, JobState};

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// Plan hash, all 64 digits; without it, a terminal shows the plan and asks
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
    /// Name for the audit record, other than the submitter's; once keys are enrolled, the signer's counts
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
    #[command(flatten)]
    signing: SigningArgs,
}

#[derive(Debug, Args)]
pub(super) struct RejectArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
    /// Why
    #[arg(long, value_name = "REASON", default_value = "")]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn approve(args: &ApproveArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    let text = app.service.ledger.text_to_sign(&job);
    if args.signing.prints(&text)? {
        return Ok(CommandEnd::Fine);
    }
    let hash = match &args.hash {
        Some(hash) => hash.clone(),
        // An approver who has signed elsewhere has seen the text that they signed.
        None if args.signing.is_signed() => job.hash_to_approve().to_owned(),
        None => asked(&job, app).await?,
    };
    let signature = args.signing.signature(&text)?;
    show(
        &app.service.approve(&args.by, &job, &hash, signature.as_deref()).await?,
        json,
    )
}

/// Shows the plan of a job to somebody at a terminal, and asks; the hash of what was shown.
async fn asked(job: &Job, app: &App) -> anyhow::Result<String> {
    if job.state != JobState::AwaitingApproval {
        return Ok(String::new());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        bail!(
            "nobody can be asked here: name the plan with --hash and its 64 digits, which `tenantry plan {}` ends with",
            job.id
        );
    }
    super::plan::of_waiting_job(&job.id.to_string(), app).await?;
    output::say(&format!("Approve job {}? Type `yes` to let it run:", job.id));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        bail!("nothing was decided; the job goes on waiting");
    }
    Ok(job.hash_to_approve().to_owned())
}

pub(super) async fn reject(args: &RejectArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    show(&app.service.reject(&args.by, &job, &args.reason).await?, json)
}

pub(super) async fn pause(args: &DecideArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    show(&app.service.pause(&args.by, &job).await?, json)
}

pub(super) async fn resume(args: &DecideArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    show(&app.service.resume(&args.by, &job).await?, json)
}

fn show(job: &Job, json: bool) -> anyhow::Result<CommandEnd> {
    print_summary(job, json)?;
    Ok(CommandEnd::Fine)
}
