//! Looking into a folder while it is served: when the doorbell rings, when something has had the time to settle, and every so often
//! in any case, at the pace that its size allows, away from what does not wait for disks.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::doorbell::Doorbell;
use super::filesystem::FileSystem;
use super::layout::{owner, seen_as};
use super::observe::Observer;
use super::ready::ReadyFile;
use super::{Desk, FolderError, FolderRules, blocking, names};

/// What is seen of one folder.
pub(super) struct Watch {
    /// Not here while it looks.
    observer: Option<Observer>,
    bell: Doorbell,
    rescan: Duration,
    /// When it is looked into next, and when at the earliest.
    next: Instant,
    earliest: Instant,
    has_looked: bool,
}

impl Watch {
    pub(super) async fn new(rules: &Arc<FolderRules>) -> Result<Self, FolderError> {
        let inbox = rules.layout.inbox();
        let shown = inbox.clone();
        let config = rules.config.clone();
        let (name, rescan) = (rules.name.clone(), config.rescan);
        let begun = blocking(move || {
            let system = FileSystem::of(&inbox)?;
            Ok((
                Doorbell::hang(&name, &inbox, system),
                Observer::new(config, inbox, system),
            ))
        });
        let (bell, observer) = begun.await?.map_err(|error| FolderError::away(&shown, &error))?;
        let now = Instant::now();
        Ok(Self {
            observer: Some(observer),
            bell,
            rescan,
            next: now,
            earliest: now,
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

    /// A file that stays where it is was not taken after all.
    pub(super) fn not_taken(&mut self, file: &Path) {
        if let Some(observer) = &mut self.observer {
            observer.set_taken(file, false);
        }
    }

    /// How new files are learned of.
    pub(super) fn watched(&mut self) -> String {
        self.bell.watched(self.rescan)
    }

    /// Waits until there may be something to see, for no longer than that.
    pub(super) async fn wait(&self, at_most: Duration) {
        let end = Instant::now() + at_most;
        tokio::select! {
            () = self.bell.rings() => tokio::time::sleep_until(self.earliest.min(end)).await,
            () = tokio::time::sleep_until(end) => {}
        }
    }

    /// Looks into the folder if it is time to. Whether it did.
    pub(super) async fn look(&mut self, desk: &Desk) -> Result<bool, FolderError> {
        let is_lined_up = self.observer.as_ref().is_some_and(Observer::has_more);
        let now = Instant::now();
        if is_lined_up || (now < self.next && (now < self.earliest || !self.bell.has_rung())) {
            return Ok(false);
        }
        let Some(mut observer) = self.observer.take() else {
            return Ok(false);
        };
        // Whatever comes from here on rings again.
        self.bell.answer();
        let (observer, looked) = blocking(move || {
            let looked = observer.look();
            observer.tell();
            (observer, looked)
        })
        .await?;
        let usual = self.bell.usual(self.rescan);
        let (pause, earliest) = observer.pauses(usual);
        self.observer = Some(observer);
        let directories = looked.map_err(|error| FolderError::away(&desk.layout.inbox(), &error))?;
        if self.bell.watch(&directories) {
            // What came into them before they were listened to is found by looking again.
            self.bell.ring();
        }
        let now = Instant::now();
        self.next = now + pause;
        self.earliest = now + earliest;
        self.has_looked = true;
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
        // Most are of one or two.
        let mut owners: HashMap<u32, String> = HashMap::new();
        let mut owner = |number: u32| owners.entry(number).or_insert_with(|| owner(number)).clone();
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
