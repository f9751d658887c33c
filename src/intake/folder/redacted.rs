//! The archived copy of a file that has secrets, without them: written anew from the rows that were kept, which never had any.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tenantry_jobs::header;

use super::layout;
use super::publish::file_at;
use super::{Desk, FolderError, blocking};
use crate::failpoint;
use crate::file::WholeFile;
use crate::ledger::Job;
use crate::ledger::drops::{DropChange, DroppedFile};
use crate::table::{Form, Table};

/// Where the copy is written until it takes the place of the file.
const COPY: &str = ".redacted";

/// Where the copy of a file without secrets lies: in its place or, where that is no plain text, beside it with `.csv` after its name.
pub(super) fn copy_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if path.extension().is_none_or(|end| !end.eq_ignore_ascii_case("csv")) {
        name.push(".csv");
    }
    name.into()
}

/// Replaces a file that has a column of secrets by one with the same rows as they were kept.
pub(super) async fn redact(desk: &Desk, job: &Job, drop: &DroppedFile) -> Result<(), FolderError> {
    let path = file_at(&desk.layout, drop);
    let Ok(kind) = tenantry_jobs::find(&job.kind) else {
        return Ok(());
    };
    let cells: Vec<&str> = job.header.iter().map(String::as_str).collect();
    let fixed: &[&str] = if job.parameters.customer.is_some() {
        &["customer"]
    } else {
        &[]
    };
    let has_secrets = header::recognise(kind, &cells, fixed).is_ok_and(|mapping| !mapping.secret.is_empty());
    if !has_secrets || !path.exists() {
        return Ok(());
    }
    let fault = |error: io::Error| FolderError::io(&path, error);
    let written = path.with_file_name(COPY);
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
    let copy = copy_of(&path);
    let file = path.clone();
    blocking(move || {
        fs::set_permissions(&written, fs::metadata(&file)?.permissions())?;
        fs::rename(&written, &copy)?;
        if copy != file {
            fs::remove_file(&file)?;
        }
        Ok(())
    })
    .await?
    .map_err(fault)
}
