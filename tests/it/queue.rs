//! What every queue promises, held to on the embedded one and on a real Redis; and what Redis adds to it.

mod tls;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tenantry::testing::queue::{Queue, QueueError, QueueOptions, Ticket, serve};
use tenantry_foundation::tasks;
use tenantry_ledger::JobId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::servers::{RedisServer, eventually};
use tenantry_foundation::secret::SecretUrl;

fn connect(url: impl Into<String>, prefix: &str) -> Result<Queue, QueueError> {
    Queue::connect(
        &SecretUrl::new(url),
        QueueOptions::new(prefix, std::time::Duration::from_secs(1)),
    )
}

fn job(n: u128) -> JobId {
    JobId(Uuid::from_u128(n))
}

/// What handlers do and have done.
#[derive(Clone)]
struct Work {
    begun: Arc<Mutex<Vec<JobId>>>,
    ended: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    /// Handlers wait for a permit before they end.
    leave: Arc<Semaphore>,
}

/// The job whose handler panics.
const PANICS: u128 = 666;

impl Work {
    fn new() -> Self {
        Self {
            begun: Arc::default(),
            ended: Arc::default(),
            at_once: Arc::default(),
            most_at_once: Arc::default(),
            leave: Arc::new(Semaphore::new(0)),
        }
    }

    /// Handlers need not wait.
    fn unhindered() -> Self {
        let work = Self::new();
        work.leave.add_permits(1_000_000);
        work
    }

    async fn handle(self, ticket: Ticket) {
        self.begun.lock().expect("a lock").push(ticket.job);
        assert_ne!(ticket.job, job(PANICS), "this one panics");
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.leave.acquire().await.expect("open").forget();
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn begun(&self) -> Vec<JobId> {
        self.begun.lock().expect("a lock").clone()
    }

    async fn begins(&self, count: usize) {
        eventually("tickets to be taken", async || {
            (self.begun().len() >= count).then_some(())
        })
        .await;
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    fn serve(&self, queue: &Queue, concurrency: usize) -> Serving {
        let (queue, work, stop) = (queue.clone(), self.clone(), CancellationToken::new());
        let stopping = stop.clone();
        let serving = async move {
            serve(&queue, "a-worker", concurrency, stopping, move |ticket| {
                work.clone().handle(ticket)
            })
            .await
        };
        let task = AbortOnDropHandle::new(tasks::spawn("the test", serving));
        Serving { stop, task }
    }
}

struct Serving {
    stop: CancellationToken,
    task: AbortOnDropHandle<Result<(), QueueError>>,
}

impl Serving {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("it ends well");
    }
}

/// Rings until it was heard: right after an outage the first call may still fail, which the sweep makes up for.
async fn notify(queue: &Queue, job: JobId) {
    eventually("the queue to be notified", async || queue.wake(job, 1).await.ok()).await;
}

/// Declares each test once and runs it on both queues.
macro_rules! on_both_queues {
    ($(async fn $name:ident($queue:ident: Queue) $body:block)*) => {
        $(mod $name {
            use super::*;
            async fn test($queue: Queue) $body
            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() { test(Queue::embedded()).await }
            #[tokio::test(flavor = "multi_thread")]
            async fn redis() {
                let server = RedisServer::shared().await;
                test(connect(server.url(), &server.prefix()).expect("a queue")).await;
            }
        })*
    };
}

on_both_queues! {
    async fn every_ticket_is_handled_whenever_it_was_sent(queue: Queue) {
        let work = Work::unhindered();
        queue.wake(job(1), 1).await.expect("sent");
        let serving = work.serve(&queue, 4);
        work.begins(1).await;
        queue.wake(job(2), 3).await.expect("sent");
        work.begins(4).await;
        queue.wake(job(3), 0).await.expect("sent");
        for n in 10..110 {
            queue.wake(job(n), 1).await.expect("sent");
        }
        work.begins(104).await;
        serving.end().await;
        let mut begun = work.begun();
        begun.sort();
        let expected = [1, 2, 2, 2].into_iter().chain(10..110).map(job).collect::<Vec<_>>();
        assert_eq!(begun, expected);
        assert_eq!(work.ended(), 104);
    }

    async fn no_more_handlers_run_than_asked_for(queue: Queue) {
        let work = Work::new();
        queue.wake(job(1), 12).await.expect("sent");
        let serving = work.serve(&queue, 3);
        work.begins(3).await;
        for handled in 1..=9 {
            work.leave.add_permits(1);
            work.begins(3 + handled).await;
        }
        work.leave.add_permits(3);
        eventually("all to end", async || (work.ended() == 12).then_some(())).await;
        serving.end().await;
        assert_eq!(work.most_at_once.load(Ordering::SeqCst), 3);
    }

    async fn a_worker_told_to_stop_waits_for_its_handlers_and_begins_none(queue: Queue) {
        let work = Work::new();
        let serving = work.serve(&queue, 2);
        queue.wake(job(1), 2).await.expect("sent");
        work.begins(2).await;
        serving.stop.cancel();
        // Another worker takes what is notified of from now on.
        let other = Work::unhindered();
        let others = other.serve(&queue, 1);
        eventually("the other worker to do what is notified of", async || {
            queue.wake(job(2), 1).await.expect("sent");
            (other.ended() >= 20).then_some(())
        })
        .await;
        others.end().await;
        assert!(!serving.task.is_finished());
        work.leave.add_permits(100);
        serving.end().await;
        assert_eq!((work.begun().len(), work.ended()), (2, 2));
    }

    async fn an_idle_worker_stops(queue: Queue) {
        let work = Work::unhindered();
        let serving = work.serve(&queue, 2);
        queue.wake(job(1), 1).await.expect("sent");
        eventually("it to have nothing to do", async || (work.ended() == 1).then_some(())).await;
        serving.end().await;
    }

    async fn a_panic_costs_its_ticket_and_nothing_else(queue: Queue) {
        let work = Work::unhindered();
        let serving = work.serve(&queue, 2);
        for n in [1, PANICS, 2, PANICS, PANICS, PANICS, 3] {
            queue.wake(job(n), 1).await.expect("sent");
        }
        work.begins(7).await;
        eventually("the others to end", async || (work.ended() == 3).then_some(())).await;
        serving.end().await;
    }

    async fn two_workers_share_the_tickets(queue: Queue) {
        let (one, other) = (Work::new(), Work::new());
        let serving = (one.serve(&queue, 2), other.serve(&queue, 2));
        queue.wake(job(1), 4).await.expect("sent");
        eventually("four handlers", async || (one.begun().len() + other.begun().len() == 4).then_some(())).await;
        for work in [&one, &other] {
            work.leave.add_permits(100);
        }
        serving.0.end().await;
        serving.1.end().await;
        assert!(one.most_at_once.load(Ordering::SeqCst) <= 2 && other.most_at_once.load(Ordering::SeqCst) <= 2);
    }

    async fn a_queue_says_that_it_can_be_used(queue: Queue) {
        assert!(!queue.ping().await.expect("usable").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_come_again_after_redis_was_killed_or_forgot_everything() {
    let mut server = RedisServer::private().await;
    let queue = connect(server.url(), "t").expect("a queue");
    let work = Work::unhindered();
    let serving = work.serve(&queue, 2);
    notify(&queue, job(1)).await;
    work.begins(1).await;

    let flushed: Result<(), _> = redis::cmd("FLUSHALL").query_async(&mut server.connect().await).await;
    flushed.expect("FLUSHALL");
    notify(&queue, job(2)).await;
    work.begins(2).await;

    server.kill9().await;
    assert!(matches!(queue.wake(job(9), 1).await, Err(QueueError::Unavailable(_))));
    assert!(queue.ping().await.is_err());
    server.start().await;
    notify(&queue, job(3)).await;
    work.begins(3).await;
    assert!(work.begun().contains(&job(3)));
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_start_and_stop_while_redis_is_away() {
    let mut server = RedisServer::private().await;
    server.kill9().await;
    let queue = connect(server.url(), "t").expect("a queue, though nobody answers");
    let work = Work::unhindered();
    work.serve(&queue, 2).end().await;
    let serving = work.serve(&queue, 2);
    server.start().await;
    notify(&queue, job(1)).await;
    work.begins(1).await;
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_are_no_tickets_are_thrown_away() {
    let server = RedisServer::shared().await;
    let prefix = server.prefix();
    let queue = connect(server.url(), &prefix).expect("a queue");
    let mut redis = server.connect().await;
    for poison in [&b"no id"[..], b"", b"\xff\xfe", b"{\"job\":1}"] {
        let pushed: Result<(), _> = redis::cmd("RPUSH")
            .arg(format!("{prefix}:tickets"))
            .arg(poison)
            .query_async(&mut redis)
            .await;
        pushed.expect("RPUSH");
    }
    let work = Work::unhindered();
    let serving = work.serve(&queue, 2);
    queue.wake(job(1), 1).await.expect("sent");
    work.begins(1).await;
    assert_eq!(work.begun(), [job(1)]);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_list_does_not_end_the_worker() {
    let server = RedisServer::shared().await;
    let prefix = server.prefix();
    let (queue, key) = (
        connect(server.url(), &prefix).expect("a queue"),
        format!("{prefix}:tickets"),
    );
    let mut redis = server.connect().await;
    let set: Result<(), _> = redis::cmd("SET").arg(&key).arg("x").query_async(&mut redis).await;
    set.expect("SET");
    let work = Work::unhindered();
    let serving = work.serve(&queue, 2);
    assert!(queue.wake(job(1), 1).await.is_err());
    let gone: Result<(), _> = redis::cmd("DEL").arg(&key).query_async(&mut redis).await;
    gone.expect("DEL");
    queue.wake(job(2), 1).await.expect("sent");
    work.begins(1).await;
    serving.end().await;
}

#[test]
fn addresses_that_make_no_sense_are_refused() {
    let refusal = |url: &str| match connect(url, "t") {
        Err(error @ QueueError::BadUrl(_)) => error.to_string(),
        _ => panic!("`{url}` is refused"),
    };
    assert!(refusal("amqp://example").contains("redis://"));
    assert!(!refusal("redis://u:secret@host:notaport").contains("secret"));
    assert!(connect("valkey://127.0.0.1:1", "t").is_ok() && connect("embedded", "t").is_ok());
}
