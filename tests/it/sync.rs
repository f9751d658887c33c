//! Copies from another store: the same customers, users and subscriptions in the end, whatever happened to either
//! store in between.

mod disturbed;
mod random;

use tenantry::testing::submit::Submitted;
use tenantry_ledger::{Job, Ledger};
use tenantry_store::{Sources, Stores};

use crate::invariants::violations;
use crate::place::{On, Place, TestJob, Work, apply, column, on_both, outcomes};

/// Kinds whose samples make a store worth copying.
const MAKERS: [&str; 6] = [
    "add-customer",
    "set-seats",
    "bulk-add-users",
    "update-account",
    "set-subscriptions",
    "assign-licenses",
];
const EVERYTHING: &str = "from\nmirror\n";

/// A store to copy from, on the database the copy is not on.
async fn mirror(of: &Place) -> (Place, Ledger, Stores) {
    let on = if of.url.starts_with("sqlite:") {
        On::Postgres
    } else {
        On::Sqlite
    };
    let place = Place::new(on).await;
    let ledger = place.ledger().await;
    let stores = Stores {
        sources: Sources::new([("mirror".to_owned(), place.url.clone())]),
        ..Stores::default()
    };
    (place, ledger, stores)
}

async fn fill(mirror: &Ledger) {
    for kind in MAKERS {
        apply(mirror, kind, sample(kind)).await;
    }
}

fn sample(kind: &str) -> &'static str {
    tenantry_jobs::find(kind).expect("a kind").sample()
}

pub(crate) async fn sync(here: &Ledger, stores: &Stores, rows: &str) -> Job {
    let handed_in = TestJob::new(here, "sync-customers", rows).stores(stores).submit().await;
    let (Submitted::Queued(id) | Submitted::Same(id)) = handed_in else {
        panic!("not queued")
    };
    let job = here.job(id).await.expect("asked").expect("there");
    Work::on(here, &job).stores(stores).until_idle().await
}

/// What the only row of a job says.
pub(crate) async fn message(ledger: &Ledger, job: &Job) -> String {
    let rows = ledger.chunk_rows(job, 0).await.expect("asked").expect("kept");
    rows.record(1, 2).message
}

/// What is the same in a store and in its copy: every record that is not missing, by names instead of ids.
pub(crate) async fn content(ledger: &Ledger) -> Vec<String> {
    const QUERIES: [&str; 4] = [
        "SELECT 'customer ' || tenant_id || ' ' || domain || ' ' || COALESCE(company_name, '') || ' '
           || COALESCE(email, '') || ' ' || COALESCE(address_line2, '') || ' ' || COALESCE(tags, '') || ' '
           || COALESCE(registration_number, '') || ' ' || COALESCE(external_id, '') || ' ' || relationship
           FROM customers WHERE missing_since IS NULL",
        "SELECT 'seats ' || c.domain || ' ' || s.part_number || ' ' || CAST(s.seats AS TEXT) || ' '
           || CAST(s.assigned AS TEXT) FROM subscribed_skus s JOIN customers c ON c.id = s.customer WHERE s.seats > 0",
        "SELECT 'user ' || c.domain || ' ' || u.user_principal_name || ' ' || u.display_name || ' '
           || COALESCE(u.job_title, '') || ' ' || COALESCE(u.licenses, '') || ' ' || COALESCE(u.roles, '') || ' '
           || CAST(u.flags AS TEXT) FROM users u JOIN customers c ON c.id = u.customer WHERE u.missing_since IS NULL",
        "SELECT 'subscription ' || c.domain || ' ' || s.subscription_id || ' ' || s.product || ' '
           || CAST(s.quantity AS TEXT) || ' ' || s.status || ' ' || CAST(COALESCE(s.term_ends, 0) AS TEXT)
           FROM subscriptions s JOIN customers c ON c.id = s.customer WHERE s.missing_since IS NULL",
    ];
    let mut all = Vec::new();
    for query in QUERIES {
        all.extend(column(ledger.db(), query).await);
    }
    all.sort_unstable();
    all
}

/// What is always true of a store, copied records or not.
pub(crate) async fn assert_sound(ledger: &Ledger) {
    assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    assert_eq!(ledger.verify_deep().await.expect("held against the record").faults, []);
}

on_both! {
    async fn the_sample_applied_twice_is_applied_then_unchanged(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        let here = place.ledger().await;
        let first = sync(&here, &stores, sample("sync-customers")).await;
        assert_eq!(first.counts.applied, 3, "{:?}", outcomes(&here, &first).await);
        let again = sync(&here, &stores, sample("sync-customers")).await;
        assert_eq!(again.counts.unchanged, 3, "{:?}", outcomes(&here, &again).await);
        // Three of six customers, of which one without its subscriptions.
        assert_eq!(column(here.db(), "SELECT domain FROM customers").await.len(), 3);
        let without = "SELECT domain FROM customers WHERE id NOT IN (SELECT customer FROM subscriptions)";
        assert_eq!(column(here.db(), without).await, ["alpenblickhotels.onmicrosoft.com"]);
        let rest = sync(&here, &stores, EVERYTHING).await;
        assert!(message(&here, &rest).await.starts_with("customers: 3 new;"));
        assert_eq!(content(&here).await, content(&mirror).await);
        assert_sound(&here).await;
    }

    async fn only_changed_records_are_copied_and_missing_ones_are_marked(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        let here = place.ledger().await;
        sync(&here, &stores, EVERYTHING).await;
        let versions = "SELECT user_principal_name FROM users WHERE version > 1 ORDER BY user_principal_name";
        assert_eq!(column(here.db(), versions).await, Vec::<String>::new());

        apply(&mirror, "update-account", "customer,city\nCRM-1003,Olympia\n").await;
        let deletion = apply(&mirror, "delete-users", sample("delete-users")).await;
        assert_eq!(deletion.counts.applied, 3);
        let removal = "customer,suspend_subscriptions\nkowalskimeble.onmicrosoft.com,yes\n";
        assert_eq!(apply(&mirror, "remove-relationship", removal).await.counts.applied, 1);
        let job = sync(&here, &stores, EVERYTHING).await;
        assert_eq!(message(&here, &job).await, "customers: 2 changed; users: 3 missing; subscriptions: 1 changed");
        assert_eq!(content(&here).await, content(&mirror).await);
        assert_sound(&here).await;
        let missing = "SELECT user_principal_name FROM users WHERE missing_since IS NOT NULL ORDER BY id";
        assert_eq!(column(here.db(), missing).await.len(), 3, "they are still there");

        let ids = column(here.db(), "SELECT CAST(id AS TEXT) FROM users ORDER BY id").await;
        apply(&mirror, "restore-users", sample("restore-users")).await;
        let job = sync(&here, &stores, EVERYTHING).await;
        assert_eq!(message(&here, &job).await, "users: 3 changed");
        assert_eq!(content(&here).await, content(&mirror).await);
        assert_eq!(column(here.db(), "SELECT CAST(id AS TEXT) FROM users ORDER BY id").await, ids, "the same users");
        assert_sound(&here).await;
        assert_eq!(sync(&here, &stores, EVERYTHING).await.counts.unchanged, 1);
    }

    async fn a_full_copy_overwrites_local_changes(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        let here = place.ledger().await;
        sync(&here, &stores, EVERYTHING).await;
        apply(&here, "update-account", "customer,city\nCRM-1003,Elsewhere\n").await;
        assert_eq!(sync(&here, &stores, EVERYTHING).await.counts.unchanged, 1);
        let job = sync(&here, &stores, "from,full\nmirror,yes\n").await;
        assert_eq!(message(&here, &job).await, "customers: 1 changed");
        assert_eq!(content(&here).await, content(&mirror).await);
    }

    async fn seats_that_come_after_their_users_are_assigned(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        let here = place.ledger().await;
        // As if the SKUs had been bought between the two steps of the copy.
        let seats = mirror.db().write(|tx| {
            let rows = tx.query("SELECT customer, sku_id, part_number, seats, assigned FROM subscribed_skus", &[])?;
            tx.exec("DELETE FROM subscribed_skus", &[])?;
            Ok(rows)
        }).await.expect("taken away");
        sync(&here, &stores, EVERYTHING).await;
        assert_ne!(column(here.db(), "SELECT licenses FROM users WHERE licenses IS NOT NULL").await, Vec::<String>::new());
        mirror.db().write(move |tx| {
            for row in &seats {
                let values = [row.int(0)?.into(), row.text(1)?.into(), row.text(2)?.into(), row.int(3)?.into(), row.int(4)?.into()];
                let sql = "INSERT INTO subscribed_skus (customer, sku_id, part_number, seats, assigned) VALUES ($1, $2, $3, $4, $5)";
                tx.exec(sql, &values)?;
            }
            Ok(())
        }).await.expect("given back");
        sync(&here, &stores, EVERYTHING).await;
        assert_eq!(content(&here).await, content(&mirror).await);
        assert_sound(&here).await;
    }

    async fn keys_that_are_one_here_are_copied_once_and_the_others_beside_them(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        // As a store of before keys were folded may have them: one key, told apart by a number.
        let older = [
            "UPDATE customers SET external_id = 'KÖLN-1', external_key = 'köln-1', version = version + 1 WHERE external_id = 'CRM-1001'",
            "UPDATE customers SET external_id = 'köln-1', external_key = 'köln-1', twin = 1, version = version + 1 WHERE external_id = 'CRM-1003'",
        ];
        mirror.db().write(move |tx| older.iter().try_for_each(|sql| tx.exec(sql, &[]).map(drop))).await.expect("older");
        let here = place.ledger().await;
        // A unique key that no look at the store knows of.
        let unseen = "CREATE UNIQUE INDEX unseen ON users (job_title, first_name)";
        here.db().write(move |tx| tx.exec(unseen, &[]).map(drop)).await.expect("an index");
        let twins = "UPDATE users SET job_title = 'Twin', first_name = 'Twin', version = version + 1 WHERE id IN
            (SELECT id FROM users WHERE customer = (SELECT id FROM customers WHERE external_id = 'KÖLN-1') ORDER BY id LIMIT 2)";
        mirror.db().write(move |tx| tx.exec(twins, &[]).map(drop)).await.expect("twins");
        let job = sync(&here, &stores, EVERYTHING).await;
        let said = message(&here, &job).await;
        assert_eq!(job.counts.applied, 1, "{said}");
        assert!(said.starts_with("customers: 5 new;"), "{said}");
        assert!(said.contains("(a record before it has the same name)"), "{said}");
        assert!(said.contains("(another record here has the same name)"), "{said}");
        let twins = "SELECT user_principal_name FROM users WHERE job_title = 'Twin'";
        assert_eq!(column(here.db(), twins).await.len(), 1);
        assert_eq!(column(here.db(), "SELECT external_id FROM customers WHERE external_key = 'köln-1'").await, ["KÖLN-1"]);
        assert_sound(&here).await;
    }

    async fn a_customer_in_the_way_is_named_and_left_alone(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        let here = place.ledger().await;
        let own: String = sample("add-customer").lines().take(2).map(|line| format!("{line}\n")).collect();
        apply(&here, "add-customer", &own.replace("Hotels AG", "of our own")).await;
        let job = sync(&here, &stores, EVERYTHING).await;
        let said = message(&here, &job).await;
        let why = "left out: customer alpenblickhotels.onmicrosoft.com (another customer here has the domain alpenblickhotels.onmicrosoft.com)";
        assert!(said.starts_with("customers: 5 new;") && said.ends_with(why), "{said}");
        let names = column(here.db(), "SELECT company_name FROM customers WHERE domain LIKE 'alpen%'").await;
        assert_eq!(names, ["Alpenblick of our own"]);
        let users = "SELECT user_principal_name FROM users WHERE user_principal_name LIKE '%alpenblick%'";
        assert_eq!(column(here.db(), users).await, Vec::<String>::new());
        assert_sound(&here).await;
        // A row about that customer alone has copied nothing.
        let one = "from,customer\nmirror,alpenblickhotels.onmicrosoft.com\n";
        let refused = TestJob::new(&here, "sync-customers", one).stores(&stores).submit().await;
        let Submitted::Refused(mut refusal) = refused else { panic!("it was taken") };
        let mut told = String::new();
        let note = &mut |fault: &_| {
            told = format!("{fault}");
            Ok(())
        };
        refusal.faults.each(1, note).expect("faults");
        assert!(told.contains("another customer here has the domain"), "{told}");
    }

    async fn names_may_pass_from_one_to_another(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        let here = place.ledger().await;
        sync(&here, &stores, EVERYTHING).await;
        // External ids and names of users change hands in a ring, which no order of single updates gets right.
        let ring = "customer,external_id\nCRM-1001,X\n";
        apply(&mirror, "update-account", ring).await;
        apply(&mirror, "update-account", "customer,external_id\nCRM-1003,CRM-1001\n").await;
        apply(&mirror, "update-account", "customer,external_id\nX,CRM-1003\n").await;
        mirror.db().write(|tx| {
            let customer = "(SELECT id FROM customers WHERE domain = 'alpenblickhotels.onmicrosoft.com')";
            let first = tx.query(&format!("SELECT id, user_principal_name FROM users WHERE customer = {customer} ORDER BY id LIMIT 2"), &[])?;
            for (id, name) in [(0, "ring"), (1, first[0].text(1)?), (0, first[1].text(1)?)] {
                tx.exec(
                    "UPDATE users SET user_principal_name = $2, name_key = $2, version = version + 1 WHERE id = $1",
                    &[first[id].int(0)?.into(), name.into()],
                )?;
            }
            Ok(())
        }).await.expect("swapped");
        let job = sync(&here, &stores, EVERYTHING).await;
        assert_eq!(message(&here, &job).await, "customers: 2 changed; users: 2 changed");
        assert_eq!(content(&here).await, content(&mirror).await);
        assert_sound(&here).await;
    }

    async fn more_users_than_a_page_holds(place: Place) {
        let (_other, mirror, stores) = mirror(&place).await;
        fill(&mirror).await;
        let header = "customer,user_principal_name,first_name,last_name\n";
        let many: String = (0..9_000).map(|n| format!("CRM-1002,many{n}@fjordbakeri.onmicrosoft.com,Many,{n}\n")).collect();
        crate::place::TestJob::new(&mirror, "bulk-add-users", &format!("{header}{many}")).chunks(5_000).run().await;
        let here = place.ledger().await;
        sync(&here, &stores, EVERYTHING).await;
        assert_eq!(content(&here).await, content(&mirror).await);
        // Gone ones on every page, at its ends, and behind the last.
        mirror.db().write(|tx| {
            tx.exec("DELETE FROM users WHERE CAST(last_name AS TEXT) LIKE '%99'", &[])?;
            tx.exec("UPDATE customers SET user_count = (SELECT COUNT(*) FROM users u WHERE u.customer = customers.id)", &[])
        }).await.expect("deleted");
        let job = sync(&here, &stores, EVERYTHING).await;
        assert_eq!(message(&here, &job).await, "users: 90 missing");
        assert_eq!(content(&here).await, content(&mirror).await);
        assert_eq!(sync(&here, &stores, EVERYTHING).await.counts.unchanged, 1);
    }
}
