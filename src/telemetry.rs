//! Logs: to standard error, as text or JSON. Never a row's content.

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging. A filter that makes no sense is told of and replaced by `warn`.
pub fn init(config: &LogConfig) {
    let (filter, fault) = match EnvFilter::try_new(&config.level) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("warn"), Some(error)),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Only a second start in one process can fail, and the first one is in force then.
    let _ = match config.format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    if let Some(error) = fault {
        tracing::warn!(level = config.level, %error, "`log.level` makes no sense; logging warnings");
    }
}
