//! Files in `done` are removed once they were kept for as long as the folder says, by whole days.
//!
//! A day is what its directory's name says, never what a file's time says. What is removed is what this program has put there: directories
//! called after a file and an id, in directories called after days. Anything else that somebody has put there stays, and its day with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Desk, FolderError, blocking};
use crate::ledger::audit::{Action, AuditEntry};

/// Directories removed at once.
const AT_ONCE: usize = 500;
const DAY: Duration = Duration::from_secs(86_400);

/// Removes some of what is older. Whether there is more.
pub(super) async fn remove_old(desk: &Desk, keep: Duration) -> Result<bool, FolderError> {
    let (done, now) = (desk.layout.done.clone(), desk.service.ledger.clock().now_millis());
    let found = blocking(move || oldest(&done, now, keep)).await?;
    let Some((day, dirs)) = found.map_err(|error| FolderError::away(&desk.layout.done, &error))? else {
        return Ok(false);
    };
    let name = day.file_name().unwrap_or_default().to_string_lossy().into_owned();
    tracing::info!(
        "folder {}: {} directories of {name} were kept for long enough and are removed",
        desk.rules.name,
        dirs.len()
    );
    let note = format!(
        "folder {}, what lay in done/{name}: {} directories, kept for long enough",
        desk.rules.name,
        dirs.len()
    );
    // Recorded first: what is gone is said to be.
    let entries = vec![AuditEntry::own(Action::Removed, note)];
    desk.service
        .ledger
        .change_drops(&desk.hold, Vec::new(), entries)
        .await?;
    let shown = day.clone();
    let removed = blocking(move || -> io::Result<()> {
        dirs.iter().try_for_each(fs::remove_dir_all)?;
        match fs::remove_dir(&day) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => {
                Err(error)
            }
            _ => Ok(()),
        }
    });
    removed.await?.map_err(|error| FolderError::away(&shown, &error))?;
    Ok(true)
}

/// The oldest day that is over for so long and has something of ours, with some of that.
fn oldest(done: &Path, now: i64, keep: Duration) -> io::Result<Option<(PathBuf, Vec<PathBuf>)>> {
    let mut days = Vec::new();
    for entry in fs::read_dir(done)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_over = ends(&name).is_some_and(|end| end.saturating_add(keep.as_millis() as i64) <= now);
        if is_over && entry.file_type()?.is_dir() {
            days.push(entry.path());
        }
    }
    days.sort();
    for day in days {
        let mut ours = Vec::new();
        for entry in fs::read_dir(&day)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() && is_ours(&entry.file_name().to_string_lossy()) {
                ours.push(entry.path());
            }
            if ours.len() == AT_ONCE {
                break;
            }
        }
        if !ours.is_empty() {
            return Ok(Some((day, ours)));
        }
    }
    Ok(None)
}

/// When the day of that name ends, in milliseconds since the epoch.
fn ends(name: &str) -> Option<i64> {
    let is_written_so = name.len() == 10 && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day: jiff::civil::Date = name.parse().ok().filter(|_| is_written_so)?;
    let begins = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    begins.checked_add(DAY.as_millis() as i64)
}

/// Whether a directory is called after a file and an id, with a number where several are called so.
fn is_ours(name: &str) -> bool {
    let Some((_, end)) = name.rsplit_once("--") else {
        return false;
    };
    let (id, number) = end.split_once('-').unwrap_or((end, "2"));
    let is_id = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id && number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_days_expire_and_foreign_entries_stay() {
        let dir = tempfile::tempdir().expect("made");
        for path in [
            "2026-08-01/users--01a20806",
            "2026-08-01/users--01a20806-2",
            "2026-08-01/mine",
            "2026-08-02/b--01a20807",
            "2026-08-1/c--01a20808",
            "notes",
        ] {
            fs::create_dir_all(dir.path().join(path)).expect("made");
        }
        let day = |name: &str| ends(name).expect("a day") - DAY.as_millis() as i64;
        let names = |now: i64, keep: Duration| {
            let found = oldest(dir.path(), now, keep).expect("looked")?;
            let mut names: Vec<_> = found.1.iter().map(|path| path.file_name()?.to_str()).collect();
            names.sort_unstable();
            Some(format!("{names:?}"))
        };
        // The day is over, and then it is kept for a day more.
        assert_eq!(names(day("2026-08-03") - 1, DAY), None);
        let both = r#"[Some("users--01a20806"), Some("users--01a20806-2")]"#;
        assert_eq!(names(day("2026-08-03"), DAY).as_deref(), Some(both));
        fs::remove_dir(dir.path().join("2026-08-01/users--01a20806")).expect("removed");
        fs::remove_dir(dir.path().join("2026-08-01/users--01a20806-2")).expect("removed");
        assert_eq!(names(day("2026-08-03"), DAY), None);
        assert_eq!(
            names(day("2027-01-01"), DAY).as_deref(),
            Some(r#"[Some("b--01a20807")]"#)
        );
        assert!(!is_ours("a--b") && !is_ours("01a20806") && !is_ours("a--01a20806-x"));
    }
}
