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

/// What the list has at Partner Center.
const COLUMNS: &str = "microsoft_id;subscription_id;subscription;quantity;status;reseller;company_name;primary_domain_name;product_type;auto_renew;term_ends;cancellable_until";
/// Offers of several sorts: legacy ones are called by a GUID, and nothing is known of the last one.
const OFFERS: [&str; 5] = [
    "SBX000000001:0001:SBX00000000A",
    "84a03d81-6b37-4d66-8d4a-faea24541538",
    "MS-AZR-0145P",
    "DZH318Z0BPS6:0001",
    "SBX000000003:0001:SBX00000000C",
];
/// Words that it has for where a subscription stands, in any case of letters.
const WORDS: [&str; 9] = [
    "active",
    "suspended",
    "Suspended",
    "expired",
    "disabled",
    "none",
    "pending",
    "deleted",
    "cancelled",
];

/// A subscription there: its offer, its name, how many, where it stands, whether it renews itself, when its term ends.
type Theirs = (&'static str, String, u32, &'static str, Option<bool>, Option<i64>);

fn theirs() -> impl Strategy<Value = Vec<Theirs>> {
    let renews = select(&[None, Some(true), Some(false)][..]);
    let ends = proptest::option::of(1_600_000_000_000_i64..2_000_000_000_000);
    let one = (
        select(&OFFERS[..]),
        value(),
        1..=u32::MAX,
        select(&WORDS[..]),
        renews,
        ends,
    );
    proptest::collection::vec(one, 4..10)
}

impl Store {
    /// Makes subscriptions there, as orders do, and writes behind its back what no call would.
    async fn with_theirs(&self, office: &Office, customer: &str, all: &[Theirs]) {
        let mut sets = Vec::new();
        for (offer, name, quantity, word, renews, ends) in all {
            let path = office.here.subscription_to(offer, customer, 1).await;
            let id = path.rsplit('/').next().expect("an id").to_owned();
            let renews = match renews {
                None => "",
                Some(true) => "yes",
                Some(false) => "no",
            };
            sets.push((id, name.clone(), i64::from(*quantity), *word, renews, *ends));
        }
        let there = Ledger::open(&office.here.state(), 1, self.ledger.clock().clone())
            .await
            .expect("opened");
        let write = there.db().write(move |tx| {
            let sql = "UPDATE subscriptions SET product = $2, quantity = $3, status = $4, auto_renew = NULLIF($5, ''),
                 term_ends = $6, cancellable_until = $6 WHERE subscription_id = $1";
            for (id, name, quantity, word, renews, ends) in &sets {
                let params = [
                    id.as_str().into(),
                    name.as_str().into(),
                    (*quantity).into(),
                    (*word).into(),
                    (*renews).into(),
                    (*ends).into(),
                ];
                assert_eq!(tx.exec(sql, &params)?, 1, "{id}");
            }
            Ok(())
        });
        write.await.expect("written");
    }
}

#[test]
fn a_random_list_of_subscriptions_changes_nothing_at_partner_center() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 4,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&(theirs(), theirs()), |(of_one, of_other)| {
        runtime.block_on(async {
            let (office, store) = at_partner_center().await;
            for (customer, all) in [("one", &of_one), ("other", &of_other)] {
                let customer = office.here.customer(customer).await;
                Box::pin(store.with_theirs(&office, &customer, all)).await;
            }
            let least = (of_one.len() + of_other.len()) as u64;
            Box::pin(store.lists_nothing_to_do(COLUMNS, &["suspend-subscription"], least)).await;
        });
        Ok(())
    });
    outcome.expect("nothing changes");
}

async fn at_partner_center() -> (Office, Store) {
    let office = Office::new().await;
    let store = Store {
        ledger: office.ledger.clone(),
        stores: office.stores.clone(),
        is_remote: true,
        office: None,
    };
    (office, store)
}

/// However they stand there, and with any number of columns of the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_subscriptions_changes_nothing_at_partner_center() {
    let (office, store) = at_partner_center().await;
    office.here.seed(6).await;
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
