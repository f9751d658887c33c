//! PostgreSQL: a small pool, one blocking thread per open transaction, binary COPY for bulk insertion.
//!
//! A program that is stopped, or whose machine or network is gone, must not hold its locks for ever, nor be given more of
//! them: the server ends transactions that have gone quiet, bounds each COPY and each wait for a lock, and asks after its
//! clients, as these do after the server. A program that is well waits on by asking again.
//!
//! A transaction that waits for a row has a number or a snapshot, and every version of a row that is written meanwhile has to be
//! kept for it: with several that wait, the few rows that all of them want grow long chains of dead versions, which everybody
//! has to read. So whoever is to lock rows first takes advisory locks that stand for them; if those are not free, it waits in line
//! for a table, which needs neither, and only the first in that line waits for what it wants. What keeps changes apart is
//! still the rows' own locks.

mod tx;
mod unanswered;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::{ConnectOptions, DbError, Tx, Use};
use crate::lock::lock;
use crate::tasks;
use tx::PgTx;
use wire::sql;

/// Ends the connections of programs that have stopped in the middle of a COPY. No timeout of the server does: to it they are
/// busy, and it heeds no timeout of a statement before it has the next piece of data.
const END_STOPPED: &str = "SELECT CAST(COUNT(pg_terminate_backend(pid)) AS BIGINT) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND state = 'active'
    AND wait_event = 'ClientRead' AND query_start < clock_timestamp()
    - CAST(substring(query FROM '^/\\* within (\\d+) ms \\*/ COPY') AS BIGINT) * INTERVAL '1 millisecond'";
/// Questions without an answer after which the other side is taken to be gone.
const KEEPALIVES: u32 = 3;

pub(super) struct Postgres {
    config: Config,
    /// What every connection begins with.
    settings: String,
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
}

impl Postgres {
    pub(super) fn new(url: &str, options: ConnectOptions) -> Result<Self, DbError> {
        let mut config: Config = url
            .parse()
            .map_err(|error| DbError::BadUrl(format!("the url is no PostgreSQL address: {error}")))?;
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
            return Err(DbError::BadUrl(
                "the url asks for TLS, which this version does not speak to PostgreSQL".to_owned(),
            ));
        }
        config
            .application_name("tenantry")
            .connect_timeout(Duration::from_secs(5))
            .keepalives_idle(options.keepalive)
            .keepalives_interval(options.keepalive)
            .keepalives_retries(KEEPALIVES)
            .tcp_user_timeout(options.keepalive * (KEEPALIVES + 1));
        Ok(Self {
            config,
            settings: settings(&options),
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
        let connected = self.connected().await?;
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

    async fn connected(&self) -> Result<Connected, DbError> {
        loop {
            let idle = lock(&self.idle).pop();
            match idle {
                Some(connected) if connected.client.is_closed() => {}
                Some(connected) => return Ok(connected),
                None => break,
            }
        }
        let (client, mut connection) = self.config.connect(NoTls).await.map_err(|error| match sql(&error) {
            // A server that is starting, stopping or gone; a refused password is not going to mend itself.
            DbError::Broken(what) if error.code().is_none() => DbError::Unavailable(what),
            DbError::Broken(what) => DbError::Elsewhere(format!("the database answered: {what}")),
            other => other,
        })?;
        let last_words = Arc::new(OnceLock::new());
        let heard = Arc::clone(&last_words);
        tasks::spawn("the connection's client", async move {
            if let Err(error) = (&mut connection).await {
                tracing::debug!(%error, "a PostgreSQL connection ended");
                // Before the client finds it closed.
                let _ = heard.set(sql(&error));
            }
            drop(connection);
        });
        client
            .batch_execute(&self.settings)
            .await
            .map_err(|error| sql(&error))?;
        Ok(Connected {
            client: Arc::new(client),
            last_words,
            statements: HashMap::new(),
        })
    }
}

/// Timeouts of the server's end of a connection, and how it plans.
///
/// Statements are the same few, prepared, and look rows up by index whatever their parameters. Plans for the parameters of
/// each execution are no better, but cost each new connection several plannings per statement; and an array of 5,000 keys
/// makes an execution look dear enough for just-in-time compilation, which takes longer than running it. Both happen
/// under the locks that other workers wait for.
fn settings(options: &ConnectOptions) -> String {
    let millis = |time: Duration| time.as_millis().clamp(1, i32::MAX as u128);
    let seconds = |time: Duration| time.as_secs().clamp(1, 3600);
    format!(
        "SET idle_in_transaction_session_timeout = {}; SET lock_timeout = {}; SET tcp_keepalives_idle = {};
         SET tcp_keepalives_interval = {}; SET tcp_keepalives_count = {KEEPALIVES}; SET tcp_user_timeout = {};
         SET jit = off; SET plan_cache_mode = force_generic_plan",
        millis(options.idle_transaction),
        millis(options.idle_transaction),
        seconds(options.keepalive),
        seconds(options.keepalive),
        millis(options.keepalive * (KEEPALIVES + 1)),
    )
}
