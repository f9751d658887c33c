//! PostgreSQL: a small pool, one blocking thread per open transaction, binary COPY for bulk insertion.
//!
//! A program that is stopped, or whose machine or network is gone, must not hold its locks for ever, nor be given more of
//! them: the server ends transactions that have gone quiet, bounds each COPY and each wait for a lock, and asks after its
//! clients, as these do after the server. A program that is well waits on by asking again.
//!
//! A transaction that waits for a row has a number or a snapshot, and every version of a row that is written meanwhile has to be
//! kept for it. With several that wait, the few rows that all of them want grow long chains of dead versions, which every reader
//! has to read. So a transaction that is to lock rows first takes advisory locks that stand for them. If those are not free, it waits
//! in line for a table, which needs neither. Only the first in that line waits for the locks it wants. The rows' own locks still keep
//! changes apart.
//!
//! Names of tables mean those of one schema (`schema` in the url, `public` unless it says another), whatever the role's own search path
//! finds first. Behind a pooler such as `PgBouncer` a session may be another one with each transaction: there, settings are made and
//! statements prepared in each transaction anew, and nothing of either is left behind. That there is one shows in the number that it
//! gives the connection, which is not the server's.

mod address;
mod binding;
mod connect;
mod greeting;
mod passfile;
mod tx;
mod unanswered;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, SimpleQueryMessage, Statement};

use super::migrate::TablesPlace;
use super::{ConnectOptions, DbError, Tx, Use};
use crate::lock::lock;
use crate::tls::TlsSettings;
pub use address::{with_login, without_password};

use address::PgAddress;
use connect::LetInSession;
use tx::PgTx;
use wire::sql;

/// Ends the connections of programs that have stopped in the middle of a COPY. No timeout of the server does: to it they are
/// busy, and it heeds no timeout of a statement before it has the next piece of data.
const END_STOPPED: &str = "SELECT CAST(COUNT(pg_terminate_backend(pid)) AS BIGINT) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND state = 'active'
    AND wait_event = 'ClientRead' AND query_start < clock_timestamp()
    - CAST(substring(query FROM '^/\\* within (\\d+) ms \\*/ COPY') AS BIGINT) * INTERVAL '1 millisecond'";
/// Where the tables lie unless the url says so.
const USUAL_SCHEMA: &str = "public";
/// Questions without an answer after which the other side is taken to be gone.
const KEEPALIVES: u32 = 3;

pub(super) struct Postgres {
    address: PgAddress,
    /// What rustls was set up to do.
    tls: OnceLock<(TlsSettings, Arc<ClientConfig>)>,
    options: ConnectOptions,
    idle: Mutex<Vec<Connected>>,
    permits: Arc<Semaphore>,
    /// For what must not wait for the others.
    apart: Arc<Semaphore>,
}

struct Connected {
    client: Arc<Client>,
    /// What the server said when it ended the connection.
    last_words: Arc<OnceLock<DbError>>,
    statements: HashMap<String, Statement>,
    /// What each transaction has to begin with, behind a pooler.
    pooled: Option<Arc<str>>,
}

impl Postgres {
    pub(super) fn new(url: &str, options: ConnectOptions) -> Result<Self, DbError> {
        Ok(Self {
            address: PgAddress::parse(url)?,
            tls: OnceLock::new(),
            options,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(options.connections.max(1))),
            apart: Arc::new(Semaphore::new(1)),
        })
    }

    /// Runs `work` in a transaction, or over a read-only snapshot.
    pub(super) async fn run<T, F>(&self, work: F, wanted_for: Use) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, DbError> + Send + 'static,
    {
        let closed = |_| DbError::Unavailable("the connection pool is closed".to_owned());
        let permits = match wanted_for {
            Use::Read | Use::Write => &self.permits,
            Use::WriteApart => &self.apart,
        };
        let permit = permits.clone().acquire_owned().await.map_err(closed)?;
        let connected = self.connected(wanted_for).await?;
        let (runtime, options) = (Handle::current(), self.options);
        let (connected, done) = tokio::task::spawn_blocking(move || {
            // The permit goes back when the work is done, not when the caller stops waiting.
            let _permit = permit;
            PgTx::new(connected, runtime, options).transact(work, wanted_for != Use::Read)
        })
        .await
        .map_err(|error| DbError::Broken(error.to_string()))?;
        if !connected.client.is_closed() {
            lock(&self.idle).push(connected);
            return done;
        }
        match (done, connected.last_words.get()) {
            (Err(DbError::Unavailable(_)), Some(words @ DbError::Contended(_))) => Err(words.clone()),
            (done, _) => done,
        }
    }

    /// Ends what programs hold that have stopped in the middle of inserting rows; how many they were.
    pub(super) async fn end_stopped(&self) -> Result<i64, DbError> {
        let count = self.run(|tx| tx.query_first(END_STOPPED, &[]), Use::WriteApart);
        count.await?.map_or(Ok(0), |row| row.int(0))
    }

    /// A connection that is idle, or a new one. The first execution of a statement costs more than the later ones, under the locks that
    /// others wait for: a writer gets the connection that knows most statements, and a reader the one used last.
    async fn connected(&self, wanted_for: Use) -> Result<Connected, DbError> {
        {
            let mut idle = lock(&self.idle);
            idle.retain(|connected| !connected.client.is_closed());
            let found = match wanted_for {
                Use::Write => (0..idle.len()).max_by_key(|at| idle[*at].statements.len()),
                Use::Read | Use::WriteApart => idle.len().checked_sub(1),
            };
            if let Some(at) = found {
                return Ok(idle.remove(at));
            }
        }
        let LetInSession {
            client,
            last_words,
            number,
        } = Box::pin(self.open()).await?;
        let number = number.map_or("NULL".to_owned(), |number| number.to_string());
        let settings = settings(&self.options, self.schema());
        // Of a session that is not ours, nothing is set beyond the question itself.
        let is_pooled = format!("pg_backend_pid() IS DISTINCT FROM {number}");
        let begun = format!("SELECT {is_pooled}, {}", setting(&settings, &is_pooled));
        let told = client.simple_query(&begun).await.map_err(|error| sql(&error))?;
        let is_pooled = told
            .iter()
            .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
        let of_a_transaction = settings.iter().filter(|(name, _)| !name.starts_with("tcp_")).cloned();
        Ok(Connected {
            client: Arc::new(client),
            last_words,
            statements: HashMap::new(),
            pooled: is_pooled
                .then(|| format!("SELECT {}", setting(&of_a_transaction.collect::<Vec<_>>(), "true")).into()),
        })
    }

    /// Where the tables lie.
    fn schema(&self) -> &str {
        self.address.schema.as_deref().unwrap_or(USUAL_SCHEMA)
    }

    /// The same, for the migration that makes them.
    pub(super) fn place(&self) -> TablesPlace {
        TablesPlace {
            schema: self.schema().to_owned(),
            is_named: self.address.schema.is_some(),
        }
    }
}

/// Timeouts of the server's end of a connection, and how it plans.
///
/// Statements are the same few, prepared, and look rows up by index whatever their parameters. Plans for the parameters of
/// each execution are no better, but cost each new connection several plannings per statement; and an array of 5,000 keys
/// makes an execution look dear enough for just-in-time compilation, which takes longer than running it. Both happen
/// under the locks that other workers wait for.
fn settings(options: &ConnectOptions, schema: &str) -> Vec<(&'static str, String)> {
    let millis = |time: Duration| time.as_millis().clamp(1, i32::MAX as u128).to_string();
    let seconds = |time: Duration| time.as_secs().clamp(1, 3600).to_string();
    vec![
        // Temporary tables come last, so that they stand for none of ours.
        ("search_path", format!("\"{}\", pg_temp", schema.replace('"', "\"\""))),
        ("idle_in_transaction_session_timeout", millis(options.idle_transaction)),
        ("lock_timeout", millis(options.idle_transaction)),
        ("jit", "off".to_owned()),
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        ("tcp_keepalives_idle", seconds(options.keepalive)),
        ("tcp_keepalives_interval", seconds(options.keepalive)),
        ("tcp_keepalives_count", KEEPALIVES.to_string()),
        ("tcp_user_timeout", millis(options.keepalive * (KEEPALIVES + 1))),
    ]
}

/// Makes settings, for the transaction alone where `is_local` is true.
fn setting(settings: &[(&'static str, String)], is_local: &str) -> String {
    let one =
        |(name, value): &(&str, String)| format!("set_config('{name}', '{}', {is_local})", value.replace('\'', "''"));
    settings.iter().map(one).collect::<Vec<_>>().join(", ")
}
