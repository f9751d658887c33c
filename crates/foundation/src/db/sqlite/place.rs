//! The file of an SQLite database: opening connections to it, and noticing that another file has taken its place.
//!
//! SQLite keeps the file that it opened even when its name is removed or comes to mean another file. Anything
//! written then would be gone with the last process that has it open, so writers and readers ask first.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::super::{DbError, LOCK_PATIENCE};
use super::tx::sql;

/// Where the database is, and which file was there when it was opened.
#[derive(Debug, Clone)]
pub(super) struct DatabasePlace {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading alone; writing fails.
    Read,
    /// Writing.
    Write,
}

impl DatabasePlace {
    /// Opens the file at `path`, which is made if it is not there, and remembers which one it is.
    pub(super) fn open(path: &Path) -> Result<(Self, Connection), DbError> {
        // SQLite would make it as open as the process' mask lets it, and what lies beside it as open as the file is.
        #[cfg(unix)]
        let made = std::os::unix::fs::OpenOptionsExt::mode(std::fs::File::options().append(true).create(true), 0o600)
            .open(path);
        #[cfg(not(unix))]
        let made = std::fs::File::options().append(true).create(true).open(path);
        let connection = connect(path, Access::Write, OpenFlags::SQLITE_OPEN_CREATE)
            .map_err(|error| why_not(path, made.err().as_ref(), error))?;
        let file = std::fs::metadata(path).map_err(|error| unseen(path, &error))?;
        let place = Self {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
        };
        Ok((place, connection))
    }

    /// Another connection to the same file.
    pub(super) fn connect(&self, access: Access) -> Result<Connection, DbError> {
        self.check()?;
        let connection = connect(&self.path, access, OpenFlags::empty()).map_err(|error| self.explain(error))?;
        self.check()?;
        Ok(connection)
    }

    /// Answers [`DbError::Replaced`] if the file at the path is no longer the one that was opened. Costs a microsecond.
    pub(super) fn check(&self) -> Result<(), DbError> {
        match std::fs::metadata(&self.path) {
            Ok(file) if (file.dev(), file.ino()) == (self.device, self.inode) => Ok(()),
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(unseen(&self.path, &error))
            }
            Ok(_) | Err(_) => Err(DbError::Replaced(self.path.display().to_string())),
        }
    }

    /// The reason behind an error, if it is that the file is another one now.
    pub(super) fn explain(&self, error: DbError) -> DbError {
        match self.check() {
            Err(replaced @ DbError::Replaced(_)) => replaced,
            _ => error,
        }
    }
}

/// The reason for which a database could not be opened: that its file could not be, or that nothing can be written beside it. SQLite tells
/// neither.
fn why_not(path: &Path, made: Option<&std::io::Error>, error: DbError) -> DbError {
    if !matches!(error, DbError::Elsewhere(_)) {
        return error;
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    match (made, std::fs::metadata(directory)) {
        (Some(_), Err(cause)) => DbError::Elsewhere(format!(
            "{} cannot be opened: its directory {} cannot be looked at: {cause}",
            path.display(),
            directory.display()
        )),
        (Some(cause), Ok(_)) => DbError::Elsewhere(format!("{} cannot be opened for writing: {cause}", path.display())),
        (None, _) if rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_err() => {
            DbError::Elsewhere(format!(
                "{} cannot be opened: nothing can be written to its directory {}, where the database keeps its log",
                path.display(),
                directory.display()
            ))
        }
        (None, _) => error,
    }
}

fn unseen(path: &Path, error: &std::io::Error) -> DbError {
    DbError::Unavailable(format!("its file {} cannot be looked at: {error}", path.display()))
}

fn connect(path: &Path, access: Access, create: OpenFlags) -> Result<Connection, DbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let named = |error: rusqlite::Error| match sql(error) {
        DbError::Broken(what) => DbError::Broken(format!("{}: {what}", path.display())),
        DbError::Elsewhere(what) => DbError::Elsewhere(format!("{}: {what}", path.display())),
        other => other,
    };
    let connection = Connection::open_with_flags(path, flags).map_err(named)?;
    connection.busy_handler(Some(wait_for_lock)).map_err(named)?;
    connection.set_prepared_statement_cache_capacity(64);
    // FULL: a commit that was answered survives a power cut, which is what the ledger promises.
    let cache_kib = if access == Access::Write { 16 * 1024 } else { 2 * 1024 };
    connection
        .execute_batch(&format!(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{cache_kib}; PRAGMA wal_autocheckpoint = 4000;"
        ))
        .map_err(named)?;
    if access == Access::Read {
        connection.execute_batch("PRAGMA query_only = ON").map_err(named)?;
    }
    Ok(connection)
}

/// Asks again every millisecond: SQLite's own handler sleeps longer and longer and would starve
/// beside a process that writes chunk after chunk.
fn wait_for_lock(tries: i32) -> bool {
    std::thread::sleep(Duration::from_millis(1));
    u128::from(tries.unsigned_abs()) < LOCK_PATIENCE.as_millis()
}
