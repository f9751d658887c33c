//! Partner Center as the store, played by the sandbox: the same rows come to the same end as in the SQL store, and every
//! effect happens once, whatever becomes of calls, answers and workers.

mod copies;
mod faults;
mod killed;
mod lists;
mod tokens;

use std::time::Duration;

use serde_json::Value;
use tenantry::clock::Clock;
use tenantry::config::Secret;
use tenantry::ledger::{Job, Ledger, Parameters};
use tenantry::store::Stores;
use tenantry::store::partner_center::{Addresses, Credentials, PartnerCenter, Settings};
use tenantry::submit::Submitted;

use crate::place::{On, Place, hand_in_from, outcomes, work_off_from};
use crate::sandbox::{Here, TOKEN};

const CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country
alpha,Alpha Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE
";
const USERS: &str = "customer,user_principal_name,first_name,last_name,usage_location,licenses,roles\n";

fn addresses(here: &Here) -> Addresses {
    Addresses {
        api: here.base.clone(),
        login: here.base.clone(),
        resource: here.base.clone(),
    }
}

/// A sandbox, and a ledger whose jobs are carried out there.
struct Office {
    here: Here,
    place: Place,
    ledger: Ledger,
    stores: Stores,
}

impl Office {
    async fn new() -> Self {
        Self::beside(Here::new().await).await
    }

    async fn beside(here: Here) -> Self {
        Self::at(here, Place::new(On::Sqlite).await).await
    }

    async fn at(here: Here, place: Place) -> Self {
        let settings = Settings {
            addresses: addresses(&here),
            credentials: Credentials {
                tenant: "partner.example".to_owned(),
                client_id: "app".to_owned(),
                client_secret: Secret::new(""),
                refresh_token: None,
                token: Some(Secret::new(TOKEN)),
            },
            timeout: Duration::from_secs(20),
            concurrency: 4,
        };
        let store = PartnerCenter::new(settings, Clock::system()).expect("a store");
        let stores = Stores {
            partner_center: Some(store),
            ..Stores::default()
        };
        Self {
            ledger: place.ledger().await,
            here,
            place,
            stores,
        }
    }

    /// With both customers; their ids.
    async fn with_customers() -> (Self, [String; 2]) {
        let office = Self::new().await;
        let job = office.apply("add-customer", CUSTOMERS).await;
        assert_eq!(job.counts.applied, 2, "{:?}", outcomes(&office.ledger, &job).await);
        let ids = [office.target(&job, 1).await, office.target(&job, 2).await];
        (office, ids)
    }

    async fn apply(&self, kind: &str, csv: &str) -> Job {
        let parameters = Parameters {
            skip_invalid: true,
            ..Parameters::default()
        };
        let handed_in = hand_in_from(&self.ledger, &self.stores, kind, csv, parameters, 100).await;
        let (Submitted::Queued(id) | Submitted::Same(id)) = handed_in else {
            panic!("not queued")
        };
        let job = self.ledger.job(id).await.expect("asked").expect("there");
        work_off_from(&self.ledger, &self.stores, &job).await
    }

    async fn target(&self, job: &Job, row: u64) -> String {
        let rows = self.ledger.chunk_rows(job, 0).await.expect("asked").expect("kept");
        rows.record(row, row + 1).id
    }

    /// A customer's users, as the sandbox has them, without the administrator it came with.
    async fn users(&self, customer: &str) -> Vec<Value> {
        let list = self.here.get(&format!("/v1/customers/{customer}/users")).await.json();
        let users = list["items"].as_array().expect("a list").iter();
        let is_admin = |user: &&Value| {
            user["userPrincipalName"]
                .as_str()
                .is_some_and(|name| name.starts_with("admin@"))
        };
        users.filter(|user| !is_admin(user)).cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sort_of_row_is_applied_once_and_then_unchanged() {
    let (office, [alpha, _]) = Office::with_customers().await;
    assert_eq!(office.apply("add-customer", CUSTOMERS).await.counts.unchanged, 2);
    office.here.subscription(&alpha, 5).await;
    let users = format!(
        "{USERS}alpha.onmicrosoft.com,one@alpha.onmicrosoft.com,One,Uno,GB,SPB,User Administrator\n\
         {alpha},two@alpha.onmicrosoft.com,Two,Due,GB,,\nbeta.onmicrosoft.com,three@beta.onmicrosoft.com,Three,Tre,DE,,\n"
    );
    let job = office.apply("bulk-add-users", &users).await;
    assert_eq!(job.counts.applied, 3, "{:?}", outcomes(&office.ledger, &job).await);
    assert_eq!(office.apply("bulk-add-users", &users).await.counts.unchanged, 3);
    let made = office.users(&alpha).await;
    assert_eq!(made.len(), 2);
    let one = made.iter().find(|user| user["firstName"] == "One").expect("the first");
    assert_eq!(one["id"].as_str(), Some(office.target(&job, 1).await.as_str()));
    let path = format!("/v1/customers/{alpha}/users/{}", one["id"].as_str().expect("an id"));
    let licenses = office.here.get(&format!("{path}/licenses")).await.json();
    assert_eq!(licenses["items"][0]["productSku"]["skuPartNumber"], "SPB");
    let roles = office.here.get(&format!("{path}/directoryroles")).await.json();
    assert_eq!(roles["items"][0]["name"], "User Administrator");

    let patch = "customer,city,phone\nalpha.onmicrosoft.com,Leeds,+44 20 7946 0000\n";
    assert_eq!(office.apply("update-account", patch).await.counts.applied, 1);
    assert_eq!(office.apply("update-account", patch).await.counts.unchanged, 1);
    let profile = office
        .here
        .get(&format!("/v1/customers/{alpha}/profiles/billing"))
        .await
        .json();
    assert_eq!(profile["defaultAddress"]["city"], "Leeds");
    assert_eq!(profile["companyName"], "Alpha Ltd", "what a row does not name stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_rejected_by_name() {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 1).await;
    let users = format!(
        "customer,user_principal_name,first_name,last_name,usage_location,licenses,roles,job_title\n\
         gamma.onmicrosoft.com,a@gamma.onmicrosoft.com,A,A,GB,,,\n\
         {alpha},b@beta.onmicrosoft.com,B,B,GB,,,\n\
         {alpha},c@alpha.onmicrosoft.com,C,C,GB,SPE_E3,,\n\
         {alpha},d@alpha.onmicrosoft.com,D,D,GB,,,Boss\n\
         {alpha},e@alpha.onmicrosoft.com,E,E,GB,SPB,,\n\
         {alpha},f@alpha.onmicrosoft.com,F,F,GB,SPB,,\n"
    );
    let job = office.apply("bulk-add-users", &users).await;
    let codes: Vec<_> = outcomes(&office.ledger, &job)
        .await
        .into_iter()
        .map(|(row, _, code)| (row, code))
        .collect();
    let expected = [
        (1, "unknown-customer"),
        (2, "foreign-domain"),
        (3, "unknown-sku"),
        (4, "not-kept"),
        (6, "no-free-seats"),
    ];
    assert_eq!(codes, expected.map(|(row, code)| (row, code.to_owned())));
    let other = format!("{USERS}{alpha},e@alpha.onmicrosoft.com,Else,E,GB,,\n");
    let job = office.apply("bulk-add-users", &other).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "user-exists");
    let taken = CUSTOMERS.replace("Alpha Ltd", "Another Ltd");
    let job = office.apply("add-customer", &taken).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "customer-exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_account_parks_the_job_until_somebody_resumes_it() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    let refused = serde_json::json!({ "operation": "create-user", "fault": "expired-token", "times": 1 });
    office.here.fault(&refused).await;
    let job = office.apply("bulk-add-users", &users).await;
    assert_eq!(job.state.as_str(), "paused");
    assert!(
        job.message
            .as_deref()
            .is_some_and(|said| said.contains("does not let us")),
        "{:?}",
        job.message
    );
    assert_eq!(office.here.effects("create-user").await, 0);
}
