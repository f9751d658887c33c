//! A real `PgBouncer` before a real PostgreSQL.

use std::process::Stdio;

use super::nursery::Process;
use super::postgres::{as_servant, of_servant};
use super::{PgServer, ServerDirectory, connect, eventually, free_port};

/// A pooler, which lets everybody in as the tests' user.
pub(crate) struct Pooler {
    // Declared first: the process is gone before its directory is removed.
    _process: Process,
    port: u16,
    _directory: ServerDirectory,
}

impl Pooler {
    /// One that pools so, over this many sessions of each database.
    pub(crate) async fn before(server: &PgServer, mode: &str, sessions: usize) -> Self {
        loop {
            if let Some(pooler) = Self::try_before(server, mode, sessions).await {
                return pooler;
            }
        }
    }

    async fn try_before(server: &PgServer, mode: &str, sessions: usize) -> Option<Self> {
        let (directory, port) = (of_servant("pgbouncer"), free_port());
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=tenantry\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = {sessions}\nmax_client_conn = 200\n",
            server.port()
        );
        let file = directory.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).expect("settings");
        let log = std::fs::File::create(directory.path().join("log")).expect("a log file");
        let mut command = as_servant("pgbouncer", "pgbouncer");
        command
            .arg(&file)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut process = Process::spawn(command);
        // If another process has the port, this one has ended then.
        let url = format!("postgres://tenantry@127.0.0.1:{port}/postgres");
        let up = eventually("PgBouncer to answer", async || {
            if !process.is_running() {
                return Some(false);
            }
            connect(&url).await.ok().map(|_| true)
        });
        up.await.then_some(Self {
            _process: process,
            port,
            _directory: directory,
        })
    }

    /// The address of a database behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        let name = database.rsplit('/').next().expect("a name");
        format!("postgres://tenantry@127.0.0.1:{}/{name}", self.port)
    }
}
