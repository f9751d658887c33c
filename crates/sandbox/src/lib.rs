//! A local server that speaks the REST contract of Microsoft Partner Center, so that jobs can be rehearsed and clients
//! tested without a partner account.
//!
//! Connections are taken in HTTP/1.1 and HTTP/2, over TLS or not (`serve`). One handler takes every request (`http`): it
//! finds the operation in one table (`routes`), checks the token (`oauth`), and runs the operation's function in one transaction on an SQLite database with this program's own
//! schema, in which `tenantry customers` can look. What that schema has no column for lies beside it (`record`). The
//! answer to a changing call is recorded under its request id in the same transaction as the effect (`replay`), and
//! so is an audit record; a client that asks again with that id gets the same answer again.
//!
//! Everything that can go wrong on the way can be asked for: faults by chance or by script (`faults`), limits
//! (`limits`), and oddities of the real service (`quirks`). Chance comes from one seed, so a run repeats.
//!
//! Where the contract says nothing, this is what was decided:
//!
//! - A request id is remembered for 24 hours. With other content it is answered 409, with a code that Microsoft does
//!   not use.
//! - The tenant in a token's address is the partner one acts as, so that two tokens play two partners. Customers are
//!   seen by every partner, subscriptions by the one who sold them.
//! - A taken domain, a taken user name and a subscription in the way of a removal are answered 400 with code 3000, and
//!   `data` says what it is about.
//! - A refused call leaves an audit record that says `failed`. A change that Microsoft has no words for leaves none.
//! - A consent that there is already, and a batch of that name, are refused with code 3000 as well.
//! - Another method at an address that is served is answered 405, as the service does, though Microsoft's .NET library asks
//!   four times more then.
//! - A transfer of new commerce is `InProgress` in the answer that makes it, as the one published sample has it, and
//!   `Pending` to a client that asks later, as its states are described.
//! - Events are sent to addresses of this machine alone, and without the service's signature.
//! - Tokens are signed with ES256, where Entra has RS256: the key is made at every start, and that is quickly done.
//! - What errors say in words is ours; status and code are what clients go by.

mod address;
mod admin;
mod agreements;
mod audit;
mod billing;
mod call;
mod carts;
mod catalogue;
mod consents;
mod counters;
mod countries;
mod create_customer;
mod customers;
mod devices;
mod documents;
mod etag;
mod faults;
mod http;
mod json;
mod licenses;
mod limits;
mod line;
mod oauth;
mod orders;
mod page;
mod paging;
mod partner;
mod policies;
mod products;
mod quirks;
mod record;
mod replay;
mod reply;
mod request;
mod roles;
mod routes;
mod seats;
mod seed;
mod serve;
mod state;
mod subscriptions;
mod transfers;
mod usage;
mod users;
mod webhooks;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use faults::InjectedFault;
pub use quirks::Quirk;

use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::{ConnectOptions, Db, DbError};
use tenantry_foundation::installation::Installation;
use tenantry_foundation::lock::lock;

/// The partner that the fixed token acts as, and tokens issued under an address that is no GUID.
pub const PARTNER: Uuid = uuid::uuid!("5a5db0c5-0000-4000-8000-000000000001");

/// How the sandbox behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// A bearer token that is accepted besides those that are issued.
    pub token: Option<String>,
    /// The secret that clients have to give for a token; any will do if there is none.
    pub client_secret: Option<String>,
    /// How long issued tokens are good for.
    pub token_life: Duration,
    /// What ids, seeded customers and chance are drawn from.
    pub seed_value: u64,
    /// Free seats of each seeded customer.
    pub seats: u32,
    /// Behave as Microsoft's integration sandbox: its quotas, and removed customers are gone.
    pub integration: bool,
    /// Calls a second that a partner may make for one customer.
    pub rate_limit: Option<u32>,
    /// Calls a minute that a partner may make in all.
    pub partner_rate_limit: Option<u32>,
    /// How long every answer takes at least; up to half as much again is drawn on top.
    pub latency: Duration,
    /// How long a slow body takes.
    pub slow_body: Duration,
    /// How long the head or the body of a request may take to come, and how long a connection may be idle.
    pub patience: Duration,
    /// What goes wrong, and how probably.
    pub faults: Vec<(InjectedFault, f64)>,
    /// Oddities of the real service.
    pub quirks: Vec<Quirk>,
    /// Whether HTTPS is spoken as well, with a certificate that an authority of our own makes.
    pub tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            client_secret: None,
            token_life: Duration::from_secs(3600),
            seed_value: 0,
            seats: 3,
            integration: false,
            rate_limit: None,
            partner_rate_limit: None,
            latency: Duration::ZERO,
            slow_body: Duration::from_secs(3),
            patience: Duration::from_secs(60),
            faults: Vec::new(),
            quirks: Vec::new(),
            tls: false,
        }
    }
}

/// What all requests share.
struct Shared {
    db: Db,
    clock: Clock,
    options: Options,
    installation: Installation,
    tokens: Mutex<oauth::Issued>,
    signer: oauth::Signer,
    authority: Option<serve::Authority>,
    counters: Mutex<counters::Counters>,
    calls: Mutex<admin::RecentCalls>,
    trouble: Mutex<faults::InjectedTrouble>,
    limits: Mutex<limits::Windows>,
    /// Events were noted that are to be sent.
    noted: tokio::sync::Notify,
    /// Answers that hold a password, by request id: it is never written down.
    secrets: Mutex<replay::Secrets>,
}

/// The server.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

impl Sandbox {
    /// Opens the state at `url`, an SQLite address.
    pub async fn open(url: &str, options: Options, clock: Clock) -> Result<Self, DbError> {
        let db = Db::open(url, ConnectOptions::with_connections(1)).await?;
        let seed_value = options.seed_value;
        let installation = db.write(move |tx| state::prepare(tx, seed_value)).await?;
        let trouble = faults::InjectedTrouble::new(&options);
        let signer = oauth::Signer::new().map_err(|oauth::NoKey| DbError::Broken("no key can be made".to_owned()))?;
        let authority = options.tls.then(|| serve::Authority::new(clock.now_millis()));
        let authority = authority.transpose().map_err(DbError::Broken)?;
        Ok(Self {
            shared: Arc::new(Shared {
                db,
                clock,
                installation,
                tokens: Mutex::default(),
                signer,
                authority,
                counters: Mutex::default(),
                calls: Mutex::default(),
                trouble: Mutex::new(trouble),
                limits: Mutex::default(),
                noted: tokio::sync::Notify::new(),
                secrets: Mutex::default(),
                options,
            }),
        })
    }

    /// Makes `customers` customers with users, seats and subscriptions, the same ones for the same seed value.
    /// Does nothing if there are customers already. Returns how many were made.
    pub async fn seed(&self, customers: u32) -> Result<u32, DbError> {
        seed::plant(&self.shared, customers).await
    }

    /// Answers what comes in at `listener` until `stop` is cancelled.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        serve::serve(self.shared.clone(), listener, stop).await
    }

    /// The certificate of the authority that clients have to trust over HTTPS, in PEM form.
    pub fn authority(&self) -> Option<&str> {
        self.shared.authority.as_ref().map(|authority| authority.pem.as_str())
    }

    /// Closes the state's file.
    pub async fn close(&self) {
        self.shared.db.close().await;
    }
}

/// Names of all operations of the API.
pub fn operations() -> impl Iterator<Item = &'static str> {
    routes::names()
}

/// An operation that is served.
#[derive(Debug, Clone)]
pub struct ServedOperation {
    /// What scripts of faults call it.
    pub name: &'static str,
    /// The method of HTTP.
    pub method: String,
    /// After the version, with `{}` at its open places.
    pub path: &'static str,
    /// Whether a person has to stand behind the token.
    pub needs_user: bool,
}

/// All operations of the API that are served, without those of signing in.
pub fn served() -> impl Iterator<Item = ServedOperation> {
    routes::all().map(|one| ServedOperation {
        name: one.name,
        method: one.method.to_string(),
        path: one.path,
        needs_user: one.needs_user,
    })
}
