//! A ledger, what is submitted to it, and workers as processes.

use std::process::{Child, Command, Stdio};

use tenantry::testing::plan::{Limits, RowSource};
use tenantry::testing::queue::Queue;
use tenantry::testing::submit::{Rules, Submission, Submitted, Submitter};
use tenantry_foundation::clock::Clock;
use tenantry_ledger::{Actor, Ledger, Parameters, Via};
use tenantry_store::Stores;

/// A process that ends with the run.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Office {
    url: String,
    pub(crate) ledger: Ledger,
}

impl Office {
    pub(crate) async fn at(url: String) -> Self {
        let ledger = Ledger::open(&url, 4, Clock::system()).await.unwrap();
        Self { url, ledger }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Submits a file here, which is so much faster than a process for each.
    pub(crate) async fn submit(&self, kind: &str, csv: String) {
        let submission = Submission {
            kind: tenantry_jobs::find(kind).unwrap(),
            parameters: Parameters {
                skip_invalid: true,
                ..Parameters::default()
            },
            source: RowSource::Bytes {
                name: format!("{kind}.csv"),
                data: csv.into_bytes().into(),
                multiline_cells: true,
            },
            idempotency_key: None,
            submitted_by: Actor::new("bench", Via::Cli),
            origin: None,
            not_before: None,
            approval: None,
            reply_to: None,
            out_dir: None,
            plan: None,
        };
        let rules = Rules {
            chunk_rows: 5_000,
            limits: Limits::NONE,
        };
        let (stores, queue) = (Stores::default(), Queue::embedded());
        let submitter = Submitter {
            ledger: &self.ledger,
            stores: &stores,
            queue: &queue,
            rules,
            hand: None,
        };
        let submitted = submitter.submit(submission, &|_| ()).await.unwrap();
        assert!(matches!(submitted, Submitted::Queued(_)), "{kind} was not queued");
    }

    /// Workers carry deletions out, too.
    pub(crate) fn needs_no_approval(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .args(["policy", "set", "approval.required", "false"])
            .env("TENANTRY__LEDGER__URL", &self.url)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(command.status().unwrap().success());
    }

    /// A worker of this very build, with its defaults, that leaves when nothing is left.
    pub(crate) fn worker(&self) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .args(["worker", "--drain"])
            .env("TENANTRY__LEDGER__URL", &self.url)
            .env("TENANTRY__PASSWORDS__DELIVER", "false")
            .env("TENANTRY__LIMITS__ERROR_PERCENT", "100")
            .env("TENANTRY__LOG__LEVEL", "error")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }

    /// Has a worker do all there is.
    pub(crate) fn drain(&self) {
        assert!(self.worker().0.wait().unwrap().success(), "a worker ended badly");
    }

    pub(crate) async fn change(&self, sql: String) {
        self.ledger
            .db()
            .write(move |tx| tx.exec(&sql, &[]).map(drop))
            .await
            .unwrap();
    }
}

/// The one number a query gives, 0 for none.
pub(crate) async fn ask(ledger: &Ledger, sql: &str) -> i64 {
    let sql = sql.to_owned();
    let found = ledger.db().read(move |tx| tx.query_first(&sql, &[])).await.unwrap();
    found.and_then(|row| row.opt_int(0).unwrap()).unwrap_or(0)
}
