//! Other stores, named in the configuration, that customers are copied from. They are opened when first needed and
//! only ever read. Remote stores are among them wherever they are configured, whether or not jobs run against them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantry_jobs::{Problem, code, nearest};
use tokio::sync::Mutex;

use super::error::ApplyError;
use super::reader::{RecordReader, Source};
use super::remote::RemoteStore;
use super::sql::reader::{SqlReader, of_store};
use tenantry_foundation::db::{ConnectOptions, Db, DbError};
use tenantry_ledger::Installation;

/// Connections to one of them at once.
const CONNECTIONS: usize = 2;

/// The stores there are; clones share what is open.
#[derive(Clone, Default)]
pub struct Sources {
    urls: Arc<BTreeMap<String, String>>,
    /// The databases that were opened.
    open: Arc<Mutex<BTreeMap<String, (Db, Installation)>>>,
    remote: Vec<Remote>,
}

/// A store that is no database.
#[derive(Clone)]
struct Remote {
    store: Arc<dyn RemoteStore>,
    reader: Arc<dyn RecordReader>,
}

impl Sources {
    /// Stores by name, each with its address.
    pub fn new(urls: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            urls: Arc::new(urls.into_iter().collect()),
            ..Self::default()
        }
    }

    /// These stores and services, each under a name of its own. Those that cannot be read are left out.
    #[must_use]
    pub fn and_remote(mut self, stores: impl IntoIterator<Item = Arc<dyn RemoteStore>>) -> Self {
        let readable = stores.into_iter().filter_map(|store| {
            let reader = store.reader()?;
            Some(Remote { store, reader })
        });
        self.remote.extend(readable);
        self
    }

    /// The names there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let remote = self.remote.iter().map(|remote| remote.store.name());
        self.urls.keys().map(String::as_str).chain(remote)
    }

    /// The section of the configuration that a store is set up in.
    pub fn section(&self, name: &str) -> String {
        self.remote(name).map_or_else(
            || format!("stores.{name}.url"),
            |remote| remote.store.section().to_owned(),
        )
    }

    fn remote(&self, name: &str) -> Option<&Remote> {
        self.remote.iter().find(|remote| remote.store.name() == name)
    }

    /// Opens a store, or says why it cannot be read.
    pub async fn check(&self, name: &str) -> Result<(), String> {
        let source = self.find(name).await.map_err(|error| error.to_string())?;
        source.reader.check().await
    }

    /// The store of that name. That there is none is [`StoreError::Rejected`](crate::remote::StoreError::Rejected).
    pub async fn find(&self, name: &str) -> Result<Source, ApplyError> {
        if let Some(remote) = self.remote(name) {
            return Ok(Source {
                installation: remote.store.installation(),
                reader: remote.reader.clone(),
            });
        }
        let Some(url) = self.urls.get(name) else {
            return Err(self.unknown(name).into());
        };
        let mut open = self.open.lock().await;
        let (db, installation) = if let Some(opened) = open.get(name) {
            opened.clone()
        } else {
            let opened = async {
                let db = Db::open_to_read(url, ConnectOptions::with_connections(CONNECTIONS)).await?;
                let installation = db.read(Installation::read).await?;
                Ok((db, installation))
            };
            let opened = opened.await.map_err(|error: DbError| of_store(name, error))?;
            open.insert(name.to_owned(), opened.clone());
            opened
        };
        Ok(Source {
            installation,
            reader: Arc::new(SqlReader::named(db, name)),
        })
    }

    /// Closes the databases that were opened.
    pub async fn close(&self) {
        for (db, _) in self.open.lock().await.values() {
            db.close().await;
        }
    }

    fn unknown(&self, name: &str) -> Problem {
        let names: Vec<&str> = self.names().collect();
        let expected = if names.is_empty() {
            "the name of a store of the configuration, which has none (`[stores.NAME]`, or `[partner_center]`)"
                .to_owned()
        } else {
            format!(
                "the name of a store of the configuration, which has {}",
                names.join(", ")
            )
        };
        let near = nearest(name, names);
        Problem::new(code::UNKNOWN_STORE, "from", name, expected).suggest(near)
    }
}
