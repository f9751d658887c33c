//! Jobs of other programs, over a real Redis: taken in once, refused with reasons, never lost.

mod bounds;
mod folder;
mod full;
mod jobs;
mod replies;
mod schedules;
mod storm;
mod unwilling;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tenantry::testing::app::App;
use tenantry::testing::config::Config;
use tenantry::testing::intake::{Accepted, Door, JobDocument, LedgerDoor, Refusal, inbox};
use tenantry::testing::queue::{Queue, QueueOptions, RedisQueue};
use tenantry_foundation::tasks;
use tenantry_ledger::{JobFilter, JobId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::place::{On, Place, Running, on_both};
use crate::servers::{RedisServer, eventually};
use tenantry_foundation::secret::SecretUrl;

/// A stream of one test's own, and what is in it.
struct Desk {
    queue: RedisQueue,
    redis: MultiplexedConnection,
    prefix: String,
}

impl Desk {
    async fn new(server: &RedisServer) -> Self {
        let prefix = server.prefix();
        let Ok(Queue::Redis(queue)) = Queue::connect(
            &SecretUrl::new(server.url()),
            QueueOptions::new(&prefix, Duration::from_secs(1)),
        ) else {
            panic!("a queue in Redis");
        };
        Self {
            queue,
            redis: server.connect().await,
            prefix,
        }
    }

    fn key(&self, name: &str) -> String {
        self.queue.key(name)
    }

    async fn send(&mut self, field: &str, document: &[u8]) -> String {
        let mut command = redis::cmd("XADD");
        command.arg(self.key("inbox")).arg("*").arg(field).arg(document);
        command.query_async(&mut self.redis).await.expect("XADD")
    }

    async fn read(&mut self, stream: &str) -> Vec<(String, Vec<(String, String)>)> {
        let mut command = redis::cmd("XRANGE");
        command.arg(stream).arg(&["-", "+"]);
        command.query_async(&mut self.redis).await.expect("XRANGE")
    }

    /// Waits until nothing is unread or pending.
    async fn cleared(&self) {
        eventually("the inbox to be cleared", async || {
            matches!(inbox::waiting(&self.queue).await, Ok(false)).then_some(())
        })
        .await;
    }

    /// Fields of the only entry of the stream of rejections.
    async fn rejection(&mut self) -> (String, String, Vec<Value>) {
        let rejected = self.read(&self.key("inbox:rejected")).await;
        let [(_, fields)] = rejected.as_slice() else {
            panic!("one rejection, not {rejected:?}");
        };
        let field = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| known == name)
                .expect("a field")
                .1
                .clone()
        };
        (
            field("entry"),
            field("job"),
            serde_json::from_str(&field("reasons")).expect("JSON"),
        )
    }

    fn serve(&self, door: impl Door) -> Serving {
        self.serve_up_to(door, 8 << 20)
    }

    /// Takes no document in that has more bytes.
    fn serve_up_to(&self, door: impl Door, document_bytes: usize) -> Serving {
        let settings = inbox::InboxSettings {
            lease: Duration::from_secs(3),
            document_bytes,
        };
        let stop = CancellationToken::new();
        let task = tasks::spawn(
            "the test",
            inbox::serve(self.queue.clone(), door, settings, stop.clone()),
        );
        Serving {
            stop,
            task: AbortOnDropHandle::new(task),
        }
    }
}

struct Serving {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Serving {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("it ends well");
    }
}

/// A door that opens at the turn it is told to, and remembers who came.
#[derive(Clone, Default)]
struct Doorman {
    came: Arc<Mutex<Vec<String>>>,
    refusals_first: Arc<AtomicUsize>,
    takes: Duration,
}

impl Door for Doorman {
    async fn submit(&self, _: JobDocument, default_key: String) -> Result<Accepted, Refusal> {
        self.came.lock().expect("a lock").push(default_key);
        tokio::time::sleep(self.takes).await;
        let refuse = |left: usize| left.checked_sub(1);
        match self
            .refusals_first
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse)
        {
            Ok(_) => Err(Refusal::Unavailable("not now".to_owned())),
            Err(_) => Ok(Accepted {
                job: JobId(uuid::Uuid::nil()),
                is_new: true,
                state: tenantry_ledger::JobState::Queued,
                awaiting_approval: None,
            }),
        }
    }
}

impl Doorman {
    fn came(&self) -> Vec<String> {
        self.came.lock().expect("a lock").clone()
    }
}

fn good() -> Vec<u8> {
    json!({ "kind": "add-customer", "rows": [{ "domain": "x" }] })
        .to_string()
        .into_bytes()
}

const CUSTOMER: [(&str, &str); 10] = [
    ("domain", "alpha"),
    ("company_name", "Alpha Ltd"),
    ("first_name", "Ada"),
    ("last_name", "Lovelace"),
    ("email", "ada@alpha.example"),
    ("address_line1", "1 High Street"),
    ("city", "London"),
    ("postal_code", "N1 9GU"),
    ("country", "GB"),
    ("external_id", "A-1"),
];

fn customer() -> Value {
    CUSTOMER
        .into_iter()
        .map(|(column, value)| (column.to_owned(), Value::from(value)))
        .collect()
}

async fn app(place: &Place, desk: &Desk, url: String) -> App {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let flags = vec![
        set("ledger.url", &place.url),
        set("queue.url", &url),
        set("queue.prefix", &desk.prefix),
    ];
    App::open(Config::from_layers(None, [], flags).expect("a configuration"))
        .await
        .expect("the app opens")
}

#[tokio::test]
async fn documents_sent_before_and_during_reading_are_taken_in_once() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let doorman = Doorman::default();
    let mut expected = vec![desk.send("job", &good()).await];
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    for _ in 0..100 {
        expected.push(desk.send("job", &good()).await);
    }
    desk.cleared().await;
    serving.end().await;
    let mut came = doorman.came();
    came.sort();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|id| format!("{}:inbox:{id}", desk.prefix))
        .collect();
    expected.sort();
    assert_eq!(came, expected);
}

#[tokio::test]
async fn an_invalid_document_is_rejected_with_every_reason() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let replies = format!("{}-replies", desk.prefix);
    let document = format!(r#"{{"kind":"add-custmer","rows":[],"reply_to":"{replies}","idempotency_key":"k-7"}}"#);
    let id = desk.send("job", document.as_bytes()).await;
    let serving = desk.serve(Doorman::default());
    desk.cleared().await;
    let (entry, job, reasons) = desk.rejection().await;
    assert_eq!((entry, job), (id.clone(), document));
    let paths: Vec<_> = reasons
        .iter()
        .map(|reason| reason["path"].as_str().expect("a path"))
        .collect();
    assert_eq!(paths, ["$.kind", "$.rows"]);
    assert_eq!(reasons[0]["suggestion"], "add-customer");
    let told = desk.read(&replies).await;
    let outcome: Value = serde_json::from_str(&told[0].1[0].1).expect("JSON");
    assert_eq!((&outcome["state"], &outcome["entry"]), (&json!("rejected"), &json!(id)));
    assert_eq!(outcome["idempotency_key"], "k-7");
    serving.end().await;
}

#[tokio::test]
async fn an_entry_without_a_document_is_rejected_too() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    desk.send("jobs", &good()).await;
    let serving = desk.serve(Doorman::default());
    desk.cleared().await;
    let (_, job, reasons) = desk.rejection().await;
    assert_eq!((job.as_str(), &reasons[0]["suggestion"]), ("", &json!("job")));
    serving.end().await;
}

#[tokio::test]
async fn no_secret_is_kept_with_refused_documents() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    desk.send("job", br#"{"kind":"none","rows":[{"a":"b","password":"s3cret"}]}"#)
        .await;
    let serving = desk.serve(Doorman::default());
    desk.cleared().await;
    let (_, job, _) = desk.rejection().await;
    assert_eq!(job, r#"{"kind":"none","rows":[{"a":"b","password":"<redacted>"}]}"#);
    serving.end().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_stop_the_reader() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let mut command = redis::cmd("XADD");
    command
        .arg(desk.key("inbox"))
        .arg("*")
        .arg(&[0xff_u8, 0xfe])
        .arg(&[0xff_u8, 0x00]);
    let _: String = command.query_async(&mut desk.redis).await.expect("XADD");
    desk.send("job", b"{\"kind\": \"\xff\"}").await;
    desk.send("job", &good()).await;
    let doorman = Doorman::default();
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    assert_eq!(doorman.came().len(), 1);
    let rejected: u64 = redis::cmd("XLEN")
        .arg(desk.key("inbox:rejected"))
        .query_async(&mut desk.redis)
        .await
        .expect("XLEN");
    assert_eq!(rejected, 2);
    serving.end().await;
}

#[tokio::test]
async fn only_the_newest_that_are_refused_are_kept() {
    const KEPT: usize = 10_000;
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let rejected = desk.key("inbox:rejected");
    let mut pipe = redis::pipe();
    for n in 0..KEPT + 500 {
        pipe.cmd("XADD").arg(&[&rejected, "*", "entry"]).arg(n).ignore();
    }
    pipe.query_async::<()>(&mut desk.redis).await.expect("XADD");
    let id = desk.send("job", br#"{"kind":"none","rows":[{"a":"b"}]}"#).await;
    let serving = desk.serve(Doorman::default());
    desk.cleared().await;
    let kept = desk.read(&rejected).await;
    // Redis drops whole nodes, of a hundred entries by default.
    assert!((KEPT..=KEPT + 100).contains(&kept.len()), "{}", kept.len());
    let (_, newest) = kept.last().expect("an entry");
    assert_eq!(newest[0], ("entry".to_owned(), id));
    serving.end().await;
}

#[tokio::test]
async fn a_document_that_could_not_be_taken_in_is_tried_again() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let doorman = Doorman {
        refusals_first: Arc::new(AtomicUsize::new(2)),
        ..Doorman::default()
    };
    desk.send("job", &good()).await;
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    assert_eq!(doorman.came().len(), 3);
    serving.end().await;
}

#[tokio::test]
async fn documents_held_by_a_dead_reader_are_taken_up() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    desk.send("job", &good()).await;
    let group = desk.key("inbox");
    let mut command = redis::cmd("XGROUP");
    command.arg(&["CREATE", &group, "tenantry", "0"]);
    let _: String = command.query_async(&mut desk.redis).await.expect("a group");
    let mut command = redis::cmd("XREADGROUP");
    command.arg(&["GROUP", "tenantry", "somebody-else", "STREAMS", &group, ">"]);
    let _: redis::Value = command.query_async(&mut desk.redis).await.expect("read");
    let doorman = Doorman::default();
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    assert_eq!(doorman.came().len(), 1);
    serving.end().await;
}

#[tokio::test]
async fn documents_held_by_a_slow_reader_are_left_to_it() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let doorman = Doorman {
        takes: Duration::from_secs(5),
        ..Doorman::default()
    };
    desk.send("job", &good()).await;
    let (first, second) = (desk.serve(doorman.clone()), desk.serve(doorman.clone()));
    desk.cleared().await;
    assert_eq!(doorman.came().len(), 1);
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn a_reader_told_to_stop_finishes_the_document_in_hand() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let doorman = Doorman {
        takes: Duration::from_millis(500),
        ..Doorman::default()
    };
    desk.send("job", &good()).await;
    let serving = desk.serve(doorman.clone());
    eventually("the document to be in hand", async || {
        (!doorman.came().is_empty()).then_some(())
    })
    .await;
    serving.end().await;
    assert!(!inbox::waiting(&desk.queue).await.expect("asked"));
}

#[tokio::test]
async fn reading_goes_on_after_the_server_forgot_everything_or_was_killed() {
    let mut server = RedisServer::private().await;
    let mut desk = Desk::new(&server).await;
    let doorman = Doorman::default();
    let serving = desk.serve(doorman.clone());
    desk.send("job", &good()).await;
    desk.cleared().await;
    let flushed: Result<(), _> = redis::cmd("FLUSHALL").query_async(&mut desk.redis).await;
    flushed.expect("FLUSHALL");
    desk.send("job", &good()).await;
    desk.cleared().await;
    server.kill9().await;
    assert!(inbox::waiting(&desk.queue).await.is_err());
    server.start().await;
    desk.redis = server.connect().await;
    desk.send("job", &good()).await;
    desk.cleared().await;
    assert_eq!(doorman.came().len(), 3);
    serving.end().await;
}

#[tokio::test]
async fn a_reply_to_a_key_that_is_no_stream_is_given_up() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let key = format!("{}-text", desk.prefix);
    let _: () = redis::cmd("SET")
        .arg(&key)
        .arg("x")
        .query_async(&mut desk.redis)
        .await
        .expect("SET");
    tenantry::testing::notify::reply(&Queue::Redis(desk.queue.clone()), &key, "{}")
        .await
        .expect("given up");
    assert!(
        tenantry::testing::notify::reply(&Queue::embedded(), &key, "{}")
            .await
            .is_err()
    );
}
