//! A Redis that takes nothing, or does not answer: workers go on with what the ledger has, and nobody loses anything.

use super::*;
use crate::place::read;

const HEADER: &str =
    "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country,external_id\n";

/// What is wrong with a Redis.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The commands that bring it about, and that end it.
    Setting(&'static [&'static str], &'static [&'static str]),
    /// Its process stands still.
    Halted,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Setting(
        &["CONFIG", "SET", "maxmemory", "1"],
        &["CONFIG", "SET", "maxmemory", "0"],
    ),
    Trouble::Setting(&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]),
    Trouble::Setting(
        &["CONFIG", "SET", "min-replicas-to-write", "1"],
        &["CONFIG", "SET", "min-replicas-to-write", "0"],
    ),
    Trouble::Setting(
        &["ACL", "SETUSER", "default", "-@write"],
        &["ACL", "SETUSER", "default", "+@write"],
    ),
    Trouble::Setting(
        &["ACL", "SETUSER", "default", "-@read"],
        &["ACL", "SETUSER", "default", "+@read"],
    ),
    Trouble::Halted,
];

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_the_ledger_end_despite_any_trouble_of_redis() {
    let server = RedisServer::private().await;
    let mut redis = server.connect().await;
    let place = Place::new(On::Sqlite).await;
    let told = place.path("told");
    let with_queue = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("TENANTRY__QUEUE__URL", server.url());
        command
    };
    let mut worker = with_queue(&["worker"]);
    worker.stdout(std::process::Stdio::null());
    worker.stderr(std::fs::File::create(&told).expect("a file"));
    let mut worker = Running(worker.spawn().expect("tenantry starts"));
    let ledger = place.ledger().await;
    for (n, trouble) in TROUBLES.into_iter().enumerate() {
        set(trouble, &server, &mut redis, true).await;
        let name = format!("{n}.csv");
        let row = format!("alpha{n},Alpha {n},Ada,Berg,ada@alpha{n}.example,Ring 1,Berlin,10115,DE,A-{n}\n");
        place.write(&name, HEADER.to_owned() + &row);
        let submitted = with_queue(&["submit", "add-customer", &name, "--json"])
            .output()
            .expect("it runs");
        let submitted: Value = serde_json::from_slice(&submitted.stdout).expect("JSON");
        let id: JobId = submitted["job"].as_str().expect("a job").parse().expect("an id");
        eventually("the job to end without Redis", async || {
            let job = ledger.job(id).await.ok()??;
            (job.state.as_str() == "completed").then_some(())
        })
        .await;
        set(trouble, &server, &mut redis, false).await;
        // And one that comes in by Redis, now that it is well.
        let mut command = redis::cmd("XADD");
        let customer = format!("B-{n}");
        let row = json!({ "domain": format!("beta{n}"), "company_name": "Beta", "first_name": "Bo", "last_name": "Ek",
            "email": "bo@beta.example", "address_line1": "Ring 2", "city": "Berlin", "postal_code": "10115",
            "country": "DE", "external_id": customer });
        let document = json!({ "kind": "add-customer", "rows": [row] }).to_string();
        command.arg("tenantry:inbox").arg("*").arg("job").arg(document);
        command.query_async::<()>(&mut redis).await.expect("XADD");
    }
    eventually("every document to be carried out", async || {
        let jobs = ledger
            .jobs(JobFilter {
                limit: 100,
                ..JobFilter::default()
            })
            .await
            .ok()?;
        let completed = jobs.iter().filter(|job| job.state.as_str() == "completed").count();
        (completed == 2 * TROUBLES.len()).then_some(())
    })
    .await;
    assert_eq!(worker.stop(), Some(0));
    // Each trouble is told, and none of them again and again.
    let told = read(&told);
    let warnings = told.lines().filter(|line| line.contains("WARN")).count();
    assert!((1..=6 * TROUBLES.len()).contains(&warnings), "{told}");
}

async fn set(trouble: Trouble, server: &RedisServer, redis: &mut MultiplexedConnection, begins: bool) {
    match trouble {
        Trouble::Setting(begin, end) => {
            let words = if begins { begin } else { end };
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            command.query_async::<()>(redis).await.expect("a setting");
        }
        Trouble::Halted if begins => server.halt(),
        Trouble::Halted => server.go_on(),
    }
}
