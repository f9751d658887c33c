//! Calls that are made again, audit records, and what happens to passwords.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Here, OTHER_PARTNER, filter, fresh_id, new_customer, new_user};

/// A call whose answer is lost after it took effect; then the same again with the same request id.
async fn lost_then_repeated(here: &Here, operation: &str, make: impl Fn() -> RequestBuilder) -> super::Said {
    let before = here.effects(operation).await;
    let id = fresh_id();
    here.fault(&json!({ "operation": operation, "fault": "cut-after-commit" }))
        .await;
    let lost = Here::try_send(make().header("MS-RequestId", &id)).await;
    assert!(lost.is_err(), "{lost:?}");
    let told = Here::send(make().header("MS-RequestId", &id)).await;
    assert!(told.status < 300, "{}", told.text);
    assert_eq!(here.effects(operation).await, before + 1);
    assert_eq!(told.header("ms-requestid"), id);
    let counters = here.get("/sandbox/counters").await.json();
    let of_id = &counters["requests"][&id];
    assert_eq!(
        (of_id["calls"].as_u64(), of_id["effects"].as_u64()),
        (Some(2), Some(1)),
        "{counters}"
    );
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_the_commit_is_told_again_for_customers_users_transfers_and_subscriptions() {
    let mut here = Here::new().await;
    let body = new_customer("alpha");
    let made = lost_then_repeated(&here, "create-customer", || {
        here.request("POST", "/v1/customers").json(&body)
    })
    .await;
    assert!(made.json()["userCredentials"]["password"].is_string());
    let customer = made.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/customers/{customer}");
    let user = new_user("ken@alpha.onmicrosoft.com");
    let users = format!("{path}/users");
    lost_then_repeated(&here, "create-user", || here.request("POST", &users).json(&user)).await;
    let subscription = here.subscription(&customer, 2).await;
    let mut whole = here.get(&subscription).await.json();
    whole["quantity"] = 3.into();
    // Its etag is stale the second time, and nobody asks.
    lost_then_repeated(&here, "update-subscription", || {
        here.request("PATCH", &subscription).json(&whole)
    })
    .await;
    let id = subscription.rsplit('/').next().expect("an id");
    let transfer = json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": [{ "subscriptionId": id }] });
    let transfer = here.post(&format!("{path}/transfers"), &transfer).await.is(201).json();
    let accept = format!("{path}/transfers/{}/accept", transfer["id"].as_str().expect("an id"));
    here.as_partner(Some(OTHER_PARTNER)).await;
    lost_then_repeated(&here, "accept-transfer", || here.request("POST", &accept)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cut_connection_the_same_request_id_makes_exactly_one_customer() {
    let here = Here::new().await;
    let body = new_customer("alpha");
    let id = fresh_id();
    here.fault(&json!({ "operation": "create-customer", "fault": "cut-before-commit", "times": 2 }))
        .await;
    let send = || {
        Here::try_send(
            here.request("POST", "/v1/customers")
                .header("MS-RequestId", &id)
                .json(&body),
        )
    };
    assert!(send().await.is_err());
    assert!(send().await.is_err());
    assert_eq!(here.effects("create-customer").await, 0);
    let first = send().await.expect("an answer").is(201);
    let second = send().await.expect("an answer").is(201);
    assert_eq!(first.text, second.text);
    assert_eq!(here.effects("create-customer").await, 1);
    assert_eq!(here.get("/v1/customers").await.json()["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_again_too_and_a_new_request_id_asks_anew() {
    let here = Here::new().await;
    let taken = here.customer("alpha").await;
    let id = fresh_id();
    let send = async |id: &str, body: &Value| {
        Here::send(
            here.request("POST", "/v1/customers")
                .header("MS-RequestId", id)
                .json(body),
        )
        .await
    };
    assert_eq!(send(&id, &new_customer("alpha")).await.refusal(), (400, 3000));
    let admin = json!({ "relationshipToPartner": "none" });
    here.patch(&format!("/v1/customers/{taken}"), &admin).await.is(200);
    assert_eq!(send(&id, &new_customer("alpha")).await.refusal(), (400, 3000));
    // The same id with other content is neither.
    assert_eq!(send(&id, &new_customer("beta")).await.refusal(), (409, 9_999_001));
    send(&fresh_id(), &new_customer("beta")).await.is(201);
    // A day later the id is forgotten.
    here.clock.advance(25 * 3600 * 1000);
    send(&id, &new_customer("gamma")).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_the_same_time_with_one_request_id_have_one_effect() {
    let here = Here::new().await;
    let id = fresh_id();
    let body = new_customer("alpha");
    let sent = (0..16).map(|_| {
        Here::send(
            here.request("POST", "/v1/customers")
                .header("MS-RequestId", &id)
                .json(&body),
        )
    });
    let told = futures::future::join_all(sent).await;
    assert!(told.iter().all(|said| said.status == 201 && said.text == told[0].text));
    assert_eq!(here.effects("create-customer").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changing_call_leaves_an_audit_record_with_its_correlation_id() {
    let here = Here::new().await;
    let correlation = fresh_id();
    let made = here
        .request("POST", "/v1/customers")
        .header("MS-CorrelationId", &correlation);
    let made = Here::send(made.json(&new_customer("alpha"))).await.is(201);
    assert_eq!(made.header("ms-correlationid"), correlation);
    let customer = made.json()["id"].as_str().expect("an id").to_owned();
    here.user(&customer, "ken", "alpha").await;
    here.post("/v1/customers", &new_customer("alpha")).await.is(400);
    here.customer("beta").await;
    let all = here.get("/v1/auditrecords").await.is(200).json();
    let items = all["items"].as_array().expect("items");
    let said: Vec<(&str, &str)> = items
        .iter()
        .map(|one| {
            (
                one["operationType"].as_str().unwrap_or(""),
                one["operationStatus"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("add_customer", "succeeded"),
            ("create_customer_user", "succeeded"),
            ("add_customer", "failed"),
            ("add_customer", "succeeded")
        ]
    );
    assert_eq!(items[0]["originalCorrelationId"], correlation.as_str());
    let new: Value = serde_json::from_str(items[0]["resourceNewValue"].as_str().expect("a text")).expect("JSON");
    assert_eq!(new["CompanyProfile"]["Domain"], "alpha.onmicrosoft.com");
    let filter = filter("CustomerId", &customer, "equals");
    let own = here.get(&format!("/v1/auditrecords?{filter}")).await.json();
    assert_eq!(own["totalCount"], 2);
    let long_ago = here.get("/v1/auditrecords?startDate=2020-01-01").await;
    assert_eq!(long_ago.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_in_answers_and_in_no_file_nor_audit_record() {
    let here = Here::new().await;
    let made = here.post("/v1/customers", &new_customer("alpha")).await.is(201).json();
    let first = made["userCredentials"]["password"]
        .as_str()
        .expect("a password")
        .to_owned();
    let customer = made["id"].as_str().expect("an id");
    let user = here.user(customer, "ken", "alpha").await;
    let reset = json!({ "passwordProfile": { "password": "Other-word-88", "forceChangePassword": false } });
    let path = format!("/v1/customers/{customer}/users/{user}/resetpassword");
    assert!(here.patch(&path, &reset).await.is(200).text.contains("Other-word-88"));
    let audit = here.get("/v1/auditrecords").await.text;
    let mut files = audit.into_bytes();
    for entry in std::fs::read_dir(here.dir.path()).expect("a directory").flatten() {
        files.extend(std::fs::read(entry.path()).expect("a file"));
    }
    assert!(files.len() > 10_000);
    for password in [first.as_str(), "Secret-word-77", "Other-word-88"] {
        let found = files
            .windows(password.len())
            .any(|window| window == password.as_bytes());
        assert!(!found, "{password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_answers_outlive_a_restart_and_passwords_do_not() {
    let here = Here::new().await;
    let id = fresh_id();
    let send = async |here: &Here| {
        let request = here.request("POST", "/v1/customers").header("MS-RequestId", &id);
        Here::send(request.json(&new_customer("alpha"))).await.is(201).json()
    };
    let mut first = send(&here).await;
    let here = here.restarted().await;
    let again = send(&here).await;
    assert_eq!(here.effects("create-customer").await, 0);
    first["userCredentials"]
        .as_object_mut()
        .expect("credentials")
        .remove("password");
    assert_eq!(again, first);
    let path = format!("/v1/customers/{}", again["id"].as_str().expect("an id"));
    here.get(&path).await.is(200);
    assert_ne!(here.customer("beta").await, again["id"]);
}
