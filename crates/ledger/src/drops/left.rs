//! Files that stay where they were dropped, as nothing may be moved there: which of them were taken as they are now.

use super::super::Ledger;
use tenantry_foundation::db::{DbError, Value};

/// A file that was taken and stays where it is, as its newest record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftFile {
    /// The number of that record.
    pub seq: i64,
    /// What it is known by: what it looked like when it was taken.
    pub key: String,
    /// Of its content, where that was read.
    pub sha256: Option<String>,
}

impl Ledger {
    /// What is known of files of a folder, by their paths below `in/`; `None` of one that was never taken.
    pub async fn left_files(&self, folder: &str, files: Vec<Vec<u8>>) -> Result<Vec<Option<LeftFile>>, DbError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let folder = folder.to_owned();
        self.db
            .read(move |tx| {
                let wanted: Vec<Vec<Value>> = files
                    .into_iter()
                    .map(|file| vec![folder.as_str().into(), file.into()])
                    .collect();
                let found = tx.query_each(
                    "SELECT seq, stays, sha256 FROM drops
                     WHERE folder = $1 AND file = $2 AND stays IS NOT NULL AND state <> 'gone' ORDER BY seq DESC LIMIT 1",
                    &wanted,
                )?;
                let newest = found.iter().map(|rows| {
                    rows.first()
                        .map(|row| {
                            Ok(LeftFile {
                                seq: row.int(0)?,
                                key: row.text(1)?.to_owned(),
                                sha256: row.opt_text(2)?.map(str::to_owned),
                            })
                        })
                        .transpose()
                });
                newest.collect()
            })
            .await
    }

    /// A file has another time of change and the content that it had: it is known by that from now on.
    pub async fn left_file_touched(&self, seq: i64, key: String) -> Result<(), DbError> {
        let sql = "UPDATE drops SET stays = $2 WHERE seq = $1";
        self.db
            .write(move |tx| tx.exec(sql, &[seq.into(), key.into()]).map(drop))
            .await
    }
}
