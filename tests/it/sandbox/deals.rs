//! Subscriptions, orders and transfers.

use serde_json::{Value, json};

use super::{Here, OTHER_PARTNER, SPB};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_subscription_that_leaves_out_auto_renew_resets_it() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let path = here.subscription(&customer, 5).await;
    let whole = here.get(&path).await.is(200).json();
    assert_eq!(whole["autoRenewEnabled"], true);
    let mut next = whole.clone();
    next["scheduledNextTermInstructions"] = json!({ "quantity": 2 });
    assert_eq!(
        here.patch(&path, &next).await.is(200).json()["scheduledNextTermInstructions"]["quantity"],
        2
    );
    let partial = json!({ "quantity": 6 });
    let after = here.patch(&path, &partial).await.is(200).json();
    assert_eq!(
        (&after["quantity"], &after["autoRenewEnabled"]),
        (&json!(6), &json!(false))
    );
    assert!(after.get("scheduledNextTermInstructions").is_none());
    // The whole of it keeps what it was.
    let mut kept = here.get(&path).await.json();
    kept["autoRenewEnabled"] = true.into();
    kept["quantity"] = 7.into();
    let kept = here.patch(&path, &kept).await.is(200).json();
    assert_eq!(
        (&kept["quantity"], &kept["autoRenewEnabled"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(kept["offerId"], SPB);
}

async fn change(here: &Here, path: &str, name: &str, value: Value) -> super::Said {
    let mut whole = here.get(path).await.is(200).json();
    whole[name] = value;
    here.patch(path, &whole).await
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_suspended_reactivated_resized_and_cancelled_in_time() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let path = here.subscription(&customer, 5).await;
    let skus = format!("/v1/customers/{customer}/subscribedskus");
    let seats = async || here.get(&skus).await.json()["items"][0]["totalUnits"].as_i64();
    let stale = here.get(&path).await.json();
    change(&here, &path, "quantity", 9.into()).await.is(200);
    assert_eq!(seats().await, Some(9));
    assert_eq!(here.patch(&path, &stale).await.refusal(), (400, 2055));
    change(&here, &path, "status", "suspended".into()).await.is(200);
    assert_eq!(seats().await, Some(0));
    assert_eq!(
        change(&here, &path, "friendlyName", "x".into()).await.refusal(),
        (400, 800_091)
    );
    assert_eq!(change(&here, &path, "quantity", 10.into()).await.refusal(), (400, 2001));
    change(&here, &path, "status", "active".into()).await.is(200);
    assert_eq!(change(&here, &path, "quantity", 0.into()).await.refusal(), (400, 2002));
    assert_eq!(
        change(&here, &path, "billingCycle", "annual".into()).await.refusal(),
        (400, 2054)
    );
    change(&here, &path, "quantity", 8.into()).await.is(200);
    here.clock.advance(8 * 24 * 3600 * 1000);
    assert_eq!(
        change(&here, &path, "quantity", 7.into()).await.refusal(),
        (400, 800_090)
    );
    assert_eq!(
        change(&here, &path, "status", "deleted".into()).await.refusal(),
        (400, 900_117)
    );
    let young = here.subscription(&customer, 1).await;
    change(&here, &young, "status", "deleted".into()).await.is(200);
    assert_eq!(
        change(&here, &young, "status", "active".into()).await.refusal(),
        (400, 2011)
    );
    let missing = format!("/v1/customers/{customer}/subscriptions/{}", super::fresh_id());
    assert_eq!(here.get(&missing).await.refusal(), (404, 20_003));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_and_carts_make_subscriptions() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let order = json!({ "BillingCycle": "monthly", "LineItems": [{ "OfferId": "84A03D81-6B37-4D66-8D4A-FAEA24541538", "Quantity": 3 }] });
    let made = here.post(&format!("{path}/orders"), &order).await.is(201).json();
    assert_eq!(made["status"], "pending");
    let own = format!("{path}/orders/{}", made["id"].as_str().expect("an id"));
    assert_eq!(here.get(&own).await.json()["status"], "completed");
    let provisioning = here.get(&format!("{own}/provisioningstatus")).await.json();
    assert_eq!(provisioning["items"][0]["status"], "fulfilled");
    assert_eq!(here.get(&format!("{path}/orders/none")).await.refusal(), (404, 20_000));
    let cart =
        json!({ "lineItems": [{ "catalogItemId": SPB, "quantity": 1 }, { "catalogItemId": SPB, "quantity": 2 }] });
    let cart = here.post(&format!("{path}/carts"), &cart).await.is(201).json();
    here.quirks(&["partial-success"]).await;
    let checkout = format!("{path}/carts/{}/checkout", cart["id"].as_str().expect("an id"));
    let done = here.post(&checkout, &json!({})).await.is(201).json();
    assert_eq!(done["orders"].as_array().map(Vec::len), Some(1));
    assert_eq!(done["orderErrors"].as_array().map(Vec::len), Some(1));
    assert_eq!(here.post(&checkout, &json!({})).await.refusal(), (400, 800_065));
    let all = here.get(&format!("{path}/subscriptions")).await.json();
    assert_eq!(all["totalCount"], 2);
    let of_order = here
        .get(&format!(
            "{path}/subscriptions?order_id={}",
            made["id"].as_str().expect("an id")
        ))
        .await
        .json();
    assert_eq!(of_order["totalCount"], 1);
}

/// A customer with subscriptions, and a transfer of them to the other partner; paths of both.
async fn offered(here: &Here, subscriptions: usize) -> (String, String, Vec<String>) {
    let customer = here.customer("alpha").await;
    let mut ids = Vec::new();
    for _ in 0..subscriptions {
        let path = here.subscription(&customer, 2).await;
        ids.push(path.rsplit('/').next().expect("an id").to_owned());
    }
    let path = format!("/v1/customers/{customer}");
    let lines: Vec<Value> = ids.iter().map(|id| json!({ "subscriptionId": id })).collect();
    let body = json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": lines });
    let made = here.post(&format!("{path}/transfers"), &body).await.is(201).json();
    assert_eq!(made["status"], "Active");
    let transfer = format!("{path}/transfers/{}", made["id"].as_str().expect("an id"));
    (path, transfer, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_transfer_succeeds_in_part_with_status_200() {
    let mut here = Here::new().await;
    let (path, transfer, ids) = offered(&here, 2).await;
    let eligible = here
        .get(&format!("{path}/transferseligibility?transferType=directtoindirect"))
        .await
        .json();
    assert_eq!(eligible[0]["isEligible"], false);
    // The second is suspended in the meantime, and so cannot go.
    change(
        &here,
        &format!("{path}/subscriptions/{}", ids[1]),
        "status",
        "suspended".into(),
    )
    .await
    .is(200);
    let accept = format!("{transfer}/accept");
    assert_eq!(
        Here::send(here.request("POST", &accept)).await.refusal(),
        (403, 900_150)
    );
    here.as_partner(Some(OTHER_PARTNER)).await;
    let answer = Here::send(here.request("POST", &accept).header("content-length", "0"))
        .await
        .is(200)
        .json();
    assert_eq!(answer["orders"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["transferErrors"][0]["transferGroupId"], "1");
    let after = here.get(&transfer).await.json();
    assert_eq!(after["status"], "PartiallyComplete");
    assert_eq!(after["lineItems"][0]["status"], "Complete");
    assert_eq!(after["lineItems"][1]["status"], "Failed");
    assert!(after["lineItems"][1]["transferError"].is_string());
    assert_eq!(
        Here::send(here.request("POST", &accept)).await.refusal(),
        (400, 900_102)
    );
    let own = here.get(&format!("{path}/subscriptions")).await.json();
    assert_eq!(own["items"][0]["sourceSubscriptionId"], ids[0].as_str());
    here.as_partner(None).await;
    let left = here.get(&format!("{path}/subscriptions")).await.json();
    let states: Vec<&str> = left["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|one| one["status"].as_str())
        .collect();
    assert_eq!(states, ["deleted", "suspended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_rejected_by_one_side_or_withdrawn_by_the_other() {
    let mut here = Here::new().await;
    let (path, transfer, ids) = offered(&here, 1).await;
    let again = json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": [{ "subscriptionId": ids[0] }] });
    assert_eq!(
        here.post(&format!("{path}/transfers"), &again).await.refusal(),
        (409, 900_101)
    );
    here.delete(&transfer).await.is(204);
    assert_eq!(here.get(&transfer).await.refusal(), (404, 900_100));
    let made = here.post(&format!("{path}/transfers"), &again).await.is(201).json();
    let transfer = format!("{path}/transfers/{}", made["id"].as_str().expect("an id"));
    here.as_partner(Some(OTHER_PARTNER)).await;
    let rejected = here
        .patch(&transfer, &json!({ "id": made["id"], "status": "reject" }))
        .await
        .is(200)
        .json();
    assert_eq!(rejected["status"], "Reject");
    assert_eq!(
        here.get(&format!("{path}/transfers")).await.json()[0]["status"],
        "Reject"
    );
    let invalid = json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": [{ "subscriptionId": ids[0] }] });
    assert_eq!(
        here.post(&format!("{path}/transfers"), &invalid).await.refusal(),
        (400, 900_148)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_of_the_newer_sort_is_asked_for_and_filled_by_the_other_side() {
    let mut here = Here::new().await;
    let customer = here.customer("alpha").await;
    let subscription = here.subscription(&customer, 4).await;
    let id = subscription.rsplit('/').next().expect("an id").to_owned();
    let path = format!("/v1/customers/{customer}");
    let source = tenantry_sandbox::PARTNER.to_string();
    here.as_partner(Some(OTHER_PARTNER)).await;
    let body = json!({
        "sourcePartnerTenantId": source, "sourcePartnerName": "Source", "customerEmailId": "a@example.com",
        "targetPartnerTenantId": OTHER_PARTNER, "transferType": 5,
    });
    let made = here.post(&format!("{path}/transfers"), &body).await.is(201).json();
    assert_eq!(made["status"], "InProgress");
    let transfer = format!("{path}/transfers/{}", made["id"].as_str().expect("an id"));
    assert_eq!(here.get(&transfer).await.json()["status"], "Pending");
    here.as_partner(None).await;
    let lines =
        json!({ "id": made["id"], "lineItems": [{ "subscriptionId": id, "productType": "OnlineServicesNCE" }] });
    assert_eq!(here.patch(&transfer, &lines).await.is(200).json()["status"], "Complete");
    here.as_partner(Some(OTHER_PARTNER)).await;
    assert_eq!(here.get(&format!("{path}/subscriptions")).await.json()["totalCount"], 1);
    let cancelled = here.post(&format!("{path}/transfers"), &body).await.is(201).json();
    let transfer = format!("{path}/transfers/{}", cancelled["id"].as_str().expect("an id"));
    let cancel = json!({ "id": cancelled["id"], "status": "Cancel" });
    assert_eq!(here.patch(&transfer, &cancel).await.is(200).json()["status"], "Cancel");
    let waiting = here.post(&format!("{path}/transfers"), &body).await.is(201).json();
    here.clock.advance(31 * 24 * 3600 * 1000);
    here.as_partner(Some(OTHER_PARTNER)).await;
    let transfer = format!("{path}/transfers/{}", waiting["id"].as_str().expect("an id"));
    assert_eq!(here.get(&transfer).await.json()["status"], "Expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_202_with_a_relative_location_and_is_finished_with_items_that_failed() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let batch = json!({ "BatchId": "b", "Devices": [{ "SerialNumber": "S1" }, { "SerialNumber": "FAIL2" }] });
    let taken = here.post(&format!("{path}/deviceBatches"), &batch).await.is(202);
    assert_eq!((taken.text.as_str(), taken.header("retry-after")), ("", ""));
    let location = taken.header("location").to_owned();
    assert!(location.starts_with("/customers/"), "{location}");
    here.quirks(&["stuck-batches"]).await;
    assert_eq!(here.get(&format!("/v1{location}")).await.json()["status"], "processing");
    here.quirks(&[]).await;
    let done = here.get(&format!("/v1{location}").to_lowercase()).await.json();
    assert_eq!(done["status"], "finished");
    assert_eq!(done["devicesStatus"][1]["status"], "finished_with_errors");
    assert!(!done["startedTime"].as_str().unwrap_or_default().ends_with('Z'));
    // The same way of answering, for subscriptions.
    let customer = path.rsplit('/').next().expect("an id").to_owned();
    let subscription = here.subscription(&customer, 2).await;
    here.quirks(&["accepted-updates"]).await;
    let taken = change(&here, &subscription, "quantity", 3.into()).await.is(202);
    assert_eq!(format!("/v1{}", taken.header("location")), subscription);
    assert_eq!(here.get(&subscription).await.json()["quantity"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_ons_go_with_their_base_subscription() {
    let mut here = Here::new().await;
    let customer = here.customer("alpha").await;
    let path = format!("/v1/customers/{customer}");
    let id = |path: &str| path.rsplit('/').next().expect("an id").to_owned();
    let base = id(&here
        .subscription_to("031c9e47-4802-4248-838e-778fb1d2cc05", &customer, 5)
        .await);
    let add_on = json!({ "lineItems": [{
        "offerId": "2828be95-46ba-4f91-b2fd-0bef192ecf60", "quantity": 2, "parentSubscriptionId": base,
    }] });
    here.post(&format!("{path}/orders"), &add_on).await.is(201);
    let body = json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": [{ "subscriptionId": base }] });
    let made = here.post(&format!("{path}/transfers"), &body).await.is(201).json();
    assert_eq!(made["lineItems"][0]["addonItems"][0]["quantity"], 2);
    here.as_partner(Some(OTHER_PARTNER)).await;
    let accept = format!("{path}/transfers/{}/accept", made["id"].as_str().expect("an id"));
    let answer = here.post(&accept, &json!({})).await.is(200).json();
    assert_eq!(answer["orders"].as_array().map(Vec::len), Some(2));
    let own = here.get(&format!("{path}/subscriptions")).await.json();
    let [base, add_on] = own["items"].as_array().expect("items").as_slice() else {
        panic!("{own}")
    };
    assert_eq!(add_on["parentSubscriptionId"], base["id"]);
    assert_eq!(add_on["quantity"], 2);
    here.as_partner(None).await;
    let left = here.get(&format!("{path}/subscriptions")).await.json();
    let mut left = left["items"].as_array().expect("items").iter();
    assert!(left.all(|one| one["status"] == "deleted"));
}
