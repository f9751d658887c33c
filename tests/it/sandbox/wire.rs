//! Tokens, headers, pages and the forms of errors.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_sandbox::{Options, Quirk};

use super::{Here, filter, fresh_id, new_customer};

const REFRESH: &str = "grant_type=refresh_token&refresh_token=first&client_id=app&resource=https%3A%2F%2Fapi.example";
const APP_ONLY: &str = "grant_type=client_credentials&client_id=app&client_secret=right";

#[tokio::test(flavor = "multi_thread")]
async fn tokens_have_numbers_as_strings_or_as_numbers_and_refresh_tokens_rotate() {
    let here = Here::new().await;
    let first = here.log_in("common", REFRESH).await.is(200).json();
    assert_eq!(first["expires_in"], "3600");
    assert_eq!(first["expires_on"], (super::NOON / 1000 + 3600).to_string());
    let refresh = first["refresh_token"].as_str().expect("a token");
    assert_ne!(refresh, "first");
    let next = here
        .log_in("common", &REFRESH.replace("first", refresh))
        .await
        .is(200)
        .json();
    assert_ne!(next["refresh_token"], refresh);
    let second = here
        .client
        .post(format!("{}/common/oauth2/v2.0/token", here.base))
        .body(REFRESH);
    assert_eq!(Here::send(second).await.json()["expires_in"], 3600);
    let app = here.log_in("common", APP_ONLY).await.json();
    assert!(app.get("refresh_token").is_none());
    let wrong = here
        .log_in("common", "grant_type=implicit&client_id=app")
        .await
        .is(400)
        .json();
    assert_eq!(wrong["error"], "unsupported_grant_type");
    assert!(wrong["error_codes"][0].is_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_alone_is_refused_with_403_and_900329() {
    let mut here = Here::with(Options {
        client_secret: Some("right".to_owned()),
        ..Options::default()
    })
    .await;
    let customer = here.customer("alpha").await;
    let bad = here
        .log_in("common", &APP_ONLY.replace("right", "wrong"))
        .await
        .is(401)
        .json();
    assert_eq!(bad["error"], "invalid_client");
    let token = here.log_in("common", APP_ONLY).await.json();
    here.token = token["access_token"].as_str().expect("a token").to_owned();
    here.get("/v1/customers").await.is(200);
    let users = here.get(&format!("/v1/customers/{customer}/users")).await;
    assert_eq!(users.refusal(), (403, 900_329));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_runs_out_in_the_middle_of_a_run() {
    let mut here = Here::with(Options {
        token_life: Duration::from_secs(60),
        ..Options::default()
    })
    .await;
    here.as_partner(Some("common")).await;
    here.get("/v1/customers").await.is(200);
    here.clock.advance(61_000);
    let refused = here.get("/v1/customers").await;
    assert_eq!(refused.refusal(), (401, 400));
    assert!(refused.header("www-authenticate").starts_with("OAuth "));
    here.as_partner(Some("common")).await;
    here.get("/v1/customers").await.is(200);
    here.fault(&json!({ "operation": "list-customers", "fault": "expired-token" }))
        .await;
    here.get("/v1/customers").await.is(401);
    here.get("/v1/customers").await.is(401);
    here.token = "made-up".to_owned();
    here.get("/v1/customers").await.is(401);
    let none = here.client.get(format!("{}/v1/customers", here.base));
    assert_eq!(Here::send(none).await.refusal(), (401, 800_001));
    let retired = here
        .log_in("common", &REFRESH.replace("api.example", "graph.windows.net"))
        .await
        .json();
    here.token = retired["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(here.get("/v1/customers").await.refusal(), (401, 900_420));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_echoed_or_made_and_a_free_domain_is_404_with_them() {
    let here = Here::new().await;
    here.customer("taken").await;
    let (request, correlation) = (fresh_id(), fresh_id());
    let head = |domain: &str| {
        here.request("HEAD", &format!("/v1/domains/{domain}.onmicrosoft.com"))
            .header("MS-RequestId", &request)
            .header("MS-CorrelationId", &correlation)
    };
    let free = Here::send(head("free")).await.is(404);
    assert_eq!(
        (free.header("ms-requestid"), free.header("ms-correlationid")),
        (request.as_str(), correlation.as_str())
    );
    Here::send(head("Taken")).await.is(200);
    // A 404 of a wrong path has none, so that it is not taken for an answer.
    let wrong = Here::send(
        here.request("HEAD", "/domains/free.onmicrosoft.com")
            .header("MS-CorrelationId", &correlation),
    )
    .await;
    assert_eq!((wrong.status, wrong.header("ms-correlationid")), (404, ""));
    let made = here.get("/v1/customers").await;
    assert_eq!(made.header("ms-requestid").len(), 36);
}

/// All customers of a list, page by page as the official clients do it, and the sizes of the pages.
async fn walk(here: &Here, first: &str) -> (Vec<String>, Vec<usize>) {
    let (mut names, mut sizes) = (Vec::new(), Vec::new());
    let mut request = here.request("GET", first);
    loop {
        let said = Here::send(request).await;
        if said.status == 400 {
            assert_eq!(said.refusal(), (400, 2000));
            return (names, sizes);
        }
        let page = said.is(200).json();
        let items = page["items"].as_array().expect("items");
        sizes.push(items.len());
        names.extend(
            items
                .iter()
                .map(|item| item["companyProfile"]["companyName"].to_string()),
        );
        let Some(next) = page["links"].get("next") else {
            assert!(page.get("continuationToken").is_none());
            return (names, sizes);
        };
        let uri = next["uri"].as_str().expect("a link");
        assert!(uri.contains("seekOperation=Next"), "{uri}");
        let path = if uri.starts_with("/v1/") {
            uri.to_owned()
        } else {
            format!("/v1{uri}")
        };
        request = here.request("GET", &path);
        for header in next["headers"].as_array().expect("headers") {
            assert_eq!(header["value"], page["continuationToken"]);
            let (key, value) = (&header["key"], &header["value"]);
            request = request.header(key.as_str().expect("a key"), value.as_str().expect("a value"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_customers_hold_500_with_size_0_and_links_come_in_both_forms() {
    let here = Here::new().await;
    here.sandbox.seed(501).await.expect("seeded");
    for size in ["?size=0", "", "?size=9999"] {
        let (names, sizes) = walk(&here, &format!("/v1/customers{size}")).await;
        assert_eq!((names.len(), sizes), (501, vec![500, 1]), "{size}");
    }
    let (plain, sizes) = walk(&here, "/v1/customers?size=167").await;
    assert_eq!(sizes, [167, 167, 167]);
    here.quirks(&["prefixed-links"]).await;
    let first = here.get("/v1/customers?size=167").await.json();
    assert!(
        first["links"]["next"]["uri"]
            .as_str()
            .is_some_and(|uri| uri.starts_with("/v1/customers?"))
    );
    assert_eq!(walk(&here, "/v1/customers?size=167").await.0, plain);
    // The last page has a token as well, and what follows it is 400 with code 2000.
    here.quirks(&["dangling-token"]).await;
    assert_eq!(walk(&here, "/v1/customers?size=167").await, (plain, sizes));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_users_hold_100() {
    let here = Here::new().await;
    let customer = here.customer("alpha").await;
    for number in 0..100 {
        here.user(&customer, &format!("u{number}"), "alpha").await;
    }
    let (names, sizes) = walk(&here, &format!("/v1/customers/{customer}/users?size=500")).await;
    assert_eq!((names.len(), sizes), (101, vec![100, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_goes_on_with_its_filter_in_the_token() {
    let here = Here::new().await;
    for name in ["contoso1", "contoso2", "fabrikam", "contoso3"] {
        here.customer(name).await;
    }
    let search = |field: &str, operator: &str| {
        let filter = filter(field, "CONTOSO", operator);
        here.request("GET", &format!("/v1/customers?size=2&{filter}"))
    };
    let page = Here::send(search("CompanyName", "starts_with")).await.is(200).json();
    let uri = page["links"]["next"]["uri"].as_str().expect("a link");
    assert!(!uri.contains("filter"), "{uri}");
    let token = page["continuationToken"].as_str().expect("a token");
    let next = here
        .request("GET", &format!("/v1{uri}"))
        .header("MS-ContinuationToken", token);
    assert_eq!(Here::send(next).await.json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(Here::send(search("Domain", "equals")).await.json()["totalCount"], 0);
    assert_eq!(
        Here::send(search("CompanyName", "contains")).await.refusal(),
        (400, 2000)
    );
    assert_eq!(Here::send(search("Colour", "equals")).await.refusal(), (400, 2000));
    assert_eq!(
        here.get("/v1/customers?seekOperation=Next").await.refusal(),
        (400, 2000)
    );
    assert_eq!(here.get("/v1/customers?filter=x").await.refusal(), (400, 2000));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_come_in_all_six_envelopes_and_codes_as_numbers_or_strings() {
    let here = Here::new().await;
    let missing = format!("/v1/customers/{}", fresh_id());
    let usual = here.get(&missing).await.json();
    assert_eq!(
        (usual["code"].as_i64(), usual["source"].as_str()),
        (Some(60_003), Some("PartnerFD"))
    );
    let customer = here.customer("alpha").await;
    let named = here
        .get(&format!("/v1/customers/{customer}/validationstatus?type=account"))
        .await
        .json();
    assert_eq!(named["isRetryable"], false);
    for fault in ["error-429", "error-503", "error-500"] {
        here.fault(&json!({ "operation": "get-customer", "fault": fault }))
            .await;
    }
    let gateway = here.get(&missing).await.is(429);
    assert_eq!(gateway.json()["statusCode"], 429);
    let page = here.get(&missing).await.is(503);
    assert!(serde_json::from_str::<Value>(&page.text).is_err());
    assert_eq!(here.get(&missing).await.refusal(), (500, 800_003));
    let entra = here.log_in("common", "grant_type=refresh_token").await.is(400).json();
    assert_eq!(entra["error"], "invalid_request");
    // Errors inside a 200 are with the transfers. A body that is no JSON is an error of its own:
    let garbage = here.request("POST", "/v1/customers").body("{");
    assert_eq!(Here::send(garbage).await.refusal(), (400, 800_002));
    here.quirks(&["string-codes"]).await;
    assert_eq!(here.get(&missing).await.json()["code"], "60003");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_a_byte_order_mark_unknown_words_times_without_zone_or_nothing_at_all() {
    let here = Here::with(Options {
        quirks: vec![Quirk::NoBom],
        ..Options::default()
    })
    .await;
    assert!(here.get("/v1/customers").await.text.starts_with('{'));
    here.quirks(&[]).await;
    let made = here.post("/v1/customers", &new_customer("alpha")).await.is(201);
    assert!(made.text.starts_with('\u{feff}'), "a byte order mark");
    let customer = made.json()["id"].as_str().expect("an id").to_owned();
    // Neither tokens nor what is the sandbox's own have one.
    assert!(here.log_in("common", REFRESH).await.text.starts_with('{'));
    assert!(here.get("/sandbox/counters").await.text.starts_with('{'));
    here.quirks(&["unknown-enums", "zoneless-dates"]).await;
    let path = here.subscription(&customer, 1).await;
    let odd = here.get(&path).await.json();
    assert_eq!(odd["status"], "active_of_the_future");
    assert!(!odd["creationDate"].as_str().unwrap_or("Z").ends_with('Z'));
    here.quirks(&["empty-answers"]).await;
    let silent = here.post("/v1/customers", &new_customer("beta")).await.is(201);
    assert_eq!(silent.text, "");
    assert_eq!(here.effects("create-customer").await, 2);
    // A mark in front of what a client sends does not matter either.
    let marked = format!("\u{feff}{}", new_customer("gamma"));
    here.quirks(&[]).await;
    Here::send(here.request("POST", "/v1/customers").body(marked))
        .await
        .is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_none_is_told_from_one_that_is_too_large() {
    let here = Here::new().await;
    let host = here.base.trim_start_matches("http://");
    let head = format!("POST /v1/customers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (rest, status) in [
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), "400"),
        (
            format!("Content-Length: 5000000\r\n\r\n{}", "a".repeat(5_000_000)),
            "413",
        ),
    ] {
        let mut line = tokio::net::TcpStream::connect(host).await.expect("a line");
        let (mut read, mut write) = line.split();
        let text = format!("{head}{rest}");
        // Not all of it is taken any more once it is too much.
        let sending = tokio::io::AsyncWriteExt::write_all(&mut write, text.as_bytes());
        let mut said = [0; 12];
        let reading = tokio::io::AsyncReadExt::read_exact(&mut read, &mut said);
        let (_, got) = tokio::join!(sending, reading);
        got.expect("an answer");
        assert!(said.ends_with(status.as_bytes()), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_read_with_its_quotation_marks_as_they_are() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let here = Here::new().await;
    here.customer("alpha").await;
    here.customer("beta").await;
    let host = here.base.trim_start_matches("http://");
    let mut line = tokio::net::TcpStream::connect(host).await.expect("a line");
    let head = format!("HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n", here.token());
    let mut ask = async |request: String, end: &str| {
        line.write_all(request.as_bytes()).await.expect("sent");
        let mut said = String::new();
        while !said.contains(end) {
            let mut some = [0; 4096];
            let got = line.read(&mut some).await.expect("an answer");
            assert_ne!(got, 0, "{said}");
            said.push_str(&String::from_utf8_lossy(&some[..got]));
        }
        said
    };
    // More than once on the same connection, and a body that waits to be asked for keeps its own.
    for name in ["alpha", "beta"] {
        let query = format!("{{\"Field\":\"CompanyName\",\"Value\":\"{name}\",\"Operator\":\"starts_with\"}}");
        let said = ask(
            format!("GET /v1/customers?size=5&filter={query} {head}\r\n"),
            "\"totalCount\":1}",
        )
        .await;
        assert!(said.contains(&format!("{name} Ltd")), "{said}");
    }
    let address = json!({ "addressLine1": "1 Main Street", "city": "Seattle", "state": "WA", "postalCode": "98101", "country": "US" });
    let address = address.to_string();
    let length = address.len();
    let head = format!("POST /v1/validations/address {head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    ask(head, "100 Continue").await;
    let said = ask(address, "VerifiedShippable").await;
    assert!(said.contains("200 OK") && said.contains("\"Seattle\""), "{said}");
}
