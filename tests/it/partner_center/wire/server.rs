//! A server that says what a test has it say, and remembers what it heard.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};
use tenantry_foundation::clock::Clock;
use tenantry_jobs::{Column, RowCells};
use tenantry_ledger::{Job, Ledger, RowRecord};
use tenantry_partner_center::{Addresses, Credentials, PartnerCenter, Settings};
use tenantry_store::Verdict;
use tenantry_store::remote::{ApplyError, RemoteStore, StoreEnv};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::partner_center::carried_out_by;
use crate::place::{On, Place};
use tenantry_foundation::secret::Secret;

pub(super) const CUSTOMER: &str = "c0ffee00-0001-4000-8000-00000000000a";
pub(super) const NEW_CUSTOMER: &str = "c0ffee00-0002-4000-8000-00000000000b";
pub(super) const USER: &str = "c0ffee00-0003-4000-8000-00000000000c";
pub(super) const ROLE: &str = "c0ffee00-0004-4000-8000-00000000000d";
pub(super) const SKU: &str = "c0ffee00-0005-4000-8000-00000000000e";

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// Method and path.
    pub(super) line: String,
    /// As it came.
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    /// Null if there is none, text if it is no JSON.
    pub(super) body: Value,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Says {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Says {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    pub(super) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    pub(super) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The server, and a ledger whose jobs are carried out there.
pub(super) struct Wire {
    pub(super) ledger: Ledger,
    pub(super) store: PartnerCenter,
    heard: Arc<Mutex<Vec<Heard>>>,
    _place: Place,
    _serving: JoinSet<()>,
}

impl Wire {
    /// A server that says this; and what it usually says where this says nothing.
    pub(super) async fn new(script: impl Fn(&Heard) -> Option<Says> + Send + Sync + 'static) -> Self {
        let (heard, script) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::new(script));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let hearing = heard.clone();
        let app = Router::new().fallback(move |request: Request| {
            let (hearing, script) = (hearing.clone(), script.clone());
            async move {
                let request = listen(request).await;
                let says = script(&request).or_else(|| usual(&request));
                let says = says.unwrap_or_else(|| Says::empty(404));
                let mut answer = Response::builder()
                    .status(says.status)
                    .header("MS-RequestId", request.header("MS-RequestId"))
                    .header("MS-CorrelationId", request.header("MS-CorrelationId"));
                if let Some(headers) = answer.headers_mut() {
                    for (name, value) in says.headers {
                        headers.insert(name, value.parse().expect("a header"));
                    }
                }
                hearing.lock().expect("a lock").push(request);
                answer.body(Body::from(says.body)).expect("an answer")
            }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        let place = Place::new(On::Sqlite).await;
        let token = place.write("refresh-token", "first");
        std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
        let settings = Settings {
            addresses: Addresses {
                api: base.clone(),
                login: base,
                resource: "https://api.example".to_owned(),
            },
            credentials: Credentials {
                tenant: "partner.example".to_owned(),
                client_id: "app".to_owned(),
                client_secret: Secret::new("a word"),
                refresh_token: Some(tenantry_partner_center::RefreshToken::File(token)),
                token: None,
            },
            timeout: Duration::from_secs(20),
            concurrency: 1,
            validate_addresses: true,
            ca_file: None,
        };
        Self {
            ledger: place.ledger().await,
            store: PartnerCenter::new(settings, Clock::system()).expect("a store"),
            heard,
            _place: place,
            _serving: serving,
        }
    }

    pub(super) async fn apply(&self, kind: &str, csv: &str) -> Job {
        super::super::apply(&self.ledger, &carried_out_by(&self.store), kind, csv).await
    }

    /// What a row, given as the cells of some columns, would do.
    pub(super) async fn preview(&self, kind: &str, cells: &[(&str, &str)]) -> Result<Verdict, ApplyError> {
        let job = tenantry_jobs::find(kind).expect("a kind");
        let cell = |column: &Column| {
            let named = cells.iter().find(|(name, _)| *name == column.name);
            named.map(|(_, value)| *value)
        };
        let row: Vec<Option<&str>> = job.columns().iter().map(cell).collect();
        let request = job.request(&RowCells::new(&row)).expect("a sound row");
        let tenantry_jobs::Request::Change(change) = request else {
            panic!("{kind} changes nothing")
        };
        let session = self.store.open(StoreEnv::new(&self.ledger), &[]);
        Ok(session.preview(1, &change).await?.verdict)
    }

    /// What is recorded of the one row of a job.
    pub(super) async fn row(&self, kind: &str, csv: &str) -> RowRecord {
        let job = self.apply(kind, csv).await;
        let rows = self.ledger.chunk_rows(&job, 0).await.expect("asked").expect("kept");
        rows.record(1, 2)
    }

    /// The requests so far.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("a lock").clone()
    }

    /// The last request of that line.
    #[track_caller]
    pub(super) fn last(&self, line: &str) -> Heard {
        let mut heard = self.heard();
        let place = heard.iter().rposition(|heard| heard.line == line);
        heard.swap_remove(place.unwrap_or_else(|| panic!("nobody asked {line}")))
    }
}

async fn listen(request: Request) -> Heard {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    Heard {
        line: format!("{} {}", head.method, head.uri.path()),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap_or_else(|_| text())
        },
    }
}

pub(super) fn customer() -> Value {
    json!({
        "id": CUSTOMER,
        "companyProfile": { "tenantId": CUSTOMER, "domain": "alpha.onmicrosoft.com", "companyName": "Alpha Ltd" },
        "relationshipToPartner": "reseller",
        "customDomains": ["alpha.onmicrosoft.com"],
    })
}

pub(super) fn profile() -> Value {
    json!({
        "id": "p",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "email": "ada@alpha.example",
        "culture": "en-GB",
        "language": "en",
        "companyName": "Alpha Ltd",
        "defaultAddress": {
            "country": "GB", "city": "London", "addressLine1": "1 High Street", "postalCode": "N1 9GU", "phoneNumber": "",
        },
        "attributes": { "etag": "-77", "objectType": "CustomerBillingProfile" },
    })
}

pub(super) fn list(items: &[Value]) -> Value {
    json!({ "totalCount": items.len(), "items": items, "attributes": { "objectType": "Collection" } })
}

/// One customer without users, who has seats of one SKU and a role to give; everything that changes succeeds.
fn usual(heard: &Heard) -> Option<Says> {
    let of = |rest: &str| format!("/v1/customers/{CUSTOMER}{rest}");
    let (method, path) = heard.line.split_once(' ')?;
    Some(match (method, path) {
        ("POST", "/partner.example/oauth2/token") => {
            let token_kind = if heard.body.to_string().contains("refresh_token=") {
                "user"
            } else {
                "app"
            };
            Says::ok(
                &json!({ "token_type": "Bearer", "expires_in": "3599", "access_token": format!("token-of-{token_kind}") }),
            )
        }
        ("POST", "/v1/validations/address") => Says::ok(&json!({ "status": "Verified" })),
        ("GET", "/v1/customers") if heard.query.contains("alpha") => Says::ok(&list(&[customer()])),
        ("GET", "/v1/customers") => Says::ok(&list(&[])),
        ("POST", "/v1/customers") => Says::json(
            201,
            &json!({ "id": NEW_CUSTOMER, "userCredentials": { "userName": "admin", "password": "Secr3t-once" } }),
        ),
        ("GET", path) if path == of("") => Says::ok(&customer()),
        ("GET", path) if path == of("/profiles/billing") => Says::ok(&profile()),
        ("PUT", path) if path == of("/profiles/billing") => Says::ok(&heard.body),
        ("GET", path) if path == of("/users") => Says::ok(&list(&[])),
        ("POST", path) if path == of("/users") => Says::ok(&json!({ "id": USER })),
        ("GET", path) if path == of("/subscribedskus") => Says::ok(&list(&[json!({
            "availableUnits": 3, "productSku": { "id": SKU, "skuPartNumber": "SPB", "name": "Business" },
        })])),
        ("GET", path) if path == of("/directoryroles") => {
            Says::ok(&list(&[json!({ "name": "User Administrator", "id": ROLE })]))
        }
        ("POST", path) if path == of(&format!("/users/{USER}/licenseupdates")) => Says::json(201, &heard.body),
        ("POST", path) if path == of(&format!("/directoryroles/{ROLE}/usermembers")) => Says::json(201, &heard.body),
        _ => return None,
    })
}
