//! What orders and carts make of subscriptions: their terms, what they say of themselves, and how they hang together.

use serde_json::{Value, json};
use tenantry_sandbox::Options;

use super::{Here, SPB};

const LEGACY: &str = "031c9e47-4802-4248-838e-778fb1d2cc05";
const ARCHIVE: &str = "2828be95-46ba-4f91-b2fd-0bef192ecf60";
const DAY: i64 = 24 * 3600 * 1000;

/// A new customer's path.
async fn customer(here: &Here) -> String {
    format!("/v1/customers/{}", here.customer("alpha").await)
}

/// The only line item of a new order.
async fn ordered(here: &Here, path: &str, item: Value) -> (Value, Value) {
    let order = json!({ "billingCycle": "Monthly", "lineItems": [item] });
    let order = here.post(&format!("{path}/orders"), &order).await.is(201).json();
    let id = order["lineItems"][0]["subscriptionId"].as_str().expect("an id");
    let subscription = here.get(&format!("{path}/subscriptions/{id}")).await.is(200).json();
    (order, subscription)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_goes_from_the_order_to_the_subscription() {
    let here = Here::new().await;
    let path = customer(&here).await;
    for (term, ends) in [("P1M", "2026-10-21T"), ("P1Y", "2027-09-21T"), ("P3Y", "2029-09-21T")] {
        let item = json!({
            "offerId": SPB, "quantity": 3, "termDuration": term, "partnerIdOnRecord": "5139005",
            "promotionId": "39NFJQT1PFPJ:0001:39NFJQT1Q5DK",
        });
        let (order, subscription) = ordered(&here, &path, item).await;
        let line = &order["lineItems"][0];
        assert_eq!(line["termDuration"], term);
        assert_eq!(line["partnerIdOnRecord"], "5139005");
        assert_eq!(line["transactionType"], "New");
        assert!(line["promotionId"].is_string() && line["links"]["sku"]["uri"].is_string());
        assert_eq!(order["billingCycle"], "monthly");
        assert_eq!(
            (&order["alternateId"], &order["currencySymbol"]),
            (&order["id"], &json!("$"))
        );
        assert_eq!(order["links"]["patchOperation"]["method"], "PATCH");
        assert_eq!(subscription["termDuration"], term);
        for name in ["commitmentEndDate", "commitmentEndDateTime"] {
            let end = subscription[name].as_str().expect("a date");
            assert!(end.starts_with(ends), "{term}: {end}");
        }
    }
    let items = |item: Value| json!({ "lineItems": [item] });
    for (item, code) in [
        (json!({ "offerId": SPB, "termDuration": "P5Y" }), 800_121),
        (json!({ "offerId": SPB, "billingCycle": "weekly" }), 900_269),
        (
            json!({ "offerId": SPB, "billingCycle": "annual", "termDuration": "P1M" }),
            900_270,
        ),
        (json!({ "quantity": 1 }), 800_004),
    ] {
        let refused = here.post(&format!("{path}/orders"), &items(item)).await;
        assert_eq!(refused.refusal(), (400, code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_of_new_commerce_has_the_fields_that_clients_need() {
    let here = Here::new().await;
    let path = customer(&here).await;
    let (_, one) = ordered(&here, &path, json!({ "offerId": SPB, "quantity": 5 })).await;
    for name in [
        "isMicrosoftProduct",
        "attentionNeeded",
        "actionTaken",
        "hasPurchasableAddons",
        "isTrial",
    ] {
        assert!(one[name].is_boolean(), "{name}: {one}");
    }
    for name in [
        "publisherName",
        "renewalTermDuration",
        "commitmentEndDateTime",
        "partnerId",
    ] {
        assert!(one[name].is_string(), "{name}: {one}");
    }
    for name in ["product", "sku", "availability", "self"] {
        assert!(one["links"][name]["uri"].is_string(), "{name}: {one}");
    }
    assert_eq!(one["refundableQuantity"]["totalQuantity"], 5);
    // Seats that were bought later can be given back for longer, and no others.
    let own = format!("{path}/subscriptions/{}", one["id"].as_str().expect("an id"));
    let resize = async |seats: u64| {
        let mut whole = here.get(&own).await.json();
        whole["quantity"] = seats.into();
        here.patch(&own, &whole).await
    };
    here.clock.advance(6 * DAY);
    resize(8).await.is(200);
    here.clock.advance(2 * DAY);
    let later = here.get(&own).await.json();
    assert_eq!(later["refundableQuantity"]["totalQuantity"], 3);
    assert!(later.get("refundOptions").is_none());
    assert_eq!(resize(4).await.refusal(), (400, 800_090));
    assert_eq!(resize(6).await.is(200).json()["refundableQuantity"]["totalQuantity"], 1);
    // What happens at the end of the term is told, too.
    let mut whole = here.get(&own).await.json();
    whole["scheduledNextTermInstructions"] = json!({ "product": { "termDuration": "P3Y" }, "quantity": 2 });
    whole["customTermEndDate"] = "2027-12-31T00:00:00Z".into();
    let planned = here.patch(&own, &whole).await.is(200).json();
    assert_eq!(planned["renewalTermDuration"], "P3Y");
    assert_eq!(planned["customTermEndDate"], "2027-12-31T00:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_is_billed_by_usage() {
    let here = Here::new().await;
    let path = customer(&here).await;
    let (order, legacy) = ordered(&here, &path, json!({ "offerId": "MS-AZR-0145P", "quantity": 3 })).await;
    assert_eq!(
        (
            &legacy["billingType"],
            &legacy["offerName"],
            &legacy["unitType"],
            &legacy["quantity"]
        ),
        (
            &json!("usage"),
            &json!("Microsoft Azure"),
            &json!("Usage-based"),
            &json!(1)
        )
    );
    assert!(legacy["entitlementId"].is_string());
    assert!(
        legacy["links"]["offer"]["uri"]
            .as_str()
            .is_some_and(|uri| uri.ends_with("/MS-AZR-0145P?country=US"))
    );
    // So is what the catalogue has not, whatever the customer calls it.
    let other = json!({ "offerId": "MS-AZR-0148P", "friendlyName": "mine" });
    let (_, other) = ordered(&here, &path, other).await;
    assert_eq!(
        (&other["offerName"], &other["friendlyName"]),
        (&json!("Microsoft Azure"), &json!("mine"))
    );
    let (_, plan) = ordered(&here, &path, json!({ "offerId": "DZH318Z0BPS6:0001:DZH318Z0BMXB" })).await;
    assert_eq!(
        (&plan["productType"]["id"], &plan["billingType"]),
        (&json!("Azure"), &json!("usage"))
    );
    // Records of what was used are collections, and no customer's id is asked for.
    let all = here.get("/v1/customers/usagerecords").await.is(200).json();
    assert_eq!(
        all["items"][0]["attributes"]["objectType"],
        "CustomerMonthlyUsageRecord"
    );
    let own = here
        .get(&format!("{path}/subscriptions/usagerecords"))
        .await
        .is(200)
        .json();
    assert_eq!(own["totalCount"], 3);
    let budget = format!("{path}/usagebudget");
    assert_eq!(
        here.patch(&budget, &json!({ "amount": -1 })).await.refusal(),
        (400, 3000)
    );
    here.patch(&budget, &json!({ "Amount": 250 })).await.is(200);
    assert_eq!(here.get(&budget).await.json()["amount"], 250);
    assert_eq!(
        here.get(&format!("{path}/usagesummary")).await.is(200).json()["budget"]["amount"],
        250
    );
    // A status names a SKU even where nobody knows which.
    let id = order["lineItems"][0]["subscriptionId"].as_str().expect("an id");
    let status = here
        .get(&format!("{path}/subscriptions/{id}/provisioningstatus"))
        .await
        .json();
    assert_eq!(status["skuId"].as_str().map(str::len), Some(36));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_gets_add_ons_and_another_billing_cycle() {
    let here = Here::new().await;
    let path = customer(&here).await;
    let (order, base) = ordered(&here, &path, json!({ "offerId": LEGACY, "quantity": 5 })).await;
    assert_eq!(base["hasPurchasableAddons"], true);
    let own = format!("{path}/orders/{}", order["id"].as_str().expect("an id"));
    let add_on = |parent: &Value| {
        json!({ "Id": null, "LineItems": [{
            "LineItemNumber": 0, "OfferId": ARCHIVE, "SubscriptionId": null, "ParentSubscriptionId": parent, "Quantity": 2,
        }] })
    };
    let changed = here.patch(&own, &add_on(&base["id"])).await.is(200).json();
    assert_eq!(changed["lineItems"][1]["offerId"], ARCHIVE);
    assert_ne!(changed["attributes"]["etag"], order["attributes"]["etag"]);
    let id = changed["lineItems"][1]["subscriptionId"].as_str().expect("an id");
    let made = here.get(&format!("{path}/subscriptions/{id}")).await.json();
    assert_eq!(made["parentSubscriptionId"], base["id"]);
    assert!(made["links"]["parentSubscription"]["uri"].is_string());
    let stranger = json!(super::fresh_id());
    assert_eq!(here.patch(&own, &add_on(&stranger)).await.refusal(), (400, 800_029));
    let annual = here
        .patch(&own, &json!({ "BillingCycle": "Annual" }))
        .await
        .is(200)
        .json();
    assert_eq!(annual["billingCycle"], "annual");
    let billed = here.get(&format!("{path}/subscriptions/{id}")).await.json();
    assert_eq!(billed["billingCycle"], "annual");
    let by_cycle = here.get(&format!("{path}/orders?billingType=annual")).await.json();
    assert_eq!(by_cycle["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_read_changed_and_checked_out_as_an_order_for_each_billing_cycle() {
    let here = Here::new().await;
    let path = customer(&here).await;
    let line =
        |cycle: &str| json!({ "catalogItemId": SPB, "quantity": 2, "billingCycle": cycle, "termDuration": "P1Y" });
    let cart = json!({ "lineItems": [line("Monthly"), line("Annual")] });
    let made = here.post(&format!("{path}/carts"), &cart).await.is(201).json();
    assert!(made["lastModifiedUser"].is_string() && made["links"]["self"]["uri"].is_string());
    assert_eq!(made["lineItems"][0]["billingCycle"], "monthly");
    assert!(made["lineItems"][0]["pricing"]["price"].is_number());
    assert_ne!(made["lineItems"][0]["orderGroup"], made["lineItems"][1]["orderGroup"]);
    let own = format!("{path}/carts/{}", made["id"].as_str().expect("an id"));
    assert_eq!(here.get(&own).await.is(200).json(), made);
    let mut more = made.clone();
    more["lineItems"][0]["quantity"] = 7.into();
    let changed = here.call("PUT", &own, &more).await.is(200).json();
    assert_eq!(changed["lineItems"][0]["quantity"], 7);
    assert_eq!(
        here.call("PUT", &own, &json!({ "lineItems": [] })).await.refusal(),
        (400, 3000)
    );
    // As the official client does it: a text in place of a body.
    let checkout = here.request("POST", &format!("{own}/checkout")).body("\"success\"");
    let done = Here::send(checkout).await.is(201).json();
    let orders = done["orders"].as_array().expect("orders");
    assert_eq!(orders.len(), 2);
    assert_eq!(
        (&orders[0]["billingCycle"], &orders[1]["billingCycle"]),
        (&json!("monthly"), &json!("annual"))
    );
    assert_eq!(orders[0]["lineItems"][0]["quantity"], 7);
    assert_eq!(here.call("PUT", &own, &more).await.refusal(), (400, 800_065));
    assert_eq!(here.get(&own).await.json()["status"], "Submitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn seeded_customers_have_subscriptions_of_all_sorts_with_orders_and_seats() {
    let here = Here::with(Options {
        seed_value: 12,
        ..Options::default()
    })
    .await;
    here.seed(12).await;
    let list = here.get("/v1/customers").await.json();
    let (mut sorts, mut terms) = (Vec::new(), Vec::new());
    for customer in list["items"].as_array().expect("items") {
        let path = format!("/v1/customers/{}", customer["id"].as_str().expect("an id"));
        let skus = here.get(&format!("{path}/subscribedskus")).await.json();
        assert_ne!(skus["totalCount"], 0);
        assert!(skus["items"][0]["servicePlans"][0]["serviceName"].is_string());
        let all = here.get(&format!("{path}/subscriptions")).await.json();
        let orders = here.get(&format!("{path}/orders")).await.json();
        assert_eq!(all["totalCount"], orders["totalCount"]);
        for one in all["items"].as_array().expect("items") {
            let order = here
                .get(&format!("{path}/orders/{}", one["orderId"].as_str().expect("an order")))
                .await
                .is(200)
                .json();
            assert_eq!(order["lineItems"][0]["subscriptionId"], one["id"]);
            sorts.push(one["productType"]["id"].to_string() + &one["billingType"].to_string());
            terms.push(one["termDuration"].to_string());
        }
    }
    for all in [&mut sorts, &mut terms] {
        all.sort_unstable();
        all.dedup();
    }
    assert_eq!(sorts.len(), 5, "{sorts:?}");
    assert!(
        terms.iter().any(|term| term == "\"P1M\"") && terms.iter().any(|term| term == "\"P1Y\""),
        "{terms:?}"
    );
}
