//! `tenantry init`: a configuration, a ledger and a key pair to begin with.
//!
//! Paths in the configuration are absolute, so that the same ledger is meant from wherever the file is found. Nothing that is there is
//! overwritten: a key pair and a ledger are taken as they are, and with a configuration there is nothing left to begin.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{CommandEnd, migrate, output};
use crate::clock::Clock;
use crate::config::{Config, USUAL_FILE};
use crate::db::without_password;
use crate::passwords::write_key_pair;
use crate::small_file;

const TEMPLATE: &str = include_str!("init.toml");
const LEDGER: &str = "tenantry.db";
const KEY: &str = "tenantry-key.txt";
const RESULTS: &str = "tenantry-out";
/// What stands before the public key in a file with a secret one.
const PUBLIC_KEY: &str = "# public key: ";

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Directory for the files; it is made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(super) async fn init(
    args: &InitArgs,
    ledger: Option<&str>,
    flags: Vec<(String, String)>,
    json: bool,
) -> anyhow::Result<CommandEnd> {
    let dir = std::path::absolute(&args.dir)?;
    let dir: PathBuf = dir.components().collect();
    let config = dir.join(USUAL_FILE);
    if config.exists() {
        return Err(output::hinted(
            format!("{} is there already and is not overwritten", config.display()),
            "edit it, or name another directory",
        ));
    }
    // What is no address of a ledger is not written down, since it may hold a password.
    Config::from_layers(None, std::iter::empty(), flags.clone())?;
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let key = dir.join(KEY);
    let public = public_key(&key)?;
    let url = ledger.map_or_else(|| format!("sqlite:{}", dir.join(LEDGER).display()), str::to_owned);
    // A password is for commands, not for a file that is copied and shown around.
    let without = without_password(&url)?;
    let written = without.as_ref().unwrap_or(&url);
    let text = TEMPLATE
        .replace("{ledger}", &quoted(written))
        .replace("{results}", &quoted(&dir.join(RESULTS).display().to_string()))
        .replace("{key}", &output::quoted(&key.display().to_string()))
        .replace("{recipient}", &quoted(&public));
    write_new(&config, &text)?;
    let loaded = Config::load(Some(&config), flags)?;
    migrate::set_up(&loaded).await.map_err(|error| {
        let again = format!(
            "`tenantry migrate --config {}` sets it up once that is fixed",
            output::quoted(&config.display().to_string())
        );
        let written = format!(
            "{} is written, but its ledger is not set up: {error:#}",
            config.display()
        );
        output::hinted(written, again)
    })?;
    if loaded.ledger.url.reveal() != url {
        output::warn("TENANTRY__LEDGER__URL is set, and goes before the ledger that the configuration names");
    }
    told(&dir, &loaded, &key, json)?;
    if without.is_some() && !json {
        output::warn(&format!(
            "the password of the ledger is not written to {}",
            config.display()
        ));
        output::hint(
            "commands take it from PGPASSWORD, ~/.pgpass or TENANTRY__LEDGER__URL; or put the URL into a file, and name it as `ledger.url_file`",
        );
    }
    Ok(CommandEnd::Fine)
}

/// Says what there is now, and what comes next.
fn told(dir: &Path, config: &Config, key: &Path, json: bool) -> anyhow::Result<()> {
    let file = dir.join(USUAL_FILE);
    let mut out = output::out();
    if json {
        let document = json!({ "config": file, "ledger": config.ledger.url.to_string(), "key": key });
        writeln!(out, "{document}")?;
        return Ok(out.flush()?);
    }
    writeln!(out, "configuration  {}", file.display())?;
    writeln!(out, "ledger         {}", config.ledger.url)?;
    writeln!(out, "secret key     {}", key.display())?;
    out.flush()?;
    let found = Config::discovered_in(dir);
    if found.as_deref() == Some(&file) {
        output::say(&format!(
            "Commands in {} and below read this configuration.",
            dir.display()
        ));
    } else {
        output::warn(&format!(
            "{} is read only where it is named: it, or a directory above it, can be written by other accounts",
            file.display()
        ));
        output::hint(&format!(
            "export TENANTRY_CONFIG={}",
            output::quoted(&file.display().to_string())
        ));
    }
    output::hint("keep a copy of the secret key elsewhere: without it, sealed passwords cannot be opened");
    output::hint("`tenantry doctor` checks the set-up; `tenantry template add-customer --sample` prints a first file");
    Ok(())
}

/// The public key of the pair at that path, which is made if there is none.
fn public_key(path: &Path) -> anyhow::Result<String> {
    match write_key_pair(path, &Clock::system()) {
        Ok(public) => Ok(public.to_string()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = small_file::read_text(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let public = text.lines().find_map(|line| line.strip_prefix(PUBLIC_KEY));
            public.map(|public| public.trim().to_owned()).ok_or_else(|| {
                output::hinted(
                    format!(
                        "{} is there already and is no key pair of `tenantry keygen`",
                        path.display()
                    ),
                    "name another directory",
                )
            })
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be written", path.display())),
    }
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// A text as TOML has it: JSON's strings are TOML's basic strings.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}
