//! Rows that come halfway: nothing half done goes unsaid, and it is taken back whole.

use serde_json::{Value, json};
use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::undo::UndoRequest;
use tenantry_ledger::{Job, RetryRefused};

use super::killed::{command, killed_while};
use super::kinds::{licenses, with_users};
use super::undo::state;
use super::{LEGACY, Office, USERS};
use crate::place::{by, outcomes};

/// An offer whose SKU is of the other group, and whose name is not in capitals.
const MINECRAFT: &str = "SBX000000006:0001:SBX00000000F";

/// With users, and licences of both groups to be had.
async fn with_two_groups() -> (Office, String) {
    let (office, alpha) = with_users().await;
    office.here.subscription_to(MINECRAFT, &alpha, 5).await;
    (office, alpha)
}

fn assign(customer: &str, user: &str, rest: &str) -> String {
    format!("customer,user_principal_name,assign,remove\n{customer},{user}@alpha.onmicrosoft.com,{rest}\n")
}

/// The undo of a job, whose worker is killed at this place; and then done.
async fn undo_killed_at(office: &Office, failpoint: &str, job: &Job) -> Job {
    let (ledger, stores) = (&office.ledger, &office.stores);
    let undoing = UndoRequest {
        ledger,
        stores,
        limits: &Limits::NONE,
        job,
    }
    .submit(&Queue::embedded(), &by("tester"))
    .await;
    let id = undoing.expect("an undo").job;
    let killed = command(office, &["worker", "--drain"])
        .env("TENANTRY_FAILPOINT", failpoint)
        .status()
        .expect("tenantry starts");
    assert_eq!(killed.code(), None, "{failpoint}");
    let undo = ledger.job(id).await.expect("asked").expect("there");
    office.finish(&undo).await
}

#[tokio::test(flavor = "multi_thread")]
async fn licences_of_two_groups_are_taken_back_together() {
    let (office, alpha) = with_two_groups().await;
    let csv = assign(&alpha, "one", "Minecraft_Faculty,SPB");
    let before = state(&office, &alpha).await;
    let job = office.applies("assign-licenses", &csv).await;
    let after = state(&office, &alpha).await;
    assert_eq!(licenses(&office, &alpha, "One").await, ["Minecraft_Faculty"]);
    let undo = office.undo(&job).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(state(&office, &alpha).await, before);
    let redo = office.undo(&undo).await;
    assert_eq!(redo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &redo).await);
    assert_eq!(state(&office, &alpha).await, after);
    // And when the one who does it dies in between.
    let mut last = redo;
    for (failpoint, is) in [
        ("after-intent@1", &before),
        ("after-answer@1", &after),
        ("after-intent@2", &before),
        ("after-answer@2", &after),
    ] {
        last = undo_killed_at(&office, failpoint, &last).await;
        assert_eq!(
            last.counts.applied,
            1,
            "{failpoint}: {:?}",
            outcomes(&office.ledger, &last).await
        );
        assert_eq!(&state(&office, &alpha).await, is, "{failpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn licences_of_which_some_are_refused_are_said_to_be_changed_in_part() {
    let (office, alpha) = with_two_groups().await;
    let before = state(&office, &alpha).await;
    let refused = json!({ "operation": "update-licenses", "fault": "no-delegation", "skip": 1, "times": 1 });
    office.here.fault(&refused).await;
    let job = office
        .apply("assign-licenses", &assign(&alpha, "one", "Minecraft_Faculty,SPB"))
        .await;
    assert_eq!(job.counts.failed, 1, "{:?}", outcomes(&office.ledger, &job).await);
    let message = office.message(&job, 1).await;
    assert!(message.starts_with("some of the licences were changed"), "{message}");
    let undo = office.undo(&job).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(state(&office, &alpha).await, before);
}

/// The names of the roles a customer's only user of this first name has.
async fn roles(office: &Office, customer: &str, first_name: &str) -> Vec<Value> {
    let users = office.users(customer).await;
    let user = users
        .iter()
        .find(|user| user["firstName"] == first_name)
        .expect("there");
    let id = user["id"].as_str().expect("an id");
    let path = format!("/v1/customers/{customer}/users/{id}/directoryroles");
    let has = office.here.get(&path).await.json();
    let items = has["items"].as_array().expect("a list");
    items.iter().map(|role| role["name"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn additions_of_a_retry_are_taken_back_without_the_user() {
    let (office, alpha) = with_users().await;
    let before = state(&office, &alpha).await;
    let refused = json!({ "operation": "update-licenses", "fault": "no-delegation", "times": 1 });
    office.here.fault(&refused).await;
    let users = format!("{USERS}{alpha},six@alpha.onmicrosoft.com,Six,Sei,GB,SPB,User Administrator\n");
    let job = office.apply("bulk-add-users", &users).await;
    assert_eq!(job.counts.failed, 1, "{:?}", outcomes(&office.ledger, &job).await);
    let halfway = state(&office, &alpha).await;
    let retry = office
        .ledger
        .retry(&job, &by("tester"), 60_000)
        .await
        .expect("asked")
        .queued();
    let retry = office.ledger.job(retry.expect("a retry")).await;
    let retry = office.finish(&retry.expect("asked").expect("there")).await;
    let whole = state(&office, &alpha).await;
    assert_eq!(roles(&office, &alpha, "Six").await, ["User Administrator"]);
    let undo = office.undo(&retry).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(state(&office, &alpha).await, halfway);
    assert_eq!(roles(&office, &alpha, "Six").await, Vec::<Value>::new());
    let redo = office.undo(&undo).await;
    assert_eq!(redo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &redo).await);
    assert_eq!(state(&office, &alpha).await, whole);
    assert_eq!(roles(&office, &alpha, "Six").await, ["User Administrator"]);
    // Back once more, each answer being lost; and then the user.
    for operation in ["update-licenses", "remove-user-from-role"] {
        let lost = json!({ "operation": operation, "fault": "cut-after-commit", "times": 1 });
        office.here.fault(&lost).await;
    }
    let taken = office.here.effects("remove-user-from-role").await;
    office.undo(&redo).await;
    assert_eq!(office.here.effects("remove-user-from-role").await - taken, 1);
    assert_eq!(state(&office, &alpha).await, halfway);
    assert_eq!(office.undo(&job).await.counts.applied, 1);
    assert_eq!(state(&office, &alpha).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_made_with_a_licence_in_small_letters_is_taken_back() {
    let (office, alpha) = with_two_groups().await;
    let before = state(&office, &alpha).await;
    let users = format!("{USERS}{alpha},Six@alpha.onmicrosoft.com,Six,Sei,GB,minecraft_faculty,\n");
    let job = office.applies("bulk-add-users", &users).await;
    let undo = office.undo(&job).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(state(&office, &alpha).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_deleted_users_of_one_name_either_comes_back() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    let made = office.applies("bulk-add-users", &users).await;
    let first = office.target(&made, 1).await;
    let named = format!("customer,user_principal_name\n{alpha},one@alpha.onmicrosoft.com\n");
    let deleted = office.applies("delete-users", &named).await;
    office
        .applies("bulk-add-users", &users.replace("customer,", "Customer,"))
        .await;
    office
        .applies("delete-users", &named.replace("customer,", "Customer,"))
        .await;
    let undo = office.undo(&deleted).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(office.users(&alpha).await[0]["id"], first.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_cannot_go_on_counts_its_suspensions() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let path = office.here.subscription_to(LEGACY, &alpha, 5).await;
    let csv = "customer,suspend_subscriptions\nalpha.onmicrosoft.com,yes\n";
    let job = killed_while(&office, "after-answer@1", "remove-relationship", csv).await;
    // Somebody buys what cannot be suspended.
    office.here.subscription(&alpha, 1).await;
    let job = office.finish(&job).await;
    let expected = (1, "failed".to_owned(), "not-cancellable".to_owned());
    assert_eq!(outcomes(&office.ledger, &job).await, [expected]);
    let message = office.message(&job, 1).await;
    assert!(message.starts_with("1 subscription was suspended"), "{message}");
    let undo = office.undo(&job).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(office.here.get(&path).await.json()["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_without_delegation_stops_its_own_rows_only() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    let users = format!(
        "{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n{beta},one@beta.onmicrosoft.com,One,Uno,DE,,\n"
    );
    let job = office.submit("bulk-add-users", &users).await;
    let refused = json!({ "operation": "list-users", "fault": "no-delegation", "times": 1 });
    office.here.fault(&refused).await;
    let job = office.finish(&job).await;
    assert_eq!((job.counts.applied, job.counts.rejected), (1, 1));
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_halfway_when_its_customer_leaves_in_the_middle() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,User Administrator\n");
    let job = killed_while(&office, "after-intent@2", "bulk-add-users", &users).await;
    let left = json!({ "relationshipToPartner": "none", "attributes": { "objectType": "Customer" } });
    office
        .here
        .patch(&format!("/v1/customers/{alpha}"), &left)
        .await
        .is(200);
    let job = office.finish(&job).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].1, "failed");
    let message = office.message(&job, 1).await;
    assert!(message.starts_with("partially applied (1 step)"), "{message}");
    // It is not ours to take back any more, and that is said.
    let undo = office.undo(&job).await;
    assert_eq!(outcomes(&office.ledger, &undo).await[0].2, "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_taken_back_is_not_tried_again() {
    let (office, alpha) = with_two_groups().await;
    let refused = json!({ "operation": "update-licenses", "fault": "no-delegation", "times": 1 });
    office.here.fault(&refused).await;
    let users = format!("{USERS}{alpha},six@alpha.onmicrosoft.com,Six,Sei,GB,SPB,\n");
    let job = office.apply("bulk-add-users", &users).await;
    assert_eq!(job.counts.failed, 1);
    assert_eq!(office.undo(&job).await.counts.applied, 1);
    let refused = office
        .ledger
        .retry(&job, &by("tester"), 60_000)
        .await
        .expect("asked")
        .queued();
    assert!(matches!(refused, Err(RetryRefused::TakenBack(_))), "{refused:?}");
}
