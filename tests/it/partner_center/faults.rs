//! For every call that changes something, everything that can become of it: the effect happens once, and the row is
//! applied.

use serde_json::json;

use super::{CUSTOMERS, Office, USERS};
use crate::place::outcomes;

const FAULTS: [&str; 6] = [
    "cut-before-commit",
    "cut-after-commit",
    "error-500",
    "error-503",
    "error-429",
    "slow-body",
];

/// One row whose `operation` meets a fault once, then twice in a row.
async fn meets(operation: &str, fault: &str, times: u64) {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 5).await;
    let before = office.here.effects(operation).await;
    office
        .here
        .fault(&json!({ "operation": operation, "fault": fault, "times": times }))
        .await;
    let user = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,User Administrator\n");
    let (kind, csv) = match operation {
        "create-customer" => (
            "add-customer",
            CUSTOMERS.replace("alpha", "gamma").replace("beta,", "delta,"),
        ),
        "update-billing-profile" => ("update-account", format!("customer,city\n{alpha},Leeds\n")),
        _ => ("bulk-add-users", user),
    };
    let job = office.apply(kind, &csv).await;
    let rows = job.counts.total;
    assert_eq!(
        job.counts.applied,
        rows,
        "{operation} {fault}: {:?}",
        outcomes(&office.ledger, &job).await
    );
    let effects = office.here.effects(operation).await - before;
    assert_eq!(effects, rows, "{operation} {fault}");
    assert_eq!(
        office.apply(kind, &csv).await.counts.unchanged,
        rows,
        "{operation} {fault}"
    );
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_somebody_else_changes_is_read_again() {
    meets("update-billing-profile", "stale-etag", 1).await;
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
        "bom",
        "unknown-enums",
        "zoneless-dates",
        "empty-answers",
    ] {
        let (office, [alpha, _]) = Office::with_customers().await;
        office.here.subscription(&alpha, 5).await;
        office.here.fault(&json!({ "quirks": [quirk] })).await;
        let stale = json!({ "operation": "update-billing-profile", "fault": "stale-etag", "times": 1 });
        office.here.fault(&stale).await;
        for (kind, csv) in [
            (
                "add-customer",
                CUSTOMERS.replace("alpha", "gamma").replace("beta,", "delta,"),
            ),
            (
                "bulk-add-users",
                format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,User Administrator\n"),
            ),
            ("update-account", format!("customer,city\n{alpha},Leeds\n")),
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
