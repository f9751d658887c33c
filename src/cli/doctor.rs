//! `tenantry doctor`: is everything there that the configuration speaks of, and if not, what to do.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::CommandEnd;
use super::output;
use crate::config::Config;
use crate::intake::schedule;
use crate::ledger::Actor;
use crate::service::health::examine;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Count users and assigned seats anew where what is recorded of them does not add up, and withdraw transfer requests that
    /// nobody waits for
    #[arg(long)]
    repair: bool,
    /// Who has it repaired
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn doctor(args: &DoctorArgs, config: &Config, json: bool) -> anyhow::Result<CommandEnd> {
    let stores = crate::registry::stores(config, None).map_err(|error| error.to_string());
    let mut findings = examine(config, stores, args.repair.then_some(&args.by)).await;
    findings.extend(schedule::findings(config).await);
    let mut out = output::out();
    for finding in &findings {
        if json {
            let line = json!({ "check": finding.what, "fine": finding.fine, "says": finding.says });
            writeln!(out, "{line}")?;
        } else {
            let mark = if finding.fine { "ok  " } else { "FAIL" };
            writeln!(out, "{mark} {:<14} {}", finding.what, finding.says)?;
        }
    }
    out.flush()?;
    Ok(if findings.iter().all(|finding| finding.fine) {
        CommandEnd::Fine
    } else {
        CommandEnd::Unfinished
    })
}
