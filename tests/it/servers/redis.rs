//! A real Redis server.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal};
use tokio::sync::OnceCell;

use super::nursery::Process;
use super::{ServerDirectory, eventually, free_port, install, missed_at, ordinal};

/// A Redis server with an append-only file, so that it comes back from `kill -9` with its data.
#[derive(Debug)]
pub(crate) struct RedisServer {
    // Declared first: the process is gone before its directory is removed.
    process: Option<Process>,
    port: u16,
    directory: ServerDirectory,
    /// Further arguments.
    settings: Vec<String>,
}

static SHARED: OnceCell<RedisServer> = OnceCell::const_new();

impl RedisServer {
    /// The server all tests of this process share; keep to keys under a [`prefix`](Self::prefix) of your own.
    pub(crate) async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::private).await
    }

    /// A server of one's own, to kill, restart and flush.
    pub(crate) async fn private() -> Self {
        let directory = ServerDirectory::create("redis");
        let mut server = Self {
            process: None,
            port: free_port(),
            directory,
            settings: Vec::new(),
        };
        while !server.try_start().await {
            server.port = free_port();
        }
        server
    }

    /// A server that speaks TLS as well, under that certificate; `tls` are further settings. And its port for that.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn certified(certificate: &str, key: &str, authority: &str, tls: &[&str]) -> (Self, u16) {
        let mut server = Self::private().await;
        server.process = None;
        let keep = |name: &str, text: &str| {
            let path = server.directory.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path.display().to_string()
        };
        let files = [
            keep("server.crt", certificate),
            keep("server.key", key),
            keep("authority.crt", authority),
        ];
        let [certificate, key, authority] = files;
        let port = free_port();
        server.settings = ["--tls-port", &port.to_string(), "--tls-cert-file", &certificate]
            .into_iter()
            .chain(["--tls-key-file", &key, "--tls-ca-cert-file", &authority])
            .chain(tls.iter().copied())
            .map(str::to_owned)
            .collect();
        server.start().await;
        (server, port)
    }

    /// `redis://` address of the server.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Where its data and its log lie.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A key prefix nobody else uses on this server.
    #[expect(clippy::unused_self, reason = "reads as what it is: a prefix on this server")]
    pub(crate) fn prefix(&self) -> String {
        format!("t{}-{}", std::process::id(), ordinal())
    }

    /// A connection for looking at the server behind the program's back.
    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a valid address");
        let settings = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(20)));
        client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
            .expect("a connection to the test's Redis")
    }

    /// Ends the server with `kill -9` and waits until it is gone.
    #[expect(clippy::unused_async, reason = "the same shape as the other steps of a test's story")]
    pub(crate) async fn kill9(&mut self) {
        self.process = None;
    }

    /// Waits until somebody has missed the server, which was ended.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) async fn missed(&self) {
        missed_at(self.port).await;
    }

    /// Has the server stand still, with its connections open.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// Has a server go on that stood still.
    #[allow(dead_code, reason = "the benches use less of it")]
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("a running server");
        let pid = Pid::from_raw(process.id() as i32).expect("a number");
        rustix::process::kill_process(pid, signal).expect("a signal is sent");
    }

    /// Starts the server again, on the same port and with the same data.
    pub(crate) async fn start(&mut self) {
        eventually("Redis to start again on its port", async || {
            self.try_start().await.then_some(())
        })
        .await;
    }

    /// Whether the server came up; it does not when another process has taken the port.
    async fn try_start(&mut self) -> bool {
        let log = File::create(self.directory.path().join("log")).expect("a log file");
        let program = install::program("redis-server", "redis-server");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            // Written before it is answered, and safe from `kill -9` in the page cache; the default may put the
            // write off for as long as an earlier one is being synced.
            .args(["--appendonly", "yes", "--appendfsync", "no", "--save", "", "--dir"])
            .arg(self.directory.path())
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null());
        let mut process = Process::spawn(command);
        let client = redis::Client::open(self.url()).expect("a valid address");
        let up = eventually("Redis to answer", async || {
            if !process.is_running() {
                return Some(false);
            }
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            // The server that answers has to be the process started here.
            let info: String = redis::cmd("INFO")
                .arg("server")
                .query_async(&mut connection)
                .await
                .ok()?;
            // It answers this much while it still reads its data.
            () = redis::cmd("PING").query_async(&mut connection).await.ok()?;
            Some(info.contains(&format!("process_id:{}\r\n", process.id())))
        })
        .await;
        if up {
            self.process = Some(process);
        }
        up
    }
}
