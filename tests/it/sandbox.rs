//! The stand-in for Partner Center, asked over HTTP as any client asks it. What its contract's checklist names is a
//! test whose name says it.

mod accounts;
mod attached;
mod clients;
pub(crate) mod coverage;
mod deals;
mod devices;
mod events;
mod faults;
mod lists;
mod oauth;
mod orders;
mod overview;
mod partner;
mod people;
mod repeats;
mod samples;
mod wire;

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::Stdio;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tenantry_foundation::clock::Clock;
use tenantry_sandbox::{Options, Sandbox};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::place::{On, Place, Running};

pub(crate) const TOKEN: &str = "test-token";
const NOON: i64 = 1_790_000_000_000;
const SPB: &str = "SBX000000001:0001:SBX00000000A";
const SPB_SKU: &str = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46";
pub(crate) const OTHER_PARTNER: &str = "0b0b0b0b-1111-4222-8333-444444444444";

/// A running sandbox, and a client for it.
pub(crate) struct Here {
    pub(crate) base: String,
    clock: Clock,
    client: Client,
    dir: TempDir,
    token: String,
    sandbox: Sandbox,
    _serving: JoinSet<()>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Status and error code.
    #[track_caller]
    fn refusal(&self) -> (u16, i64) {
        (self.status, self.json()["code"].as_i64().unwrap_or_default())
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Here {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    /// With a clock that stands still.
    pub(crate) async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().expect("a temporary directory");
        Self::at(dir, Clock::held(NOON), options).await
    }

    /// One that goes by this clock.
    pub(crate) async fn by(clock: Clock) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().expect("a temporary directory");
        Self::at(dir, clock, Options::default()).await
    }

    /// With a clock that runs, as limits need one.
    pub(crate) async fn live(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().expect("a temporary directory");
        Self::at(dir, Clock::system(), options).await
    }

    /// The same after a restart.
    pub(crate) async fn restarted(self) -> Self {
        let Self { dir, clock, .. } = self;
        Self::at(dir, clock, Options::default()).await
    }

    async fn at(dir: TempDir, clock: Clock, options: Options) -> Self {
        let options = Options {
            token: Some(TOKEN.to_owned()),
            ..options
        };
        let url = format!("sqlite:{}", dir.path().join("sandbox.db").display());
        let sandbox = Sandbox::open(&url, options, clock.clone()).await.expect("it opens");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let mut serving = JoinSet::new();
        let server = sandbox.clone();
        serving.spawn(async move {
            let served = server.serve(listener, CancellationToken::new());
            served.await.expect("it serves");
        });
        Self {
            base,
            clock,
            client: Client::builder().pool_max_idle_per_host(0).build().expect("a client"),
            dir,
            token: TOKEN.to_owned(),
            sandbox,
            _serving: serving,
        }
    }

    /// Makes customers with users and subscriptions.
    pub(crate) async fn seed(&self, customers: u32) {
        self.sandbox.seed(customers).await.expect("seeded");
    }

    /// The database that holds everything, which any ledger can be opened on.
    pub(crate) fn state(&self) -> String {
        format!("sqlite:{}", self.dir.path().join("sandbox.db").display())
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }

    async fn send(request: RequestBuilder) -> Said {
        Self::try_send(request).await.expect("an answer")
    }

    async fn try_send(request: RequestBuilder) -> Result<Said, reqwest::Error> {
        let answer = request.send().await?;
        Ok(Said {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await?,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        Self::send(self.request("GET", path)).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Said {
        Self::send(self.request(method, path).json(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Said {
        self.call("POST", path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Said {
        self.call("PATCH", path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Said {
        Self::send(self.request("DELETE", path)).await
    }

    /// Has the sandbox do something wrong.
    pub(crate) async fn fault(&self, fault: &Value) {
        self.post("/sandbox/faults", fault).await.is(200);
    }

    pub(crate) async fn quirks(&self, quirks: &[&str]) {
        self.fault(&json!({ "quirks": quirks })).await;
    }

    /// Effects of an operation so far.
    pub(crate) async fn effects(&self, operation: &str) -> u64 {
        let counters = self.get("/sandbox/counters").await.json();
        counters["operations"][operation]["effects"].as_u64().unwrap_or(0)
    }

    /// Calls so far, and how many of them were over a limit.
    pub(crate) async fn throttled(&self) -> (u64, u64) {
        let counters = self.get("/sandbox/counters").await.json();
        let operations = counters["operations"].as_object().expect("operations");
        let sum = |what: &str| operations.values().filter_map(|of| of[what].as_u64()).sum();
        (sum("calls"), sum("throttled"))
    }

    /// A token for a tenant, and the whole answer.
    async fn log_in(&self, tenant: &str, form: &str) -> Said {
        let request = self
            .client
            .post(format!("{}/{tenant}/oauth2/token", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        Self::send(request).await
    }

    /// The same sandbox as another partner sees it.
    pub(crate) async fn as_partner(&mut self, tenant: Option<&str>) {
        self.token = match tenant {
            None => TOKEN.to_owned(),
            Some(tenant) => {
                let form = "grant_type=refresh_token&refresh_token=first&client_id=app";
                let answer = self.log_in(tenant, form).await.is(200).json();
                answer["access_token"].as_str().expect("a token").to_owned()
            }
        };
    }

    /// What calls are made with now.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A new customer; its id.
    pub(crate) async fn customer(&self, name: &str) -> String {
        let made = self.post("/v1/customers", &new_customer(name)).await.is(201).json();
        made["id"].as_str().expect("an id").to_owned()
    }

    /// A new user of a customer; its id.
    pub(crate) async fn user(&self, customer: &str, name: &str, domain: &str) -> String {
        let path = format!("/v1/customers/{customer}/users");
        let made = self
            .post(&path, &new_user(&format!("{name}@{domain}.onmicrosoft.com")))
            .await;
        made.is(200).json()["id"].as_str().expect("an id").to_owned()
    }

    /// A new subscription of a customer; its path.
    pub(crate) async fn subscription(&self, customer: &str, quantity: u64) -> String {
        self.subscription_to(SPB, customer, quantity).await
    }

    /// A new subscription to an offer; its path.
    pub(crate) async fn subscription_to(&self, offer: &str, customer: &str, quantity: u64) -> String {
        let path = format!("/v1/customers/{customer}/orders");
        let order = json!({ "lineItems": [{ "offerId": offer, "quantity": quantity }] });
        let made = self.post(&path, &order).await.is(201).json();
        let id = made["lineItems"][0]["subscriptionId"].as_str().expect("an id");
        format!("/v1/customers/{customer}/subscriptions/{id}")
    }
}

fn new_customer(name: &str) -> Value {
    json!({
        "companyProfile": { "domain": format!("{name}.onmicrosoft.com") },
        "billingProfile": {
            "email": "ada@example.com", "culture": "en-US", "language": "en", "companyName": format!("{name} Ltd"),
            "firstName": "Ada", "lastName": "Berg",
            "defaultAddress": {
                "country": "US", "state": "WA", "city": "Seattle", "addressLine1": "1 Main Street", "postalCode": "98101",
            },
        },
    })
}

fn new_user(name: &str) -> Value {
    json!({
        "userPrincipalName": name, "displayName": "Ken", "usageLocation": "US",
        "passwordProfile": { "password": "Secret-word-77", "forceChangePassword": true },
    })
}

/// A condition as the query has it.
fn filter(field: &str, value: &str, operator: &str) -> String {
    let text = json!({ "Field": field, "Value": value, "Operator": operator }).to_string();
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("filter={encoded}")
}

fn fresh_id() -> String {
    Clock::system().fresh_id().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_makes_the_same_customers_every_time() {
    let options = || Options {
        seed_value: 7,
        ..Options::default()
    };
    let (one, two) = (Here::with(options()).await, Here::with(options()).await);
    for here in [&one, &two] {
        assert_eq!(here.sandbox.seed(12).await.expect("seeded"), 12);
        assert_eq!(here.sandbox.seed(12).await.expect("not twice"), 0);
    }
    let path = "/v1/customers?size=0";
    let (first, second) = (one.get(path).await, two.get(path).await);
    assert_eq!(first.text, second.text);
    let list = first.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(12));
    let id = list["items"][3]["id"].as_str().expect("an id");
    let users = one.get(&format!("/v1/customers/{id}/users")).await.json();
    assert!(users["items"].as_array().is_some_and(|users| users.len() >= 2));
    let skus = one.get(&format!("/v1/customers/{id}/subscribedskus")).await.json();
    let sku = &skus["items"][0];
    assert_eq!(
        sku["availableUnits"].as_i64().expect("units"),
        sku["totalUnits"].as_i64().expect("units") - sku["consumedUnits"].as_i64().expect("units")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_where_it_is_and_its_state_can_be_looked_into() {
    let place = Place::new(On::Sqlite).await;
    let url = format!("sqlite:{}", place.path("state.db").display());
    let args = [
        "sandbox",
        "--state",
        "state.db",
        "--seed",
        "3",
        "--fault",
        "error-500=0",
        "--tls",
        "authority.pem",
        "--json",
    ];
    let mut command = place.command(&args);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut first = String::new();
    let out = running.0.stdout.as_mut().expect("its output");
    BufReader::new(out).read_line(&mut first).expect("a line");
    let said: Value = serde_json::from_str(&first).expect("JSON");
    let (base, login) = (
        said["base_url"].as_str().expect("a URL"),
        said["token_endpoint"].as_str().expect("a URL"),
    );
    let client = Client::new();
    let form = "grant_type=refresh_token&refresh_token=any&client_id=any";
    let token = Here::send(client.post(login).body(form)).await.is(200).json();
    let token = token["access_token"].as_str().expect("a token");
    let list = Here::send(client.get(format!("{base}/v1/customers")).bearer_auth(token)).await;
    assert_eq!(list.is(200).json()["totalCount"], 3);
    let authority = std::fs::read_to_string(place.path("authority.pem")).expect("a file");
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(
        said["secure_base_url"]
            .as_str()
            .is_some_and(|base| base.starts_with("https://localhost:"))
    );
    drop(running);
    place.write("mine.pem", "something else");
    let kept = place.tenantry(&["sandbox", "--tls", "mine.pem"]).ends(2);
    assert!(kept.err.contains("is no certificate"), "{}", kept.err);
    let customers = place.tenantry(&["customers", "--ledger", &url, "--json"]);
    customers.ends(0);
    let help = place.tenantry(&["sandbox", "--help"]);
    for word in ["--rate-limit", "cut-after-commit", "dangling-token", "--integration"] {
        assert!(help.out.contains(word), "{word}: {}", help.out);
    }
    place.ledger().await;
    let ledger = place.tenantry(&["sandbox", "--state", "tenantry.db"]).ends(2);
    assert!(ledger.err.contains("something else"), "{}", ledger.err);
    let wrong = place.tenantry(&["sandbox", "--fault", "flood=1"]);
    assert!(wrong.err.contains("invalid value"), "{}", wrong.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_told_apart() {
    let here = Here::new().await;
    assert_eq!(here.get("/v1//v1/customers").await.status, 404);
    assert_eq!(here.get("//v1//Customers//").await.status, 200);
    assert_eq!(here.get("/customers").await.status, 404);
    assert_eq!(here.delete("/v1/customers").await.status, 405);
    assert_eq!(here.get("/V1/Customers/").await.status, 200);
}
