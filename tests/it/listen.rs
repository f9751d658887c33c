//! What a worker answers over HTTP: to supervisors, to Prometheus, and to those who mean no good.

mod dashboards;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::place::{CUSTOMERS, On, Place, Running, on_both, read};
use crate::servers::prometheus::{Prometheus, checked, client};
use crate::servers::{PgServer, RedisServer, connect, eventually};

/// A worker that listens.
pub(crate) struct Listening {
    worker: Running,
    address: String,
}

impl Listening {
    async fn start(place: &Place, settings: &[(&str, &str)]) -> Self {
        let mut command = place.hurried(&["worker"]);
        command.envs(settings.iter().copied());
        Self::of(command, &place.path("worker.log")).await
    }

    /// As the command says, and logs to this file.
    pub(crate) async fn of(mut command: Command, log: &Path) -> Self {
        command.args(["--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::null()).stderr(File::create(log).expect("a log"));
        let worker = Running(command.spawn().expect("a worker starts"));
        let address = eventually("the worker to listen", async || {
            let log = read(log);
            let after = log.split("answering at http://").nth(1)?;
            Some(after.split('/').next()?.to_owned())
        })
        .await;
        Self { worker, address }
    }

    /// Status and text of an answer.
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("http://{}{path}", self.address)).send().await;
        let answer = answer.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// The value of a series, once there is one.
    pub(crate) async fn value(&self, series: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().expect("a number"))
    }

    pub(crate) async fn has(&self, series: &str, value: f64) {
        eventually(&format!("{series} to be {value}"), async || {
            (self.value(series).await == Some(value)).then_some(())
        })
        .await;
    }
}

const SEATS: &str = "customer,sku,seats\nA-1,SPB,5\nA-1,NOSUCH,5\nA-1,EXCHANGEDESKLESS,3\n";

on_both! {
    async fn finished_work_is_counted_where_it_was_done(place: Place) {
        place.write("customers.csv", CUSTOMERS);
        place.write("seats.csv", SEATS);
        let listening = Listening::start(&place, &[]).await;
        assert_eq!(listening.get("/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(listening.get("/readyz").await, (200, "ready\n".to_owned()));
        assert_eq!(listening.get("/").await.0, 404);
        assert_eq!(listening.value("tenantry_ledger_up").await, Some(1.0));
        place.tenantry(&["submit", "add-customer", "customers.csv", "--wait"]).ends(0);
        place.tenantry(&["submit", "set-seats", "seats.csv", "--wait", "--skip-invalid"]).ends(1);
        listening.has("tenantry_jobs_finished_total{state=\"completed\",kind=\"set-seats\"}", 1.0).await;
        for (series, value) in [
            ("tenantry_jobs_finished_total{state=\"completed\",kind=\"add-customer\"}", 1.0),
            ("tenantry_rows_total{kind=\"add-customer\",outcome=\"applied\"}", 1.0),
            ("tenantry_rows_total{kind=\"set-seats\",outcome=\"applied\"}", 2.0),
            ("tenantry_chunk_duration_seconds_count{kind=\"set-seats\",store=\"sql\"}", 1.0),
            ("tenantry_job_duration_seconds_count{kind=\"set-seats\"}", 1.0),
            ("tenantry_job_queue_wait_seconds_count{kind=\"set-seats\"}", 1.0),
        ] {
            assert_eq!(listening.value(series).await, Some(value), "{series}");
        }
        for series in [
            "tenantry_ledger_op_duration_seconds_count{op=\"read\"}",
            "tenantry_ledger_op_duration_seconds_count{op=\"write\"}",
        ] {
            assert!(listening.value(series).await > Some(0.0), "{series}");
        }
        listening.has("tenantry_audit_faults", 0.0).await;
        for series in ["tenantry_spool_bytes", "tenantry_audit_records_total"] {
            assert!(listening.value(series).await.is_some(), "{series}");
        }
        // Submitted elsewhere, by a process that has counted it itself.
        assert_eq!(listening.value("tenantry_jobs_submitted_total{kind=\"set-seats\",via=\"cli\"}").await, None);
        listening.has("tenantry_workers{status=\"live\"}", 1.0).await;
        let (_, text) = listening.get("/metrics").await;
        assert_eq!(checked(&text), "", "{text}");
        for of_people in ["A-1", "alpha", "customers.csv", "tester"] {
            assert!(!text.contains(of_people), "{of_people}: {text}");
        }
    }

    async fn rows_that_are_given_up_are_counted_and_so_is_the_end_of_their_job(place: Place) {
        place.write("customers.csv", CUSTOMERS);
        place.tenantry(&["submit", "add-customer", "customers.csv"]).ends(0);
        let lost = place.ledger().await.db().clone();
        lost.write(|tx| tx.exec("DELETE FROM spool", &[]).map(drop)).await.expect("planted");
        let guard = if place.url.starts_with("sqlite") { "audit_no_update" } else { "audit_no_change ON audit" };
        for sql in [format!("DROP TRIGGER {guard}"), "UPDATE audit SET note = 'nothing' WHERE seq = 1".to_owned()] {
            lost.write(move |tx| tx.exec(&sql, &[]).map(drop)).await.expect("planted");
        }
        let listening = Listening::start(&place, &[]).await;
        listening.has("tenantry_jobs_finished_total{state=\"failed\",kind=\"add-customer\"}", 1.0).await;
        for series in [
            "tenantry_rows_total{kind=\"add-customer\",outcome=\"failed\"}",
            "tenantry_chunk_failures_total{reason=\"damaged\"}",
            "tenantry_audit_faults",
        ] {
            assert_eq!(listening.value(series).await, Some(1.0), "{series}");
        }
    }

    async fn open_jobs_are_reported_in_any_state(place: Place) {
        let ledger = place.ledger().await;
        place.write("customers.csv", CUSTOMERS);
        let submitted = place.tenantry(&["submit", "add-customer", "customers.csv"]).ends(0);
        place.tenantry(&["pause", submitted.out.trim()]).ends(0);
        let plan = |sql: &'static str| {
            let ledger = ledger.clone();
            async move { ledger.db().write(move |tx| tx.exec(sql, &[]).map(drop)).await.expect("planted") }
        };
        plan("UPDATE jobs SET created_at = created_at - 3600000").await;
        let backlog = ledger.backlog().await.expect("counted");
        let told: Vec<_> = backlog.jobs.iter().map(|one| (one.state.as_str(), one.kind.as_str(), one.jobs, one.rows)).collect();
        assert_eq!(told, [("paused", "add-customer", 1, 1)]);
        let listening = Listening::start(&place, &[]).await;
        assert_eq!(listening.value("tenantry_jobs{state=\"paused\",kind=\"add-customer\"}").await, Some(1.0));
        assert_eq!(listening.value("tenantry_rows_pending{kind=\"add-customer\"}").await, Some(1.0));
        assert!(listening.value("tenantry_oldest_job_age_seconds{state=\"paused\"}").await >= Some(3_600.0));
        // Counted once while it is paused and about to be cancelled.
        plan("UPDATE jobs SET cancel_requested = 1").await;
        let backlog = ledger.backlog().await.expect("counted");
        assert_eq!(backlog.jobs.iter().map(|one| one.jobs).sum::<u64>(), 1);
    }
}

/// Real jobs, scraped and judged by a real Prometheus, by the rules and expressions that come with the program.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_understands_metrics_alerts_and_the_dashboard() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", CUSTOMERS);
    let listening = Listening::start(&place, &[("TENANTRY__LISTEN__TOKEN", "open \"sesame\"")]).await;
    place
        .tenantry(&["submit", "add-customer", "customers.csv", "--wait"])
        .ends(0);
    let targets = [listening.address.clone()];
    let prometheus = Prometheus::start(&targets, "open \"sesame\"", &dashboards::alerts()).await;
    let scraped = eventually("Prometheus to have scraped the worker", async || {
        let found = prometheus.query("tenantry_jobs_finished_total").await.expect("asked");
        found.into_iter().next()
    })
    .await;
    assert_eq!(Some(scraped.1), Some(1.0), "{scraped:?}");
    assert_eq!(scraped.0["kind"], "add-customer");
    let up = prometheus.query("up").await.expect("asked");
    assert_eq!(up.first().map(|up| up.1), Some(1.0));
    for expression in dashboards::expressions() {
        let answer = prometheus.query(&expression).await;
        assert!(answer.is_ok(), "{expression}: {answer:?}");
    }
    // Before the first answer it could but say that nobody works.
    let rules = eventually("Prometheus to find by the rules that all is well", async || {
        let rules = prometheus.rules().await;
        rules
            .iter()
            .all(|rule| rule["health"] != "unknown" && rule["state"] == "inactive")
            .then_some(rules)
    })
    .await;
    assert!(rules.len() >= 8, "{rules:?}");
    for rule in &rules {
        assert_eq!(
            (&rule["health"], &rule["lastError"]),
            (&"ok".into(), &serde_json::Value::Null),
            "{rule}"
        );
    }
}

/// The health check of the compose file, asked here: a worker that works is healthy, one that is not there is not.
#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_of_the_compose_file_fails_once_the_worker_stops() {
    let place = Place::new(On::Sqlite).await;
    let mut listening = Listening::start(&place, &[]).await;
    let compose = read(config("../docker-compose.yml"));
    let check = compose.lines().find_map(|line| line.trim().strip_prefix("- exec 3<>"));
    let (_, port) = listening.address.split_once(':').expect("a port");
    let check = format!("exec 3<>{}", check.expect("a check"))
        .replace("$$", "$")
        .replace("9464", port);
    let healthy = || {
        let asked = Command::new("bash").args(["-c", &check]).stderr(Stdio::null()).status();
        asked.expect("bash runs").success()
    };
    assert!(healthy(), "{check}");
    listening.worker.stop();
    assert!(!healthy(), "{check}");
}

/// Others than this machine are answered only with a token, and a token is asked for wherever there is one.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_address_needs_a_token_and_metrics_ask_for_it() {
    let place = Place::new(On::Sqlite).await;
    for (address, says) in [
        (
            "0.0.0.0:9464",
            "others can reach that; expected `listen.token` or `listen.token_file` with it, or `127.0.0.1:9464`",
        ),
        ("[::]:9464", "others can reach that"),
        (
            "localhost:9464",
            "expected an IP address and a port such as `127.0.0.1:9464`",
        ),
        ("9464", "expected an IP address and a port such as `127.0.0.1:9464`"),
    ] {
        let refused = place.tenantry(&["worker", "--drain", "--listen", address]).ends(2);
        assert!(
            refused.err.contains("listen.address") && refused.err.contains(says),
            "{refused:?}"
        );
    }
    place.write("token", "\n");
    let with_file = |file: &str| {
        let mut command = place.command(&["worker", "--drain", "--listen", "0.0.0.0:0"]);
        command.env("TENANTRY__LISTEN__TOKEN_FILE", file);
        command
    };
    for (file, says) in [
        ("token", "expected a token; the file is empty"),
        ("none", "No such file"),
    ] {
        let ended = with_file(file).output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(
            ended.status.code() == Some(2) && said.contains("listen.token_file") && said.contains(says),
            "{said}"
        );
    }
    let ended = with_file("token")
        .env("TENANTRY__LISTEN__TOKEN", "s3cret")
        .output()
        .expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        said.contains("expected it or `listen.token`, not both") && !said.contains("s3cret"),
        "{said}"
    );

    place.write("token", "s3cret\n");
    let file = place.path("token").display().to_string();
    let listening = Listening::start(&place, &[("TENANTRY__LISTEN__TOKEN_FILE", &file)]).await;
    let taken = place
        .tenantry(&["worker", "--drain", "--listen", &listening.address])
        .ends(2);
    let says = format!("`listen.address` = `{}` cannot be listened on", listening.address);
    assert!(taken.err.contains(&says), "{taken:?}");
    let metrics = format!("http://{}/metrics", listening.address);
    let client = client();
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer s3cre"), 401),
        (Some("Bearer "), 401),
        (Some("s3cret"), 401),
        (Some("Basic s3cret"), 401),
        (Some("Bearer s3cret"), 200),
        (Some("bearer s3cret"), 200),
    ] {
        let mut question = client.get(&metrics);
        if let Some(authorization) = authorization {
            question = question.header("authorization", authorization);
        }
        let answer = question.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{authorization:?}");
    }
    assert_eq!(listening.get("/healthz").await.0, 200);
    assert_eq!(listening.get("/readyz").await.0, 200);
}

/// A worker whose database is away lives, is not ready, and tells nothing of a ledger it cannot see.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_its_ledger_lives_and_is_not_ready() {
    let mut server = PgServer::private().await;
    let place = Place {
        url: server.database().await,
        ..Place::new(On::Sqlite).await
    };
    let listening = Listening::start(&place, &[]).await;
    listening.has("tenantry_workers{status=\"live\"}", 1.0).await;
    server.kill9().await;
    eventually("the worker not to be ready", async || {
        (listening.get("/readyz").await == (503, "ledger\n".to_owned())).then_some(())
    })
    .await;
    assert_eq!(listening.get("/healthz").await.0, 200);
    listening.has("tenantry_ledger_up", 0.0).await;
    assert_eq!(listening.value("tenantry_workers{status=\"live\"}").await, None);
    assert!(
        listening
            .value("tenantry_ledger_errors_total{reason=\"unavailable\"}")
            .await
            > Some(0.0)
    );
    server.start().await;
    eventually("the worker to be ready again", async || {
        (listening.get("/readyz").await.0 == 200).then_some(())
    })
    .await;
    listening.has("tenantry_workers{status=\"live\"}", 1.0).await;
}

/// A worker that is to stop is not ready, and answers until its last chunk has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_says_so_until_its_last_chunk_has_ended() {
    let place = Place::new(On::Postgres).await;
    place.write("customers.csv", CUSTOMERS);
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    place.write("seats.csv", "customer,sku,seats\nA-1,SPB,5\n");
    let outside = connect(&place.url).await.expect("a connection");
    let lock = "BEGIN; SELECT 1 FROM customers FOR UPDATE";
    outside.batch_execute(lock).await.expect("a lock");
    place.tenantry(&["submit", "set-seats", "seats.csv"]).ends(0);
    let settings = [("TENANTRY__WORKER__LEAVE_WITHIN", "60s")];
    let mut listening = Listening::start(&place, &settings).await;
    listening.has("tenantry_leases_held", 1.0).await;
    let pid = rustix::process::Pid::from_child(&listening.worker.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal is sent");
    eventually("the worker to say that it stops", async || {
        (listening.get("/readyz").await == (503, "stopping\n".to_owned())).then_some(())
    })
    .await;
    assert_eq!(listening.get("/healthz").await.0, 200);
    outside.batch_execute("ROLLBACK").await.expect("unlocked");
    let ended = listening.worker.0.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0));
}

/// Neither many connections nor heads without an end keep others from being answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_holds_connections_open_keeps_no_other_out_for_long() {
    let place = Place::new(On::Sqlite).await;
    let listening = Listening::start(&place, &[]).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(&listening.address).await.expect("connected");
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nx: ")
            .await
            .expect("written");
        held.push(stream);
    }
    // Let in once the first of them have taken too long.
    assert_eq!(listening.get("/healthz").await.0, 200);
    let mut said = Vec::new();
    let _ = held[0].read_to_end(&mut said).await;
    assert!(!String::from_utf8_lossy(&said).contains("200"), "it was closed");
    let mut stream = TcpStream::connect(&listening.address).await.expect("connected");
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    let _ = stream.write_all(head.as_bytes()).await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("200 OK"), "{said}");
}

/// What comes in over Redis, and what is refused there, is counted by the worker that has read it.
#[tokio::test(flavor = "multi_thread")]
async fn entries_of_the_inbox_are_counted() {
    let redis = RedisServer::shared().await;
    let place = Place::new(On::Sqlite).await;
    let prefix = redis.prefix();
    let (url, stream) = (redis.url(), format!("{prefix}:inbox"));
    let settings = [
        ("TENANTRY__QUEUE__URL", url.as_str()),
        ("TENANTRY__QUEUE__PREFIX", &prefix),
    ];
    let listening = Listening::start(&place, &settings).await;
    let customer = serde_json::json!({
        "domain": "alpha", "company_name": "Alpha Ltd", "first_name": "Ada", "last_name": "Lovelace",
        "email": "ada@alpha.example", "address_line1": "1 High Street", "city": "London", "postal_code": "N1 9GU",
        "country": "GB",
    });
    let mut nowhere = customer.clone();
    nowhere["country"] = "Nowhere".into();
    let document = |row: &serde_json::Value| serde_json::json!({ "kind": "add-customer", "rows": [row] }).to_string();
    let mut connection = redis.connect().await;
    for job in [document(&customer), document(&nowhere), "{".to_owned()] {
        let mut add = redis::cmd("XADD");
        add.arg(&[&stream, "*", "job", &job]);
        add.query_async::<()>(&mut connection).await.expect("added");
    }
    listening
        .has(
            "tenantry_jobs_finished_total{state=\"completed\",kind=\"add-customer\"}",
            1.0,
        )
        .await;
    listening
        .has("tenantry_inbox_rejected_total{reason=\"document\"}", 1.0)
        .await;
    listening
        .has("tenantry_inbox_rejected_total{reason=\"rows\"}", 1.0)
        .await;
    for (series, value) in [
        (
            "tenantry_jobs_submitted_total{kind=\"add-customer\",via=\"inbox\"}",
            1.0,
        ),
        ("tenantry_jobs_refused_total{kind=\"add-customer\"}", 1.0),
    ] {
        assert_eq!(listening.value(series).await, Some(value), "{series}");
    }
    listening.has("tenantry_inbox_lag", 0.0).await;
}

fn config(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config").join(file)
}
