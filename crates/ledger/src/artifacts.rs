//! Files that rows made, kept as compressed blocks until they are delivered.

use super::{Job, Ledger};
use tenantry_foundation::db::{DbError, Tx, Value};
use tenantry_foundation::file::is_plain_name;

/// A file that a row made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Row number, from 1.
    pub row: u64,
    /// Its name, without a directory.
    pub name: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// Such a file, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    /// The row.
    pub row: u64,
    /// Its name, without a directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Which file of which row.
#[derive(Debug, Clone)]
pub struct FileOfRow {
    /// The job.
    pub job: i64,
    /// The row.
    pub row: u64,
    /// Its name, without a directory.
    pub name: String,
}

/// Keeps small files, in the transaction of the rows that made them.
pub fn keep(tx: &mut dyn Tx, job: i64, artifacts: &[Artifact]) -> Result<(), DbError> {
    for Artifact { row, name, data } in artifacts {
        let (row, name) = (*row, name.clone());
        let file = FileOfRow { job, row, name };
        append(tx, &file, 0, data)?;
        end(tx, &file, data.len() as u64)?;
    }
    Ok(())
}

/// Begins a file of many blocks; what an earlier attempt left of it goes.
pub fn begin(tx: &mut dyn Tx, file: &FileOfRow) -> Result<(), DbError> {
    let of: [Value; 3] = [file.job.into(), file.row.into(), file.name.as_str().into()];
    tx.exec("DELETE FROM artifacts WHERE job = $1 AND row = $2 AND name = $3", &of)?;
    tx.exec(
        "DELETE FROM artifact_blocks WHERE job = $1 AND row = $2 AND name = $3",
        &of,
    )
    .map(drop)
}

/// Appends a block to a file.
pub fn append(tx: &mut dyn Tx, file: &FileOfRow, block: u64, data: &[u8]) -> Result<(), DbError> {
    tx.exec(
        "INSERT INTO artifact_blocks (job, row, name, block, data) VALUES ($1, $2, $3, $4, $5)",
        &[
            file.job.into(),
            file.row.into(),
            file.name.as_str().into(),
            block.into(),
            lz4_flex::compress_prepend_size(data).into(),
        ],
    )
    .map(drop)
}

/// A file is whole; until then nobody sees it.
pub fn end(tx: &mut dyn Tx, file: &FileOfRow, bytes: u64) -> Result<(), DbError> {
    tx.exec(
        "INSERT INTO artifacts (job, row, name, bytes) VALUES ($1, $2, $3, $4)",
        &[
            file.job.into(),
            file.row.into(),
            file.name.as_str().into(),
            bytes.into(),
        ],
    )
    .map(drop)
}

impl Ledger {
    /// The files a job's rows have made, in row order.
    pub async fn artifacts(&self, job: &Job) -> Result<Vec<JobFile>, DbError> {
        let seq = job.seq;
        self.db
            .read(move |tx| {
                let found = tx.query(
                    "SELECT row, name, bytes FROM artifacts WHERE job = $1 ORDER BY row, name",
                    &[seq.into()],
                )?;
                let made = |row: &tenantry_foundation::db::Row| {
                    let name = row.text(1)?;
                    if !is_plain_name(name) {
                        return Err(DbError::Damaged(format!(
                            "the ledger has a file called {name:?}, which is no name of one"
                        )));
                    }
                    Ok(JobFile {
                        row: row.int(0)? as u64,
                        name: name.to_owned(),
                        bytes: row.int(2)? as u64,
                    })
                };
                found.iter().map(made).collect()
            })
            .await
    }

    /// One block of a file; `None` behind its end.
    pub async fn artifact_block(&self, job: &Job, made: &JobFile, block: u64) -> Result<Option<Vec<u8>>, DbError> {
        let (seq, row, name) = (job.seq, made.row, made.name.clone());
        self.db
            .read(move |tx| {
                let found = tx.query_first(
                    "SELECT data FROM artifact_blocks WHERE job = $1 AND row = $2 AND name = $3 AND block = $4",
                    &[seq.into(), row.into(), name.into(), block.into()],
                )?;
                let Some(row) = found else { return Ok(None) };
                lz4_flex::decompress_size_prepended(row.blob(0)?)
                    .map(Some)
                    .map_err(|error| DbError::Broken(format!("a file's block is damaged: {error}")))
            })
            .await
    }
}
