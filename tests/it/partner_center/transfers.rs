//! Transfers between partners: both generations, from both sides.

use serde_json::{Value, json};

use super::{LEGACY, Office};
use crate::place::{Work, by, outcomes};
use crate::sandbox::OTHER_PARTNER;

const HEADER: &str = "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow,action\n";

fn row(customer: &str, subscription: &str, direction: &str, flow: &str, action: &str) -> String {
    format!("{customer},{subscription},{direction},{OTHER_PARTNER},Other GmbH,it@alpha.example,{flow},{action}\n")
}

fn id(path: &str) -> &str {
    path.rsplit('/').next().expect("an id")
}

async fn transfers(office: &Office, customer: &str) -> Vec<Value> {
    let list = office
        .here
        .get(&format!("/v1/customers/{customer}/transfers"))
        .await
        .json();
    list.as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_ask_one_partner_share_a_request_and_wait_for_its_answer() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let [one, two, three] = [
        office.here.subscription(&alpha, 2).await,
        office.here.subscription(&alpha, 3).await,
        office.here.subscription(&alpha, 4).await,
    ];
    let asked = [&one, &two, &three]
        .map(|path| row(&alpha, id(path), "in", "new-commerce", ""))
        .concat();
    let csv = format!("{HEADER}{asked}");
    let job = office.apply("switch-subscription", &csv).await;
    assert_eq!(office.here.effects("create-transfer").await, 1);
    assert!(!job.state.is_final(), "{:?}", outcomes(&office.ledger, &job).await);
    let again = format!("{HEADER}{}", row(&alpha, id(&one), "in", "new-commerce", ""));
    assert_eq!(office.codes("switch-subscription", &again).await, ["unchanged"]);
    // The other partner gives two of them.
    let transfer = transfers(&office, &alpha).await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let lines = json!({ "lineItems": [{ "subscriptionId": id(&one) }, { "subscriptionId": id(&two) }] });
    let path = format!("/v1/customers/{alpha}/transfers/{transfer}");
    office.here.patch(&path, &lines).await.is(200);
    let job = office.finish(&job).await;
    assert!(job.state.is_final());
    let not = outcomes(&office.ledger, &job).await;
    assert_eq!(not, [(3, "rejected".to_owned(), "transfer-closed".to_owned())]);
    assert_eq!(office.target(&job, 2).await, transfer);
    office.here.as_partner(None).await;
    assert_eq!(
        office.codes("switch-subscription", &again.replace("it@", "x@")).await,
        ["unchanged"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_accept_one_request_are_answered_together() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    let (one, two) = (
        office.here.subscription(&alpha, 2).await,
        office.here.subscription(&alpha, 3).await,
    );
    let accepted = [&one, &two]
        .map(|path| row(&alpha, id(path), "out", "new-commerce", "accept"))
        .concat();
    let csv = format!("{HEADER}{accepted}");
    assert_eq!(office.codes("switch-subscription", &csv).await, ["no-transfer"; 2]);
    let request = async |office: &mut Office| {
        office.here.as_partner(Some(OTHER_PARTNER)).await;
        let source = tenantry_sandbox::PARTNER.to_string();
        let body = json!({
            "sourcePartnerTenantId": source, "sourcePartnerName": "Us", "customerEmailId": "it@alpha.example",
            "targetPartnerTenantId": OTHER_PARTNER, "transferType": 5,
        });
        office
            .here
            .post(&format!("/v1/customers/{alpha}/transfers"), &body)
            .await
            .is(201);
        office.here.as_partner(None).await;
    };
    request(&mut office).await;
    office.applies("switch-subscription", &csv).await;
    assert_eq!(office.here.effects("update-transfer").await, 1);
    for path in [&one, &two] {
        assert_eq!(office.here.get(path).await.json()["status"], "deleted");
    }
    assert_eq!(
        office.codes("switch-subscription", &csv.replace("it@", "x@")).await,
        ["unchanged"; 2]
    );
    let three = office.here.subscription(&alpha, 4).await;
    let rejected = format!("{HEADER}{}", row(&alpha, id(&three), "out", "new-commerce", "reject"));
    assert_eq!(
        office.codes("switch-subscription", &rejected).await,
        ["transfer-closed"]
    );
    request(&mut office).await;
    office
        .applies("switch-subscription", &rejected.replace("it@", "x@"))
        .await;
    assert_eq!(office.here.get(&three).await.json()["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_job_of_rows_that_belong_together_does_not_drift() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let (one, two) = (
        office.here.subscription(&alpha, 2).await,
        office.here.subscription(&alpha, 3).await,
    );
    let asked = [&one, &two]
        .map(|path| row(&alpha, id(path), "in", "new-commerce", ""))
        .concat();
    let job = office
        .approved("switch-subscription", &format!("{HEADER}{asked}"))
        .await;
    let job = Work::on(&office.ledger, &job).stores(&office.stores).until_idle().await;
    assert_eq!(outcomes(&office.ledger, &job).await, []);
    let made = transfers(&office, &alpha).await.pop().expect("a request");
    let lines = json!({ "lineItems": [{ "subscriptionId": id(&one) }, { "subscriptionId": id(&two) }] });
    let path = format!(
        "/v1/customers/{alpha}/transfers/{}",
        made["id"].as_str().expect("an id")
    );
    office.here.patch(&path, &lines).await.is(200);
    let job = office.finish(&job).await;
    assert_eq!(job.counts.applied, 2, "{:?}", outcomes(&office.ledger, &job).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_transfer_is_requested_by_the_current_partner_and_can_be_cancelled() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    let path = office.here.subscription_to(LEGACY, &alpha, 5).await;
    let new = office.here.subscription(&alpha, 5).await;
    let of =
        |path: &str, action: &str| format!("{HEADER}{}", row(&alpha, id(path), "out", "direct-to-indirect", action));
    assert_eq!(
        office.codes("switch-subscription", &of(&new, "")).await,
        ["not-eligible"]
    );
    let job = office.apply("switch-subscription", &of(&path, "")).await;
    assert!(!job.state.is_final(), "{:?}", outcomes(&office.ledger, &job).await);
    let suspended = format!("customer,subscription_id\n{alpha},{}\n", id(&path));
    assert_eq!(
        office.codes("suspend-subscription", &suspended).await,
        ["transfer-open"]
    );
    office.applies("switch-subscription", &of(&path, "cancel")).await;
    assert!(transfers(&office, &alpha).await.is_empty());
    let job = office.finish(&job).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "transfer-closed");
    // Once more, and the other partner accepts.
    let job = office
        .apply("switch-subscription", &of(&path, "").replace("it@", "x@"))
        .await;
    let transfer = transfers(&office, &alpha).await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    office
        .here
        .post(
            &format!("/v1/customers/{alpha}/transfers/{transfer}/accept"),
            &json!({}),
        )
        .await
        .is(200);
    let job = office.finish(&job).await;
    assert_eq!(job.counts.applied, 1, "{:?}", outcomes(&office.ledger, &job).await);
    let undo = office.undo(&job).await;
    assert_eq!(outcomes(&office.ledger, &undo).await[0].2, "irreversible");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_request_is_withdrawn_by_its_undo() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let path = office.here.subscription(&alpha, 2).await;
    let csv = format!("{HEADER}{}", row(&alpha, id(&path), "in", "new-commerce", ""));
    let job = office.apply("switch-subscription", &csv).await;
    office.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
    let job = office.finish(&job).await;
    assert_eq!(job.state.as_str(), "cancelled");
    let undo = office.undo(&job).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
    assert_eq!(transfers(&office, &alpha).await[0]["status"], "Cancel");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_sort_goes_on_paper() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let path = office.here.subscription_to("MS-AZR-0145P", &alpha, 1).await;
    let csv = format!("{HEADER}{}", row(&alpha, id(&path), "out", "legacy-azure", ""));
    let job = office.applies("switch-subscription", &csv).await;
    let made = office.ledger.artifacts(&job).await.expect("asked");
    assert_eq!(made.len(), 1);
    assert_eq!(office.here.effects("create-transfer").await, 0);
}
