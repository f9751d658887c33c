//! Looking into a folder while it is served: at the pace that its system and its size allow, away from what does not wait for disks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::claim::ReadyFile;
use super::filesystem::FileSystem;
use super::layout::{owner, seen_as};
use super::observe::Observer;
use super::scan::Pace;
use super::{Desk, FolderError, Rules, blocking, names};

/// How often a folder is looked into whose system tells of no changes.
const UNTOLD: Duration = Duration::from_secs(2);

/// What is seen of one folder.
pub(super) struct Watch {
    /// Not here while it looks.
    observer: Option<Observer>,
    pace: Pace,
    next: Option<Instant>,
    has_looked: bool,
}

impl Watch {
    pub(super) async fn new(rules: &Arc<Rules>) -> Result<Self, FolderError> {
        let inbox = rules.layout.inbox();
        let shown = inbox.clone();
        let config = rules.config.clone();
        let usual = config.rescan.min(UNTOLD);
        let observer =
            blocking(move || FileSystem::of(&inbox).map(|system| Observer::new(config, inbox, system))).await?;
        Ok(Self {
            observer: Some(observer.map_err(|error| FolderError::away(&shown, &error))?),
            pace: Pace { usual },
            next: None,
            has_looked: false,
        })
    }

    /// Files that are there and were not handed out.
    pub(super) fn pending(&self) -> u64 {
        self.observer.as_ref().map_or(0, Observer::pending)
    }

    /// Whether the folder was looked into since it has been held.
    pub(super) fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Whether files are there that are ready, or may be soon.
    pub(super) fn has_more(&self) -> bool {
        self.observer
            .as_ref()
            .is_none_or(|observer| observer.has_more() || observer.is_settling())
    }

    /// Tells of a file that could not be moved, and leaves it alone for a while.
    pub(super) fn cannot_move(&mut self, file: &Path, why: &str) {
        if let Some(observer) = &mut self.observer {
            observer.cannot_move(file, why);
        }
    }

    /// Waits until there may be something to see, for no longer than that.
    pub(super) async fn wait(&self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }

    /// Looks into the folder if it is time to. Whether it did.
    pub(super) async fn look(&mut self, desk: &Desk) -> Result<bool, FolderError> {
        let is_lined_up = self.observer.as_ref().is_some_and(Observer::has_more);
        if is_lined_up || self.next.is_some_and(|at| at > Instant::now()) {
            return Ok(false);
        }
        let Some(mut observer) = self.observer.take() else {
            return Ok(false);
        };
        let (observer, looked) = blocking(move || {
            let looked = observer.look();
            observer.tell();
            (observer, looked)
        })
        .await?;
        let pause = self.pace.pause(observer.took(), observer.expected());
        self.observer = Some(observer);
        looked.map_err(|error| FolderError::away(&desk.layout.inbox(), &error))?;
        self.has_looked = true;
        self.next = Some(Instant::now() + pause);
        Ok(true)
    }

    /// The next files that can be taken, in the folder's order.
    pub(super) async fn ready(&mut self, most: usize) -> Result<Vec<ReadyFile>, FolderError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let Some(mut observer) = self.observer.take() else {
            return Ok(Vec::new());
        };
        let (observer, ready) = blocking(move || {
            let ready = if observer.has_more() {
                observer.ready(most)
            } else {
                Vec::new()
            };
            (observer, ready)
        })
        .await?;
        self.observer = Some(observer);
        let ready = ready.into_iter().map(|one| ReadyFile {
            name: names::shown(one.file.file_name().unwrap_or_default()),
            seen: seen_as(&one.look),
            owner: Some(owner(one.look.owner)),
            along: one.along,
            file: one.file,
        });
        Ok(ready.collect())
    }
}
