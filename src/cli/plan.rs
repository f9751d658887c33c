//! `tenantry plan`: what a file would do, row by row, without writing anything; and what a job would do that is to be
//! approved.

mod job;
mod report;

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;

use super::End;
use super::input::{InputArgs, is_piped};
use super::output::{self, ProgressDisplay};
use crate::app::{App, limits};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::file::WholeFile;
use crate::ledger::{Ledger, Parameters};
use crate::plan::document::{Document, View};
use crate::plan::{Against, PIPED, Source};
use crate::registry::stores;
use crate::service::{self, PlanRequest, Planned};
use report::Report;

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Kind of job, which `tenantry kinds` lists; or, without a file, a job that has to be approved
    #[arg(value_name = "KIND|JOB")]
    kind: String,
    /// CSV file or Excel workbook (.xlsx), or - for standard input
    #[arg(conflicts_with = "cells")]
    file: Option<PathBuf>,
    /// Write the plan to this file, to be carried out by `apply`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["offline", "cells"], value_parser = plan_file)]
    out: Option<PathBuf>,
    /// Plan for the good rows of a file that has bad ones
    #[arg(long)]
    skip_invalid: bool,
    /// Leave out columns that the store does not keep, such as job titles at Partner Center
    #[arg(long)]
    ignore_not_kept: bool,
    /// Check the file alone, without looking at the store
    #[arg(long)]
    offline: bool,
    /// Show every row and every fault, not just the first; --json always does
    #[arg(long)]
    all: bool,
    /// The customer of all rows, for a file without a `customer` column
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    #[command(flatten)]
    input: InputArgs,
}

fn plan_file(path: &str) -> Result<PathBuf, String> {
    match path {
        PIPED => Err("a plan that is kept is a file; --json prints it instead".to_owned()),
        path => Ok(path.into()),
    }
}

impl Plan {
    /// Whether nothing is named that could be planned.
    fn is_of_job(&self) -> bool {
        self.file.is_none() && !self.input.has_cells()
    }

    /// Whether the plan of a job is asked for.
    pub(super) fn is_job(&self) -> bool {
        self.is_of_job() && tenantry_jobs::find(&self.kind).is_err()
    }
}

/// Shows the plan of a job.
pub(super) async fn of_job(args: &Plan, app: &App, json: bool) -> anyhow::Result<End> {
    job::show(app, &args.kind, args.all, json).await
}

pub(super) async fn plan(args: &Plan, config: &Config, json: bool) -> anyhow::Result<End> {
    let kind = super::kind(&args.kind)?;
    if args.is_of_job() {
        anyhow::bail!("`plan {}` needs a FILE, or cells with --set", args.kind);
    }
    let stores = stores(config, None)?;
    let parameters = Parameters {
        store: stores.name_of(kind).filter(|_| !args.offline),
        customer: args.customer.clone(),
        skip_invalid: args.skip_invalid,
        ignore_not_kept: args.ignore_not_kept,
        seal_to: Vec::new(),
        in_the_clear: false,
        reply_rows: false,
    };
    let (store, _empty) = if args.offline {
        (None, None)
    } else {
        store(config).await?
    };
    let planned = async {
        let source = source(args).await?;
        let request = PlanRequest {
            kind,
            parameters: &parameters,
            source,
            against: store.as_ref().map(|ledger| Against {
                ledger: ledger.clone(),
                stores: stores.clone(),
                reads_all: true,
            }),
            chunk_rows: config.worker.chunk_rows,
            limits: limits(config),
        };
        Box::pin(show(args, request, json)).await
    };
    let planned = planned.await;
    if let Some(ledger) = store {
        ledger.close().await;
    }
    stores.close().await;
    planned
}

async fn source(args: &Plan) -> anyhow::Result<Source> {
    // Where the plan is applied need not be where it was made.
    let file = match &args.file {
        Some(file) if args.out.is_some() && !is_piped(file) => Some(std::path::absolute(file)?),
        file => file.clone(),
    };
    args.input.source(file.as_deref(), None).await
}

/// Plans a file and shows what came of it.
async fn show(args: &Plan, request: PlanRequest<'_>, json: bool) -> anyhow::Result<End> {
    let mut shown: Box<dyn View> = if json {
        Box::new(Document::new(output::out()))
    } else {
        Box::new(Report::new(output::out(), request.kind.kind(), args.all))
    };
    let mut kept = args.out.as_deref().map(keep).transpose()?;
    let mut views: Vec<&mut dyn View> = Vec::new();
    views.push(shown.as_mut());
    if let Some(kept) = &mut kept {
        views.push(kept);
    }
    let progress = ProgressDisplay::new("checking", json);
    let planned = service::plan(request, &mut views, &|rows| progress.rows(rows, None)).await;
    progress.done();
    let planned = planned?;
    if let Some(kept) = kept {
        kept.into_inner().into_inner()?.finish()?;
    }
    if !json && !args.offline && planned != Planned::Broken {
        let is_piped = args.file.as_deref().is_some_and(is_piped);
        let next = match &args.out {
            Some(plan) if is_piped => {
                let plan = output::quoted(&plan.display().to_string());
                format!("tenantry apply {plan}, with the same rows on standard input")
            }
            Some(plan) => format!("tenantry apply {}", output::quoted(&plan.display().to_string())),
            None if planned == Planned::SomeRejected && !args.skip_invalid => {
                "mend the file and plan it again, or add --skip-invalid".to_owned()
            }
            None if is_piped => "the same with `run` in place of `plan`, and the same rows once more".to_owned(),
            None => same_arguments(),
        };
        output::say(&format!("next: {next}"));
    }
    Ok(match planned {
        Planned::Sound => End::Fine,
        Planned::SomeRejected => End::SomeRowsNot,
        Planned::Broken => End::Unfinished,
    })
}

/// The command that does what was planned.
fn same_arguments() -> String {
    let mut is_planned = false;
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--all");
    let arguments = arguments.map(|argument| match argument.as_str() {
        "plan" if !std::mem::replace(&mut is_planned, true) => "run".to_owned(),
        other => output::quoted(other),
    });
    format!("tenantry {}", arguments.collect::<Vec<_>>().join(" "))
}

/// The file of a plan.
fn keep(path: &Path) -> anyhow::Result<Document<BufWriter<WholeFile>>> {
    let file = WholeFile::create(path)
        .map_err(|error| anyhow::anyhow!("{}: the plan cannot be written: {error}", path.display()))?;
    Ok(Document::brief(BufWriter::new(file)))
}

/// The store to preview against. A ledger that does not exist yet is not made: an empty one stands in for it,
/// in a directory that goes when the caller lets go of it.
async fn store(config: &Config) -> anyhow::Result<(Option<Ledger>, Option<TempDir>)> {
    let url = config.ledger.url.reveal();
    let (url, empty) = if Db::inspect(url).await.is_ok_and(|version| version == 0) {
        let dir = TempDir::new()?;
        (format!("sqlite:{}", dir.path().join("empty.db").display()), Some(dir))
    } else {
        (url.to_owned(), None)
    };
    let ledger = Ledger::open_with(&url, config.ledger.options(), Clock::system())
        .await
        .with_context(|| {
            format!(
                "the ledger `{}` cannot be opened; --offline checks the file alone",
                config.ledger.url
            )
        })?;
    Ok((Some(ledger), empty))
}
