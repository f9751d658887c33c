//! `tenantry doctor`: is everything there that the configuration speaks of, and if not, what to do.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::CommandEnd;
use super::output;
use super::text_table::TextTable;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, SCHEMA_VERSION};
use crate::intake::folder::{FolderRules, look};
use crate::intake::schedule;
use crate::ledger::{Actor, Ledger};
use crate::service::health::{Examination, Finding, examine};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Count users and assigned seats anew where what is recorded of them does not add up, and withdraw transfer requests that
    /// nobody waits for
    #[arg(long)]
    repair: bool,
    /// Look at all records one by one: whether outcomes add up, every change has its before-image, nothing belongs to nobody. It
    /// takes as long as there are records
    #[arg(long)]
    deep: bool,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

/// What is to be said of the drop folders, as far as the ledger is there to be asked.
async fn folders(config: &Config) -> Vec<Finding> {
    let served: Vec<_> = config.folders.values().filter(|folder| folder.enabled).collect();
    let url = config.ledger.url.reveal();
    if served.is_empty() || !matches!(Db::inspect(url).await, Ok(SCHEMA_VERSION)) {
        return Vec::new();
    }
    // What keeps it from being opened is said of the ledger.
    let Ok(ledger) = Ledger::open_with(url, config.ledger.options(), Clock::system()).await else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for folder in served {
        let rules = FolderRules::new(folder.clone(), config.results.form().bom);
        findings.push(look(&ledger, &rules).await);
    }
    ledger.close().await;
    findings
}

pub(super) async fn doctor(args: &DoctorArgs, config: &Config, json: bool) -> anyhow::Result<CommandEnd> {
    let stores = crate::registry::stores(config, None).map_err(|error| error.to_string());
    let asked = Examination {
        repair: args.repair.then_some(&args.by),
        is_deep: args.deep,
    };
    let mut findings = examine(config, stores, asked).await;
    findings.extend(folders(config).await);
    findings.extend(schedule::findings(config).await);
    let (mut out, mut table) = (output::out(), TextTable::untitled(output::out()));
    for finding in &findings {
        if json {
            let line = json!({ "check": finding.what, "fine": finding.fine, "says": finding.says });
            writeln!(out, "{line}")?;
        } else {
            let mark = if finding.fine { "ok" } else { "FAIL" };
            table.row(vec![format!("{mark:<4} {:<13}", finding.what), finding.says.clone()])?;
        }
    }
    out.flush()?;
    if !json {
        table.end()?;
    }
    Ok(if findings.iter().all(|finding| finding.fine) {
        CommandEnd::Fine
    } else {
        CommandEnd::Unfinished
    })
}
