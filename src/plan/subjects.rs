//! Whom the rows of a recorded job are about, from its spooled rows.

use std::sync::Arc;

use tenantry_jobs::{JobKind, Mapping, Subject, header};

use super::check::{Slice, subject};
use crate::db::DbError;
use crate::input::Block;
use crate::ledger::{self, Ledger, load_block};
use crate::store::RowRequest;
use crate::store::sql::Customers;

/// Tells of the rows of one job.
#[derive(Clone)]
pub(crate) struct Subjects(Arc<Of>);

struct Of {
    ledger: Ledger,
    input: i64,
    job: &'static dyn JobKind,
    mapping: Mapping,
    customer: Option<String>,
    /// Whether customers are those of the ledger's own database.
    is_here: bool,
}

/// Tells of the rows of one of its chunks.
pub(crate) struct ChunkSubjects {
    of: Arc<Of>,
    block: Block,
    customers: Customers,
}

impl Subjects {
    /// Of a job; of one that takes another back, as the rows of that one. `None` for a job of a kind that is not known here.
    pub(crate) async fn of(ledger: &Ledger, job: &ledger::Job) -> Result<Option<Self>, DbError> {
        let mut first = job.clone();
        while let Some(undone) = first.undo_of_id {
            let Some(other) = ledger.job(undone).await? else {
                return Ok(None);
            };
            first = other;
        }
        let Ok(kind) = tenantry_jobs::find(&first.kind) else {
            return Ok(None);
        };
        let cells: Vec<&str> = first.header.iter().map(String::as_str).collect();
        let customer = first.parameters.customer;
        let fixed: &[&str] = if customer.is_some() { &["customer"] } else { &[] };
        // It was recognised when the job was submitted; a newer program may be stricter.
        let Ok(mapping) = header::recognise(kind, &cells, fixed) else {
            return Ok(None);
        };
        Ok(Some(Self(Arc::new(Of {
            ledger: ledger.clone(),
            input: first.input,
            job: kind,
            mapping,
            customer,
            is_here: first.parameters.store.is_none(),
        }))))
    }

    /// The rows of a chunk, or those of them that are wanted. `None` once they are no longer kept.
    pub(crate) async fn chunk(&self, chunk: i64, wanted: Option<Vec<u64>>) -> Result<Option<ChunkSubjects>, DbError> {
        let of = self.0.clone();
        let read = self.0.ledger.db().read(move |tx| {
            let Some(block) = load_block(tx, of.input, chunk)? else {
                return Ok(None);
            };
            let mut customers = Customers::default();
            let mut rows = block.rows();
            while let Some(slice) = Slice::next(&mut rows, of.job, &of.mapping, of.customer.as_deref()) {
                let is_wanted = |row: u64| wanted.as_ref().is_none_or(|wanted| wanted.contains(&row));
                let wanted = slice.rows().filter(|(view, _)| of.is_here && is_wanted(view.number));
                let requests: Vec<RowRequest<'_>> = wanted
                    .filter_map(|(view, cells)| {
                        let request = of.job.request(&cells).ok()?;
                        Some(RowRequest {
                            row: view.number,
                            request,
                        })
                    })
                    .collect();
                customers.learn(tx, &requests)?;
            }
            Ok(Some((block, customers)))
        });
        let of = self.0.clone();
        let read = read.await?;
        Ok(read.map(|(block, customers)| ChunkSubjects { of, block, customers }))
    }
}

impl ChunkSubjects {
    /// Whom or what a row is about.
    pub(crate) fn subject(&self, row: u64) -> Option<Subject> {
        let view = self.block.row(row.checked_sub(self.block.first_row())? as usize)?;
        let customer = self.of.customer.as_deref();
        subject(self.of.job, &self.of.mapping, customer, &view, &self.customers)
    }

    /// Numbers of its first and last row.
    pub(crate) fn rows(&self) -> (u64, u64) {
        let first = self.block.first_row();
        (first, first + self.block.len() as u64 - 1)
    }

    /// The line that a row begins on.
    pub(crate) fn line(&self, row: u64) -> Option<u64> {
        let view = self.block.row(row.checked_sub(self.block.first_row())? as usize)?;
        Some(view.line)
    }
}
