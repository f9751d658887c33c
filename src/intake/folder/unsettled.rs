//! Files that were taken and are not whole yet: they settle where they lie now, as they would have in `in/`.

use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use super::layout;
use super::layout::file_at;
use super::{Desk, FolderError, blocking};
use crate::ledger::drops::{DropChange, DropState, DroppedFile, FileSeen};

/// A file that does not change is looked into again after this at least.
const LEAST: Duration = Duration::from_secs(1);
/// A file that is not whole for this long is told.
const TELL_AFTER: Duration = Duration::from_secs(600);

/// Files that are not whole.
pub(super) struct Unsettled {
    settle: Duration,
    files: Vec<One>,
}

struct One {
    drop: DroppedFile,
    why: String,
    last: FileSeen,
    since: Instant,
    first: Instant,
    told: bool,
}

impl Unsettled {
    pub(super) fn new(settle: Duration) -> Self {
        Self {
            settle: settle.max(LEAST),
            files: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn extend(&mut self, files: impl IntoIterator<Item = (DroppedFile, String)>) {
        let now = Instant::now();
        self.files.extend(files.into_iter().map(|(drop, why)| One {
            last: drop.seen.clone(),
            drop,
            why,
            since: now,
            first: now,
            told: false,
        }));
    }

    /// Those that have not changed for long enough, to be handed in; those that are gone are recorded as such.
    pub(super) async fn settled(&mut self, desk: &Desk) -> Result<Vec<DroppedFile>, FolderError> {
        if self.files.is_empty() {
            return Ok(Vec::new());
        }
        let paths: Vec<_> = self.files.iter().map(|one| file_at(&desk.layout, &one.drop)).collect();
        let looks = blocking(move || paths.iter().map(fs::symlink_metadata).collect::<Vec<_>>()).await?;
        let (now, settle) = (Instant::now(), self.settle);
        let (mut settled, mut changes, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for (mut one, look) in std::mem::take(&mut self.files).into_iter().zip(looks) {
            let Ok(metadata) = look else {
                changes.push(DropChange {
                    reason: Some("removed before it was read".to_owned()),
                    ..DropChange::to(one.drop.seq, DropState::Gone)
                });
                continue;
            };
            let seen = layout::seen(&metadata);
            if !layout::is_same(&seen, &one.last) {
                (one.last, one.since) = (seen, now);
            } else if now.duration_since(one.since) >= settle {
                changes.push(DropChange {
                    seen: Some(one.last.clone()),
                    ..DropChange::to(one.drop.seq, DropState::Taken)
                });
                settled.push(DroppedFile {
                    seen: one.last,
                    ..one.drop
                });
                continue;
            }
            if !one.told && now.duration_since(one.first) >= TELL_AFTER {
                one.told = true;
                tracing::warn!(
                    "folder {}: {} was taken and is not whole: {}; it is waited for",
                    desk.rules.name,
                    one.drop.name,
                    one.why
                );
            }
            left.push(one);
        }
        self.files = left;
        if !changes.is_empty() {
            desk.service
                .ledger
                .change_drops(&desk.hold, changes, Vec::new())
                .await?;
        }
        Ok(settled)
    }
}
