//! The file of a fire: found where it lies, and taken only once it is complete.
//!
//! A file is not moved before it is read, so who writes it may still be at it. It counts as complete as one in a drop folder does:
//! two of our own looks, some time apart, saw the same file, and its end is one that whole files have. No time of the file is
//! compared with a clock.
//!
//! Nothing here waits; who asks comes back ([`PickWatch`] remembers what was seen).

use std::io;
use std::path::PathBuf;

use crate::config::Pick;
use crate::timing::FilePlace;

/// What a look at the place of a file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Picked {
    /// These are complete, in the order in which they are to be read. There is at least one.
    Files(Vec<PathBuf>),
    /// There is none.
    Missing,
    /// There is to be one and there are several: the first few names, and how many there are.
    Several(Vec<String>, usize),
    /// It is there and not to be read yet; why, as half a sentence: "it was still written to a moment ago".
    NotYet(String),
}

/// Looks at the place of a fire's file again and again.
#[derive(Debug, Default)]
pub(crate) struct PickWatch {}

impl PickWatch {
    /// Looks once, at `elapsed` milliseconds of a clock that only goes forward. Reads the directory, so it blocks.
    pub(crate) fn look(&mut self, place: &FilePlace, pick: Pick, elapsed: i64) -> io::Result<Picked> {
        let _ = (place, pick, elapsed);
        todo!()
    }
}
