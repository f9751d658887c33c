//! Logs: to standard error, as text or JSON. Never a row's content.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging; `usual` is the level where the configuration names none. A filter that makes no sense is told
/// of and replaced by `usual`.
pub(crate) fn init(config: &LogConfig, usual: &str) {
    // What libraries tell of their comings and goings is told in our own words.
    let usual = || EnvFilter::new(format!("{usual},apalis=warn,apalis_core=warn,tokio_postgres=warn"));
    let (filter, fault) = match config.level.as_str() {
        "" => (usual(), None),
        level => match EnvFilter::try_new(level) {
            Ok(filter) => (filter, None),
            Err(error) => (usual(), Some(error)),
        },
    };
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr);
    // Only a second start in one process can fail, and the first one is in force then.
    let _ = match config.format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    if let Some(error) = fault {
        tracing::warn!(level = config.level, %error, "`log.level` makes no sense; logging as usual");
    }
}
