//! What is done to a store in a database, and what the other partner does there.

use crate::counterpart::{self, Answer, TheirRequest};
use tenantry_ledger::Ledger;

use super::{OTHER_PARTNER, StoreUnderTest};

const NCE: &str = "7a7a7a7a-0000-4000-8000-000000000001";
const LEGACY: &str = "7a7a7a7a-0000-4000-8000-000000000002";
const LEGACY_B: &str = "7a7a7a7a-0000-4000-8000-000000000003";
const AZURE: &str = "7a7a7a7a-0000-4000-8000-000000000005";
pub(super) const THEIRS: &str = "7a7a7a7a-0000-4000-8000-000000000004";

/// Seats and subscriptions; the names of the latter.
pub(super) async fn sell(env: &StoreUnderTest) -> Vec<(&'static str, String)> {
    env.applies("set-seats", "customer,sku,seats\n{a},SPB,3\n").await;
    let held = format!(
        "customer,subscription_id,product,product_type,quantity,status,auto_renew,term_ends\n\
         {{a}},{NCE},Microsoft 365 Business Premium,new-commerce-license,3,active,yes,2099-12-31\n\
         {{a}},{LEGACY},Exchange Online,legacy-license,5,active,yes,\n\
         {{b}},{LEGACY_B},Exchange Online,legacy-license,5,active,yes,\n\
         {{a}},{AZURE},Microsoft Azure,azure-legacy,1,active,,\n"
    );
    env.applies("set-subscriptions", &held).await;
    [
        ("{nce}", NCE),
        ("{legacy}", LEGACY),
        ("{legacy-b}", LEGACY_B),
        ("{azure}", AZURE),
    ]
    .map(|(name, id)| (name, id.to_owned()))
    .to_vec()
}

pub(super) async fn they_ask_for(ledger: &Ledger, subscription: String) {
    let now = ledger.clock().now_millis();
    let asked = ledger.db().write(move |tx| {
        let theirs = TheirRequest {
            customer: "alpha.onmicrosoft.com",
            subscription_id: &subscription,
            flow: "new-commerce",
            partner_tenant_id: OTHER_PARTNER,
            partner_name: "Other GmbH",
        };
        let number = tx.query("SELECT id FROM transfers", &[])?.len() as u64 + 1;
        counterpart::request(tx, &theirs, number, now)
    });
    assert_eq!(asked.await.expect("asked"), 1);
}

pub(super) async fn they_answer(ledger: &Ledger, subscription: String, accept: bool) {
    let now = ledger.clock().now_millis();
    let answer = if accept { Answer::Accept } else { Answer::Decline };
    let answered = ledger
        .db()
        .write(move |tx| counterpart::answer(tx, &subscription, answer, now));
    assert_eq!(answered.await.expect("answered"), 1);
}
