//! Jobs about the same customers take effect in the order in which they were accepted, however many workers there are and
//! whichever of them is killed. `TENANTRY_ORDER_JOBS` says how many jobs; a long run takes 20,000.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tenantry_foundation::db::Dialect;
use tenantry_ledger::Ledger;

use super::mixture::Dice;
use crate::invariants::violations;
use crate::place::{On, Place, Running, apply, on_both};
use crate::servers::{RedisServer, eventually_within, patience_for};

const CUSTOMERS: usize = 20;
const WORKERS: usize = 3;
const KILLS: usize = 6;

#[expect(clippy::disallowed_methods, reason = "the rule is for the program")]
fn jobs() -> usize {
    let said = std::env::var("TENANTRY_ORDER_JOBS").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(1_200)
}

async fn found(ledger: &Ledger) {
    let mut customers = String::from(
        "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country,external_id\n",
    );
    for n in 0..CUSTOMERS {
        customers.push_str(&format!(
            "order{n},Order {n} Ltd,Ada,Berg,ada@order{n}.example,Ring {n},Berlin,10115,DE,O-{n}\n"
        ));
    }
    apply(ledger, "add-customer", &customers).await;
}

/// Jobs that each give a customer another telephone number, and the last one of each customer.
fn documents(dice: &mut Dice, jobs: usize) -> (Vec<String>, BTreeMap<String, String>) {
    let mut last = BTreeMap::new();
    let documents = (0..jobs).map(|number| {
        let customer = format!("O-{}", dice.roll(CUSTOMERS));
        let phone = format!("+49 30 {number:07}");
        let row = json!({ "customer": customer, "phone": phone });
        last.insert(customer, phone);
        json!({ "kind": "update-account", "rows": [row] }).to_string()
    });
    (documents.collect(), last)
}

/// What is wrong with the order in which jobs took effect, told by what each found and left.
async fn out_of_order(ledger: &Ledger, last: BTreeMap<String, String>) -> Vec<String> {
    let read = ledger.db().read(|tx| {
        let phone = |of: &str| match tx.dialect() {
            Dialect::Sqlite => format!("{of} ->> 'phone'"),
            Dialect::Postgres => format!("CAST({of} AS json)->>'phone'"),
        };
        let sql = format!(
            "SELECT target, job, {}, {} FROM every_image WHERE object = 'customer' ORDER BY target, job",
            phone("before"),
            phone("after")
        );
        let changes = tx.query(&sql, &[])?;
        let left = tx.query("SELECT external_id, phone FROM customers", &[])?;
        Ok((changes, left))
    });
    let (changes, left) = read.await.expect("read");
    let mut wrong = Vec::new();
    for two in changes.windows(2) {
        let text = |at: usize, column| two[at].text_or_empty(column).expect("a text").to_owned();
        if two[0].int(0).ok() == two[1].int(0).ok() && text(0, 3) != text(1, 2) {
            wrong.push(format!(
                "{:?} found {} where {:?} had left {}",
                two[1].int(1),
                text(1, 2),
                two[0].int(1),
                text(0, 3)
            ));
        }
    }
    for row in left {
        let (customer, phone) = (row.text(0).expect("an id"), row.text_or_empty(1).expect("a text"));
        if last
            .get(customer)
            .is_some_and(|last| last.replace(' ', "") != phone.replace(' ', ""))
        {
            wrong.push(format!(
                "{customer} is left with {phone}, and not with {:?}",
                last.get(customer)
            ));
        }
    }
    wrong
}

/// Kills workers now and then, until all jobs have ended.
async fn storm(ledger: &Ledger, jobs: usize, dice: &mut Dice, start: &dyn Fn() -> Running) {
    let mut workers: Vec<Running> = (0..WORKERS).map(|_| start()).collect();
    for _ in 0..KILLS + jobs / 1_000 {
        tokio::time::sleep(Duration::from_millis(100 + dice.roll(400) as u64)).await;
        let victim = dice.roll(workers.len());
        workers[victim].kill();
        workers[victim] = start();
    }
    eventually_within(patience_for(jobs), "all jobs to end", async || {
        let ended = ledger.db().read(|tx| {
            let sql = "SELECT COUNT(*) FROM jobs WHERE kind = 'update-account' AND state = 'completed'";
            tx.query_first(sql, &[])?.map_or(Ok(0), |row| row.int(0))
        });
        (ended.await.expect("asked") == jobs as i64).then_some(())
    })
    .await;
}

on_both! {
    async fn jobs_that_are_queued_take_effect_in_their_order(place: Place) {
        let ledger = place.ledger().await;
        found(&ledger).await;
        let mut dice = Dice::new(11);
        let (documents, last) = documents(&mut dice, jobs());
        let mut submitting = place.command(&["submit", "--jobs", "-"]);
        let mut submitting = submitting.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("tenantry starts");
        let mut lines = submitting.stdin.take().expect("a pipe");
        let text = documents.join("\n") + "\n";
        let written = std::thread::spawn(move || lines.write_all(text.as_bytes()));
        let start = || Running(place.hurried(&["worker"]).stderr(Stdio::null()).spawn().expect("a worker starts"));
        storm(&ledger, documents.len(), &mut dice, &start).await;
        written.join().expect("joined").expect("written");
        assert!(submitting.wait().expect("it ends").success());
        assert_eq!(out_of_order(&ledger, last).await, Vec::<String>::new());
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    }

    async fn jobs_of_the_inbox_take_effect_in_the_order_of_the_stream(place: Place) {
        let server = RedisServer::shared().await;
        let ledger = place.ledger().await;
        found(&ledger).await;
        let mut dice = Dice::new(12);
        let (documents, last) = documents(&mut dice, jobs());
        let prefix = server.prefix();
        let start = || {
            let mut worker = place.hurried(&["worker"]);
            worker.env("TENANTRY__QUEUE__URL", server.url()).env("TENANTRY__QUEUE__PREFIX", &prefix);
            Running(worker.stderr(Stdio::null()).spawn().expect("a worker starts"))
        };
        let mut redis = server.connect().await;
        let sent = async {
            for some in documents.chunks(25) {
                let mut pipe = redis::pipe();
                for document in some {
                    pipe.cmd("XADD").arg(format!("{prefix}:inbox")).arg(&["*", "job", document]).ignore();
                }
                pipe.query_async::<()>(&mut redis).await.expect("sent");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ((), ()) = tokio::join!(sent, storm(&ledger, documents.len(), &mut dice, &start));
        assert_eq!(out_of_order(&ledger, last).await, Vec::<String>::new());
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    }
}
