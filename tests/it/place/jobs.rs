//! Jobs in tests: submitted from CSV text, and worked on by a runner in this process.

use std::time::Duration;

use tenantry::testing::plan::{Limits, RowSource};
use tenantry::testing::queue::Queue;
use tenantry::testing::runner::{Runner, RunnerSettings};
use tenantry::testing::submit::{Rules, Submission, Submitted, Submitter};
use tenantry_ledger::{Actor, Job, Ledger, Parameters, Scope};
use tenantry_store::Stores;
use tokio_util::sync::CancellationToken;

use super::{by, settings};

/// A job to be submitted: of five-row chunks, without limits, to the ledger's own store, unless something else is said.
pub(crate) struct TestJob<'a> {
    ledger: &'a Ledger,
    stores: Stores,
    kind: &'a str,
    /// Text, or a workbook.
    data: &'a [u8],
    parameters: Parameters,
    rules: Rules,
    submitted_by: Actor,
}

impl<'a> TestJob<'a> {
    pub(crate) fn new(ledger: &'a Ledger, kind: &'a str, data: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            ledger,
            stores: Stores::default(),
            kind,
            data: data.as_ref(),
            parameters: Parameters::default(),
            submitted_by: by("tester"),
            rules: Rules {
                chunk_rows: 5,
                limits: Limits::NONE,
            },
        }
    }

    pub(crate) fn stores(self, stores: &Stores) -> Self {
        Self {
            stores: stores.clone(),
            ..self
        }
    }

    pub(crate) fn parameters(self, parameters: Parameters) -> Self {
        Self { parameters, ..self }
    }

    pub(crate) fn submitted_by(self, submitted_by: Actor) -> Self {
        Self { submitted_by, ..self }
    }

    /// So many rows make a chunk.
    pub(crate) fn chunks(mut self, rows: usize) -> Self {
        self.rules.chunk_rows = rows;
        self
    }

    pub(crate) fn rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    pub(crate) async fn submit(self) -> Submitted {
        let submission = Submission {
            kind: tenantry_jobs::find(self.kind).expect("a kind"),
            parameters: self.parameters,
            source: RowSource::Bytes {
                name: format!("{}.csv", self.kind),
                data: self.data.to_vec().into(),
                multiline_cells: true,
            },
            idempotency_key: None,
            submitted_by: self.submitted_by,
            origin: None,
            not_before: None,
            approval: None,
            reply_to: None,
            out_dir: None,
            plan: None,
        };
        let submitter = Submitter {
            ledger: self.ledger,
            stores: &self.stores,
            queue: &Queue::embedded(),
            rules: self.rules,
            hand: None,
        };
        // Boxed, as it is large and would be carried in every future around it.
        let submitting = Box::pin(submitter.submit(submission, &|_| ()));
        submitting.await.expect("submitted")
    }

    /// Submits the job, which has to be accepted, and works on it until it is at rest.
    pub(crate) async fn run(self) -> Job {
        let (ledger, stores) = (self.ledger, self.stores.clone());
        let id = match self.submit().await {
            Submitted::Queued(id) | Submitted::Same(id) => id,
            Submitted::AwaitingApproval(_) => panic!("the job awaits approval"),
            Submitted::Refused(mut refusal) => {
                let mut faults = Vec::new();
                let note = &mut |fault: &_| {
                    faults.push(ToString::to_string(fault));
                    Ok(())
                };
                refusal.faults.each(20, note).expect("faults");
                panic!("the file was refused: {faults:#?}")
            }
        };
        let job = ledger.job(id).await.expect("asked").expect("there");
        Work::on(ledger, &job).stores(&stores).until_idle().await
    }

    /// As [`run`](Self::run), but a job that is not accepted is no failure of the test.
    pub(crate) async fn try_to_run(self) {
        let ledger = self.ledger;
        if let Submitted::Queued(id) = self.submit().await {
            let job = ledger.job(id).await.expect("asked").expect("there");
            Work::on(ledger, &job).until_idle().await;
        }
    }
}

/// Runs CSV text, without the rows that are invalid.
pub(crate) async fn apply(ledger: &Ledger, kind: &str, csv: &str) -> Job {
    let parameters = Parameters {
        skip_invalid: true,
        ..Parameters::default()
    };
    TestJob::new(ledger, kind, csv).parameters(parameters).run().await
}

/// A runner for one job, or for all while one is watched.
pub(crate) struct Work<'a> {
    ledger: &'a Ledger,
    job: &'a Job,
    stores: Stores,
    settings: RunnerSettings,
    scope: Scope,
}

impl<'a> Work<'a> {
    pub(crate) fn on(ledger: &'a Ledger, job: &'a Job) -> Self {
        Self {
            ledger,
            job,
            stores: Stores::default(),
            settings: settings(2),
            scope: Scope::Job(job.seq),
        }
    }

    pub(crate) fn stores(self, stores: &Stores) -> Self {
        Self {
            stores: stores.clone(),
            ..self
        }
    }

    pub(crate) fn settings(self, settings: RunnerSettings) -> Self {
        Self { settings, ..self }
    }

    /// The runner serves all jobs, and sweeps as a worker does.
    pub(crate) fn beside_other_jobs(self) -> Self {
        Self {
            scope: Scope::All,
            ..self
        }
    }

    /// Until there is nothing left to do for now.
    pub(crate) async fn until_idle(self) -> Job {
        self.until(Job::is_idle).await
    }

    /// Until the job has ended, however long its rows wait.
    pub(crate) async fn until_ended(self) -> Job {
        self.until(|job| job.state.is_final()).await
    }

    async fn until(self, enough: impl Fn(&Job) -> bool) -> Job {
        let ledger = self.ledger;
        let runner = Runner::new(
            ledger.clone(),
            self.stores,
            Queue::embedded(),
            self.settings,
            self.scope,
        );
        let stop = CancellationToken::new();
        let waiting = async {
            loop {
                let job = ledger.job(self.job.id).await.expect("asked").expect("there");
                if enough(&job) {
                    stop.cancel();
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (served, job) = tokio::join!(runner.serve(stop.clone()), waiting);
        served.expect("the runner ends well");
        job
    }
}
