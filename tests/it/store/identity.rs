//! Which record a row means: keys are the same in either case and form of their letters, on every database, and no row touches
//! another record than the one it names.

use tenantry_ledger::Ledger;

use crate::place::{On, Place, TestJob, apply, column, on_both, outcomes};
use crate::servers::{PgServer, connect};

const HEADER: &str =
    "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country,external_id,tags\n";

fn customer(domain: &str, external_id: &str) -> String {
    format!("{domain},{domain} GmbH,Ada,Berg,ada@{domain}.example,Ring 1,Köln,50667,DE,{external_id},\n")
}

fn customers(of: &[(&str, &str)]) -> String {
    let rows: String = of.iter().map(|(domain, id)| customer(domain, id)).collect();
    format!("{HEADER}{rows}")
}

/// Ids that people type, and other ways to write each of them.
const SPELLINGS: [(&str, &[&str]); 6] = [
    ("KÖLN-1", &["köln-1", "Ko\u{308}ln-1", "KO\u{308}LN-1"]),
    ("İST-1", &["i\u{307}st-1", "I\u{307}ST-1"]),
    ("Ǆ-1", &["ǆ-1", "ǅ-1"]),
    ("Straße-1", &["STRASSE-1", "STRAẞE-1", "straße-1"]),
    ("ΟΔΟΣ-1", &["οδος-1", "οδοσ-1"]),
    ("a-1", &["A-1"]),
];

async fn codes(ledger: &Ledger, kind: &str, rows: &str) -> Vec<String> {
    let job = apply(ledger, kind, rows).await;
    outcomes(ledger, &job)
        .await
        .into_iter()
        .map(|(_, _, code)| code)
        .collect()
}

/// Everything about external ids that holds on every database.
async fn external_ids(place: &Place) {
    let ledger = place.ledger().await;
    let given: Vec<(String, &str)> = (0..).zip(SPELLINGS).map(|(n, (id, _))| (format!("k{n}"), id)).collect();
    let given: Vec<(&str, &str)> = given.iter().map(|(domain, id)| (domain.as_str(), *id)).collect();
    assert_eq!(
        apply(&ledger, "add-customer", &customers(&given)).await.counts.applied,
        6
    );
    for ((domain, _), (id, others)) in given.iter().zip(SPELLINGS) {
        for (number, spelling) in std::iter::once(&id).chain(others).enumerate() {
            // It is the one that is meant, and no other is touched.
            let phone = format!("+49 221 {domain} {number}").replace('k', "7");
            let row = format!("customer,phone\n{spelling},{phone}\n");
            let job = apply(&ledger, "update-account", &row).await;
            assert_eq!(job.counts.applied, 1, "{spelling}: {:?}", outcomes(&ledger, &job).await);
            let mut phones = column(
                ledger.db(),
                "SELECT phone || '|' || domain FROM customers WHERE phone IS NOT NULL",
            )
            .await;
            phones.retain(|of| of.starts_with(&format!("{phone}|")));
            assert_eq!(phones, [format!("{phone}|{domain}.onmicrosoft.com")], "{spelling}");
            let taken = codes(&ledger, "add-customer", &customers(&[("other", spelling)])).await;
            assert_eq!(taken, ["external-id-taken"], "{spelling}");
            let domain = format!("{domain}.onmicrosoft.com");
            let listed = place.tenantry(&["customers", "--customer", spelling, "--json"]).ends(0);
            assert!(
                listed.out.contains(&domain) && listed.out.lines().count() == 1,
                "{listed:?}"
            );
        }
    }
    // What only looks alike is somebody else's.
    let others = customers(&[("l1", "IST-1"), ("l2", "Koln-1"), ("l3", "А-1")]);
    assert_eq!(apply(&ledger, "add-customer", &others).await.counts.applied, 3);
    // In one file they are one key, and the rows around them are done.
    let file = customers(&[("m1", "MÜN-1"), ("m2", "mu\u{308}n-1"), ("m3", "M-3")]);
    assert_eq!(codes(&ledger, "add-customer", &file).await, ["duplicate-in-file"]);
    let made = "SELECT domain FROM customers WHERE domain LIKE 'm%' ORDER BY domain";
    assert_eq!(
        column(ledger.db(), made).await,
        ["m1.onmicrosoft.com", "m3.onmicrosoft.com"]
    );
    let both = "customer,external_id\nm1.onmicrosoft.com,ÄX\nm3.onmicrosoft.com,a\u{308}x\n";
    assert_eq!(codes(&ledger, "update-account", both).await, ["duplicate-in-file"]);
    let taken = "customer,external_id\nm3.onmicrosoft.com,KO\u{308}LN-1\n";
    assert_eq!(codes(&ledger, "update-account", taken).await, ["external-id-taken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_is_one_however_it_is_written_on_postgres_with_a_locale() {
    let server = PgServer::shared().await;
    let mut place = Place::new(On::Postgres).await;
    let admin = connect(&server.database().await).await.expect("a connection");
    let name = place.url.rsplit('/').next().expect("a database").to_owned();
    let create = format!("create database {name}_utf8 template template0 locale 'C.utf8'");
    admin.batch_execute(&create).await.expect("a database");
    place.url = format!("{}_utf8", place.url);
    external_ids(&place).await;
}

on_both! {
    async fn an_external_id_is_one_however_it_is_written(place: Place) {
        external_ids(&place).await;
    }

    async fn a_domain_is_found_as_people_write_it(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", &customers(&[("alpha", "A-1"), ("beta", "B-1")])).await;
        let domain = "INSERT INTO domains (domain, customer, domain_key)
            SELECT 'xn--mnchen-3ya.example', id, 'xn--mnchen-3ya.example' FROM customers WHERE external_id = 'A-1'";
        ledger.db().write(move |tx| tx.exec(domain, &[]).map(drop)).await.expect("a domain");
        for (number, written) in ["münchen.example", "MÜNCHEN.example", "mu\u{308}nchen.example", "XN--MNCHEN-3YA.example"].iter().enumerate() {
            let row = format!("customer,user_principal_name,first_name\n{written},u{number}@Xn--Mnchen-3ya.example,Una\n");
            let job = apply(&ledger, "bulk-add-users", &row).await;
            assert_eq!(job.counts.applied, 1, "{written}: {:?}", outcomes(&ledger, &job).await);
            let listed = place.tenantry(&["customers", "--search", written, "--field", "domain", "--columns", "external_id"]).ends(0);
            assert!(listed.out.contains("A-1") && !listed.out.contains("B-1"), "{listed:?}");
        }
    }

    async fn names_tags_and_users_are_found_by_their_keys(place: Place) {
        let ledger = place.ledger().await;
        let rows = customers(&[("alpha", "A-1"), ("beta", "B-1")]).replace("alpha GmbH", "ölmühle Straße").replace("A-1,", "A-1,Ärzte;Gold");
        apply(&ledger, "add-customer", &rows).await;
        let finds = |option: &str, value: &str| {
            let listed = place.tenantry(&["customers", option, value, "--columns", "external_id"]).ends(0);
            assert!(listed.out.contains("A-1") && !listed.out.contains("B-1"), "{option} {value}: {listed:?}");
        };
        for value in ["ÖLMÜHLE", "o\u{308}lmu\u{308}hle", "ÖLMÜHLE STRASSE"] {
            finds("--search", value);
        }
        for value in ["ÄRZTE", "a\u{308}rzte", "gold"] {
            finds("--tag", value);
        }
        // What a change makes of them is found as well.
        apply(&ledger, "update-account", "customer,company_name,tags\nA-1,ÉTOILE,Łódź\nB-1,ölmühle,\n").await;
        finds("--search", "étoile");
        finds("--tag", "łÓDŹ");
        apply(&ledger, "bulk-add-users", "customer,user_principal_name,first_name\nA-1,Ana@alpha.onmicrosoft.com,Ana\n").await;
        let change = "customer,user_principal_name,job_title\na-1,ANA@ALPHA.onmicrosoft.com,Baker\n";
        assert_eq!(apply(&ledger, "update-users", change).await.counts.applied, 1);
    }

    async fn an_unknown_unique_key_rejects_its_row_and_the_others_are_done(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", &customers(&[("alpha", "A-1"), ("beta", "B-1"), ("gamma", "C-1")])).await;
        apply(&ledger, "bulk-add-users", "customer,user_principal_name,first_name\nA-1,one@alpha.onmicrosoft.com,One\nA-1,two@alpha.onmicrosoft.com,Two\nA-1,three@alpha.onmicrosoft.com,Three\n").await;
        // Unique keys that no look at the store knows of.
        let unseen = [
            "CREATE UNIQUE INDEX unseen_phone ON customers (phone)",
            "CREATE UNIQUE INDEX unseen_city ON customers (city) WHERE city = 'Bonn'",
            "CREATE UNIQUE INDEX unseen_title ON users (job_title)",
        ];
        ledger.db().write(move |tx| unseen.iter().try_for_each(|sql| tx.exec(sql, &[]).map(drop))).await.expect("indices");
        let run = async |kind: &'static str, rows: &str| {
            let job = TestJob::new(&ledger, kind, rows).chunks(100).run().await;
            (job.counts.applied, outcomes(&ledger, &job).await)
        };
        let (applied, ends) = run("update-account", "customer,phone,company_name\nA-1,+49 1,Alpha\nB-1,+49 1,Beta\nC-1,+49 3,Gamma\n").await;
        assert_eq!((applied, ends), (2, vec![(2, "rejected".to_owned(), "external-id-taken".to_owned())]));
        let (applied, ends) = run("update-users", "customer,user_principal_name,job_title\nA-1,one@alpha.onmicrosoft.com,X\nA-1,two@alpha.onmicrosoft.com,X\nA-1,three@alpha.onmicrosoft.com,Y\n").await;
        assert_eq!((applied, ends), (2, vec![(2, "rejected".to_owned(), "user-exists".to_owned())]));
        let bonn = customers(&[("d1", "D-1"), ("d2", "D-2"), ("d3", "D-3")]).replace("Ring 1,Köln", "Ring 1,Bonn").replacen("Ring 1,Bonn", "Ring 1,Ulm", 1);
        let (applied, ends) = run("add-customer", &bonn).await;
        assert_eq!((applied, ends), (2, vec![(3, "rejected".to_owned(), "domain-taken".to_owned())]));
        let domains = "SELECT d.domain FROM domains d JOIN customers c ON c.id = d.customer WHERE d.domain LIKE 'd%' ORDER BY d.domain";
        assert_eq!(column(ledger.db(), domains).await, ["d1.onmicrosoft.com", "d2.onmicrosoft.com"]);
    }

    async fn a_name_of_a_deleted_user_is_told_when_it_is_given_again_and_kept_from_two(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", &customers(&[("alpha", "A-1")])).await;
        let create = "customer,user_principal_name,first_name\nA-1,ana@alpha.onmicrosoft.com,Ana\nA-1,bo@alpha.onmicrosoft.com,Bo\n";
        let name = "customer,user_principal_name\nA-1,ANA@alpha.onmicrosoft.com\n";
        apply(&ledger, "bulk-add-users", create).await;
        apply(&ledger, "delete-users", name).await;
        // Somebody who is there is no other one.
        assert_eq!(apply(&ledger, "restore-users", &name.replace("ANA", "bo")).await.counts.unchanged, 1);
        place.write("again.csv", create);
        let plan = place.tenantry(&["plan", "bulk-add-users", "again.csv"]).ends(0);
        assert!(plan.out.contains("note: a user of this name was deleted on "), "{plan:?}");
        let plan = place.tenantry(&["plan", "bulk-add-users", "again.csv", "--json"]).ends(0).json();
        let note = plan["rows"][0]["note"].as_str().unwrap_or_default();
        assert!(note.contains("`restore-users` brings that user back until "), "{plan:#}");
        let again = apply(&ledger, "bulk-add-users", create).await;
        assert_eq!((again.counts.applied, again.counts.unchanged), (1, 1));
        let rows = ledger.chunk_rows(&again, 0).await.expect("asked").expect("kept");
        assert_eq!(rows.record(1, 2).message, note);
        // Two cannot have it; once the other one is gone, the one that was deleted last comes back, and once is enough.
        let refused = apply(&ledger, "restore-users", name).await;
        assert_eq!(outcomes(&ledger, &refused).await[0].2, "user-exists");
        let rows = ledger.chunk_rows(&refused, 0).await.expect("asked").expect("kept");
        let said = rows.record(1, 2).message.clone();
        assert!(said.contains("another user has this name now since 2") && said.contains("rename or delete that user first"), "{said}");
        apply(&ledger, "delete-users", name).await;
        assert_eq!(apply(&ledger, "restore-users", name).await.counts.applied, 1);
        assert_eq!(apply(&ledger, "restore-users", name).await.counts.unchanged, 1, "the one before lies there still");
        let rename = "customer,user_principal_name,new_user_principal_name\nA-1,ana@alpha.onmicrosoft.com,eva@alpha.onmicrosoft.com\n";
        apply(&ledger, "update-users", rename).await;
        place.write("back.csv", rename.replace("ana@", "bo@").replace("eva@", "Ana@"));
        let plan = place.tenantry(&["plan", "update-users", "back.csv", "--json"]).ends(0).json();
        assert!(plan["rows"][0]["note"].as_str().unwrap_or_default().starts_with("a user of this name was deleted on "), "{plan:#}");
        assert_eq!(apply(&ledger, "restore-users", name).await.counts.applied, 1, "its name is free again");
    }
}
