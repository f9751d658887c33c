//! Whatever happens to the other store between two copies, the second one has it.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{EVERYTHING, assert_sound, content, fill, mirror, sync};
use crate::place::{On, Place, TestJob, apply};
use tenantry_ledger::Ledger;

const CUSTOMERS: [&str; 3] = ["CRM-1002", "CRM-1003", "CRM-1004"];
const DOMAINS: [&str; 3] = ["fjordbakeri", "graysonlogistics", "kowalskimeble"];

/// Something that happens to the other store, or a copy of it.
#[derive(Debug, Clone)]
enum Event {
    Add(usize, u8),
    Delete(usize, u8),
    Restore(usize, u8),
    Seats(usize, u8),
    License(usize, u8, bool),
    Tags(usize, u8),
    Suspend(usize),
    /// Of one customer, or of all; in full.
    Sync(Option<usize>, bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let (customer, user) = (0..3_usize, 0..4_u8);
    let event = prop_oneof![
        3 => (customer.clone(), user.clone()).prop_map(|(at, user)| Event::Add(at, user)),
        3 => (customer.clone(), user.clone()).prop_map(|(at, user)| Event::Delete(at, user)),
        1 => (customer.clone(), user.clone()).prop_map(|(at, user)| Event::Restore(at, user)),
        1 => (customer.clone(), 3..9_u8).prop_map(|(at, seats)| Event::Seats(at, seats)),
        3 => (customer.clone(), user, any::<bool>()).prop_map(|(at, user, has)| Event::License(at, user, has)),
        1 => (customer.clone(), any::<u8>()).prop_map(|(at, tag)| Event::Tags(at, tag)),
        1 => customer.clone().prop_map(Event::Suspend),
        3 => (proptest::option::of(customer), any::<bool>()).prop_map(|(at, full)| Event::Sync(at, full)),
    ];
    proptest::collection::vec(event, 1..14)
}

/// Carries an event out; one that cannot happen now is rejected, which is as well.
async fn happen(mirror: &Ledger, event: &Event) {
    let name = |at: usize, user: u8| format!("{},r{user}@{}.onmicrosoft.com", CUSTOMERS[at], DOMAINS[at]);
    let (kind, csv) = match event {
        Event::Add(at, user) => (
            "bulk-add-users",
            format!(
                "customer,user_principal_name,first_name,last_name,usage_location\n{},R,{user},US\n",
                name(*at, *user)
            ),
        ),
        Event::Delete(at, user) => (
            "delete-users",
            format!("customer,user_principal_name\n{}\n", name(*at, *user)),
        ),
        Event::Restore(at, user) => (
            "restore-users",
            format!("customer,user_principal_name\n{}\n", name(*at, *user)),
        ),
        Event::Seats(at, seats) => (
            "set-seats",
            format!("customer,sku,seats\n{},SPB,{seats}\n", CUSTOMERS[*at]),
        ),
        Event::License(at, user, has) => {
            let column = if *has { "assign" } else { "remove" };
            (
                "assign-licenses",
                format!("customer,user_principal_name,{column}\n{},SPB\n", name(*at, *user)),
            )
        }
        Event::Tags(at, tag) => (
            "update-account",
            format!("customer,tags\n{},tag{tag}\n", CUSTOMERS[*at]),
        ),
        Event::Suspend(at) => (
            "remove-relationship",
            format!("customer,suspend_subscriptions\n{},yes\n", CUSTOMERS[*at]),
        ),
        Event::Sync(..) => return,
    };
    TestJob::new(mirror, kind, &csv).try_to_run().await;
}

fn copies_equal_after_any_events(on: On, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&events(), |events| {
        runtime.block_on(async {
            let place = Place::new(on).await;
            let (_other, mirror, stores) = mirror(&place).await;
            fill(&mirror).await;
            apply(
                &mirror,
                "set-seats",
                "customer,sku,seats\nCRM-1002,SPB,2\nCRM-1003,SPB,2\nCRM-1004,SPB,2\n",
            )
            .await;
            let here = place.ledger().await;
            for event in &events {
                happen(&mirror, event).await;
                if let Event::Sync(at, full) = event {
                    let customer = at.map_or("", |at| CUSTOMERS[at]);
                    let full = if *full { "yes" } else { "no" };
                    sync(
                        &here,
                        &stores,
                        &format!("from,customer,full\nmirror,{customer},{full}\n"),
                    )
                    .await;
                }
            }
            let last = sync(&here, &stores, EVERYTHING).await;
            prop_assert_eq!(last.counts.rejected + last.counts.failed, 0);
            prop_assert_eq!(content(&here).await, content(&mirror).await);
            assert_sound(&here).await;
            prop_assert_eq!(sync(&here, &stores, EVERYTHING).await.counts.unchanged, 1);
            Ok(())
        })
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn all_changes_there_are_copied_to_sqlite() {
    copies_equal_after_any_events(On::Sqlite, 10);
}

#[test]
fn all_changes_there_are_copied_to_postgres() {
    copies_equal_after_any_events(On::Postgres, 10);
}
