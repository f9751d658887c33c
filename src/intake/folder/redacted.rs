//! The archived copy of a file that has secrets, without them: written anew from the rows that were kept, which never had any.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout;
use super::layout::file_at;
use super::{Desk, FolderError, blocking};
use crate::failpoint;
use crate::file::WholeFile;
use crate::ledger::Job;
use crate::ledger::drops::{DropChange, DroppedFile};
use crate::plan::CustomerColumn;
use crate::table::{Form, Table};

/// Where the copy is written until it takes the place of the file.
const COPY: &str = ".redacted";

/// Where the copy of a file without secrets lies: in its place or, where that is no plain text, beside it with `.csv` after its name.
fn copy_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if path.extension().is_none_or(|end| !end.eq_ignore_ascii_case("csv")) {
        name.push(".csv");
    }
    name.into()
}

/// Where that copy is written at first.
pub(super) fn written(path: &Path) -> PathBuf {
    path.with_file_name(COPY)
}

/// Has the copy that was written, if there is one, take the file's place. It has its name last, so that a file is never taken for
/// redacted that is not.
pub(super) fn put_in_place(path: &Path) -> io::Result<()> {
    let (written, copy) = (written(path), copy_of(path));
    if fs::symlink_metadata(&written).is_err() {
        return Ok(());
    }
    match fs::metadata(path) {
        Ok(metadata) => fs::set_permissions(&written, metadata.permissions())?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    if copy != path {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(&written, &copy)
}

/// Whether a file that is gone was replaced by its copy.
pub(super) fn is_replaced(path: &Path) -> bool {
    copy_of(path).exists() || written(path).exists()
}

/// Whether the file of a job has a column of secrets.
pub(super) fn has_secrets(job: &Job) -> bool {
    let cells: Vec<&str> = job.header.iter().map(String::as_str).collect();
    let kind = tenantry_jobs::find(&job.kind).ok();
    let read = kind.map(|kind| CustomerColumn::of(&job.parameters).recognise(kind, &cells));
    matches!(read, Some(Ok(mapping)) if !mapping.secret.is_empty())
}

/// Replaces a file that has a column of secrets by one with the same rows as they were kept.
pub(super) async fn redact(desk: &Desk, job: &Job, drop: &DroppedFile) -> Result<(), FolderError> {
    let path = file_at(&desk.layout, drop);
    if !has_secrets(job) || !path.exists() {
        return Ok(());
    }
    let cells = job.header.iter().map(String::as_str);
    let fault = |error: io::Error| FolderError::io(&path, error);
    let written = written(&path);
    let out = WholeFile::create(&written).map_err(fault)?;
    let mut rows = Table::new(out, cells, Form::default()).map_err(fault)?;
    let ledger = &desk.service.ledger;
    for (chunk, _) in ledger.chunk_states(job.seq).await? {
        let Some(kept) = ledger.chunk_rows(job, chunk).await? else {
            return Err(FolderError::Trouble(format!(
                "{} has secrets, and the rows of its job {} are no longer kept; remove the file",
                path.display(),
                job.id
            )));
        };
        for row in kept.block().rows() {
            row.cells().for_each(|cell| rows.cell(cell));
            rows.end_row().map_err(fault)?;
        }
    }
    rows.finish().map_err(fault)?.0.finish().map_err(fault)?;
    // What is known of the file is that of its copy from here on, which else would be taken for a change by somebody.
    let copied = fs::metadata(&written).map_err(fault)?;
    let change = DropChange {
        seen: Some(layout::seen(&copied)),
        ..DropChange::to(drop.seq, drop.state)
    };
    ledger.change_drops(&desk.hold, vec![change], Vec::new()).await?;
    failpoint::hit("drop-redacting");
    let file = path.clone();
    blocking(move || put_in_place(&file)).await?.map_err(fault)
}
