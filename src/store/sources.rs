//! Other stores, named in the configuration, that customers are copied from. They are opened when first needed and
//! only ever read. Partner Center is one of them wherever it is configured, whether or not jobs run against it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantry_jobs::{Problem, code, nearest};
use tokio::sync::Mutex;

use super::partner_center::{PartnerCenter, Speaker};
use crate::db::{ConnectOptions, Db, DbError};
use crate::ledger::Installation;

/// Connections to one of them at once.
const CONNECTIONS: usize = 2;

/// The stores there are; clones share what is open.
#[derive(Clone, Default)]
pub struct Sources {
    urls: Arc<BTreeMap<String, String>>,
    open: Arc<Mutex<BTreeMap<String, Source>>>,
    partner_center: Option<PartnerCenter>,
}

/// A store to copy from.
#[derive(Clone)]
pub(crate) enum Source {
    /// A database like the ledger's own.
    Database {
        /// The database.
        db: Db,
        /// What tells it from every other.
        installation: Installation,
    },
    /// Partner Center.
    PartnerCenter(PartnerCenter),
}

impl Source {
    /// What tells it from every other.
    pub(crate) fn installation(&self) -> Installation {
        match self {
            Source::Database { installation, .. } => *installation,
            Source::PartnerCenter(store) => store.origin(),
        }
    }
}

impl Sources {
    /// Stores by name, each with its address.
    pub fn new(urls: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            urls: Arc::new(urls.into_iter().collect()),
            ..Self::default()
        }
    }

    /// These stores and Partner Center, under a name of its own.
    #[must_use]
    pub fn and_partner_center(self, store: Option<PartnerCenter>) -> Self {
        Self {
            partner_center: store,
            ..self
        }
    }

    /// The names there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let partner_center = self.partner_center.as_ref().map(|_| PartnerCenter::NAME);
        self.urls.keys().map(String::as_str).chain(partner_center)
    }

    /// Opens a store, or says why it cannot be read.
    pub async fn check(&self, name: &str) -> Result<(), String> {
        match self.find(name).await {
            Ok(Ok(Source::PartnerCenter(store))) => {
                store.check(Speaker::App).await?;
                store.check(Speaker::AppAndUser).await
            }
            Ok(Ok(Source::Database { .. })) => Ok(()),
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The store of that name.
    pub(crate) async fn find(&self, name: &str) -> Result<Result<Source, Problem>, DbError> {
        if let (PartnerCenter::NAME, Some(store)) = (name, &self.partner_center) {
            return Ok(Ok(Source::PartnerCenter(store.clone())));
        }
        let Some(url) = self.urls.get(name) else {
            return Ok(Err(self.unknown(name)));
        };
        let mut open = self.open.lock().await;
        if let Some(source) = open.get(name) {
            return Ok(Ok(source.clone()));
        }
        let opened = async {
            let db = Db::open_to_read(url, ConnectOptions::with_connections(CONNECTIONS)).await?;
            let installation = db.read(Installation::read).await?;
            Ok(Source::Database { db, installation })
        };
        let source = opened.await.map_err(|error: DbError| of_store(name, error))?;
        open.insert(name.to_owned(), source.clone());
        Ok(Ok(source))
    }

    /// Closes the databases that were opened.
    pub(crate) async fn close(&self) {
        for source in self.open.lock().await.values() {
            if let Source::Database { db, .. } = source {
                db.close().await;
            }
        }
    }

    fn unknown(&self, name: &str) -> Problem {
        let names: Vec<&str> = self.names().collect();
        let expected = if names.is_empty() {
            "a store of the configuration, which has none (`[stores.NAME]`, or `[partner_center]`)".to_owned()
        } else {
            format!("a store of the configuration: {}", names.join(", "))
        };
        let near = nearest(name, names);
        Problem::new(code::UNKNOWN_STORE, "from", name, expected).suggest(near)
    }
}

/// Says which of the stores an error is about.
pub(crate) fn of_store(name: &str, error: DbError) -> DbError {
    match error {
        DbError::Unavailable(what) => DbError::Unavailable(format!("store `{name}`: {what}")),
        DbError::Broken(what) => DbError::Broken(format!("store `{name}`: {what}")),
        other => DbError::Broken(format!("store `{name}`: {other}")),
    }
}
