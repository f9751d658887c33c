//! Many jobs of one row on the same customers, while workers are killed and Redis forgets everything: what is left is what a calm run
//! leaves. `TENANTRY_STORM_JOBS` says how many; a long run takes 20,000.

use super::*;
use crate::contention::mixture::Dice;
use crate::invariants::violations;
use crate::servers::{eventually_within, patience_for};

const CUSTOMERS: usize = 50;
/// Columns of `update-account`.
const LEFT_ALONE: [&str; 9] = [
    "company_name",
    "first_name",
    "last_name",
    "email",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "postal_code",
];

#[expect(clippy::disallowed_methods, reason = "the rule is for the program")]
fn jobs() -> usize {
    let said = std::env::var("TENANTRY_STORM_JOBS").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(240)
}

/// What the jobs find: customers with seats, and users who are changed or deleted.
async fn found(place: &Place, jobs: usize) {
    let mut customers = String::from(
        "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country,external_id\n",
    );
    let mut seats = String::from("customer,sku,seats\n");
    let mut users = String::from("customer,user_principal_name,first_name,last_name,usage_location\n");
    for n in 0..CUSTOMERS {
        customers.push_str(&format!(
            "storm{n},Storm {n} Ltd,Ada,Berg,ada@storm{n}.example,Ring {n},Berlin,10115,DE,S-{n}\n"
        ));
        seats.push_str(&format!("S-{n},SPB,{jobs}\n"));
    }
    for number in (0..jobs).filter(|number| matches!(number % 5, 2..=4)) {
        let n = number % CUSTOMERS;
        users.push_str(&format!("S-{n},old{number}@storm{n}.onmicrosoft.com,Old,{number},DE\n"));
    }
    let ledger = place.ledger().await;
    // So many jobs of one sender would wait for approval.
    place.needs_no_approval();
    for (kind, csv) in [
        ("add-customer", customers),
        ("set-seats", seats),
        ("bulk-add-users", users),
    ] {
        crate::place::apply(&ledger, kind, &csv).await;
    }
}

/// Jobs that come to the same in whatever order they are done.
fn documents(jobs: usize) -> Vec<String> {
    let document = |number: usize| {
        let n = number % CUSTOMERS;
        let customer = format!("S-{n}");
        let old = format!("old{number}@storm{n}.onmicrosoft.com");
        let (kind, row) = match number % 5 {
            // The same for a customer, whichever job comes last. Empty cells leave alone, and keep apart what would be one job.
            0 => {
                let mut row = json!({ "customer": customer, "phone": format!("+49 30 {n:05}") });
                for (bit, column) in LEFT_ALONE.iter().enumerate() {
                    if (number / CUSTOMERS) >> bit & 1 == 1 {
                        row[column] = "".into();
                    }
                }
                ("update-account", row)
            }
            1 => (
                "bulk-add-users",
                json!({ "customer": customer, "user_principal_name": format!("new{number}@storm{n}.onmicrosoft.com"),
                    "first_name": "New", "last_name": number.to_string(), "usage_location": "DE", "licenses": "SPB" }),
            ),
            2 => (
                "assign-licenses",
                json!({ "customer": customer, "user_principal_name": old, "assign": "SPB" }),
            ),
            3 => (
                "update-users",
                json!({ "customer": customer, "user_principal_name": old, "job_title": format!("Title {number}") }),
            ),
            _ => (
                "update-users",
                json!({ "customer": customer, "user_principal_name": old, "block_sign_in": "yes" }),
            ),
        };
        json!({ "kind": kind, "rows": [row], "idempotency_key": format!("storm {number}") }).to_string()
    };
    (0..jobs).map(document).collect()
}

async fn send_all(desk: &mut Desk, documents: &[String]) {
    for some in documents.chunks(500) {
        let mut pipe = redis::pipe();
        for document in some {
            pipe.cmd("XADD")
                .arg(desk.key("inbox"))
                .arg(&["*", "job", document])
                .ignore();
        }
        pipe.query_async::<()>(&mut desk.redis).await.expect("sent");
    }
}

fn worker(place: &Place, server: &RedisServer, desk: &Desk, more: &[&str]) -> Running {
    let mut worker = place.hurried(&["worker"]);
    worker
        .args(more)
        .env("TENANTRY__QUEUE__URL", server.url())
        .env("TENANTRY__QUEUE__PREFIX", &desk.prefix)
        .stderr(std::process::Stdio::null());
    Running(worker.spawn().expect("a worker starts"))
}

/// Customers, users and jobs without what depends on the order in which jobs were recorded.
async fn left(place: &Place) -> String {
    const LOOKS: [&str; 4] = [
        "SELECT c.external_id, c.phone, c.user_count FROM customers c ORDER BY c.external_id",
        "SELECT u.user_principal_name, u.display_name, u.job_title, u.licenses, u.flags FROM users u ORDER BY u.user_principal_name",
        "SELECT c.external_id, s.part_number, s.seats, s.assigned FROM subscribed_skus s JOIN customers c ON c.id = s.customer
         ORDER BY c.external_id, s.part_number",
        "SELECT kind, state, COUNT(*), CAST(SUM(total) AS BIGINT), CAST(SUM(rejected) AS BIGINT), CAST(SUM(failed) AS BIGINT)
         FROM jobs GROUP BY kind, state ORDER BY kind, state",
    ];
    let ledger = place.ledger().await;
    let look = ledger.db().read(|tx| {
        let mut text = String::new();
        for sql in LOOKS {
            for row in tx.query(sql, &[])? {
                text.push_str(&format!("{row:?}\n"));
            }
        }
        Ok(text)
    });
    look.await.expect("read")
}

async fn applied_or_unchanged(place: &Place, jobs: usize) -> bool {
    let ledger = place.ledger().await;
    let ask = ledger.db().read(|tx| {
        let sql = "SELECT COUNT(*) FROM jobs WHERE idempotency_key LIKE 'storm %' AND state = 'completed'";
        tx.query_first(sql, &[])?.map_or(Ok(0), |row| row.int(0))
    });
    ask.await.expect("asked") == jobs as i64
}

on_both! {
    async fn a_storm_leaves_the_same_as_a_calm_run(place: Place) {
        let mut server = RedisServer::private().await;
        let jobs = jobs();
        let documents = documents(jobs);
        let calm = Place::new(if place.url.starts_with("sqlite") { On::Sqlite } else { On::Postgres }).await;
        let mut desk = Desk::new(&server).await;
        found(&calm, jobs).await;
        send_all(&mut desk, &documents).await;
        assert!(worker(&calm, &server, &desk, &["--drain"]).0.wait().expect("it ends").success());
        let refused = desk.read(&desk.key("inbox:rejected")).await;
        assert!(applied_or_unchanged(&calm, jobs).await, "{:?} {}", refused.first(), left(&calm).await);

        let mut desk = Desk::new(&server).await;
        found(&place, jobs).await;
        send_all(&mut desk, &documents).await;
        let mut dice = Dice::new(7);
        let mut workers: Vec<Running> = (0..3).map(|_| worker(&place, &server, &desk, &[])).collect();
        for blow in 0..12 + jobs / 100 {
            tokio::time::sleep(Duration::from_millis(60 + dice.roll(240) as u64)).await;
            match blow % 4 {
                // The sender sends again what Redis forgets; what was recorded is known by its key.
                3 if blow % 8 == 3 => {
                    redis::cmd("FLUSHALL").query_async::<()>(&mut desk.redis).await.expect("flushed");
                    send_all(&mut desk, &documents).await;
                }
                3 => {
                    server.kill9().await;
                    server.start().await;
                    desk.redis = server.connect().await;
                    send_all(&mut desk, &documents).await;
                }
                _ => {
                    let one = dice.roll(workers.len());
                    workers[one] = worker(&place, &server, &desk, &[]);
                }
            }
        }
        let patience = patience_for(jobs);
        eventually_within(patience, "all jobs to end", async || applied_or_unchanged(&place, jobs).await.then_some(())).await;
        drop(workers);
        assert!(worker(&place, &server, &desk, &["--drain"]).0.wait().expect("it ends").success());
        assert_eq!(left(&place).await, left(&calm).await);
        let ledger = place.ledger().await;
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
        assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
    }
}
