//! Step 0 of the protocol: when a folder's directory is looked through, and what is handed on.
//!
//! It is looked through when the doorbell rings, when something has had the time to settle, and every so often in any case, and
//! never for more than a twentieth of the time.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::claim::ReadyFile;
use super::doorbell::Doorbell;
use super::filesystem::FileSystem;
use super::layout;
use super::observe::{Observer, Ready};
use super::scan::Pace;
use super::{Desk, FolderError, Rules, blocking, names};
use crate::ledger::drops::FileSeen;

/// Files handed on at once.
const TOGETHER: usize = 1_024;
/// How often a folder is looked through of which nobody tells.
const SILENT: Duration = Duration::from_secs(2);

/// What was seen of one folder.
pub(super) struct Watch {
    rules: Arc<Rules>,
    watching: Option<Watching>,
    /// When it is looked through next, and when at the earliest.
    next: Instant,
    earliest: Instant,
    has_looked: bool,
    pending: u64,
    is_settling: bool,
}

struct Watching {
    observer: Observer,
    bell: Doorbell,
}

impl Watch {
    pub(super) fn new(rules: &Arc<Rules>) -> Self {
        let now = Instant::now();
        Self {
            rules: rules.clone(),
            watching: None,
            next: now,
            earliest: now,
            has_looked: false,
            pending: 0,
            is_settling: false,
        }
    }

    /// Files that were seen by the last look and are not ready.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// Whether the folder was looked into since it has been held.
    pub(super) fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Whether files were seen that may be ready soon.
    pub(super) fn is_settling(&self) -> bool {
        self.is_settling
    }

    /// Tells of a file that could not be moved, once, and leaves it alone for a while.
    pub(super) fn cannot_move(&mut self, file: &Path, why: &str) {
        if let Some(watching) = &mut self.watching {
            watching.observer.cannot_move(file, why);
        }
    }

    /// Waits until there may be something to see, for no longer than that.
    pub(super) async fn wait(&self, at_most: Duration) {
        let end = Instant::now() + at_most;
        if let Some(watching) = &self.watching {
            tokio::select! {
                () = watching.bell.rings() => tokio::time::sleep_until(self.earliest.min(end)).await,
                () = tokio::time::sleep_until(end) => {}
            }
        } else {
            tokio::time::sleep_until(end).await;
        }
    }

    /// Looks into the folder if it is time to, and adds what is ready. Whether it did.
    pub(super) async fn look(&mut self, desk: &Desk, ready: &mut VecDeque<ReadyFile>) -> Result<bool, FolderError> {
        if !ready.is_empty() {
            return Ok(false);
        }
        let inbox = desk.layout.inbox();
        let rules = self.rules.clone();
        let mut watching = match self.watching.take() {
            Some(watching) => watching,
            None => {
                let at = inbox.clone();
                let begun = blocking(move || begin(&rules, &at)).await?;
                begun.map_err(|error| FolderError::away(&inbox, &error))?
            }
        };
        let now = Instant::now();
        let is_due = self.next <= now || (self.earliest <= now && watching.bell.answer());
        if !is_due && !watching.observer.has_more() {
            self.watching = Some(watching);
            return Ok(false);
        }
        if is_due {
            watching.bell.answer();
        }
        let (watching, looked) = blocking(move || {
            let looked = watching.look(is_due);
            (watching, looked)
        })
        .await?;
        let watching = self.watching.insert(watching);
        let found = looked.map_err(|error| FolderError::away(&inbox, &error))?;
        let observer = &watching.observer;
        (self.pending, self.is_settling) = (observer.pending(), observer.is_settling());
        if is_due {
            let usual = if watching.bell.is_silent() {
                self.rules.config.rescan.min(SILENT)
            } else {
                self.rules.config.rescan
            };
            let now = Instant::now();
            self.next = now + Pace { usual }.pause(observer.took(), observer.expected());
            self.earliest = now + Pace::shortest(observer.took());
            self.has_looked = true;
        }
        ready.extend(found);
        Ok(is_due)
    }
}

fn begin(rules: &Rules, inbox: &Path) -> std::io::Result<Watching> {
    let file_system = FileSystem::of(inbox)?;
    let config = Arc::new(rules.config.clone());
    Ok(Watching {
        bell: Doorbell::hang(&rules.name, inbox, file_system),
        observer: Observer::new(config, inbox.to_owned(), file_system),
    })
}

impl Watching {
    fn look(&mut self, is_due: bool) -> std::io::Result<Vec<ReadyFile>> {
        if is_due {
            let directories = self.observer.look()?;
            self.bell.watch(&directories);
            self.observer.tell();
        }
        let mut owners = HashMap::new();
        let ready = self.observer.ready(TOGETHER);
        Ok(ready.into_iter().map(|one| ready_file(one, &mut owners)).collect())
    }
}

/// A file that can be taken, in the terms of the steps that follow. Owners are few, and their names are looked up once.
fn ready_file(ready: Ready, owners: &mut HashMap<u32, String>) -> ReadyFile {
    let Ready { file, look, along } = ready;
    let owner = owners
        .entry(look.owner)
        .or_insert_with(|| layout::owner_named(look.owner));
    ReadyFile {
        name: names::shown(file.file_name().unwrap_or_default()),
        owner: Some(owner.clone()),
        seen: FileSeen {
            size: look.size,
            modified: look.modified,
            file_id: Some(format!("{}:{}", look.id.0, look.id.1)),
        },
        along,
        file,
    }
}
