//! The partner's own side: profiles, resellers, consents, the catalogue, and what is asked before a customer is made.

use serde_json::{Value, json};

use super::{Here, SPB};

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_read_and_changed() {
    let here = Here::new().await;
    for (name, object, member) in [
        ("organization", "OrganizationProfile", "tenantId"),
        ("legalbusiness", "LegalBusinessProfile", "vettingStatus"),
        ("support", "SupportProfile", "telephone"),
        ("billing", "PartnerBillingProfile", "billingCurrency"),
        ("mpn", "MpnProfile", "mpnId"),
    ] {
        let got = here.get(&format!("/v1/profiles/{name}")).await.is(200).json();
        assert_eq!(got["attributes"]["objectType"], object);
        assert!(got[member].is_string(), "{got}");
        assert_eq!(got["links"]["self"]["uri"], format!("/profiles/{name}"));
    }
    let mut support = here.get("/v1/profiles/support").await.json();
    support["Telephone"] = Value::Null;
    support["telephone"] = "4255550123".into();
    assert_eq!(
        here.call("PUT", "/v1/profiles/support", &support).await.is(200).json()["telephone"],
        "4255550123"
    );
    assert_eq!(here.get("/v1/profiles/support").await.json()["telephone"], "4255550123");
    let unknown = here.get("/v1/profiles/mpn?mpnId=9999999").await;
    assert_eq!(unknown.refusal(), (404, 3000));
    assert_eq!(
        here.get("/v1/profiles/mpn?mpnId=5000101").await.json()["partnerName"],
        "Harbour Cloud"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn resellers_are_listed_and_named_for_the_customers_they_brought() {
    let here = Here::new().await;
    let path = "/v1/relationships?relationship_type=";
    for word in [
        "IsIndirectCloudSolutionProviderOf",
        "is_indirect_cloud_solution_provider_of",
    ] {
        let all = here.get(&format!("{path}{word}")).await.is(200).json();
        assert_eq!(
            (&all["totalCount"], &all["items"][0]["state"]),
            (&json!(2), &json!("Active"))
        );
    }
    assert_eq!(
        here.get(&format!("{path}IsIndirectResellerOf")).await.json()["totalCount"],
        0
    );
    assert_eq!(here.get(&format!("{path}friend")).await.refusal(), (400, 2000));
    let mut new = super::new_customer("alpha");
    new["associatedPartnerId"] = "5000101".into();
    let made = here.post("/v1/customers", &new).await.is(201).json();
    let own = format!("/v1/customers/{}", made["id"].as_str().expect("an id"));
    let brought = here.get(&format!("{own}/relationships")).await.is(200).json();
    assert_eq!(brought["items"][0]["mpnId"], "5000101");
    here.delete(&format!("{own}/relationships/partner")).await.is(204);
    assert_eq!(here.get(&own).await.refusal(), (403, 20_002));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_given_once_and_taken_back() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}/applicationconsents", here.customer("alpha").await);
    let application = super::fresh_id();
    let consent = json!({
        "applicationId": application, "displayName": "An application",
        "applicationGrants": [{ "enterpriseApplicationId": super::fresh_id(), "scope": "User.Read" }],
    });
    assert_eq!(
        here.post(&path, &consent).await.is(201).json()["applicationId"],
        application.as_str()
    );
    assert_eq!(here.post(&path, &consent).await.refusal(), (409, 3000));
    assert_eq!(here.get(&path).await.json()["totalCount"], 1);
    here.delete(&format!("{path}/{application}")).await.is(204);
    assert_eq!(here.delete(&format!("{path}/{application}")).await.status, 404);
    here.post(&path, &consent).await.is(201);
    for bad in [
        json!({}),
        json!({ "applicationId": application }),
        json!({ "applicationId": "x", "applicationGrants": [] }),
    ] {
        assert_eq!(here.post(&path, &bad).await.refusal(), (400, 3000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn products_to_order_are_found_in_the_catalogue_first() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    for prefix in ["/v1".to_owned(), format!("/v1/customers/{customer}")] {
        let all = here
            .get(&format!("{prefix}/products?targetView=OnlineServices&country=US"))
            .await
            .is(200)
            .json();
        let product = all["items"][0]["id"].as_str().expect("an id").to_owned();
        let skus = format!("{prefix}/products/{product}/skus");
        let sku = here.get(&skus).await.is(200).json()["items"][0]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        here.get(&format!("{skus}/{sku}")).await.is(200);
        let availabilities = format!("{skus}/{sku}/availabilities");
        let found = here.get(&availabilities).await.is(200).json()["items"][0].clone();
        assert_eq!(found["catalogItemId"], SPB);
        assert_eq!(found["terms"][0]["duration"], "P1M");
        here.get(&format!("{availabilities}/{}", found["id"].as_str().expect("an id")))
            .await
            .is(200);
        assert_eq!(
            here.get(&format!("{availabilities}/none")).await.refusal(),
            (404, 400_019)
        );
        assert_eq!(here.get(&format!("{skus}/9999")).await.refusal(), (404, 400_018));
        let offers = here.get(&format!("{prefix}/offers?country=US")).await.is(200).json();
        let with = offers["items"]
            .as_array()
            .expect("offers")
            .iter()
            .find(|one| one["hasAddOns"] == true);
        let offer = with.expect("an offer")["id"].as_str().expect("an id").to_owned();
        let add_ons = here
            .get(&format!("{prefix}/offers/{offer}/addons"))
            .await
            .is(200)
            .json();
        assert_eq!(add_ons["items"][0]["isAddOn"], true);
        assert_eq!(
            here.get(&format!("{prefix}/offercategories?country=US"))
                .await
                .is(200)
                .json()["totalCount"],
            2
        );
    }
    assert_eq!(
        here.get("/v1/offers/MS-AZR-0145P?country=US").await.json()["billing"],
        "usage"
    );
    assert_eq!(here.get(&format!("/v1/offers/{SPB}")).await.refusal(), (400, 2100));
    // What a subscription links to is there.
    let subscription = here.get(&here.subscription(&customer, 1).await).await.json();
    for name in ["product", "sku", "availability"] {
        let uri = subscription["links"][name]["uri"].as_str().expect("a link");
        here.get(&format!("/v1{uri}")).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_before_and_beside_a_customer_have_answers() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let path = format!("/v1/customers/{customer}");
    for (prefix, free) in [("alpha", false), ("beta", true)] {
        let told = here
            .get(&format!("/v1/validations/checkdomainavailability/{prefix}"))
            .await
            .is(200)
            .json();
        assert_eq!(told, json!(free));
    }
    for (domain, status) in [("alpha.onmicrosoft.com", 200), ("beta.example", 404)] {
        let asked = here.request("HEAD", &format!("{path}/verifieddomain?domain={domain}"));
        Here::send(asked).await.is(status);
    }
    assert_eq!(
        here.get(&format!("{path}/managedservices")).await.is(200).json()["totalCount"],
        0
    );
    assert_eq!(
        here.get(&format!("{path}/qualification")).await.is(200).json(),
        json!("none")
    );
    let granted = here
        .call("PUT", &format!("{path}/qualification"), &json!("Education"))
        .await;
    assert_eq!(granted.is(200).json(), json!("education"));
    assert_eq!(
        here.get(&format!("{path}/qualifications")).await.json()[0]["vettingStatus"],
        "Approved"
    );
    let code = here
        .call(
            "PUT",
            &format!("{path}/qualification"),
            &json!("governmentcommunitycloud"),
        )
        .await;
    assert_eq!(code.refusal(), (400, 3000));
    assert!(here.get("/v1/customers/all/validations").await.is(200).json()[0]["validationCode"].is_string());
    let template = here.get("/v1/agreements?agreementType=*").await.json()["items"][0]["templateId"].clone();
    let document = format!(
        "/v1/agreementtemplates/{}/document?language=de-DE&country=DE",
        template.as_str().expect("an id")
    );
    assert_eq!(here.get(&document).await.is(200).json()["language"], "de-DE");
    for (query, expected) in [
        ("mpnId=5000101", None),
        ("tenantId=0b0b0b0b-1111-4222-8333-444444444444", None),
        ("", Some(2001)),
        ("mpnId=1&tenantId=x", Some(2000)),
        ("mpnId=abc", Some(2000)),
        ("mpnId=77", Some(2200)),
        ("tenantId=x", Some(2205)),
    ] {
        let told = here.get(&format!("/v1/compliance/csp/agreementstatus?{query}")).await;
        match expected {
            None => assert_eq!(told.is(200).json()["isAgreementSigned"], true),
            Some(code) => assert_eq!(told.refusal(), (400, code), "{query}"),
        }
    }
    assert_eq!(
        here.get("/v1/partnerRequests").await.is(200).json()["items"][0]["mfaCompliant"],
        true
    );
    // Members of collections may be named by the query.
    let user = here.user(&customer, "ken", "alpha").await;
    let by_query = format!("{path}/users?user_id={user}");
    assert_eq!(
        here.patch(&by_query, &json!({ "displayName": "K" }))
            .await
            .is(200)
            .json()["displayName"],
        "K"
    );
    let role = here.get(&format!("{path}/directoryroles")).await.json()["items"][0]["id"].clone();
    let role = role.as_str().expect("an id");
    here.post(&format!("{path}/directoryroles?role_id={role}"), &json!({ "id": user }))
        .await
        .is(201);
    here.delete(&format!("{path}/directoryroles?role_id={role}&member_id={user}"))
        .await
        .is(204);
    here.delete(&by_query).await.is(204);
}
