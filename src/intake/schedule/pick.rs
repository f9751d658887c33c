//! The file of a fire: found where it lies, and taken only once it is complete.
//!
//! A file is not moved before it is read, so who writes it may still be at it. It counts as complete as one in a drop folder does:
//! looks of our own, some time apart, saw the same file, and its end is one that whole files have. No time of the file is
//! compared with a clock. Links are followed, for who configures a schedule names its file.
//!
//! Nothing here waits; who asks comes back ([`PickWatch`] remembers what was seen).

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use globset::Glob;

use crate::config::Pick;
use crate::timing::FilePlace;

/// How long a file has to stay as it is, in milliseconds; three times as long if its last line does not end.
const SETTLES_IN: i64 = 5_000;
/// Names that are told where there are too many.
const MOST_TOLD: usize = 5;
/// Files of one fire at most.
const MOST_FILES: usize = 1_000;

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
    seen: HashMap<PathBuf, Seen>,
}

/// What a file looked like, and since when.
#[derive(Debug, Clone, Copy)]
struct Seen {
    look: Look,
    since: i64,
}

/// Size, time of change, and which file of which device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look(u64, (i64, i64), (u64, u64));

impl Look {
    fn of(metadata: &Metadata) -> Self {
        Self(
            metadata.len(),
            (metadata.mtime(), metadata.mtime_nsec()),
            (metadata.dev(), metadata.ino()),
        )
    }
}

impl PickWatch {
    /// Looks once, at `elapsed` milliseconds of a clock that only goes forward. Reads the directory, so it blocks.
    pub(crate) fn look(&mut self, place: &FilePlace, pick: Pick, elapsed: i64) -> io::Result<Picked> {
        let names = match names(place, pick) {
            Ok(Names::These(names)) => names,
            Ok(Names::TooMany(told, count)) => return Ok(Picked::Several(told, count)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut before = std::mem::take(&mut self.seen);
        let (mut files, mut waits) = (Vec::new(), None);
        for name in &names {
            let path = place.directory.join(name);
            let Some(mut file) = open(&path)? else { continue };
            let look = Look::of(&file.metadata()?);
            let same = before.remove(&path).filter(|seen| seen.look == look);
            let seen = same.unwrap_or(Seen { look, since: elapsed });
            self.seen.insert(path.clone(), seen);
            match unfinished(&mut file, elapsed - seen.since)? {
                None => files.push(path),
                Some(why) => {
                    waits.get_or_insert_with(|| told(names.len(), name, why));
                }
            }
        }
        Ok(match waits {
            Some(why) => Picked::NotYet(why),
            None if files.is_empty() => Picked::Missing,
            None => Picked::Files(files),
        })
    }
}

fn told(count: usize, name: &OsStr, why: &str) -> String {
    if count == 1 {
        why.to_owned()
    } else {
        format!("`{}`: {why}", name.display())
    }
}

enum Names {
    These(Vec<OsString>),
    TooMany(Vec<String>, usize),
}

/// The names that are meant, in the order in which they are read.
fn names(place: &FilePlace, pick: Pick) -> io::Result<Names> {
    if !place.is_pattern {
        return Ok(Names::These(vec![place.name.clone().into()]));
    }
    let pattern = Glob::new(&place.name).map_err(io::Error::other)?.compile_matcher();
    let most = match pick {
        Pick::One | Pick::Newest => 1,
        Pick::All => MOST_FILES,
    };
    // Only as many are kept as are read or told.
    let (mut kept, mut count) = (BTreeSet::new(), 0);
    for entry in std::fs::read_dir(&place.directory)? {
        let name = entry?.file_name();
        if !pattern.is_match(&name) || !is_file(&place.directory.join(&name)) {
            continue;
        }
        count += 1;
        kept.insert(name);
        if pick == Pick::Newest && kept.len() > most {
            kept.pop_first();
        } else if kept.len() > most.max(MOST_TOLD) {
            kept.pop_last();
        }
    }
    if count > most && pick != Pick::Newest {
        let told = kept.iter().take(MOST_TOLD).map(|name| name.display().to_string());
        return Ok(Names::TooMany(told.collect(), count));
    }
    Ok(Names::These(kept.into_iter().collect()))
}

fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| there.is_file())
}

/// The file, if there is one. Nothing waits for the other end of a pipe.
fn open(path: &Path) -> io::Result<Option<File>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(there) if !there.is_file() => return Err(io::Error::other("it is no regular file")),
        Ok(_) => {}
    }
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Why a file that has been the same for so long is not complete, if it is not.
fn unfinished(file: &mut File, same_for: i64) -> io::Result<Option<&'static str>> {
    const END: u64 = 16;
    if same_for < SETTLES_IN {
        return Ok(Some("it may still be written to"));
    }
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok(Some("it is empty"));
    }
    file.seek(SeekFrom::Start(size.saturating_sub(END)))?;
    let mut end = Vec::new();
    file.take(END).read_to_end(&mut end)?;
    if end.iter().all(|byte| *byte == 0) {
        return Ok(Some("it ends with zeros"));
    }
    let is_open = !end.ends_with(b"\n") && same_for < 3 * SETTLES_IN;
    Ok(is_open.then_some("its last line does not end, so more of it may follow"))
}
