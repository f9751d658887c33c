//! Rows that make files. A file may be large, so it is written to a temporary one from one snapshot of the store, and
//! then kept block by block, each in a transaction of its own under the chunk's fence; a chunk that is begun again
//! begins its files again. The row's outcome comes with the chunk's.

use std::fs::File;
use std::io::{self, Read, Seek};

use super::Runner;
use crate::db::{DbError, Tx};
use crate::export::Rows;
use crate::ledger::{Claim, Outcome, RowOutcome, artifacts, lease};
use crate::store::sql::export::{self, Request};

/// Bytes of a block before compression.
const BLOCK: usize = 1024 * 1024;

impl Runner {
    /// Writes the files of a chunk, one after the other.
    pub(super) async fn export(&self, claim: &Claim, requests: &[Request]) -> Result<Vec<RowOutcome>, DbError> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            let rows = self.export_one(claim, request).await?;
            outcomes.push(RowOutcome {
                row: request.row,
                outcome: Outcome::Applied,
                code: String::new(),
                message: format!("{rows} {} in {}", request.what.as_str(), request.name),
                target: String::new(),
            });
        }
        Ok(outcomes)
    }

    async fn export_one(&self, claim: &Claim, request: &Request) -> Result<u64, DbError> {
        let (db, bom) = (self.ledger.db(), self.settings.form.bom);
        let reading = request.clone();
        let (rows, mut file) = db.read(move |tx| write(tx, &reading, bom)).await?;
        let of = (claim.clone(), request.row, request.name.clone());
        let (claim, row, name) = of.clone();
        db.write(move |tx| {
            lease::fence(tx, &claim)?;
            artifacts::begin(tx, claim.job, row, &name)
        })
        .await?;
        let (mut number, mut bytes) = (0, 0);
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let mut block = Vec::with_capacity(BLOCK);
                (&mut file).take(BLOCK as u64).read_to_end(&mut block)?;
                Ok::<_, io::Error>((block, file))
            });
            let read = read.await.map_err(|error| DbError::Broken(error.to_string()))?;
            let (block, rest) = read.map_err(|error| unwritten(request, &error))?;
            file = rest;
            if block.is_empty() {
                break;
            }
            bytes += block.len() as u64;
            let (claim, row, name) = of.clone();
            db.write(move |tx| {
                lease::fence(tx, &claim)?;
                artifacts::append(tx, claim.job, row, &name, number, &block)
            })
            .await?;
            number += 1;
        }
        let (claim, row, name) = of;
        db.write(move |tx| {
            lease::fence(tx, &claim)?;
            artifacts::end(tx, claim.job, row, &name, bytes)
        })
        .await?;
        Ok(rows)
    }
}

/// The file, and how many rows it has.
fn write(tx: &mut dyn Tx, request: &Request, bom: bool) -> Result<(u64, File), DbError> {
    let broken = |error: io::Error| unwritten(request, &error);
    let out = io::BufWriter::new(tempfile::tempfile().map_err(broken)?);
    let mut rows = Rows::new(out, request.format, request.columns(), bom).map_err(broken)?;
    let mut failed = None;
    let read = export::read(tx, request, &mut |cells| {
        failed = rows.write(&cells).err();
        failed.is_none()
    })?;
    if let Some(error) = failed {
        return Err(broken(error));
    }
    let out = rows.finish().map_err(broken)?;
    let mut file = out.into_inner().map_err(|error| broken(error.into_error()))?;
    file.rewind().map_err(broken)?;
    Ok((read, file))
}

fn unwritten(request: &Request, error: &io::Error) -> DbError {
    DbError::Unavailable(format!("{} could not be written: {error}", request.name))
}
