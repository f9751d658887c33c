//! What the store holds, row by row, from whichever store it is.

use std::io;

use tenantry_jobs::{CustomerRef, Export, ExportColumn, Problem};
use thiserror::Error;
use tokio::sync::mpsc;

use super::Service;
use crate::db::DbError;
use crate::store::remote::listing::Listing;
use crate::store::remote::{ApplyError, RemoteStore};
use crate::store::sql::export::{self, ExportRequest};

/// Rows on their way to whoever shows them.
const ON_THE_WAY: usize = 1_000;

/// Why the list ends.
#[derive(Debug, Error)]
pub enum ListError {
    /// What is asked for is not there, or not so.
    #[error("{0}")]
    Problem(Problem),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] ApplyError),
    /// The ledger's database cannot be read.
    #[error(transparent)]
    Db(#[from] DbError),
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
    /// Lists what an export asks for: `show` is given the columns and then every row, and may stop taking them. What was
    /// left out, in a sentence.
    pub async fn list<S>(&self, export: &Export<'_>, show: S) -> Result<Option<String>, ListError>
    where
        S: AsyncFnOnce(Vec<&'static ExportColumn>, mpsc::Receiver<Vec<String>>) -> io::Result<()>,
    {
        match &self.stores.remote {
            Some(store) => self.list_remotely(store.as_ref(), export, show).await,
            None => self.list_here(export, show).await,
        }
    }

    async fn list_here<S>(&self, export: &Export<'_>, show: S) -> Result<Option<String>, ListError>
    where
        S: AsyncFnOnce(Vec<&'static ExportColumn>, mpsc::Receiver<Vec<String>>) -> io::Result<()>,
    {
        let customer = match export.customer {
            Some(customer) => {
                let name = customer.as_written().to_owned();
                let found = self
                    .ledger
                    .db()
                    .read(move |tx| -> Result<_, DbError> { export::customer(tx, CustomerRef::parse(&name)) });
                Some(found.await?.map_err(ListError::Problem)?)
            }
            None => None,
        };
        let request = ExportRequest::of(0, export, customer);
        let columns = request.columns();
        let (send, rows) = mpsc::channel(ON_THE_WAY);
        let reading = self.ledger.db().read(move |tx| {
            // A reader that has seen enough wants no more.
            export::read(tx, &request, &mut |cells| send.blocking_send(cells).is_ok())
        });
        let (read, shown) = tokio::join!(reading, show(columns, rows));
        shown?;
        read?;
        Ok(None)
    }

    async fn list_remotely<S>(
        &self,
        store: &dyn RemoteStore,
        export: &Export<'_>,
        show: S,
    ) -> Result<Option<String>, ListError>
    where
        S: AsyncFnOnce(Vec<&'static ExportColumn>, mpsc::Receiver<Vec<String>>) -> io::Result<()>,
    {
        let listing = Listing::open(store, export).await.map_err(ListError::of)?;
        let (send, rows) = mpsc::channel(ON_THE_WAY);
        let (read, shown) = tokio::join!(listing.read(send), show(listing.columns.clone(), rows));
        shown?;
        Ok(read?.told())
    }
}
