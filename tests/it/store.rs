//! The store's contract, the same on every database: what each kind does, and what it refuses.

mod contract;
mod identity;
mod memory;
mod under_test;

use crate::place::{On, Place, TWO_CUSTOMERS, TestJob, apply, column, of_this_store, on_both, outcomes, tables};
use serde_json::json;
use tenantry_jobs::Undo;
use tenantry_ledger::Parameters;

const SEATS: &str = "customer,sku,seats\nA-1,SPB,2\n";

fn users(rows: &str) -> String {
    format!("customer,user_principal_name,first_name,last_name,usage_location,licenses\n{rows}")
}

on_both! {
    async fn every_sample_applied_twice_is_applied_then_unchanged(place: Place) {
        let ledger = place.ledger().await;
        for job in of_this_store() {
            let first = TestJob::new(&ledger, job.kind(), job.sample()).run().await;
            let done = first.counts.applied + first.waiting;
            assert_eq!(done, first.counts.total, "{}: {:?}", job.kind(), outcomes(&ledger, &first).await);
            let again = TestJob::new(&ledger, job.kind(), job.sample()).run().await;
            // A request that waits is the same request when it is submitted again.
            assert!(again.id != first.id || first.waiting > 0, "{}", job.kind());
            // An export changes nothing, so it can only be made again.
            if job.policy().undo == Undo::Nothing {
                assert_eq!(again.counts.applied, again.counts.total);
            } else if again.id != first.id {
                assert_eq!(again.counts.unchanged, again.counts.total, "{}: {:?}", job.kind(), outcomes(&ledger, &again).await);
            }
        }
    }

    async fn customers_answer_to_guid_domain_and_external_id(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let guid = column(ledger.db(), "SELECT tenant_id FROM customers WHERE external_id = 'A-1'").await.remove(0);
        let rows = format!("{guid},a@alpha.onmicrosoft.com,A,A,,\nALPHA.onmicrosoft.com,b@alpha.onmicrosoft.com,B,B,,\na-1,c@Alpha.onmicrosoft.com,C,C,,\n");
        let job = apply(&ledger, "bulk-add-users", &users(&rows)).await;
        assert_eq!(job.counts.applied, 3, "{:?}", outcomes(&ledger, &job).await);
    }

    async fn rows_that_the_store_cannot_take_are_rejected_by_name(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        apply(&ledger, "set-seats", SEATS).await;
        let rows = "\
A-1,one@alpha.onmicrosoft.com,One,One,GB,SPB
nobody,two@alpha.onmicrosoft.com,Two,Two,GB,
A-1,three@beta.onmicrosoft.com,Three,Three,GB,
A-1,four@alpha.onmicrosoft.com,Four,Four,GB,NOPE
A-1,five@alpha.onmicrosoft.com,Five,Five,GB,cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46
A-1,six@alpha.onmicrosoft.com,Six,Six,GB,SPB
A-1,ONE@alpha.onmicrosoft.com,One,One,GB,
";
        let job = apply(&ledger, "bulk-add-users", &users(rows)).await;
        let codes: Vec<_> = outcomes(&ledger, &job).await.into_iter().map(|(row, _, code)| (row, code)).collect();
        let expected = [(2, "unknown-customer"), (3, "foreign-domain"), (4, "unknown-sku"), (6, "no-free-seats"), (7, "duplicate-in-file")];
        assert_eq!(codes, expected.map(|(row, code)| (row, code.to_owned())));
        assert_eq!(job.counts.applied, 2);
        let seats = column(ledger.db(), "SELECT CAST(assigned AS TEXT) FROM subscribed_skus").await;
        assert_eq!(seats, ["2"]);
    }

    async fn an_existing_user_is_unchanged_or_named_as_differing(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let many: String = (0..40).map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,First{n},Last,GB,\n")).collect();
        let first = TestJob::new(&ledger, "bulk-add-users", &users(&many)).parameters(Parameters { skip_invalid: true, ..Parameters::default() }).chunks(7).run().await;
        assert_eq!(first.counts.applied, 40);
        // Old, changed and new ones in one chunk: the way over arrays on PostgreSQL.
        let mixed = many.replace("First3,", "Other3,").to_uppercase().replace("A-1,USER39@", "A-1,NEW39@").replace("FIRST", "First").replace("LAST", "Last").replace("OTHER", "Other");
        let job = TestJob::new(&ledger, "bulk-add-users", &users(&mixed)).parameters(Parameters { skip_invalid: true, ..Parameters::default() }).chunks(100).run().await;
        assert_eq!((job.counts.applied, job.counts.unchanged, job.counts.rejected), (1, 38, 1), "{:?}", outcomes(&ledger, &job).await);
        let rejected: Vec<_> = outcomes(&ledger, &job).await.into_iter().filter(|(_, outcome, _)| outcome == "rejected").collect();
        assert_eq!(rejected, [(4, "rejected".to_owned(), "user-exists".to_owned())]);
        let count = column(ledger.db(), "SELECT CAST(user_count AS TEXT) FROM customers WHERE external_id = 'A-1'").await;
        assert_eq!(count, ["41"]);
    }

    async fn an_update_touches_only_named_columns_and_keeps_the_image_before(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let patch = "customer,email,phone,address_line2,tags\nA-1,new@alpha.example,,,vip\nB-2,,+49 30 1234567,<clear>,\n";
        let job = apply(&ledger, "update-account", patch).await;
        assert_eq!(job.counts.applied, 2, "{:?}", outcomes(&ledger, &job).await);
        let db = ledger.db();
        assert_eq!(column(db, "SELECT email FROM customers ORDER BY domain").await, ["new@alpha.example", "bea@beta.example"]);
        assert_eq!(column(db, "SELECT tags FROM customers ORDER BY domain").await, ["vip", ""]);
        assert_eq!(column(db, "SELECT CAST(version AS TEXT) FROM customers ORDER BY domain").await, ["2", "2"]);
        let images = tables::images_before(&ledger).await;
        assert!(images[0].contains("\"email\":\"ada@alpha.example\"") && images[0].contains("\"tags\":\"\""), "{images:?}");
        let again = apply(&ledger, "update-account", patch).await;
        assert_eq!(again.counts.unchanged, 2);
    }

    async fn ids_of_other_customers_are_not_taken(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let taken = apply(&ledger, "update-account", "customer,external_id\nB-2,a-1\n").await;
        assert_eq!(outcomes(&ledger, &taken).await[0].2, "external-id-taken");
        // Each could have it; both cannot, and the second must not take the first one's chunk along.
        let both = apply(&ledger, "update-account", "customer,external_id\nA-1,X-9\nB-2,x-9\n").await;
        assert_eq!(both.counts.applied, 1);
        assert_eq!(outcomes(&ledger, &both).await, [(2, "rejected".to_owned(), "duplicate-in-file".to_owned())]);
        apply(&ledger, "update-account", "customer,external_id\nX-9,A-1\n").await;
        let third = TWO_CUSTOMERS.lines().next().unwrap_or_default().to_owned()
            + "\ngamma,Gamma Ltd,G,G,g@gamma.example,3 Lane,London,,N1 9GU,GB,B-2\nalpha,Alpha Other,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB,A-1\n";
        let job = apply(&ledger, "add-customer", &third).await;
        let codes: Vec<_> = outcomes(&ledger, &job).await.into_iter().map(|(_, _, code)| code).collect();
        assert_eq!(codes, ["external-id-taken", "customer-exists"]);
    }

    async fn seats_in_use_cannot_be_taken_away(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        apply(&ledger, "set-seats", SEATS).await;
        apply(&ledger, "bulk-add-users", &users("A-1,one@alpha.onmicrosoft.com,One,One,GB,SPB\n")).await;
        let less = apply(&ledger, "set-seats", "customer,sku,seats\nA-1,SPB,0\n").await;
        assert_eq!(outcomes(&ledger, &less).await[0].2, "seats-in-use");
        let more = apply(&ledger, "set-seats", "customer,sku,seats\nA-1,SPB,9\n").await;
        assert_eq!(more.counts.applied, 1);
    }

    async fn a_user_is_changed_field_by_field_and_stays_the_same_one(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        apply(&ledger, "set-seats", SEATS).await;
        apply(&ledger, "bulk-add-users", &users("A-1,one@alpha.onmicrosoft.com,One,Uno,GB,SPB\nA-1,two@alpha.onmicrosoft.com,Two,Due,,\n")).await;
        let db = ledger.db();
        let one = "SELECT CAST(id AS TEXT) || ' ' || COALESCE(licenses, '') FROM users WHERE first_name = 'One'";
        let before = column(db, one).await;
        let change = "customer,user_principal_name,last_name,job_title,city,country,new_user_principal_name,block_sign_in\n\
            A-1,ONE@alpha.onmicrosoft.com,<clear>,Baker,Leeds,United Kingdom,uno@alpha.onmicrosoft.com,yes\n\
            A-1,two@alpha.onmicrosoft.com,,,,,,no\n";
        let job = apply(&ledger, "update-users", change).await;
        assert_eq!(outcomes(&ledger, &job).await, [(2, "unchanged".to_owned(), String::new())]);
        assert_eq!(column(db, one).await, before, "the same user, with the same licences");
        let fields = "SELECT user_principal_name || '|' || COALESCE(last_name, '') || '|' || job_title || '|' || city || '|' || country
              || '|' || CAST(flags AS TEXT) || '|' || CAST(version AS TEXT) FROM users WHERE first_name = 'One'";
        assert_eq!(column(db, fields).await, ["uno@alpha.onmicrosoft.com||Baker|Leeds|GB|3|2"]);
        assert_eq!(apply(&ledger, "update-users", change).await.counts.unchanged, 2);
        // A new password sets a flag of its own, which is nothing to who takes this back.
        apply(&ledger, "reset-passwords", "customer,user_principal_name,force_change\nA-1,uno@alpha.onmicrosoft.com,no\n").await;
        assert_eq!(column(db, fields).await, ["uno@alpha.onmicrosoft.com||Baker|Leeds|GB|2|3"]);
        let undone = crate::walk::undo(&ledger, &job).await;
        assert_eq!(undone.counts.applied, 1, "{:?}", outcomes(&ledger, &undone).await);
        let back = "SELECT user_principal_name || '|' || last_name || '|' || COALESCE(job_title, '') || '|' || CAST(flags AS TEXT)
            FROM users WHERE first_name = 'One'";
        assert_eq!(column(db, back).await, ["one@alpha.onmicrosoft.com|Uno||0"]);
    }

    async fn a_new_name_is_in_a_domain_of_the_customer_and_free(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let of = |names: &[&str]| {
            let row = |name: &&str| format!("A-1,{name}@alpha.onmicrosoft.com,{name},{name},,\n");
            users(&names.iter().map(row).collect::<String>())
        };
        apply(&ledger, "bulk-add-users", &of(&["a", "b", "c", "d", "e"])).await;
        let renames = "customer,user_principal_name,new_user_principal_name\n\
            A-1,a@alpha.onmicrosoft.com,B@alpha.onmicrosoft.com\n\
            A-1,b@alpha.onmicrosoft.com,new@alpha.onmicrosoft.com\n\
            A-1,c@alpha.onmicrosoft.com,NEW@alpha.onmicrosoft.com\n\
            A-1,d@alpha.onmicrosoft.com,d@beta.onmicrosoft.com\n\
            A-1,e@alpha.onmicrosoft.com,E@alpha.onmicrosoft.com\n";
        let job = apply(&ledger, "update-users", renames).await;
        let codes: Vec<_> = outcomes(&ledger, &job).await.into_iter().map(|(row, _, code)| (row, code)).collect();
        let expected = [(1, "user-exists"), (3, "duplicate-in-file"), (4, "foreign-domain")];
        assert_eq!(codes, expected.map(|(row, code)| (row, code.to_owned())));
        let names = "SELECT user_principal_name FROM users ORDER BY id";
        let names: Vec<_> = column(ledger.db(), names).await.iter().map(|name| name.replace("@alpha.onmicrosoft.com", "")).collect();
        assert_eq!(names, ["a", "new", "c", "d", "E"]);
        // Its old name is free, and a user who has it now stands in the way of taking this back.
        apply(&ledger, "bulk-add-users", &of(&["b"])).await;
        let undone = crate::walk::undo(&ledger, &job).await;
        assert_eq!((undone.counts.applied, undone.counts.rejected), (1, 1));
        assert_eq!(outcomes(&ledger, &undone).await[0].2, "edited-since");
    }

    async fn a_share_of_users_that_are_changed_is_told(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        apply(&ledger, "bulk-add-users", &users("A-1,one@alpha.onmicrosoft.com,One,Uno,,\nA-1,two@alpha.onmicrosoft.com,Two,Due,,\n")).await;
        place.write("users.csv", "customer,user_principal_name,job_title,block_sign_in\nA-1,one@alpha.onmicrosoft.com,Baker,yes\n");
        let plan = place.tenantry(&["plan", "update-users", "users.csv", "--json"]).ends(0).json();
        assert_eq!(plan["users"], json!([{ "customer": "alpha.onmicrosoft.com", "touched": 1, "users": 2 }]));
        let changes = json!([
            { "field": "job_title", "old": "", "new": "Baker" },
            { "field": "block_sign_in", "old": "no", "new": "yes" },
        ]);
        assert_eq!(plan["rows"][0]["changes"], changes);
    }

    async fn a_list_of_users_that_was_edited_changes_them(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let made = "customer,user_principal_name,first_name,office_phone,block_sign_in\nA-1,one@alpha.onmicrosoft.com,One,+44 20 7946 0000,yes\n";
        apply(&ledger, "bulk-add-users", made).await;
        let columns = "microsoft_id;primary_domain_name;user_principal_name;first_name;job_title;office_phone;licenses;block_sign_in;status";
        let export = apply(&ledger, "export-customers", &format!("what,columns\nusers,{columns}\n")).await;
        let list = String::from_utf8(crate::place::file(&ledger, &export).await).expect("text");
        assert!(list.contains("'+44 20 7946 0000"), "{list}");
        // As it is, it changes nothing.
        assert_eq!(apply(&ledger, "update-users", &list).await.counts.unchanged, 1, "{list}");
        let edited = apply(&ledger, "update-users", &list.replace(",One,,", ",One,Baker,")).await;
        assert_eq!(edited.counts.applied, 1, "{:?}", outcomes(&ledger, &edited).await);
        let phones = "SELECT job_title || ' ' || office_phone FROM users";
        assert_eq!(column(ledger.db(), phones).await, ["Baker +44 20 7946 0000"]);
    }

    async fn a_password_is_never_kept(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let csv = "customer,user_principal_name,first_name,last_name,password\nA-1,one@alpha.onmicrosoft.com,One,One,S3cret-Canary!\n";
        let job = apply(&ledger, "bulk-add-users", csv).await;
        assert_eq!(job.counts.applied, 1);
        let flags = column(ledger.db(), "SELECT CAST(flags AS TEXT) FROM users").await;
        assert_eq!(flags, ["1"], "the user has to set a first password");
        let rows = ledger.chunk_rows(&job, 0).await.expect("rows").expect("kept");
        let cells: Vec<_> = rows.block().rows().map(|row| row.cell(4).map(str::to_owned)).collect();
        assert_eq!(cells, [Some("<redacted>".to_owned())]);
    }
}
