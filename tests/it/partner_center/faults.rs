//! For every call that changes something, everything that can become of it: the effect happens once, and the row is
//! applied.

use std::time::Duration;

use serde_json::{Value, json};

use super::{LEGACY, Office, PLAIN_CUSTOMERS, USERS};
use crate::place::outcomes;
use crate::sandbox::OTHER_PARTNER;

/// `slow-body` that is not waited for: it happened, and nobody knows.
const TIMEOUT: &str = "timeout";
/// What is an `update-user` too: not one that restores somebody, but one that gives a user another name.
const RENAME: &str = "rename-user";
const FAULTS: [&str; 7] = [
    TIMEOUT,
    "cut-before-commit",
    "cut-after-commit",
    "error-500",
    "error-503",
    "error-429",
    "slow-body",
];

/// A row that needs one call of an operation.
struct Case {
    kind: &'static str,
    csv: String,
}

/// What is to be there beforehand, and the rows.
async fn prepared(office: &mut Office, alpha: &str, operation: &str) -> Case {
    const ONE: &str = "customer,user_principal_name";
    const SWITCH: &str = "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow,action";
    office.here.subscription(alpha, 5).await;
    let one = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,User Administrator\n");
    let named = |rest: &str| format!("{ONE}\n{alpha},one@alpha.onmicrosoft.com{rest}\n");
    let switch = |path: &str, rest: &str| {
        let id = path.rsplit('/').next().expect("an id");
        let (direction, flow, action) = match rest {
            "accept" => ("in", "direct-to-indirect", "accept"),
            "reject" => ("in", "direct-to-indirect", "reject"),
            "cancel" => ("out", "direct-to-indirect", "cancel"),
            _ => ("in", "new-commerce", ""),
        };
        format!("{SWITCH}\n{alpha},{id},{direction},,Other,it@alpha.example,{flow},{action}\n")
    };
    let user = ["delete-user", "update-user", RENAME, "reset-user-password"].contains(&operation);
    if user {
        office.applies("bulk-add-users", &one).await;
    }
    let (kind, csv) = match operation {
        "create-customer" => (
            "add-customer",
            PLAIN_CUSTOMERS.replace("alpha", "gamma").replace("beta,", "delta,"),
        ),
        "update-billing-profile" => ("update-account", format!("customer,city\n{alpha},Leeds\n")),
        "delete-user" => ("delete-users", named("")),
        "update-user" => {
            office.applies("delete-users", &named("")).await;
            ("restore-users", named(""))
        }
        RENAME => (
            "update-users",
            format!(
                "{ONE},display_name,new_user_principal_name\n{alpha},one@alpha.onmicrosoft.com,First,uno@alpha.onmicrosoft.com\n"
            ),
        ),
        "reset-user-password" => ("reset-passwords", named("")),
        "update-subscription" => {
            let path = office.here.subscription_to(LEGACY, alpha, 5).await;
            let id = path.rsplit('/').next().expect("an id");
            (
                "suspend-subscription",
                format!("customer,subscription_id\n{alpha},{id}\n"),
            )
        }
        "update-customer" => ("remove-relationship", "customer\nbeta.onmicrosoft.com\n".to_owned()),
        "accept-transfer" | "update-transfer" | "withdraw-transfer" => {
            let path = office.here.subscription_to(LEGACY, alpha, 5).await;
            let line = json!({ "subscriptionId": path.rsplit('/').next() });
            let body = json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": [line] });
            office
                .here
                .post(&format!("/v1/customers/{alpha}/transfers"), &body)
                .await
                .is(201);
            let action = match operation {
                "accept-transfer" => "accept",
                "update-transfer" => "reject",
                _ => "cancel",
            };
            if action != "cancel" {
                office.act_as(OTHER_PARTNER).await;
            }
            ("switch-subscription", switch(&path, action))
        }
        _ => ("bulk-add-users", one),
    };
    Case { kind, csv }
}

async fn break_down(office: &mut Office, operation: &str, fault: &str, times: u64) {
    let fault = if fault == TIMEOUT {
        office.wait_at_most(Duration::from_millis(700));
        "slow-body"
    } else {
        fault
    };
    let fault = json!({ "operation": operation, "fault": fault, "times": times });
    office.here.fault(&fault).await;
}

/// One row whose `operation` meets a fault once, then twice in a row.
async fn meets(operation: &str, fault: &str, times: u64) {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    let Case { kind, csv } = prepared(&mut office, &alpha, operation).await;
    let operation = if operation == RENAME { "update-user" } else { operation };
    let before = office.here.effects(operation).await;
    break_down(&mut office, operation, fault, times).await;
    let job = office.apply(kind, &csv).await;
    let rows = job.counts.total;
    assert_eq!(
        job.counts.applied,
        rows,
        "{operation} {fault}: {:?}",
        outcomes(&office.ledger, &job).await
    );
    let effects = office.here.effects(operation).await - before;
    if operation == "reset-user-password" {
        // Nobody can tell whether one has taken effect, so one more is set; the last one is handed out.
        assert!(
            (rows..=rows + times).contains(&effects),
            "{operation} {fault}: {effects}"
        );
    } else {
        assert_eq!(effects, rows, "{operation} {fault}");
    }
    // A relationship that has ended leaves nobody to be named, and a transfer that was withdrawn is gone.
    if !["update-customer", "withdraw-transfer"].contains(&operation) {
        let again = csv.replace("it@", "x@");
        assert_eq!(
            office.apply(kind, &again).await.counts.unchanged,
            rows,
            "{operation} {fault}"
        );
    }
}

macro_rules! every_fault {
    ($($name:ident: $operation:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let runs = FAULTS.iter().flat_map(|fault| [(*fault, 1), (*fault, 2)]);
            futures::future::join_all(runs.map(|(fault, times)| meets($operation, fault, times))).await;
        })*
    };
}

every_fault! {
    a_customer_is_created_once: "create-customer";
    a_user_is_created_once: "create-user";
    licences_are_assigned_once: "update-licenses";
    a_role_is_given_once: "add-user-to-role";
    a_profile_is_changed_once: "update-billing-profile";
    a_user_is_deleted_once: "delete-user";
    a_user_is_restored_once: "update-user";
    a_user_is_renamed_once: "rename-user";
    a_password_is_reset_and_handed_out: "reset-user-password";
    a_subscription_is_suspended_once: "update-subscription";
    a_relationship_ends_once: "update-customer";
    a_transfer_is_accepted_once: "accept-transfer";
    a_transfer_is_rejected_once: "update-transfer";
    a_transfer_is_withdrawn_once: "withdraw-transfer";
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_not_forgotten_after_another_fault() {
    for operation in [
        "create-user",
        "update-licenses",
        "create-customer",
        "update-billing-profile",
    ] {
        for second in ["error-429", "error-503", "cut-before-commit"] {
            let (mut office, [alpha, _]) = Office::with_customers().await;
            let Case { kind, csv } = prepared(&mut office, &alpha, operation).await;
            let before = office.here.effects(operation).await;
            break_down(&mut office, operation, "cut-after-commit", 1).await;
            break_down(&mut office, operation, second, 1).await;
            let job = office.applies(kind, &csv).await;
            let effects = office.here.effects(operation).await - before;
            assert_eq!(effects, job.counts.total, "{operation} {second}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_asked_for_once() {
    for fault in FAULTS {
        let (mut office, [alpha, _]) = Office::with_customers().await;
        office.here.as_partner(Some(OTHER_PARTNER)).await;
        let path = office.here.subscription(&alpha, 2).await;
        let id = path.rsplit('/').next().expect("an id");
        let csv = format!(
            "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow\n\
             {alpha},{id},in,{OTHER_PARTNER},Other,it@alpha.example,new-commerce\n"
        );
        break_down(&mut office, "create-transfer", fault, 1).await;
        let job = office.apply("switch-subscription", &csv).await;
        assert_eq!(outcomes(&office.ledger, &job).await, [], "{fault}");
        assert_eq!(office.here.effects("create-transfer").await, 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_changed_elsewhere_is_read_again() {
    Box::pin(meets("update-subscription", "stale-etag", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changed_elsewhere_is_read_again() {
    Box::pin(meets("update-billing-profile", "stale-etag", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_chance_everywhere_at_once_the_result_is_that_of_a_calm_run() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    office.here.subscription(&alpha, 500).await;
    for fault in ["cut-before-commit", "cut-after-commit", "error-500", "error-503"] {
        office.here.fault(&json!({ "fault": fault, "probability": 0.04 })).await;
    }
    let mut users = USERS.to_owned();
    for n in 0..120 {
        let (customer, domain, sku) = if n % 3 == 0 {
            (&beta, "beta", "")
        } else {
            (&alpha, "alpha", "SPB")
        };
        users.push_str(&format!(
            "{customer},user{n}@{domain}.onmicrosoft.com,User,N{n},GB,{sku},\n"
        ));
    }
    let before = office.here.effects("create-user").await;
    let job = office.apply("bulk-add-users", &users).await;
    assert_eq!(job.counts.applied, 120, "{:?}", outcomes(&office.ledger, &job).await);
    assert_eq!(office.here.effects("create-user").await - before, 120);
    assert_eq!(office.here.effects("update-licenses").await, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn oddities_of_the_service_change_nothing() {
    for quirk in [
        "dangling-token",
        "prefixed-links",
        "string-codes",
        "etag-412",
        "no-bom",
        "unknown-enums",
        "zoneless-dates",
        "empty-answers",
    ] {
        let (office, [alpha, _]) = Office::with_customers().await;
        office.here.subscription(&alpha, 5).await;
        let one = |header: &str, rest: &str| {
            format!("customer,user_principal_name{header}\n{alpha},one@alpha.onmicrosoft.com{rest}\n")
        };
        office.here.fault(&json!({ "quirks": [quirk] })).await;
        let stale = json!({ "operation": "update-billing-profile", "fault": "stale-etag", "times": 1 });
        office.here.fault(&stale).await;
        for (kind, csv) in [
            (
                "add-customer",
                PLAIN_CUSTOMERS.replace("alpha", "gamma").replace("beta,", "delta,"),
            ),
            (
                "bulk-add-users",
                format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,User Administrator\n"),
            ),
            ("update-account", format!("customer,city\n{alpha},Leeds\n")),
            ("assign-licenses", one(",remove,usage_location", ",SPB,FR")),
            ("reset-passwords", one("", "")),
            ("delete-users", one("", "")),
            ("restore-users", one("", "")),
        ] {
            let job = office.apply(kind, &csv).await;
            let all = job.counts.total;
            assert_eq!(
                job.counts.applied,
                all,
                "{quirk} {kind}: {:?}",
                outcomes(&office.ledger, &job).await
            );
            let target = office.target(&job, 1).await;
            assert!(uuid::Uuid::try_parse(&target).is_ok(), "{quirk} {kind}: `{target}`");
            assert_eq!(office.apply(kind, &csv).await.counts.unchanged, all, "{quirk} {kind}");
        }
    }
}

/// Jobs of every kind, one after the other and two of them taken back; how they ended, and what is there in the end.
async fn a_days_work(probability: f64) -> (Vec<[u64; 4]>, Vec<Value>) {
    const A: &str = "alpha.onmicrosoft.com";
    let (office, [alpha, beta]) = Office::with_customers().await;
    office.here.subscription(&alpha, 30).await;
    let legacy = office.here.subscription_to(LEGACY, &alpha, 5).await;
    let legacy = legacy.rsplit('/').next().expect("an id").to_owned();
    let trouble = async |probability: f64| {
        for fault in [
            "cut-before-commit",
            "cut-after-commit",
            "error-500",
            "error-503",
            "stale-etag",
        ] {
            let fault = json!({ "fault": fault, "probability": probability });
            office.here.fault(&fault).await;
        }
    };
    trouble(probability).await;
    let each = |header: &str, from: usize, to: usize, rest: &str| {
        let rows: String = (from..to).map(|n| format!("{A},user{n}@{A}{rest}\n")).collect();
        format!("customer,user_principal_name{header}\n{rows}")
    };
    let mut ends = Vec::new();
    let mut done = Vec::new();
    for (kind, csv) in [
        (
            "bulk-add-users",
            each(
                ",first_name,usage_location,licenses,roles",
                0,
                24,
                ",First,GB,SPB,User Administrator",
            ),
        ),
        (
            "update-account",
            format!("customer,city,phone\n{A},Leeds,+44 20 7946 0000\n{beta},,+49 30 123456\n"),
        ),
        ("assign-licenses", each(",remove", 0, 8, ",SPB")),
        ("delete-users", each("", 4, 16, "")),
        ("restore-users", each("", 4, 10, "")),
        ("assign-licenses", each(",assign", 4, 10, ",SPB")),
        (
            "suspend-subscription",
            format!("customer,subscription_id\n{A},{legacy}\n"),
        ),
        (
            "bulk-add-users",
            each(",first_name,usage_location", 20, 30, ",First,GB"),
        ),
    ] {
        done.push(office.apply(kind, &csv).await);
    }
    for job in [3, 5] {
        done.push(office.undo(&done[job]).await);
    }
    for job in &done {
        let counts = &job.counts;
        ends.push([counts.applied, counts.unchanged, counts.rejected, counts.failed]);
    }
    trouble(0.0).await;
    let mut left = Vec::new();
    for customer in [alpha, beta] {
        let mut state = super::undo::state(&office, &customer).await;
        forget_ids(&mut state);
        left.push(state);
    }
    (ends, left)
}

/// Takes out what differs from one sandbox to the next.
fn forget_ids(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !["id", "links"].contains(&name.as_str()));
            members.values_mut().for_each(forget_ids);
        }
        Value::Array(items) => {
            items.iter_mut().for_each(forget_ids);
            items.retain(|item| item.as_str().is_none_or(|text| uuid::Uuid::try_parse(text).is_err()));
            items.sort_by_key(Value::to_string);
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_work_under_faults_ends_as_a_calm_one() {
    let (calm, troubled) = futures::future::join(Box::pin(a_days_work(0.0)), Box::pin(a_days_work(0.04))).await;
    assert_eq!(calm.0[0], [24, 0, 0, 0], "{:?}", calm.0);
    assert_eq!(calm, troubled);
}
