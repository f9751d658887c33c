//! Rows that make files. A file may be large, so it is written to a temporary one, from one snapshot of the store (where
//! the store is no database: as its pages come), and then kept block by block, each in a transaction of its own under the
//! chunk's fence; a chunk that is begun again begins its files again. The row's outcome comes with the chunk's.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek};
use std::sync::Arc;

use tenantry_jobs::{ExportColumn, ExportFormat};
use tokio::sync::mpsc;

use super::Runner;
use crate::db::DbError;
use crate::export::ListWriter;
use crate::ledger::artifacts::{self, FileOfRow};
use crate::ledger::{Claim, Outcome, RowOutcome, fence};
use crate::store::listing::{self, ListRequest, Listing, RowBatch};
use crate::store::remote::ApplyError;
use crate::store::sql::reader::SqlReader;
use crate::table::Form;

/// Bytes of a block before compression.
const BLOCK: usize = 1024 * 1024;

impl Runner {
    /// Writes the files of a chunk whose store is the ledger's database, one after the other.
    pub(super) async fn export(
        &self,
        claim: &Claim,
        requests: &[(u64, ListRequest)],
    ) -> Result<Vec<RowOutcome>, ApplyError> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for (row, request) in requests {
            let reader = Arc::new(SqlReader::new(self.ledger.db().clone()));
            let listing = Listing::new(reader, request.clone());
            outcomes.push(self.export_list(claim, *row, &listing).await?);
        }
        Ok(outcomes)
    }

    /// Writes the file a row asks for; its rows come while it is written.
    pub(super) async fn export_list(
        &self,
        claim: &Claim,
        row: u64,
        listing: &Listing,
    ) -> Result<RowOutcome, ApplyError> {
        let request = &listing.request;
        let (send, batches) = listing::channel();
        let (format, columns, form) = (request.format, request.columns.clone(), self.settings.form);
        let writing = tokio::task::spawn_blocking(move || write(format, columns, form, batches));
        let left_out = listing.read(send).await;
        let written = writing.await.map_err(|error| DbError::Broken(error.to_string()))?;
        let left_out = left_out?;
        let (rows, file) = written.map_err(|error| unwritten(&request.name, error))?;
        self.keep(claim, row, &request.name, file).await?;
        let mut message = format!("{rows} {} in {}", request.what.as_str(), request.name);
        if let Some(told) = left_out.told() {
            let _ = write!(message, "; {told}");
        }
        Ok(RowOutcome {
            row,
            outcome: Outcome::Applied,
            code: String::new(),
            message,
            target: String::new(),
            columns: Vec::new(),
        })
    }

    /// Keeps a file that has been written.
    async fn keep(&self, claim: &Claim, row: u64, name: &str, mut file: File) -> Result<(), ApplyError> {
        let db = self.ledger.db();
        let (job, name) = (claim.job, name.to_owned());
        let of = (claim.clone(), FileOfRow { job, row, name });
        let (claim, kept) = of.clone();
        db.write(move |tx| {
            fence::check(tx, &claim)?;
            artifacts::begin(tx, &kept)
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
            let (block, rest) = read.map_err(|error| unwritten(&of.1.name, error))?;
            file = rest;
            if block.is_empty() {
                break;
            }
            bytes += block.len() as u64;
            let (claim, kept) = of.clone();
            db.write(move |tx| {
                fence::check(tx, &claim)?;
                artifacts::append(tx, &kept, number, &block)
            })
            .await?;
            number += 1;
        }
        let (claim, kept) = of;
        db.write(move |tx| {
            fence::check(tx, &claim)?;
            artifacts::end(tx, &kept, bytes)
        })
        .await?;
        Ok(())
    }
}

/// The file, and how many rows it has.
fn write(
    format: ExportFormat,
    columns: Vec<&'static ExportColumn>,
    form: Form,
    mut batches: mpsc::Receiver<RowBatch>,
) -> io::Result<(u64, File)> {
    let mut rows = begin(format, columns, form)?;
    let mut count = 0;
    while let Some(batch) = batches.blocking_recv() {
        for cells in &batch {
            rows.write(cells)?;
        }
        count += batch.len() as u64;
    }
    Ok((count, end(rows)?))
}

fn begin(
    format: ExportFormat,
    columns: Vec<&'static ExportColumn>,
    form: Form,
) -> io::Result<ListWriter<BufWriter<File>>> {
    ListWriter::new(BufWriter::new(tempfile::tempfile()?), format, columns, form)
}

fn end(rows: ListWriter<BufWriter<File>>) -> io::Result<File> {
    let out = rows.finish()?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

fn unwritten(name: &str, error: io::Error) -> ApplyError {
    ApplyError::Io {
        what: format!("{name} could not be written"),
        error,
    }
}
