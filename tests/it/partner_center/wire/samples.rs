//! Against the samples and the Swagger that are published, where somebody has them. Without them there is nothing to compare,
//! and what our own values can show is shown in `wire`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tenantry_ledger::Outcome;
use tenantry_partner_center::TokenKind;
use tenantry_store::Verdict;

use super::server::{CUSTOMER, Says, USER, Wire, list};
use super::{GAMMA, one_user};
use crate::facts::{directory as facts, index, parse, sample};
use crate::partner_center::USERS;
use crate::place::read;

/// The JSON files of an operation whose names begin so.
fn samples(operation: &str, begin: &str) -> Vec<Value> {
    let Some(facts) = facts() else { return Vec::new() };
    let dir = std::fs::read_dir(facts.join("samples").join(operation)).expect("a directory");
    let mut paths: Vec<PathBuf> = dir.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(begin) && is_json(&name)
    });
    paths.sort();
    assert!(!paths.is_empty(), "there is no sample of {operation}");
    paths.iter().map(|path| parse(&read(path))).collect()
}

fn is_json(name: &str) -> bool {
    Path::new(name).extension() == Some("json".as_ref())
}

/// A server whose answers to what ends so are these.
async fn saying(answers: Vec<(&'static str, Value)>) -> Wire {
    Wire::new(move |heard| {
        let said = answers.iter().find(|(line, _)| heard.line.ends_with(line));
        said.map(|(_, body)| Says::ok(body))
    })
    .await
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

/// A customer of whom a user's name may be.
fn home_of(name: &str) -> Value {
    let domain = name.rsplit('@').next().unwrap_or_default();
    json!({ "id": CUSTOMER, "companyProfile": { "domain": domain } })
}

const ONE: &str = "one@alpha.onmicrosoft.com";

/// A row of this user with one more cell.
fn cells<'c>(column: &'c str, value: &'c str) -> [(&'c str, &'c str); 5] {
    [
        ("customer", CUSTOMER),
        ("user_principal_name", ONE),
        ("display_name", "One"),
        ("usage_location", "GB"),
        (column, value),
    ]
}

const WHOLE_CUSTOMER: &str = concat!("GET /v1/customers/", "c0ffee00-0001-4000-8000-00000000000a");

#[tokio::test(flavor = "multi_thread")]
async fn sample_errors_keep_their_message_and_code() {
    let Some(facts) = facts() else { return };
    let mut seen = 0;
    for one in index(&facts) {
        let file = one.file.as_str();
        let Ok(status) = one.status.parse::<u16>() else {
            continue;
        };
        if status < 400 {
            continue;
        }
        seen += 1;
        let body = sample(&facts, file);
        let (code, said) = (
            body["code"].to_string(),
            ["/description", "/message"].map(|name| text(&body, name).to_owned()),
        );
        let wire = Wire::new(move |heard| {
            let is_it = heard.line == "GET /v1/customers";
            is_it.then(|| Says::json(status, &body))
        })
        .await;
        let told = wire.store.check(TokenKind::App).await.expect_err(file);
        let said = said
            .into_iter()
            .find(|said| !said.is_empty())
            .expect("it says something");
        assert!(told.contains(said.trim_end_matches('.')), "{file}: {told}");
        assert!(told.contains(&format!("HTTP {status}")), "{file}: {told}");
        assert!(
            code == "null" || told.contains(&format!("code {}", code.trim_matches('"'))),
            "{file}: {told}"
        );
    }
    assert!(seen >= 7, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_taken_from_either_endpoint() {
    for token in [
        samples("auth-app-only", "response"),
        samples("auth-app-user", "response"),
    ]
    .concat()
    {
        let expected = format!("Bearer {}", text(&token, "/access_token"));
        let wire = saying(vec![("oauth2/token", token)]).await;
        let _ = wire.store.check(TokenKind::AppAndUser).await;
        assert_eq!(wire.last("GET /v1/customers").header("Authorization"), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_found_by_domain_and_their_domains_known() {
    for found in [
        samples("search-customers", "response"),
        samples("list-customers", "response"),
    ]
    .concat()
    {
        for customer in items(&found) {
            let domain = text(customer, "/companyProfile/domain");
            if !domain.contains('.') {
                continue;
            }
            let wire = saying(vec![("GET /v1/customers", found.clone())]).await;
            let row = format!("{USERS}{},a@{domain},A,B,GB,,\n", domain.to_uppercase());
            assert_eq!(wire.row("bulk-add-users", &row).await.code, "unknown-customer");
            wire.last(&format!("GET /v1/customers/{}", text(customer, "/id")));
        }
    }
    for customer in samples("get-customer", "response") {
        let domains = customer["customDomains"].clone();
        let wire = saying(vec![(WHOLE_CUSTOMER, customer)]).await;
        let row = format!("{USERS}{CUSTOMER},a@elsewhere.example,A,B,GB,,\n");
        let record = wire.row("bulk-add-users", &row).await;
        assert_eq!(record.code, "foreign-domain");
        for domain in domains.as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(record.message.contains(domain), "{}", record.message);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_their_licences_and_their_roles_are_read() {
    for users in samples("list-users", "response") {
        for user in items(&users) {
            let name = text(user, "/userPrincipalName");
            let wire = saying(vec![("/users", users.clone()), (WHOLE_CUSTOMER, home_of(name))]).await;
            let cells = [
                ("customer", CUSTOMER),
                ("user_principal_name", name),
                ("display_name", text(user, "/displayName")),
                ("first_name", text(user, "/firstName")),
                ("last_name", text(user, "/lastName")),
                ("usage_location", text(user, "/usageLocation")),
            ];
            let verdict = wire.preview("bulk-add-users", &cells).await.expect("an answer");
            assert_eq!(verdict, Verdict::Unchanged, "{name}");
        }
    }
    let there = list(&[json!({ "id": USER, "userPrincipalName": ONE, "displayName": "One", "usageLocation": "GB" })]);
    for licenses in samples("get-user-licenses", "response") {
        let held: Vec<Value> = items(&licenses).to_vec();
        let names: Vec<&str> = held.iter().map(|one| text(one, "/productSku/skuPartNumber")).collect();
        let names = names.join(";");
        let wire = saying(vec![
            ("/users", there.clone()),
            ("/subscribedskus", list(&held)),
            ("/licenses", licenses.clone()),
        ]);
        let verdict = wire.await.preview("bulk-add-users", &cells("licenses", &names)).await;
        assert_eq!(verdict.expect("an answer"), Verdict::Unchanged, "{names}");
    }
    for roles in samples("list-user-roles", "response") {
        let names: Vec<&str> = items(&roles).iter().map(|one| text(one, "/name")).collect();
        let names = names.join(";");
        let wire = saying(vec![("/users", there.clone()), ("/directoryroles", roles.clone())]).await;
        let verdict = wire.preview("bulk-add-users", &cells("roles", &names)).await;
        assert_eq!(verdict.expect("an answer"), Verdict::Unchanged, "{names}");
    }
    for skus in samples("subscribed-skus", "response") {
        let wire = saying(vec![("/subscribedskus", skus.clone())]).await;
        let verdict = wire.preview("bulk-add-users", &cells("licenses", "NO-SUCH-SKU")).await;
        let Ok(Verdict::Reject(problem)) = verdict else {
            panic!("{verdict:?}")
        };
        for sku in items(&skus) {
            assert!(
                problem.expected.contains(text(sku, "/productSku/skuPartNumber")),
                "{problem}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn created_customers_and_users_are_named() {
    for made in samples("create-customer", "response") {
        let wire = saying(vec![("POST /v1/customers", made.clone())]).await;
        assert_eq!(wire.row("add-customer", GAMMA).await.id, text(&made, "/id"));
    }
    for made in samples("create-user", "response") {
        let wire = saying(vec![("/users", made.clone())]).await;
        let row = format!("{USERS}{CUSTOMER},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
        assert_eq!(wire.row("bulk-add-users", &row).await.id, text(&made, "/id"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_written_back_whole_and_addresses_judged() {
    for profile in samples("get-billing-profile", "response") {
        let wire = saying(vec![("/profiles/billing", profile.clone())]).await;
        let record = wire
            .row("update-account", &format!("customer,city\n{CUSTOMER},Bellevue\n"))
            .await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{}", record.message);
        let put = wire.last(&format!("PUT /v1/customers/{CUSTOMER}/profiles/billing"));
        let mut expected = profile;
        expected["defaultAddress"]["city"] = "Bellevue".into();
        assert_eq!(put.body, expected);
        assert_eq!(
            put.header("If-Match"),
            format!("\"{}\"", text(&expected, "/attributes/etag"))
        );
    }
    for answer in samples("validate-address", "response") {
        let line = text(&answer, "/originalAddress/addressLine1").to_owned();
        let suggested = text(&answer, "/suggestedAddresses/0/addressLine1").to_owned();
        let wire = saying(vec![("/validations/address", answer)]).await;
        let row = GAMMA
            .replace("1 Low Street", &line)
            .replace("Leeds,,LS1 4AP,GB", "Redmond,WA,98052,US");
        let record = wire.row("add-customer", &row).await;
        if suggested == line {
            assert_eq!(record.outcome, Some(Outcome::Applied), "{}", record.message);
        } else {
            assert_eq!(record.code, "address-not-verified");
            assert!(record.message.contains(&suggested), "{}", record.message);
        }
    }
}

/// What is wrong with a value by a schema of the Swagger.
fn faults(definitions: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/definitions/");
        // What the service has inside; on the wire it is a text.
        if name.ends_with("SecureString") {
            assert!(value.is_string(), "{at}");
        } else {
            faults(definitions, &definitions[name], value, at, found);
        }
        return;
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string() || value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || schema["enum"].is_array(),
        _ => true,
    };
    if !fits {
        found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if value.get(name).is_none() {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    if let (Some(known), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, member) in members {
            match known.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                Some((_, schema)) => faults(definitions, schema, member, &format!("{at}.{name}"), found),
                None => found.push(format!("{at}: there is no {name}")),
            }
        }
    }
    for item in value.as_array().into_iter().flatten() {
        faults(definitions, &schema["items"], item, at, found);
    }
}

/// The segments of a path, with what is open in it left open.
fn is_path(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    let fits = |(known, given): (&&str, &&str)| known.contains('{') || known.eq_ignore_ascii_case(given);
    pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fit_the_swagger() {
    let Some(facts) = facts() else { return };
    let swagger = parse(&read(facts.join("swagger/CustomerService.json")));
    let wire = Wire::new(|_| None).await;
    wire.row("add-customer", GAMMA).await;
    wire.row("update-account", &format!("customer,city\n{CUSTOMER},Leeds\n"))
        .await;
    wire.row("bulk-add-users", &one_user()).await;
    let (mut found, mut checked) = (Vec::new(), 0);
    let definitions = &swagger["definitions"];
    // Users and licences are of another service; what they are made of is in this one's definitions, too.
    let of_others = [("/users", "CustomerUser"), ("/licenseupdates", "LicenseUpdate")];
    for heard in wire.heard() {
        let (method, path) = heard.line.split_once(' ').expect("a line");
        let by_name = of_others
            .iter()
            .find(|(end, _)| method == "POST" && path.ends_with(end));
        if let Some((_, name)) = by_name {
            let schema = json!({ "$ref": format!("Microsoft.Partner.Service.Customers.Contracts.V1.{name}") });
            faults(definitions, &schema, &heard.body, &heard.line, &mut found);
            checked += 1;
        }
        let paths = swagger["paths"].as_object().into_iter().flatten();
        let Some((_, operations)) = paths.into_iter().find(|(pattern, _)| is_path(pattern, path)) else {
            continue;
        };
        let operation = &operations[method.to_lowercase()];
        assert!(operation.is_object(), "{}", heard.line);
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut names = Vec::new();
        for parameter in parameters {
            match parameter["in"].as_str() {
                Some("body") => faults(definitions, &parameter["schema"], &heard.body, &heard.line, &mut found),
                Some("query") => names.extend(parameter["name"].as_str().and_then(|name| name.split('.').next())),
                Some("header") if parameter["required"] == true => {
                    let name = parameter["name"].as_str().expect("a name");
                    assert!(!heard.header(name).is_empty(), "{}: {name}", heard.line);
                }
                _ => {}
            }
        }
        for pair in heard.query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            assert!(names.contains(&name), "{}: there is no {name} in the query", heard.line);
        }
        checked += 1;
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(checked >= 10, "{checked}");
}
