//! `tenantry transfer`: what the other partner of a transfer did, recorded by somebody who knows, where the store is a database.

use std::io::Write;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use tenantry_jobs::Flow;
use uuid::Uuid;

use super::CommandEnd;
use super::output;
use crate::app::App;
use crate::ledger::Actor;
use crate::store::sql::counterpart::{Said, TheirRequest, record};

#[derive(Debug, Args)]
pub(super) struct TransferArgs {
    #[command(subcommand)]
    what: TransferCommand,
}

#[derive(Debug, Subcommand)]
enum TransferCommand {
    /// The other partner accepted our request: the row that waits for it goes on
    Accepted(TransferArg),
    /// The other partner declined our request: the row that waits for it ends
    Declined(TransferArg),
    /// Another partner asks us for a subscription, which `switch-subscription` with action accept or reject answers
    Requested(Requested),
    /// The other partner withdrew its request
    Withdrawn(TransferArg),
}

#[derive(Debug, Args)]
struct TransferArg {
    /// GUID of the subscription
    subscription: Uuid,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

#[derive(Debug, Args)]
struct Requested {
    #[command(flatten)]
    of: TransferArg,
    /// The customer: tenant GUID, primary domain or external id
    #[arg(long, value_name = "CUSTOMER")]
    customer: String,
    /// How it is to move: azure-plan or new-commerce
    #[arg(long, value_name = "FLOW", value_parser = flow)]
    flow: Flow,
    /// Tenant GUID of the other partner
    #[arg(long, value_name = "GUID")]
    partner: Uuid,
    /// Its name
    #[arg(long, value_name = "NAME", default_value = "")]
    partner_name: String,
}

fn flow(text: &str) -> Result<Flow, String> {
    Flow::parse(text).ok_or_else(|| "expected `azure-plan` or `new-commerce`".to_owned())
}

pub(super) async fn transfer(args: TransferArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    if let Some(store) = &app.service.stores.remote {
        bail!(
            "{} says itself what the other partner did, and rows that wait for it are looked at there; nothing is recorded here",
            store.title()
        );
    }
    let (of, said) = match args.what {
        TransferCommand::Accepted(of) => (of, Said::Accepted),
        TransferCommand::Declined(of) => (of, Said::Declined),
        TransferCommand::Withdrawn(of) => (of, Said::Withdrawn),
        TransferCommand::Requested(theirs) => {
            let request = TheirRequest {
                customer: theirs.customer,
                flow: theirs.flow,
                partner_tenant_id: theirs.partner,
                partner_name: theirs.partner_name,
            };
            (theirs.of, Said::Requested(request))
        }
    };
    let recorded = match record(&app.service.ledger, of.subscription, said, &of.by).await? {
        Ok(recorded) => recorded,
        Err(why) => bail!("{why}; nothing was recorded"),
    };
    let mut out = output::out();
    if json {
        let told = json!({ "transfer": recorded.transfer, "status": recorded.status, "job": recorded.job });
        writeln!(out, "{told}")?;
    } else {
        writeln!(out, "transfer {} is {}", recorded.transfer, recorded.status)?;
        if let Some(job) = recorded.job {
            writeln!(
                out,
                "next      a worker, or {}, goes on with the row that waits for it",
                output::as_typed(&format!("`tenantry apply {job}`"))
            )?;
        } else if recorded.status == "pending" {
            writeln!(
                out,
                "next      a row of `switch-subscription` with direction out and action accept or reject answers it"
            )?;
        }
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}
