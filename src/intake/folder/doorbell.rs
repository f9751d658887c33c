//! The system tells of changes in a folder's directory: a doorbell, and no more than that.
//!
//! What it tells is not looked at, only that something may have changed; a round of looks finds out what. It may tell of nothing,
//! too little or too late, and can fail at any time: files are found by the next round all the same. That it failed is told once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::filesystem::FileSystem;

/// How often a folder is looked into whose system tells of no changes.
const UNTOLD: Duration = Duration::from_secs(2);

/// What was told, and whether it is still to be relied on for speed.
#[derive(Default)]
struct BellState {
    rung: AtomicBool,
    broken: AtomicBool,
    ring: Notify,
}

/// Rings when something in the directories may have changed.
pub(super) struct Doorbell {
    folder: String,
    told: Arc<BellState>,
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    /// Why changes may be made that it does not ring for, if so.
    silent: Option<String>,
}

impl Doorbell {
    /// For the directory of a folder.
    pub(super) fn hang(folder: &str, inbox: &Path, file_system: FileSystem) -> Self {
        let told = Arc::new(BellState::default());
        let mut bell = Self {
            folder: folder.to_owned(),
            told: told.clone(),
            watcher: None,
            watched: HashSet::new(),
            silent: (!file_system.is_local).then(|| format!("it lies on {}", file_system.name)),
        };
        if bell.silent.is_some() {
            tracing::info!(
                "folder {folder} lies on {}, where changes may be made elsewhere: it is looked through every 2s",
                file_system.name
            );
            return bell;
        }
        match notify::recommended_watcher(move |event| told.take_note(event)) {
            Ok(watcher) => bell.watcher = Some(watcher),
            Err(error) => bell.fail(&error.to_string()),
        }
        bell.watch(&[inbox.to_owned()]);
        bell
    }

    /// Listens to these as well. Whether it did not before.
    pub(super) fn watch(&mut self, directories: &[PathBuf]) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let (mut fault, before) = (None, self.watched.len());
        for directory in directories {
            if self.watched.contains(directory) {
                continue;
            }
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(directory.clone());
                }
                Err(error) => fault = Some(error.to_string()),
            }
        }
        let is_more = self.watched.len() > before;
        if let Some(fault) = fault {
            self.fail(&fault);
        }
        is_more
    }

    fn fail(&mut self, why: &str) {
        if self.silent.is_none() {
            tracing::warn!(
                "folder {}: the system does not tell of changes ({why}); it is looked through every 2s",
                self.folder
            );
        }
        self.silent
            .get_or_insert_with(|| format!("the system does not tell of changes: {why}"));
    }

    /// Whether changes may be made that it does not ring for.
    pub(super) fn is_silent(&mut self) -> bool {
        if self.told.broken.swap(false, Ordering::SeqCst) {
            self.fail("it broke off");
        }
        self.silent.is_some()
    }

    /// How often the directories are looked through, where that was asked.
    pub(super) fn usual(&mut self, asked: Duration) -> Duration {
        if self.is_silent() { asked.min(UNTOLD) } else { asked }
    }

    /// How new files are learned of, in words.
    pub(super) fn watched(&mut self, asked: Duration) -> String {
        let every = self.usual(asked).as_secs();
        match &self.silent {
            Some(why) => format!("looked through every {every} s, as {why}"),
            None => format!("the system tells of changes, and it is looked through every {every} s"),
        }
    }

    /// Whether it has rung since it was answered.
    pub(super) fn has_rung(&self) -> bool {
        self.told.rung.load(Ordering::SeqCst)
    }

    /// What it rang for is looked at now.
    pub(super) fn answer(&self) {
        self.told.rung.store(false, Ordering::SeqCst);
    }

    /// Rings it.
    pub(super) fn ring(&self) {
        self.told.ring();
    }

    /// Waits until it rings, unless it has.
    pub(super) async fn rings(&self) {
        while !self.has_rung() {
            self.told.ring.notified().await;
        }
    }
}

impl BellState {
    fn take_note(&self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else {
            self.broken.store(true, Ordering::SeqCst);
            return self.ring();
        };
        if event.need_rescan() || is_arrival(event.kind) {
            self.ring();
        }
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        self.ring.notify_one();
    }
}

/// Whether a file may have come or been completed. That one is being written to is of no use to know.
fn is_arrival(kind: EventKind) -> bool {
    let leaves = EventKind::Modify(ModifyKind::Name(RenameMode::From));
    kind != leaves
        && matches!(
            kind,
            EventKind::Create(_)
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Any
                | EventKind::Other
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: FileSystem = FileSystem {
        is_local: true,
        name: "test",
    };

    #[tokio::test]
    async fn it_rings_for_a_file_that_comes() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut bell = Doorbell::hang("users", dir.path(), LOCAL);
        assert!(!bell.is_silent() && !bell.has_rung());
        std::fs::write(dir.path().join(".a.csv.part"), "a").expect("written");
        bell.rings().await;
        bell.answer();
        std::fs::rename(dir.path().join(".a.csv.part"), dir.path().join("a.csv")).expect("renamed");
        bell.rings().await;
    }

    /// Case 28, as the system tells it: what it tells of nothing is not named, and all is looked through.
    #[tokio::test]
    async fn it_rings_where_the_system_could_not_keep_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let bell = Doorbell::hang("users", dir.path(), LOCAL);
        let overflow = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        bell.told.take_note(Ok(overflow));
        assert!(bell.has_rung());
    }

    #[tokio::test]
    async fn one_that_fails_or_is_not_to_be_believed_is_silent() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut gone = Doorbell::hang("users", &dir.path().join("gone"), LOCAL);
        assert!(gone.is_silent());
        let mut network = Doorbell::hang(
            "users",
            dir.path(),
            FileSystem {
                is_local: false,
                name: "nfs",
            },
        );
        assert!(network.is_silent());
        let half_a_minute = Duration::from_secs(30);
        assert_eq!(
            network.watched(half_a_minute),
            "looked through every 2 s, as it lies on nfs"
        );
        let mut broken = Doorbell::hang("users", dir.path(), LOCAL);
        broken.told.take_note(Err(notify::Error::generic("no space left")));
        assert!(broken.has_rung());
        assert!(broken.is_silent() && broken.is_silent());
    }
}
