//! The HTTP client that calls and requests for tokens are made with: how connections are made, the limits that requests and
//! answers are held to, and what is said of a connection that broke.
//!
//! How many requests are on their way at once is the pacer's business.

use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Method, RequestBuilder, Response};
use thiserror::Error;

use super::address;
use tenantry_foundation::small_file::{self, LONGEST_BUNDLE};

/// How long it may take until there is a connection: three lost packets of a handshake, and the time that a proxy takes. What is
/// slower is away, and rows wait for it.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody uses; services close theirs after one to four minutes.
const IDLE: Duration = Duration::from_secs(60);
/// How often it is looked whether a connection in use is still there, and how long an answer to that may take.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Why there is no answer, or not the whole of it. Never names the address, which may hold what is nobody's business.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The request was not sent.
    #[error("{0}")]
    NotSent(String),
    /// The request was sent: it may or may not have taken effect.
    #[error("{0}")]
    Lost(String),
}

/// An HTTP client; clones share connections.
#[derive(Clone)]
pub struct Http {
    /// Goes through the proxies of the environment.
    client: reqwest::Client,
    /// For services on this machine, whose requests are no proxy's business.
    direct: reqwest::Client,
    /// The configuration key of the file of authorities, for messages.
    ca_key: &'static str,
}

impl Http {
    /// A client that trusts the authorities of this PEM file besides the system's; `ca_key` is the configuration key that
    /// names the file. Nothing is connected yet. Fails if the file holds no certificates.
    pub fn new(ca_file: Option<&Path>, ca_key: &'static str) -> Result<Self, String> {
        // The process may have chosen one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificates = ca_file.map_or(Ok(Vec::new()), |path| certificates(path, ca_key))?;
        let settings = || {
            reqwest::Client::builder()
                .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_WITHIN)
                .pool_idle_timeout(IDLE)
                // Many calls share one connection, so that it is gone has to be noticed before each has waited its time.
                .http2_keep_alive_interval(KEEP_ALIVE)
                .http2_keep_alive_timeout(KEEP_ALIVE)
                .redirect(reqwest::redirect::Policy::none())
                .tls_certs_merge(certificates.clone())
        };
        let built = |error| told(&error, ca_key);
        Ok(Self {
            client: settings().build().map_err(built)?,
            direct: settings().no_proxy().build().map_err(built)?,
            ca_key,
        })
    }

    /// A request that may take this long, its answer included.
    pub fn request(&self, method: Method, url: &str, timeout: Duration) -> RequestBuilder {
        let is_here = reqwest::Url::parse(url).is_ok_and(|url| address::is_here(&url));
        let client = if is_here { &self.direct } else { &self.client };
        client.request(method, url).timeout(timeout)
    }

    /// Sends a request, and waits until the answer begins.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, HttpError> {
        request.send().await.map_err(|error| {
            let what = told(&error, self.ca_key);
            if error.is_connect() || error.is_builder() {
                HttpError::NotSent(what)
            } else {
                HttpError::Lost(what)
            }
        })
    }

    /// The body of an answer, unless it is longer than so many bytes.
    pub async fn body(&self, mut response: Response, most: usize) -> Result<BytesMut, HttpError> {
        let lost = |error| HttpError::Lost(told(&error, self.ca_key));
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            if body.len() + piece.len() > most {
                return Err(HttpError::Lost("the answer is too long".to_owned()));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

fn certificates(path: &Path, key: &str) -> Result<Vec<Certificate>, String> {
    let named = |what: String| format!("`{key}` {}: {what}", path.display());
    let text = small_file::read(path, LONGEST_BUNDLE).map_err(|error| named(error.to_string()))?;
    match Certificate::from_pem_bundle(&text) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(named("expected certificates in PEM form".to_owned())),
    }
}

fn told(error: &reqwest::Error, ca_key: &str) -> String {
    let mut text = match error {
        _ if error.is_timeout() => "it took too long".to_owned(),
        _ if error.is_connect() => "no connection".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.source().is_none() {
            text = format!("{text}: {inner}");
        }
        source = inner.source();
    }
    if text.contains("certificate") {
        text.push_str("; if a proxy of yours puts its own in place, name its authority in `");
        text.push_str(ca_key);
        text.push('`');
    }
    text
}

/// How long `Retry-After` asks to wait, in seconds or until a date; an hour at most.
pub fn retry_after(headers: &HeaderMap, now_millis: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(3600)));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let millis = date.timestamp().as_millisecond() - now_millis;
    Some(Duration::from_millis(millis.clamp(0, 3_600_000) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_come_as_seconds_and_as_dates() {
        let headers = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header"));
            headers
        };
        assert_eq!(retry_after(&headers("57"), 0), Some(Duration::from_secs(57)));
        let at = "Thu, 01 Jan 1970 00:00:10 GMT";
        assert_eq!(retry_after(&headers(at), 4_000), Some(Duration::from_secs(6)));
        assert_eq!(retry_after(&headers(at), 40_000), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers("soon"), 0), None);
    }
}
