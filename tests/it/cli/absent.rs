//! Commands that look something up where there is no ledger: they say so and make none.

use crate::place::{On, Place};
use crate::servers::PgServer;

const READING: [&[&str]; 9] = [
    &["jobs"],
    &["show", "01a2"],
    &["rows", "01a2"],
    &["results", "01a2"],
    &["customers"],
    &["workers"],
    &["audit"],
    &["policy"],
    &["approve", "01a2", "--by", "anna"],
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_where_no_ledger_is() {
    let place = Place::new(On::Sqlite).await;
    let absent = place.path("elsewhere.db");
    let url = format!("sqlite:{}", absent.display());
    for args in READING {
        let args = [&["--ledger", &url], args].concat();
        let run = place.tenantry(&args).ends(2);
        assert!(run.err.contains(&absent.display().to_string()), "{args:?}: {}", run.err);
        let told = format!("`tenantry init` or `tenantry --ledger {url} migrate`");
        assert!(run.err.contains(&told), "{args:?}: {}", run.err);
        assert!(!absent.exists(), "{args:?}");
    }
    place.tenantry(&["--ledger", &url, "migrate"]).ends(0);
    place.tenantry(&["--ledger", &url, "jobs"]).ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_stays_empty() {
    let url = PgServer::shared().await.database().await;
    let place = Place::new(On::Sqlite).await;
    for args in READING {
        let args = [&["--ledger", &url], args].concat();
        let run = place.tenantry(&args).ends(2);
        assert!(run.err.contains("the database is empty"), "{args:?}: {}", run.err);
    }
    place.tenantry(&["--ledger", &url, "migrate"]).ends(0);
    place.tenantry(&["--ledger", &url, "jobs"]).ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_looked_at_is_not_said_to_be_missing() {
    let place = Place::new(On::Sqlite).await;
    let file = place.write("customers.csv", "x");
    let url = format!("sqlite:{}/tenantry.db", file.display());
    let run = place.tenantry(&["--ledger", &url, "jobs"]).ends(2);
    assert!(
        run.err.contains("tenantry.db cannot be looked at: ") && !run.err.contains("there is no file"),
        "{}",
        run.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_made_says_why() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", crate::place::CUSTOMERS);
    let refused = |path: &str| {
        let url = format!("sqlite:{}", place.path(path).display());
        place
            .tenantry(&["--ledger", &url, "run", "add-customer", "customers.csv"])
            .ends(2)
            .err
    };
    let nowhere = refused("nowhere/t.db");
    assert!(
        nowhere.contains("nowhere/t.db cannot be opened: its directory") && nowhere.contains("No such file"),
        "{nowhere}"
    );
    std::fs::create_dir(place.path("dir.db")).expect("made");
    let directory = refused("dir.db");
    assert!(
        directory.contains("dir.db cannot be opened for writing: Is a directory"),
        "{directory}"
    );
}
