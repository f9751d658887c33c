//! Where the rows of a fire come from: the file that its schedule names, or the one row that stands in its definition; and what
//! becomes of files afterwards.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::known::Known;
use crate::config::{AfterRun, IfMissing};
use crate::input::{InputOptions, Meter};
use crate::ledger::JobId;
use crate::ledger::fires::{Fire, FireReason, FireState};
use crate::plan::RowSource;
use crate::receipt::RECEIPT;

/// What was found of the rows of a fire.
pub(super) enum Found {
    /// The row of the definition.
    Row(RowSource),
    /// A file, and further ones that are jobs of their own.
    File { path: PathBuf, others: Vec<PathBuf> },
    /// Nothing comes of the fire.
    Ends(FireState, FireReason, String),
    /// Not yet.
    NotYet(String),
}

/// A row that is given by the names of its columns.
pub(crate) fn row_of(known: &Known) -> RowSource {
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
pub(crate) fn source(path: &Path) -> RowSource {
    RowSource::Path {
        path: path.to_owned(),
        options: InputOptions::default(),
    }
}

/// The hash of a file's bytes.
pub(super) async fn sha256(path: &Path) -> std::io::Result<String> {
    let path = path.to_owned();
    let read = move || {
        let (mut file, mut meter) = (File::open(path)?, Meter::default());
        let mut block = vec![0; 64 * 1024];
        loop {
            match file.read(&mut block)? {
                0 => return Ok(meter.sha256().to_string()),
                read => meter.pass(&block[..read]),
            }
        }
    };
    tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)?
}

/// Moves a file that was read to where its schedule wants it. What lies there already is not overwritten.
pub(super) fn put_away(known: &Known, fire: &Fire, path: &Path) {
    let AfterRun::Archive(directory) = &known.config.after else {
        return;
    };
    let directory = directory.path(known.local_of(&fire.nominal, fire.due), &known.schedule.name);
    if let Err(error) = move_into(path, &directory, fire.seq) {
        tracing::warn!(
            "schedule {}: {} was read, and cannot be moved to {}: {error}",
            known.schedule.name,
            path.display(),
            directory.display()
        );
    }
}

fn move_into(path: &Path, directory: &Path, seq: i64) -> std::io::Result<()> {
    let name = path.file_name().ok_or_else(|| std::io::Error::other("it has no name"))?;
    std::fs::create_dir_all(directory)?;
    let mut to = directory.join(name);
    if to.symlink_metadata().is_ok() {
        let mut other = std::ffi::OsString::from(format!("{seq}-"));
        other.push(name);
        to = directory.join(other);
    }
    match std::fs::rename(path, &to) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
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
pub(super) fn remove_results(out: &str, job: Option<JobId>) -> bool {
    let out = Path::new(out);
    let Ok(text) = std::fs::read_to_string(out.join(RECEIPT)) else {
        return !out.exists();
    };
    let Ok(receipt) = serde_json::from_str::<serde_json::Value>(&text) else {
        return false;
    };
    if job.is_none_or(|job| receipt["job"] != serde_json::json!(job)) {
        // Another fire has written there since.
        return true;
    }
    let files = receipt["files"].as_array().into_iter().flatten().map(|file| &file["name"]);
    let names = files.chain([&receipt["results"], &receipt["rejects"]]).filter_map(serde_json::Value::as_str);
    // The receipt last: without it nothing says any more what the others are.
    let removed = names.chain([RECEIPT]).all(|name| {
        let is_plain = !name.is_empty() && !name.contains('/') && name != "..";
        !is_plain || gone(std::fs::remove_file(out.join(name)))
    });
    // With anything else in it, it stays.
    let _ = std::fs::remove_dir(out);
    removed
}

fn gone(removed: std::io::Result<()>) -> bool {
    removed.map_or_else(|error| error.kind() == std::io::ErrorKind::NotFound, |()| true)
}
