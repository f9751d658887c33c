//! Addresses are held against the store's validation before a customer is made with one or moved to one.

use serde_json::json;
use tenantry_foundation::clock::Clock;
use tenantry_ledger::Outcome;
use tenantry_partner_center::{PartnerCenter, Settings};

use super::{Office, PLAIN_CUSTOMERS, carried_out_by, settings};
use crate::place::outcomes;

/// As the first customer, in a street without a house number, which the sandbox completes.
fn without_a_number() -> String {
    PLAIN_CUSTOMERS.replace("1 High Street", "High Street")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_at_a_doubtful_address_is_rejected_with_a_suggestion() {
    let office = Office::new().await;
    let job = office.apply("add-customer", &without_a_number()).await;
    assert_eq!((job.counts.applied, job.counts.rejected), (1, 1));
    let record = office.record(&job, 1).await;
    assert_eq!(record.code, "address-not-verified");
    assert_eq!(
        record.message,
        "address_line1: `High Street`: Partner Center's validation takes 1 High Street, London, N1 9GU, GB; did you mean \
         `1 High Street`?"
    );
    let other = office.record(&job, 2).await;
    assert_eq!(other.outcome, Some(Outcome::Applied));
    assert!(
        other.message.contains("Microsoft Customer Agreement"),
        "{}",
        other.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_changed_address_is_looked_at() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let asked = async || {
        let counters = office.here.get("/sandbox/counters").await.json();
        counters["operations"]["validate-address"]["calls"]
            .as_u64()
            .unwrap_or(0)
    };
    let before = asked().await;
    let phone = format!("customer,phone\n{alpha},+44 20 7946 0000\n");
    assert_eq!(office.apply("update-account", &phone).await.counts.applied, 1);
    assert_eq!(asked().await, before);
    let moved = format!("customer,address_line1\n{alpha},Low Street\n");
    let job = office.apply("update-account", &moved).await;
    let codes = outcomes(&office.ledger, &job).await;
    assert_eq!(codes[0].2, "address-not-verified", "{codes:?}");
    assert_eq!(asked().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_is_away_delays_no_row_and_the_row_says_so() {
    let office = Office::new().await;
    let away = json!({ "operation": "validate-address", "fault": "error-503", "times": 1000 });
    office.here.fault(&away).await;
    let job = office.apply("add-customer", &without_a_number()).await;
    assert_eq!(job.counts.applied, 2);
    let message = office.record(&job, 1).await.message;
    assert!(message.starts_with("the address was not checked: "), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_validation_can_be_left_out() {
    let mut office = Office::new().await;
    let settings = Settings {
        validate_addresses: false,
        ..settings(&office.here)
    };
    office.stores = carried_out_by(&PartnerCenter::new(settings, Clock::system()).expect("a store"));
    let job = office.apply("add-customer", &without_a_number()).await;
    assert_eq!(job.counts.applied, 2);
}
