//! `tenantry migrate`: brings the ledger's schema up to date and does nothing else, for the role that owns it.

use std::io::Write;

use anyhow::Context;
use serde_json::json;

use super::{CommandEnd, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, SCHEMA_VERSION, patiently};
use crate::ledger::Ledger;

pub(super) async fn migrate(config: &Config, json: bool) -> anyhow::Result<CommandEnd> {
    let found = set_up(config).await?;
    let (url, mut out) = (&config.ledger.url, output::out());
    if json {
        writeln!(out, "{}", json!({"found": found, "schema_version": SCHEMA_VERSION}))?;
    } else if found == 0 {
        writeln!(out, "{url}: set up with schema version {SCHEMA_VERSION}")?;
    } else if found == SCHEMA_VERSION {
        writeln!(out, "{url}: schema version {SCHEMA_VERSION}, up to date")?;
    } else {
        writeln!(out, "{url}: brought from schema version {found} to {SCHEMA_VERSION}")?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

/// Brings the ledger up to date, or makes one; the schema version that it had before, 0 for none.
pub(super) async fn set_up(config: &Config) -> anyhow::Result<i64> {
    let (url, options) = (config.ledger.url.reveal(), config.ledger.options());
    let opened = async {
        let found = patiently(config.ledger.connect_timeout, || Db::inspect(url)).await?;
        let open = || Ledger::open_with(url, options, Clock::system());
        patiently(config.ledger.connect_timeout, open).await?.close().await;
        Ok::<_, crate::db::DbError>(found)
    };
    opened
        .await
        .with_context(|| format!("the ledger `{}` cannot be brought up to date", config.ledger.url))
}
