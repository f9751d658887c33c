//! Configuration: defaults, then a file, then the environment, then flags. Which file, [`discovery`] says.
//!
//! `config/default.toml` is complete and embedded, so it is both the documentation and the list of known keys: a
//! key it does not have is refused by name, with its origin and the nearest key there is. All faults are
//! reported at once. This is the only place that reads the environment.

mod addresses;
mod checks;
mod choice;
mod discovery;
pub(crate) mod duration;
mod folders;
mod list;
mod listen;
mod partner_center;
mod passwords;
mod queue;
mod reading;
mod schedules;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::config::{Map, Value, ValueKind};
use serde::Deserialize;
use tenantry_jobs::{did_you_mean, nearest, printable};
use thiserror::Error;

use addresses::PgLogin;
use checks::{cross_checks, fits};
pub(crate) use discovery::USUAL_FILE;
pub(crate) use duration::parse as parse_duration;
pub use folders::{
    AfterTaken, Approve, Complete, FolderConfig, FolderPath, FolderSubmitter, Globs, MarkerName, OnFailed, Order,
    Placeholder, Repeated, SidecarUse,
};
pub(crate) use listen::ListenConfig;
pub(crate) use partner_center::PartnerCenterConfig;
pub use passwords::PasswordsConfig;
pub(crate) use queue::QueueConfig;
pub use schedules::{AfterRun, IfMissing, IfSame, Missed, Overlap, Pick, ScheduleConfig, SchedulesConfig};

use crate::anchor::AnchorPlace;
use crate::db::ConnectOptions;
use crate::receipt::{Form, TableFormat};
use crate::secret::SecretUrl;
use crate::signature::SigningKey;
use crate::small_file;

const DEFAULTS: &str = include_str!("../config/default.toml");
/// Environment variables of this form are configuration: `TENANTRY__LEDGER__URL` is `ledger.url`.
const ENVIRONMENT: &str = "TENANTRY__";
/// Where flags come from, for messages.
const COMMAND_LINE: &str = "the command line";
/// What stands for the name of a section in `config/default.toml`, where there can be any number of such sections.
const ANY_NAME: &str = "NAME";

/// Keys that had other names before, with those of now.
const RENAMED: [(&str, &str); 10] = [
    ("approval.within", "approval.expires_after"),
    ("ledger.patience", "ledger.connect_timeout"),
    ("limits.error_percent_from", "limits.error_percent_min_rows"),
    ("limits.user_percent_from", "limits.user_percent_min_users"),
    ("passwords.hand_out", "passwords.deliver"),
    ("retry.longest_delay", "retry.max_delay"),
    ("spool.keep", "spool.retention"),
    ("transfers.first_look", "transfers.poll_interval"),
    ("transfers.longest_look", "transfers.max_poll_interval"),
    ("worker.sweep_every", "worker.sweep_interval"),
];

/// The configuration in force. Keys are explained in `config/default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct Config {
    pub ledger: LedgerConfig,
    #[serde(default)]
    pub stores: BTreeMap<String, StoreConfig>,
    #[serde(default)]
    pub folders: BTreeMap<String, FolderConfig>,
    #[serde(default)]
    pub schedules: SchedulesConfig,
    pub queue: QueueConfig,
    pub inbox: InboxConfig,
    pub worker: WorkerConfig,
    pub listen: ListenConfig,
    pub retry: RetryConfig,
    pub approval: ApprovalConfig,
    pub audit: AuditConfig,
    pub limits: LimitsConfig,
    pub transfers: TransfersConfig,
    pub partner_center: PartnerCenterConfig,
    pub spool: SpoolConfig,
    pub retention: RetentionConfig,
    pub results: ResultsConfig,
    pub passwords: PasswordsConfig,
    pub log: LogConfig,
    /// The file that was read, if one was.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Files that were found and not read, each with the reason.
    #[serde(skip)]
    pub passed_over: Vec<String>,
}

/// `[ledger]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerConfig {
    pub url: SecretUrl,
    pub url_file: PathBuf,
    pub connections: usize,
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    #[serde(with = "duration")]
    pub keepalive: Duration,
    #[serde(with = "duration")]
    pub lock_wait: Duration,
    #[serde(with = "duration")]
    pub idle_transaction: Duration,
}

impl LedgerConfig {
    /// How the ledger's database is connected to.
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            connections: self.connections,
            keepalive: self.keepalive,
            lock_wait: self.lock_wait,
            idle_transaction: self.idle_transaction,
        }
    }
}

/// `[stores.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    pub url: SecretUrl,
    pub url_file: PathBuf,
}

/// `[inbox]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxConfig {
    pub enabled: bool,
    pub document_bytes: usize,
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    pub concurrency: usize,
    #[serde(with = "duration")]
    pub lease: Duration,
    #[serde(with = "duration")]
    pub heartbeat: Duration,
    #[serde(with = "duration")]
    pub sweep_interval: Duration,
    #[serde(with = "duration")]
    pub leave_within: Duration,
    pub chunk_rows: usize,
}

/// `[retry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryConfig {
    pub attempts: u32,
    pub deaths: u32,
    #[serde(with = "duration")]
    pub first_delay: Duration,
    #[serde(with = "duration")]
    pub max_delay: Duration,
}

/// `[approval]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalConfig {
    #[serde(with = "list")]
    pub keys: Vec<String>,
    pub required: bool,
    #[serde(with = "duration")]
    pub expires_after: Duration,
    #[serde(with = "duration")]
    pub own_undo_within: Duration,
}

impl ApprovalConfig {
    /// The keys, as the ledger has them.
    pub fn keys(&self) -> Result<Vec<String>, ConfigError> {
        let read = |line: &String| match SigningKey::parse(line) {
            Ok(key) => Ok(key.to_string()),
            Err(error) => Err(ConfigError(vec![format!("approval.keys: {error}")])),
        };
        self.keys.iter().map(read).collect()
    }
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    pub anchor: String,
    #[serde(with = "list")]
    pub anchor_command: Vec<String>,
}

impl AuditConfig {
    /// Where anchors are put, if anywhere.
    pub(crate) fn place(&self) -> Result<Option<AnchorPlace>, ConfigError> {
        let fault = |key: &str, why: String| ConfigError(vec![format!("{key}: {why}")]);
        let named = AnchorPlace::parse(&self.anchor).map_err(|why| fault("audit.anchor", why))?;
        match (named, self.anchor_command.as_slice()) {
            (named, []) => Ok(named),
            (None, words) => Ok(Some(AnchorPlace::Command(words.to_vec()))),
            (Some(_), _) => Err(fault(
                "audit.anchor_command",
                "expected only one of `audit.anchor` and this".to_owned(),
            )),
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    pub user_percent: u32,
    pub user_percent_min_users: u64,
    pub destructive_rows: u64,
    pub rows: u64,
    pub error_percent: u32,
    pub error_percent_min_rows: u64,
}

/// `[transfers]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransfersConfig {
    #[serde(with = "duration")]
    pub poll_interval: Duration,
    #[serde(with = "duration")]
    pub max_poll_interval: Duration,
}

/// `[spool]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolConfig {
    #[serde(with = "duration")]
    pub retention: Duration,
}

/// `[retention]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    #[serde(with = "duration::optional")]
    pub jobs: Option<Duration>,
}

/// `[results]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultsConfig {
    pub dir: PathBuf,
    #[serde(with = "paths")]
    pub roots: Vec<PathBuf>,
    pub format: TableFormat,
    pub bom: bool,
    /// Permissions of files that are written without any of their own.
    #[serde(deserialize_with = "folders::octal")]
    pub mode: u32,
}

/// Lists of paths.
mod paths {
    use super::{PathBuf, list};

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(list::deserialize(deserializer)?
            .into_iter()
            .map(PathBuf::from)
            .collect())
    }
}

impl ResultsConfig {
    /// How results are to be written.
    pub fn form(&self) -> Form {
        Form {
            bom: self.bom,
            format: self.format,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub level: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub enum LogFormat {
    Text,
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected `text` or `json`"),
        }
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Error)]
#[error("the configuration has faults:\n  {}", .0.join("\n  "))]
pub struct ConfigError(Vec<String>);

impl Config {
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
            layers.login.hear(&name, &value);
            if let Some(key) = name.strip_prefix(ENVIRONMENT) {
                layers.set(&key.to_lowercase().replace("__", "."), &value, &name);
            } else if let Some(key) = layers.meant_by(&name) {
                let meant = format!("{ENVIRONMENT}{}", key.to_uppercase().replace('.', "__"));
                layers
                    .faults
                    .push(format!("{name}: nothing reads this{}", did_you_mean(Some(&meant))));
            }
        }
        for (key, value) in flags {
            layers.set(&key, &value, COMMAND_LINE);
        }
        let read = layers.read()?;
        Ok(Self {
            file: file.map(Path::to_owned),
            ..read
        })
    }
}

/// Values by dotted key, and where the one in force comes from.
struct Layers {
    values: BTreeMap<String, (Value, String)>,
    /// Defaults of the keys of named sections, such as `folders.NAME.path`.
    templates: BTreeMap<String, Value>,
    faults: Vec<String>,
    login: PgLogin,
}

impl Layers {
    fn with_defaults() -> Result<Self, ConfigError> {
        let read = text::parse(DEFAULTS).map_err(|error| ConfigError(vec![format!("config/default.toml: {error}")]))?;
        let is_template = |key: &String| key.split('.').nth(1) == Some(ANY_NAME);
        let (templates, values): (BTreeMap<_, _>, BTreeMap<_, _>) =
            read.into_iter().partition(|(key, _)| is_template(key));
        let values = values
            .into_iter()
            .map(|(key, value)| (key, (value, "config/default.toml".to_owned())));
        Ok(Self {
            values: values.collect(),
            templates,
            faults: Vec::new(),
            login: PgLogin::default(),
        })
    }

    fn add_file(&mut self, path: &Path) {
        let origin = printable(&path.display().to_string()).into_owned();
        let text = match small_file::read_text_or_pipe(path) {
            Ok(text) => text,
            Err(error) => return self.faults.push(format!("{origin}: {error}")),
        };
        match text::parse(&text) {
            Err(error) => self.faults.push(format!("{origin}: {error}")),
            Ok(read) => {
                for (key, value) in read {
                    self.put(&key, value, &origin);
                }
            }
        }
    }

    /// The key a variable with a single underscore for a double one was meant for. Other variables of our prefix
    /// are none of our business: container platforms set some.
    fn meant_by(&self, name: &str) -> Option<String> {
        let name = name.strip_prefix("TENANTRY_")?.to_lowercase();
        self.values.keys().find(|key| key.replace('.', "_") == name).cloned()
    }

    fn set(&mut self, key: &str, text: &str, origin: &str) {
        self.put(key, Value::new(None, text), origin);
    }

    fn put(&mut self, key: &str, value: Value, origin: &str) {
        let mut parts = key.splitn(3, '.');
        let (section, name) = (parts.next().unwrap_or_default(), parts.next());
        let is_named = self.templates.keys().any(|template| begins_with(template, section));
        // Beside the sections a key may stand that is no name.
        let is_key = |name: &str| self.values.contains_key(&format!("{section}.{name}"));
        if let Some(name) = name.filter(|_| is_named && !self.values.contains_key(key)) {
            if !is_name(name) || is_key(name) {
                let expected = "expected a name of lower-case letters, digits, - and _ that begins with a letter";
                let fault = format!("{origin}: `{section}.{name}`: {expected}");
                // Once, however many keys it has.
                if !self.faults.contains(&fault) {
                    self.faults.push(fault);
                }
                return;
            }
            self.name_section(section, name, origin);
        }
        if let Some(known) = self.values.get_mut(key) {
            *known = (value, origin.to_owned());
        } else if let Some((inner, known)) = self.table_of(key) {
            known.0.kind = with_entry(&known.0.kind, inner, value);
            origin.clone_into(&mut known.1);
        } else if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == key) {
            self.faults.push(format!("{origin}: `{key}` is called `{new}` now"));
        } else if !is_empty_table(&value) || !self.values.keys().any(|known| begins_with(known, key)) {
            let sections = self.values.keys().filter_map(|known| known.split('.').next());
            let near = nearest(key, self.values.keys().map(String::as_str).chain(sections));
            let near = did_you_mean(near);
            self.faults.push(format!("{origin}: there is no key `{key}`{near}"));
        }
    }

    /// The table that a key is an entry of, and its name there, if the table is a value.
    fn table_of<'k>(&mut self, key: &'k str) -> Option<(&'k str, &mut (Value, String))> {
        let (table, inner) = key.rsplit_once('.')?;
        let known = self.values.get_mut(table)?;
        matches!(known.0.kind, ValueKind::Table(_)).then_some((inner, known))
    }

    /// Gives a named section all of its keys, unless it has them already.
    fn name_section(&mut self, section: &str, name: &str, origin: &str) {
        for (template, value) in &self.templates {
            if begins_with(template, section) {
                let key = template.replacen(ANY_NAME, name, 1);
                self.values
                    .entry(key)
                    .or_insert_with(|| (value.clone(), origin.to_owned()));
            }
        }
    }

    /// The default of a key.
    fn default_of(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let (section, _, last) = (parts.next()?, parts.next()?, parts.next());
        let template = format!("{section}.{ANY_NAME}.{}", last.unwrap_or_default());
        let plain = self.values.get(key).map(|(value, _)| value);
        self.templates.get(&template).or(plain)
    }

    fn read(mut self) -> Result<Config, ConfigError> {
        self.faults.extend(addresses::choose(&mut self.values));
        let defaults = Self::with_defaults()?;
        let mut bad = BTreeMap::new();
        for (key, (value, _)) in &self.values {
            let default = defaults
                .default_of(key)
                .map_or(&ValueKind::Nil, |default| &default.kind);
            if let Err(fault) = fits(default, &value.kind) {
                bad.insert(key.clone(), fault);
            }
        }
        // A faulty value makes way for its default, so that the next one is found, too.
        let mut config = loop {
            let good = self.values.iter().filter_map(|(key, (value, _))| match bad.get(key) {
                None => Some((key, value)),
                Some(_) => defaults.default_of(key).map(|default| (key, default)),
            });
            match assemble(good) {
                Ok(config) => break config,
                Err((key, fault)) if self.values.contains_key(&key) && !bad.contains_key(&key) => {
                    bad.insert(key, fault);
                }
                Err((_, fault)) => return Err(ConfigError(vec![fault])),
            }
        };
        for (name, folder) in &mut config.folders {
            folder.name.clone_from(name);
        }
        for (key, fault) in addresses::resolve(&mut config, &self.login) {
            let origin = &self.values[&key].1;
            self.faults.push(format!("{origin}: `{key}`: {fault}"));
        }
        for (key, fault) in &bad {
            let (value, origin) = &self.values[key];
            // A table may have cells of any column.
            let secret = crate::secret::may_hold_one(key) || matches!(value.kind, ValueKind::Table(_));
            let shown = if secret { String::new() } else { format!(" = `{value}`") };
            self.faults.push(format!("{origin}: `{key}`{shown}: {fault}"));
        }
        for (keys, fault) in cross_checks(&config) {
            // What a faulty value would have to go together with cannot be said.
            if !keys.iter().any(|key| bad.contains_key(key.as_ref())) {
                let origin = self
                    .values
                    .get(keys[0].as_ref())
                    .map_or("", |(_, origin)| origin.as_str());
                self.faults.push(format!("{origin}: `{}`: {fault}", keys[0]));
            }
        }
        if self.faults.is_empty() {
            Ok(config)
        } else {
            // A key pasted into the wrong place may be quoted by any of them, the TOML reader's included.
            Err(ConfigError(
                self.faults
                    .iter()
                    .map(|fault| crate::secret::without_keys(fault))
                    .collect(),
            ))
        }
    }
}

/// Whether a dotted key is one of a section.
fn begins_with(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    begins && name.chars().all(plain)
}

/// A table with one more entry.
fn with_entry(table: &ValueKind, name: &str, value: Value) -> ValueKind {
    let mut entries = match table {
        ValueKind::Table(entries) => entries.clone(),
        _ => Map::new(),
    };
    entries.insert(name.to_owned(), value);
    ValueKind::Table(entries)
}

fn is_empty_table(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Table(table) if table.is_empty())
}

/// The configuration of these values, or the key of the first one that does not do, and why.
fn assemble<'v>(values: impl IntoIterator<Item = (&'v String, &'v Value)>) -> Result<Config, (String, String)> {
    let mut builder = ::config::Config::builder();
    for (key, value) in values {
        builder = builder
            .set_override(key, value.clone())
            .map_err(|error| (key.clone(), error.to_string()))?;
    }
    let read = builder.build().map_err(|error| (String::new(), error.to_string()))?;
    serde_path_to_error::deserialize(read).map_err(|error| {
        // An item of a list is at fault under the list's key.
        let path = error.path().to_string();
        let key = path.split('[').next().unwrap_or(&path).to_owned();
        let fault = match error.into_inner() {
            ::config::ConfigError::Type {
                unexpected, expected, ..
            } if !crate::secret::may_hold_one(&key) => format!("expected {expected}, found {unexpected}"),
            ::config::ConfigError::Type { expected, .. } => format!("expected {expected}"),
            ::config::ConfigError::At { error, .. } => error.to_string(),
            other => other.to_string(),
        };
        (key, fault)
    })
}
