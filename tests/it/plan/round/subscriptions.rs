//! The list of subscriptions, whatever they are and however they stand.

use super::*;
use crate::place::tables;

const TYPES: [&str; 9] = [
    "legacy-license",
    "new-commerce-license",
    "azure-legacy",
    "azure-plan",
    "reservation",
    "savings-plan",
    "software-perpetual",
    "software-subscription",
    "marketplace",
];
const STATUSES: [&str; 8] = [
    "",
    "active",
    "suspended",
    "expired",
    "disabled",
    "pending",
    "cancelled",
    "deleted",
];
const TIMES: [&str; 5] = [
    "",
    "2027-06-30",
    "2027-06-30T12:00:00Z",
    "2027-06-30T23:59:59.250Z",
    "2031-02-28",
];
const HEADER: &str = "customer,subscription_id,product,product_type,quantity,status,auto_renew,term_ends,cancellable_until,partner_id_on_record\n";

/// The cells of a subscription after its product.
fn rest() -> impl Strategy<Value = Vec<String>> {
    let text = |all: &'static [&'static str]| select(all).prop_map(str::to_owned);
    let quantity = prop_oneof![
        Just(String::new()),
        (1..=u32::MAX).prop_map(|number| number.to_string())
    ];
    let partner = text(&["", "4857213", "047e2168-6e50-4ddc-ace8-8f9bcedc842f"]);
    let renew = text(&["", "yes", "no"]);
    (text(&TYPES), quantity, text(&STATUSES), renew, text(&TIMES), partner).prop_map(
        |(sort, quantity, status, renew, ends, partner)| {
            vec![sort, quantity, status, renew, ends.clone(), ends, partner]
        },
    )
}

fn subscriptions() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    proptest::collection::vec((value(), rest()), 6..14)
}

impl Store {
    /// The list as it is, handed to kinds that fit.
    async fn lists_nothing_to_do(&self, columns: &str, kinds: &[&str], least: u64) {
        for format in ["csv", "xlsx"] {
            let row = format!("what,columns,format\nsubscriptions,{columns},{format}\n");
            let job = self.apply("export-customers", row.as_bytes()).await;
            let list = file(&self.ledger, &job).await;
            for kind in kinds {
                let job = self.apply(kind, &list).await;
                assert!(job.counts.total >= least, "{kind}, {format}: {:?}", job.counts);
                assert_eq!(
                    job.counts.unchanged,
                    job.counts.total,
                    "{kind}, {format}: {:?}",
                    self.told(&job).await
                );
            }
        }
    }

    async fn of_subscriptions(&self, made: &[(String, Vec<String>)]) {
        self.apply("add-customer", crate::place::CUSTOMERS.as_bytes()).await;
        let mut csv = csv::Writer::from_writer(HEADER.as_bytes().to_vec());
        for (number, (product, rest)) in made.iter().enumerate() {
            let id = format!("0b62aff1-f0a3-417a-aa8f-f4e9e148{number:04}");
            let mut cells = vec!["A-1".to_owned(), id, product.clone()];
            cells.extend(rest.iter().cloned());
            csv.write_record(cells).expect("memory");
        }
        let made = self
            .apply("set-subscriptions", &csv.into_inner().expect("memory"))
            .await;
        tables::mark_missing(&self.ledger).await;
        let all: Vec<&str> = tenantry_jobs::export_columns(tenantry_jobs::ExportOf::Subscriptions)
            .iter()
            .map(|column| column.name)
            .collect();
        let kinds = ["set-subscriptions", "suspend-subscription"];
        self.lists_nothing_to_do(&all.join(";"), &kinds, made.counts.applied)
            .await;
    }
}

fn on_sql(cases: u32, on: On) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&subscriptions(), |made| {
        runtime.block_on(async {
            let (store, _kept) = super::on(on).await;
            Box::pin(store.of_subscriptions(&made)).await;
        });
        Ok(())
    });
    outcome.expect("nothing changes");
}

#[test]
fn a_list_of_subscriptions_changes_nothing_on_sqlite() {
    on_sql(6, On::Sqlite);
}

#[test]
fn a_list_of_subscriptions_changes_nothing_on_postgres() {
    on_sql(3, On::Postgres);
}

/// However they stand there, and with any number of columns of the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_subscriptions_changes_nothing_at_partner_center() {
    const COLUMNS: &str = "microsoft_id;subscription_id;subscription;quantity;status;reseller;company_name;primary_domain_name;product_type;auto_renew;term_ends;cancellable_until";
    let office = Office::new().await;
    office.here.seed(6).await;
    let store = Store {
        ledger: office.ledger.clone(),
        stores: office.stores.clone(),
        is_remote: true,
    };
    store.lists_nothing_to_do(COLUMNS, &["suspend-subscription"], 3).await;
    // Some are switched off, as the list says afterwards.
    let row = "what,columns,format\nsubscriptions,microsoft_id;subscription_id;status,csv\n";
    let list = file(&store.ledger, &store.apply("export-customers", row.as_bytes()).await).await;
    let list = String::from_utf8(list).expect("UTF-8");
    let every_other = list.lines().enumerate().map(|(at, line)| match at % 2 {
        1 => line.replace(",active", ",suspended"),
        _ => line.to_owned(),
    });
    let edited = every_other.collect::<Vec<_>>().join("\n");
    let job = store.apply("suspend-subscription", edited.as_bytes()).await;
    assert!(job.counts.applied > 0, "{:?}", store.told(&job).await);
    store.lists_nothing_to_do(COLUMNS, &["suspend-subscription"], 3).await;
}
