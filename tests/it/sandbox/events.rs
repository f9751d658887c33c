//! Events, and the address to which they are sent.

use serde_json::{Value, json};

use super::{Here, fresh_id};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_events_is_registered() {
    let here = Here::new().await;
    let path = "/webhooks/v1/registration";
    let events = here.get(&format!("{path}/events")).await.is(200).json();
    assert!(
        events
            .as_array()
            .is_some_and(|all| all.contains(&json!("subscription-updated")))
    );
    assert_eq!(here.get(path).await.refusal(), (404, 600_007));
    let wanted = json!({ "WebhookUrl": "https://hooks.example/in", "WebhookEvents": ["subscription-updated"] });
    assert_eq!(here.call("PUT", path, &wanted).await.refusal(), (404, 600_007));
    here.post(path, &wanted).await.is(200);
    assert_eq!(
        here.get(path).await.is(200).json()["webhookEvents"],
        json!(["subscription-updated"])
    );
    let own = trial(&here, path).await;
    assert_eq!(
        here.get(&own).await.is(200).json()["callbackUrl"],
        "https://hooks.example/in"
    );
    // It is of another machine, which nothing is sent to.
    let result = validated(&here, &own).await;
    assert_eq!(result["systemError"], true, "{result}");
    assert_eq!(
        here.post(path, &json!({ "webhookUrl": "https://x", "webhookEvents": ["dance"] }))
            .await
            .refusal(),
        (400, 3000)
    );
    assert_eq!(here.get("/v1/webhooks/registration").await.status, 404);
}

/// Asks for a trial event; where its outcome is told.
async fn trial(here: &Here, path: &str) -> String {
    let tried = here
        .post(&format!("{path}/validationEvents"), &json!({}))
        .await
        .is(200)
        .json();
    let id = tried["correlationId"].as_str().expect("an id");
    format!("{path}/validationEvents/{id}")
}

/// The outcome of a trial event.
async fn validated(here: &Here, path: &str) -> Value {
    for _ in 0..400 {
        let trial = here.get(path).await.is(200).json();
        if trial["status"] == "completed" {
            return trial["results"][0].clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{path} is not done");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_an_address_of_this_machine() {
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let receive = move |headers: axum::http::HeaderMap, body: String| {
        let sent = sender.send((headers, body));
        async move { sent.map_err(|_| axum::http::StatusCode::GONE) }
    };
    let receiver = axum::Router::new().route("/hook", axum::routing::post(receive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?of=mine", listener.local_addr().expect("an address"));
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, receiver).await.expect("it serves") });
    let mut event = async || {
        let wait = std::time::Duration::from_secs(20);
        let (headers, body) = tokio::time::timeout(wait, heard.recv())
            .await
            .expect("in time")
            .expect("an event");
        assert_eq!(headers["content-type"], "application/json");
        serde_json::from_str::<Value>(&body).expect("JSON")
    };

    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let subscription = here.subscription(&customer, 5).await;
    let renamed = json!({ "friendlyName": "not told" });
    here.patch(&subscription, &renamed).await.is(200);
    let path = "/webhooks/v1/registration";
    let wanted =
        json!({ "webhookUrl": url, "webhookEvents": ["subscription-updated", "dap-admin-relationship-terminated"] });
    here.post(path, &wanted).await.is(200);
    let tried = here
        .post(&format!("{path}/validationEvents"), &json!({}))
        .await
        .is(200)
        .json();
    let told = event().await;
    let own = format!(
        "{path}/validationEvents/{}",
        tried["correlationId"].as_str().expect("an id")
    );
    assert_eq!(told["EventName"], "test-created");
    assert_eq!(told["ResourceUri"], format!("{}{own}", here.base));
    let result = validated(&here, &own).await;
    assert_eq!(
        (&result["responseCode"], &result["systemError"]),
        (&json!("OK"), &json!(false))
    );

    // A refused change is none, and a repeated one is told once.
    assert_eq!(here.patch(&subscription, &json!({ "quantity": 0 })).await.status, 400);
    let id = fresh_id();
    for _ in 0..2 {
        let changed = here.request("PATCH", &subscription).header("MS-RequestId", &id);
        Here::send(changed.json(&json!({ "friendlyName": "told" })))
            .await
            .is(200);
    }
    here.patch(
        &format!("/v1/customers/{customer}"),
        &json!({ "allowDelegatedAccess": false }),
    )
    .await
    .is(200);
    let told = event().await;
    assert_eq!(
        (&told["EventName"], &told["ResourceUri"]),
        (
            &json!("subscription-updated"),
            &json!(format!("{}{subscription}", here.base))
        )
    );
    assert_eq!(event().await["EventName"], "dap-admin-relationship-terminated");

    let nobody = json!({ "webhookUrl": "http://127.0.0.1:9/", "webhookEvents": ["test-created"] });
    here.call("PUT", path, &nobody).await.is(200);
    let own = trial(&here, path).await;
    assert_eq!(validated(&here, &own).await["systemError"], true);
}
