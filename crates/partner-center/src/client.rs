//! One call: its headers, its token, its turn, its answer.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use super::Settings;
use super::answer;
use super::auth::{AuthError, TokenKind, tokens};
use super::cloud::Addresses;
use super::failure::{Failure, FailureClass};
use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::DbError;
use tenantry_foundation::secret::Secret;
use tenantry_store::kit::http::{Http, HttpError, retry_after};
use tenantry_store::kit::oauth::Tokens;
use tenantry_store::kit::pace::{LimitBoard, Pacer};
use tenantry_store::kit::retry::{self, Retry};
use tenantry_store::remote::{CallWatch, RemoteStanding, Steps, WatchedCall};
use tracing::Instrument;

/// No answer is read beyond this. The longest are pages of five hundred records, of some 3 KB each as they are documented.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// The configuration key of the file of authorities.
const CA_FILE: &str = "partner_center.ca_file";
/// What Partner Center calls the program that calls it.
const APPLICATION: &str = "Tenantry";

/// An operation of the API: what it is called here, and who has to ask.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    pub(super) token_kind: TokenKind,
}

impl Operation {
    pub(super) const fn new(name: &'static str, method: &'static str, token_kind: TokenKind) -> Self {
        Self {
            name,
            method,
            token_kind,
        }
    }
}

/// A call.
#[derive(Debug, Clone, Hash)]
pub(super) struct Call {
    operation: Operation,
    /// Without `/v1`.
    path: String,
    query: Vec<(&'static str, String)>,
    /// Headers that a link asks for.
    headers: Vec<(String, String)>,
    body: Option<Value>,
    etag: Option<String>,
    /// Whose limit it counts against, besides the partner's.
    customer: String,
}

impl Call {
    pub(super) fn new(operation: Operation, path: impl Into<String>) -> Self {
        Self {
            operation,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            etag: None,
            customer: String::new(),
        }
    }

    pub(super) fn of(mut self, customer: &str) -> Self {
        customer.clone_into(&mut self.customer);
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn if_match(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }
}

/// A success.
#[derive(Debug)]
pub(super) struct Answer {
    /// `Null` where there is none.
    pub(super) body: Value,
}

/// Why a call did not succeed.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// It was answered; whether with our own correlation id, as Partner Center answers and a proxy does not.
    #[error("{0}")]
    Answered(Failure, bool),
    /// It was sent, and no answer came: it may or may not have taken effect.
    #[error("no answer: {0}")]
    Lost(String),
    /// It was not sent.
    #[error("{0}")]
    NotSent(String),
    /// There is no token for it.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// It was not sent, since the worker that was to send it no longer holds the lease, or the ledger is away.
    #[error(transparent)]
    Ledger(#[from] DbError),
}

impl From<HttpError> for CallError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::NotSent(what) => Self::NotSent(what),
            HttpError::Lost(what) => Self::Lost(what),
        }
    }
}

/// Calls Partner Center.
pub(super) struct Client {
    http: Http,
    addresses: Addresses,
    tenant: String,
    tokens: Tokens,
    pacer: Pacer,
    timeout: Duration,
    clock: Clock,
    watch: OnceLock<Arc<dyn CallWatch>>,
}

impl Client {
    pub(super) fn new(settings: Settings, clock: Clock) -> Result<Self, String> {
        let Settings {
            addresses,
            credentials,
            timeout,
            concurrency,
            ca_file,
            ..
        } = settings;
        let http = Http::new(ca_file.as_deref(), CA_FILE)?;
        Ok(Self {
            tenant: credentials.tenant.clone(),
            tokens: tokens(http.clone(), &addresses, credentials, clock.clone()),
            pacer: Pacer::new(concurrency),
            http,
            addresses,
            timeout,
            clock,
            watch: OnceLock::new(),
        })
    }

    /// Has each call from now on told; only the first who asks is.
    pub(super) fn watched_by(&self, watch: Arc<dyn CallWatch>) {
        let _ = self.watch.set(watch);
    }

    /// How it stands with limits and the refresh token.
    pub(super) async fn standing(&self) -> RemoteStanding {
        let pace = self.pacer.standing();
        RemoteStanding {
            used: pace.used,
            customers_blocked: pace.customers_blocked,
            token_ends_at: self.tokens.ends_at().await,
        }
    }

    /// Where it is asked.
    pub(super) fn address(&self) -> &str {
        &self.addresses.api
    }

    /// Our tenant's GUID, if it is configured as one and not as a domain.
    pub(super) fn own_tenant(&self) -> Option<&str> {
        Uuid::try_parse(&self.tenant).is_ok().then_some(self.tenant.as_str())
    }

    pub(super) fn now_millis(&self) -> i64 {
        self.clock.now_millis()
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Keeps limits together with the other workers of this board.
    pub(super) fn share_limits(&self, board: Arc<dyn LimitBoard>, partner: &str) {
        self.pacer.share(board, partner);
    }

    /// Somebody who speaks so is let in.
    pub(super) async fn check(&self, token_kind: TokenKind) -> Result<(), CallError> {
        let list = Operation::new("list-customers", "GET", token_kind);
        let call = Call::new(list, "/customers").query("size", "1");
        self.call(&call, self.clock.fresh_id()).await.map(drop)
    }

    /// Reads: what is lost, throttled or unavailable is asked again.
    pub(super) async fn read(&self, call: &Call) -> Result<Answer, CallError> {
        let again = |error: &CallError| match error {
            CallError::Answered(failure, _) => match failure.class() {
                FailureClass::Throttled => Retry::InTurn,
                FailureClass::Unavailable => Retry::Later,
                _ => Retry::Never,
            },
            CallError::Auth(AuthError::Refused(_)) => Retry::Never,
            _ => Retry::Later,
        };
        retry::read(|| self.call(call, self.clock.fresh_id()), again).await
    }

    /// Calls once, under this request id. A refused token is replaced once.
    pub(super) async fn call(&self, call: &Call, request_id: Uuid) -> Result<Answer, CallError> {
        self.call_for(call, request_id, None).await
    }

    /// Calls once, for a step of a row.
    pub(super) async fn call_for(
        &self,
        call: &Call,
        request_id: Uuid,
        steps: Option<Steps<'_>>,
    ) -> Result<Answer, CallError> {
        let span = tracing::debug_span!("call", operation = call.operation.name, request.id = %request_id);
        self.call_once(call, request_id, steps).instrument(span).await
    }

    async fn call_once(&self, call: &Call, request_id: Uuid, steps: Option<Steps<'_>>) -> Result<Answer, CallError> {
        let token_kind = call.operation.token_kind;
        let send = |token: Secret| async move { self.send(call, request_id, token.reveal(), steps).await };
        let is_refused = |error: &CallError| matches!(error, CallError::Answered(failure, _) if failure.class() == FailureClass::Unauthorized);
        self.tokens.with(token_kind, send, is_refused).await
    }

    async fn send(
        &self,
        call: &Call,
        request_id: Uuid,
        token: &str,
        steps: Option<Steps<'_>>,
    ) -> Result<Answer, CallError> {
        let pass = self.pacer.enter(&call.customer).await;
        let correlation_id = correlation_id(request_id).to_string();
        let path = if call.path.starts_with("/v1/") {
            call.path.clone()
        } else {
            format!("/v1{}", call.path)
        };
        let url = format!("{}{path}", self.addresses.api);
        let method = Method::from_bytes(call.operation.method.as_bytes());
        let method = method.map_err(|error| CallError::NotSent(error.to_string()))?;
        let mut request = self
            .http
            .request(method, &url, self.timeout)
            .bearer_auth(token)
            .header("Accept", "application/json")
            .header("MS-RequestId", request_id.to_string())
            .header("MS-CorrelationId", &correlation_id)
            .header("MS-PartnerCenter-Application", APPLICATION)
            .header("X-Locale", "en-US");
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(etag) = &call.etag {
            request = request.header("If-Match", format!("\"{}\"", etag.trim_matches('"')));
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(steps) = steps {
            steps.hold().await?;
        }
        let began = Instant::now();
        let told = |status| {
            if let Some(watch) = self.watch.get() {
                watch.called(WatchedCall {
                    operation: call.operation.name,
                    is_read: matches!(call.operation.method, "GET" | "HEAD"),
                    status,
                    took: began.elapsed(),
                });
            }
        };
        let response = self.http.send(request).await.inspect_err(|_| told(None))?;
        let status = response.status().as_u16();
        told(Some(status));
        tracing::debug!(status, "answered");
        let retry_after = retry_after(response.headers(), self.clock.now_millis());
        let echoed = response.headers().get("MS-CorrelationId");
        let is_its_own = echoed.is_some_and(|echoed| echoed.as_bytes().eq_ignore_ascii_case(correlation_id.as_bytes()));
        let body = self.http.body(response, LONGEST_ANSWER).await?;
        let is_success = (200..300).contains(&status);
        let failure = (!is_success).then(|| Failure::read(call.operation.name, status, &body, retry_after));
        match &failure {
            Some(failure) if failure.class() == FailureClass::Throttled => {
                let scope = pass.was_throttled(retry_after);
                if let Some(watch) = self.watch.get() {
                    watch.throttled(scope);
                }
            }
            _ => pass.went_well(),
        }
        drop(pass);
        tracing::debug!(operation = call.operation.name, status, request_id = %request_id, "Partner Center answered {status} to {}", call.operation.name);
        match failure {
            Some(failure) => Err(CallError::Answered(failure, is_its_own)),
            None => Ok(Answer {
                body: answer::parse(&body).map_err(|why| CallError::Lost(why.to_owned()))?,
            }),
        }
    }
}

/// What a call is traced by. It follows from the request id, so that an audit record that has it is of that very call
/// for every reader, at any time.
pub(super) fn correlation_id(request_id: Uuid) -> Uuid {
    Uuid::new_v5(&request_id, b"correlation")
}
