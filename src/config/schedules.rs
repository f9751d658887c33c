//! `[schedules.NAME]`: jobs that run by themselves.
//!
//! A schedule that a command defines has the same keys, is checked in the same way ([`Config::schedule`]), and is kept as what
//! [`ScheduleConfig`] is written to.

mod checks;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tenantry_jobs::JobKind;

use super::choice::choice;
use super::reading::{self, HiddenRowsUse, TextEncoding};
use super::{Config, ConfigError, Layers, duration};
use crate::input::InputOptions;
use crate::ledger::Parameters;
use crate::timing::{PathTemplate, Timing, TimingText};

pub(super) use checks::faults;

/// What stands in `[schedules]` beside the schedules.
const GENERATION: &str = "generation";
const ROOTS: &str = "roots";

/// `[schedules]`
#[derive(Debug, Clone, Default)]
pub struct SchedulesConfig {
    /// Only workers of the highest generation that has been seen define schedules.
    pub generation: u32,
    /// Directories below which files of schedules may lie that a command has defined.
    pub roots: Vec<PathBuf>,
    /// Each by its name.
    pub named: BTreeMap<String, ScheduleConfig>,
}

/// `[schedules.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct ScheduleConfig {
    pub kind: String,
    pub cron: String,
    #[serde(with = "duration::optional")]
    pub every: Option<Duration>,
    pub at: String,
    pub time_zone: String,
    pub from: String,
    pub until: String,
    pub file: String,
    pub pick: Pick,
    pub if_missing: IfMissing,
    #[serde(with = "duration")]
    pub wait_for: Duration,
    pub if_same: IfSame,
    pub after: AfterRun,
    pub set: BTreeMap<String, String>,
    pub customer: String,
    pub skip_invalid: bool,
    // Those that earlier versions do not know are written only where they say something.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sheet: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub encoding: TextEncoding,
    #[serde(default, skip_serializing_if = "is_default")]
    pub multiline_cells: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub hidden_rows: HiddenRowsUse,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignore_not_kept: bool,
    pub out: String,
    pub keep_out: u32,
    pub missed: Missed,
    #[serde(with = "duration")]
    pub missed_within: Duration,
    pub overlap: Overlap,
    #[serde(with = "duration")]
    pub jitter: Duration,
    pub pause_after: u32,
    #[serde(with = "duration::optional")]
    pub expect_within: Option<Duration>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

choice!(
    /// Which of several files is taken.
    Pick {
        /// There has to be one.
        One = "one",
        /// The last by name.
        Newest = "newest",
        /// Each, a job for each, in the order of their names.
        All = "all",
    }
);

choice!(
    /// What happens when the file is not there.
    IfMissing {
        /// The fire fails.
        Fail = "fail",
        /// The fire is skipped.
        Skip = "skip",
        /// It is looked for, for a while.
        Wait = "wait",
    }
);

choice!(
    /// What happens when the file's content is that of the last time.
    IfSame {
        /// It is carried out like any other.
        Run = "run",
        /// The fire is skipped.
        Skip = "skip",
        /// The fire fails.
        Fail = "fail",
    }
);

choice!(
    /// What happens to times at which no worker was there.
    Missed {
        /// The last of them is made up for.
        Last = "last",
        /// Each of them is.
        All = "all",
        /// None is.
        None = "none",
    }
);

choice!(
    /// What happens when the job of the time before has not ended.
    Overlap {
        /// This one is skipped.
        Skip = "skip",
        /// This one waits, unless another one does.
        WaitOne = "wait-one",
        /// This one waits.
        Wait = "wait",
        /// Both run.
        Allow = "allow",
        /// The one before is cancelled if it still waits for approval; otherwise this one is skipped.
        Supersede = "supersede",
    }
);

/// What happens to the file once its job has ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum AfterRun {
    /// It stays.
    Leave,
    /// It is moved into this directory.
    Archive(PathTemplate),
}

const ARCHIVE: &str = "archive:";

impl TryFrom<String> for AfterRun {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix(ARCHIVE) {
            None if text == "leave" => Ok(Self::Leave),
            Some(directory) if !directory.is_empty() => PathTemplate::of_directory(directory)
                .map(Self::Archive)
                .map_err(|faults| faults.join("; ")),
            _ => Err("expected `leave`, or `archive:` and a directory such as `archive:/srv/exports/done`".to_owned()),
        }
    }
}

impl From<AfterRun> for String {
    fn from(after: AfterRun) -> Self {
        match after {
            AfterRun::Leave => "leave".to_owned(),
            AfterRun::Archive(directory) => format!("{ARCHIVE}{directory}"),
        }
    }
}

impl ScheduleConfig {
    /// Its kind.
    pub fn kind(&self) -> Option<&'static dyn JobKind> {
        tenantry_jobs::find(&self.kind).ok()
    }

    /// When it is due. Only these keys make a new revision of a schedule.
    pub fn timing_text(&self) -> TimingText<'_> {
        TimingText {
            cron: &self.cron,
            every: self.every,
            at: &self.at,
            time_zone: &self.time_zone,
            from: &self.from,
            until: &self.until,
        }
    }

    /// When it is due, with the zone's data of now.
    pub fn timing(&self) -> Result<Timing, Vec<(&'static str, String)>> {
        Timing::read(self.timing_text())
    }

    /// The file that it reads, if it reads one. A faulty one does not get into a configuration.
    pub fn file(&self) -> Option<PathTemplate> {
        PathTemplate::of_file(&self.file).ok().filter(|_| !self.file.is_empty())
    }

    /// How its files are read.
    pub fn input_options(&self) -> InputOptions {
        reading::input_options(&self.sheet, &self.encoding, self.multiline_cells, self.hidden_rows)
    }

    /// Whether columns that a store does not keep are left out; `None` where that is as for other jobs.
    pub fn ignore_not_kept(&self) -> Option<bool> {
        self.ignore_not_kept.then_some(true)
    }

    /// Where results are to go, if they are.
    pub fn out(&self) -> Option<PathTemplate> {
        PathTemplate::of_directory(&self.out)
            .ok()
            .filter(|_| !self.out.is_empty())
    }

    /// What is the same for all rows of its jobs.
    pub fn parameters(&self) -> Parameters {
        Parameters {
            customer: Some(self.customer.clone()).filter(|customer| !customer.is_empty()),
            skip_invalid: self.skip_invalid,
            ..Parameters::default()
        }
    }

    /// What is taken as it is and might be meant otherwise, each as a sentence without a full stop.
    pub fn warnings(&self) -> Vec<String> {
        let mut told = self
            .timing()
            .map(|timing| crate::timing::warnings(&timing))
            .unwrap_or_default();
        let is_dated = self.file().is_some_and(|file| file.depends_on_time());
        if is_dated && self.missed == Missed::Last && self.at.is_empty() {
            told.push(
                "`file` is another one each time and `missed` is `last`, so after several missed times only the last one's file is read; `missed = \"all\"` reads each"
                    .to_owned(),
            );
        }
        told
    }
}

impl Config {
    /// The schedule of these keys and values, or everything that is wrong with it; `origin` is where they are from.
    pub fn schedule(name: &str, values: &[(String, String)], origin: &str) -> Result<ScheduleConfig, ConfigError> {
        let mut layers = Layers::with_defaults()?;
        for (key, value) in values {
            layers.set(&format!("schedules.{name}.{key}"), value, origin);
        }
        let mut config = layers.read()?;
        let none = || {
            ConfigError(vec![format!(
                "{origin}: `schedules.{name}`: expected at least `kind` and `cron`"
            )])
        };
        config.schedules.named.remove(name).ok_or_else(none)
    }
}

impl<'de> Deserialize<'de> for SchedulesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SchedulesVisitor)
    }
}

/// A list of paths.
#[derive(Deserialize)]
#[serde(transparent)]
struct Paths(#[serde(deserialize_with = "super::paths::deserialize")] Vec<PathBuf>);

/// Reads the section key by key, so that a fault is told with its key.
struct SchedulesVisitor;

impl<'de> Visitor<'de> for SchedulesVisitor {
    type Value = SchedulesConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of schedules")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut section = SchedulesConfig::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                GENERATION => section.generation = map.next_value()?,
                ROOTS => section.roots = map.next_value::<Paths>()?.0,
                _ => {
                    section.named.insert(name, map.next_value()?);
                }
            }
        }
        Ok(section)
    }
}
