//! What a job did at Partner Center is taken back, and that is taken back again.

use serde_json::{Value, json};
use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::undo::{UndoError, UndoRequest};
use tenantry_ledger::Job;

use super::kinds::{licenses, with_users};
use super::{LEGACY, Office, PLAIN_CUSTOMERS, USERS};
use crate::place::{by, outcomes};

const POWER_BI: &str = "SBX000000003:0001:SBX00000000C";
const POWER_BI_SKU: &str = "f8a1db68-be16-40ed-86d5-cb42ce701560";

/// Everything a customer has that jobs change, without what counts how often it was changed.
pub(super) async fn state(office: &Office, customer: &str) -> Value {
    let path = format!("/v1/customers/{customer}");
    let mut users = office.users(customer).await;
    for user in &mut users {
        let id = user["id"].as_str().expect("an id").to_owned();
        let both = "licenseGroupIds=Group1&licenseGroupIds=Group2";
        let has = office
            .here
            .get(&format!("{path}/users/{id}/licenses?{both}"))
            .await
            .json();
        user["licenses"] = has["items"].clone();
    }
    let subscriptions = office.here.get(&format!("{path}/subscriptions")).await.json();
    let status = |one: &Value| json!([one["id"], one["status"], one["autoRenewEnabled"], one["quantity"]]);
    let subscriptions: Vec<Value> = subscriptions["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(status)
        .collect();
    let profile = office.here.get(&format!("{path}/profiles/billing")).await.json();
    json!([users, subscriptions, profile["defaultAddress"], profile["companyName"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_taken_back_and_done_again() {
    let (office, alpha) = with_users().await;
    let subscription = office.here.subscription_to(LEGACY, &alpha, 5).await;
    let id = subscription.rsplit('/').next().expect("an id");
    let user = |header: &str, rest: &str| {
        format!("customer,user_principal_name{header}\n{alpha},one@alpha.onmicrosoft.com{rest}\n")
    };
    let jobs = [
        (
            "bulk-add-users",
            format!("{USERS}{alpha},six@alpha.onmicrosoft.com,Six,Sei,GB,SPB,User Administrator\n"),
        ),
        (
            "update-account",
            format!("customer,city,phone\n{alpha},Leeds,+44 20 7946 0000\n"),
        ),
        ("assign-licenses", user(",assign,remove,usage_location", ",,SPB,FR")),
        (
            "update-users",
            user(
                ",display_name,first_name,last_name,usage_location,new_user_principal_name",
                ",First,Prima,Seconda,FR,first@alpha.onmicrosoft.com",
            ),
        ),
        ("delete-users", user("", "")),
        (
            "suspend-subscription",
            format!("customer,subscription_id\n{alpha},{id}\n"),
        ),
    ];
    for (kind, csv) in jobs {
        let before = state(&office, &alpha).await;
        let job = office.applies(kind, &csv).await;
        let after = state(&office, &alpha).await;
        assert_ne!(before, after, "{kind}");
        let undo = office.undo(&job).await;
        assert_eq!(
            undo.counts.applied,
            1,
            "{kind}: {:?}",
            outcomes(&office.ledger, &undo).await
        );
        assert_eq!(state(&office, &alpha).await, before, "{kind}");
        let redo = office.undo(&undo).await;
        assert_eq!(
            redo.counts.applied,
            1,
            "{kind}: {:?}",
            outcomes(&office.ledger, &redo).await
        );
        assert_eq!(state(&office, &alpha).await, after, "{kind}");
        // As at first, for the next one.
        office.undo(&redo).await;
        assert_eq!(state(&office, &alpha).await, before, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_changed_since_are_kept_and_those_that_cannot_come_back_say_why() {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 5).await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    let made = office.applies("bulk-add-users", &users).await;
    let id = office.target(&made, 1).await;
    let path = format!("/v1/customers/{alpha}/users/{id}");
    office
        .here
        .patch(&path, &json!({ "displayName": "Somebody else" }))
        .await
        .is(200);
    let moved = office
        .applies("update-account", &format!("customer,city\n{alpha},Leeds\n"))
        .await;
    office
        .applies("update-account", &format!("customer,city\n{alpha},York\n"))
        .await;
    let reset = format!("customer,user_principal_name\n{alpha},one@alpha.onmicrosoft.com\n");
    let reset = office.applies("reset-passwords", &reset).await;
    let customers = office
        .applies(
            "add-customer",
            &PLAIN_CUSTOMERS.replace("alpha", "gamma").replace("beta,", "delta,"),
        )
        .await;
    for (job, code) in [
        (&made, "edited-since"),
        (&moved, "edited-since"),
        (&reset, "irreversible"),
        (&customers, "irreversible"),
    ] {
        let before = state(&office, &alpha).await;
        let undo = office.undo(job).await;
        let codes: Vec<_> = outcomes(&office.ledger, &undo)
            .await
            .into_iter()
            .map(|(_, _, code)| code)
            .collect();
        assert_eq!(codes, vec![code; codes.len()], "{}", job.kind);
        assert_eq!(state(&office, &alpha).await, before, "{}", job.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_came_halfway_is_finished_by_a_retry_or_taken_back() {
    let (office, alpha) = with_users().await;
    let path = office.here.subscription_to(POWER_BI, &alpha, 1).await;
    let users = office.users(&alpha).await;
    let taker = users.iter().find(|user| user["firstName"] == "One").expect("there");
    let taker = taker["id"].as_str().expect("an id").to_owned();
    let updates = format!("/v1/customers/{alpha}/users/{taker}/licenseupdates");
    // The seat goes to somebody else between the plan and its application.
    let failing = async |name: &str| {
        let users = format!("{USERS}{alpha},{name}@alpha.onmicrosoft.com,{name},Uno,GB,POWER_BI_PRO,\n");
        let job = office.submit("bulk-add-users", &users).await;
        let taken = json!({ "licensesToAssign": [{ "skuId": POWER_BI_SKU }] });
        office.here.post(&updates, &taken).await.is(201);
        let job = office.finish(&job).await;
        assert_eq!(job.counts.failed, 1, "{:?}", outcomes(&office.ledger, &job).await);
        assert_eq!(outcomes(&office.ledger, &job).await[0].2, "no-free-seats");
        let free = json!({ "licensesToRemove": [POWER_BI_SKU] });
        office.here.post(&updates, &free).await.is(201);
        job
    };
    let made = office.here.effects("create-user").await;
    let job = failing("Three").await;
    let retry = office
        .ledger
        .retry(&job, &by("tester"), 60_000)
        .await
        .expect("asked")
        .queued()
        .expect("a retry");
    let retry = office.ledger.job(retry).await.expect("asked").expect("there");
    let retry = office.finish(&retry).await;
    assert_eq!(retry.counts.applied, 1, "{:?}", outcomes(&office.ledger, &retry).await);
    assert_eq!(licenses(&office, &alpha, "Three").await, ["POWER_BI_PRO"]);
    assert_eq!(office.here.effects("create-user").await - made, 1);
    assert_eq!(
        office.here.effects("reset-user-password").await,
        0,
        "it was handed out before"
    );
    let mut more = office.here.get(&path).await.json();
    more["quantity"] = json!(2);
    office.here.patch(&path, &more).await.is(200);
    let before = state(&office, &alpha).await;
    let job = failing("Four").await;
    let undo = office.undo(&job).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(state(&office, &alpha).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_user_with_later_changes_stays() {
    let (office, alpha) = with_users().await;
    let of = |user: &str| format!("customer,user_principal_name\n{alpha},{user}@alpha.onmicrosoft.com\n");
    for (user, change) in [
        (
            "one",
            "customer,user_principal_name,display_name\n{a},one@alpha.onmicrosoft.com,Changed\n",
        ),
        (
            "two",
            "customer,user_principal_name,new_user_principal_name\n{a},two@alpha.onmicrosoft.com,deux@alpha.onmicrosoft.com\n",
        ),
    ] {
        office.applies("delete-users", &of(user)).await;
        let restored = office.applies("restore-users", &of(user)).await;
        office.applies("update-users", &change.replace("{a}", &alpha)).await;
        let undo = office.undo(&restored).await;
        assert_eq!(outcomes(&office.ledger, &undo).await[0].2, "edited-since", "{user}");
        assert_eq!(office.users(&alpha).await.len(), 2, "{user}");
    }
    // Nobody has changed this one.
    office.applies("delete-users", &of("deux")).await;
    let restored = office.applies("restore-users", &of("deux")).await;
    let undo = office.undo(&restored).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(office.users(&alpha).await.len(), 1);
}

/// What the plan of taking a job back says of its first row: what happens to it, why not, and what is to be known.
fn planned(office: &Office, job: &Job) -> (String, String, String) {
    let plan = office
        .tenantry(&["undo", &job.id.to_string(), "--plan", "--json"])
        .json();
    let text = |name: &str| plan["rows"][0][name].as_str().unwrap_or_default().to_owned();
    (text("action"), text("why"), text("note"))
}

/// A user without the members that a row is to give it; where it is.
async fn bare_user(office: &Office, customer: &str, name: &str) -> String {
    let users = format!("/v1/customers/{customer}/users");
    let bare = json!({
        "userPrincipalName": format!("{name}@alpha.onmicrosoft.com"), "displayName": "Bare",
        "passwordProfile": { "password": "Abcd1234!", "forceChangePassword": true },
    });
    let made = office.here.post(&users, &bare).await.is(200).json();
    format!("{users}/{}", made["id"].as_str().expect("an id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_user_did_not_have_before_are_not_sent_as_empty() {
    const STAYS: &str = "the usage location stays";
    let (office, [alpha, _]) = Office::with_customers().await;
    for (number, (columns, cells, action, said)) in [
        ("first_name", "Bea", "irreversible", "first_name was empty before"),
        ("last_name", "Berg", "irreversible", "last_name was empty before"),
        // Taken back whole, or not at all.
        (
            "display_name,last_name",
            "Bea,Berg",
            "irreversible",
            "last_name was empty before",
        ),
        (
            "usage_location,first_name",
            "GB,Bea",
            "irreversible",
            "first_name was empty before",
        ),
        ("usage_location", "GB", "irreversible", STAYS),
        ("usage_location,display_name", "GB,Bea", "undo", STAYS),
    ]
    .into_iter()
    .enumerate()
    {
        let path = bare_user(&office, &alpha, &format!("bare{number}")).await;
        let row =
            format!("customer,user_principal_name,{columns}\n{alpha},bare{number}@alpha.onmicrosoft.com,{cells}\n");
        let job = office.applies("update-users", &row).await;
        let after = office.here.get(&path).await.json();
        let (planned, why, note) = planned(&office, &job);
        assert_eq!(planned, action, "{columns}: {why}");
        assert!(format!("{why}{note}").contains(said), "{columns}: {why}, {note}");
        let undo = office.undo(&job).await;
        let now = office.here.get(&path).await.json();
        if action == "undo" {
            assert_eq!(undo.counts.applied, 1, "{columns}");
            assert!(office.message(&undo, 1).await.contains(said), "{columns}");
            assert_eq!(json!([now["displayName"], now["usageLocation"]]), json!(["Bare", "GB"]));
        } else {
            assert_eq!(outcomes(&office.ledger, &undo).await[0].2, action, "{columns}");
            assert_eq!(now, after, "{columns}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_billing_profile_did_not_have_before_go_where_they_may() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let path = format!("/v1/customers/{alpha}/profiles/billing");
    let without = async |places: &[(bool, &str)]| {
        let mut profile = office.here.get(&path).await.json();
        for (is_address, name) in places {
            let place = if *is_address {
                &mut profile["defaultAddress"]
            } else {
                &mut profile
            };
            place.as_object_mut().expect("an object").remove(*name);
        }
        office.here.call("PUT", &path, &profile).await.is(200);
    };
    for (columns, cells, places, goes) in [
        ("phone", "+44 20 7946 0000", &[(true, "phoneNumber")][..], true),
        ("address_line2", "2nd floor", &[(true, "addressLine2")], true),
        (
            "phone,address_line2",
            "+44 20 7946 0000,2nd floor",
            &[(true, "phoneNumber"), (true, "addressLine2")],
            true,
        ),
        ("first_name", "Bea", &[(false, "firstName")], false),
        ("last_name", "Berg", &[(false, "lastName")], false),
        (
            "phone,last_name",
            "+44 20 7946 0000,Berg",
            &[(true, "phoneNumber"), (false, "lastName")],
            false,
        ),
    ] {
        without(places).await;
        let shown = |profile: Value| json!([profile["firstName"], profile["lastName"], profile["defaultAddress"]]);
        let before = shown(office.here.get(&path).await.json());
        let row = format!("customer,{columns}\n{alpha},{cells}\n");
        let job = office.applies("update-account", &row).await;
        let after = shown(office.here.get(&path).await.json());
        assert_ne!(after, before, "{columns}");
        let (action, why, _) = planned(&office, &job);
        let undo = office.undo(&job).await;
        let now = shown(office.here.get(&path).await.json());
        if goes {
            assert_eq!((action.as_str(), undo.counts.applied), ("undo", 1), "{columns}: {why}");
            assert_eq!(now, before, "{columns}");
        } else {
            assert_eq!(action, "irreversible", "{columns}");
            assert!(why.contains("_name was empty before"), "{why}");
            assert_eq!(now, after, "{columns}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_as_they_were_recorded_for_as_long_as_they_are_kept_and_after() {
    let (office, alpha) = with_users().await;
    let csv = format!("customer,user_principal_name,first_name\n{alpha},one@alpha.onmicrosoft.com,Prima\n");
    let job = office.applies("update-users", &csv).await;
    let named = async || {
        let report = office.ledger.verify_deep().await.expect("held against the record");
        report.faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(named().await, [] as [&str; 0]);
    let exec = async |sql: &str| {
        let (sql, seq) = (sql.to_owned(), job.seq);
        office
            .ledger
            .db()
            .write(move |tx| tx.exec(&sql, &[seq.into()]))
            .await
            .expect("written")
    };
    for (tamper, back) in [
        (
            "UPDATE intents SET image = replace(image, 'Prima', 'Evil') WHERE job = $1",
            "UPDATE intents SET image = replace(image, 'Evil', 'Prima') WHERE job = $1",
        ),
        (
            "UPDATE intents SET job = -$1 WHERE job = $1",
            "UPDATE intents SET job = $1 WHERE job = -$1",
        ),
    ] {
        assert!(exec(tamper).await > 0, "{tamper}");
        let faults = named().await;
        assert!(
            faults
                .iter()
                .any(|fault| fault.contains("the outcomes of its rows, or the images")),
            "{tamper}: {faults:?}"
        );
        let undo = UndoRequest {
            ledger: &office.ledger,
            stores: &office.stores,
            limits: &Limits::NONE,
            job: &job,
        };
        let refused = undo.submit(&Queue::embedded(), &by("tester")).await;
        assert!(matches!(refused, Err(UndoError::Altered(_))), "{tamper}: {refused:?}");
        exec(back).await;
        assert_eq!(named().await, [] as [&str; 0], "{back}");
    }
    // They go with the rows, and what is kept of them says no less.
    while office.ledger.prune_spool(-1000).await.expect("pruned").is_more {}
    assert_eq!(named().await, [] as [&str; 0]);
    exec("UPDATE chunks SET steps = substr(steps, 2) || 'x' WHERE job = $1").await;
    assert_eq!(named().await.len(), 1);
}
