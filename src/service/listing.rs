//! Records of the store, row by row, whichever store it is.

use std::io;

use tenantry_jobs::{Export, ExportColumn, Problem};
use thiserror::Error;
use tokio::sync::mpsc;

use super::Service;
use crate::store::listing::{self, Listing, RowBatch};
use crate::store::remote::ApplyError;

/// Why the list ends.
#[derive(Debug, Error)]
pub enum ListError {
    /// What is asked for is not there, or not so.
    #[error("{0}")]
    Problem(Problem),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] ApplyError),
    /// It could not be shown.
    #[error("the list cannot be shown")]
    Shown(#[from] io::Error),
}

impl ListError {
    fn of(error: ApplyError) -> Self {
        error.rejection().map_or_else(Self::Store, Self::Problem)
    }
}

impl Service {
    /// Lists what an export asks for, no more than `limit` rows: `show` is given the columns and then every row, and may
    /// stop taking them. What was left out, in a sentence.
    pub async fn list<S>(&self, export: &Export<'_>, limit: Option<u64>, show: S) -> Result<Option<String>, ListError>
    where
        S: AsyncFnOnce(Vec<&'static ExportColumn>, mpsc::Receiver<RowBatch>) -> io::Result<()>,
    {
        let reader = self.stores.reader(self.ledger.db()).map_err(ListError::of)?;
        let list = Listing::open(reader, export).await.map_err(ListError::of)?;
        let list = list.limited(limit);
        let (send, rows) = listing::channel();
        let (read, shown) = tokio::join!(list.read(send), show(list.request.columns.clone(), rows));
        shown?;
        Ok(read?.told())
    }
}
