//! The files of a folder's directory, and which of them can be taken: names, looks, content and markers put together.
//!
//! A [round](Observer::look) looks at every entry once. Where that takes long and is not due yet, only the next files are looked at
//! that have had the time to settle, so that the first of many thousand files need not wait for a second look at all of them.
//! Afterwards, files that have settled are looked into in the folder's
//! order, as many as are asked for, so that a directory with a hundred thousand files is not opened a hundred thousand times
//! before the first is taken. Nothing is moved here.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::complete::{FileContent, Incomplete, Statement, look_into};
use super::filesystem::FileSystem;
use super::names;
use super::scan::{DirectoryEntry, DropPlace, FoundEntries, Pace, look_of, open};
use super::settle::{FileLook, FilePart, Tracker, Watched};
use super::sidecar;
use super::wait::Wait;
use crate::config::{AfterTaken, Complete, FolderConfig, Order, SidecarUse};

/// The shortest time to settle where the file system is not known to be this machine's own.
const REMOTE_SETTLE: Duration = Duration::from_secs(10);
/// How many times as long a text settles whose last line does not end.
const OPEN_LINE: u32 = 3;
/// A file that has not settled for so long is told of.
const NEVER_SETTLES: Duration = Duration::from_secs(3600);
/// Files told of one by one in a round.
const TOLD: usize = 20;
/// Files looked at again between two rounds.
const SOME: usize = 2_048;
/// Files lined up at once. A test has few files.
const LINED_UP: usize = if cfg!(test) { 8 } else { 8_192 };

/// A file that can be taken: one that is complete, or one that goes to `failed` as it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Its path below the directory.
    pub(crate) file: PathBuf,
    /// What it looked like.
    pub(crate) look: FileLook,
    /// What goes along with it.
    pub(crate) along: Vec<PathBuf>,
}

/// Watches one folder's directory.
pub(crate) struct Observer {
    config: Arc<FolderConfig>,
    place: DropPlace,
    settle: Duration,
    tracker: Tracker,
    /// The next files that may be ready, in the folder's order, as the last round found them.
    queue: VecDeque<Box<Path>>,
    /// The last one of them, where there are more after it.
    more_after: Option<(i64, Box<Path>)>,
    /// Files that could not be moved: why, and when they are tried again.
    stuck: HashMap<PathBuf, (String, Duration, u32)>,
    started: Instant,
    /// When the last round ended, how long it took with all that was in vain after it, and how long the last look at some files took.
    ended: Option<Duration>,
    took: Duration,
    some_took: Duration,
    /// Whether files are settling, until something is seen or handed out: it is asked far more often than it changes.
    settling: OnceLock<bool>,
}

impl Observer {
    /// Of the directory of that folder.
    pub(crate) fn new(config: Arc<FolderConfig>, inbox: PathBuf, file_system: FileSystem) -> Self {
        let settle = match config.complete {
            Complete::Whole => Duration::ZERO,
            _ if file_system.is_local => config.settle,
            _ => config.settle.max(REMOTE_SETTLE),
        };
        Self {
            place: DropPlace {
                inbox,
                depth: config.path.below().len(),
                is_remote: !file_system.is_local,
            },
            config,
            settle,
            tracker: Tracker::default(),
            queue: VecDeque::new(),
            more_after: None,
            stuck: HashMap::new(),
            started: Instant::now(),
            ended: None,
            took: Duration::ZERO,
            some_took: Duration::ZERO,
            settling: OnceLock::new(),
        }
    }

    /// How long to wait until the next look, and how long at least until one that finds new files.
    pub(crate) fn pauses(&self, usual: Duration) -> (Duration, Duration) {
        let now = self.started.elapsed();
        let since = self.ended.map_or(Duration::ZERO, |ended| now.saturating_sub(ended));
        let earliest = Pace::shortest(self.took).saturating_sub(since);
        let expected = self
            .expected()
            .map(|expected| expected.max(Pace::shortest(self.some_took)));
        let round = usual.saturating_sub(since).max(earliest);
        (expected.map_or(round, |expected| expected.min(round)), earliest)
    }

    /// Looks at every entry, or, until that is due, at the next files that may have settled. The directories that were gone into,
    /// besides the one itself.
    pub(crate) fn look(&mut self) -> io::Result<Vec<PathBuf>> {
        self.settling = OnceLock::new();
        let begun = self.started.elapsed();
        let is_due = self
            .ended
            .is_none_or(|ended| begun >= ended + Pace::shortest(self.took));
        let looked = if is_due {
            self.look_at_all()
        } else {
            self.look_at_some().map(|()| Vec::new())
        };
        self.line_up(None);
        let now = self.started.elapsed();
        if is_due {
            (self.ended, self.took) = (Some(now), now.saturating_sub(begun));
        } else {
            self.some_took = now.saturating_sub(begun);
        }
        looked
    }

    /// Looks at every entry, however long that took the last time.
    pub(crate) fn look_anew(&mut self) -> io::Result<()> {
        self.ended = None;
        self.look().map(drop)
    }

    /// Looks again at the files that come first of those that have had the time to settle.
    fn look_at_some(&mut self) -> io::Result<()> {
        let now = self.started.elapsed();
        let is_due = |known: &Watched| {
            let may = known.part == FilePart::File && known.unchanged_for() < self.settle;
            may && known.since() + self.settle <= now
        };
        let due = self.tracker.files().filter(|(_, known)| is_due(known));
        let (due, _) = first_of(due.map(|(file, known)| (self.time_of(known), file)), SOME);
        let due: Vec<Box<Path>> = due.into_iter().map(|(_, file)| file.into()).collect();
        for file in due {
            let before = self.started.elapsed();
            match self.place.look(&self.place.inbox.join(&file)) {
                Ok(DirectoryEntry::File(look)) => {
                    self.tracker
                        .see(&file, FilePart::File, look, (before, self.started.elapsed()));
                }
                // Another thing has its name now, and is found by the next round.
                Ok(_) => self.tracker.forget(&file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.tracker.forget(&file),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What a file is ordered by before its name.
    fn time_of(&self, known: &Watched) -> i64 {
        match self.config.order {
            Order::Mtime => known.look.modified,
            Order::Name => 0,
        }
    }

    fn look_at_all(&mut self) -> io::Result<Vec<PathBuf>> {
        let (config, tracker, mut directories) = (self.config.clone(), &mut self.tracker, Vec::new());
        let depth = self.place.depth;
        tracker.begin();
        let looked = self.place.each(
            self.started,
            &mut FoundEntries {
                goes_into: &|name| names::ignored(name, &config.ignore).is_none(),
                found: &mut |file, at, entry, times| {
                    if entry == DirectoryEntry::Directory && at == depth {
                        return;
                    }
                    if let (Some(part), DirectoryEntry::File(look) | DirectoryEntry::Special(look)) =
                        (part(&config, file, at, entry), entry)
                    {
                        tracker.see(file, part, look, times);
                    }
                },
                gone_into: &mut |directory| directories.push(directory.to_owned()),
            },
        );
        // What was not seen, as the share went away in the middle, may be there.
        looked?;
        tracker.end();
        self.stuck.retain(|file, _| self.tracker.get(file).is_some());
        Ok(directories)
    }

    /// Lines the next files up that may be ready, those after one where it is given.
    fn line_up(&mut self, after: Option<&(i64, Box<Path>)>) {
        let now = self.started.elapsed();
        let may = |file: &Path, known: &Watched| {
            let is_stuck = self.stuck.get(file).is_some_and(|(_, until, _)| *until > now);
            let due = match known.part {
                FilePart::File | FilePart::NoFile => self.settle,
                FilePart::Stray => self.config.stray_after,
                FilePart::Companion => return false,
            };
            known.unchanged_for() >= due && !is_stuck && !known.is_taken && self.may_go_along(file, known)
        };
        let lined_up = self.tracker.files().filter(|(file, known)| may(file, known));
        let after = after.map(|(time, file)| (*time, &**file));
        let lined_up = lined_up
            .map(|(file, known)| (self.time_of(known), file))
            .filter(|one| after.is_none_or(|after| in_order(one, &after) == Ordering::Greater));
        let (mut queue, is_cut) = first_of(lined_up, LINED_UP);
        queue.sort_unstable_by(in_order);
        self.more_after = queue
            .last()
            .filter(|_| is_cut)
            .map(|(time, file)| (*time, (*file).into()));
        self.queue = queue.into_iter().map(|(_, file)| file.into()).collect();
    }

    /// Whether what a file needs beside it is there, as far as it is worth a closer look: many may wait for it.
    fn may_go_along(&self, file: &Path, known: &Watched) -> bool {
        let is_there = |beside: &Path| {
            let beside = self.tracker.get(beside);
            beside.is_some_and(|beside| beside.part == FilePart::Companion)
        };
        let name = file.file_name().unwrap_or_default();
        // One that stays empty goes without.
        known.part != FilePart::File
            || known.look.size == 0
            || match self.config.complete {
                Complete::Marker => is_there(&file.with_file_name(self.config.marker.of(name))),
                Complete::Sidecar => is_there(&file.with_file_name(sidecar::name_of(name))),
                Complete::Settled | Complete::Whole => true,
            }
    }

    /// The next files that can be taken, in the folder's order. They are somebody else's from then on; those that stay where they are
    /// are ready again when they have changed.
    pub(crate) fn ready(&mut self, most: usize) -> Vec<Ready> {
        self.settling = OnceLock::new();
        let (begun, mut ready) = (self.started.elapsed(), Vec::new());
        while ready.len() < most {
            let Some(file) = self.queue.pop_front() else {
                let Some(after) = self.more_after.take() else { break };
                self.line_up(Some(&after));
                continue;
            };
            if let Ok(one) = self.verdict(&file) {
                if self.config.after == AfterTaken::Leave {
                    self.set_taken(&one.file, true);
                } else {
                    self.tracker.forget(&one.file);
                    one.along.iter().for_each(|along| self.tracker.forget(along));
                }
                ready.push(one);
            }
        }
        if ready.is_empty() {
            self.took += self.started.elapsed().saturating_sub(begun);
        }
        ready
    }

    /// Whether a file that stays where it is was taken as it looks.
    pub(crate) fn set_taken(&mut self, file: &Path, is_taken: bool) {
        if let Some(known) = self.tracker.get_mut(file) {
            known.is_taken = is_taken;
        }
    }

    /// A file could not be moved: it is left alone for a while, longer each time.
    pub(crate) fn cannot_move(&mut self, file: &Path, why: &str) {
        const FIRST: Duration = Duration::from_secs(5);
        self.settling = OnceLock::new();
        let times = self.stuck.get(file).map_or(0, |(_, _, times)| *times);
        if times == 0 {
            tracing::warn!("folder {}: {}: {why}", self.config.name, names::shown(file.as_os_str()));
        }
        let until = self.started.elapsed() + FIRST * 2_u32.pow(times.min(6));
        self.stuck.insert(file.to_owned(), (why.to_owned(), until, times + 1));
    }

    /// Whether a file can be taken, or why not.
    pub(crate) fn verdict(&mut self, file: &Path) -> Result<Ready, Wait> {
        let Some(known) = self.tracker.get(file).cloned() else {
            return Err(Wait::Unknown);
        };
        if let Some((why, until, _)) = self.stuck.get(file)
            && *until > self.started.elapsed()
        {
            return Err(Wait::Stuck(why.clone()));
        }
        let stray_after = self.config.stray_after;
        let as_it_is = || Ready {
            file: file.to_owned(),
            look: known.look,
            along: Vec::new(),
        };
        match known.part {
            FilePart::NoFile if known.unchanged_for() >= self.settle => Ok(as_it_is()),
            FilePart::NoFile => Err(Wait::NoFile(known.unchanged_for(), self.settle)),
            FilePart::Stray if known.unchanged_for() >= stray_after => Ok(as_it_is()),
            FilePart::Stray => Err(Wait::Stray(known.unchanged_for(), stray_after)),
            FilePart::Companion => Err(Wait::Companion),
            FilePart::File if known.unchanged_for() < self.settle => {
                Err(Wait::Settling(known.unchanged_for(), self.settle))
            }
            FilePart::File => match self.content(file, &known) {
                FileContent::Unknown => Err(Wait::Settling(Duration::ZERO, self.settle)),
                FileContent::Not(Incomplete::Empty) if known.unchanged_for() >= stray_after => Ok(as_it_is()),
                FileContent::Not(why) => Err(Wait::Incomplete(why)),
                FileContent::OpenLine if known.unchanged_for() < self.settle * OPEN_LINE => {
                    Err(Wait::OpenLine(known.unchanged_for(), self.settle * OPEN_LINE))
                }
                FileContent::OpenLine | FileContent::Whole => {
                    let along = self.along(file, &known)?;
                    Ok(Ready { along, ..as_it_is() })
                }
            },
        }
    }

    /// What is in a file, unless it changes while it is looked into.
    fn content(&mut self, file: &Path, known: &Watched) -> FileContent {
        if known.content != FileContent::Unknown {
            return known.content;
        }
        let name = file.file_name().unwrap_or_default();
        let looked = open(&self.place.inbox.join(file)).and_then(|mut opened| {
            let content = look_into(&mut opened, name)?;
            Ok((look_of(&opened.metadata()?), content))
        });
        let content = match looked {
            // The next round notices.
            Ok((look, _)) if look != known.look => return FileContent::Unknown,
            Ok((_, content)) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return FileContent::Unknown,
            Err(error) => FileContent::Not(Incomplete::Unreadable(error.kind())),
        };
        if let Some(known) = self.tracker.get_mut(file) {
            known.content = content;
        }
        content
    }

    /// What goes along with a complete file: its marker and its job document, where they are there and are as they should be.
    fn along(&mut self, file: &Path, known: &Watched) -> Result<Vec<PathBuf>, Wait> {
        let mut along = Vec::new();
        let name = file.file_name().unwrap_or_default();
        if self.config.complete == Complete::Marker {
            let marker = file.with_file_name(self.config.marker.of(name));
            self.marked(file, known, &marker)?;
            along.push(marker);
        }
        if self.config.sidecar != SidecarUse::No {
            let document = file.with_file_name(sidecar::name_of(name));
            let needs = self.config.sidecar == SidecarUse::Required || self.config.complete == Complete::Sidecar;
            let beside = self
                .tracker
                .get(&document)
                .filter(|beside| beside.part == FilePart::Companion);
            match beside.map(Watched::unchanged_for) {
                Some(so_far) if so_far < self.settle => {
                    return Err(Wait::CompanionSettles(document, so_far, self.settle));
                }
                Some(_) => {
                    let path = self.place.inbox.join(&document);
                    let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
                    let is_moved = self.config.after == AfterTaken::Move;
                    // Something else is moved along, and the file is refused with it.
                    if !is_file && !is_moved {
                        return Err(Wait::Unreadable(
                            document,
                            "it is a link, a pipe or a directory".to_owned(),
                        ));
                    }
                    if is_file && let Err(error) = open(&path) {
                        return Err(Wait::Unreadable(document, error.to_string()));
                    }
                    along.push(document);
                }
                None if needs => return Err(Wait::NoCompanion("job document", document)),
                None => {}
            }
        }
        Ok(along)
    }

    /// Whether a file's marker is there, and true.
    fn marked(&mut self, file: &Path, known: &Watched, marker: &Path) -> Result<(), Wait> {
        let Some(beside) = self.tracker.get(marker) else {
            return Err(Wait::NoCompanion("marker", marker.to_owned()));
        };
        if beside.part != FilePart::Companion {
            return Err(Wait::NoCompanion("marker", marker.to_owned()));
        }
        if beside.unchanged_for() < self.settle {
            return Err(Wait::CompanionSettles(
                marker.to_owned(),
                beside.unchanged_for(),
                self.settle,
            ));
        }
        // Two rounds, for the file may have been looked at just before its last change, and the marker just after it.
        let is_early = beside.since_round + 1 < known.since_round;
        let since = beside.since_round;
        let fault = match known.marked.as_deref() {
            Some((round, fault)) if *round == since => fault.clone(),
            _ => {
                let (path, at) = (self.place.inbox.join(file), self.place.inbox.join(marker));
                let fault = held_against(&path, &at, is_early).unwrap_or_else(|error| Some(error.to_string()));
                if let Some(known) = self.tracker.get_mut(file) {
                    known.marked = Some(Box::new((since, fault.clone())));
                }
                fault
            }
        };
        match fault {
            None => Ok(()),
            Some(why) => Err(Wait::Marker(marker.to_owned(), why)),
        }
    }

    /// When something may be ready that is not now.
    fn expected(&self) -> Option<Duration> {
        let now = self.started.elapsed();
        let due = |known: &Watched| {
            let settled = match (known.part, &known.content) {
                (FilePart::Stray, _) | (_, FileContent::Not(Incomplete::Empty)) => self.config.stray_after,
                (_, FileContent::OpenLine) => self.settle * OPEN_LINE,
                _ => self.settle,
            };
            (known.unchanged_for() < settled).then(|| (known.since() + settled).saturating_sub(now))
        };
        self.tracker.files().filter_map(|(_, known)| due(known)).min()
    }

    /// Whether a file is there that may be taken once it has settled.
    pub(crate) fn is_settling(&self) -> bool {
        let is_settling = |(file, known): (&Path, &Watched)| {
            let settle = if known.content == FileContent::OpenLine {
                self.settle * OPEN_LINE
            } else {
                self.settle
            };
            let is_open = !matches!(known.content, FileContent::Not(_));
            known.part == FilePart::File && is_open && known.unchanged_for() < settle && !self.stuck.contains_key(file)
        };
        *self.settling.get_or_init(|| self.tracker.files().any(is_settling))
    }

    /// Files that are there and were not handed out.
    pub(crate) fn pending(&self) -> u64 {
        let is_due = |known: &Watched| known.part == FilePart::File && !known.is_taken;
        let files = self.tracker.files().filter(|(_, known)| is_due(known));
        files.count() as u64 + self.tracker.beyond()
    }

    /// Whether files are lined up that may be ready.
    pub(crate) fn has_more(&self) -> bool {
        !self.queue.is_empty() || self.more_after.is_some()
    }

    /// Files that were there before `file` in the folder's order.
    pub(crate) fn before(&self, file: &Path) -> usize {
        self.queue.iter().take_while(|one| &***one != file).count()
    }

    /// Tells of files that have been waiting for long, each once.
    pub(crate) fn tell(&mut self) {
        self.settling = OnceLock::new();
        let long = |known: &Watched| {
            let waits = known.known_for() >= self.config.stray_after && known.unchanged_for() >= self.settle;
            let moves = known.known_for() >= NEVER_SETTLES && known.unchanged_for() < self.settle;
            (waits || moves)
                && !known.is_told
                && !known.is_taken
                && matches!(known.part, FilePart::File | FilePart::Companion)
        };
        let files = self.tracker.files().filter(|(_, known)| long(known));
        let files: Vec<PathBuf> = files.map(|(file, _)| file.to_owned()).collect();
        let mut untold = files.len().saturating_sub(TOLD);
        for (at, file) in files.iter().enumerate() {
            if let Some(known) = self.tracker.get_mut(file) {
                known.is_told = true;
            }
            match self.verdict(file) {
                Err(_) if at >= TOLD => {}
                Err(Wait::Stuck(_)) => {}
                Err(why) => {
                    tracing::warn!(
                        "folder {}: {} waits: {why}",
                        self.config.name,
                        names::shown(file.as_os_str())
                    );
                }
                Ok(_) => untold = untold.saturating_sub(usize::from(at >= TOLD)),
            }
        }
        if untold > 0 {
            tracing::warn!(
                "folder {}: {untold} more files wait; `tenantry folders explain FILE` says why",
                self.config.name
            );
        }
    }
}

/// The order of files by these times and their names.
fn in_order<P: AsRef<Path>>((a_time, a): &(i64, P), (b_time, b): &(i64, P)) -> Ordering {
    a_time
        .cmp(b_time)
        .then_with(|| names::natural(a.as_ref().as_os_str(), b.as_ref().as_os_str()))
}

/// Those of many files that come first, in no order, and whether there are more. Never are many more than those in memory: a list of
/// a hundred thousand would stay with every thread that once made one.
fn first_of<'p>(files: impl Iterator<Item = (i64, &'p Path)>, most: usize) -> (Vec<(i64, &'p Path)>, bool) {
    let mut first = Vec::new();
    let (mut last, mut is_cut) = (None, false);
    let cut = |first: &mut Vec<(i64, &'p Path)>| {
        let last = *first.select_nth_unstable_by(most - 1, in_order).1;
        first.truncate(most);
        last
    };
    for one in files {
        if last.is_some_and(|last| in_order(&one, &last) == Ordering::Greater) {
            continue;
        }
        first.push(one);
        if first.len() == most * 2 {
            (last, is_cut) = (Some(cut(&mut first)), true);
        }
    }
    if first.len() > most {
        is_cut = true;
        cut(&mut first);
    }
    (first, is_cut)
}

/// What an entry is to the folder; `None` for what is left alone.
pub(crate) fn part(config: &FolderConfig, file: &Path, depth: usize, entry: DirectoryEntry) -> Option<FilePart> {
    let name = file.file_name()?;
    if names::ignored(name, &config.ignore).is_some() {
        return None;
    }
    match entry {
        DirectoryEntry::Directory => None,
        // It is refused with the file that it is named after, which is not to be carried out without it.
        DirectoryEntry::Special(_) if config.sidecar != SidecarUse::No && sidecar::is_one(name) => {
            Some(FilePart::Companion)
        }
        DirectoryEntry::Special(_) => Some(FilePart::NoFile),
        DirectoryEntry::File(_) if depth < config.path.below().len() => Some(FilePart::Stray),
        DirectoryEntry::File(_) => Some(part_by_name(config, name)),
    }
}

/// What a file is to the folder by its name.
pub(crate) fn part_by_name(config: &FolderConfig, name: &OsStr) -> FilePart {
    let marks = config.complete == Complete::Marker && config.marker.fits(name);
    let states = config.sidecar != SidecarUse::No && sidecar::is_one(name);
    if marks || states {
        FilePart::Companion
    } else if config.files.fitting(name).is_some() {
        FilePart::File
    } else {
        FilePart::Stray
    }
}

/// What is wrong with a marker, if anything is.
fn held_against(file: &Path, marker: &Path, is_early: bool) -> io::Result<Option<String>> {
    let statement = match Statement::read(&mut open(marker)?)? {
        Ok(statement) => statement,
        Err(fault) => return Ok(Some(fault)),
    };
    if is_early && statement.is_silent() {
        return Ok(Some(
            "it was there before the file was last changed, and states nothing that could be checked".to_owned(),
        ));
    }
    statement.contradicts(file, &mut open(file)?)
}

#[cfg(test)]
mod tests;
