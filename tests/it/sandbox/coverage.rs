//! Every operation on the side of accounts is served, or there is a reason why not; what is served answers with the
//! members it has to have, and refuses whom it has to refuse. `operations.txt` lists them, and a page of the reference is
//! made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use tenantry_sandbox::ServedOperation;

use super::{Here, OTHER_PARTNER, SPB, SPB_SKU, TOKEN};

/// A line of the list.
struct Line {
    method: &'static str,
    /// With names in braces at its open places.
    path: &'static str,
    /// What an answer has to have.
    members: Vec<&'static str>,
    /// Why it is not served.
    reason: Option<&'static str>,
}

fn lines() -> Vec<Line> {
    let text = include_str!("operations.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let read = |line: &'static str| {
        let (rest, reason) = line
            .split_once(" -- ")
            .map_or((line, None), |(rest, reason)| (rest, Some(reason)));
        let (operation, members) = rest.split_once(" : ").unwrap_or((rest, ""));
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        Line {
            method,
            path,
            members: members.split_whitespace().collect(),
            reason,
        }
    };
    lines.map(read).collect()
}

/// A path whose open places have no names.
fn bare(path: &str) -> String {
    let part = |part: &str| {
        if part.starts_with('{') {
            "{}".to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn served() -> BTreeMap<(String, String), ServedOperation> {
    let key = |one: &ServedOperation| (one.method.clone(), one.path.to_owned());
    tenantry_sandbox::served().map(|one| (key(&one), one)).collect()
}

/// What nobody without a token gets, what an application alone does not get, and what there is of unknown customers.
fn refusals(one: &ServedOperation) -> Vec<(&'static str, u16, i64)> {
    let mut all = vec![("without a token", 401, 800_001)];
    if one.needs_user {
        all.push(("without a user", 403, 900_329));
    }
    // What is done in an integration sandbox only is refused for that first.
    if one.path.starts_with("customers/{}") && one.name != "delete-customer" {
        all.push(("of an unknown customer", 404, 60_003));
    }
    all
}

/// The generated part of the reference.
pub(crate) fn table() -> String {
    let served = served();
    let (mut table, mut missing) = (String::new(), String::new());
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let lines = lines();
    let count = lines.iter().filter(|line| line.reason.is_none()).count();
    let _ = writeln!(table, "{count} of {} operations are served.\n", lines.len());
    table.push_str("| operation | name | answer checked | refusals checked |\n|---|---|---|---|\n");
    for line in &lines {
        let path = match line.path.strip_prefix("webhooks/") {
            Some(rest) => format!("/webhooks/v1/{rest}"),
            None => format!("/v1/{}", line.path),
        };
        let shown = format!("`{} {path}`", line.method);
        if let Some(reason) = line.reason {
            reasons.entry(reason).or_default().push(shown);
            continue;
        }
        let one = &served[&(line.method.to_owned(), bare(line.path))];
        let members = match line.members.len() {
            0 if ["GET", "HEAD"].contains(&line.method) => "status".to_owned(),
            0 => "elsewhere".to_owned(),
            1 => "1 member".to_owned(),
            count => format!("{count} members"),
        };
        let refused: Vec<String> = refusals(one)
            .iter()
            .map(|(_, status, code)| format!("{status} {code}"))
            .collect();
        let _ = writeln!(
            table,
            "| {shown} | `{}` | {members} | {} |",
            one.name,
            refused.join(", ")
        );
    }
    for (reason, operations) in reasons {
        let _ = writeln!(missing, "| {reason} | {} |", operations.join("<br>"));
    }
    format!(
        "{table}\nNot served, and answered 404, or 405 where another method is served:\n\n| reason | operations |\n|---|---|\n{missing}"
    )
}

#[test]
fn every_operation_is_served_or_there_is_a_reason() {
    let served: BTreeSet<(String, String)> = served().into_keys().collect();
    let lines = lines();
    let of = |line: &Line| (line.method.to_owned(), bare(line.path));
    let listed: BTreeSet<_> = lines.iter().map(of).collect();
    assert_eq!(listed.len(), lines.len(), "each is listed once");
    for line in &lines {
        let is_served = served.contains(&of(line));
        assert_eq!(is_served, line.reason.is_none(), "{} {}", line.method, line.path);
    }
    let unlisted: Vec<_> = served.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "in operations.txt stand all that are served: {unlisted:?}"
    );
}

#[test]
fn every_published_operation_is_listed() {
    let Some(facts) = crate::facts::directory() else { return };
    let lines = lines();
    let listed: BTreeSet<_> = lines.iter().map(|line| (line.method, bare(line.path))).collect();
    let published = crate::place::read(facts.join("operations.tsv"));
    let mut seen = 0;
    for line in published.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, method, path, ..] = columns.as_slice() else {
            continue;
        };
        let path = path.split('?').next().and_then(|path| path.strip_prefix("/v1/"));
        let Some(path) = path.filter(|path| *path != "*") else {
            continue;
        };
        assert!(
            listed.contains(&(*method, bare(&path.to_ascii_lowercase()))),
            "{method} {path}"
        );
        seen += 1;
    }
    assert!(seen > 70, "{seen}");
}

/// A customer who has something of everything, and the names of it.
pub(super) async fn furnished(here: &Here) -> BTreeMap<&'static str, String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut names = BTreeMap::new();
    let mut new = super::new_customer("alpha");
    new["associatedPartnerId"] = "5000101".into();
    let customer = text(&here.post("/v1/customers", &new).await.is(201).json()["id"]);
    let path = format!("/v1/customers/{customer}");
    let order = json!({ "lineItems": [{ "offerId": SPB, "quantity": 5, "partnerIdOnRecord": "77" }] });
    let order = here.post(&format!("{path}/orders"), &order).await.is(201).json();
    names.insert("subscription", text(&order["lineItems"][0]["subscriptionId"]));
    names.insert("order", text(&order["id"]));
    names.insert("line", "0".to_owned());
    let plan = json!({ "lineItems": [{ "offerId": "DZH318Z0BPS6:0001:DZH318Z0BMXB" }] });
    let plan = here.post(&format!("{path}/orders"), &plan).await.is(201).json();
    names.insert("plan", text(&plan["lineItems"][0]["subscriptionId"]));
    let cart = json!({ "lineItems": [{ "catalogItemId": SPB }] });
    names.insert(
        "cart",
        text(&here.post(&format!("{path}/carts"), &cart).await.is(201).json()["id"]),
    );
    let user = here.user(&customer, "ken", "alpha").await;
    let licences = json!({ "licensesToAssign": [{ "skuId": SPB_SKU }] });
    here.post(&format!("{path}/users/{user}/licenseupdates"), &licences)
        .await
        .is(201);
    let role = text(&here.get(&format!("{path}/directoryroles")).await.json()["items"][0]["id"]);
    here.post(
        &format!("{path}/directoryroles/{role}/usermembers"),
        &json!({ "id": user }),
    )
    .await
    .is(201);
    names.extend([("user", user), ("role", role)]);
    let transfer =
        json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": [{ "subscriptionId": names["subscription"] }] });
    names.insert(
        "transfer",
        text(&here.post(&format!("{path}/transfers"), &transfer).await.is(201).json()["id"]),
    );
    let batch = json!({ "batchId": "b", "devices": [{ "serialNumber": "S1" }, { "serialNumber": "FAIL1" }] });
    let taken = here.post(&format!("{path}/deviceBatches"), &batch).await.is(202);
    names.insert(
        "upload",
        taken.header("location").rsplit('/').next().expect("an id").to_owned(),
    );
    names.insert("batch", "b".to_owned());
    let device = here.get(&format!("{path}/deviceBatches/b/devices")).await.json();
    names.insert("device", text(&device["items"][0]["id"]));
    let policy = json!({ "name": "p", "policySettings": [] });
    let policy = text(&here.post(&format!("{path}/policies"), &policy).await.is(201).json()["id"]);
    let given = json!({ "devices": [{ "id": names["device"], "policies": [{ "key": "OOBE", "value": policy }] }] });
    here.patch(&format!("{path}/DevicePolicyUpdates"), &given).await.is(202);
    names.insert("policy", policy);
    names.insert("application", super::fresh_id());
    let consent = json!({ "applicationId": names["application"], "applicationGrants": [{ "enterpriseApplicationId": "x", "scope": "y" }] });
    here.post(&format!("{path}/applicationconsents"), &consent)
        .await
        .is(201);
    let entitlements = here
        .get(&format!("{path}/subscriptions/{}/azureEntitlements", names["plan"]))
        .await
        .json();
    names.insert("entitlement", text(&entitlements["items"][0]["id"]));
    let template = text(&here.get("/v1/agreements").await.json()["items"][0]["templateId"]);
    let agreement = json!({
        "primaryContact": { "firstName": "Ada", "lastName": "Berg", "email": "ada@example.com" },
        "templateId": template, "dateAgreed": "2026-01-01T00:00:00Z", "type": "MicrosoftCloudAgreement",
    });
    here.post(&format!("{path}/agreements"), &agreement).await.is(201);
    names.insert("template", template);
    let school = json!({ "qualification": "Education", "educationSegment": "K12" });
    here.post(&format!("{path}/qualifications"), &school).await.is(201);
    let hook = json!({ "webhookUrl": "https://hooks.example", "webhookEvents": ["test-created"] });
    here.post("/webhooks/v1/registration", &hook).await.is(200);
    let tried = here
        .post("/webhooks/v1/registration/validationEvents", &json!({}))
        .await
        .is(200)
        .json();
    names.insert("validation", text(&tried["correlationId"]));
    let status = json!({ "status": "UnderReview" });
    here.call("PUT", &format!("/sandbox/customers/{customer}/validation"), &status)
        .await
        .is(204);
    let [product, sku, availability] = [0, 1, 2].map(|at| SPB.split(':').nth(at).expect("three parts").to_owned());
    names.extend([
        ("product", product),
        ("sku", sku),
        ("availability", availability),
        ("customer", customer),
    ]);
    for (name, value) in [
        ("offer", "MS-AZR-0145P"),
        ("country", "US"),
        ("domain", "alpha.onmicrosoft.com"),
        ("prefix", "beta"),
    ] {
        names.insert(name, value.to_owned());
    }
    names
}

/// The address of an operation, with names put in.
fn address(path: &str, names: &BTreeMap<&str, String>) -> String {
    let part = |part: &str| {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let azure = name == Some("subscription")
            && ["azureentitlements", "subscription}/usagesummary"]
                .iter()
                .any(|word| path.contains(word));
        name.map_or_else(
            || part.to_owned(),
            |name| names[if azure { "plan" } else { name }].clone(),
        )
    };
    let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
    let query = match path.as_str() {
        "relationships" => "?relationship_type=IsIndirectCloudSolutionProviderOf",
        "compliance/csp/agreementstatus" | "compliance/agreementsignaturestatus" => "?mpnId=5000101",
        path if path.ends_with("verifieddomain") => "?domain=alpha.onmicrosoft.com",
        path if path.ends_with("validationstatus") => "?type=account",
        _ => "",
    };
    match path.strip_prefix("webhooks/") {
        Some(rest) => format!("/webhooks/v1/{rest}{query}"),
        None => format!("/v1/{path}{query}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_reads_have_the_members_they_have_to_have() {
    let here = Here::new().await;
    let names = furnished(&here).await;
    for line in lines()
        .iter()
        .filter(|line| line.reason.is_none() && ["GET", "HEAD"].contains(&line.method))
    {
        let said = Here::send(here.request(line.method, &address(line.path, &names))).await;
        let said = said.is(200);
        if line.method == "HEAD" {
            continue;
        }
        let answer = said.json();
        let one = match (&answer["items"], &answer) {
            (Value::Array(items), _) | (_, Value::Array(items)) => items.first().cloned().unwrap_or_default(),
            _ => answer.clone(),
        };
        for member in &line.members {
            let found = member.split('.').try_fold(&one, |at, name| at.get(name));
            assert!(
                found.is_some_and(|value| !value.is_null()),
                "{}: {member}: {one}",
                line.path
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_refused_to_callers_without_access() {
    let mut here = Here::new().await;
    let mut names = furnished(&here).await;
    let application = here
        .log_in("common", "grant_type=client_credentials&client_id=app&client_secret=s")
        .await;
    let application = application.json()["access_token"].as_str().expect("a token").to_owned();
    names.insert("customer", super::fresh_id());
    let served = served();
    let mut others = Vec::new();
    for line in lines().iter().filter(|line| line.reason.is_none()) {
        let one = &served[&(line.method.to_owned(), bare(line.path))];
        for (whose, status, code) in refusals(one) {
            let (token, id) = match whose {
                "without a token" => ("", "00000000-0000-4000-8000-000000000000"),
                "without a user" => (application.as_str(), "00000000-0000-4000-8000-000000000000"),
                _ => (TOKEN, "00000000-0000-4000-8000-000000000000"),
            };
            names.insert("customer", id.to_owned());
            token.clone_into(&mut here.token);
            let path = address(line.path, &names);
            let mut request = here.request(line.method, &path).json(&json!({}));
            if token.is_empty() {
                request = here
                    .client
                    .request(line.method.parse().expect("a method"), format!("{}{path}", here.base));
            }
            let said = Here::send(request).await;
            let told = if line.method == "HEAD" {
                (said.status, code)
            } else {
                said.refusal()
            };
            if told != (status, code) {
                others.push(format!("{} {} {whose}: {told:?}", line.method, line.path));
            }
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}
