//! Reads what a database holds, as [records](crate::reader).
//!
//! A list is one snapshot, which the database filters and sorts. Records by key come page by page, each as it is when it is
//! asked for, since a caller that copies them takes its time: first keys and versions, and then the records that are not
//! [known](crate::reader::KnownVersions) in their version.

mod by_key;
mod listed;
mod query;

use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use tenantry_jobs::CustomerRef;
use tokio::sync::mpsc;

use super::lookup::Directory;
use crate::error::ApplyError;
use crate::reader::{Filter, KnownVersions, Order, Query, RecordKey, RecordReader, Records, Select, StoreRecord};
use tenantry_foundation::db::{Db, DbError};

/// Reads a database; clones share its connections.
#[derive(Clone)]
pub struct SqlReader {
    db: Db,
    /// Its name, where it is one of several.
    name: Option<Arc<str>>,
}

impl SqlReader {
    /// Reads the ledger's own database.
    pub fn new(db: Db) -> Self {
        Self { db, name: None }
    }

    /// Reads the store of that name of the configuration, which errors name.
    pub fn named(db: Db, name: &str) -> Self {
        Self {
            db,
            name: Some(name.into()),
        }
    }

    fn of_store(&self, error: DbError) -> DbError {
        match &self.name {
            Some(name) => of_store(name, error),
            None => error,
        }
    }

    /// Pages are read while the ones before are on their way.
    fn listed(&self, query: Query, filter: Option<Filter>, order: Option<Order>) -> Records {
        let (send, pages) = mpsc::channel(1);
        let (reader, db) = (self.clone(), self.db.clone());
        let reading = async move {
            let read = db.read(move |tx| {
                let each = &mut |records: Vec<StoreRecord>| send.blocking_send(records).is_ok();
                listed::read(tx, &query, filter.as_ref(), order, each)
            });
            read.await.err().map(|error| Err(reader.of_store(error).into()))
        };
        let failed = stream::once(reading).filter_map(ready);
        stream::select(received(pages).map(Ok), failed)
            .flat_map(|page: Result<Vec<StoreRecord>, ApplyError>| match page {
                Ok(records) => stream::iter(records.into_iter().map(|record| Ok(Ok(record)))).left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            })
            .boxed()
    }

    fn by_key(&self, query: Query, after: RecordKey, known: Option<Arc<dyn KnownVersions>>) -> Records {
        let pages = by_key::KeyedPages {
            reader: self.clone(),
            query,
            known,
        };
        stream::try_unfold((pages, Some(after)), |(pages, after)| async move {
            let Some(after) = after else {
                return Ok::<_, ApplyError>(None);
            };
            let (records, until) = pages.next(after).await?;
            let records = stream::iter(records.into_iter().map(|record| Ok(Ok(record))));
            Ok(Some((records, (pages, until))))
        })
        .try_flatten()
        .boxed()
    }
}

impl RecordReader for SqlReader {
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or("the database")
    }

    fn sorts(&self) -> bool {
        true
    }

    fn is_far(&self) -> bool {
        false
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        ready(Ok(())).boxed()
    }

    fn customer_key<'a>(&'a self, named: CustomerRef<'a>) -> BoxFuture<'a, Result<String, ApplyError>> {
        let named = NamedCustomer::of(named);
        async move {
            let found = self.db.read(move |tx| {
                let mut directory = Directory::default();
                directory.resolve(tx, std::iter::once(named.reference()))?;
                Ok(directory.find_any(named.reference()).map(|customer| customer.id))
            });
            let found = found.await.map_err(|error| self.of_store(error))?;
            Ok(digits(found?))
        }
        .boxed()
    }

    fn records(&self, query: Query) -> Records {
        match query.select.clone() {
            Select::Listed { filter, order } => self.listed(query, filter, order),
            Select::After { key, known } => self.by_key(query, key, known),
        }
    }
}

/// What comes through a channel.
fn received<T>(mut channel: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    stream::poll_fn(move |context| channel.poll_recv(context))
}

/// A [`CustomerRef`] with texts of its own.
#[derive(Debug, Clone)]
pub(super) struct NamedCustomer {
    text: String,
    domain: String,
    external_id: String,
}

impl NamedCustomer {
    pub(super) fn of(named: CustomerRef<'_>) -> Self {
        let (domain, external_id) = match named {
            CustomerRef::Confirmed {
                domain, external_id, ..
            } => (domain, external_id),
            _ => ("", ""),
        };
        Self {
            text: named.as_written().to_owned(),
            domain: domain.to_owned(),
            external_id: external_id.to_owned(),
        }
    }

    pub(super) fn reference(&self) -> CustomerRef<'_> {
        CustomerRef::parse(&self.text).confirmed_by(&self.domain, &self.external_id)
    }
}

/// A number as a key, in the order of numbers.
pub(super) fn digits(number: i64) -> String {
    format!("{number:019}")
}

/// The number that a key is; 0 before the first.
fn number(id: &str) -> i64 {
    id.parse().unwrap_or_default()
}

/// Says which of the stores an error is about.
pub(crate) fn of_store(name: &str, error: DbError) -> DbError {
    match error {
        DbError::Unavailable(what) => DbError::Unavailable(format!("store `{name}`: {what}")),
        DbError::Broken(what) => DbError::Broken(format!("store `{name}`: {what}")),
        other => DbError::Broken(format!("store `{name}`: {other}")),
    }
}
