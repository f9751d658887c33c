//! What a store holds, exported as CSV and as a workbook and handed in as it is, changes nothing, whatever it holds.

mod odd;
mod subscriptions;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use tenantry_ledger::{Job, Ledger, Parameters};
use tenantry_store::Stores;

use crate::partner_center::Office;
use crate::place::{On, Place, TestJob, file, outcomes};

const CUSTOMER: [&str; 12] = [
    "domain",
    "company_name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "address_line1",
    "address_line2",
    "city",
    "postal_code",
    "country",
    "culture",
];
const USER: [&str; 10] = [
    "customer",
    "user_principal_name",
    "display_name",
    "first_name",
    "last_name",
    "usage_location",
    "office",
    "job_title",
    "street_address",
    "office_phone",
];
/// What Partner Center keeps of them, as columns of lists.
const KEPT: [(&str, &str); 2] = [
    (
        "customers",
        "microsoft_id;company_name;primary_domain_name;relationship;first_name;last_name;email;phone;address_line1;city;state;postal_code;country;culture;language;users",
    ),
    (
        "users",
        "microsoft_id;primary_domain_name;user_principal_name;display_name;first_name;last_name;usage_location;licenses;roles;status;company_name",
    ),
];
/// The store may refuse any of them.
const HARSH: [&str; 26] = [
    "=1+1",
    "+49 30 1234567",
    "-Ana",
    "@night",
    "''=x",
    "'+49 30 1",
    "'quoted'",
    "'t Hooft",
    "''",
    "007",
    "0000000000000000042",
    "12345678901234567890",
    " inside  blanks ",
    "a,b;c|d",
    "say \"yes\"",
    "\"",
    "Øyvind Ünal",
    "e\u{301}te\u{301}",
    "\u{ff1d}wide",
    "\u{1f469}\u{200d}\u{1f4bb}",
    "one\ntwo",
    "one\r\n=two",
    "_row",
    "_x0041_",
    "<b>&amp;</b>",
    "sep=;",
];

/// A value that is refused or kept, but never changed.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&HARSH[..]).prop_map(str::to_owned),
        1 => "[=+@' -]{0,2}[A-Za-zÄßø0-9\"',;|_]{1,8}",
        1 => "\\PC{1,8}",
    ]
}

/// Rows of fixed values, of which one or two are others.
fn rows(of: usize) -> impl Strategy<Value = Vec<Vec<(usize, String)>>> {
    proptest::collection::vec(proptest::collection::vec((0..of, value()), 1..3), 6..14)
}

struct Store {
    ledger: Ledger,
    stores: Stores,
    is_remote: bool,
    office: Option<Arc<Office>>,
}

impl Store {
    async fn apply(&self, kind: &str, text: &[u8]) -> Job {
        let parameters = Parameters {
            skip_invalid: true,
            ..Parameters::default()
        };
        TestJob::new(&self.ledger, kind, text)
            .stores(&self.stores)
            .parameters(parameters)
            .run()
            .await
    }

    /// Everything the store holds of a sort.
    async fn list(&self, what: &str, format: &str) -> Vec<u8> {
        let all = |what| {
            let columns = tenantry_jobs::export_columns(what).iter().map(|column| column.name);
            columns.collect::<Vec<_>>().join(";")
        };
        let columns = match (self.is_remote, what) {
            (true, what) => KEPT
                .into_iter()
                .find(|(of, _)| *of == what)
                .expect("columns")
                .1
                .to_owned(),
            (false, "users") => all(tenantry_jobs::ExportOf::Users),
            (false, _) => all(tenantry_jobs::ExportOf::Customers),
        };
        let row = format!("what,columns,format\n{what},{columns},{format}\n");
        let job = self.apply("export-customers", row.as_bytes()).await;
        file(&self.ledger, &job).await
    }

    async fn goes_round(&self, customers: &[Vec<(usize, String)>], users: &[Vec<(usize, String)>], held: &odd::Held) {
        let fixed = |number: usize| {
            let mut row = [
                &*format!("round{number}"),
                "Round Ltd",
                "Ada",
                "Berg",
                "ada@round.example",
                "",
                "1 High Street",
                "",
                "London",
                "N1 9GU",
                "GB",
                "en-GB",
            ]
            .map(str::to_owned);
            row[1] = format!("Round {number} Ltd");
            row.to_vec()
        };
        // Partner Center holds addresses against its own list.
        let may_vary: &[usize] = if self.is_remote {
            &[1, 2, 3, 5]
        } else {
            &[1, 2, 3, 5, 6, 7, 8, 9]
        };
        let made = self
            .apply("add-customer", &table(&CUSTOMER, customers, fixed, may_vary))
            .await;
        let plain = table(&CUSTOMER, &[vec![]], |_| fixed(99), may_vary);
        let plain = self.apply("add-customer", &plain).await;
        assert_eq!(plain.counts.applied, 1, "{:?}", outcomes(&self.ledger, &plain).await);
        let fixed = |number: usize| {
            let user = format!("user{number}@round99.onmicrosoft.com");
            let mut row = vec!["round99.onmicrosoft.com".to_owned(), user];
            row.extend(["Ida Ek", "Ida", "Ek", "GB", "", "", "", ""].map(str::to_owned));
            row
        };
        let (may_vary, header) = if self.is_remote {
            (&[2, 3, 4][..], &USER[..6])
        } else {
            (&[2, 3, 4, 6, 7, 8, 9][..], &USER[..])
        };
        let named = self
            .apply("bulk-add-users", &table(header, users, fixed, may_vary))
            .await;
        self.hold(held).await;
        for (what, kind, least) in [
            ("customers", "update-account", made.counts.applied + 1),
            ("users", "update-users", named.counts.applied),
        ] {
            for format in ["csv", "xlsx"] {
                let list = self.list(what, format).await;
                let job = self.apply(kind, &list).await;
                let shown = if format == "csv" {
                    String::from_utf8_lossy(&list)
                } else {
                    "".into()
                };
                assert!(
                    job.counts.total >= least,
                    "{what} as {format}: {:?}\n{shown}",
                    job.counts
                );
                assert_eq!(
                    job.counts.unchanged,
                    job.counts.total,
                    "{what} as {format}: {:?}\n{shown}",
                    self.told(&job).await
                );
            }
        }
    }

    /// What is said of the rows that are not unchanged.
    async fn told(&self, job: &Job) -> Vec<String> {
        let mut told = Vec::new();
        for (chunk, _) in self.ledger.chunk_states(job.seq).await.expect("asked") {
            let rows = self.ledger.chunk_rows(job, chunk).await.expect("asked").expect("kept");
            for row in rows.block().rows() {
                let record = rows.record(row.number, row.line);
                if record.outcome.is_none_or(|outcome| outcome.as_str() != "unchanged") {
                    let cells: Vec<&str> = row.cells().collect();
                    told.push(format!("{record:?} {cells:?}"));
                }
            }
        }
        told
    }
}

/// A file of these rows: each as it is fixed, but for some cells.
fn table(
    header: &[&str],
    rows: &[Vec<(usize, String)>],
    fixed: impl Fn(usize) -> Vec<String>,
    may_vary: &[usize],
) -> Vec<u8> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(header).expect("memory");
    for (number, varied) in rows.iter().enumerate() {
        let mut cells = fixed(number);
        for (at, value) in varied {
            cells[may_vary[at % may_vary.len()]].clone_from(value);
        }
        csv.write_record(&cells[..header.len()]).expect("memory");
    }
    csv.into_inner().expect("memory")
}

fn go_round(cases: u32, is_remote: bool, store: impl AsyncFn() -> (Store, Box<dyn std::any::Any>)) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&(rows(8), rows(7), odd::held(is_remote)), |(customers, users, held)| {
        runtime.block_on(async {
            let (store, _kept) = store().await;
            Box::pin(store.goes_round(&customers, &users, &held)).await;
        });
        Ok(())
    });
    outcome.expect("nothing changes");
}

async fn on(on: On) -> (Store, Box<dyn std::any::Any>) {
    let place = Place::new(on).await;
    let store = Store {
        ledger: place.ledger().await,
        stores: Stores::default(),
        is_remote: false,
        office: None,
    };
    (store, Box::new(place))
}

#[test]
fn a_list_of_a_sqlite_store_changes_nothing() {
    go_round(6, false, async || on(On::Sqlite).await);
}

#[test]
fn a_list_of_a_postgres_store_changes_nothing() {
    go_round(3, false, async || on(On::Postgres).await);
}

#[test]
fn a_list_of_partner_center_changes_nothing() {
    go_round(3, true, async || {
        let office = Arc::new(Office::new().await);
        let store = Store {
            ledger: office.ledger.clone(),
            stores: office.stores.clone(),
            is_remote: true,
            office: Some(office.clone()),
        };
        (store, Box::new(office) as Box<dyn std::any::Any>)
    });
}
