//! What hangs on a subscription.

use serde_json::{Value, json};

use super::{Here, SPB};

const LEGACY: &str = "031c9e47-4802-4248-838e-778fb1d2cc05";
const ARCHIVE: &str = "2828be95-46ba-4f91-b2fd-0bef192ecf60";
const PLAN: &str = "DZH318Z0BPS6:0001:DZH318Z0BMXB";
const E3: &str = "SBX000000002:0001:SBX00000000B";

async fn bought(here: &Here, path: &str, item: Value) -> String {
    let made = here
        .post(&format!("{path}/orders"), &json!({ "lineItems": [item] }))
        .await
        .is(201)
        .json();
    let id = made["lineItems"][0]["subscriptionId"].as_str().expect("an id");
    format!("{path}/subscriptions/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn add_ons_contacts_and_empty_collections_hang_on_it() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let base = bought(&here, &path, json!({ "offerId": LEGACY, "quantity": 5 })).await;
    assert_eq!(
        here.get(&format!("{base}/addons")).await.is(200).json()["totalCount"],
        0
    );
    let parent = base.rsplit('/').next().expect("an id");
    bought(
        &here,
        &path,
        json!({ "offerId": ARCHIVE, "quantity": 2, "parentSubscriptionId": parent }),
    )
    .await;
    assert_eq!(
        here.get(&format!("{base}/addons")).await.json()["items"][0]["offerId"],
        ARCHIVE
    );
    for empty in ["conversions", "upgrades", "activationlinks"] {
        assert_eq!(
            here.get(&format!("{base}/{empty}")).await.is(200).json()["totalCount"],
            0
        );
    }
    let own = format!("{base}/supportcontact");
    assert!(here.get(&own).await.is(200).json()["supportTenantId"].is_string());
    let other = json!({ "supportTenantId": super::OTHER_PARTNER, "supportMpnId": "5000101", "name": "Harbour Cloud" });
    here.call("PUT", &own, &other).await.is(200);
    assert_eq!(here.get(&own).await.json()["name"], "Harbour Cloud");
    assert_eq!(
        here.post(&format!("{base}/conversions"), &json!({})).await.refusal(),
        (400, 900_141)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_is_registered_and_its_entitlement_cancelled() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let plan = bought(&here, &path, json!({ "offerId": PLAN })).await;
    let status = format!("{plan}/registrationstatus");
    assert_eq!(here.get(&status).await.is(200).json()["status"], "NotRegistered");
    let taken = here.post(&format!("{plan}/registrations"), &json!({})).await.is(202);
    assert_eq!(format!("/v1{}", taken.header("location")), status);
    assert_eq!(here.get(&status).await.json()["status"], "Registered");
    // As reports do it: what was used, and the entitlements of each.
    let used = here
        .get(&format!("{path}/subscriptions/usagerecords"))
        .await
        .is(200)
        .json();
    let id = used["items"][0]["id"].as_str().expect("an id");
    let entitlements = here
        .get(&format!("{path}/subscriptions/{id}/azureEntitlements"))
        .await
        .is(200)
        .json();
    let one = format!(
        "{plan}/azureEntitlements/{}",
        entitlements["items"][0]["id"].as_str().expect("an id")
    );
    assert_eq!(here.get(&one).await.is(200).json()["status"], "active");
    assert_eq!(
        here.post(&format!("{one}/cancel"), &json!({})).await.is(200).json()["status"],
        "deleted"
    );
    assert_eq!(here.get(&one).await.json()["status"], "deleted");
    assert_eq!(
        here.get(&format!("{plan}/usagesummary")).await.is(200).json()["totalCost"],
        0.0
    );
    let licences = bought(&here, &path, json!({ "offerId": SPB })).await;
    assert_eq!(
        here.post(&format!("{licences}/registrations"), &json!({}))
            .await
            .refusal(),
        (400, 900_141)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_move_to_another_product() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let source = bought(
        &here,
        &path,
        json!({ "offerId": SPB, "quantity": 5, "termDuration": "P1M" }),
    )
    .await;
    let may = here
        .get(&format!("{source}/transitioneligibilities"))
        .await
        .is(200)
        .json();
    assert!(
        may["items"]
            .as_array()
            .expect("items")
            .iter()
            .any(|one| one["catalogItemId"] == E3)
    );
    let transitions = format!("{source}/transitions");
    let wanted = |quantity: u64| json!({ "toCatalogItemId": E3, "quantity": quantity, "transitionType": "transition_with_license_transfer" });
    assert_eq!(here.post(&transitions, &wanted(6)).await.refusal(), (400, 2002));
    let done = here.post(&transitions, &wanted(2)).await.is(200).json();
    let target = format!(
        "{path}/subscriptions/{}",
        done["toSubscriptionId"].as_str().expect("an id")
    );
    let made = here.get(&target).await.is(200).json();
    assert_eq!(
        (&made["quantity"], &made["offerId"], &made["termDuration"]),
        (&json!(2), &json!(E3), &json!("P1M"))
    );
    assert_eq!(here.get(&source).await.json()["quantity"], 3);
    let seats = here.get(&format!("{path}/subscribedskus")).await.json();
    let of = |part: &str| {
        let found = seats["items"]
            .as_array()
            .expect("items")
            .iter()
            .find(|one| one["productSku"]["skuPartNumber"] == part);
        found.expect("seats")["totalUnits"].clone()
    };
    assert_eq!((of("SPB"), of("ENTERPRISEPACK")), (json!(3), json!(2)));
    let mut rest = wanted(3);
    rest["toSubscriptionId"] = done["toSubscriptionId"].clone();
    here.post(&transitions, &rest).await.is(200);
    assert_eq!(here.get(&source).await.json()["status"], "deleted");
    assert_eq!(here.get(&target).await.json()["quantity"], 5);
    assert_eq!(here.get(&transitions).await.json()["totalCount"], 2);
}
