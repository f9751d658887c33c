//! Other stores, named in the configuration, that customers are copied from. They are opened when first needed and
//! only ever read. Remote stores are among them wherever they are configured, whether or not jobs run against them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantry_jobs::{Problem, code, nearest};
use tokio::sync::Mutex;

use super::remote::reader::RecordReader;
use super::remote::{ApplyError, Capabilities, RemoteStore};
use tenantry_foundation::db::{ConnectOptions, Db, DbError};
use tenantry_ledger::Installation;

/// Connections to one of them at once.
const CONNECTIONS: usize = 2;

/// The stores there are; clones share what is open.
#[derive(Clone, Default)]
pub struct Sources {
    urls: Arc<BTreeMap<String, String>>,
    open: Arc<Mutex<BTreeMap<String, Source>>>,
    remote: Vec<Remote>,
}

/// A store to copy from.
#[derive(Clone)]
pub enum Source {
    /// A database like the ledger's own.
    Database {
        /// The database.
        db: Db,
        /// What tells it from every other.
        installation: Installation,
    },
    /// A service.
    Remote(Remote),
}

/// A service to copy from.
#[derive(Clone)]
pub struct Remote {
    /// The store.
    store: Arc<dyn RemoteStore>,
    /// What it is read by.
    pub reader: Arc<dyn RecordReader>,
}

impl Remote {
    /// What it keeps.
    pub fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}

impl Source {
    /// What tells it from every other.
    pub fn installation(&self) -> Installation {
        match self {
            Source::Database { installation, .. } => *installation,
            Source::Remote(remote) => remote.store.installation(),
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
        match self.find(name).await {
            Ok(Source::Remote(remote)) => remote.reader.check().await,
            Ok(Source::Database { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The store of that name. That there is none is [`StoreError::Rejected`](crate::remote::StoreError::Rejected).
    pub async fn find(&self, name: &str) -> Result<Source, ApplyError> {
        if let Some(remote) = self.remote(name) {
            return Ok(Source::Remote(remote.clone()));
        }
        let Some(url) = self.urls.get(name) else {
            return Err(self.unknown(name).into());
        };
        let mut open = self.open.lock().await;
        if let Some(source) = open.get(name) {
            return Ok(source.clone());
        }
        let opened = async {
            let db = Db::open_to_read(url, ConnectOptions::with_connections(CONNECTIONS)).await?;
            let installation = db.read(Installation::read).await?;
            Ok(Source::Database { db, installation })
        };
        let source = opened.await.map_err(|error: DbError| of_store(name, error))?;
        open.insert(name.to_owned(), source.clone());
        Ok(source)
    }

    /// Closes the databases that were opened.
    pub async fn close(&self) {
        for source in self.open.lock().await.values() {
            if let Source::Database { db, .. } = source {
                db.close().await;
            }
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

/// Says which of the stores an error is about.
pub fn of_store(name: &str, error: DbError) -> DbError {
    match error {
        DbError::Unavailable(what) => DbError::Unavailable(format!("store `{name}`: {what}")),
        DbError::Broken(what) => DbError::Broken(format!("store `{name}`: {what}")),
        other => DbError::Broken(format!("store `{name}`: {other}")),
    }
}
