//! What is done to the sandbox, and what the other partner does there.

use serde_json::{Value, json};
use tenantry_foundation::clock::Clock;
use tenantry_ledger::Ledger;

use super::OTHER_PARTNER;
use crate::partner_center::{LEGACY, Office};

/// The sandbox's own database, looked into as any other.
pub(super) async fn database(office: &Office) -> Ledger {
    let opened = Ledger::open(&office.here.state(), 1, Clock::system()).await;
    opened.expect("opened")
}

/// Subscriptions, and the seats that come with them; the names of the former.
pub(super) async fn sell(office: &Office) -> Vec<(&'static str, String)> {
    let (alpha, beta) = (office.customer("Alpha Ltd").await, office.customer("Beta GmbH").await);
    let nce = office.here.subscription(&alpha, 3).await;
    let legacy = office.here.subscription_to(LEGACY, &alpha, 5).await;
    let legacy_b = office.here.subscription_to(LEGACY, &beta, 5).await;
    let azure = office.here.subscription_to("MS-AZR-0145P", &alpha, 1).await;
    vec![
        ("{nce}", id(&nce)),
        ("{legacy}", id(&legacy)),
        ("{legacy-b}", id(&legacy_b)),
        ("{azure}", id(&azure)),
    ]
}

fn id(path: &str) -> String {
    path.rsplit('/').next().expect("an id").to_owned()
}

/// Has the other partner sell a subscription; its id.
pub(super) async fn they_sell(office: &mut Office) -> String {
    let alpha = office.customer("Alpha Ltd").await;
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let path = office.here.subscription(&alpha, 2).await;
    office.here.as_partner(None).await;
    id(&path)
}

pub(super) async fn they_ask_for(office: &mut Office) {
    let path = format!("/v1/customers/{}/transfers", office.customer("Alpha Ltd").await);
    let body = json!({
        "sourcePartnerTenantId": tenantry_sandbox::PARTNER.to_string(), "sourcePartnerName": "Us",
        "customerEmailId": "it@alpha.example", "targetPartnerTenantId": OTHER_PARTNER, "transferType": 5,
    });
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    office.here.post(&path, &body).await.is(201);
    office.here.as_partner(None).await;
}

/// What we gave is accepted by who gets it; what we asked for is given by who has it.
pub(super) async fn they_answer(office: &mut Office, subscription: &str, accept: bool) {
    let path = format!("/v1/customers/{}/transfers", office.customer("Alpha Ltd").await);
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let open = office.here.get(&path).await.json();
    let is_open = |one: &&Value| one["status"] == "Active" || one["status"] == "Pending";
    let open = open.as_array().expect("a list").iter().find(is_open);
    let open = open.expect("an open request");
    let path = format!("{path}/{}", open["id"].as_str().expect("an id"));
    let newer = open.get("transferType").is_some();
    let answer = match (accept, newer) {
        (false, _) => office.here.patch(&path, &json!({ "status": "Reject" })).await,
        (true, false) => office.here.post(&format!("{path}/accept"), &json!({})).await,
        (true, true) => {
            let lines = json!({ "lineItems": [{ "subscriptionId": subscription }] });
            office.here.patch(&path, &lines).await
        }
    };
    answer.is(200);
    office.here.as_partner(None).await;
}
