//! Customers: found, made, changed, let go.

use serde_json::json;
use tenantry_sandbox::Options;

use super::{Here, SPB, new_customer};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_made_and_its_password_told_once() {
    let here = Here::new().await;
    let made = here.post("/v1/customers", &new_customer("alpha")).await.is(201).json();
    assert!(
        made["userCredentials"]["password"]
            .as_str()
            .is_some_and(|password| password.len() >= 8)
    );
    assert_eq!(made["companyProfile"]["domain"], "alpha.onmicrosoft.com");
    let path = format!("/v1/customers/{}", made["id"].as_str().expect("an id"));
    let got = here.get(&path).await.is(200).json();
    assert!(got.get("userCredentials").is_none());
    assert_eq!(got["relationshipToPartner"], "reseller");
    assert_eq!(got["customDomains"], json!(["alpha.onmicrosoft.com"]));
    assert_eq!(got["companyProfile"]["address"]["region"], "WA");
    let organization = here.get(&format!("{path}/organization")).await.json();
    assert_eq!(organization[0]["displayName"], "alpha Ltd");
    let company = here.get(&format!("{path}/profiles/company")).await.json();
    assert_eq!(company, got["companyProfile"]);
    assert_eq!(
        here.get(&format!("{path}/customDomains")).await.json()[0],
        "alpha.onmicrosoft.com"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_read_in_either_spelling_and_nulls_are_nothing() {
    let here = Here::new().await;
    let body = json!({
        "Id": null,
        "CompanyProfile": { "Domain": "beta.onmicrosoft.com", "TenantId": null },
        "BillingProfile": {
            "Email": "b@example.com", "Culture": "EN-US", "Language": "En", "CompanyName": "Beta", "FirstName": null,
            "DefaultAddress": {
                "Country": "US", "Region": null, "City": "Seattle", "State": "WA", "AddressLine1": "1 Main Street",
                "AddressLine2": null, "PostalCode": "98101",
            },
        },
        "RelationshipToPartner": "none",
    });
    let made = here.post("/v1/customers", &body).await.is(201);
    assert_eq!(made.json()["billingProfile"]["companyName"], "Beta");
    assert!(!made.text.contains("null"), "{}", made.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_lacks_something_is_refused() {
    let here = Here::new().await;
    here.customer("taken").await;
    let change = |path: &str, value: serde_json::Value| {
        let mut body = new_customer("gamma");
        *body.pointer_mut(path).expect("a member") = value;
        body
    };
    for (body, code) in [
        (new_customer("taken"), 3000),
        (change("/companyProfile/domain", json!("gamma.example.com")), 3000),
        (change("/billingProfile/email", json!("")), 3000),
        (change("/billingProfile/defaultAddress", json!(null)), 3000),
        (change("/billingProfile/defaultAddress/state", json!("ZZ")), 3000),
        (change("/billingProfile/defaultAddress/postalCode", json!("1")), 3000),
        (json!([]), 800_002),
    ] {
        let said = here.post("/v1/customers", &body).await;
        assert_eq!(said.refusal(), (400, code), "{body}");
    }
    assert_eq!(here.effects("create-customer").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn countries_that_want_a_registration_number_get_one_and_others_do_not() {
    let here = Here::new().await;
    let in_country = |country: &str, number: Option<&str>, phone: Option<&str>| {
        let mut body = new_customer("delta");
        let address = &mut body["billingProfile"]["defaultAddress"];
        address["country"] = country.into();
        address["state"] = json!(null);
        address["postalCode"] = if country == "PL" { "00-001" } else { "98101" }.into();
        address["phoneNumber"] = phone.into();
        body["companyProfile"]["organizationRegistrationNumber"] = number.into();
        body
    };
    for (body, code) in [
        (in_country("DE", Some("1"), None), 600_002),
        (in_country("PL", None, None), 600_049),
        (in_country("PL", Some("12"), None), 600_050),
        (in_country("PL", Some("1234567890"), None), 600_051),
    ] {
        let said = here.post("/v1/customers", &body).await;
        assert_eq!(said.refusal(), (400, code));
        assert_eq!(said.json()["isRetryable"], false);
    }
    let good = in_country("PL", Some("1234567890"), Some("600100200"));
    here.post("/v1/customers", &good).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn country_rules_come_in_the_recorded_shape() {
    let here = Here::new().await;
    let rules = here.get("/v1/countryvalidationrules/us").await.is(200).json();
    assert_eq!(rules["attributes"]["objectType"], "CountryValidationRules");
    assert!(
        rules["supportedStatesList"]
            .as_array()
            .is_some_and(|states| states.len() == 51)
    );
    assert_eq!(here.get("/v1/countryvalidationrules/XX").await.status, 404);
    assert!(rules["phoneNumberRegex"].is_string() && rules["isTaxIdSupported"] == true);
    let portugal = here.get("/v1/countryvalidationrules/PT").await.is(200).json();
    assert_eq!(portugal["isVatIdSupported"], true);
    for name in ["vatIdRegex", "taxIdFormat", "taxIdSample"] {
        assert!(
            portugal[name].as_str().is_some_and(|text| text.contains("PT")),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn enable_gdap_by_default_leaves_no_delegated_access() {
    let here = Here::new().await;
    for (name, gdap, delegated) in [
        ("one", json!(true), false),
        ("two", json!(false), true),
        ("three", json!(null), true),
    ] {
        let mut body = new_customer(name);
        body["enableGDAPByDefault"] = gdap.clone();
        let made = here.post("/v1/customers", &body).await.is(201).json();
        assert_eq!(made["allowDelegatedAccess"], delegated);
        assert_eq!(made.get("enableGDAPByDefault").cloned().unwrap_or_default(), gdap);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_sandbox_has_quotas_of_75_and_5_and_25() {
    let here = Here::with(Options {
        integration: true,
        ..Options::default()
    })
    .await;
    let customer = here.customer("one").await;
    let orders = format!("/v1/customers/{customer}/orders");
    let order = |quantity: u64| json!({ "lineItems": [{ "offerId": SPB, "quantity": quantity }] });
    assert_eq!(here.post(&orders, &order(26)).await.refusal(), (400, 800_018));
    for _ in 0..5 {
        here.post(&orders, &order(25)).await.is(201);
    }
    assert_eq!(here.post(&orders, &order(1)).await.refusal(), (400, 800_018));
    here.sandbox.seed(1).await.expect("there are customers already");
    for number in 1..75 {
        here.customer(&format!("more{number}")).await;
    }
    assert_eq!(
        here.post("/v1/customers", &new_customer("last")).await.refusal(),
        (400, 800_018)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_is_refused_by_header_by_body_and_when_it_is_missing() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}/profiles/billing", here.customer("alpha").await);
    let mut profile = here.get(&path).await.is(200).json();
    let first = profile["attributes"]["etag"].as_str().expect("an etag").to_owned();
    assert!(first.parse::<i64>().is_ok());
    profile["companyName"] = "Renamed".into();
    let second = here.call("PUT", &path, &profile).await.is(200).json();
    assert_ne!(second["attributes"]["etag"], first.as_str());
    assert_eq!(second["companyName"], "Renamed");
    // By the body, which is the one that was read first.
    assert_eq!(here.call("PUT", &path, &profile).await.refusal(), (400, 2055));
    // By the header, which counts more than the body.
    let put = |etag: &str, body: &serde_json::Value| {
        Here::send(here.request("PUT", &path).header("If-Match", etag).json(body))
    };
    assert_eq!(put(&format!("\"{first}\""), &second).await.refusal(), (400, 2055));
    let current = second["attributes"]["etag"].as_str().expect("an etag");
    put(&format!("\"{current}\""), &profile).await.is(200);
    // Without any.
    profile["attributes"] = json!({});
    assert_eq!(here.call("PUT", &path, &profile).await.refusal(), (400, 2055));
    here.quirks(&["etag-412"]).await;
    assert_eq!(here.call("PUT", &path, &profile).await.refusal(), (412, 2055));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relationship_is_not_removed_while_a_subscription_is_active_nor_twice() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let subscription = here.subscription(&customer, 3).await;
    let path = format!("/v1/customers/{customer}");
    let none = json!({ "relationshipToPartner": "none", "attributes": { "objectType": "Customer" } });
    let refused = here.patch(&path, &none).await;
    assert_eq!(refused.refusal(), (400, 3000));
    assert_eq!(refused.json()["data"].as_array().map(Vec::len), Some(1));
    let mut suspended = here.get(&subscription).await.json();
    suspended["status"] = "suspended".into();
    here.patch(&subscription, &suspended).await.is(200);
    here.patch(&path, &none).await.is(200);
    assert_eq!(here.patch(&path, &none).await.refusal(), (404, 3000));
    assert_eq!(here.get(&path).await.refusal(), (403, 20_002));
    assert_eq!(here.get("/v1/customers").await.json()["totalCount"], 0);
    // The tenant is still there, and so is its domain.
    assert_eq!(
        Here::send(here.request("HEAD", "/v1/domains/alpha.onmicrosoft.com"))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_integration_sandbox_a_removed_customer_is_gone() {
    let here = Here::with(Options {
        integration: true,
        ..Options::default()
    })
    .await;
    let (one, two) = (here.customer("one").await, here.customer("two").await);
    let none = json!({ "relationshipToPartner": "none" });
    here.patch(&format!("/v1/customers/{one}"), &none).await.is(200);
    assert_eq!(here.get(&format!("/v1/customers/{one}")).await.refusal(), (404, 60_003));
    here.delete(&format!("/v1/customers/{two}")).await.is(204);
    assert_eq!(
        Here::send(here.request("HEAD", "/v1/domains/two.onmicrosoft.com"))
            .await
            .status,
        404
    );
    let plain = Here::new().await;
    let customer = plain.customer("one").await;
    assert_eq!(
        plain.delete(&format!("/v1/customers/{customer}")).await.refusal(),
        (403, 600_006)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn delegated_access_is_given_up_and_domains_are_added() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    let path = format!("/v1/customers/{customer}");
    let domain = json!({ "VerifiedDomainName": "Alpha.example", "Domain": { "Name": "Alpha.example" } });
    let added = here
        .post(&format!("{path}/verifieddomain"), &domain)
        .await
        .is(201)
        .json();
    assert_eq!(added["name"], "alpha.example");
    assert_eq!(
        here.post(&format!("{path}/verifieddomain"), &domain).await.refusal(),
        (400, 3000)
    );
    let domains = here.get(&path).await.json()["customDomains"].clone();
    assert_eq!(domains, json!(["alpha.example", "alpha.onmicrosoft.com"]));
    here.patch(&path, &json!({ "AllowDelegatedAccess": false }))
        .await
        .is(200);
    let less = here.get(&path).await.is(200).json();
    assert_eq!(less["allowDelegatedAccess"], false);
    assert!(
        less.get("customDomains").is_none() && less["companyProfile"].get("email").is_none(),
        "{less}"
    );
    assert_eq!(here.get(&format!("{path}/customDomains")).await.json(), domains);
    assert_eq!(
        here.patch(&path, &json!({ "relationshipToPartner": "reseller" }))
            .await
            .refusal(),
        (400, 3000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_judged_and_never_refused() {
    let here = Here::new().await;
    let judge = async |street: &str, state: &str| {
        let address = json!({ "addressLine1": street, "city": "Seattle", "state": state, "postalCode": "98101", "country": "US" });
        here.post("/v1/validations/address", &address).await.is(200).json()
    };
    assert_eq!(judge("1 Main Street", "WA").await["status"], "VerifiedShippable");
    let partial = judge("Main Street", "WA").await;
    assert_eq!(partial["status"], "StreetPartial");
    assert_eq!(partial["suggestedAddresses"].as_array().map(Vec::len), Some(1));
    let bad = judge("1 Main Street", "QQ").await;
    assert_eq!(bad["status"], "None");
    assert_eq!(bad["suggestedAddresses"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_confirmed_once_and_qualifications_are_in_review() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let metadata = here
        .get("/v1/agreements?agreementType=MicrosoftCustomerAgreement")
        .await
        .json();
    let agreement = json!({
        "primaryContact": { "firstName": "Ada", "lastName": "Berg", "email": "ada@example.com" },
        "templateId": metadata["items"][0]["templateId"],
        "dateAgreed": "2026-01-01T00:00:00Z",
        "type": "MicrosoftCustomerAgreement",
    });
    here.post(&format!("{path}/agreements"), &agreement).await.is(201);
    let again = here.post(&format!("{path}/agreements"), &agreement).await;
    assert_eq!(again.refusal(), (400, 600_061));
    let list = here.get(&format!("{path}/agreements")).await.json();
    assert_eq!((list["totalCount"].as_i64(), list.get("attributes")), (Some(1), None));
    assert!(list["items"][0]["agreementLink"].is_string());
    let bad = json!({ "qualification": "Education" });
    assert_eq!(
        here.post(&format!("{path}/qualifications"), &bad).await.refusal(),
        (400, 3000)
    );
    let good = json!({ "qualification": "Education", "educationSegment": "K12" });
    here.post(&format!("{path}/qualifications"), &good).await.is(201);
    let list = here.get(&format!("{path}/qualifications")).await.json();
    assert_eq!(list[0]["vettingStatus"], "InReview");
    assert_eq!(list[0]["vettingCreateDate"], list[0]["vettingCreatedDate"]);
    let status = format!("{path}/validationStatus?type=account");
    assert_eq!(here.get(&status).await.refusal(), (404, 600_074));
    let admin = path.replace("/v1/", "/sandbox/");
    here.call(
        "PUT",
        &format!("{admin}/validation"),
        &json!({ "status": "UnderReview" }),
    )
    .await
    .is(204);
    assert_eq!(here.get(&status).await.json()["status"], "UnderReview");
}
