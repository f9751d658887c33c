//! A Redis that is full: what is accepted is taken off all the same, what is refused waits for room, and nobody shouts.

use std::fs::File;

use super::*;
use crate::place::read;

/// A door that has every job await approval.
#[derive(Clone, Default)]
struct Gatekeeper {
    came: Arc<AtomicUsize>,
}

impl Door for Gatekeeper {
    async fn submit(&self, _: JobDocument, _: String) -> Result<Accepted, Refusal> {
        self.came.fetch_add(1, Ordering::SeqCst);
        Ok(Accepted {
            job: JobId(uuid::Uuid::nil()),
            is_new: true,
            state: tenantry_ledger::JobState::Queued,
            awaiting_approval: Some(r#"{"state":"awaiting-approval"}"#.to_owned()),
        })
    }
}

impl Desk {
    /// At most that much memory, of which Redis takes more for itself.
    async fn has_memory(&mut self, most: &str) {
        for (key, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", most)] {
            let mut command = redis::cmd("CONFIG");
            command.arg(&["SET", key, value]);
            command.query_async::<()>(&mut self.redis).await.expect("CONFIG SET");
        }
        let mut command = redis::cmd("SET");
        command.arg(&[&self.key("probe"), "x"]);
        let is_full = command.query_async::<()>(&mut self.redis).await.is_err();
        assert_eq!(is_full, most != "0");
    }

    pub(super) async fn number(&mut self, command: &[&str]) -> u64 {
        let (name, arguments) = command.split_first().expect("a command");
        let mut command = redis::cmd(name);
        command.arg(arguments);
        command.query_async(&mut self.redis).await.expect("a number")
    }

    /// How often each of the pending entries has come up.
    pub(super) async fn comes(&mut self, inbox: &str) -> Vec<u64> {
        let mut command = redis::cmd("XPENDING");
        command.arg(&[inbox, "tenantry", "-", "+", "100"]);
        let pending: Vec<(String, String, u64, u64)> = command.query_async(&mut self.redis).await.expect("XPENDING");
        pending.into_iter().map(|(.., times)| times).collect()
    }

    pub(super) async fn make_group(&mut self) {
        let mut command = redis::cmd("XGROUP");
        command.arg(&["CREATE", &self.key("inbox"), "tenantry", "0", "MKSTREAM"]);
        command.query_async::<()>(&mut self.redis).await.expect("a group");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_documents_are_taken_off_and_refused_ones_wait_for_room() {
    let server = RedisServer::private().await;
    let mut desk = Desk::new(&server).await;
    let place = Place::new(On::Sqlite).await;
    desk.make_group().await;
    for n in 0..12 {
        let mut one = customer();
        one["domain"] = format!("alpha{n}").into();
        one["external_id"] = format!("A-{n}").into();
        let document = match n % 3 {
            0 => json!({ "kind": "add-custmer", "rows": [one], "reply_to": desk.key("replies") }),
            _ => json!({ "kind": "add-customer", "rows": [one], "reply_to": desk.key("replies") }),
        };
        desk.send("job", document.to_string().as_bytes()).await;
    }
    // The only one that workers are notified of, since it is not carried out as it comes in.
    let export = json!({ "kind": "export-customers", "rows": [{ "what": "customers" }] });
    desk.send("job", export.to_string().as_bytes()).await;
    desk.has_memory("1").await;
    let told = place.path("told");
    let mut worker = place.command(&["worker"]);
    worker
        .env("TENANTRY__QUEUE__URL", server.url())
        .env("TENANTRY__QUEUE__PREFIX", &desk.prefix)
        .stdout(std::process::Stdio::null())
        .stderr(File::create(&told).expect("a file"));
    let mut worker = Running(worker.spawn().expect("tenantry starts"));
    let (inbox, rejected) = (desk.key("inbox"), desk.key("inbox:rejected"));
    let mut left = 13;
    while left > 4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = desk.number(&["XLEN", &inbox]).await;
    }
    eventually("those that stay to come up again", async || {
        desk.comes(&inbox).await.iter().all(|times| *times > 1).then_some(())
    })
    .await;
    assert_eq!(desk.number(&["XLEN", &inbox]).await, 4);
    assert_eq!(desk.number(&["XLEN", &rejected]).await, 0);
    let all = JobFilter {
        limit: 100,
        ..JobFilter::default()
    };
    let jobs = place.ledger().await.jobs(all).await.expect("jobs");
    assert_eq!(jobs.len(), 9, "{jobs:?}");
    assert!(jobs.iter().all(|job| job.state.as_str() == "completed"), "{jobs:?}");
    desk.has_memory("0").await;
    desk.cleared().await;
    assert_eq!(desk.number(&["XLEN", &rejected]).await, 4);
    assert_eq!(worker.stop(), Some(0));
    let told = read(told);
    let lines = |with: &str| told.lines().filter(|line| line.contains(with)).count();
    assert_eq!(lines("stays pending until there is room"), 1, "{told}");
    assert_eq!(lines("Redis has room again for entries"), 1, "{told}");
    assert_eq!(lines("the queue cannot be notified"), 1, "{told}");
    assert_eq!(lines("could not be taken off"), 0, "{told}");
}

/// Redis refuses to make the consumer group while it is full.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_group_jobs_of_the_ledger_go_on_and_the_inbox_waits_for_room() {
    let server = RedisServer::private().await;
    let mut desk = Desk::new(&server).await;
    let place = Place::new(On::Sqlite).await;
    let mut one = customer();
    one["domain"] = "alpha1".into();
    one["external_id"] = "A-2".into();
    let document = json!({ "kind": "add-customer", "rows": [one] });
    desk.send("job", document.to_string().as_bytes()).await;
    desk.has_memory("1").await;
    let told = place.path("told");
    let mut worker = place.command(&["worker"]);
    worker
        .env("TENANTRY__QUEUE__URL", server.url())
        .env("TENANTRY__QUEUE__PREFIX", &desk.prefix)
        .stdout(std::process::Stdio::null())
        .stderr(File::create(&told).expect("a file"));
    let mut worker = Running(worker.spawn().expect("tenantry starts"));
    eventually("the worker to miss the inbox", async || {
        read(&told)
            .contains("Redis cannot be asked for jobs of other programs")
            .then_some(())
    })
    .await;
    let (columns, values): (Vec<&str>, Vec<&str>) = CUSTOMER.into_iter().unzip();
    place.write("new.csv", format!("{}\n{}\n", columns.join(","), values.join(",")));
    place.tenantry(&["submit", "add-customer", "new.csv"]).ends(0);
    let ledger = place.ledger().await;
    let completed = async |number: usize| {
        eventually("the jobs to be completed", async || {
            let jobs = ledger
                .jobs(JobFilter {
                    limit: 10,
                    ..JobFilter::default()
                })
                .await
                .ok()?;
            let completed = jobs.iter().filter(|job| job.state.as_str() == "completed").count();
            (completed == number).then_some(())
        })
        .await;
    };
    completed(1).await;
    assert_eq!(desk.number(&["XLEN", &desk.key("inbox")]).await, 1);
    desk.has_memory("0").await;
    desk.cleared().await;
    completed(2).await;
    assert_eq!(worker.stop(), Some(0));
    let told = read(told);
    let lines = |with: &str| told.lines().filter(|line| line.contains(with)).count();
    assert_eq!(lines("Redis cannot be asked for jobs of other programs"), 1, "{told}");
    assert_eq!(
        lines("Redis can be asked for jobs of other programs again"),
        1,
        "{told}"
    );
    assert_eq!(lines("WARN"), 1, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_there_is_no_room_for_keeps_no_entry() {
    let server = RedisServer::private().await;
    let mut desk = Desk::new(&server).await;
    desk.make_group().await;
    let reply_to = desk.key("replies");
    let document = json!({ "kind": "add-customer", "rows": [customer()], "reply_to": reply_to });
    for _ in 0..3 {
        desk.send("job", document.to_string().as_bytes()).await;
    }
    desk.has_memory("1").await;
    let gatekeeper = Gatekeeper::default();
    let serving = desk.serve(gatekeeper.clone());
    desk.cleared().await;
    assert_eq!(gatekeeper.came.load(Ordering::SeqCst), 3);
    assert_eq!(desk.number(&["XLEN", &reply_to]).await, 0);
    desk.has_memory("0").await;
    desk.send("job", document.to_string().as_bytes()).await;
    desk.cleared().await;
    assert_eq!(desk.number(&["XLEN", &reply_to]).await, 1);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_redis_refuses_keeps_no_entry() {
    let server = RedisServer::private().await;
    let mut desk = Desk::new(&server).await;
    let mut command = redis::cmd("ACL");
    command
        .arg(&["SETUSER", "default", "resetkeys"])
        .arg(format!("~{}:*", desk.prefix));
    command.query_async::<()>(&mut desk.redis).await.expect("ACL");
    let document = json!({ "kind": "none", "rows": [customer()], "reply_to": "not-for-us" });
    desk.send("job", document.to_string().as_bytes()).await;
    let document = json!({ "kind": "add-customer", "rows": [customer()], "reply_to": "not-for-us" });
    desk.send("job", document.to_string().as_bytes()).await;
    let serving = desk.serve(Gatekeeper::default());
    desk.cleared().await;
    assert_eq!(desk.rejection().await.2[0]["path"], "$.kind");
    serving.end().await;
}

/// A worker that dies between the two leaves an entry that is pending and gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_deleted_without_acknowledgement_stops_no_reader() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    desk.make_group().await;
    let gone = desk.send("job", &good()).await;
    desk.send("job", &good()).await;
    let inbox = desk.key("inbox");
    let mut command = redis::cmd("XREADGROUP");
    command.arg(&["GROUP", "tenantry", "somebody-else", "STREAMS", &inbox, ">"]);
    let _: redis::Value = command.query_async(&mut desk.redis).await.expect("read");
    assert_eq!(desk.number(&["XDEL", &inbox, &gone]).await, 1);
    let doorman = Doorman::default();
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    assert_eq!(doorman.came().len(), 1);
    serving.end().await;
}
