//! `doctor`: what it says is fine was tried, and counts that do not add up are found and fixed.

use tenantry_foundation::db::DbError;
use tenantry_ledger::Ledger;

use crate::place::{On, Place, of_this_store, on_both, tables};
use crate::servers::RedisServer;

const CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country,external_id
alpha,Alpha Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB,A-1
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE,B-1
gamma,Gamma SA,Gil,Garde,gil@gamma.example,Rue 3,Paris,,75001,FR,C-1
";
const SEATS: &str = "customer,sku,seats\nA-1,SPB,5\nA-1,EXCHANGEDESKLESS,5\nB-1,SPB,5\nC-1,SPB,5\n";
const USERS: &str = "\
customer,user_principal_name,first_name,last_name,usage_location,licenses
A-1,a1@alpha.onmicrosoft.com,A,One,GB,SPB;EXCHANGEDESKLESS
A-1,a2@alpha.onmicrosoft.com,A,Two,GB,SPB
A-1,a3@alpha.onmicrosoft.com,A,Three,GB,
B-1,b1@beta.onmicrosoft.com,B,One,DE,SPB
";

async fn with_users(place: &Place) -> Ledger {
    let ledger = place.ledger().await;
    for (kind, csv) in [
        ("add-customer", CUSTOMERS),
        ("set-seats", SEATS),
        ("bulk-add-users", USERS),
    ] {
        let job = crate::place::apply(&ledger, kind, csv).await;
        assert_eq!(job.counts.applied, job.counts.total, "{kind}");
    }
    ledger
}

async fn plant(ledger: &Ledger, statements: &'static [&'static str]) {
    let planted = ledger.db().write(move |tx| {
        for sql in statements {
            tx.exec(sql, &[])?;
        }
        Ok::<_, DbError>(())
    });
    planted.await.expect("planted");
}

on_both! {
    async fn wrong_counts_are_found_and_fixed_once(place: Place) {
        let ledger = with_users(&place).await;
        let calm = place.dump().await;
        plant(&ledger, &[
            "UPDATE customers SET user_count = 7 WHERE external_id = 'A-1'",
            "UPDATE customers SET user_count = 1 WHERE external_id = 'C-1'",
            "UPDATE subscribed_skus SET assigned = assigned - 1 WHERE part_number = 'EXCHANGEDESKLESS'",
            "UPDATE subscribed_skus SET assigned = assigned + 2 WHERE part_number = 'SPB' AND customer =
               (SELECT id FROM customers WHERE external_id = 'C-1')",
        ]).await;
        let found = place.tenantry(&["doctor"]).ends(2);
        for part in [
            "FAIL counts", "4 counts", "alpha.onmicrosoft.com users: 7 recorded, 3 there", "gamma.onmicrosoft.com users: 1 recorded, 0 there",
            "alpha.onmicrosoft.com EXCHANGEDESKLESS: 0 recorded, 1 there", "gamma.onmicrosoft.com SPB: 2 recorded, 0 there",
            "`tenantry doctor --repair` fixes them",
        ] {
            assert!(found.out.contains(part), "{part}: {}", found.out);
        }
        assert_eq!(tables::repairs(&ledger).await, [""; 0]);
        let fixed = place.tenantry(&["doctor", "--repair", "--by", "anna"]).ends(0);
        let note = "user_count of 2 customers, assigned seats of 2 SKUs";
        assert!(fixed.out.contains(&format!("ok   counts         fixed: {note}")), "{}", fixed.out);
        assert_eq!(tables::repairs(&ledger).await, [format!("anna: {note}")]);
        assert_eq!(place.dump().await, calm);
        place.tenantry(&["audit", "verify"]).ends(0);
        let again = place.tenantry(&["doctor", "--repair"]).ends(0);
        assert!(again.out.contains("users and assigned seats add up"), "{}", again.out);
        assert_eq!(tables::repairs(&ledger).await.len(), 1);
    }

    async fn a_ledger_that_every_kind_has_gone_through_adds_up(place: Place) {
        let ledger = place.ledger().await;
        for job in of_this_store() {
            crate::place::TestJob::new(&ledger, job.kind(), job.sample()).try_to_run().await;
        }
        let calm = place.dump().await;
        let fine = place.tenantry(&["doctor", "--repair"]).ends(0);
        assert!(fine.out.contains("ok   counts"), "{}", fine.out);
        assert_eq!(place.dump().await, calm);
        assert_eq!(tables::repairs(&ledger).await, [""; 0]);
    }

    async fn seats_that_are_assigned_and_not_there_are_told_of(place: Place) {
        let ledger = with_users(&place).await;
        plant(&ledger, &["UPDATE subscribed_skus SET seats = 1, assigned = 1 WHERE part_number = 'SPB'"]).await;
        let left = place.tenantry(&["doctor", "--repair"]).ends(2);
        assert!(left.out.contains("fixed: assigned seats of 2 SKUs"), "{}", left.out);
        assert!(left.out.contains("FAIL seats") && left.out.contains("alpha.onmicrosoft.com SPB: 2 assigned of 1"), "{}", left.out);
        assert!(!left.out.contains("beta.onmicrosoft.com") && left.out.contains("`set-seats`"), "{}", left.out);
        crate::place::apply(&ledger, "set-seats", "customer,sku,seats\nA-1,SPB,2\n").await;
        place.tenantry(&["doctor"]).ends(0);
    }

    async fn a_ledger_that_cannot_be_written_is_not_fine(place: Place) {
        let ledger = with_users(&place).await;
        let fine = place.tenantry(&["doctor"]).ends(0);
        assert!(fine.out.contains("up to date, can be written"), "{}", fine.out);
        assert_eq!(tables::meta(ledger.db(), "doctor").await, None);
        refuse_writes(&place, &ledger).await;
        let bad = place.tenantry(&["doctor"]).ends(2);
        assert!(bad.out.contains("FAIL ledger") && bad.out.contains("disk full") && bad.out.contains("make room"), "{}", bad.out);
    }

    async fn a_ledger_of_an_older_schema_is_tried_and_stays_as_it_is(place: Place) {
        let ledger = with_users(&place).await;
        tables::set_meta(ledger.db(), "schema_version", "6").await;
        let fine = place.tenantry(&["doctor"]).ends(0);
        assert!(fine.out.contains("schema version 6, can be written; the first command that writes"), "{}", fine.out);
        assert_eq!(tables::meta(ledger.db(), "doctor").await, None);
        assert_eq!(tables::meta(ledger.db(), "schema_version").await.as_deref(), Some("6"));
        refuse_writes(&place, &ledger).await;
        let bad = place.tenantry(&["doctor"]).ends(2);
        assert!(bad.out.contains("FAIL ledger") && bad.out.contains("disk full"), "{}", bad.out);
    }
}

/// Has the database refuse what `doctor` tries to write, as a full disk does.
async fn refuse_writes(place: &Place, ledger: &Ledger) {
    tables::refuse_meta(ledger, place.url.starts_with("sqlite:")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_ledger_or_results_is_tried_and_not_made() {
    let place = Place::new(On::Sqlite).await;
    place.write("file", "");
    let fine = place
        .tenantry(&["doctor", "--ledger", "sqlite:new/tenantry.db"])
        .ends(0);
    assert!(fine.out.contains("ok   ledger         empty"), "{}", fine.out);
    assert!(!place.path("new").exists() && !place.path("tenantry-out").exists());
    let bad = place
        .tenantry(&["doctor", "--ledger", "sqlite:file/tenantry.db"])
        .ends(2);
    assert!(bad.out.contains("FAIL ledger"), "{}", bad.out);
    for dir in ["file/results", "/proc/results"] {
        let mut command = place.command(&["doctor"]);
        command.env("TENANTRY__RESULTS__DIR", dir);
        let bad = crate::place::Run::from(command.output().expect("tenantry starts")).ends(2);
        assert!(
            bad.out.contains("FAIL results") && bad.out.contains("`results.dir`"),
            "{}",
            bad.out
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_takes_nothing_is_not_fine() {
    let server = RedisServer::private().await;
    let place = Place::new(On::Sqlite).await;
    let mut redis = server.connect().await;
    let mut set = async |arguments: &[&str]| {
        let mut command = redis::cmd(arguments[0]);
        command.arg(&arguments[1..]);
        command.query_async::<()>(&mut redis).await.expect("a setting");
    };
    let doctor = || place.tenantry(&["doctor", "--queue", &server.url()]);
    doctor().ends(0);
    for (bad, good, why) in [
        (
            ["CONFIG", "SET", "maxmemory", "1"],
            ["CONFIG", "SET", "maxmemory", "0"],
            "OOM",
        ),
        (
            ["REPLICAOF", "127.0.0.1", "1", ""],
            ["REPLICAOF", "NO", "ONE", ""],
            "read only replica",
        ),
        (
            ["ACL", "SETUSER", "default", "-set"],
            ["ACL", "SETUSER", "default", "+set"],
            "no permissions",
        ),
    ] {
        let words = |all: [&'static str; 4]| all.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
        set(&words(bad)).await;
        let said = doctor().ends(2);
        assert!(
            said.out.contains("FAIL queue") && said.out.contains(why),
            "{}",
            said.out
        );
        assert!(said.out.contains("answers and cannot be written"), "{}", said.out);
        set(&words(good)).await;
    }
    doctor().ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_looked_at_one_by_one_when_asked_to() {
    let place = Place::new(On::Sqlite).await;
    let nothing = place.tenantry(&["doctor", "--deep"]).ends(0).out;
    assert!(!nothing.contains("records"), "{nothing}");
    let ledger = with_users(&place).await;
    let fine = place.tenantry(&["doctor", "--deep"]).ends(0).out;
    assert!(fine.contains("ok   records"), "{fine}");
    plant(
        &ledger,
        &[
            "UPDATE users SET version = 3 WHERE user_principal_name LIKE 'a%'",
            "UPDATE jobs SET applied = applied - 1 WHERE seq = 3",
        ],
    )
    .await;
    place.tenantry(&["doctor"]).ends(0);
    let wrong = place.tenantry(&["doctor", "--deep"]).ends(2).out;
    for part in [
        "FAIL records        a user was changed more or less often than there are before-images (user version: ",
        "FAIL records        the outcomes of an ended job do not add up to its rows (counters: 3, bulk-add-users, 4, 3, 0, 0, 0, 0)",
        "keep a copy with `tenantry backup`",
    ] {
        assert!(wrong.contains(part), "{part} is not in {wrong}");
    }
    let lines = place.tenantry(&["doctor", "--deep", "--json"]).ends(2).out;
    assert!(lines.contains(r#""check":"records","fine":false"#), "{lines}");
}
