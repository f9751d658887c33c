//! The same work, asked for again or carried out by several: it is done once. That rows which come again in another job
//! are unchanged, each case of the other topics shows.

use tenantry::testing::plan::Limits;
use tenantry::testing::submit::Submitted;
use tenantry_ledger::{JobId, Parameters};

use super::{Store, StoreUnderTest, on_every_store};
use crate::place::by;

const USERS: &str = "customer,user_principal_name,first_name\n{a},three@{a},Three\n{a},four@{a},Four\n";

/// The id of a job, and whether it is a new one.
fn id(submitted: &Submitted) -> (JobId, bool) {
    match submitted {
        Submitted::Queued(id) => (*id, true),
        Submitted::Same(id) => (*id, false),
        _ => panic!("it was not queued"),
    }
}

async fn the_same_file_is_the_same_job_until_it_has_ended(store: Store) {
    let env = StoreUnderTest::new(store).await;
    let submit = async || {
        id(&env
            .submit("bulk-add-users", USERS, Limits::NONE)
            .await
            .expect("submitted"))
    };
    let (first, _) = submit().await;
    assert_eq!(submit().await, (first, false));
    let job = env.ledger.job(first).await.expect("asked").expect("there");
    env.until_idle(&job).await;
    let (second, is_new) = submit().await;
    assert!(is_new && second != first);
    let job = env.ledger.job(second).await.expect("asked").expect("there");
    let job = env.until_idle(&job).await;
    assert_eq!(env.ends(&job).await, ["unchanged", "unchanged"]);
}

on_every_store!(the_same_file_is_the_same_job_until_it_has_ended);

mod key {
    use super::*;

    async fn stands_for_one_job(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let submit = async |rows: &str| {
            let key = Some("monday");
            let parameters = Parameters {
                skip_invalid: true,
                ..Parameters::default()
            };
            env.submit_with("bulk-add-users", rows, parameters, key).await
        };
        let (first, _) = id(&submit(USERS).await.expect("submitted"));
        let job = env.ledger.job(first).await.expect("asked").expect("there");
        env.until_idle(&job).await;
        assert_eq!(id(&submit(USERS).await.expect("submitted")), (first, false));
        let Err(error) = submit(&USERS.replace("Four", "Quattro")).await else {
            panic!("the key stands for other rows")
        };
        assert!(error.to_string().contains(&first.to_string()), "{error}");
    }

    on_every_store!(stands_for_one_job);
}

mod redelivered {
    use super::*;

    async fn a_job_is_not_done_again(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let job = env
            .queued(
                "reset-passwords",
                "customer,user_principal_name,again\n{a},one@{a},yes\n{a},two@{a},yes\n",
            )
            .await;
        // Several are told of it at once, and somebody later.
        tokio::join!(env.until_idle(&job), env.until_idle(&job), env.until_idle(&job));
        let done = env.finish(&job).await;
        assert_eq!(done.counts.applied, 2);
        let passwords = env.passwords().await;
        let again = env.until_idle(&job).await;
        assert_eq!(again.counts.applied, 2);
        assert_eq!(env.passwords().await, passwords);
    }

    on_every_store!(a_job_is_not_done_again);
}

mod retried {
    use super::*;

    async fn only_remaining_rows_are_done(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let job = env.queued("bulk-add-users", USERS).await;
        env.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
        let job = env.finish(&job).await;
        assert_eq!(env.ends(&job).await, ["cancelled", "cancelled"]);
        env.applies(
            "bulk-add-users",
            "customer,user_principal_name,first_name\n{a},three@{a},Three\n",
        )
        .await;
        let retry = env
            .ledger
            .retry(&job, &by("tester"), 60_000)
            .await
            .expect("asked")
            .queued()
            .expect("a retry");
        let retry = env.ledger.job(retry).await.expect("asked").expect("there");
        let retry = env.until_idle(&retry).await;
        assert_eq!(env.ends(&retry).await, ["unchanged", "applied"]);
        assert!(
            env.ledger
                .retry(&retry, &by("tester"), 60_000)
                .await
                .expect("asked")
                .queued()
                .is_err(),
            "nothing is left"
        );
    }

    on_every_store!(only_remaining_rows_are_done);
}
