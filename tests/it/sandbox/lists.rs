//! Lists as clients walk through them: sorted, forwards and backwards, by dates however they are written, and with links
//! to themselves.

use serde_json::{Value, json};

use super::{Here, SPB, filter};

/// Five users of a customer besides its administrator; the path of the list.
async fn users(here: &Here) -> String {
    let customer = here.customer("alpha").await;
    for (name, shown) in [
        ("u1", "Delta"),
        ("u2", "alpha"),
        ("u3", "Echo"),
        ("u4", "bravo"),
        ("u5", "Charlie"),
    ] {
        let mut body = super::new_user(&format!("{name}@alpha.onmicrosoft.com"));
        body["displayName"] = shown.into();
        here.post(&format!("/v1/customers/{customer}/users"), &body)
            .await
            .is(200);
    }
    format!("/v1/customers/{customer}/users")
}

fn names(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items.iter().filter_map(|one| one["displayName"].as_str()).collect()
}

/// The page that a link leads to, asked for as the official clients do it.
async fn follow(here: &Here, link: &Value) -> Value {
    let mut request = here.request("GET", &format!("/v1{}", link["uri"].as_str().expect("a link")));
    for header in link["headers"].as_array().expect("headers") {
        let (key, value) = (&header["key"], &header["value"]);
        request = request.header(key.as_str().expect("a key"), value.as_str().expect("a value"));
    }
    Here::send(request).await.is(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_sorted_over_all_pages() {
    let here = Here::new().await;
    let path = users(&here).await;
    let sorted = ["alpha", "alpha Ltd", "bravo", "Charlie", "Delta", "Echo"];
    for (direction, way) in [("Ascending", false), ("Descending", true)] {
        let mut expected = sorted.to_vec();
        if way {
            expected.reverse();
        }
        let first = format!("{path}?size=4&sortField=DisplayName&sortDirection={direction}");
        let first = here.get(&first).await.is(200).json();
        let next = follow(&here, &first["links"]["next"]).await;
        assert_eq!([names(&first), names(&next)].concat(), expected);
        let back = follow(&here, &next["links"]["previous"]).await;
        assert_eq!(names(&back), names(&first));
    }
    let dotted = here
        .get(&format!("{path}?sortOption.sortField=displayName"))
        .await
        .json();
    assert_eq!(names(&dotted), sorted);
    assert_eq!(
        here.get(&format!("{path}?sortField=shoeSize")).await.refusal(),
        (400, 2000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_sought_forwards_backwards_and_from_either_end() {
    let here = Here::new().await;
    let path = users(&here).await;
    let first = here.get(&format!("{path}?size=2")).await.json();
    assert!(first["links"].get("previous").is_none());
    let second = follow(&here, &first["links"]["next"]).await;
    let third = follow(&here, &second["links"]["next"]).await;
    assert!(third["links"].get("next").is_none());
    assert_eq!(names(&follow(&here, &third["links"]["previous"]).await), names(&second));
    assert_eq!(names(&follow(&here, &second["links"]["previous"]).await), names(&first));
    let token = first["continuationToken"].as_str().expect("a token");
    let seek = async |way: &str| {
        let request = here.request("GET", &format!("{path}?seekOperation={way}"));
        Here::send(request.header("MS-ContinuationToken", token)).await
    };
    assert_eq!(names(&seek("Last").await.json()), names(&third));
    assert_eq!(names(&seek("First").await.json()), names(&first));
    assert_eq!(seek("Sideways").await.refusal(), (400, 2000));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_role_come_in_pages() {
    let here = Here::new().await;
    let users = users(&here).await;
    let path = users.trim_end_matches("/users");
    let roles = here.get(&format!("{path}/directoryroles")).await.json();
    let members = format!(
        "{path}/directoryroles/{}/usermembers",
        roles["items"][0]["id"].as_str().expect("an id")
    );
    let all = here.get(&users).await.json();
    for user in all["items"].as_array().expect("users") {
        here.post(&members, &json!({ "id": user["id"] })).await.is(201);
    }
    let first = here.get(&format!("{members}?size=4")).await.json();
    assert_eq!(names(&first).len(), 4);
    assert_eq!(names(&follow(&here, &first["links"]["next"]).await).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_that_come_whole_link_to_themselves_and_can_begin_later() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let path = format!("/v1/customers/{customer}");
    let order = json!({ "lineItems": [{ "offerId": SPB, "partnerIdOnRecord": "77" }, { "offerId": SPB, "partnerIdOnRecord": "77" }] });
    here.post(&format!("{path}/orders"), &order).await.is(201);
    for rest in [
        "subscriptions",
        "orders",
        "subscribedskus",
        "directoryroles",
        "subscriptions?mpn_id=77",
    ] {
        let all = here.get(&format!("{path}/{rest}")).await.is(200).json();
        assert_eq!(all["links"]["self"]["uri"], format!("/customers/{customer}/{rest}"));
    }
    let later = here
        .get(&format!("{path}/subscriptions?mpn_id=77&offset=1&size=5"))
        .await
        .json();
    assert_eq!(later["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_records_are_found_by_dates_of_every_kind_and_their_pages_keep_them() {
    let here = Here::new().await;
    here.customer("alpha").await;
    here.clock.advance(3 * 24 * 3600 * 1000);
    let customer = here.customer("beta").await;
    here.user(&customer, "ken", "beta").await;
    // The clock stood at noon of 21 September 2026.
    for start in [
        "2026-09-23",
        "09/23/2026",
        "9/23/2026 12:00:00 AM",
        "09/23/2026%2013:00:00",
        "2026-09-23T00:00:00Z",
        "2026-09-23T02:00:00%2B02:00",
        "2026-09-23T02:00:00+02:00",
        "2026-09-23T00:00:00.0000000",
    ] {
        let found = here
            .get(&format!("/v1/auditrecords?startDate={start}"))
            .await
            .is(200)
            .json();
        assert_eq!(found["totalCount"], 2, "{start}");
    }
    let first = here.get("/v1/auditrecords?startDate=09/23/2026&size=1").await.json();
    assert!(
        first["links"]["self"]["uri"]
            .as_str()
            .is_some_and(|uri| uri.contains("startDate="))
    );
    let next = follow(&here, &first["links"]["next"]).await;
    assert_eq!(
        (&next["items"][0]["operationType"], &next["links"]["next"]),
        (&json!("create_customer_user"), &Value::Null)
    );
    assert_eq!(here.get("/v1/auditrecords?startDate=soon").await.refusal(), (400, 2000));
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_records_use_the_words_that_microsoft_has() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let path = format!("/v1/customers/{customer}");
    here.post(
        &format!("{path}/carts"),
        &json!({ "lineItems": [{ "catalogItemId": SPB }] }),
    )
    .await
    .is(201);
    let domain = json!({ "verifiedDomainName": "alpha.example" });
    here.post(&format!("{path}/verifieddomain"), &domain).await.is(201);
    let batch = json!({ "batchId": "b", "devices": [{ "serialNumber": "1" }] });
    here.post(&format!("{path}/deviceBatches"), &batch).await.is(202);
    here.patch(&path, &json!({ "allowDelegatedAccess": false }))
        .await
        .is(200);
    let own = here
        .get(&format!(
            "/v1/auditrecords?{}",
            filter("CustomerId", &customer, "equals")
        ))
        .await
        .json();
    let items = own["items"].as_array().expect("items");
    let said: Vec<_> = items
        .iter()
        .map(|one| (one["resourceType"].as_str(), one["operationType"].as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Some("customer"), Some("add_customer")),
            (Some("device"), Some("devices_upload_to_new_batch_attempted")),
            (Some("partner_customer_dap"), Some("dap_admin_relationship_terminated")),
        ]
    );
}
