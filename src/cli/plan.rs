//! `tenantry plan`: what a file would do, row by row, without writing anything.

mod report;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;
use tenantry_jobs::Job;

use super::output::{self, Progress};
use super::{End, InputArgs};
use crate::app::{limits, stores};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::ledger::{Ledger, Parameters};
use crate::plan::{Against, Fault, FaultLog, PlanError, PlanHash, Planning, Source, Totals};
use crate::store::Stores;
use report::{Head, PlanWriter, Report, Tail};

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Kind of job; `tenantry kinds` lists them
    kind: String,
    /// CSV file or Excel workbook (.xlsx)
    #[arg(required_unless_present = "cells", conflicts_with = "cells")]
    file: Option<PathBuf>,
    /// Write the plan to this file, to be carried out by `apply`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["offline", "cells"])]
    out: Option<PathBuf>,
    /// Plan for the good rows of a file that has bad ones
    #[arg(long)]
    skip_invalid: bool,
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

pub(super) async fn plan(args: &Plan, config: &Config, json: bool) -> anyhow::Result<End> {
    let kind = super::kind(&args.kind)?;
    let stores = stores(config)?;
    let parameters = Parameters {
        store: stores.name_of(kind).filter(|_| !args.offline),
        customer: args.customer.clone(),
        skip_invalid: args.skip_invalid,
        seal_to: Vec::new(),
    };
    let (store, _empty) = if args.offline {
        (None, None)
    } else {
        store(config).await?
    };
    let planned = Box::pin(plan_against(
        args,
        config,
        kind,
        &parameters,
        store.as_ref(),
        &stores,
        json,
    ))
    .await;
    if let Some(ledger) = store {
        ledger.close().await;
    }
    stores.close().await;
    planned
}

/// Plans a file and shows what came of it.
async fn plan_against(
    args: &Plan,
    config: &Config,
    kind: &'static dyn Job,
    parameters: &Parameters,
    store: Option<&Ledger>,
    stores: &Stores,
    json: bool,
) -> anyhow::Result<End> {
    let store = store.map(|ledger| Against {
        ledger: ledger.clone(),
        stores: stores.clone(),
        reads_all: true,
    });
    // Where the plan is applied need not be where it was made.
    let file = match &args.file {
        Some(file) if args.out.is_some() => Some(std::path::absolute(file)?),
        file => file.clone(),
    };
    let source = args.input.source(file.as_deref())?;
    let name = match &source {
        Source::Path { path, .. } => path.clone(),
        Source::Bytes { name, .. } => name.into(),
    };
    let mut planning = Planning::open(source, kind, parameters, store, config.worker.chunk_rows, false).await?;
    let template = planning.template();
    let head = Head {
        kind: kind.kind(),
        file: name,
        sheet: planning.sheet().map(str::to_owned),
        parameters,
        offline: args.offline,
    };
    let mut report = Report::new(output::out(), json, args.all || json, args.offline);
    report.open(&head, template)?;
    let mut file = args.out.as_deref().map(PlanWriter::create).transpose()?;
    if let Some(file) = &mut file {
        file.report.open(&head, template)?;
    }
    let (mut totals, mut faults, mut hash) = (Totals::default(), FaultLog::default(), PlanHash::default());
    let progress = Progress::new("checking", json);
    let whole = loop {
        let checked = match planning.next().await {
            Ok(Some(checked)) => checked,
            Ok(None) => break true,
            Err(PlanError::Input(error)) => {
                faults.push(Fault::of_file(&error))?;
                break false;
            }
            Err(error) => return Err(error.into()),
        };
        totals.add(&checked);
        hash.block(&checked);
        progress.at(totals.rows, None);
        report.rows(&checked)?;
        if let Some(file) = &mut file {
            file.report.rows(&checked)?;
        }
        for fault in checked.rejects.into_values().flatten() {
            faults.push(fault)?;
        }
    };
    let mut end = Tail {
        totals,
        ..Tail::default()
    };
    if whole {
        let planned = planning.finish().await?;
        for repeated in planned.repeated {
            let repeated = repeated?;
            end.totals.repeat(&repeated);
            hash.repeated(&repeated);
            faults.push(repeated.fault)?;
        }
        let sha256 = planned.digest.sha256.to_string();
        end.hash = (!args.offline).then(|| hash.finish(kind.kind(), parameters, head.sheet.as_deref(), &sha256));
        end.sha256 = Some(sha256);
        end.approval = limits(config).gate(Some(kind), &end.totals, &planned.impact);
        if !args.offline && parameters.store.is_none() {
            end.undo = crate::summary::how_to_undo(kind.policy().undo);
        }
        end.impact = planned.impact;
    }
    progress.done();
    report.close(&end, &mut faults)?;
    if let Some(mut file) = file {
        file.report.close(&end, &mut faults)?;
        file.finish()?;
    }
    Ok(match (whole, faults.is_empty()) {
        (false, _) => End::Unfinished,
        (true, true) => End::Fine,
        (true, false) => End::SomeRowsNot,
    })
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
