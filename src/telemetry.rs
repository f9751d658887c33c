//! Logs: to standard error, as text or JSON. Never a row's content, at any level: what libraries tell in detail (parameters of statements,
//! headers and bodies of calls) is theirs to know, and no level lets it out.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat};

/// Starts logging; `usual` is the level where the configuration names none. An invalid filter is told
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
        // That standard error is closed could be told nowhere but there, which would be a panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let of_ours = filter_fn(|metadata| may_tell(metadata.target(), *metadata.level()));
    // Only a second start in one process can fail, and the first one is in force then.
    let _ = match config.format {
        LogFormat::Text => logs.with_target(false).finish().with(of_ours).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).finish().with(of_ours).try_init(),
    };
    if let Some(error) = fault {
        tracing::warn!(level = config.level, %error, "`log.level` is invalid; using the default");
    }
}

/// Whether something of that origin and level may be told, whatever the configuration says. What comes by way of the `log` crate is called `log`.
fn may_tell(target: &str, level: Level) -> bool {
    let is_ours = target
        .split("::")
        .next()
        .is_some_and(|name| name == "tenantry" || name.starts_with("tenantry_"));
    is_ours || level <= Level::INFO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_tell_no_details_at_any_level() {
        for target in [
            "tokio_postgres::query",
            "log",
            "hyper::proto",
            "h2",
            "reqwest",
            "redis",
            "tenantryx",
        ] {
            assert!(
                may_tell(target, Level::WARN) && may_tell(target, Level::INFO),
                "{target}"
            );
            assert!(
                !may_tell(target, Level::DEBUG) && !may_tell(target, Level::TRACE),
                "{target}"
            );
        }
        assert!(may_tell("tenantry", Level::TRACE) && may_tell("tenantry_store::sql", Level::DEBUG));
    }
}
