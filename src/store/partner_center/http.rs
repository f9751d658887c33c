//! The connections that calls and requests for tokens are made over: how they are made, what comes over them, and what is
//! said of one that broke.

use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Response};

/// Connections that trust the authorities of this file besides the system's.
pub(super) fn connections(ca_file: Option<&Path>) -> Result<reqwest::Client, String> {
    // The process may have chosen one before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(60))
        // Many calls share one connection, so that it is gone has to be noticed before each has waited its time.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_merge(ca_file.map_or(Ok(Vec::new()), certificates)?)
        .build()
        .map_err(|error| told(&error))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let named = |what: String| format!("`partner_center.ca_file` {}: {what}", path.display());
    let text = std::fs::read(path).map_err(|error| named(error.to_string()))?;
    match Certificate::from_pem_bundle(&text) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(named("expected certificates in PEM form".to_owned())),
    }
}

/// The body of an answer, unless it is longer than it may be.
pub(super) async fn body_of(mut response: Response, most: usize) -> Result<BytesMut, String> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| told(&error))? {
        if body.len() + piece.len() > most {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// An error without the address, which may hold what is nobody's business.
pub(super) fn told(error: &reqwest::Error) -> String {
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
        text.push_str("; if a proxy of yours puts its own in place, name its authority in `partner_center.ca_file`");
    }
    text
}

/// `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now_millis: i64) -> Option<Duration> {
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
