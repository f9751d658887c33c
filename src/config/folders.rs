//! `[folders.NAME]`: drop folders.

mod checks;
mod marker;
mod path;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use tenantry_jobs::JobKind;

use super::choice::choice;
use super::reading::{self, HiddenRowsUse, TextEncoding};
use super::{duration, list};
use crate::input::InputOptions;

pub(super) use checks::faults;
pub use marker::MarkerName;
pub use path::{FolderPath, Globs, Placeholder};

/// `[folders.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct FolderConfig {
    #[serde(skip)]
    pub name: String,
    pub path: FolderPath,
    pub enabled: bool,
    pub kind: String,
    #[serde(with = "list")]
    pub kinds: Vec<String>,
    pub customer: String,
    pub skip_invalid: bool,
    pub sheet: String,
    pub encoding: TextEncoding,
    pub multiline_cells: bool,
    pub hidden_rows: HiddenRowsUse,
    pub ignore_not_kept: bool,
    pub files: Globs,
    pub ignore: Globs,
    pub complete: Complete,
    #[serde(with = "duration")]
    pub settle: Duration,
    pub marker: MarkerName,
    pub sidecar: SidecarUse,
    pub order: Order,
    pub on_failed: OnFailed,
    pub approve: Approve,
    pub only_plan: bool,
    pub submitted_by: FolderSubmitter,
    pub repeated: Repeated,
    pub after: AfterTaken,
    #[serde(with = "duration")]
    pub rescan: Duration,
    #[serde(with = "duration")]
    pub stray_after: Duration,
    #[serde(deserialize_with = "place")]
    pub done: Option<PathBuf>,
    #[serde(deserialize_with = "place")]
    pub failed: Option<PathBuf>,
    #[serde(deserialize_with = "octal")]
    pub mode: u32,
    #[serde(with = "duration::optional")]
    pub keep: Option<Duration>,
}

impl FolderConfig {
    /// The kind of its files, where they are all of one unless something beside them says otherwise.
    pub fn kind(&self) -> Option<&'static dyn JobKind> {
        tenantry_jobs::find(&self.kind).ok()
    }

    /// How its files are read.
    pub fn input_options(&self) -> InputOptions {
        reading::input_options(&self.sheet, &self.encoding, self.multiline_cells, self.hidden_rows)
    }

    /// The names of all kinds that it takes.
    pub fn all_kinds(&self) -> impl Iterator<Item = &str> {
        let first = Some(self.kind.as_str()).filter(|kind| !kind.is_empty());
        first.into_iter().chain(self.kinds.iter().map(String::as_str))
    }
}

choice!(
    /// When a file is complete.
    Complete {
        /// It has not changed for a while.
        Settled = "settled",
        /// Besides, its marker is there.
        Marker = "marker",
        /// Besides, its job document is there.
        Sidecar = "sidecar",
        /// At once: it was renamed in.
        Whole = "whole",
    }
);

choice!(
    /// Whether a file has a job document beside it.
    SidecarUse {
        /// It has none; one that is there is a file like any other.
        No = "no",
        /// It may have one.
        Optional = "optional",
        /// It is not taken without one.
        Required = "required",
    }
);

choice!(
    /// In which order files are taken.
    Order {
        /// By their names, with numbers in them by their value.
        Name = "name",
        /// As they were changed, then by their names.
        Mtime = "mtime",
    }
);

choice!(
    /// What happens after a file has failed.
    OnFailed {
        /// The next one is taken.
        GoOn = "go-on",
        /// Nothing is taken until somebody says so.
        Hold = "hold",
    }
);

choice!(
    /// Which jobs wait for approval.
    Approve {
        /// As for any other job.
        ByRule = "by-rule",
        /// All of them.
        Always = "always",
    }
);

choice!(
    /// What happens to a file whose content was dropped before.
    Repeated {
        /// As it suits its kind.
        ByKind = "",
        /// It is carried out like any other.
        Run = "run",
        /// It is refused, with the job of the one before.
        Refuse = "refuse",
    }
);

choice!(
    /// What happens to a file when it is taken.
    AfterTaken {
        /// It is moved, so that nobody changes it any more.
        Move = "move",
        /// It is copied, and stays where it is.
        Leave = "leave",
    }
);

/// Who submits the files of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum FolderSubmitter {
    /// The folder.
    Folder,
    /// The file's owner.
    Owner,
    /// Somebody by name.
    Named(String),
}

impl From<String> for FolderSubmitter {
    fn from(text: String) -> Self {
        match text.as_str() {
            "" => Self::Folder,
            "owner" => Self::Owner,
            _ => Self::Named(text),
        }
    }
}

fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    match path::absolute(&text) {
        Ok(path) => Ok(Some(path)),
        Err(fault) => Err(D::Error::custom(fault)),
    }
}

pub(super) fn octal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    const EXPECTED: &str = "expected permissions in octal that let the owner read and write, such as `0640`";
    let text = String::deserialize(deserializer)?;
    let mode = u32::from_str_radix(&text, 8).map_err(|_| D::Error::custom(EXPECTED))?;
    if mode & !0o666 == 0 && mode & 0o600 == 0o600 {
        Ok(mode)
    } else {
        Err(D::Error::custom(EXPECTED))
    }
}
