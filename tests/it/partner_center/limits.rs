//! Limits that a worker holds rows to, whatever the ledger says of their job: how many of a customer's users they may change.

use std::time::Duration;

use tenantry::testing::plan::Limits;
use tenantry_ledger::Job;

use super::{Office, USERS, held};

const ROWS: usize = 10;

const LIMITS: Limits = Limits {
    own_undo_within: Duration::ZERO,
    user_share: 0.4,
    user_share_min_users: 3,
    destructive_rows: 9,
    ..Limits::NONE
};

/// The codes of the rows that were not applied, and the job.
async fn carried_out(office: &Office, kind: &str, csv: &str) -> (Vec<String>, Job) {
    let (rows, job) = held::carried_out(office, kind, csv, LIMITS).await;
    (rows.into_iter().map(|(_, code)| code).collect(), job)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_users_of_a_customer_are_changed_than_need_no_approval() {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 10).await;
    let rows = |cells: &str| -> String {
        (0..ROWS)
            .map(|n| format!("{alpha},user{n}@alpha.onmicrosoft.com{cells}\n"))
            .collect()
    };
    // Making users changes none.
    let (codes, made) = carried_out(&office, "bulk-add-users", &format!("{USERS}{}", rows(",F,L,GB,,"))).await;
    assert_eq!((codes, made.counts.applied), (vec![], ROWS as u64));
    for (kind, header, cells, operation) in [
        ("update-users", "last_name", ",Other", "update-user"),
        ("assign-licenses", "assign", ",SPB", "update-licenses"),
        ("reset-passwords", "again", ",yes", "reset-user-password"),
    ] {
        let csv = |rows: &str| format!("customer,user_principal_name,{header}\n{rows}");
        let before = office.here.effects(operation).await;
        let (codes, done) = carried_out(&office, kind, &csv(&rows(cells))).await;
        assert_eq!(codes, vec!["not-approved"; ROWS - 4], "{kind}");
        assert_eq!(done.counts.applied, 4, "{kind}");
        assert_eq!(office.here.effects(operation).await - before, 4, "{kind}");
        // What is so already changes nobody.
        if kind == "update-users" {
            let message = office.message(&done, ROWS as u64).await;
            assert!(
                message.contains("5 of the 11 users of alpha.onmicrosoft.com, more than 40 %"),
                "{message}"
            );
            let (codes, done) = carried_out(&office, kind, &csv(&rows(cells))).await;
            assert_eq!(done.counts.applied, 4, "{codes:?}");
        }
    }
}
