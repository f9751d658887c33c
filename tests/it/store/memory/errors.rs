//! What the runner does with each of the answers that a remote store can give.

use std::time::Duration;

use tenantry_jobs::{Problem, code};
use tenantry_store::remote::StoreError;

use super::{Fault, MemoryStore};
use crate::place::by;
use crate::store::under_test::{Store, StoreUnderTest};

const ROWS: &str = "customer,city\n{a},Leeds\n{b},Bonn\n";

/// A store whose next call goes wrong, and how many effects and attempts there were before.
async fn failing(fault: Fault) -> (StoreUnderTest, MemoryStore, u64, u64) {
    let env = StoreUnderTest::new(Store::Memory).await;
    let store = env.memory().clone();
    let (effects, attempts) = (store.world().effects, store.attempts());
    store.fail(fault);
    (env, store, effects, attempts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_ends_its_row_and_no_other() {
    let problem = Problem::new(code::REFUSED, "city", "Leeds", "another city");
    let (env, store, effects, attempts) = failing(Fault::Before(StoreError::Rejected(problem))).await;
    let job = env.apply("update-account", ROWS).await;
    assert_eq!(
        env.ends(&job).await,
        ["refused city: `Leeds` is not another city", "applied"]
    );
    assert_eq!((store.world().effects - effects, store.attempts() - attempts), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_row_waits_and_costs_no_attempt() {
    let pause = Duration::from_millis(30);
    let (env, store, effects, attempts) = failing(Fault::Before(StoreError::Throttled(pause))).await;
    store.fail(Fault::Before(StoreError::Throttled(pause)));
    let job = env.apply("update-account", ROWS).await;
    assert_eq!(env.ends(&job).await, ["applied", "applied"]);
    assert_eq!((store.world().effects - effects, store.attempts() - attempts), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_throttled_for_long_waits_apart_and_holds_up_no_other() {
    let pause = Duration::from_secs(3600);
    let (env, store, effects, attempts) = failing(Fault::Before(StoreError::Throttled(pause))).await;
    let job = env.apply("update-account", ROWS).await;
    assert_eq!(env.ends(&job).await, ["waiting", "applied"]);
    assert!(
        !env.ledger.has_open_jobs().await.expect("asked"),
        "nobody has anything to do"
    );
    assert_eq!((store.world().effects - effects, store.attempts() - attempts), (1, 1));
    let said = env.message(&job, 1).await;
    assert!(said.starts_with("Memory: the store has been asked too often"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_tried_again_later() {
    let away = || Fault::Before(StoreError::Unavailable("Memory: it is away".to_owned()));
    let (env, store, effects, attempts) = failing(away()).await;
    store.fail(away());
    let job = env.apply("update-account", ROWS).await;
    assert_eq!(env.ends(&job).await, ["applied", "applied"]);
    assert_eq!(store.world().effects - effects, 2);
    assert!(store.attempts() - attempts >= 2, "the chunk was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_a_row_is_read_back_and_not_repeated() {
    let (env, store, effects, attempts) = failing(Fault::After(StoreError::Unknown)).await;
    let job = env.apply("update-account", ROWS).await;
    assert_eq!(env.ends(&job).await, ["applied", "applied"]);
    assert_eq!((store.world().effects - effects, store.attempts() - attempts), (2, 2));
    // Nothing was done: it is done then.
    store.fail(Fault::Before(StoreError::Unknown));
    let undone = env.undo(&job).await.expect("an undo");
    assert_eq!(env.ends(&undone).await, ["applied", "applied"]);
    assert_eq!(store.world().effects - effects, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_handed_out_although_the_answer_was_lost() {
    let (env, store, effects, _) = failing(Fault::After(StoreError::Unknown)).await;
    let job = env
        .apply("reset-passwords", "customer,user_principal_name\n{a},one@{a}\n")
        .await;
    assert_eq!(env.ends(&job).await, ["applied"]);
    assert_eq!(store.world().effects - effects, 1);
    let again = env
        .apply("reset-passwords", "customer,user_principal_name\n{a},ONE@{a}\n")
        .await;
    assert_eq!(env.ends(&again).await, ["unchanged"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_let_us_in_parks_the_job() {
    let refused = StoreError::Unauthorized("Memory denied access: who are you?".to_owned());
    let (env, store, effects, _) = failing(Fault::Before(refused)).await;
    let job = env.apply("update-account", ROWS).await;
    assert_eq!(job.state.as_str(), "paused");
    let why = job.message.clone().unwrap_or_default();
    assert!(why.contains("who are you?"), "{why}");
    // The other row may have been under way.
    assert!(store.world().effects - effects <= 1);
    let resumed = env.ledger.resume(&job, &by("tester")).await;
    resumed.expect("asked").done().expect("resumed");
    let job = env.finish(&job).await;
    assert_eq!(env.ends(&job).await, ["applied", "applied"]);
    assert_eq!(store.world().effects - effects, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_store_is_to_decide_is_looked_at_again_when_it_says() {
    let env = StoreUnderTest::new(Store::Memory).await;
    let store = env.memory().clone();
    let (effects, attempts) = (store.world().effects, store.attempts());
    let soon = env.ledger.clock().now_millis() + 50;
    store.fail(Fault::After(StoreError::Deferred(soon)));
    let job = env.apply("update-account", ROWS).await;
    assert_eq!(env.ends(&job).await, ["waiting", "applied"]);
    assert!(env.message(&job, 1).await.starts_with("Memory: the store is to decide"));
    let job = env.finish(&job).await;
    assert_eq!(env.ends(&job).await, ["applied", "applied"]);
    assert_eq!((store.world().effects - effects, store.attempts() - attempts), (2, 2));
}
