//! `tenantry plan`: what a file would do, row by row, without writing anything; and what a job would do that is to be
//! approved.

mod job;
mod report;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tempfile::TempDir;
use tenantry_jobs::{JobKind, Passwords};

use super::CommandEnd;
use super::input::{self, InputArgs, is_piped};
use super::kinds::KindName;
use super::output;
use super::progress::{InPlaceOf, ProgressDisplay};
use super::several;
use crate::app::{App, limits};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::file::WholeFile;
use crate::ledger::{Ledger, Parameters, Via};
use crate::plan::document::{Document, View};
use crate::plan::file::begins_a_plan;
use crate::plan::{Against, Limits, PIPED, RowSource};
use crate::policy::LedgerPolicy;
use crate::registry::stores;
use crate::service::{self, PlanEnd, PlanRequest, ignores_not_kept};
use crate::store::Stores;
use report::PlanText;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Kind of job, which `tenantry kinds` lists; or, without a file, a job that has to be approved
    #[arg(value_name = "KIND|JOB", value_parser = KindName, hide_possible_values = true)]
    kind: String,
    /// CSV files or Excel workbooks (.xlsx), or - for standard input; each is planned as if the others were not
    #[arg(conflicts_with = "cells", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the plan to this file, to be carried out by `apply`
    #[arg(long, value_name = "FILE", conflicts_with = "offline", value_parser = plan_file)]
    out: Option<PathBuf>,
    /// Plan for the good rows of a file that has bad ones
    #[arg(long)]
    skip_invalid: bool,
    /// Leave out columns that the store does not keep, such as job titles at Partner Center [default: as configured]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ignore_not_kept: Option<bool>,
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

impl PlanArgs {
    /// Whether nothing is named that could be planned.
    fn is_of_job(&self) -> bool {
        self.files.is_empty() && !self.input.has_cells()
    }

    /// Whether the plan of a job is asked for.
    pub(super) fn is_job(&self) -> bool {
        self.is_of_job() && tenantry_jobs::find(&self.kind).is_err()
    }
}

/// Shows the plan of a job.
pub(super) async fn of_job(args: &PlanArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    job::show(app, &args.kind, args.all, json).await
}

/// Shows the plan of a job that somebody is to decide about.
pub(super) async fn of_waiting_job(job: &str, app: &App) -> anyhow::Result<()> {
    job::show(app, job, false, false).await.map(drop)
}

pub(super) async fn plan(args: &PlanArgs, config: &Config, json: bool) -> anyhow::Result<CommandEnd> {
    let kind = super::kind(&args.kind)?;
    if args.is_of_job() {
        anyhow::bail!("`plan {}` needs a FILE, or cells with --set", args.kind);
    }
    if args.out.is_some() && args.files.len() > 1 {
        anyhow::bail!("--out keeps the plan of one file; name one file at a time");
    }
    if let (Some(_), Some(column)) = (&args.out, args.input.secret_column()) {
        anyhow::bail!(
            "--out would keep the secret in `{column}`; put the row into a file and plan that, or leave the column out"
        );
    }
    let stores = stores(config, None)?;
    let parameters = Parameters {
        store: stores.name_of(kind).filter(|_| !args.offline),
        customer: args.customer.clone(),
        skip_invalid: args.skip_invalid,
        ignore_not_kept: ignores_not_kept(
            &stores,
            kind,
            args.ignore_not_kept,
            config.partner_center.ignore_not_kept,
        ),
        seal_to: Vec::new(),
        in_the_clear: false,
        reply_rows: false,
        checks_customer: false,
    };
    let (store, _empty) = if args.offline {
        (None, None)
    } else {
        store(config).await?
    };
    let against = store.as_ref().map(|ledger| Against {
        ledger: ledger.clone(),
        stores: stores.clone(),
        reads_all: true,
    });
    let work = PlanFiles {
        args,
        kind,
        parameters,
        against,
        stores: &stores,
        config,
        json,
    };
    let planned = if args.files.len() > 1 {
        work.several().await
    } else {
        work.one().await
    };
    if let Some(ledger) = store {
        ledger.close().await;
    }
    stores.close().await;
    planned
}

/// What is the same for every file.
struct PlanFiles<'a> {
    args: &'a PlanArgs,
    kind: &'static dyn JobKind,
    parameters: Parameters,
    against: Option<Against>,
    stores: &'a Stores,
    config: &'a Config,
    json: bool,
}

impl PlanFiles<'_> {
    async fn one(&self) -> anyhow::Result<CommandEnd> {
        let args = self.args;
        let file = args.files.first();
        let planned = self.show(file.map(PathBuf::as_path)).await?;
        if !self.json && !args.offline {
            let is_piped = file.is_some_and(|file| is_piped(file));
            let next = match &args.out {
                _ if planned == PlanEnd::Broken => "fix the file and plan it again".to_owned(),
                Some(plan) if is_piped => {
                    let plan = output::quoted(&plan.display().to_string());
                    let apply = self.to_run(format!("tenantry apply {plan}"));
                    format!("{apply}, with the same rows on standard input")
                }
                Some(plan) => {
                    let plan = output::quoted(&plan.display().to_string());
                    self.to_run(format!("tenantry apply {plan}"))
                }
                None if planned == PlanEnd::SomeTooEarly => {
                    "nothing is wrong with the file; plan it again in a few minutes".to_owned()
                }
                None if planned == PlanEnd::NoneSound => "fix the file and plan it again".to_owned(),
                None if planned == PlanEnd::SomeRejected && !args.skip_invalid => {
                    "fix the file and plan it again, or add --skip-invalid".to_owned()
                }
                None if is_piped => "the same with `run` in place of `plan`, and the same rows once more".to_owned(),
                None => self.to_run(same_arguments()),
            };
            output::hint(&next);
        }
        Ok(end_of(planned))
    }

    /// One file after the other, each against the store as it is now.
    async fn several(&self) -> anyhow::Result<CommandEnd> {
        let (files, json) = (&self.args.files, self.json);
        several::check(files, None)?;
        let mut out = output::out();
        let mut end = CommandEnd::Fine;
        let mut are_sound = true;
        let mut left = files.iter().map(|file| input::name(file));
        if json {
            write!(out, "{{\"plans\":[")?;
        }
        for (number, file) in files.iter().enumerate() {
            left.next();
            match (json, number) {
                (true, 0) => writeln!(out)?,
                (true, _) => writeln!(out, ",")?,
                (false, 0) => writeln!(out, "{}", output::printable(&input::name(file)))?,
                (false, _) => writeln!(out, "\n{}", output::printable(&input::name(file)))?,
            }
            out.flush()?;
            let error = match self.show(Some(file)).await {
                Ok(planned) => {
                    are_sound &= planned == PlanEnd::Sound;
                    end = end.max(end_of(planned));
                    continue;
                }
                Err(error) => error,
            };
            output::complain(&error);
            if json {
                let mut told = output::error_document(&error);
                told["file"] = json!(input::name(file));
                writeln!(out, "{told}")?;
            }
            (end, are_sound) = (CommandEnd::Unfinished, false);
            if !several::is_of_file(&error) {
                break;
            }
        }
        let left: Vec<String> = left.collect();
        if json {
            writeln!(out, "],\"not_begun\":{}}}", json!(left))?;
        }
        out.flush()?;
        if !left.is_empty() {
            output::warn(&format!("not planned: {}", output::printable(&left.join(", "))));
        } else if are_sound && !json && !self.args.offline && !files.iter().any(|file| is_piped(file)) {
            output::hint(&self.to_run(same_arguments()));
        }
        Ok(end)
    }

    /// The command that does what was planned, with what it has to be told about passwords.
    fn to_run(&self, command: String) -> String {
        let passwords = &self.config.passwords;
        let is_asked = self.stores.makes_passwords(self.kind) && passwords.deliver;
        if !is_asked || !matches!(passwords.sealer(), Ok(None)) {
            return command;
        }
        match self.kind.policy().passwords {
            Passwords::Only => format!("{command} --plaintext-passwords FILE"),
            _ => format!("{command} --plaintext-passwords FILE, or with --no-passwords"),
        }
    }

    /// What submissions are held to.
    fn limits(&self) -> Limits {
        let stored = self.against.as_ref().map(|against| against.ledger.policy());
        LedgerPolicy::of(&stored.unwrap_or_default()).limits(limits(self.config))
    }

    /// Plans a file and shows the result.
    async fn show(&self, file: Option<&Path>) -> anyhow::Result<PlanEnd> {
        let (args, json) = (self.args, self.json);
        // Where the plan is applied need not be where it was made.
        let source = match file {
            Some(file) if args.out.is_some() && !is_piped(file) => {
                args.input.source(Some(&std::path::absolute(file)?), None).await
            }
            file => args.input.source(file, None).await,
        };
        let request = PlanRequest {
            kind: self.kind,
            parameters: &self.parameters,
            source: source?,
            against: self.against.clone(),
            chunk_rows: self.config.worker.chunk_rows,
            limits: self.limits(),
            way: super::user().way(),
        };
        let progress = ProgressDisplay::new("checking", json);
        let out = InPlaceOf::new(&progress, output::out());
        let mut shown: Box<dyn View + '_> = if json {
            Box::new(Document::new(out))
        } else {
            Box::new(PlanText::new(out, request.kind.kind(), args.all))
        };
        let keep = |path| keep(path, &args.input.cells);
        let mut kept = args.out.as_deref().map(keep).transpose()?;
        let mut views: Vec<&mut (dyn View + '_)> = Vec::new();
        views.push(shown.as_mut());
        if let Some(kept) = &mut kept {
            views.push(kept);
        }
        let planned = Box::pin(service::plan(request, &mut views, &|rows| progress.rows(rows, None))).await;
        progress.done();
        let planned = planned?;
        if let Some(kept) = kept {
            kept.into_inner().into_inner()?.finish()?;
        }
        Ok(planned)
    }
}

/// Rows that would be submitted, as a schedule would.
pub(super) struct PlannedRows {
    pub(super) kind: &'static dyn JobKind,
    pub(super) parameters: Parameters,
    /// Whether columns that the store does not keep are left out, where that was said.
    pub(super) ignore_not_kept: Option<bool>,
    pub(super) source: RowSource,
    pub(super) all: bool,
}

/// Shows what would become of rows if they were submitted now.
pub(super) async fn of_rows(app: &App, rows: PlannedRows, json: bool) -> anyhow::Result<CommandEnd> {
    let (service, config) = (&app.service, &app.config);
    let parameters = Parameters {
        store: service.stores.name_of(rows.kind),
        ignore_not_kept: ignores_not_kept(
            &service.stores,
            rows.kind,
            rows.ignore_not_kept,
            config.partner_center.ignore_not_kept,
        ),
        ..rows.parameters
    };
    let request = PlanRequest {
        kind: rows.kind,
        parameters: &parameters,
        source: rows.source,
        against: Some(Against {
            ledger: service.ledger.clone(),
            stores: service.stores.clone(),
            reads_all: true,
        }),
        chunk_rows: config.worker.chunk_rows,
        limits: service.rules().limits,
        way: Via::Schedule.as_str().to_owned(),
    };
    let progress = ProgressDisplay::new("checking", json);
    let out = InPlaceOf::new(&progress, output::out());
    let mut shown: Box<dyn View + '_> = if json {
        Box::new(Document::new(out))
    } else {
        Box::new(PlanText::new(out, rows.kind.kind(), rows.all))
    };
    let planned = Box::pin(service::plan(request, &mut [shown.as_mut()], &|rows| {
        progress.rows(rows, None);
    }))
    .await;
    progress.done();
    Ok(end_of(planned?))
}

fn end_of(planned: PlanEnd) -> CommandEnd {
    match planned {
        PlanEnd::Sound => CommandEnd::Fine,
        PlanEnd::SomeRejected | PlanEnd::SomeTooEarly | PlanEnd::NoneSound => CommandEnd::SomeRowsNot,
        PlanEnd::Broken => CommandEnd::Unfinished,
    }
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

/// The file of a plan, in the place of another plan at most.
fn keep(path: &Path, cells: &[String]) -> anyhow::Result<Document<BufWriter<WholeFile>>> {
    let file = WholeFile::create_over(path, begins_a_plan)
        .map_err(|error| anyhow::anyhow!("{}: the plan cannot be written: {error}", path.display()))?;
    Ok(Document::brief(BufWriter::new(file)).of_row(cells.to_vec()))
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
