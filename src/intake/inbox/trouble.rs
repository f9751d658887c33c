//! Temporary trouble, reported when it begins and when it is over, not for every entry it befalls.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// While Redis is full, one of the entries that wait for room is tried this often.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// Entries remembered to wait for room; others are tried whenever they come up.
const REMEMBERED: usize = 10_000;

/// A trouble, and how often it was met.
#[derive(Debug, Default)]
pub(super) struct Trouble(AtomicU64);

impl Trouble {
    /// Met once more. Whether that is the first time.
    pub(super) fn met(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// It is over; how often it was met, if it was.
    pub(super) fn over(&self) -> Option<u64> {
        Some(self.0.swap(0, Ordering::Relaxed)).filter(|met| *met > 0)
    }
}

/// Entries that are refused and cannot be moved, because Redis is full. They stay pending, and come up again and again.
#[derive(Debug, Default)]
pub(super) struct WithoutRoom(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    ids: HashSet<String>,
    next: Option<Instant>,
}

impl WithoutRoom {
    /// Whether an entry is to be dealt with now: it is not known to wait, or it is the one to try.
    pub(super) fn may_try(&self, id: &str) -> bool {
        let mut waiting = lock(&self.0);
        if !waiting.ids.contains(id) {
            return true;
        }
        let is_due = waiting.next.is_none_or(|next| next <= Instant::now());
        if is_due {
            waiting.next = Some(Instant::now() + TRY_EVERY);
        }
        is_due
    }

    /// An entry has to wait. Whether it is the first one.
    pub(super) fn put_off(&self, id: &str) -> bool {
        let mut waiting = lock(&self.0);
        let is_first = waiting.next.is_none();
        waiting.next = Some(Instant::now() + TRY_EVERY);
        if waiting.ids.len() < REMEMBERED {
            waiting.ids.insert(id.to_owned());
        }
        is_first
    }

    /// There is room. Whether anything waited for it.
    pub(super) fn over(&self) -> bool {
        let waited = std::mem::take(&mut *lock(&self.0));
        waited.next.is_some()
    }
}
