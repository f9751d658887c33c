//! Customers that somebody else keeps locked for longer than a chunk waits for them.

use std::time::Duration;

use tenantry::testing::submit::Submitted;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::ConnectOptions;
use tenantry_ledger::{JobState, Ledger};

use super::{users, with_customer};
use crate::invariants::violations;
use crate::place::{On, Place, TestJob, Work, column};
use crate::servers::{connect, eventually};

/// The chunk is set back as for a database that is away, and says why; nothing of it counts, and no row fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_is_locked_for_long_delays_its_job_and_fails_no_row() {
    let place = Place::new(On::Postgres).await;
    with_customer(&place).await;
    let options = ConnectOptions {
        lock_wait: Duration::from_millis(10),
        ..ConnectOptions::with_connections(4)
    };
    let ledger = Ledger::open_with(&place.url, options, Clock::system())
        .await
        .expect("a ledger");
    let outside = connect(&place.url).await.expect("a connection");
    outside
        .batch_execute("BEGIN; SELECT 1 FROM customers FOR UPDATE")
        .await
        .expect("a lock");
    let Submitted::Queued(id) = TestJob::new(&ledger, "bulk-add-users", &users(10)).submit().await else {
        panic!("queued")
    };
    let job = ledger.job(id).await.expect("asked").expect("there");
    let unlocked = async {
        let told = eventually("the chunk to be set back", async || {
            let set_back = "SELECT CAST(failures AS TEXT) || ' ' || message FROM chunks WHERE setbacks > 0";
            column(ledger.db(), set_back).await.pop()
        })
        .await;
        outside.batch_execute("ROLLBACK").await.expect("unlocked");
        told
    };
    let (told, job) = tokio::join!(unlocked, Work::on(&ledger, &job).until_idle());
    assert!(
        told.starts_with("0 ") && told.contains("kept the same records locked for 10ms"),
        "{told}"
    );
    let counts = (job.counts.applied, job.counts.failed);
    assert_eq!((job.state, counts), (JobState::Completed, (10, 0)));
    assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
}
