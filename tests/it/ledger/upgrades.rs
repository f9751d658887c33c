//! Ledgers that earlier versions have made: brought to this version's schema when they are opened, with all they hold.

use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::DbError;
use tenantry_ledger::Ledger;

use crate::place::{On, Place, apply, column, on_both, outcomes};

/// What schema 10 to 40 have added, taken away again.
const WITHOUT_KEYS: [&str; 70] = [
    "DROP INDEX audit_decisions",
    "ALTER TABLE chunks DROP COLUMN steps",
    "DROP VIEW every_outcome",
    "DROP VIEW every_image",
    "DROP INDEX jobs_input",
    "CREATE INDEX jobs_input ON jobs (input)",
    "ALTER TABLE jobs DROP COLUMN input_name",
    "ALTER TABLE jobs DROP COLUMN input_header",
    "ALTER TABLE jobs DROP COLUMN input_sha256",
    "ALTER TABLE jobs DROP COLUMN input_bytes",
    "ALTER TABLE jobs DROP COLUMN input_notes",
    "ALTER TABLE jobs DROP COLUMN input_sheet",
    "ALTER TABLE jobs DROP COLUMN target",
    "ALTER TABLE jobs DROP COLUMN image_object",
    "ALTER TABLE jobs DROP COLUMN image_target",
    "ALTER TABLE jobs DROP COLUMN image_before",
    "ALTER TABLE jobs DROP COLUMN image_after",
    "DROP TABLE allowances",
    "DELETE FROM meta WHERE key = 'digests_after'",
    "ALTER TABLE chunks DROP COLUMN digest",
    "ALTER TABLE audit DROP COLUMN digest",
    "DROP TABLE policy",
    "DROP TABLE approvers",
    "ALTER TABLE jobs DROP COLUMN seal",
    "ALTER TABLE chunks DROP COLUMN seal",
    "DROP TABLE batches",
    "ALTER TABLE chunks DROP COLUMN turn",
    "DROP VIEW every_chunk",
    "DROP VIEW every_block",
    "ALTER TABLE jobs DROP COLUMN carried_out",
    "ALTER TABLE jobs DROP COLUMN block",
    "DROP INDEX audit_together",
    "ALTER TABLE audit DROP COLUMN jobs",
    "DROP INDEX intents_open",
    "DROP TABLE removals",
    "DROP INDEX jobs_unwell",
    "DROP TABLE store_names",
    "DROP TABLE drops",
    "DROP TABLE folders",
    "DROP TABLE fires",
    "DROP TABLE schedules",
    "DROP TABLE workers",
    "ALTER TABLE row_outcomes DROP COLUMN columns",
    "ALTER TABLE jobs DROP COLUMN out_format",
    "DROP INDEX jobs_paused",
    "DROP INDEX domains_customer",
    "DROP INDEX jobs_lately",
    "DROP TABLE replies",
    "DROP TABLE plan_parts",
    "DROP INDEX customers_external_key",
    "DROP INDEX domains_key",
    "DROP INDEX users_name",
    "DROP INDEX deleted_users_name",
    "ALTER TABLE inputs DROP COLUMN notes",
    "ALTER TABLE inputs DROP COLUMN sheet",
    "ALTER TABLE customers DROP COLUMN external_key",
    "ALTER TABLE customers DROP COLUMN name_key",
    "ALTER TABLE customers DROP COLUMN tags_key",
    "ALTER TABLE customers DROP COLUMN twin",
    "ALTER TABLE domains DROP COLUMN domain_key",
    "ALTER TABLE domains DROP COLUMN twin",
    "ALTER TABLE users DROP COLUMN name_key",
    "ALTER TABLE users DROP COLUMN named_at",
    "ALTER TABLE users DROP COLUMN restored",
    "ALTER TABLE deleted_users DROP COLUMN name_key",
    "CREATE UNIQUE INDEX customers_external_id ON customers (lower(external_id))",
    "CREATE UNIQUE INDEX users_name ON users (customer, lower(user_principal_name))",
    "CREATE INDEX deleted_users_name ON deleted_users (customer, lower(user_principal_name))",
    "DELETE FROM meta WHERE key = 'schema_version'",
    "INSERT INTO meta (key, value) VALUES ('schema_version', '9')",
];

/// Makes a ledger one of the version before keys were folded, and then this.
async fn without_keys(ledger: &Ledger, then: &'static [&'static str]) {
    let older = WITHOUT_KEYS.iter().chain(then);
    let write = ledger
        .db()
        .write(|tx| older.into_iter().try_for_each(|sql| tx.exec(sql, &[]).map(drop)));
    write.await.expect("as it was");
}

const CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country,external_id,tags
kolna,ÖLMÜHLE e.G.,Ada,Berg,ada@koln.example,Ring 1,Köln,,50667,DE,K-1,Ärzte;Gold
kolnb,Beta GmbH,Bea,Berg,bea@koln.example,Ring 2,Köln,,50667,DE,K-2,
kolnc,Gamma GmbH,Gil,Berg,gil@koln.example,Ring 3,Köln,,50667,DE,K-3,
";

on_both! {
    async fn copies_of_an_older_database_keep_their_originals(place: Place) {
        const OLDER: [&str; 25] = [
            "ALTER TABLE audit DROP COLUMN via",
            "ALTER TABLE jobs DROP COLUMN submitted_via",
            "DROP INDEX jobs_claim",
            "DROP INDEX jobs_planned",
            "DROP INDEX jobs_awaiting",
            "DROP INDEX jobs_cancelling",
            "DROP INDEX jobs_input",
            "DROP INDEX jobs_retry_of",
            "DROP INDEX jobs_undo_of",
            "DROP INDEX IF EXISTS jobs_id_bytes",
            "DROP INDEX jobs_spooled",
            "CREATE INDEX jobs_open ON jobs (state)",
            "ALTER TABLE jobs DROP COLUMN spooled",
            "ALTER TABLE jobs DROP COLUMN reply_until",
            "ALTER TABLE chunks DROP COLUMN lease_length",
            "ALTER TABLE chunks DROP COLUMN setbacks",
            "ALTER TABLE chunks DROP COLUMN suspects",
            "DROP INDEX copies_owner",
            "DROP TABLE copies",
            "CREATE TABLE copies (origin BIGINT NOT NULL, object TEXT NOT NULL, source BIGINT NOT NULL, part TEXT NOT NULL,
               owner BIGINT NOT NULL, local BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (origin, object, source, part))",
            "CREATE INDEX copies_owner ON copies (origin, object, owner)",
            "INSERT INTO copies VALUES (7, 'user', 4294967297, '', 21, 3, 5)",
            "INSERT INTO copies VALUES (7, 'seats', 21, 'sku', 21, 2, -1)",
            "INSERT INTO copying VALUES (1, 1, '{}')",
            "UPDATE meta SET value = '6' WHERE key = 'schema_version'",
        ];
        let ledger = place.ledger().await;
        without_keys(&ledger, &OLDER).await;
        drop(ledger);
        let ledger = place.ledger().await;
        let copies = "SELECT object || ' ' || source || ' ' || part || ' ' || owner || ' ' || CAST(local AS TEXT) || ' '
            || CAST(version AS TEXT) FROM copies ORDER BY source";
        let expected = ["seats 0000000000000000021 sku 0000000000000000021 2 -1", "user 0000000004294967297  0000000000000000021 3 5"];
        assert_eq!(column(ledger.db(), copies).await, expected);
        assert_eq!(column(ledger.db(), "SELECT progress FROM copying").await, Vec::<String>::new());
    }

    async fn customers_with_colliding_ids_are_both_kept_and_none_is_touched_by_mistake(place: Place) {
        const OLDER: [&str; 3] = [
            "UPDATE customers SET external_id = 'KÖLN-1' WHERE external_id = 'K-1'",
            "UPDATE customers SET external_id = 'ko\u{308}ln-1' WHERE external_id = 'K-2'",
            "UPDATE customers SET external_id = 'İST-1' WHERE external_id = 'K-3'",
        ];
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        without_keys(&ledger, &OLDER).await;
        drop(ledger);
        let ledger = place.ledger().await;
        let db = ledger.db();
        let ids = "SELECT external_id || ' ' || external_key FROM customers ORDER BY domain";
        assert_eq!(column(db, ids).await, ["KÖLN-1 köln-1", "ko\u{308}ln-1 köln-1", "İST-1 i\u{307}st-1"]);
        let change = |customer: &str| format!("customer,phone\n{customer},+49 221 1\n");
        for id in ["KÖLN-1", "köln-1", "KO\u{308}LN-1"] {
            let job = apply(&ledger, "update-account", &change(id)).await;
            assert_eq!(outcomes(&ledger, &job).await[0].2, "ambiguous-customer", "{id}");
        }
        let rows = ledger.chunk_rows(&apply(&ledger, "remove-relationship", "customer\nköln-1\n").await, 0).await;
        let said = rows.expect("asked").expect("kept").record(1, 2).message.clone();
        assert!(said.contains("both `kolna.onmicrosoft.com` and `kolnb.onmicrosoft.com` answer to this"), "{said}");
        let by_guid = column(db, "SELECT tenant_id FROM customers WHERE domain = 'kolnb.onmicrosoft.com'").await.remove(0);
        assert_eq!(apply(&ledger, "update-account", &change(&by_guid)).await.counts.applied, 1);
        assert_eq!(apply(&ledger, "update-account", &change("i\u{307}st-1")).await.counts.applied, 1);
        let phones = "SELECT domain || ' ' || COALESCE(phone, '') FROM customers ORDER BY domain";
        let expected = ["kolna.onmicrosoft.com ", "kolnb.onmicrosoft.com +49 221 1", "kolnc.onmicrosoft.com +49 221 1"];
        assert_eq!(column(db, phones).await, expected);
        // Nobody else gets the id, and who gives it up makes it the other one's alone.
        let third = CUSTOMERS.lines().next().unwrap_or_default().to_owned()
            + "\nkolnd,Delta GmbH,Dot,Berg,dot@koln.example,Ring 4,Köln,,50667,DE,Köln-1,\n";
        let taken = apply(&ledger, "add-customer", &third).await;
        assert_eq!(outcomes(&ledger, &taken).await[0].2, "external-id-taken");
        let given_up = format!("customer,external_id\n{by_guid},K-2\n");
        let job = apply(&ledger, "update-account", &given_up).await;
        assert_eq!(job.counts.applied, 1);
        assert_eq!(apply(&ledger, "update-account", &change("KÖLN-1")).await.counts.applied, 1);
        assert_eq!(column(db, phones).await[0], "kolna.onmicrosoft.com +49 221 1");
        let undone = crate::walk::undo(&ledger, &job).await;
        assert_eq!(outcomes(&ledger, &undone).await[0].2, "irreversible");
    }

    async fn users_tags_and_domains_of_an_older_ledger_are_found(place: Place) {
        const OLDER: [&str; 2] = [
            "INSERT INTO domains (domain, customer) SELECT 'münchen.example', id FROM customers WHERE external_id = 'K-1'",
            "INSERT INTO domains (domain, customer) SELECT 'xn--mnchen-3ya.example', id FROM customers WHERE external_id = 'K-1'",
        ];
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let users = "customer,user_principal_name,first_name\nK-1,Ana@kolna.onmicrosoft.com,Ana\nK-1,bo@kolna.onmicrosoft.com,Bo\n";
        apply(&ledger, "bulk-add-users", users).await;
        apply(&ledger, "delete-users", "customer,user_principal_name\nK-1,bo@kolna.onmicrosoft.com\n").await;
        without_keys(&ledger, &OLDER).await;
        drop(ledger);
        let ledger = place.ledger().await;
        let change = "customer,user_principal_name,job_title\nMÜNCHEN.example,ANA@Kolna.onmicrosoft.com,Baker\n";
        assert_eq!(apply(&ledger, "update-users", change).await.counts.applied, 1);
        let restore = "customer,user_principal_name\nXN--mnchen-3ya.example,BO@kolna.onmicrosoft.com\n";
        assert_eq!(apply(&ledger, "restore-users", restore).await.counts.applied, 1);
        for (option, value) in [("--tag", "ÄRZTE"), ("--tag", "a\u{308}rzte"), ("--search", "ölmühle"), ("--search", "MÜNCHEN")] {
            let listed = place.tenantry(&["customers", option, value, "--columns", "external_id"]).ends(0);
            assert!(listed.out.contains("K-1") && !listed.out.contains("K-2"), "{option} {value}: {listed:?}");
        }
    }

    async fn users_with_colliding_names_are_named_and_nothing_is_changed(place: Place) {
        const OLDER: [&str; 2] = [
            "INSERT INTO users (id, customer, user_principal_name, display_name, flags)
               SELECT 1, id, 'josé@kolna.onmicrosoft.com', 'José', 0 FROM customers WHERE external_id = 'K-1'",
            "INSERT INTO users (id, customer, user_principal_name, display_name, flags)
               SELECT 2, id, 'JOSE\u{301}@kolna.onmicrosoft.com', 'José', 0 FROM customers WHERE external_id = 'K-1'",
        ];
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        without_keys(&ledger, &OLDER).await;
        drop(ledger);
        for _ in 0..2 {
            let refused = Ledger::open(&place.url, 1, Clock::system()).await.err();
            let Some(DbError::Unfit(why)) = refused else { panic!("{refused:?}") };
            let names = "the users `josé@kolna.onmicrosoft.com` and `JOSE\u{301}@kolna.onmicrosoft.com` of the customer kolna.onmicrosoft.com";
            assert!(why.starts_with(names), "{why}");
        }
        // As who still has the version before does it.
        let renamed = "UPDATE users SET user_principal_name = 'other@kolna.onmicrosoft.com' WHERE id = 2";
        let db = tenantry_foundation::db::Db::open_as_it_is(&place.url, tenantry_foundation::db::ConnectOptions::default()).expect("there");
        db.write(move |tx| tx.exec(renamed, &[]).map(drop)).await.expect("renamed");
        db.close().await;
        let ledger = place.ledger().await;
        let keys = column(ledger.db(), "SELECT name_key FROM users ORDER BY id").await;
        assert_eq!(keys, ["josé@kolna.onmicrosoft.com", "other@kolna.onmicrosoft.com"]);
    }
}
