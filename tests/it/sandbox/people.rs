//! Users, their licences and their roles.

use serde_json::json;

use super::{Here, SPB_SKU, new_user};

const INACTIVE: &str = "?size=500&filter=%7B%22Field%22%3A%22UserState%22%2C%22Value%22%3A%22Inactive%22%2C%22Operator%22%3A%22equals%22%7D";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_changed_and_given_a_password() {
    let here = Here::new().await;
    let users = format!("/v1/customers/{}/users", here.customer("alpha").await);
    let made = here
        .post(&users, &new_user("ken@alpha.onmicrosoft.com"))
        .await
        .is(200)
        .json();
    assert_eq!(made["passwordProfile"]["password"], "Secret-word-77");
    let user = format!("{users}/{}", made["id"].as_str().expect("an id"));
    let changed = here
        .patch(&user, &json!({ "displayName": "Kenneth", "usageLocation": "DE" }))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&changed["displayName"], &changed["usageLocation"]),
        (&json!("Kenneth"), &json!("DE"))
    );
    let reset = json!({ "passwordProfile": { "password": "Other-word-88", "forceChangePassword": true } });
    for path in [&user, &format!("{user}/resetpassword")] {
        assert_eq!(
            here.patch(path, &reset).await.is(200).json()["passwordProfile"]["password"],
            "Other-word-88"
        );
    }
    assert!(here.get(&user).await.json().get("passwordProfile").is_none());
    for (body, code) in [
        (new_user("KEN@alpha.onmicrosoft.com"), 3000),
        (new_user("ken@elsewhere.onmicrosoft.com"), 3000),
        (new_user("ken"), 3000),
        (json!({ "userPrincipalName": "x@alpha.onmicrosoft.com" }), 3000),
    ] {
        assert_eq!(here.post(&users, &body).await.refusal(), (400, code), "{body}");
    }
    let weak = json!({ "passwordProfile": { "password": "weak" } });
    assert_eq!(here.patch(&user, &weak).await.refusal(), (400, 3000));
    assert_eq!(
        here.get(&format!("{users}/{}", super::fresh_id())).await.refusal(),
        (404, 60_002)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_user_changes_all_that_it_names() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let id = here.user(&customer, "ken", "alpha").await;
    let user = format!("/v1/customers/{customer}/users/{id}");
    // As clients do it that read the user, set what they want, and send all of it.
    let mut whole = here.get(&user).await.json();
    whole["displayName"] = "Kenneth".into();
    whole["passwordProfile"] = json!({ "password": "Other-word-88", "forceChangePassword": true });
    let changed = here.patch(&user, &whole).await.is(200).json();
    assert_eq!(
        (&changed["displayName"], &changed["passwordProfile"]["password"]),
        (&json!("Kenneth"), &json!("Other-word-88"))
    );
    assert_eq!(here.get(&user).await.json()["displayName"], "Kenneth");
    // Without a password it is only said that one has to be set.
    let force = json!({ "passwordProfile": { "password": null, "forceChangePassword": true }, "lastName": "Lee" });
    let forced = here.patch(&user, &force).await.is(200).json();
    assert_eq!(forced["passwordProfile"], json!({ "forceChangePassword": true }));
    assert_eq!(forced["lastName"], "Lee");
    let audit = here.get("/v1/auditrecords").await.json();
    let said: Vec<&str> = audit["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|one| one["operationType"].as_str())
        .collect();
    assert_eq!(said[2..], ["update_customer_user", "update_customer_user"]);
    // Two kinds of characters are too few, unless one wants what Microsoft's samples do.
    let lax = json!({ "passwordProfile": { "password": "testPassword" } });
    assert_eq!(here.patch(&user, &lax).await.refusal(), (400, 3000));
    here.quirks(&["lax-passwords"]).await;
    here.patch(&user, &lax).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn licences_come_with_services_that_can_be_left_out() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    here.subscription(&customer, 1).await;
    let path = format!("/v1/customers/{customer}");
    let user = format!("{path}/users/{}", here.user(&customer, "ken", "alpha").await);
    let skus = here.get(&format!("{path}/subscribedskus")).await.json();
    let plan = skus["items"][0]["servicePlans"][2].clone();
    assert_eq!(
        (&plan["serviceName"], &plan["capabilityStatus"]),
        (&json!("TEAMS1"), &json!("Enabled"))
    );
    let assign =
        |plan: &serde_json::Value| json!({ "licensesToAssign": [{ "skuId": SPB_SKU, "excludedPlans": [plan] }] });
    let updates = format!("{user}/licenseupdates");
    assert_eq!(
        here.post(&updates, &assign(&json!("no-plan"))).await.refusal(),
        (400, 3000)
    );
    here.post(&updates, &assign(&plan["id"])).await.is(201);
    let held = here.get(&format!("{user}/licenses")).await.json();
    let states: Vec<_> = held["items"][0]["servicePlans"]
        .as_array()
        .expect("plans")
        .iter()
        .map(|plan| plan["capabilityStatus"].clone())
        .collect();
    assert_eq!(states, ["Assigned", "Assigned", "Disabled", "Assigned", "Assigned"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_under_the_inactive_filter_and_restorable_for_30_days() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let users = format!("/v1/customers/{customer}/users");
    let (early, late) = (
        here.user(&customer, "early", "alpha").await,
        here.user(&customer, "late", "alpha").await,
    );
    for id in [&early, &late] {
        here.delete(&format!("{users}/{id}")).await.is(204);
        assert_eq!(here.get(&format!("{users}/{id}")).await.refusal(), (404, 60_002));
    }
    let active = here.get(&users).await.json();
    assert_eq!(active["items"].as_array().map(Vec::len), Some(1));
    let inactive = here.get(&format!("{users}{INACTIVE}")).await.json();
    assert_eq!(inactive["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(inactive["items"][0]["state"], "inactive");
    assert!(inactive["items"][0]["softDeletionTime"].is_string());
    let restore = json!({ "State": "active", "Attributes": { "ObjectType": "CustomerUser" } });
    here.clock.advance(29 * 24 * 3600 * 1000);
    let restored = here.patch(&format!("{users}/{early}"), &restore).await.is(200).json();
    assert_eq!((&restored["state"], &restored["id"]), (&json!("active"), &json!(early)));
    here.clock.advance(2 * 24 * 3600 * 1000);
    assert_eq!(
        here.patch(&format!("{users}/{late}"), &restore).await.refusal(),
        (404, 60_002)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_counted_and_run_out() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    here.subscription(&customer, 1).await;
    let path = format!("/v1/customers/{customer}");
    let (one, two) = (
        here.user(&customer, "one", "alpha").await,
        here.user(&customer, "two", "alpha").await,
    );
    let assign = json!({ "LicensesToAssign": [{ "SkuId": SPB_SKU.to_uppercase(), "ExcludedPlans": null }], "LicensesToRemove": null });
    let updates = |user: &str| format!("{path}/users/{user}/licenseupdates");
    let done = here.post(&updates(&one), &assign).await.is(201).json();
    assert_eq!(done["licenseWarnings"], json!([]));
    here.post(&updates(&one), &assign).await.is(201);
    let sku = here
        .get(&format!(
            "{path}/subscribedskus?licenseGroupIds=Group1&licenseGroupIds=Group2"
        ))
        .await
        .json();
    assert_eq!(sku["items"][0]["consumedUnits"], 1);
    assert_eq!(sku["items"][0]["availableUnits"], 0);
    assert_eq!(
        here.get(&format!("{path}/subscribedskus?licenseGroupIds=Group2"))
            .await
            .json()["totalCount"],
        0
    );
    let refused = here.post(&updates(&two), &assign).await;
    assert_eq!(refused.refusal(), (400, 60_012));
    let held = here.get(&format!("{path}/users/{one}/licenses")).await.json();
    assert_eq!(held["items"][0]["productSku"]["skuPartNumber"], "SPB");
    let remove = json!({ "licensesToRemove": [SPB_SKU] });
    here.post(&updates(&one), &remove).await.is(201);
    here.post(&updates(&two), &assign).await.is(201);
    // Who is deleted gives his seat back.
    here.delete(&format!("{path}/users/{two}")).await.is(204);
    let sku = here.get(&format!("{path}/subscribedskus")).await.json();
    assert_eq!(sku["items"][0]["consumedUnits"], 0);
    let unknown = json!({ "licensesToAssign": [{ "skuId": "00000000-0000-0000-0000-000000000001" }] });
    assert_eq!(here.post(&updates(&one), &unknown).await.refusal(), (404, 400_018));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_have_members() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let user = here.user(&customer, "ken", "alpha").await;
    let path = format!("/v1/customers/{customer}");
    let roles = here.get(&format!("{path}/directoryroles")).await.json();
    let role = roles["items"]
        .as_array()
        .expect("roles")
        .iter()
        .find(|role| role["name"] == "Helpdesk Administrator");
    let role = role.expect("the role")["id"].as_str().expect("an id").to_owned();
    let members = format!("{path}/directoryroles/{role}/usermembers");
    let member = json!({ "Id": user, "DisplayName": "Ken", "UserPrincipalName": "ken@alpha.onmicrosoft.com" });
    assert_eq!(
        here.post(&members, &member).await.is(201).json()["roleId"],
        role.as_str()
    );
    assert_eq!(here.get(&members).await.json()["items"][0]["id"], user.as_str());
    let own = here.get(&format!("{path}/users/{user}/directoryroles")).await.json();
    assert_eq!(own["items"][0]["name"], "Helpdesk Administrator");
    here.delete(&format!("{members}/{user}")).await.is(204);
    assert_eq!(here.delete(&format!("{members}/{user}")).await.status, 404);
    assert_eq!(here.get(&members).await.json()["totalCount"], 0);
}
