//! `tenantry keygen`: a key pair for those who hand passwords out, so that nothing else needs to be installed.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::CommandEnd;
use super::output;
use crate::clock::Clock;
use crate::passwords::write_key_pair;

#[derive(Debug, Args)]
pub(super) struct KeygenArgs {
    /// File for the secret key; one that is there already is never overwritten
    #[arg(long, value_name = "FILE", default_value = "tenantry-key.txt")]
    out: PathBuf,
}

pub(super) fn keygen(args: &KeygenArgs, json: bool) -> anyhow::Result<CommandEnd> {
    let file = args.out.display();
    let public = match write_key_pair(&args.out, &Clock::system()) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "{file} is there already and is not overwritten: what was sealed to its key needs it; name another file with --out"
            )
        }
        made => made.with_context(|| format!("{file} cannot be written"))?,
    };
    let mut out = output::out();
    if json {
        let document = json!({ "public_key": public.to_string(), "file": args.out });
        writeln!(out, "{document}")?;
    } else {
        writeln!(out, "{public}")?;
        out.flush()?;
        output::say(&format!(
            "The secret key is in {file}: keep it safe, and away from the workers. Put the line above into `passwords.recipients`."
        ));
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}
