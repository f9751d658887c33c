//! Copies of what Partner Center holds: the same customers in the end, whatever happens to either side or between pages.

use std::process::Stdio;

use serde_json::{Value, json};
use tenantry_foundation::clock::Clock;
use tenantry_ledger::{Job, JobState, Ledger};
use tenantry_store::{Sources, Stores};

use super::Office;
use crate::place::{On, Place, Run, apply, column, on_both, outcomes, tables};
use crate::sandbox::{Here, TOKEN};
use crate::sync::{assert_sound, content, message, sync};

const EVERYTHING: &str = "from\npartner-center\n";

impl Office {
    /// Where customers are copied from Partner Center, and no jobs run against it.
    async fn copying(place: Place, customers: u32) -> Self {
        let here = Here::new().await;
        here.seed(customers).await;
        let office = Self::at(here, place).await;
        let stores = Stores {
            remote: None,
            sources: Sources::default().and_remote(office.stores.remote.clone()),
        };
        Self { stores, ..office }
    }

    async fn copy(&self, rows: &str) -> Job {
        sync(&self.ledger, &self.stores, rows).await
    }

    async fn copied(&self, rows: &str) -> String {
        let job = self.copy(rows).await;
        assert_eq!(job.counts.applied, 1, "{job:?}");
        message(&self.ledger, &job).await
    }

    /// The sandbox's own database, looked into as any other.
    async fn there(&self) -> Ledger {
        Ledger::open(&self.here.state(), 2, Clock::system())
            .await
            .expect("opened")
    }

    async fn assert_same(&self) {
        assert_eq!(content(&self.ledger).await, content(&self.there().await).await);
        assert_sound(&self.ledger).await;
    }

    async fn there_do(&self, sql: &'static str) {
        let done = self.there().await;
        done.db().write(move |tx| tx.exec(sql, &[])).await.expect("done");
    }

    async fn customers(&self) -> Vec<Value> {
        let list = self.here.get("/v1/customers?size=500").await.json();
        list["items"].as_array().expect("a list").clone()
    }

    fn run(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.place.hurried(args);
        command
            .env("TENANTRY__PARTNER_CENTER__API_URL", &self.here.base)
            .env("TENANTRY__PARTNER_CENTER__TOKEN", TOKEN);
        command
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

on_both! {
    async fn everything_is_copied_and_then_unchanged(place: Place) {
        let office = Office::copying(place, 12).await;
        let said = office.copied(EVERYTHING).await;
        assert!(said.starts_with("customers: 12 new; seats: 20 new; users: "), "{said}");
        office.assert_same().await;
        assert_eq!(office.copy(EVERYTHING).await.counts.unchanged, 1);
        assert_eq!(office.copy("from,full\npartner-center,yes\n").await.counts.unchanged, 1);
        let versions = column(office.ledger.db(), "SELECT domain FROM customers WHERE version > 1").await;
        assert_eq!(versions, Vec::<String>::new());
    }

    async fn only_changed_records_are_copied_and_missing_ones_are_marked(place: Place) {
        let office = Office::copying(place, 6).await;
        office.copied(EVERYTHING).await;
        let customers = office.customers().await;
        let [first, second, third] = [id(&customers[0]), id(&customers[1]), id(&customers[2])];
        // Something of our own, which Partner Center has no place for.
        let own = format!("customer,tags,external_id,city\n{first},vip,OWN-1,Elsewhere\n");
        let job = apply(&office.ledger, "update-account", &own).await;
        assert_eq!(job.counts.applied, 1, "{:?}", outcomes(&office.ledger, &job).await);
        let job = office.copy(EVERYTHING).await;
        assert_eq!(job.counts.unchanged, 1, "{job:?} {:?}", outcomes(&office.ledger, &job).await);

        let path = format!("/v1/customers/{first}/profiles/billing");
        let mut profile = office.here.get(&path).await.json();
        profile["defaultAddress"]["addressLine2"] = json!("Floor 2");
        office.here.call("PUT", &path, &profile).await;
        let users = format!("/v1/customers/{second}/users");
        let listed = office.here.get(&users).await.json();
        let (gone, changed) = (id(&listed["items"][0]).to_owned(), id(&listed["items"][1]).to_owned());
        office.here.delete(&format!("{users}/{gone}")).await;
        office.here.patch(&format!("{users}/{changed}"), &json!({ "displayName": "Renamed" })).await;
        let subscriptions = format!("/v1/customers/{third}/subscriptions");
        let one = office.here.get(&subscriptions).await.json()["items"][0].clone();
        let mut suspended = one.clone();
        suspended["status"] = json!("suspended");
        office.here.patch(&format!("{subscriptions}/{}", id(&one)), &suspended).await;

        let said = office.copied(EVERYTHING).await;
        assert_eq!(said, "customers: 1 changed; seats: 1 changed; users: 1 changed, 1 missing; subscriptions: 1 changed");
        let kept = column(office.ledger.db(), "SELECT tags || ' ' || external_id || ' ' || address_line2 FROM customers WHERE tags IS NOT NULL").await;
        assert_eq!(kept, ["vip OWN-1 Floor 2"]);
        let missing = column(office.ledger.db(), "SELECT user_principal_name FROM users WHERE missing_since IS NOT NULL").await;
        assert_eq!(missing.len(), 1);
        assert_sound(&office.ledger).await;

        // A customer whose relationship has ended is in no list any more, nor is what it has.
        office.there_do("UPDATE customers SET relationship = 'none' WHERE id = (SELECT MAX(id) FROM customers)").await;
        let said = office.copied(EVERYTHING).await;
        assert!(said.starts_with("customers: 1 missing; seats: 1 missing; users: ") && said.ends_with("; subscriptions: 1 missing"), "{said}");
        assert_eq!(office.copy(EVERYTHING).await.counts.unchanged, 1);
        office.there_do("UPDATE customers SET relationship = 'reseller'").await;
        let said = office.copied(EVERYTHING).await;
        assert!(said.starts_with("customers: 1 changed; seats: 1 changed; users: "), "{said}");
        assert_eq!(column(office.ledger.db(), "SELECT domain FROM customers WHERE missing_since IS NOT NULL").await, Vec::<String>::new());
    }

    async fn a_row_copies_the_selected_records(place: Place) {
        let office = Office::copying(place, 5).await;
        let customers = office.customers().await;
        let domain = customers[2]["companyProfile"]["domain"].as_str().expect("a domain");
        let rows = format!("from,customer,what\npartner-center,{},users\npartner-center,{domain},subscriptions\n", id(&customers[1]));
        let job = office.copy(&rows).await;
        assert_eq!(job.counts.applied, 2, "{:?}", outcomes(&office.ledger, &job).await);
        assert_eq!(column(office.ledger.db(), "SELECT domain FROM customers").await.len(), 2);
        assert_eq!(column(office.ledger.db(), "SELECT product FROM subscriptions").await.len(), 2);
        assert!(column(office.ledger.db(), "SELECT display_name FROM users").await.len() > 1);
        let said = office.copied(EVERYTHING).await;
        assert!(said.starts_with("customers: 3 new; seats: 5 new; "), "{said}");
        office.assert_same().await;
    }

    async fn killed_between_pages_it_goes_on_where_it_was(place: Place) {
        let office = Office::copying(place, 230).await;
        office.place.write("all.csv", EVERYTHING);
        for (before, page) in ["1", "2", "3", "2", "1"].into_iter().enumerate() {
            // Each time another worker goes on, and dies behind one more page or a few.
            let args: &[&str] = if before == 0 { &["run", "sync-customers", "all.csv"] } else { &["worker", "--drain"] };
            let killed = office
                .run(args)
                .env("TENANTRY_FAILPOINT", format!("after-page@{page}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("tenantry starts");
            assert_eq!(killed.code(), None, "{page}");
        }
        let calls = office.calls("get-customer").await;
        let drained = office.run(&["worker", "--drain"]).stderr(Stdio::null()).status();
        assert_eq!(drained.expect("tenantry starts").code(), Some(0));
        assert_eq!(office.calls("get-customer").await, calls, "customers were over");
        office.assert_same().await;
        let said = tables::messages(&office.ledger, "applied").await;
        assert!(said[0].starts_with("customers: 230 new; seats: 377 new; users: "), "{said:?}");
        assert!(said[0].ends_with("; subscriptions: 492 new"), "{said:?}");
        assert_eq!(column(office.ledger.db(), "SELECT progress FROM copying").await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_customers_and_many_users_of_one_are_copied_page_by_page() {
    let office = Office::copying(Place::new(On::Sqlite).await, 505).await;
    let customer = office.here.customer("many").await;
    for n in 0..230 {
        office.here.user(&customer, &format!("user{n}"), "many").await;
    }
    let said = office.copied("from,what\npartner-center,users\n").await;
    assert!(
        said.starts_with("customers: 506 new; seats: 819 new; users: "),
        "{said}"
    );
    let users = "SELECT user_principal_name FROM users WHERE user_principal_name LIKE '%@many.onmicrosoft.com'";
    assert_eq!(column(office.ledger.db(), users).await.len(), 231);
    // Somebody in the middle of each page.
    office
        .there_do("DELETE FROM users WHERE user_principal_name LIKE 'user%9@many.onmicrosoft.com'")
        .await;
    let said = office
        .copied("from,what,customer\npartner-center,users,many.onmicrosoft.com\n")
        .await;
    assert_eq!(said, "users: 23 missing");
    assert_eq!(
        office.copy("from,what\npartner-center,users\n").await.counts.unchanged,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_and_throttled_answers_change_nothing() {
    let office = Office::copying(Place::new(On::Sqlite).await, 8).await;
    for (operation, fault, skip) in [
        ("list-customers", "error-429", 1),
        ("get-customer", "cut-before-commit", 3),
        ("subscribed-skus", "error-503", 4),
        ("list-users", "error-429", 2),
        ("get-user-licenses", "cut-before-commit", 7),
        ("list-subscriptions", "error-500", 1),
    ] {
        let fault = json!({ "operation": operation, "fault": fault, "skip": skip, "times": 2 });
        office.here.fault(&fault).await;
    }
    office.copied(EVERYTHING).await;
    office.assert_same().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_cannot_be_read_is_named_and_stays_as_it_is() {
    let office = Office::copying(Place::new(On::Sqlite).await, 4).await;
    office.copied(EVERYTHING).await;
    let before = content(&office.ledger).await;
    // In lists it is there, and asked about by itself it is not.
    office
        .there_do("UPDATE customers SET tenant_id = upper(tenant_id) WHERE id = (SELECT MAX(id) FROM customers)")
        .await;
    let said = office.copied(EVERYTHING).await;
    assert!(
        said.starts_with("left out: customer ") && said.contains("users of "),
        "{said}"
    );
    assert!(!said.contains("missing"), "{said}");
    assert_eq!(content(&office.ledger).await, before);
    office
        .there_do("UPDATE customers SET tenant_id = lower(tenant_id)")
        .await;
    assert_eq!(office.copy(EVERYTHING).await.counts.unchanged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_counts_new_records_and_a_changed_store_is_noticed() {
    let office = Office::copying(Place::new(On::Sqlite).await, 3).await;
    office.place.write("all.csv", EVERYTHING);
    let tenantry = |args: &[&str]| Run::from(office.run(args).output().expect("tenantry starts"));
    let plan = tenantry(&["plan", "sync-customers", "all.csv", "--out", "plan.json"]).ends(0);
    assert!(plan.out.contains("customers: \"\" → \"3 new\""), "{}", plan.out);
    assert_eq!(
        column(office.ledger.db(), "SELECT domain FROM customers").await,
        Vec::<String>::new()
    );
    // As many changes, but others.
    office
        .there_do("UPDATE users SET display_name = 'Other' WHERE id = (SELECT MAX(id) FROM users)")
        .await;
    let drifted = tenantry(&["apply", "plan.json"]).ends(1);
    assert!(drifted.out.contains("1 rejected"), "{}", drifted.out);
    tenantry(&["plan", "sync-customers", "all.csv", "--out", "plan.json"]).ends(0);
    tenantry(&["apply", "plan.json"]).ends(0);
    office.assert_same().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_copied_here_even_where_other_jobs_run_there() {
    let office = Office::copying(Place::new(On::Sqlite).await, 2).await;
    office.place.write("all.csv", EVERYTHING);
    let ran = office
        .run(&["run", "sync-customers", "all.csv"])
        .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
        .output();
    Run::from(ran.expect("tenantry starts")).ends(0);
    office.assert_same().await;
    let doctor = Run::from(office.run(&["doctor"]).output().expect("tenantry starts")).ends(0);
    assert!(
        doctor.out.contains("`partner-center` can be copied from"),
        "{}",
        doctor.out
    );
    let unknown = office
        .apply("sync-customers", "from,customer\npartner-center,nobody.example\n")
        .await;
    assert_eq!(outcomes(&office.ledger, &unknown).await[0].2, "unknown-customer");
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_access_pauses_the_job() {
    let office = Office::copying(Place::new(On::Sqlite).await, 2).await;
    office
        .here
        .fault(&json!({ "operation": "subscribed-skus", "fault": "expired-token", "times": 1 }))
        .await;
    let job = office.copy(EVERYTHING).await;
    assert_eq!(job.state, JobState::Paused);
    assert!(
        job.message
            .as_deref()
            .is_some_and(|said| said.contains("denied access")),
        "{:?}",
        job.message
    );
}
