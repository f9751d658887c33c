//! A customer that was made here and that lists do not show yet: its rows are right, and wait.

use tenantry::testing::submit::Submitted;
use tenantry_jobs::code;

use super::{Office, PLAIN_CUSTOMERS, USERS};
use crate::place::{TestJob, outcomes, tables};

const OF_BETA: &str = "beta.onmicrosoft.com,three@beta.onmicrosoft.com,Three,Tre,DE,,\n";

/// With a customer, and then another one, which is made last.
async fn office() -> Office {
    let office = Office::new().await;
    let mut lines = PLAIN_CUSTOMERS.lines();
    let header = lines.next().unwrap_or_default();
    for line in lines {
        office.applies("add-customer", &format!("{header}\n{line}\n")).await;
    }
    office
}

/// Moves what was done lately into the past.
async fn as_of_an_hour_ago(office: &Office) {
    assert!(tables::ended_an_hour_earlier(&office.ledger, "add-customer").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_for_a_customer_that_is_not_shown_yet_is_told_to_come_again() {
    let office = office().await;
    office.here.quirks(&["lagging-lists"]).await;
    let users = format!("{USERS}{OF_BETA}");
    let submitted = TestJob::new(&office.ledger, "bulk-add-users", &users)
        .stores(&office.stores)
        .submit()
        .await;
    let Submitted::Refused(refused) = submitted else {
        panic!("it is not refused")
    };
    assert!(refused.is_for_now(), "{:?}", refused.faults.by_code());
    // What is wrong besides is told with it, and then the file has to be fixed.
    let two = format!("{USERS}{}", OF_BETA.replace("DE", "XX"));
    let submitted = TestJob::new(&office.ledger, "bulk-add-users", &two)
        .stores(&office.stores)
        .submit()
        .await;
    let Submitted::Refused(refused) = submitted else {
        panic!("it is not refused")
    };
    let codes: Vec<&String> = refused.faults.by_code().keys().collect();
    assert_eq!(codes, [code::NOT_THERE_YET, code::UNKNOWN_COUNTRY]);
    assert!(!refused.is_for_now());
    // Every kind is told so, and by every name; one that nobody made is as unknown as ever.
    let changed = office.codes(
        "update-account",
        "customer,city\nBeta.onmicrosoft.com,Bonn\ngamma.onmicrosoft.com,Bonn\n",
    );
    assert_eq!(changed.await, [code::NOT_THERE_YET, code::UNKNOWN_CUSTOMER]);
    assert_eq!(
        office.codes("add-customer", PLAIN_CUSTOMERS).await,
        ["unchanged", code::NOT_THERE_YET]
    );
    office.here.quirks(&[]).await;
    office.applies("bulk-add-users", &users).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_a_customer_that_is_not_shown_yet() {
    let office = office().await;
    let users = format!("{USERS}alpha.onmicrosoft.com,one@alpha.onmicrosoft.com,One,Uno,GB,,\n{OF_BETA}");
    let plain = office.submit("bulk-add-users", &users).await;
    office
        .applies(
            "bulk-add-users",
            &format!("{USERS}beta.onmicrosoft.com,four@beta.onmicrosoft.com,Four,Quattro,DE,,\n"),
        )
        .await;
    let leaver = "customer,user_principal_name\nbeta.onmicrosoft.com,four@beta.onmicrosoft.com\n";
    let by_plan = office.approved("delete-users", leaver).await;
    office.here.quirks(&["lagging-lists"]).await;
    for job in [&plain, &by_plan] {
        let waiting = crate::place::Work::on(&office.ledger, job)
            .stores(&office.stores)
            .until_idle()
            .await;
        assert!(!waiting.state.is_final(), "{}", waiting.state.as_str());
        assert_eq!(waiting.counts.rejected, 0, "{:?}", outcomes(&office.ledger, job).await);
    }
    assert!(office.message(&plain, 2).await.contains("does not show it yet"));
    office.here.quirks(&[]).await;
    for (job, rows) in [(&plain, 2), (&by_plan, 1)] {
        let job = office.finish(job).await;
        assert_eq!(job.counts.applied, rows, "{:?}", outcomes(&office.ledger, &job).await);
    }
    assert_eq!(office.users(&office.customer("Beta GmbH").await).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_customer_unlisted_for_an_hour_are_rejected() {
    let office = office().await;
    let job = office.submit("bulk-add-users", &format!("{USERS}{OF_BETA}")).await;
    office.here.quirks(&["lagging-lists"]).await;
    as_of_an_hour_ago(&office).await;
    let job = office.finish(&job).await;
    let ends = outcomes(&office.ledger, &job).await;
    assert_eq!(ends, [(1, "rejected".to_owned(), code::UNKNOWN_CUSTOMER.to_owned())]);
}
