//! Looking into a folder while it is served: when the doorbell rings, when something has had the time to settle, and every so often
//! in any case, at the pace that its size allows, away from what does not wait for disks.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
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

    /// Files that are there and were not handed out; `None` while they are looked at or taken.
    pub(super) fn pending(&self) -> Option<u64> {
        self.observer.as_ref().map(Observer::pending)
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
        // It is not looked at while files are lined up.
        let may_look = self.observer.as_ref().is_some_and(|observer| !observer.has_more());
        tokio::select! {
            () = self.bell.rings(), if may_look => tokio::time::sleep_until(self.earliest.min(end)).await,
            () = tokio::time::sleep_until(end) => {}
        }
    }

    /// What looks into the folder, if it is time to; for [`look`].
    pub(super) fn due(&mut self) -> Option<Observer> {
        let now = Instant::now();
        let is_due = now >= self.next || (now >= self.earliest && self.bell.has_rung());
        let observer = self.observer.take_if(|observer| is_due && !observer.has_more())?;
        // Whatever comes from here on rings again.
        self.bell.answer();
        Some(observer)
    }

    /// It was looked into.
    pub(super) fn looked(&mut self, desk: &Desk, looked: LookedInto) -> Result<(), FolderError> {
        let LookedInto { observer, directories } = looked;
        self.take_back(observer);
        let directories = directories.map_err(|error| FolderError::away(&desk.layout.inbox(), &error))?;
        if self.bell.watch(&directories) {
            // What came into them before they were listened to is found by looking again.
            self.bell.ring();
        }
        self.has_looked = true;
        Ok(())
    }

    /// What sees the files, where some are lined up, for [`ready`]; nothing is looked at before it is given back.
    pub(super) fn lend(&mut self) -> Option<Observer> {
        self.observer.take_if(|observer| observer.has_more())
    }

    pub(super) fn take_back(&mut self, observer: Observer) {
        let (pause, earliest) = observer.pauses(self.bell.usual(self.rescan));
        let now = Instant::now();
        (self.next, self.earliest) = (now + pause, now + earliest);
        self.observer = Some(observer);
    }
}

/// The outcome of looking into the folder.
pub(super) struct LookedInto {
    observer: Observer,
    /// Those that were gone into.
    directories: io::Result<Vec<PathBuf>>,
}

/// Looks into the folder.
pub(super) async fn look(mut observer: Observer) -> Result<LookedInto, FolderError> {
    blocking(move || {
        let directories = observer.look();
        observer.tell();
        LookedInto { observer, directories }
    })
    .await
}

/// The next files that can be taken, in the folder's order.
pub(super) async fn ready(mut observer: Observer, most: usize) -> Result<(Observer, Vec<ReadyFile>), FolderError> {
    if most == 0 {
        return Ok((observer, Vec::new()));
    }
    blocking(move || {
        let ready = observer.ready(most);
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
        let ready = ready.collect();
        (observer, ready)
    })
    .await
}
