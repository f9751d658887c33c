//! What stores hold that no file may bring: it was written by other programs, or before somebody knew better.

use serde_json::json;
use tenantry_jobs::key;

use super::*;

const ODD: &[&str] = &[
    "-",
    "M?ller",
    "?????",
    "Jos\u{fffd}",
    "M\u{c3}\u{bc}ller",
    "M\u{251c}\u{255d}ller",
    "M&uuml;ller",
    "4.91512E+11",
    "1e5",
    "1067.0",
    "a\u{1}b",
    "a\tb",
    "two\nlines",
    "SP\u{200b}B",
    "\u{202e}abc",
    "#N/A",
    "########",
    "NULL",
    "None",
    "n/a",
    "[object Object]",
    "5-Mar",
    "05.03.2026 00:00:00",
    " both ",
    "\u{a0}both\u{feff}",
    " ",
    "e\u{301}",
    "e\u{301}\u{1}",
    "D-80331",
    "'0155",
    "'+49 30 1",
    "''+49",
    "=1+1",
    "Example: Ltd",
    "Germany",
    "de",
    "California",
    "EN-gb",
    "no address",
    "far too long a text for any field, far too long a text for any field, far too long a text for any field, far too long a text \
     for any field, far too long a text for any field, far too long a text for any field, far too long a text for any field",
];
const OF_CUSTOMERS: [&str; 13] = [
    "company_name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "postal_code",
    "country",
    "culture",
    "language",
];
const OF_USERS: [&str; 16] = [
    "display_name",
    "usage_location",
    "country",
    "first_name",
    "last_name",
    "job_title",
    "department",
    "office",
    "office_phone",
    "mobile_phone",
    "fax",
    "alternate_email",
    "street_address",
    "city",
    "state",
    "postal_code",
];
/// What Partner Center keeps of them, in its own words.
const OF_PROFILES: [&str; 4] = ["firstName", "lastName", "email", "phoneNumber"];
const OF_PEOPLE: [&str; 3] = ["displayName", "firstName", "lastName"];

/// Fields of the records, one after the other, and what they hold.
pub(super) type Held = Vec<(usize, String)>;

pub(super) fn held(is_remote: bool) -> impl Strategy<Value = Held> {
    let odd = prop_oneof![
        3 => select(ODD).prop_map(str::to_owned),
        1 => "\\PC{1,6}[\\u{1}\\u{200b}?#]\\PC{0,4}",
    ];
    proptest::collection::vec((0..48_usize, odd), if is_remote { 4..10 } else { 24..40 })
}

impl Store {
    /// Has records hold these values, whatever program wrote them.
    pub(super) async fn hold(&self, held: &Held) {
        match &self.office {
            Some(office) => hold_there(office, held).await,
            None => self.hold_here(held).await,
        }
    }

    async fn hold_here(&self, held: &Held) {
        let held = held.clone();
        let written = self.ledger.db().write(move |tx| {
            for (table, fields) in [("customers", &OF_CUSTOMERS[..]), ("users", &OF_USERS[..])] {
                let ids = tx.query(&format!("SELECT id FROM {table} ORDER BY id"), &[])?;
                for (number, (field, value)) in held.iter().enumerate().filter(|_| !ids.is_empty()) {
                    let id = ids[number % ids.len()].int(0)?;
                    let field = fields[field % fields.len()];
                    tx.exec(
                        &format!("UPDATE {table} SET {field} = $2 WHERE id = $1"),
                        &[id.into(), value.as_str().into()],
                    )?;
                }
            }
            Ok(())
        });
        written.await.expect("written");
    }
}

async fn hold_there(office: &Office, held: &Held) {
    let list = office.here.get("/v1/customers").await.json();
    let customers = list["items"].as_array().expect("a list");
    for (number, (field, value)) in held.iter().enumerate() {
        let id = customers[number % customers.len()]["id"].as_str().expect("an id");
        let path = format!("/v1/customers/{id}/profiles/billing");
        let mut profile = office.here.get(&path).await.json();
        match OF_PROFILES[field % OF_PROFILES.len()] {
            "phoneNumber" => profile["defaultAddress"]["phoneNumber"] = json!(value),
            member => profile[member] = json!(value),
        }
        // The sandbox has rules of its own.
        office.here.call("PUT", &path, &profile).await;
        let users = office.here.get(&format!("/v1/customers/{id}/users")).await.json();
        let users = users["items"].as_array().expect("a list");
        let user = users[number % users.len()]["id"].as_str().expect("an id");
        let path = format!("/v1/customers/{id}/users/{user}");
        let body = json!({ "attributes": { "objectType": "CustomerUser" }, OF_PEOPLE[field % OF_PEOPLE.len()]: value });
        office.here.patch(&path, &body).await;
    }
}

async fn with(customers: &[(&str, &str)], users: &[(&str, &str)]) -> (Store, Box<dyn std::any::Any>) {
    let (store, kept) = on(On::Sqlite).await;
    store.apply("add-customer", crate::place::CUSTOMERS.as_bytes()).await;
    let csv =
        "customer,user_principal_name,first_name,city\nalpha.onmicrosoft.com,ida@alpha.onmicrosoft.com,Ida,Bern\n";
    let made = store.apply("bulk-add-users", csv.as_bytes()).await;
    assert_eq!(made.counts.applied, 1, "{:?}", outcomes(&store.ledger, &made).await);
    let owned = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        fields
            .iter()
            .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()))
            .collect()
    };
    let all = [("customers", owned(customers)), ("users", owned(users))];
    let written = store.ledger.db().write(move |tx| {
        for (table, fields) in &all {
            for (field, value) in fields {
                let whose = if *table == "customers" {
                    "domain = 'alpha.onmicrosoft.com'"
                } else {
                    "1 = 1"
                };
                let sql = format!("UPDATE {table} SET {field} = $1 WHERE {whose}");
                tx.exec(&sql, &[value.as_str().into()])?;
            }
        }
        Ok(())
    });
    written.await.expect("written");
    (store, kept)
}

/// The outcome of the only row of a file, and what is said of it.
async fn only(store: &Store, kind: &str, csv: &str) -> (String, String) {
    let parameters = Parameters {
        skip_invalid: true,
        ..Parameters::default()
    };
    let job = TestJob::new(&store.ledger, kind, csv.as_bytes())
        .stores(&store.stores)
        .parameters(parameters)
        .run()
        .await;
    let rows = store.ledger.chunk_rows(&job, 0).await.expect("asked").expect("kept");
    let record = rows.record(1, 2);
    let outcome = record.outcome.map_or("", |outcome| outcome.as_str()).to_owned();
    (outcome, record.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_value_that_is_changed_is_judged() {
    let odd = [
        ("phone", "-"),
        ("city", "M?nchen"),
        ("last_name", "Jos\u{fffd}"),
        ("postal_code", "D-80331"),
    ];
    let (store, _kept) = with(
        &odd,
        &[("office_phone", "-"), ("city", "Z?rich"), ("country", "Germany")],
    )
    .await;
    let account = "customer,phone,city,last_name,postal_code,country,first_name\nalpha.onmicrosoft.com,";
    let user = "customer,user_principal_name,office_phone,city,country,first_name\nalpha.onmicrosoft.com,ida@alpha.onmicrosoft.com,";
    let new =
        "customer,user_principal_name,office_phone,display_name\nalpha.onmicrosoft.com,ida@alpha.onmicrosoft.com,";
    for (kind, row, outcome, said) in [
        (
            "update-account",
            format!("{account}-,M?nchen,Jos\u{fffd},D-80331,GB,"),
            "unchanged",
            "",
        ),
        // A sound change goes on beside them.
        (
            "update-account",
            format!("{account}-,M?nchen,Jos\u{fffd},D-80331,GB,Eva"),
            "applied",
            "",
        ),
        (
            "update-account",
            format!("{account}--,M?nchen,Jos\u{fffd},D-80331,GB,Eva"),
            "rejected",
            "phone: `--`",
        ),
        // Held by another field alone.
        (
            "update-account",
            format!("{account},,M?nchen,,,"),
            "rejected",
            "last_name: `M?nchen`",
        ),
        ("update-users", format!("{user}-,Z?rich,Germany,"), "unchanged", ""),
        ("update-users", format!("{user}-,Z?rich,DE,"), "applied", ""),
        ("update-users", format!("{user}-,Z?rich,,Eva"), "applied", ""),
        ("update-users", format!("{user}-,B?rn,,"), "rejected", "city: `B?rn`"),
        ("bulk-add-users", format!("{new}-,Ida"), "unchanged", ""),
        ("bulk-add-users", format!("{new}-,Ina"), "rejected", "office_phone: `-`"),
    ] {
        let (became, message) = only(&store, kind, &format!("{row}\n")).await;
        assert_eq!(became, outcome, "{row}: {message}");
        assert!(message.contains(said), "{row}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_an_odd_name_is_found_and_not_taken_away() {
    let name = "i da@alpha.onmicrosoft.com";
    let keys = key::user_name(name).into_owned();
    let (store, _kept) = with(
        &[("external_id", "4.9E+11"), ("external_key", "4.9e+11")],
        &[("user_principal_name", name), ("name_key", &keys)],
    )
    .await;
    let user = format!("customer,user_principal_name,first_name\n4.9E+11,{name},");
    for (kind, row, outcome) in [
        ("update-users", format!("{user}Ida"), "unchanged"),
        ("update-users", format!("{user}Eva"), "applied"),
        (
            "delete-users",
            format!("customer,user_principal_name\n4.9E+11,{name}"),
            "rejected",
        ),
        ("update-account", "customer,city\n4.9E+11,Bonn".to_owned(), "applied"),
        ("update-account", "customer,city\n4.8E+11,Bonn".to_owned(), "rejected"),
    ] {
        let (became, message) = only(&store, kind, &format!("{row}\n")).await;
        assert_eq!(became, outcome, "{kind} {row}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubtful_value_is_refused_once_the_store_holds_another() {
    let (store, _kept) = with(&[("phone", "-")], &[("fax", "-")]).await;
    let submitted = [
        ("update-account", "customer,phone\nalpha.onmicrosoft.com,-\n"),
        (
            "bulk-add-users",
            "customer,user_principal_name,display_name,fax\nalpha.onmicrosoft.com,ida@alpha.onmicrosoft.com,Ida,-\n",
        ),
    ];
    let mut jobs = Vec::new();
    for (kind, csv) in submitted {
        let queued = TestJob::new(&store.ledger, kind, csv.as_bytes())
            .stores(&store.stores)
            .submit()
            .await;
        let tenantry::testing::submit::Submitted::Queued(id) = queued else {
            panic!("not queued")
        };
        jobs.push(store.ledger.job(id).await.expect("asked").expect("there"));
    }
    let changed = store.ledger.db().write(|tx| {
        tx.exec("UPDATE customers SET phone = '+49 30 1'", &[])?;
        tx.exec("UPDATE users SET fax = '+49 30 2'", &[])?;
        Ok(())
    });
    changed.await.expect("written");
    for job in jobs {
        let job = crate::place::Work::on(&store.ledger, &job)
            .stores(&store.stores)
            .until_idle()
            .await;
        assert_eq!(job.counts.rejected, 1, "{:?}", outcomes(&store.ledger, &job).await);
    }
}
