//! What goes over the wire: every request as it is documented, and every sort of answer that is understood.

mod samples;
mod server;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tenantry_ledger::Outcome;
use tenantry_partner_center::TokenKind;

use self::server::{CUSTOMER, Heard, NEW_CUSTOMER, ROLE, SKU, Says, USER, Wire, customer, list, profile};
use super::USERS;

const GAMMA: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country
gamma,Gamma Ltd,Gus,Green,gus@gamma.example,1 Low Street,Leeds,,LS1 4AP,GB
";

fn one_user() -> String {
    format!("{USERS}{CUSTOMER},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,User Administrator\n")
}

/// The one request of that line in what was heard.
#[track_caller]
fn only<'h>(heard: &'h [Heard], line: &str) -> &'h Heard {
    let mut found = heard.iter().filter(|heard| heard.line == line);
    let first = found.next().unwrap_or_else(|| panic!("nobody asked {line}"));
    assert!(found.next().is_none(), "{line} was asked twice");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_as_documented() {
    let wire = Wire::new(|_| None).await;
    assert_eq!(wire.row("add-customer", GAMMA).await.id, NEW_CUSTOMER);
    let address = json!({ "addressLine1": "1 Low Street", "city": "Leeds", "postalCode": "LS1 4AP", "country": "GB" });
    assert_eq!(wire.last("POST /v1/validations/address").body, address);
    wire.last("HEAD /v1/domains/gamma.onmicrosoft.com");
    let mut with_names = address;
    with_names["firstName"] = "Gus".into();
    with_names["lastName"] = "Green".into();
    let expected = json!({
        "companyProfile": { "domain": "gamma.onmicrosoft.com" },
        "billingProfile": {
            "companyName": "Gamma Ltd", "firstName": "Gus", "lastName": "Green", "email": "gus@gamma.example",
            "culture": "en-GB", "language": "en", "defaultAddress": with_names,
        },
        "attributes": { "objectType": "Customer" },
    });
    assert_eq!(only(&wire.heard(), "POST /v1/customers").body, expected);

    let update = "customer,city,phone\nalpha.onmicrosoft.com,Leeds,+44 20 7946 0000\n";
    assert_eq!(wire.row("update-account", update).await.outcome, Some(Outcome::Applied));
    let filter = "%7B%22Field%22%3A%22Domain%22%2C%22Operator%22%3A%22starts_with%22%2C%22Value%22%3A%22alpha.onmicrosoft.com%22%7D";
    assert_eq!(wire.last("GET /v1/customers").query, format!("size=50&filter={filter}"));
    let line = format!("PUT /v1/customers/{CUSTOMER}/profiles/billing");
    let put = only(&wire.heard(), &line).clone();
    assert_eq!(put.header("If-Match"), "\"-77\"");
    let mut expected = profile();
    expected["defaultAddress"]["city"] = "Leeds".into();
    expected["defaultAddress"]["phoneNumber"] = "+44 20 7946 0000".into();
    assert_eq!(put.body, expected);

    assert_eq!(wire.row("bulk-add-users", &one_user()).await.id, USER);
    let heard = wire.heard();
    let of = |rest: &str| format!("/v1/customers/{CUSTOMER}{rest}");
    let lists = heard
        .iter()
        .filter(|heard| heard.line == format!("GET {}", of("/users")));
    let lists: Vec<&str> = lists.map(|heard| heard.query.as_str()).collect();
    let deleted = "%7B%22Field%22%3A%22UserState%22%2C%22Operator%22%3A%22equals%22%2C%22Value%22%3A%22Inactive%22%7D";
    // The plan asks both as well.
    assert_eq!(lists[..2], ["size=100", &format!("size=100&filter={deleted}")]);
    let skus = wire.last(&format!("GET {}", of("/subscribedskus")));
    assert_eq!(skus.query, "licenseGroupIds=Group1&licenseGroupIds=Group2");
    let created = &only(&heard, &format!("POST {}", of("/users"))).body;
    let password = created["passwordProfile"]["password"].as_str().expect("a password");
    assert_eq!(
        *created,
        json!({
            "userPrincipalName": "one@alpha.onmicrosoft.com", "displayName": "One Uno", "firstName": "One",
            "lastName": "Uno", "usageLocation": "GB",
            "passwordProfile": { "password": password, "forceChangePassword": true },
            "attributes": { "objectType": "CustomerUser" },
        })
    );
    let licences = only(
        &heard,
        &format!("POST {}", of(&format!("/users/{USER}/licenseupdates"))),
    );
    let expected = json!({ "licensesToAssign": [{ "skuId": SKU }], "attributes": { "objectType": "LicenseUpdate" } });
    assert_eq!(licences.body, expected);
    let member = only(
        &heard,
        &format!("POST {}", of(&format!("/directoryroles/{ROLE}/usermembers"))),
    );
    assert_eq!(
        member.body,
        json!({ "id": USER, "attributes": { "objectType": "UserMember" } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_changed_in_one_call_with_the_changed_fields() {
    let one = json!({
        "id": USER, "userPrincipalName": "one@alpha.onmicrosoft.com", "displayName": "One Uno", "firstName": "One",
        "lastName": "Uno", "usageLocation": "GB", "state": "active",
    });
    let wire = Wire::new(move |heard| {
        let is_list = heard.line.ends_with("/users") && !heard.query.contains("Inactive");
        if heard.line.starts_with("GET") && is_list {
            return Some(Says::ok(&list(std::slice::from_ref(&one))));
        }
        heard.line.ends_with(USER).then(|| Says::ok(&one))
    })
    .await;
    let update = format!(
        "customer,user_principal_name,display_name,last_name,usage_location,new_user_principal_name\n\
         {CUSTOMER},one@alpha.onmicrosoft.com,,Due,FR,uno@alpha.onmicrosoft.com\n"
    );
    assert_eq!(wire.row("update-users", &update).await.outcome, Some(Outcome::Applied));
    let line = format!("PATCH /v1/customers/{CUSTOMER}/users/{USER}");
    let expected = json!({
        "userPrincipalName": "uno@alpha.onmicrosoft.com", "lastName": "Due", "usageLocation": "FR",
        "attributes": { "objectType": "CustomerUser" },
    });
    assert_eq!(only(&wire.heard(), &line).body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_as_documented_and_the_right_one_asks() {
    let wire = Wire::new(|_| None).await;
    wire.row("add-customer", GAMMA).await;
    wire.row("bulk-add-users", &one_user()).await;
    let (tokens, calls): (Vec<_>, Vec<_>) = wire.heard().into_iter().partition(|one| one.line.contains("oauth2"));
    let form = "resource=https%3A%2F%2Fapi.example&client_id=app&client_secret=a+word";
    let [app, user] = tokens.as_slice() else {
        panic!("{tokens:?}")
    };
    assert_eq!(app.body, format!("{form}&grant_type=client_credentials"));
    assert_eq!(
        user.body,
        format!("{form}&grant_type=refresh_token&refresh_token=first&scope=openid")
    );
    assert_eq!(user.header("Content-Type"), "application/x-www-form-urlencoded");
    for call in &calls {
        let line = &call.line;
        let by_user = ["/users", "/subscribedskus", "/directoryroles"]
            .iter()
            .any(|part| line.contains(part));
        let token_kind = if by_user { "user" } else { "app" };
        assert_eq!(
            call.header("Authorization"),
            format!("Bearer token-of-{token_kind}"),
            "{line}"
        );
        for (name, value) in [
            ("Accept", "application/json"),
            ("X-Locale", "en-US"),
            ("MS-PartnerCenter-Application", "Tenantry"),
            (
                "Content-Type",
                if call.body.is_null() { "" } else { "application/json" },
            ),
        ] {
            assert_eq!(call.header(name), value, "{line}: {name}");
        }
        for name in ["MS-RequestId", "MS-CorrelationId"] {
            assert!(uuid::Uuid::try_parse(call.header(name)).is_ok(), "{line}: {name}");
        }
    }
    let ids: std::collections::HashSet<&str> = calls.iter().map(|call| call.header("MS-RequestId")).collect();
    assert_eq!(ids.len(), calls.len(), "each call has an id of its own");
}

fn user(name: &str) -> Value {
    json!({
        "id": format!("id-{name}"), "userPrincipalName": format!("{name}@alpha.onmicrosoft.com"), "displayName": "One Uno",
        "firstName": "One", "lastName": "Uno", "usageLocation": "GB", "state": "perhaps", "userDomainType": "none",
        "softDeletionTime": null, "lastDirectorySyncTime": "2026-03-01T10:00:00",
    })
}

/// A list of users on two pages, with the second found as `next` says; the row's user is on the second one.
async fn on_two_pages(next: fn(&mut Value), second: fn(&Heard) -> bool, last: fn(&mut Value)) {
    let asked = AtomicUsize::new(0);
    let wire = Wire::new(move |heard| {
        if !heard.line.ends_with("/users") {
            return None;
        }
        if heard.header("MS-ContinuationToken") == "behind" {
            return Some(Says::json(400, &json!({ "code": 2000, "description": "no more" })));
        }
        let is_first = heard.header("MS-ContinuationToken").is_empty();
        let mut page = list(&[user(if is_first { "zero" } else { "one" })]);
        if is_first {
            next(&mut page);
        } else {
            assert!(second(heard), "{heard:?}");
            assert!(asked.fetch_add(1, Ordering::SeqCst) < 10, "round in circles");
            last(&mut page);
        }
        Some(Says::ok(&page))
    })
    .await;
    let row = format!("{USERS}{CUSTOMER},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    let record = wire.row("bulk-add-users", &row).await;
    assert_eq!(
        (record.outcome, record.id.as_str()),
        (Some(Outcome::Unchanged), "id-one")
    );
}

fn next_link(page: &mut Value, prefix: &str) {
    page["links"] = json!({ "next": {
        "uri": format!("{prefix}/customers/{CUSTOMER}/users?size=100&seekOperation=Next"),
        "method": "GET",
        "headers": [{ "key": "MS-ContinuationToken", "value": "t/+=" }],
    } });
}

fn by_link(heard: &Heard) -> bool {
    heard.header("MS-ContinuationToken") == "t/+=" && heard.query == "size=100&seekOperation=Next"
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_by_either_link_by_a_token_and_to_a_dangling_one() {
    let nothing: fn(&mut Value) = |_| {};
    on_two_pages(|page| next_link(page, ""), by_link, nothing).await;
    on_two_pages(|page| next_link(page, "/v1"), by_link, nothing).await;
    let token: fn(&mut Value) = |page| page["continuationToken"] = "only".into();
    let by_token =
        |heard: &Heard| heard.header("MS-ContinuationToken") == "only" && heard.query.contains("seekOperation=Next");
    on_two_pages(token, by_token, nothing).await;
    on_two_pages(token, by_token, |page| page["continuationToken"] = "behind".into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_goes_in_a_circle_is_not_read_for_ever() {
    let wire = Wire::new(|heard| {
        let mut page = list(&[user("zero")]);
        next_link(&mut page, "");
        heard.line.ends_with("/users").then(|| Says::ok(&page))
    })
    .await;
    let cells = [
        ("customer", CUSTOMER),
        ("user_principal_name", "one@alpha.onmicrosoft.com"),
        ("display_name", "One"),
    ];
    let halt = wire
        .preview("bulk-add-users", &cells)
        .await
        .expect_err("nobody can say");
    assert!(halt.to_string().contains("page 2 is page 1 again"), "{halt}");
}

/// Every answer as `bend` makes it; the rows come to the same end.
async fn bent(bend: fn(&Value) -> Vec<u8>) {
    let wire = Wire::new(move |heard| {
        let (status, body) = match heard.line.as_str() {
            line if line == format!("GET /v1/customers/{CUSTOMER}") => (200, customer()),
            line if line == format!("GET /v1/customers/{CUSTOMER}/profiles/billing") => (200, profile()),
            line if line == format!("GET /v1/customers/{CUSTOMER}/users") => (200, list(&[user("one")])),
            line if line == format!("PUT /v1/customers/{CUSTOMER}/profiles/billing") => {
                let stale = json!({ "code": 60_012, "description": "no", "data": [], "source": "S" });
                (400, stale)
            }
            _ => return None,
        };
        Some(Says::text(status, bend(&body)))
    })
    .await;
    let row = format!("{USERS}{CUSTOMER},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    let record = wire.row("bulk-add-users", &row).await;
    assert_eq!(
        (record.outcome, record.id.as_str()),
        (Some(Outcome::Unchanged), "id-one")
    );
    let record = wire
        .row("update-account", &format!("customer,city\n{CUSTOMER},Leeds\n"))
        .await;
    assert_eq!(record.code, "no-free-seats", "{}", record.message);
    let put = wire.last(&format!("PUT /v1/customers/{CUSTOMER}/profiles/billing"));
    assert_eq!(put.header("If-Match"), "\"-77\"");
    assert_eq!(put.body["defaultAddress"]["city"], "Leeds");
    assert_eq!(put.body["defaultAddress"]["country"], "GB");
}

fn pascal(value: &Value) -> Value {
    let spelt = |name: &String| name[..1].to_uppercase() + &name[1..];
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (spelt(name), pascal(value)))
            .collect(),
        Value::Array(items) => items.iter().map(pascal).collect(),
        Value::Number(code) if code.as_i64() == Some(60_012) => code.to_string().into(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_may_begin_with_a_mark_and_be_spelt_otherwise() {
    bent(|body| body.to_string().into_bytes()).await;
    bent(|body| format!("\u{feff}{body}").into_bytes()).await;
    bent(|body| format!("\u{feff}\r\n{}", pascal(body)).into_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_may_say_nothing() {
    let made = AtomicUsize::new(0);
    let wire = Wire::new(move |heard| {
        let of = |rest: &str| format!("/v1/customers/{CUSTOMER}{rest}");
        let is = |method: &str, path: &str| heard.line == format!("{method} {path}");
        if is("POST", &of("/users")) {
            made.store(1, Ordering::SeqCst);
        } else if is("GET", &of("/users")) && made.load(Ordering::SeqCst) == 1 {
            let mut one = user("one");
            one["id"] = USER.into();
            return Some(Says::ok(&list(&[one])));
        } else if is("GET", "/v1/customers") && heard.query.contains("gamma") {
            let found = json!({ "id": NEW_CUSTOMER, "companyProfile": { "domain": "GAMMA.onmicrosoft.com" } });
            return Some(Says::ok(&list(&[found])));
        }
        let changes = heard.line.starts_with("POST /v1/customers") || heard.line.starts_with("PUT ");
        changes.then(|| Says::empty(201))
    })
    .await;
    assert_eq!(wire.row("bulk-add-users", &one_user()).await.id, USER);
    wire.last(&format!("POST /v1/customers/{CUSTOMER}/users/{USER}/licenseupdates"));
    assert_eq!(wire.row("add-customer", GAMMA).await.id, NEW_CUSTOMER);
    let update = format!("customer,city\n{CUSTOMER},Leeds\n");
    assert_eq!(
        wire.row("update-account", &update).await.outcome,
        Some(Outcome::Applied)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_domain_is_one_that_partner_center_itself_says_nothing_about() {
    // As a proxy would say it, that knows nothing of correlation ids.
    let wire = Wire::new(|heard| {
        let stranger = || Says::text(404, "<html>not here</html>").with("MS-CorrelationId", "another");
        heard.line.starts_with("HEAD").then(stranger)
    })
    .await;
    let cells: Vec<(&str, &str)> = {
        let mut lines = GAMMA.lines().map(|line| line.split(','));
        let (names, values) = (lines.next().expect("a header"), lines.next().expect("a row"));
        names.zip(values).collect()
    };
    let halt = wire.preview("add-customer", &cells).await.expect_err("nobody can say");
    assert!(halt.to_string().contains("HTTP 404"), "{halt}");
    assert!(wire.heard().iter().any(|heard| heard.line.starts_with("HEAD")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_or_a_number_says_when_to_ask_again() {
    let asked = AtomicUsize::new(0);
    let wire = Wire::new(move |heard| {
        let is_first = heard.line == "GET /v1/customers" && asked.fetch_add(1, Ordering::SeqCst) == 0;
        let body = json!({ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds." });
        is_first.then(|| Says::json(429, &body).with("Retry-After", "1"))
    })
    .await;
    let said = wire
        .store
        .check(TokenKind::App)
        .await
        .expect_err("one call, one answer");
    assert_eq!(said, "Rate limit is exceeded. Try again in 1 seconds (HTTP 429)");
    wire.store.check(TokenKind::App).await.expect("an answer");
}
