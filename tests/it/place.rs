//! A place to work in: a directory, a database and the program, for tests of everything above the database.

mod jobs;
mod look;
pub(crate) mod tables;
pub(crate) mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tenantry::testing::delivery::Roots;
use tenantry::testing::receipt::Form;
use tenantry::testing::runner::retry::RetryPolicy;
use tenantry::testing::runner::{GateSettings, RunnerSettings};
use tenantry_foundation::clock::Clock;
use tenantry_foundation::passwords::{Class, PasswordPolicy};
use tenantry_ledger::{Actor, Claimant, Ledger, Scope, Via};

use crate::servers::PgServer;
pub(crate) use jobs::{TestJob, Work, apply};
pub(crate) use look::{column, file, outcomes};
use tenantry_foundation::backoff::Backoff;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// One customer, as `add-customer` takes it.
pub(crate) const CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country,external_id
alpha,Alpha Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB,A-1
";

/// Two customers.
pub(crate) const TWO_CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country,external_id
alpha,Alpha Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB,A-1
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE,B-2
";

/// The same two, with no column that only a store of our own keeps.
pub(crate) const PLAIN_CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country
alpha,Alpha Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE
";

pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) url: String,
}

impl Place {
    pub(crate) async fn new(on: On) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let url = match on {
            On::Sqlite => format!("sqlite:{}", dir.path().join("tenantry.db").display()),
            On::Postgres => PgServer::shared().await.database().await,
        };
        Self { dir, url }
    }

    /// On SQLite, with the one customer.
    pub(crate) async fn with_customer() -> Self {
        let place = Self::new(On::Sqlite).await;
        place.write("customers.csv", CUSTOMERS);
        place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file is written");
        path
    }

    pub(crate) async fn ledger(&self) -> Ledger {
        self.ledger_at(&Clock::system()).await
    }

    /// The ledger, which goes by that clock.
    pub(crate) async fn ledger_at(&self, clock: &Clock) -> Ledger {
        Ledger::open(&self.url, 4, clock.clone())
            .await
            .expect("the ledger opens")
    }

    /// The program, set to this place's ledger.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        unconfigured(&mut command, self.dir.path());
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("TENANTRY__LEDGER__URL", &self.url)
            // Workers go on with what others left here.
            .env("TENANTRY__RESULTS__ROOTS", self.dir.path())
            .env("TENANTRY__PASSWORDS__DELIVER", "false");
        command.env("USER", "tester").stdin(Stdio::null());
        command
    }

    /// As [`command`](Self::command), for tests that kill it: what it leaves is soon taken up.
    pub(crate) fn hurried(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command
            .env("TENANTRY__WORKER__LEASE", "400ms")
            .env("TENANTRY__WORKER__HEARTBEAT", "100ms")
            .env("TENANTRY__WORKER__SWEEP_INTERVAL", "50ms");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn tenantry(&self, args: &[&str]) -> Run {
        Run::from(self.command(args).output().expect("tenantry starts"))
    }

    /// Everything the store and the ledger hold that does not depend on time, chance or who did it.
    pub(crate) async fn dump(&self) -> String {
        look::dump(self.ledger().await.db()).await
    }
}

/// Keeps the configuration of the machine and the person that run the tests from a program.
pub(crate) fn unconfigured(command: &mut Command, dir: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TENANTRY") {
            command.env_remove(name);
        }
    }
    command
        .env("XDG_CONFIG_HOME", dir.join("no-user"))
        .env("TENANTRY_SYSTEM_CONFIG", dir.join("no-system"));
}

/// A program that ends with the test that started it, however that ends.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to stop, and waits until it has; its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal is sent");
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Everything that was printed.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

impl Place {
    /// Decides that nothing in its ledger waits for approval.
    #[track_caller]
    pub(crate) fn needs_no_approval(&self) {
        self.tenantry(&["policy", "set", "approval.required", "false"]).ends(0);
    }
}

pub(crate) fn settings(concurrency: usize) -> RunnerSettings {
    RunnerSettings {
        concurrency,
        together: 500,
        lease: Duration::from_secs(3),
        heartbeat: Duration::from_secs(1),
        sweep_interval: Duration::from_millis(100),
        leave_within: Duration::from_secs(10),
        spool_keep: Duration::from_secs(86_400),
        keep_jobs: None,
        retry: RetryPolicy {
            attempts: 8,
            deaths: 3,
            backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(200)),
        },
        look: Backoff::new(Duration::from_millis(50), Duration::from_millis(200)),
        errors: None,
        passwords: PasswordPolicy::new(16, &Class::ALL, false).expect("a policy"),
        form: Form::default(),
        roots: Roots::new(["/".into()]),
        gates: GateSettings::default(),
        anchors: None,
    }
}

/// A worker of that name, whose leases are for so long.
pub(crate) fn claimant(owner: &str, lease_millis: i64) -> Claimant {
    Claimant {
        owner: owner.to_owned(),
        apart: Arc::default(),
        scope: Scope::All,
        besides: Vec::new(),
        busy: false,
        lease_millis,
        deaths: Some(3),
    }
}

/// The kinds that need no other store, in the order their samples go together.
pub(crate) fn of_this_store() -> impl Iterator<Item = &'static dyn tenantry_jobs::JobKind> {
    tenantry_jobs::KINDS
        .iter()
        .copied()
        .filter(|job| job.policy().runs_in == tenantry_jobs::RunsIn::Store)
}

/// Somebody at the command line.
pub(crate) fn by(name: &str) -> Actor {
    Actor::new(name, Via::Cli)
}

/// The text of the file at `path`.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// Declares each test once and runs it on both databases.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($place:ident: Place) $body:block)*) => {
        $($(#[$meta])* mod $name {
            use super::*;
            async fn test($place: Place) $body
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() { test(Place::new(On::Sqlite).await).await }
            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() { test(Place::new(On::Postgres).await).await }
        })*
    };
}
pub(crate) use on_both;
