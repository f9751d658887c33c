//! What goes wrong when it is asked for.

use std::time::Duration;

use serde_json::json;
use tenantry_sandbox::{InjectedFault, Options};

use super::{Here, new_user};

#[tokio::test(flavor = "multi_thread")]
async fn one_customers_limit_is_429_with_retry_after_and_the_others_go_on() {
    let here = Here::with(Options {
        rate_limit: Some(3),
        ..Options::default()
    })
    .await;
    let (one, two) = (here.customer("one").await, here.customer("two").await);
    let path = format!("/v1/customers/{one}");
    for _ in 0..3 {
        here.get(&path).await.is(200);
    }
    let limited = here.get(&path.to_uppercase().replace("/V1", "/v1")).await.is(429);
    assert_eq!(limited.header("retry-after"), "1");
    assert_eq!(
        limited.json(),
        json!({ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds." })
    );
    here.get(&format!("/v1/customers/{two}")).await.is(200);
    here.get("/v1/customers").await.is(200);
    here.clock.advance(1000);
    here.get(&path).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_limit_holds_for_all_it_does_and_for_no_other_partner() {
    let mut here = Here::with(Options {
        partner_rate_limit: Some(2),
        ..Options::default()
    })
    .await;
    here.get("/v1/customers").await.is(200);
    here.get("/v1/countryvalidationrules/US").await.is(200);
    here.clock.advance(20_000);
    assert_eq!(here.get("/v1/customers").await.is(429).header("retry-after"), "40");
    here.as_partner(Some(super::OTHER_PARTNER)).await;
    here.get("/v1/customers").await.is(200);
    here.as_partner(None).await;
    here.clock.advance(40_000);
    here.get("/v1/customers").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn chance_is_the_same_for_the_same_seed() {
    let run = async |seed_value: u64| {
        let here = Here::with(Options {
            seed_value,
            faults: vec![(InjectedFault::Error500, 0.3), (InjectedFault::CutBeforeCommit, 0.2)],
            ..Options::default()
        })
        .await;
        let mut fates = Vec::new();
        for _ in 0..40 {
            let answer = Here::try_send(here.request("GET", "/v1/customers")).await;
            fates.push(answer.map_or(0, |said| said.status));
        }
        fates
    };
    let (first, again, other) = (run(1).await, run(1).await, run(2).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!([0, 200, 500].iter().all(|fate| first.contains(fate)), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_hit_the_calls_they_name_and_counters_tell() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let users = format!("/v1/customers/{customer}/users");
    let script = json!({ "operation": "create-user", "fault": "error-503", "skip": 1, "times": 2 });
    here.fault(&script).await;
    let mut fates = Vec::new();
    for number in 0..4 {
        let name = format!("u{number}@alpha.onmicrosoft.com");
        fates.push(here.post(&users, &new_user(&name)).await.status);
        here.get(&users).await.is(200);
    }
    assert_eq!(fates, [200, 503, 503, 200]);
    let tally = &here.get("/sandbox/counters").await.json()["operations"]["create-user"];
    assert_eq!(
        *tally,
        json!({ "calls": 4, "effects": 2, "replays": 0, "faults": 2, "throttled": 0 })
    );
    here.delete("/sandbox/counters").await.is(204);
    assert_eq!(here.effects("create-user").await, 0);
    for bad in [
        json!({ "fault": "flood" }),
        json!({ "operation": "x", "fault": "error-500" }),
        json!({ "quirks": ["x"] }),
    ] {
        here.post("/sandbox/faults", &bad).await.is(400);
    }
    here.fault(&json!({ "fault": "error-500", "probability": 1.0 })).await;
    here.get(&users).await.is(500);
    here.delete("/sandbox/faults").await.is(204);
    here.get(&users).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_loses_patience_has_had_its_effect() {
    let here = Here::with(Options {
        latency: Duration::from_millis(1500),
        ..Options::default()
    })
    .await;
    let id = super::fresh_id();
    let post = || here.request("POST", "/v1/customers").header("MS-RequestId", &id);
    let hurried = post()
        .json(&super::new_customer("alpha"))
        .timeout(Duration::from_millis(700));
    assert!(Here::try_send(hurried).await.is_err_and(|error| error.is_timeout()));
    assert_eq!(here.effects("create-customer").await, 1);
    Here::send(post().json(&super::new_customer("alpha"))).await.is(201);
    assert_eq!(here.effects("create-customer").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn etags_go_stale_when_asked_for() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}/profiles/billing", here.customer("alpha").await);
    let profile = here.get(&path).await.is(200).json();
    here.fault(&json!({ "operation": "update-billing-profile", "fault": "stale-etag" }))
        .await;
    assert_eq!(here.call("PUT", &path, &profile).await.refusal(), (400, 2055));
    here.call("PUT", &path, &profile).await.is(200);
}

/// A client that waits less than the call takes gets nothing.
async fn takes_long(options: Options, fault: &serde_json::Value) {
    let here = Here::with(options).await;
    here.fault(fault).await;
    let hurried = here.request("GET", "/v1/customers").timeout(Duration::from_millis(300));
    assert!(Here::try_send(hurried).await.is_err_and(|error| error.is_timeout()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_slow_and_answers_late_when_asked_for() {
    let hour = Duration::from_hours(1);
    let slow = Options {
        slow_body: hour,
        ..Options::default()
    };
    takes_long(slow, &json!({ "fault": "slow-body" })).await;
    let late = Options {
        latency: hour,
        ..Options::default()
    };
    takes_long(late, &json!({ "quirks": [] })).await;
}
