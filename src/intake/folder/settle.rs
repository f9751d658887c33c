//! A tracker of the files that have settled: what each looked like, and since when.
//!
//! A file has settled when two looks at it, far enough apart by a clock that nobody sets, found the same size, time of change
//! and number. Its time of change is only ever compared with itself: it may lie in the future or in 1970. Nothing here looks at
//! a file or at a clock; both come from outside. How many files are known at once is bounded; further ones are counted, and
//! have their turn when others are gone.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::complete::FileContent;

/// Files known at once.
const MOST_FILES: usize = 200_000;

/// What a file looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileLook {
    pub(crate) size: u64,
    /// When it was changed, in nanoseconds since 1970.
    pub(crate) modified: i64,
    /// The numbers of its device and of itself there.
    pub(crate) id: (u64, u64),
    /// The number of its owner.
    pub(crate) owner: u32,
}

impl FileLook {
    /// Whether it is the same file and was not changed.
    fn is_as(&self, other: &Self) -> bool {
        (self.size, self.modified, self.id) == (other.size, other.modified, other.id)
    }
}

/// What a file in the directory is to the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilePart {
    /// To be taken.
    File,
    /// It says something of a file, such as that it is complete.
    Companion,
    /// None of those that are taken.
    Stray,
    /// A link, a pipe, a device.
    NoFile,
}

/// A time by the clock that nobody sets, in nanoseconds: there are as many of them as there are files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(u64);

impl Moment {
    fn at(time: Duration) -> Self {
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }
}

/// What was wrong with the marker of a file, if anything was, and since which round it was so then.
pub(crate) type Marked = Option<Box<(u32, Option<String>)>>;

/// A file that is known.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) part: FilePart,
    pub(crate) look: FileLook,
    /// When it was first seen to be there.
    first: Moment,
    /// When it was first seen to look as it does.
    since: Moment,
    /// When it was last seen to look so.
    last: Moment,
    /// In which round it was first seen to look as it does.
    pub(crate) since_round: u32,
    round: u32,
    /// What is in it, as far as that was looked at.
    pub(crate) content: FileContent,
    /// Since which round its marker was as it was when it was last held against the file, and what was wrong with it.
    pub(crate) marked: Marked,
    /// Whether somebody was told that it waits.
    pub(crate) is_told: bool,
    /// Whether it was taken as it looks, and stays where it is.
    pub(crate) is_taken: bool,
}

impl Watched {
    /// How long it has looked the same.
    pub(crate) fn unchanged_for(&self) -> Duration {
        self.since.until(self.last)
    }

    /// How long it has been there.
    pub(crate) fn known_for(&self) -> Duration {
        self.first.until(self.last)
    }

    /// Since when it has looked as it does.
    pub(crate) fn since(&self) -> Duration {
        Duration::from_nanos(self.since.0)
    }
}

/// Since when each file has looked as it does.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    files: HashMap<Box<Path>, Watched>,
    round: u32,
    beyond: u64,
}

impl Tracker {
    /// All files are about to be looked at.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
        self.beyond = 0;
    }

    /// A file was looked at, between `before` and `after`.
    pub(crate) fn see(&mut self, file: &Path, part: FilePart, look: FileLook, (before, after): (Duration, Duration)) {
        let (round, before, after) = (self.round, Moment::at(before), Moment::at(after));
        if let Some(known) = self.files.get_mut(file) {
            known.round = round;
            known.part = part;
            if known.look.is_as(&look) {
                known.last = before.max(known.last);
            } else {
                // It may have been changed until just before it was looked at.
                (known.since, known.last, known.since_round) = (after, after, round);
                known.content = FileContent::Unknown;
                known.marked = None;
                known.is_taken = false;
            }
            known.look = look;
        } else if self.files.len() < MOST_FILES {
            let watched = Watched {
                part,
                look,
                first: after,
                since: after,
                last: after,
                since_round: round,
                round,
                content: FileContent::Unknown,
                marked: None,
                is_told: false,
                is_taken: false,
            };
            self.files.insert(file.into(), watched);
        } else {
            self.beyond += 1;
        }
    }

    /// All files were looked at: those that were not seen are gone.
    pub(crate) fn end(&mut self) {
        let round = self.round;
        self.files.retain(|_, known| known.round == round);
        // Room for a hundred thousand is not kept for ten.
        if self.files.capacity() > 1_024 && self.files.capacity() / 8 > self.files.len() {
            self.files.shrink_to_fit();
        }
    }

    /// A file is somebody else's from now on.
    pub(crate) fn forget(&mut self, file: &Path) {
        self.files.remove(file);
    }

    /// What is known of a file.
    pub(crate) fn get(&self, file: &Path) -> Option<&Watched> {
        self.files.get(file)
    }

    pub(crate) fn get_mut(&mut self, file: &Path) -> Option<&mut Watched> {
        self.files.get_mut(file)
    }

    /// All files that are known.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &Watched)> {
        self.files.iter().map(|(file, known)| (&**file, known))
    }

    /// Files that are there and not known, for there are too many.
    pub(crate) fn beyond(&self) -> u64 {
        self.beyond
    }
}

#[cfg(test)]
mod tests;
