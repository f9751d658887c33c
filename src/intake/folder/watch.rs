//! Which files are ready to be taken, in which order: those whose names the folder takes, and which have not changed for as long as
//! it asks.
//!
//! Only what is seen by two looks of this program's own counts, by the time that passes and not by any clock. The time a file says
//! it was changed at is compared with what it said before, and with nothing else.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::claim::ReadyFile;
use super::layout::{owner, seen};
use super::{Desk, FolderError, Rules, blocking, names};
use crate::backoff::Backoff;
use crate::config::Order;
use crate::ledger::drops::FileSeen;

/// A folder is looked into at least this often while something in it settles.
const OFTEN: Duration = Duration::from_millis(250);
/// Looking takes at most one part in so many of the time.
const SHARE: u32 = 20;
/// How long it takes until a file that could not be moved is tried again.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(600));

/// What was seen of one folder.
pub(super) struct Watch {
    rules: Arc<Rules>,
    seen: HashMap<PathBuf, Look>,
    stuck: HashMap<PathBuf, (Instant, u64)>,
    next: Option<Instant>,
    has_looked: bool,
    pending: u64,
    is_settling: bool,
}

struct Look {
    file: FileSeen,
    since: Instant,
}

impl Watch {
    pub(super) fn new(rules: &Arc<Rules>) -> Self {
        Self {
            rules: rules.clone(),
            seen: HashMap::new(),
            stuck: HashMap::new(),
            next: None,
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
        let times = self.stuck.get(file).map_or(0, |(_, times)| *times) + 1;
        if times == 1 {
            tracing::warn!("folder {}: {} {why}", self.rules.name, names::shown(file.as_os_str()));
        }
        self.stuck
            .insert(file.to_owned(), (Instant::now() + AGAIN.after(times), times));
    }

    /// Waits until there may be something to see, for no longer than that.
    pub(super) async fn wait(&self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }

    /// Looks into the folder if it is time to, and adds what is ready. Whether it did.
    pub(super) async fn look(&mut self, desk: &Desk, ready: &mut VecDeque<ReadyFile>) -> Result<bool, FolderError> {
        let began = Instant::now();
        if !ready.is_empty() || self.next.is_some_and(|at| at > began) {
            return Ok(false);
        }
        let (inbox, depth) = (desk.layout.inbox(), self.rules.config.path.below().len());
        let shown = inbox.clone();
        let listed = blocking(move || {
            let mut found = Vec::new();
            list(&inbox, Path::new(""), depth, &mut found).map(|()| found)
        });
        let mut found = listed.await?.map_err(|error| FolderError::away(&shown, &error))?;
        match self.rules.config.order {
            Order::Name => found.sort_by(|a, b| natural(&a.0, &b.0)),
            Order::Mtime => found.sort_by(|a, b| {
                seen(&a.1)
                    .modified
                    .cmp(&seen(&b.1).modified)
                    .then_with(|| natural(&a.0, &b.0))
            }),
        }
        let now = Instant::now();
        let mut looks = HashMap::new();
        (self.pending, self.is_settling) = (0, false);
        for (file, metadata) in found {
            if self
                .rules
                .config
                .ignore
                .fitting(file.file_name().unwrap_or_default())
                .is_some()
            {
                continue;
            }
            let look = self.look_at(&file, seen(&metadata), now);
            if self.is_ready(&file, &metadata, &look, now) {
                ready.push_back(ReadyFile {
                    name: names::shown(file.file_name().unwrap_or_default()),
                    owner: Some(owner(&metadata)),
                    seen: look.file,
                    along: Vec::new(),
                    file,
                });
            } else {
                self.pending += 1;
                looks.insert(file, look);
            }
        }
        self.stuck.retain(|file, _| looks.contains_key(file));
        self.seen = looks;
        self.has_looked = true;
        let rest = began.elapsed() * SHARE;
        let soon = if self.is_settling {
            OFTEN
        } else {
            OFTEN.max(self.rules.rescans_in())
        };
        self.next = Some(Instant::now() + soon.max(rest));
        Ok(true)
    }

    fn look_at(&self, file: &Path, now_seen: FileSeen, now: Instant) -> Look {
        match self.seen.get(file) {
            Some(last) if last.file == now_seen => Look {
                file: now_seen,
                since: last.since,
            },
            _ => Look {
                file: now_seen,
                since: now,
            },
        }
    }

    fn is_ready(&mut self, file: &Path, metadata: &fs::Metadata, look: &Look, now: Instant) -> bool {
        if self.stuck.get(file).is_some_and(|(at, _)| *at > now) {
            return false;
        }
        let still = now.duration_since(look.since);
        let name = file.file_name().unwrap_or_default();
        let is_input = metadata.is_file() && self.rules.config.files.fitting(name).is_some();
        // What is none may still become one, by being renamed or filled.
        let needed = if is_input && metadata.len() > 0 {
            self.rules.settles_in()
        } else if metadata.is_file() {
            return still >= self.rules.config.stray_after;
        } else {
            Duration::ZERO
        };
        let is_ready = still >= needed;
        self.is_settling |= !is_ready;
        is_ready
    }
}

/// Lists the files below a directory, so many directories down. Whatever else is there is left alone.
fn list(inbox: &Path, below: &Path, depth: usize, found: &mut Vec<(PathBuf, fs::Metadata)>) -> io::Result<()> {
    for entry in fs::read_dir(inbox.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // It was there a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if is_passed_over(&name) {
            continue;
        }
        let path = below.join(&name);
        match (metadata.is_dir(), depth) {
            (true, 0) => {}
            (true, _) => list(inbox, &path, depth - 1, found)?,
            (false, 0) => found.push((path, metadata)),
            (false, _) => {}
        }
    }
    Ok(())
}

/// Whether programs give such names to files that they are still writing, or keep for themselves.
fn is_passed_over(name: &OsStr) -> bool {
    let name = String::from_utf8_lossy(name.as_bytes()).to_lowercase();
    let ends = [
        ".part",
        ".partial",
        ".filepart",
        ".tmp",
        ".temp",
        ".crdownload",
        ".download",
        ".upload",
        ".swp",
        ".lock",
        ".!ut",
    ];
    name.starts_with(['.', '~'])
        || name.ends_with(['~', '#'])
        || ends.iter().any(|end| name.ends_with(end))
        || ["thumbs.db", "desktop.ini"].contains(&name.as_str())
}

/// The order of names in which numbers in them count by their value.
fn natural(a: &Path, b: &Path) -> Ordering {
    let (mut a_rest, mut b_rest) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
    loop {
        let (Some(x), Some(y)) = (a_rest.first(), b_rest.first()) else {
            return a_rest.len().cmp(&b_rest.len()).then_with(|| a.cmp(b));
        };
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (x, y) = (digits(&mut a_rest), digits(&mut b_rest));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
            (a_rest, b_rest) = (&a_rest[1..], &b_rest[1..]);
            order
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes a number off, without the zeros before it.
fn digits<'d>(rest: &mut &'d [u8]) -> &'d [u8] {
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    *rest = after;
    let first = number.iter().position(|byte| *byte != b'0').unwrap_or(number.len());
    &number[first..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_their_value() {
        let mut names = ["b.csv", "a10.csv", "a2.csv", "A1.csv", "a02.csv", "a.csv", "a2b.csv"].map(PathBuf::from);
        names.sort_by(|a, b| natural(a, b));
        let sorted = ["a.csv", "A1.csv", "a02.csv", "a2.csv", "a2b.csv", "a10.csv", "b.csv"].map(PathBuf::from);
        assert_eq!(names, sorted);
    }
}
