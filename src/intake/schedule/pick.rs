//! The file of a fire: found where it lies, and taken only once it is complete.
//!
//! A file is not moved before it is read, so who writes it may still be at it. It counts as complete as one in a drop folder does:
//! looks of our own, some time apart, saw the same file, and its end is one that whole files have. No time of the file is
//! compared with a clock. Links are followed, for who configures a schedule names its file.
//!
//! Nothing here waits; who asks comes back ([`PickWatch`] remembers what was seen).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use globset::Glob;

use super::super::folder::complete::{FileContent, look_into};
use super::super::folder::filesystem::FileSystem;
use super::super::folder::names::{ignored, natural, shown};
use super::super::folder::scan::look_of;
use super::super::folder::settle::FileLook;
use crate::config::{Globs, Pick};
use crate::timing::FilePlace;

/// How long a file has to stay as it is, in milliseconds, on a file system of this machine's own and on any other.
const SETTLES_IN: (i64, i64) = (5_000, 10_000);
/// How many times as long if its last line does not end.
const OPEN_LINE: i64 = 3;
/// Names that are told where there are too many.
const MOST_TOLD: usize = 5;
/// Files of one fire at most.
pub(super) const MOST_FILES: usize = 1_000;

/// What a look at the place of a file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Picked {
    /// These are complete, in the order in which they are to be read. There is at least one.
    Files(Vec<PathBuf>),
    /// There is none.
    Missing,
    /// There are more than there may be: the first few names, and how many there are.
    Several(Vec<String>, usize),
    /// It is there and not to be read yet; why, as half a sentence: "it was still written to a moment ago".
    NotYet(String),
}

/// Looks at the place of a fire's file again and again.
#[derive(Debug, Default)]
pub(crate) struct PickWatch {
    seen: HashMap<PathBuf, SeenFile>,
}

/// What a file looked like, and since when.
#[derive(Debug, Clone)]
struct SeenFile {
    look: FileLook,
    since: i64,
    /// What is in it, once it has settled.
    content: FileContent,
}

impl PickWatch {
    /// Looks once, at `elapsed` milliseconds of a clock that only goes forward. Reads the directory, so it blocks.
    pub(crate) fn look(&mut self, place: &FilePlace, pick: Pick, elapsed: i64) -> io::Result<Picked> {
        let names = match names(place, pick) {
            Ok(MeantNames::These(names)) => names,
            Ok(MeantNames::TooMany(told, count)) => return Ok(Picked::Several(told, count)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let is_local = FileSystem::of(&place.directory).is_ok_and(|system| system.is_local);
        let settles_in = if is_local { SETTLES_IN.0 } else { SETTLES_IN.1 };
        let mut before = std::mem::take(&mut self.seen);
        let (mut files, mut waits) = (Vec::new(), None);
        for name in &names {
            let path = place.directory.join(name);
            let Some(mut file) = open(&path)? else { continue };
            let look = look_of(&file.metadata()?);
            let same = before.remove(&path).filter(|seen| seen.look == look);
            let mut seen = same.unwrap_or(SeenFile {
                look,
                since: elapsed,
                content: FileContent::Unknown,
            });
            let same_for = elapsed - seen.since;
            if seen.content == FileContent::Unknown && same_for >= settles_in {
                seen.content = look_into(&mut file, name)?;
            }
            match unfinished(seen.content, same_for >= OPEN_LINE * settles_in) {
                None => files.push(path.clone()),
                Some(why) => {
                    waits.get_or_insert_with(|| told(names.len(), name, why));
                }
            }
            self.seen.insert(path, seen);
        }
        Ok(match waits {
            Some(why) => Picked::NotYet(why),
            None if files.is_empty() => Picked::Missing,
            None => Picked::Files(files),
        })
    }
}

/// Why a file is not to be read yet, if it is not.
fn unfinished(content: FileContent, is_old: bool) -> Option<String> {
    match content {
        FileContent::Unknown => Some("it may still be written to".to_owned()),
        FileContent::OpenLine if !is_old => Some("its last line does not end, so more of it may follow".to_owned()),
        FileContent::OpenLine | FileContent::Whole => None,
        FileContent::Not(incomplete) => Some(incomplete.to_string()),
    }
}

fn told(count: usize, name: &OsStr, why: String) -> String {
    if count == 1 {
        why
    } else {
        format!("`{}`: {why}", shown(name))
    }
}

enum MeantNames {
    These(Vec<OsString>),
    TooMany(Vec<String>, usize),
}

/// The names that are meant, in the order in which they are read.
fn names(place: &FilePlace, pick: Pick) -> io::Result<MeantNames> {
    if !place.is_pattern {
        return Ok(MeantNames::These(vec![place.name.clone().into()]));
    }
    let pattern = Glob::new(&place.name).map_err(io::Error::other)?.compile_matcher();
    let most = match pick {
        Pick::One | Pick::Newest => 1,
        Pick::All => MOST_FILES,
    };
    // Only as many are kept, in order, as are read or told.
    let (mut kept, mut count) = (Vec::<OsString>::new(), 0);
    for entry in std::fs::read_dir(&place.directory)? {
        let name = entry?.file_name();
        let is_meant = pattern.is_match(&name) && ignored(&name, &Globs::default()).is_none();
        if !is_meant || !is_file(&place.directory.join(&name)) {
            continue;
        }
        count += 1;
        let Err(at) = kept.binary_search_by(|other| natural(other, &name)) else {
            continue;
        };
        kept.insert(at, name);
        if pick == Pick::Newest {
            kept.drain(..kept.len() - 1);
        } else {
            kept.truncate(most.max(MOST_TOLD));
        }
    }
    if count > most && pick != Pick::Newest {
        let told = kept.iter().take(MOST_TOLD).map(|name| shown(name));
        return Ok(MeantNames::TooMany(told.collect(), count));
    }
    Ok(MeantNames::These(kept))
}

fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| there.is_file())
}

/// The file, if there is one. Nothing waits for the other end of a pipe.
fn open(path: &Path) -> io::Result<Option<File>> {
    let found = match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(_) => File::open(path),
        Err(error) => Err(error),
    };
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests;
