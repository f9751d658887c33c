//! Several workers and one partner's limits: kept together through Redis, and by each for itself without it.

use std::process::{Command, Stdio};
use std::time::Duration;

use tenantry_ledger::JobState;
use tenantry_sandbox::Options;

use super::USERS;
use crate::place::{On, Place, Running, tables};
use crate::sandbox::{Here, TOKEN};
use crate::servers::{RedisServer, eventually};

/// Workers of one ledger and one Redis, and a sandbox that lets a customer be called this often a second.
struct Workers {
    here: Here,
    place: Place,
    redis: RedisServer,
    prefix: String,
    customer: String,
}

impl Workers {
    async fn new(limit: u32) -> Self {
        let here = Here::live(Options {
            rate_limit: Some(limit),
            latency: Duration::from_millis(20),
            ..Options::default()
        })
        .await;
        let redis = RedisServer::private().await;
        Self {
            customer: here.customer("alpha").await,
            prefix: redis.prefix(),
            place: Place::new(On::Sqlite).await,
            here,
            redis,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command
            .env("TENANTRY__QUEUE__URL", self.redis.url())
            .env("TENANTRY__QUEUE__PREFIX", &self.prefix)
            .env("TENANTRY__INBOX__ENABLED", "false")
            .env("TENANTRY__WORKER__CHUNK_ROWS", "40")
            .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
            .env("TENANTRY__PARTNER_CENTER__API_URL", &self.here.base)
            .env("TENANTRY__PARTNER_CENTER__TENANT", "partner.example")
            .env("TENANTRY__PARTNER_CENTER__TOKEN", TOKEN)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn submit(&self, name: &str, rows: usize) {
        let mut users = USERS.to_owned();
        for n in 0..rows {
            users.push_str(&format!(
                "{},{name}{n}@alpha.onmicrosoft.com,{name},N{n},GB,,\n",
                self.customer
            ));
        }
        let file = format!("{name}.csv");
        self.place.write(&file, users);
        let submitted = self.command(&["submit", "bulk-add-users", &file]).status();
        assert_eq!(submitted.expect("tenantry starts").code(), Some(0));
    }

    fn start(&self) -> Running {
        Running(self.command(&["worker"]).spawn().expect("a worker starts"))
    }

    /// Every job has ended, with every row applied.
    async fn ended(&self, jobs: usize) {
        let ledger = self.place.ledger().await;
        eventually("the jobs to end", async || {
            let mut all = tables::jobs(&ledger).await.into_iter();
            let open = [JobState::Queued, JobState::Running, JobState::Retryable];
            (!all.any(|job| open.contains(&job.state))).then_some(())
        })
        .await;
        let mut fine = tables::jobs(&ledger).await;
        fine.retain(|job| job.state == JobState::Completed && job.counts.applied == job.counts.total);
        assert_eq!(fine.len(), jobs);
    }

    /// Workers that have claimed chunks.
    async fn hands(&self) -> usize {
        let ledger = self.place.ledger().await;
        tables::claimants(&ledger).await.len()
    }

    /// Redis's time, in milliseconds.
    async fn time(&self) -> u64 {
        let mut connection = self.redis.connect().await;
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await.expect("TIME");
        seconds * 1000 + micros / 1000
    }

    /// Nobody is to call whose limit is known for so many milliseconds; until when that is.
    async fn block_for(&self, millis: u64) -> u64 {
        let until = self.time().await + millis;
        let mut connection = self.redis.connect().await;
        for name in self.board().await.0 {
            let of = |command: &str, field: &str| redis::cmd(command).arg(&name).arg(field).to_owned();
            let rate: f64 = of("HGET", "rate").query_async(&mut connection).await.expect("HGET");
            if rate == 0.0 {
                continue;
            }
            let _: u64 = of("HSET", "till")
                .arg(until)
                .query_async(&mut connection)
                .await
                .expect("HSET");
            let _: u64 = of("HINCRBY", "turn")
                .arg(1)
                .query_async(&mut connection)
                .await
                .expect("HINCRBY");
        }
        until
    }

    /// Names of what is kept of limits, and all of it as text.
    async fn board(&self) -> (Vec<String>, String) {
        let mut connection = self.redis.connect().await;
        let pattern = format!("{}:pace:*", self.prefix);
        let names: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut connection)
            .await
            .expect("KEYS");
        let mut kept = names.join(" ");
        for name in &names {
            let hash: Vec<String> = redis::cmd("HGETALL")
                .arg(name)
                .query_async(&mut connection)
                .await
                .expect("HGETALL");
            let ttl: i64 = redis::cmd("TTL")
                .arg(name)
                .query_async(&mut connection)
                .await
                .expect("TTL");
            assert!(ttl > 0, "{name} stays for ever");
            kept.push_str(&hash.join(" "));
        }
        (names, kept)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_keep_a_limit_together_and_a_new_one_knows_it() {
    let workers = Workers::new(25).await;
    workers.submit("first", 200);
    let (mut one, mut other) = (workers.start(), workers.start());
    eventually("both to have work", async || (workers.hands().await == 2).then_some(())).await;
    workers.ended(1).await;
    assert_eq!(workers.here.effects("create-user").await, 200);
    // How few of the calls are refused is for the rehearsal of pacers, whose clock no other program slows down.
    let (_, throttled) = workers.here.throttled().await;
    assert!(throttled > 0, "the limit was never met");
    one.kill();
    other.kill();

    let (names, kept) = workers.board().await;
    assert_eq!(names.len(), 2, "the partner and its customer: {kept}");
    for secret in [TOKEN, "partner.example", workers.customer.as_str()] {
        assert!(!kept.contains(secret), "{secret} is in {kept}");
    }
    // A new worker keeps to the shared limit from its first call on.
    let until = workers.block_for(4_000).await;
    workers.submit("second", 10);
    let (before, _) = workers.here.throttled().await;
    let _third = workers.start();
    eventually("the first call", async || {
        let (calls, _) = workers.here.throttled().await;
        (calls > before).then_some(())
    })
    .await;
    assert!(workers.time().await >= until, "it called before it had looked");
    workers.ended(2).await;
    assert_eq!(workers.here.effects("create-user").await, 210);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_workers_go_on() {
    let mut workers = Workers::new(25).await;
    workers.submit("first", 160);
    let _workers = (workers.start(), workers.start());
    eventually("a good part to be done", async || {
        let done = workers.here.effects("create-user").await;
        (workers.hands().await == 2 && done > 40).then_some(())
    })
    .await;
    workers.redis.kill9().await;
    let so_far = workers.here.effects("create-user").await;
    assert!(so_far < 160, "it was over before Redis was gone");
    workers.ended(1).await;
    // Each paces by itself what it does. How few of the calls are refused then is for the rehearsal of pacers.
    assert_eq!(workers.here.effects("create-user").await, 160);
}
