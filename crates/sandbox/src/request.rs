//! A request, read: the path in segments, the query, the headers that matter, and the body in one spelling.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::json;
use super::line::Arrival;
use super::reply::{Refused, refuse};

use tenantry_foundation::clock::Clock;

/// One request.
pub(super) struct HttpRequest {
    pub(super) method: Method,
    /// Without empty ones: clients put a path that begins with a slash behind one that ends with one.
    pub(super) segments: Vec<String>,
    /// The address after the version, as it was written and with its query: what a link to it says.
    pub(super) own: String,
    /// Scheme and host that it was sent to: what addresses in answers begin with.
    pub(super) base: String,
    /// The hosts that it names: in its target, and in its header.
    hosts: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    /// The body as it came.
    pub(super) raw: Vec<u8>,
    /// The body as JSON, or null. Names begin with a small letter and nulls are gone.
    pub(super) body: Value,
    /// Whether there is a body that is no JSON.
    unreadable: bool,
    /// The `MS-RequestId` it came with, or one that was made for it.
    pub(super) id: String,
    /// The same of `MS-CorrelationId`.
    pub(super) correlation_id: String,
}

impl HttpRequest {
    pub(super) fn new(head: Parts, raw: Vec<u8>, arrival: &Arrival, clock: &Clock) -> Self {
        let Parts {
            method, uri, headers, ..
        } = head;
        let written: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let mut own = format!("/{}", written.get(1..).unwrap_or_default().join("/"));
        if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
            own = format!("{own}?{query}");
        }
        let text = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&raw);
        let read = (!text.is_empty()).then(|| serde_json::from_slice::<Value>(text));
        let unreadable = matches!(read, Some(Err(_)));
        let id_of = |name: &str| {
            let given = headers.get(name).and_then(|value| value.to_str().ok());
            given.map_or_else(|| clock.fresh_id().to_string(), |id| id.trim().to_owned())
        };
        let named = headers.get_all("host").iter();
        let named = named.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let target = uri.authority().map(|host| Authority::as_str(host).to_owned());
        let hosts: Vec<String> = target.into_iter().chain(named).collect();
        let host = hosts.first().filter(|host| is_host(host));
        let scheme = if arrival.secure { "https" } else { "http" };
        let base = host.map_or_else(
            || format!("{scheme}://{}", arrival.local),
            |host| format!("{scheme}://{host}"),
        );
        Self {
            base,
            hosts,
            segments: written.into_iter().map(decoded).collect(),
            own,
            query: pairs(uri.query().unwrap_or_default()),
            id: id_of("ms-requestid"),
            correlation_id: id_of("ms-correlationid"),
            body: read.and_then(Result::ok).map_or(Value::Null, json::normal),
            unreadable,
            method,
            headers,
            raw,
        }
    }

    /// The path, without what is asked for in the query.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query, by its name in any case; an empty one is none.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let named = |(given, value): &&(String, String)| given.eq_ignore_ascii_case(name) && !value.is_empty();
        self.query.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn query_all(&self, name: &str) -> Vec<&str> {
        let named = self.query.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body, which has to be an object.
    pub(super) fn object(&self) -> Result<&Value, Refused> {
        match &self.body {
            body if body.is_object() => Ok(body),
            _ => Err(refuse(400, 800_002, "The body is no JSON object.")),
        }
    }

    /// The body, if there is one.
    pub(super) fn optional_object(&self) -> Result<&Value, Refused> {
        match &self.body {
            Value::Null if !self.unreadable => Ok(&Value::Null),
            _ => self.object(),
        }
    }

    /// Whether it names this machine as its host, and comes from no page of another one: what browsers say of
    /// requests that a stranger's page has them make.
    pub(super) fn is_local(&self) -> bool {
        let origins = self.headers.get_all("origin").iter();
        let is_here = |origin: &axum::http::HeaderValue| {
            let host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            host.is_some_and(|(_, host)| is_loopback(host))
        };
        let named = self.hosts.iter().filter(|host| !host.trim().is_empty());
        named.into_iter().all(|host| is_loopback(host))
            && origins.into_iter().all(is_here)
            && self.header("sec-fetch-site") != Some("cross-site")
    }

    /// The members of a form.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        pairs(&String::from_utf8_lossy(&self.raw))
    }

    /// What tells this request from another with the same id. Passwords do not count, so that it gives none away.
    pub(super) fn fingerprint(&self) -> String {
        let path: Vec<String> = self.segments.iter().map(|part| part.to_ascii_lowercase()).collect();
        let asked = format!("{} {} {}", self.method, path.join("/"), json::redacted(&self.body));
        hex(&Sha256::digest(asked))
    }
}

/// Whether a name of a host holds nothing else.
fn is_host(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
}

/// Whether a host, with a port or without, is this machine by its name or address.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .map_or(Some(name), |address| address.strip_suffix(']'))
        .and_then(|address| address.parse::<IpAddr>().ok());
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    is_host(&name)
        && (name == "localhost"
            || name.ends_with(".localhost")
            || address.is_some_and(|address| address.to_canonical().is_loopback()))
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// Text without percent signs; what is not encoded well stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            plain.push(byte);
            at += 3;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Text with percent signs, fit for a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

/// Bytes as digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs() {
        assert_eq!(decoded("a%20b%7B%c3%a9"), "a b{é");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%é"), "%é");
        assert_eq!(decoded(&encoded("{\"Field\": é}")), "{\"Field\": é}");
    }

    fn here(secure: bool) -> Arrival {
        Arrival {
            switch: crate::line::CutSwitch::default(),
            secure,
            local: ([127, 0, 0, 1], 8080).into(),
        }
    }

    #[test]
    fn only_this_machine_is_here() {
        for (host, origin, expected) in [
            ("localhost:8080", None, true),
            ("127.0.0.1:8080", Some("http://localhost:8080"), true),
            ("[::1]:8080", None, true),
            ("[::1]", None, true),
            ("LOCALHOST:8080", None, true),
            ("localhost.:8080", None, true),
            ("127.0.0.2", None, true),
            ("[::ffff:127.0.0.1]:8080", None, true),
            ("127.1", None, false),
            ("0.0.0.0:8080", None, false),
            ("127.0.0.1.attacker.example", None, false),
            ("127.0.0.1:8080", Some("http://localhost@attacker.example"), false),
            ("attacker.example:8080", None, false),
            ("localhost.attacker.example", None, false),
            ("127.0.0.1:8080", Some("https://attacker.example"), false),
            ("127.0.0.1:8080", Some("null"), false),
        ] {
            let mut head = axum::http::Request::get("/sandbox").header("host", host);
            if let Some(origin) = origin {
                head = head.header("origin", origin);
            }
            let head = head.body(()).expect("a request").into_parts().0;
            let request = HttpRequest::new(head, Vec::new(), &here(true), &Clock::held(0));
            assert_eq!(request.is_local(), expected, "{host} {origin:?}");
            assert_eq!(request.base, format!("https://{host}"));
        }
        // What is no name of a host, two of them, and one in the target that is another than that in the header.
        for (uri, hosts) in [
            ("/sandbox", &["127.0.0.1@attacker.example"][..]),
            ("/sandbox", &["127.0.0.1", "attacker.example"]),
            ("http://127.0.0.1/sandbox", &["attacker.example"]),
        ] {
            let mut head = axum::http::Request::get(uri);
            for host in hosts {
                head = head.header("host", *host);
            }
            let head = head.body(()).expect("a request").into_parts().0;
            let request = HttpRequest::new(head, Vec::new(), &here(true), &Clock::held(0));
            assert!(!request.is_local(), "{uri} {hosts:?}");
        }
    }

    #[test]
    fn queries_and_slashes() {
        let uri = "/v1//x/?Size=5&a=1&a=2&empty=";
        let head = axum::http::Request::get(uri)
            .body(())
            .expect("a request")
            .into_parts()
            .0;
        let request = HttpRequest::new(head, Vec::new(), &here(false), &Clock::held(0));
        assert_eq!(request.segments, ["v1", "x"]);
        assert_eq!(request.own, "/x?Size=5&a=1&a=2&empty=");
        assert_eq!(request.query("size"), Some("5"));
        assert_eq!(request.query("empty"), None);
        assert_eq!(request.query_all("A"), ["1", "2"]);
    }
}
