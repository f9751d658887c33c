//! `tenantry policy`: what jobs of this ledger are held to, and what was decided about it.

use std::io::Write;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use tenantry_jobs::did_you_mean;

use super::signing::SigningArgs;
use super::text_table::TextTable;
use super::{CommandEnd, output};
use crate::app::App;
use crate::ledger::{Actor, StoredPolicy};
use crate::policy::{KEYS, LedgerPolicy, PolicyKey, UnknownPolicyKey, configured};

#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    command: Option<PolicyCommand>,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Set a value for all jobs of this ledger, on record
    Set(SetArgs),
    /// Reset a value to its default, on record
    Reset(ResetArgs),
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Policy key, as `tenantry policy` lists it
    #[arg(value_name = "KEY")]
    about: String,
    /// New value
    value: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
    #[command(flatten)]
    signing: SigningArgs,
}

#[derive(Debug, Args)]
struct ResetArgs {
    /// Policy key
    #[arg(value_name = "KEY")]
    about: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
    #[command(flatten)]
    signing: SigningArgs,
}

impl PolicyArgs {
    pub(super) fn decides(&self) -> bool {
        self.command.is_some()
    }
}

pub(super) async fn policy(args: &PolicyArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let ledger = &app.service.ledger;
    let (key, value, by, signing) = match &args.command {
        None => {
            show(&app.service.patiently(|| ledger.refresh_policy()).await?, app, json)?;
            return Ok(CommandEnd::Fine);
        }
        Some(PolicyCommand::Set(args)) => {
            let key = key(&args.about)?;
            let value = args.value.trim();
            if let Err(expected) = key.check(value) {
                bail!("`{}` is no value of {}: {expected}", output::printable(value), key.name);
            }
            (key, Some(value), &args.by, &args.signing)
        }
        Some(PolicyCommand::Reset(args)) => (key(&args.about)?, None, &args.by, &args.signing),
    };
    let text = ledger.text_of_decision(key.name, value).await?;
    if signing.prints(&text)? {
        return Ok(CommandEnd::Fine);
    }
    let signature = signing.signature(&text)?;
    let stored = ledger.set_policy(key.name, value, by, signature.as_deref()).await??;
    show(&stored, app, json)?;
    Ok(CommandEnd::Fine)
}

fn key(name: &str) -> anyhow::Result<&'static PolicyKey> {
    PolicyKey::find(name).map_err(|unknown| match unknown {
        UnknownPolicyKey::Renamed(new) => anyhow!("the policy's key `{name}` is called `{new}` now"),
        UnknownPolicyKey::Unknown(nearest) => {
            let all: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
            let name = output::printable(name);
            output::hinted(
                format!("the policy has no key `{name}`{}", did_you_mean(nearest)),
                format!("keys are {}", all.join(", ")),
            )
        }
    })
}

fn show(stored: &StoredPolicy, app: &App, json: bool) -> anyhow::Result<()> {
    let policy = LedgerPolicy::of(stored);
    let mut out = output::out();
    if json {
        let keys: Vec<_> = KEYS
            .iter()
            .map(|key| {
                json!({ "key": key.name, "value": policy.value(key.name), "usual": key.usual,
                    "decided": stored.values.contains_key(key.name), "configured": configured(&app.config, key.name),
                    "about": key.about })
            })
            .collect();
        writeln!(out, "{}", json!({ "number": policy.number, "keys": keys }))?;
        out.flush()?;
        return Ok(());
    }
    let mut table = TextTable::new(out, ["key", "value", "configured here", "what it decides"]);
    for key in &KEYS {
        let value = policy.value(key.name);
        let value = if value.is_empty() { "-" } else { value };
        let decided = if stored.values.contains_key(key.name) {
            ""
        } else {
            " (usual)"
        };
        table.row(vec![
            key.name.to_owned(),
            format!("{}{decided}", output::printable(value)),
            configured(&app.config, key.name).unwrap_or_default(),
            key.about.to_owned(),
        ])?;
    }
    table.end()?;
    output::say(&format!(
        "policy {}; where the configuration says more than that, the stricter of both holds",
        policy.number
    ));
    Ok(())
}
