//! The source of a fire's rows: the file that its schedule names, or the one row that stands in its definition; and what
//! becomes of files afterwards.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::due::DueTime;
use super::known::KnownSchedule;
use super::pick::{MOST_FILES, PickWatch, Picked};
use super::reach::Reach;
use crate::config::{AfterRun, IfMissing, Pick};
use crate::input::StreamHasher;
use crate::ledger::JobId;
use crate::ledger::fires::{Fire, FireReason, FireState};
use crate::plan::RowSource;
use crate::receipt::RECEIPT;
use crate::timing::FilePlace;

/// What was found of the rows of a fire.
pub(super) enum FoundRows {
    /// The row of the definition.
    Row(RowSource),
    /// A file, and further ones that are jobs of their own.
    File { path: PathBuf, others: Vec<PathBuf> },
    /// Nothing comes of the fire.
    Ends(FireState, FireReason, String),
    /// Not yet: look again after so many milliseconds.
    NotYet(i64, String),
}

/// When a file that is not there is looked for again.
const LOOK_FOR_FILE_EVERY: i64 = 5_000;
/// When a file that may still be written to is looked at again.
pub(super) const LOOK_AT_FILE_EVERY: i64 = 1_000;
/// How long a file that is not complete is waited for where its schedule does not wait for files.
const COMPLETE_WITHIN: i64 = 3_600_000;
/// Fires whose files are remembered; one that is forgotten is looked at anew.
const MOST_WATCHED: usize = 1_000;

/// The fire whose rows are looked for.
struct SoughtFire<'f> {
    seq: i64,
    nominal: &'f str,
    due: i64,
    /// Since when it may begin.
    since: i64,
    /// The file that it is about, if that has been decided.
    file: Option<&'f str>,
}

/// What has been seen of the files of fires. Clones share it.
#[derive(Clone)]
pub(super) struct FileWatch {
    seen: Arc<Mutex<HashMap<i64, PickWatch>>>,
    /// Where a worker looks for them; a user who asks for a rehearsal sees the files that they could read themselves.
    reach: Option<Reach>,
}

impl FileWatch {
    /// Of a worker, which looks nowhere else.
    pub(super) fn within(reach: Reach) -> Self {
        Self {
            seen: Arc::default(),
            reach: Some(reach),
        }
    }

    /// Of somebody who asks.
    pub(super) fn anywhere() -> Self {
        Self {
            seen: Arc::default(),
            reach: None,
        }
    }

    /// Looks for the rows that there would be at a due time; one look of it.
    pub(super) async fn rehearse(&self, known: &KnownSchedule, time: &DueTime, now: (i64, i64)) -> FoundRows {
        let fire = SoughtFire {
            seq: 0,
            nominal: &time.nominal,
            due: time.at,
            since: now.0,
            file: None,
        };
        // Nothing is waited for in a rehearsal but a file that is there.
        match self.seek(known, fire, now).await {
            FoundRows::NotYet(LOOK_FOR_FILE_EVERY, why) => FoundRows::Ends(FireState::Failed, FireReason::NoFile, why),
            found => found,
        }
    }

    /// Looks for the rows of a fire, at that time and at so many milliseconds of a clock that only goes forward.
    pub(super) async fn find(&self, known: &KnownSchedule, fire: &Fire, now: (i64, i64)) -> FoundRows {
        let sought = SoughtFire {
            seq: fire.seq,
            nominal: &fire.nominal,
            due: fire.due,
            since: fire.starts.max(fire.made_at),
            file: fire.file.as_deref(),
        };
        self.seek(known, sought, now).await
    }

    async fn seek(&self, known: &KnownSchedule, fire: SoughtFire<'_>, (now, elapsed): (i64, i64)) -> FoundRows {
        let Some(template) = &known.file else {
            return FoundRows::Row(row_of(known));
        };
        let local = known.local_of(fire.nominal, fire.due);
        // One of several, or one that was begun before, is that file and no other.
        let (place, pick) = match fire.file {
            Some(file) => (place_of(Path::new(file)), Pick::One),
            None => (template.place(local, &known.schedule.name), known.config.pick),
        };
        let shown = place.directory.join(&place.name).display().to_string();
        let looked = match self.reach.as_ref().map(|reach| reach.check(&place.directory)) {
            Some(Err(why)) => Err(io::Error::other(why)),
            _ => self.look(fire.seq, place, pick, elapsed).await,
        };
        let found = found(known, now - fire.since, (looked, &shown));
        if !matches!(found, FoundRows::NotYet(..)) {
            self.map().remove(&fire.seq);
        }
        found
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<i64, PickWatch>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, seq: i64, place: FilePlace, pick: Pick, elapsed: i64) -> io::Result<Picked> {
        let mut watch = self.map().remove(&seq).unwrap_or_default();
        let looking = tokio::task::spawn_blocking(move || {
            let looked = watch.look(&place, pick, elapsed);
            (watch, looked)
        });
        let (watch, looked) = looking.await.map_err(io::Error::other)?;
        let mut map = self.map();
        if map.len() >= MOST_WATCHED {
            map.clear();
        }
        map.insert(seq, watch);
        looked
    }
}

fn place_of(file: &Path) -> FilePlace {
    FilePlace {
        directory: file.parent().unwrap_or(Path::new(".")).to_owned(),
        name: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        is_pattern: false,
    }
}

/// What a look at the place of a file means for a fire that has waited for so long.
fn found(known: &KnownSchedule, waited: i64, (looked, shown): (io::Result<Picked>, &str)) -> FoundRows {
    let failed = |reason, why: String| FoundRows::Ends(FireState::Failed, reason, why);
    let wait_for = i64::try_from(known.config.wait_for.as_millis()).unwrap_or(i64::MAX);
    let waits = known.config.if_missing == IfMissing::Wait;
    match looked {
        Ok(Picked::Files(files)) => {
            let mut files = files.into_iter();
            match files.next() {
                Some(path) => FoundRows::File {
                    path,
                    others: files.collect(),
                },
                None => failed(FireReason::NoFile, format!("{shown} is not there")),
            }
        }
        Ok(Picked::Several(some, count)) => {
            let some = some.join(", ");
            let most = match known.config.pick {
                Pick::All => format!("at most {MOST_FILES} files"),
                Pick::One | Pick::Newest => "one file".to_owned(),
            };
            let why = format!("{shown}: expected {most}, and there are {count}: {some}");
            failed(FireReason::SeveralFiles, why)
        }
        Ok(Picked::NotYet(why)) => {
            let most = if waits { wait_for } else { COMPLETE_WITHIN };
            let why = format!("{shown}: {why}");
            if waited > most {
                return failed(FireReason::Incomplete, why);
            }
            FoundRows::NotYet(LOOK_AT_FILE_EVERY, why)
        }
        Ok(Picked::Missing) => {
            let why = format!("{shown} is not there");
            match known.config.if_missing {
                IfMissing::Skip => FoundRows::Ends(FireState::Skipped, FireReason::NoFile, why),
                IfMissing::Wait if waited <= wait_for => FoundRows::NotYet(LOOK_FOR_FILE_EVERY, why),
                IfMissing::Wait | IfMissing::Fail => failed(FireReason::NoFile, why),
            }
        }
        Err(error) => {
            let why = format!("{shown} cannot be looked at: {error}");
            if waits && waited <= wait_for {
                return FoundRows::NotYet(LOOK_FOR_FILE_EVERY, why);
            }
            failed(FireReason::Unreadable, why)
        }
    }
}

/// A row that is given by the names of its columns.
pub(crate) fn row_of(known: &KnownSchedule) -> RowSource {
    let cells = &known.config.set;
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(cells.keys());
    let _ = writer.write_record(cells.values());
    RowSource::Bytes {
        name: format!("schedule {}", known.schedule.name),
        data: writer.into_inner().unwrap_or_default().into(),
        multiline_cells: true,
    }
}

/// The rows of a file.
pub(crate) fn source(known: &KnownSchedule, path: &Path) -> RowSource {
    RowSource::Path {
        path: path.to_owned(),
        options: known.config.input_options(),
    }
}

/// The hash of a file's bytes.
pub(super) async fn sha256(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    let read = move || {
        let (mut file, mut meter) = (File::open(path)?, StreamHasher::default());
        let mut block = vec![0; 64 * 1024];
        loop {
            match file.read(&mut block)? {
                0 => return Ok(meter.sha256().to_string()),
                read => meter.pass(&block[..read]),
            }
        }
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// Moves the file of a fire that has ended to where its schedule wants it, if it is still the one that was read. What lies there
/// already is not overwritten.
pub(super) async fn put_away(known: &KnownSchedule, fire: &Fire, reach: &Reach) {
    let (AfterRun::Archive(directory), Some(file)) = (&known.config.after, &fire.file) else {
        return;
    };
    let path = Path::new(file);
    let directory = directory.path(known.local_of(&fire.nominal, fire.due), &known.schedule.name);
    let from = path.parent().unwrap_or(Path::new("."));
    if let Err(why) = reach.check(from).and_then(|()| reach.check(&directory)) {
        tracing::warn!("schedule {}: {file} is not moved: {why}", known.schedule.name);
        return;
    }
    let is_it = sha256(path)
        .await
        .is_ok_and(|sha256| fire.sha256.as_ref() == Some(&sha256));
    if !is_it {
        return;
    }
    if let Err(error) = move_into(path, &directory, fire.seq) {
        tracing::warn!(
            "schedule {}: {file} was read, and cannot be moved to {}: {error}",
            known.schedule.name,
            directory.display()
        );
    }
}

fn move_into(path: &Path, directory: &Path, seq: i64) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
    std::fs::create_dir_all(directory)?;
    let mut to = directory.join(name);
    if to.symlink_metadata().is_ok() {
        let mut other = std::ffi::OsString::from(format!("{seq}-"));
        other.push(name);
        to = directory.join(other);
    }
    match std::fs::rename(path, &to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            // Beside its final name first, so that nothing there is ever half of a file.
            let partial = to.with_extension("part");
            std::fs::copy(path, &partial)?;
            File::open(&partial)?.sync_all()?;
            std::fs::rename(&partial, &to)?;
            std::fs::remove_file(path)
        }
        moved => moved,
    }
}

/// Removes the results of a job that were written to `out`: only what the receipt there names, and only if it is that job's. Whether
/// they are gone.
pub(super) fn remove_results(out: &str, job: JobId) -> bool {
    let out = Path::new(out);
    let Ok(text) = std::fs::read_to_string(out.join(RECEIPT)) else {
        return !out.exists();
    };
    let Ok(receipt) = serde_json::from_str::<serde_json::Value>(&text) else {
        return false;
    };
    if receipt["job"] != serde_json::json!(job) {
        // Another fire has written there since.
        return true;
    }
    let files = receipt["files"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|file| &file["name"]);
    let names = files
        .chain([&receipt["results"], &receipt["rejects"]])
        .filter_map(serde_json::Value::as_str);
    // The receipt last: without it nothing says any more what the others are.
    let removed = names.chain([RECEIPT]).all(|name| {
        let is_plain = !name.is_empty() && !name.contains('/') && name != "..";
        !is_plain || gone(std::fs::remove_file(out.join(name)))
    });
    // With anything else in it, it stays.
    let _ = std::fs::remove_dir(out);
    removed
}

fn gone(removed: io::Result<()>) -> bool {
    removed.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}
