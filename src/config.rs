//! Configuration: defaults, then a file, then the environment, then flags.
//!
//! `config/default.toml` is complete and embedded, so it is both the documentation and the list of known keys: a
//! key it does not have is refused by name, with its origin and the nearest key there is. All faults are
//! reported at once. This is the only place that reads the environment.

mod duration;
mod secret;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::config::{File, FileFormat, Map, Value, ValueKind};
use serde::Deserialize;
use tenantry_jobs::nearest;
use thiserror::Error;

pub use secret::SecretUrl;

const DEFAULTS: &str = include_str!("../config/default.toml");
/// Environment variables of this form are configuration: `TENANTRY__LEDGER__URL` is `ledger.url`.
const ENVIRONMENT: &str = "TENANTRY__";

/// The configuration in force. Keys are explained in `config/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct Config {
    pub ledger: LedgerConfig,
    pub queue: QueueConfig,
    pub inbox: InboxConfig,
    pub worker: WorkerConfig,
    pub retry: RetryConfig,
    pub spool: SpoolConfig,
    pub results: ResultsConfig,
    pub log: LogConfig,
}

/// `[ledger]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct LedgerConfig {
    pub url: SecretUrl,
    pub connections: usize,
    #[serde(with = "duration")]
    pub patience: Duration,
}

/// `[queue]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct QueueConfig {
    pub url: SecretUrl,
    pub prefix: String,
}

/// `[inbox]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct InboxConfig {
    pub enabled: bool,
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct WorkerConfig {
    pub concurrency: usize,
    #[serde(with = "duration")]
    pub lease: Duration,
    #[serde(with = "duration")]
    pub heartbeat: Duration,
    #[serde(with = "duration")]
    pub sweep_every: Duration,
    pub chunk_rows: usize,
}

/// `[retry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct RetryConfig {
    pub attempts: u32,
    #[serde(with = "duration")]
    pub first_delay: Duration,
    #[serde(with = "duration")]
    pub longest_delay: Duration,
}

/// `[spool]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct SpoolConfig {
    #[serde(with = "duration")]
    pub keep: Duration,
}

/// `[results]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct ResultsConfig {
    pub dir: PathBuf,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct LogConfig {
    pub level: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub enum LogFormat {
    Text,
    Json,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Error)]
#[error("the configuration has faults:\n  {}", .0.join("\n  "))]
pub struct ConfigError(Vec<String>);

impl Config {
    /// Loads the configuration of this process.
    pub fn load(file: Option<&Path>, flags: Vec<(String, String)>) -> Result<Self, ConfigError> {
        Self::from_layers(
            file,
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
            flags,
        )
    }

    /// Loads a configuration from these layers, later ones over earlier ones.
    pub fn from_layers(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: Vec<(String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::with_defaults()?;
        if let Some(path) = file {
            layers.add_file(path);
        }
        for (name, value) in environment {
            if let Some(key) = name.strip_prefix(ENVIRONMENT) {
                layers.set(&key.to_lowercase().replace("__", "."), &value, &name);
            }
        }
        for (key, value) in flags {
            layers.set(&key, &value, "the command line");
        }
        layers.read()
    }
}

/// Values by dotted key, and where the one in force comes from.
struct Layers {
    values: BTreeMap<String, (Value, String)>,
    faults: Vec<String>,
}

impl Layers {
    fn with_defaults() -> Result<Self, ConfigError> {
        let read = parse(DEFAULTS).map_err(|error| ConfigError(vec![format!("config/default.toml: {error}")]))?;
        let values = read
            .into_iter()
            .map(|(key, value)| (key, (value, "config/default.toml".to_owned())));
        Ok(Self {
            values: values.collect(),
            faults: Vec::new(),
        })
    }

    fn add_file(&mut self, path: &Path) {
        let origin = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.faults.push(format!("{origin}: {error}")),
        };
        match parse(&text) {
            Err(error) => self.faults.push(format!("{origin}: {error}")),
            Ok(read) => {
                for (key, value) in read {
                    self.put(&key, value, &origin);
                }
            }
        }
    }

    fn set(&mut self, key: &str, text: &str, origin: &str) {
        self.put(key, Value::new(None, text), origin);
    }

    fn put(&mut self, key: &str, value: Value, origin: &str) {
        if let Some(known) = self.values.get_mut(key) {
            *known = (value, origin.to_owned());
        } else {
            let near = nearest(key, self.values.keys().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            self.faults.push(format!("{origin}: there is no key `{key}`{near}"));
        }
    }

    fn read(mut self) -> Result<Config, ConfigError> {
        // Each key by itself first, so that every fault is found and names its origin.
        let sound = Self::with_defaults()?.values;
        let mut good = BTreeMap::new();
        for (key, (value, origin)) in &self.values {
            let mut tried: BTreeMap<_, _> = sound
                .iter()
                .map(|(key, (value, _))| (key.clone(), value.clone()))
                .collect();
            tried.insert(key.clone(), value.clone());
            match assemble(tried) {
                Ok(_) => {
                    good.insert(key.clone(), value.clone());
                }
                Err(error) => {
                    let shown = if key.rsplit('.').next() == Some("url") {
                        String::new()
                    } else {
                        format!(" = `{value}`")
                    };
                    self.faults.push(format!("{origin}: `{key}`{shown}: {error}"));
                }
            }
        }
        let origin = |key: &str| {
            self.values
                .get(key)
                .map_or("", |(_, origin)| origin.as_str())
                .to_owned()
        };
        if self.faults.is_empty() {
            let config = assemble(good).map_err(|error| ConfigError(vec![error]))?;
            for (key, fault) in cross_checks(&config) {
                self.faults.push(format!("{}: `{key}`: {fault}", origin(key)));
            }
            if self.faults.is_empty() {
                return Ok(config);
            }
        }
        Err(ConfigError(self.faults))
    }
}

fn cross_checks(config: &Config) -> Vec<(&'static str, String)> {
    let worker = &config.worker;
    let mut faults = Vec::new();
    let mut check = |fine: bool, key, fault: &str| {
        if !fine {
            faults.push((key, fault.to_owned()));
        }
    };
    check(
        (1..=256).contains(&worker.concurrency),
        "worker.concurrency",
        "expected 1 to 256",
    );
    check(
        (1..=100_000).contains(&worker.chunk_rows),
        "worker.chunk_rows",
        "expected 1 to 100000",
    );
    check(
        worker.heartbeat * 2 <= worker.lease,
        "worker.heartbeat",
        "expected at most half of `worker.lease`",
    );
    check(
        !worker.heartbeat.is_zero(),
        "worker.heartbeat",
        "expected more than nothing",
    );
    check(
        !worker.sweep_every.is_zero(),
        "worker.sweep_every",
        "expected more than nothing",
    );
    check(
        (1..=1000).contains(&config.retry.attempts),
        "retry.attempts",
        "expected 1 to 1000",
    );
    check(
        (1..=1000).contains(&config.ledger.connections),
        "ledger.connections",
        "expected 1 to 1000",
    );
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:{}".contains(c);
    check(
        !config.queue.prefix.is_empty() && config.queue.prefix.chars().all(plain),
        "queue.prefix",
        "expected letters, digits and - _ . : { }",
    );
    faults
}

/// TOML text as values by dotted key.
fn parse(text: &str) -> Result<BTreeMap<String, Value>, String> {
    use ::config::Source;
    let read = File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|error| error.to_string())?;
    let mut flat = BTreeMap::new();
    flatten("", read, &mut flat);
    Ok(flat)
}

fn flatten(prefix: &str, table: Map<String, Value>, flat: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value.kind {
            ValueKind::Table(inner) => flatten(&key, inner, flat),
            _ => {
                flat.insert(key, value);
            }
        }
    }
}

fn assemble(values: BTreeMap<String, Value>) -> Result<Config, String> {
    let mut builder = ::config::Config::builder();
    for (key, value) in values {
        builder = builder.set_override(&key, value).map_err(|error| error.to_string())?;
    }
    let read = builder.build().map_err(|error| error.to_string())?;
    read.try_deserialize().map_err(|error| match error {
        ::config::ConfigError::Type {
            unexpected, expected, ..
        } => format!("expected {expected}, found {unexpected}"),
        other => {
            let text = other.to_string();
            // The key is said by our own message.
            text.split(" for key `").next().unwrap_or(&text).to_owned()
        }
    })
}
