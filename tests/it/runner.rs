//! What every runner promises, held to on the embedded queue with SQLite and on Redis with PostgreSQL.

mod at_once;
mod together;

use std::collections::HashSet;
use std::fmt::Write as _;

use tenantry::testing::queue::{Queue, QueueOptions};
use tenantry::testing::runner::{Runner, ServeError};
use tenantry::testing::submit::Submitted;
use tenantry_foundation::tasks;
use tenantry_ledger::{Job, JobState, Ledger, Parameters, Scope};
use tenantry_store::Stores;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::place::{CUSTOMERS, On, Place, TestJob, apply, by, claimant, column, settings, tables};
use crate::servers::{RedisServer, eventually};
use tenantry_foundation::secret::SecretUrl;

const STRICT: Parameters = Parameters {
    store: None,
    customer: None,
    skip_invalid: false,
    ignore_not_kept: false,
    seal_to: Vec::new(),
    in_the_clear: false,
    reply_rows: false,
    checks_customer: false,
};

/// A ledger with one customer, and a queue.
struct Shop {
    _place: Place,
    ledger: Ledger,
    queue: Queue,
}

impl Shop {
    async fn new(on: On, queue: Queue) -> Self {
        let place = Place::new(on).await;
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        Self {
            _place: place,
            ledger,
            queue,
        }
    }

    /// Queues users in chunks of ten, without ringing for them.
    async fn unannounced(&self, name: &str, count: usize) -> Job {
        let mut csv = "customer,user_principal_name\n".to_owned();
        for n in 0..count {
            writeln!(csv, "A-1,{name}{n}@alpha.onmicrosoft.com").expect("a string");
        }
        match TestJob::new(&self.ledger, "bulk-add-users", &csv)
            .parameters(STRICT)
            .chunks(10)
            .submit()
            .await
        {
            Submitted::Queued(id) => self.job(id).await,
            _ => panic!("not queued"),
        }
    }

    async fn job(&self, id: tenantry_ledger::JobId) -> Job {
        self.ledger.job(id).await.expect("asked").expect("there")
    }

    fn runner(&self) -> Working {
        let runner = Runner::new(
            self.ledger.clone(),
            Stores::default(),
            self.queue.clone(),
            settings(2),
            Scope::All,
        );
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let task = tasks::spawn("the test", async move { runner.serve(stopping).await });
        Working {
            stop,
            task: AbortOnDropHandle::new(task),
        }
    }

    async fn ended(&self, job: &Job) -> Job {
        eventually("the job to end", async || {
            Some(self.job(job.id).await).filter(|job| job.state.is_final())
        })
        .await
    }

    async fn users(&self) -> usize {
        column(self.ledger.db(), "SELECT user_principal_name FROM users")
            .await
            .len()
    }
}

struct Working {
    stop: CancellationToken,
    task: AbortOnDropHandle<Result<(), ServeError>>,
}

impl Working {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("it ends well");
    }
}

/// Declares each test once and runs it with both queues.
macro_rules! with_both_queues {
    ($(async fn $name:ident($shop:ident: Shop) $body:block)*) => {
        $(mod $name {
            use super::*;
            async fn test($shop: Shop) $body
            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() { test(Shop::new(On::Sqlite, Queue::embedded()).await).await }
            #[tokio::test(flavor = "multi_thread")]
            async fn redis() {
                let server = RedisServer::shared().await;
                let queue = Queue::connect(&SecretUrl::new(server.url()), QueueOptions::new(server.prefix(), std::time::Duration::from_secs(1))).expect("a queue");
                test(Shop::new(On::Postgres, queue).await).await;
            }
        })*
    };
}

with_both_queues! {
    async fn an_unannounced_job_is_found(shop: Shop) {
        let working = shop.runner();
        let job = shop.ended(&shop.unannounced("a", 95).await).await;
        assert_eq!((job.state, job.counts.applied), (JobState::Completed, 95));
        assert_eq!(shop.users().await, 95);
        working.end().await;
    }

    async fn two_runners_and_many_jobs_do_every_row_once(shop: Shop) {
        let mut jobs = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let job = shop.unannounced(name, 120).await;
            shop.queue.wake(job.id, 12).await.expect("sent");
            jobs.push(job);
        }
        let working = (shop.runner(), shop.runner());
        for job in &jobs {
            let job = shop.ended(job).await;
            assert_eq!((job.state, job.counts.applied), (JobState::Completed, 120));
        }
        assert_eq!(shop.users().await, 480);
        assert_eq!(column(shop.ledger.db(), "SELECT CAST(user_count AS TEXT) FROM customers").await, ["480"]);
        working.0.end().await;
        working.1.end().await;
    }

    async fn tickets_too_many_for_jobs_that_are_gone_do_no_harm(shop: Shop) {
        let job = shop.unannounced("a", 30).await;
        shop.queue.wake(job.id, 50).await.expect("sent");
        shop.queue.wake(tenantry_ledger::JobId(uuid::Uuid::from_u128(7)), 5).await.expect("sent");
        let working = shop.runner();
        assert_eq!(shop.ended(&job).await.counts.applied, 30);
        working.end().await;
        assert_eq!(shop.users().await, 30);
    }

    async fn chunks_held_by_a_dead_worker_are_taken_up(shop: Shop) {
        let job = shop.unannounced("a", 30).await;
        for _ in 0..2 {
            shop.ledger.claim(claimant("dead", 300)).await.expect("asked").expect("a chunk");
        }
        let working = shop.runner();
        assert_eq!(shop.ended(&job).await.counts.applied, 30);
        working.end().await;
        assert_eq!(shop.users().await, 30);
    }

    async fn a_runner_that_is_stopped_holds_nothing(shop: Shop) {
        let job = shop.unannounced("a", 2_000).await;
        let working = shop.runner();
        eventually("some rows", async || (shop.job(job.id).await.counts.applied > 0).then_some(())).await;
        working.end().await;
        assert_eq!(tables::held_chunks(&shop.ledger).await, 0);
        let done = shop.job(job.id).await.counts.applied as usize;
        assert_eq!(shop.users().await, done);
        let working = shop.runner();
        assert_eq!(shop.ended(&job).await.counts.applied, 2_000);
        working.end().await;
    }

    async fn a_chunk_that_cannot_be_worked_is_given_up_and_the_others_go_on(shop: Shop) {
        let job = shop.unannounced("a", 30).await;
        assert_eq!(tables::lose_block(&shop.ledger, job.input, 1).await, 1);
        let working = shop.runner();
        let job = shop.ended(&job).await;
        assert_eq!(job.state, JobState::Failed);
        assert_eq!((job.counts.applied, job.counts.failed), (20, 10));
        assert!(job.message.is_some_and(|message| message.contains("block 1")));
        working.end().await;
        let names: HashSet<_> = column(shop.ledger.db(), "SELECT user_principal_name FROM users").await.into_iter().collect();
        assert!(!names.contains("a10@alpha.onmicrosoft.com") && names.contains("a20@alpha.onmicrosoft.com"));
    }

    async fn a_cancelled_job_keeps_its_finished_rows_and_can_be_continued(shop: Shop) {
        let job = shop.unannounced("a", 3_000).await;
        let working = shop.runner();
        eventually("some rows", async || (shop.job(job.id).await.counts.applied > 0).then_some(())).await;
        shop.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
        let ended = shop.ended(&job).await;
        assert_eq!(ended.counts.applied + ended.counts.cancelled, 3_000);
        assert!(ended.counts.cancelled > 0, "it was over before it could be cancelled");
        assert_eq!(ended.state, JobState::Cancelled);
        let rest = shop.ledger.retry(&ended, &by("tester"), 60_000).await.expect("asked").queued().expect("something is left");
        let rest = shop.ended(&shop.job(rest).await).await;
        assert_eq!(rest.counts.applied, ended.counts.cancelled);
        assert_eq!(shop.users().await, 3_000);
        working.end().await;
    }
}
