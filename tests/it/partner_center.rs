//! Partner Center as the store, played by the sandbox: the same rows come to the same end as in the SQL store, and every
//! effect happens once, whatever becomes of calls, answers and workers.

mod addresses;
mod administrators;
mod copies;
mod counted;
mod faults;
mod halfway;
mod held;
mod killed;
mod kinds;
mod lagging;
mod limits;
mod lists;
mod named;
mod network;
mod retries;
mod shared;
mod stopped;
mod tokens;
mod transfers;
mod undo;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::submit::{Rules, Submitted};
use tenantry::testing::undo::UndoRequest;
use tenantry_foundation::clock::Clock;
use tenantry_ledger::{Job, Ledger, Parameters, RowRecord};
use tenantry_partner_center::{Addresses, Credentials, PartnerCenter, Settings};
use tenantry_store::Stores;

use crate::place::{On, PLAIN_CUSTOMERS, Place, Run, TestJob, Work, by, outcomes};
use crate::sandbox::{Here, TOKEN};
use tenantry_foundation::secret::Secret;

/// An offer of the legacy sort, which is a GUID.
pub(crate) const LEGACY: &str = "84a03d81-6b37-4d66-8d4a-faea24541538";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
const USERS: &str = "customer,user_principal_name,first_name,last_name,usage_location,licenses,roles\n";

fn addresses(here: &Here) -> Addresses {
    Addresses {
        api: here.base.clone(),
        login: here.base.clone(),
        resource: here.base.clone(),
    }
}

/// With a token that is there already.
fn settings(here: &Here) -> Settings {
    Settings {
        addresses: addresses(here),
        credentials: Credentials {
            tenant: "partner.example".to_owned(),
            client_id: "app".to_owned(),
            client_secret: Secret::new(""),
            refresh_token: None,
            token: Some(Secret::new(TOKEN)),
        },
        timeout: PATIENCE,
        concurrency: 4,
        validate_addresses: true,
        ca_file: None,
    }
}

/// The sandbox as a store, for the caller that the token identifies.
fn stores(here: &Here, token: &str, timeout: Duration) -> Stores {
    let mut settings = settings(here);
    settings.credentials.token = Some(Secret::new(token));
    settings.timeout = timeout;
    carried_out_by(&PartnerCenter::new(settings, Clock::system()).expect("a store"))
}

/// Stores of which this one carries rows out.
fn carried_out_by(store: &PartnerCenter) -> Stores {
    Stores {
        remote: Some(Arc::new(store.clone())),
        ..Stores::default()
    }
}

/// Submits a file, good rows and bad ones.
async fn submit(ledger: &Ledger, stores: &Stores, kind: &str, csv: &str) -> Job {
    let parameters = Parameters {
        skip_invalid: true,
        ..Parameters::default()
    };
    let submitted = TestJob::new(ledger, kind, csv)
        .stores(stores)
        .parameters(parameters)
        .chunks(100)
        .submit()
        .await;
    let (Submitted::Queued(id) | Submitted::Same(id)) = submitted else {
        panic!("not queued")
    };
    ledger.job(id).await.expect("asked").expect("there")
}

/// Submits a file and runs the job.
async fn apply(ledger: &Ledger, stores: &Stores, kind: &str, csv: &str) -> Job {
    let job = submit(ledger, stores, kind, csv).await;
    Work::on(ledger, &job).stores(stores).until_idle().await
}

/// The ledger, whose workers carry out what tests have submitted.
async fn needing_no_approval(ledger: Ledger) -> Ledger {
    let decided = ledger
        .set_policy("approval.required", Some("false"), &by("tester"), None)
        .await;
    decided.expect("asked").expect("decided");
    ledger
}

/// A sandbox, and a ledger whose jobs are carried out there.
pub(crate) struct Office {
    pub(crate) here: Here,
    place: Place,
    pub(crate) ledger: Ledger,
    pub(crate) stores: Stores,
    /// What the store calls with.
    token: String,
}

impl Office {
    pub(crate) async fn new() -> Self {
        Self::beside(Here::by(Clock::system()).await).await
    }

    async fn beside(here: Here) -> Self {
        Self::at(here, Place::new(On::Sqlite).await).await
    }

    async fn at(here: Here, place: Place) -> Self {
        let stores = stores(&here, TOKEN, PATIENCE);
        Self {
            ledger: needing_no_approval(place.ledger().await).await,
            here,
            place,
            stores,
            token: TOKEN.to_owned(),
        }
    }

    /// Runs the program to its end, with the sandbox as its store.
    fn tenantry(&self, args: &[&str]) -> Run {
        let mut command = self.place.command(args);
        command
            .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
            .env("TENANTRY__PARTNER_CENTER__API_URL", &self.here.base)
            .env("TENANTRY__PARTNER_CENTER__TOKEN", &self.token);
        Run::from(command.output().expect("tenantry starts"))
    }

    /// From now on, rows are carried out as another partner.
    async fn act_as(&mut self, partner: &str) {
        self.here.as_partner(Some(partner)).await;
        self.here.token().clone_into(&mut self.token);
        self.stores = stores(&self.here, &self.token, PATIENCE);
    }

    /// From now on, no answer is waited for longer than that.
    fn wait_at_most(&mut self, patience: Duration) {
        self.stores = stores(&self.here, &self.token, patience);
    }

    /// With both customers; their ids.
    async fn with_customers() -> (Self, [String; 2]) {
        Self::new().await.and_customers().await
    }

    async fn and_customers(self) -> (Self, [String; 2]) {
        let office = self;
        let job = office.apply("add-customer", PLAIN_CUSTOMERS).await;
        assert_eq!(job.counts.applied, 2, "{:?}", outcomes(&office.ledger, &job).await);
        let ids = [office.target(&job, 1).await, office.target(&job, 2).await];
        (office, ids)
    }

    async fn apply(&self, kind: &str, csv: &str) -> Job {
        apply(&self.ledger, &self.stores, kind, csv).await
    }

    async fn submit(&self, kind: &str, csv: &str) -> Job {
        submit(&self.ledger, &self.stores, kind, csv).await
    }

    /// A job that was planned and approved, so that it goes by its plan.
    async fn approved(&self, kind: &str, csv: &str) -> Job {
        let limits = Limits {
            approval: true,
            approval_expires_after: Duration::from_secs(60),
            ..Limits::NONE
        };
        let rules = Rules {
            chunk_rows: 100,
            limits,
        };
        let submitted = TestJob::new(&self.ledger, kind, csv)
            .stores(&self.stores)
            .rules(rules)
            .submit()
            .await;
        let Submitted::AwaitingApproval(id) = submitted else {
            panic!("nobody has to approve it")
        };
        let job = self.ledger.job(id).await.expect("asked").expect("there");
        self.approve(&job).await;
        job
    }

    async fn approve(&self, job: &Job) {
        let decided = self.ledger.approve(job, job.hash_to_approve(), &by("boss")).await;
        decided.expect("asked").done().expect("approved");
    }

    /// Goes on with a job until it has ended.
    async fn finish(&self, job: &Job) -> Job {
        let job = self.finish_or_pause(job).await;
        assert!(job.state.is_final(), "the job is {}", job.state.as_str());
        job
    }

    /// Goes on with a job until it has ended, or is paused.
    async fn finish_or_pause(&self, job: &Job) -> Job {
        for _ in 0..200 {
            let job = Work::on(&self.ledger, job).stores(&self.stores).until_idle().await;
            if job.state.is_final() || job.state.as_str() == "paused" {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the job does not end");
    }

    /// As [`apply`](Self::apply), for rows that are all to be applied.
    async fn applies(&self, kind: &str, csv: &str) -> Job {
        let job = self.apply(kind, csv).await;
        assert_eq!(
            job.counts.applied,
            job.counts.total,
            "{kind}: {:?}",
            outcomes(&self.ledger, &job).await
        );
        job
    }

    /// The codes of the rows that were not applied.
    async fn codes(&self, kind: &str, csv: &str) -> Vec<String> {
        let job = self.apply(kind, csv).await;
        let not = outcomes(&self.ledger, &job).await;
        not.into_iter()
            .map(|(_, outcome, code)| if code.is_empty() { outcome } else { code })
            .collect()
    }

    async fn undo(&self, job: &Job) -> Job {
        let (ledger, stores) = (&self.ledger, &self.stores);
        let undoing = UndoRequest {
            ledger,
            stores,
            limits: &Limits::NONE,
            job,
        }
        .submit(&Queue::embedded(), &by("tester"))
        .await;
        let id = undoing.expect("an undo").job;
        let undo = ledger.job(id).await.expect("asked").expect("there");
        Work::on(ledger, &undo).stores(stores).until_idle().await
    }

    async fn message(&self, job: &Job, row: u64) -> String {
        self.record(job, row).await.message
    }

    async fn target(&self, job: &Job, row: u64) -> String {
        self.record(job, row).await.id
    }

    /// What is recorded of a row.
    async fn record(&self, job: &Job, row: u64) -> RowRecord {
        let rows = self.ledger.chunk_rows(job, 0).await.expect("asked").expect("kept");
        rows.record(row, row + 1)
    }

    /// The id of the customer of that company name.
    pub(crate) async fn customer(&self, company: &str) -> String {
        let list = self.here.get("/v1/customers").await.json();
        let mut all = list["items"].as_array().expect("a list").iter();
        let found = all
            .find(|one| one["companyProfile"]["companyName"] == company)
            .expect("the customer");
        found["id"].as_str().expect("an id").to_owned()
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
    assert_eq!(office.apply("add-customer", PLAIN_CUSTOMERS).await.counts.unchanged, 2);
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
async fn impossible_rows_are_rejected_by_name() {
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
    let taken = PLAIN_CUSTOMERS.replace("Alpha Ltd", "Another Ltd");
    let job = office.apply("add-customer", &taken).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "customer-exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_account_pauses_the_job() {
    let (office, [alpha, _]) = Office::with_customers().await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,,\n");
    let refused = serde_json::json!({ "operation": "create-user", "fault": "expired-token", "times": 1 });
    office.here.fault(&refused).await;
    let job = office.apply("bulk-add-users", &users).await;
    assert_eq!(job.state.as_str(), "paused");
    assert!(
        job.message
            .as_deref()
            .is_some_and(|said| said.contains("denied access")),
        "{:?}",
        job.message
    );
    assert_eq!(office.here.effects("create-user").await, 0);
}
