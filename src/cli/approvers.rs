//! `tenantry approvers`: whose signatures approve.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use super::signing::{EnrolmentSigningArgs, SigningArgs};
use super::text_table::TextTable;
use super::{CommandEnd, output, when};
use crate::app::App;
use crate::ledger::signing::Approver;
use crate::ledger::{Actor, person};
use crate::moment::rfc3339;
use crate::signature::SigningKey;

#[derive(Debug, Args)]
pub(super) struct ApproversArgs {
    #[command(subcommand)]
    command: Option<ApproversCommand>,
}

#[derive(Debug, Subcommand)]
enum ApproversCommand {
    /// Enrol a key; from then on, approvals need a signature by an enrolled key
    Add(AddArgs),
    /// Revoke a key; it approves nothing any more, nor what is not carried out yet
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Owner of the key
    name: String,
    /// The OpenSSH public key, such as `id_ed25519.pub`
    #[arg(long, value_name = "FILE.pub")]
    key: PathBuf,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
    #[command(flatten)]
    signing: EnrolmentSigningArgs,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Owner or fingerprint of the key
    name: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
    #[command(flatten)]
    signing: EnrolmentSigningArgs,
}

impl ApproversArgs {
    pub(super) fn decides(&self) -> bool {
        self.command.is_some()
    }
}

pub(super) async fn approvers(args: &ApproversArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let ledger = &app.service.ledger;
    let known = app.service.patiently(|| ledger.approvers()).await?;
    let (is_new, of, by, signing) = match &args.command {
        None => {
            show(&known, json)?;
            return Ok(CommandEnd::Fine);
        }
        Some(ApproversCommand::Add(args)) => {
            let name = person::named(&args.name)?;
            let key = SigningKey::of_file(&args.key)?.to_string();
            if let Some(other) = known.iter().find(|one| one.key == key) {
                bail!(
                    "that key is enrolled already, of {}; a key that was revoked stays so",
                    output::printable(&other.name)
                );
            }
            (true, vec![(name, key)], &args.by, &args.signing)
        }
        Some(ApproversCommand::Revoke(args)) => {
            let is_meant = |one: &&Approver| {
                one.revoked_at.is_none() && (person::is_same(&one.name, &args.name) || one.fingerprint() == args.name)
            };
            let meant: Vec<_> = known
                .iter()
                .filter(is_meant)
                .map(|one| (one.name.clone(), one.key.clone()))
                .collect();
            if meant.len() != 1 {
                bail!(
                    "`{}` is the name or fingerprint of {} keys that count; `tenantry approvers` lists them, and one fingerprint names one",
                    output::printable(&args.name),
                    meant.len()
                );
            }
            (false, meant, &args.by, &args.signing)
        }
    };
    let signing = SigningArgs::from(signing);
    for (name, key) in of {
        let text = ledger.text_of_enrolment(is_new, &name, &key).await?;
        if signing.prints(&text)? {
            return Ok(CommandEnd::Fine);
        }
        let signature = signing.signature(&text)?;
        ledger.enrol(is_new, (&name, &key), by, signature.as_deref()).await??;
    }
    show(&app.service.patiently(|| ledger.approvers()).await?, json)?;
    Ok(CommandEnd::Fine)
}

fn show(known: &[Approver], json: bool) -> anyhow::Result<()> {
    let mut out = output::out();
    if json {
        for one in known {
            let document = json!({ "name": one.name, "key": one.key, "fingerprint": one.fingerprint(),
                "added_at": rfc3339(one.added_at), "revoked_at": one.revoked_at.map(rfc3339) });
            writeln!(out, "{document}")?;
        }
        out.flush()?;
        return Ok(());
    }
    let mut table = TextTable::new(out, ["name", "fingerprint", "enrolled", "revoked"]);
    for one in known {
        table.row(vec![
            output::printable(&one.name),
            one.fingerprint(),
            when::minute(one.added_at),
            one.revoked_at.map(when::minute).unwrap_or_default(),
        ])?;
    }
    table.end()?;
    if known.is_empty() {
        output::warn("no key is enrolled, so approvals are not signed, and an approver can give any name");
        output::hint("`tenantry approvers add NAME --key FILE.pub` enrols one");
    }
    Ok(())
}
