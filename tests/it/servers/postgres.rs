//! A real PostgreSQL server.
//!
//! It runs with `fsync` off: the tests kill processes, not machines, and what a killed server has
//! written is safe in the kernel's page cache. PostgreSQL refuses to run as root, so root starts
//! it as the user `postgres`, or `nobody` where there is none.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tenantry_foundation::tasks;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use super::nursery::Process;
use super::{ServerDirectory, effective_user, eventually, free_port, install, missed_at, ordinal};

/// A PostgreSQL server.
#[derive(Debug)]
pub(crate) struct PgServer {
    // Declared first: the process is gone before its directory is removed.
    process: Option<Process>,
    port: u16,
    directory: ServerDirectory,
    durable: bool,
}

/// What brings its programs along.
const PACKAGE: &str = "postgresql";

static SHARED: OnceCell<PgServer> = OnceCell::const_new();
/// An empty data directory, which servers get copies of: making one takes seconds.
static TEMPLATE: OnceCell<ServerDirectory> = OnceCell::const_new();

impl PgServer {
    /// The server all tests of this process share, each in a [`database`](Self::database) of its own.
    pub(crate) async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::private).await
    }

    /// A server of one's own, to kill and restart.
    pub(crate) async fn private() -> Self {
        Self::create(false).await
    }

    /// A server that commits as durably as one in production and has its usual memory, to measure against.
    #[allow(dead_code, reason = "only the benches measure")]
    pub(crate) async fn durable() -> Self {
        Self::create(true).await
    }

    async fn create(durable: bool) -> Self {
        let template = TEMPLATE.get_or_init(async || template()).await;
        let directory = of_servant("postgres");
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"])
            .args([template.path().join("data"), directory.path().join("data")]);
        done("cp", &mut copy);
        let mut server = Self {
            process: None,
            port: free_port(),
            directory,
            durable,
        };
        while !server.try_start().await {
            server.port = free_port();
        }
        server
    }

    /// Makes a new empty database and answers its `postgres://` address.
    pub(crate) async fn database(&self) -> String {
        let name = format!("t{}", ordinal());
        let client = connect(&self.url("postgres"))
            .await
            .expect("a connection to the test's PostgreSQL");
        client
            .batch_execute(&format!("create database {name}"))
            .await
            .expect("create database");
        self.url(&name)
    }

    /// Makes a copy of a database that nobody has open, and answers its address.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn copy(&self, url: &str) -> String {
        let (name, template) = (format!("t{}", ordinal()), database_of(url));
        let client = connect(&self.url("postgres")).await.expect("a connection");
        let sessions = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{template}'");
        let sql = format!("create database {name} template {template}");
        // Sessions that were ended are gone a moment later.
        eventually("the database to be copied", async || {
            client.batch_execute(&sessions).await.expect("sessions end");
            client.batch_execute(&sql).await.ok()
        })
        .await;
        self.url(&name)
    }

    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn drop_database(&self, url: &str) {
        let client = connect(&self.url("postgres")).await.expect("a connection");
        let sql = format!("drop database {} with (force)", database_of(url));
        client.batch_execute(&sql).await.expect("drop database");
    }

    /// Where its data and its log lie.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Has it log every statement from now on, with its parameters.
    pub(crate) async fn log_statements(&self) {
        let url = self.url("postgres");
        let client = connect(&url).await.expect("a connection");
        for sql in ["alter system set log_statement = 'all'", "select pg_reload_conf()"] {
            client.batch_execute(sql).await.expect(sql);
        }
        eventually("PostgreSQL to read its settings again", async || {
            let row = connect(&url)
                .await
                .ok()?
                .query_one("show log_statement", &[])
                .await
                .ok()?;
            (row.get::<_, &str>(0) == "all").then_some(())
        })
        .await;
    }

    /// A file that the server alone can read.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) fn keep(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file");
        if let Some((user, group)) = servant() {
            chown(&path, Some(user), Some(group)).expect("hand the file to PostgreSQL's user");
        }
        path
    }

    /// Has it speak TLS under that certificate.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn certified(&mut self, certificate: &str, key: &str) {
        let (certificate, key) = (self.keep("server.crt", certificate), self.keep("server.key", key));
        self.set(&[
            ("ssl", "on"),
            ("ssl_cert_file", &certificate.to_string_lossy()),
            ("ssl_key_file", &key.to_string_lossy()),
        ])
        .await;
    }

    /// Changes settings, and restarts it.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn set(&mut self, settings: &[(&str, &str)]) {
        let client = connect(&self.url("postgres")).await.expect("a connection");
        for (name, value) in settings {
            let sql = format!("alter system set {name} = '{value}'");
            client.batch_execute(&sql).await.expect("a setting");
        }
        drop(client);
        self.restart().await;
    }

    /// Lets people in by these rules, before those that let everybody in.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn let_in_by(&mut self, rules: &str) {
        let path = self.directory.path().join("data/pg_hba.conf");
        let usual = fs::read_to_string(&path).expect("rules");
        fs::write(&path, format!("{rules}\n{usual}")).expect("rules");
        self.restart().await;
    }

    /// A server that follows this one, and only reads.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn standby(&self) -> Self {
        let directory = of_servant("postgres-standby");
        let mut copy = as_servant("pg_basebackup", PACKAGE);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"])
            .arg(directory.path().join("data"))
            .arg(format!("--dbname={}", self.url("postgres")))
            .current_dir(directory.path());
        done("pg_basebackup", &mut copy);
        let mut server = Self {
            process: None,
            port: free_port(),
            directory,
            durable: false,
        };
        while !server.try_start().await {
            server.port = free_port();
        }
        server
    }

    /// The port it listens on.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Writes everything it holds in memory into its data files.
    pub(crate) async fn checkpoint(&self) {
        let client = connect(&self.url("postgres")).await.expect("a connection");
        client.batch_execute("checkpoint").await.expect("a checkpoint");
    }

    /// Ends the server with `kill -9` and waits until it is gone. Its back ends notice and leave by themselves.
    #[expect(clippy::unused_async, reason = "the same shape as the other steps of a test's story")]
    pub(crate) async fn kill9(&mut self) {
        self.process = None;
    }

    /// Waits until somebody has missed the server, which was ended.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn missed(&self) {
        missed_at(self.port).await;
    }

    /// Starts the server again, on the same port and with the same data.
    pub(crate) async fn start(&mut self) {
        // It refuses while a back end of its killed predecessor still lives.
        eventually("PostgreSQL to start again on its port", async || {
            self.try_start().await.then_some(())
        })
        .await;
    }

    /// A planned restart: open connections are cut, what is committed is kept.
    pub(crate) async fn restart(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal("INT", process.id());
            eventually("PostgreSQL to shut down", async || {
                (!process.is_running()).then_some(())
            })
            .await;
        }
        self.start().await;
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://tenantry@127.0.0.1:{}/{database}", self.port)
    }

    /// Whether the server came up; it does not when another process has taken the port.
    async fn try_start(&mut self) -> bool {
        let log = fs::File::create(self.directory.path().join("log")).expect("a log file");
        let durability: &[&str] = if self.durable {
            &["shared_buffers=128MB"]
        } else {
            &["fsync=off", "full_page_writes=off", "shared_buffers=32MB"]
        };
        let mut command = as_servant("postgres", PACKAGE);
        command
            .arg("-D")
            .arg(self.directory.path().join("data"))
            .args(["-p", &self.port.to_string()])
            .args(
                [
                    "listen_addresses=127.0.0.1",
                    "unix_socket_directories=",
                    "max_connections=200",
                    // In the data directory instead of /dev/shm, where a killed server would leave it behind.
                    "dynamic_shared_memory_type=mmap",
                ]
                .iter()
                .chain(durability)
                .flat_map(|setting| ["-c", setting]),
            )
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut process = Process::spawn(command);
        let url = self.url("postgres");
        let directory = self.directory.path().join("data");
        let up = eventually("PostgreSQL to answer", async || {
            if !process.is_running() {
                return Some(false);
            }
            let client = connect(&url).await.ok()?;
            // The server that answers has to be the process started here.
            let row = client.query_one("show data_directory", &[]).await.ok()?;
            Some(row.get::<_, &str>(0) == directory.to_string_lossy())
        })
        .await;
        if up {
            self.process = Some(process);
        }
        up
    }
}

impl Drop for PgServer {
    /// An immediate shutdown takes the back ends and the shared memory along; `kill -9` would leave both for a while.
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            signal("QUIT", process.id());
            for _ in 0..200 {
                if !process.is_running() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// A directory of PostgreSQL's user.
pub(super) fn of_servant(name: &str) -> ServerDirectory {
    let directory = ServerDirectory::create(name);
    if let Some((user, group)) = servant() {
        chown(directory.path(), Some(user), Some(group)).expect("hand the directory to PostgreSQL's user");
    }
    directory
}

fn template() -> ServerDirectory {
    let directory = of_servant("postgres-template");
    let mut initdb = as_servant("initdb", PACKAGE);
    initdb
        .args([
            "--no-sync",
            "--auth=trust",
            "--username=tenantry",
            "--encoding=UTF8",
            "--locale=C",
            "--pgdata",
        ])
        .arg(directory.path().join("data"))
        .current_dir(directory.path());
    done("initdb", &mut initdb);
    directory
}

fn done(what: &str, command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed: {said}");
}

/// A connection for looking at the server behind the program's back.
pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tasks::spawn("the client", connection);
    Ok(client)
}

/// Sends a signal to a process started here.
fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
}

/// The user and group PostgreSQL runs as when the tests run as root.
fn servant() -> Option<(u32, u32)> {
    (effective_user() == 0).then(|| {
        install::program("postgres", "postgresql"); // the package brings its user along
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some((id("-u", name)?, id("-g", name)?)))
            .expect("a user `postgres` or `nobody`, for PostgreSQL refuses to run as root")
    })
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The command of one of PostgreSQL's programs, as its user and bound to die with the tests.
pub(super) fn as_servant(program: &str, package: &str) -> Command {
    let program = install::program(program, package);
    let mut command = Command::new("setpriv");
    if let Some((user, group)) = servant() {
        command.args([
            "--reuid",
            &user.to_string(),
            "--regid",
            &group.to_string(),
            "--clear-groups",
            "--",
        ]);
        // Changing the user clears the parent-death signal, so it is set afterwards.
        command.arg("setpriv");
    }
    // The immediate shutdown, for the reason given at `Drop`.
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    command
}

/// The name of the database at an address.
#[allow(dead_code, reason = "the benches use less of it")]
fn database_of(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}
