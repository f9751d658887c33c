//! Addresses of services: which may be called, and which are on this machine.
//!
//! They are parsed as the client that connects parses them, and compared by their parts: `http://127.0.0.1.example` and
//! `http://localhost@example` begin as this machine's do and lead elsewhere.

use reqwest::Url;

/// What is expected of an address that does not do: of a service that is given credentials it begins with `https`, unless it is on this
/// machine, and holds no credentials itself.
pub fn fault(address: &str) -> Option<&'static str> {
    // Parsers differ over a `\`: what this one takes for a path, another takes for a user and a password.
    if address.contains('\\') {
        return Some("expected an address without `\\`");
    }
    let Ok(url) = Url::parse(address) else {
        return Some("expected `https://…`, or `http://` to this machine");
    };
    if !(url.scheme() == "https" || (url.scheme() == "http" && is_here(&url))) {
        return Some("expected `https://…`, or `http://` to this machine");
    }
    if !url.username().is_empty() || url.password().is_some() || address.contains('@') {
        return Some("expected an address without a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("expected an address without `?` and `#`");
    }
    None
}

/// Whether an address is on this machine.
pub(super) fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(tenantry_foundation::host::is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_https_or_of_this_machine() {
        for does in [
            "https://api.example",
            "https://api.example:8443/x",
            "http://127.0.0.1:80",
            "http://127.1.2.3",
            "http://localhost:9/v1",
            "http://LOCALHOST",
            "http://[::1]:1",
        ] {
            assert_eq!(fault(does), None, "{does}");
        }
        for not in [
            "",
            "api.example",
            "http://api.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1@evil.example",
            "http://localhost:80@evil.example",
            "http://[::1].evil.example",
            "http://evil.example#127.0.0.1",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "https://user:S3CRET@api.example",
            "https://S3CRET@api.example",
            "https://api.example?x=S3CRET",
            "https://api.example#S3CRET",
            "https://127.0.0.1:1\\@u:S3CRET@h",
            "https://127.0.0.1:1/@u:S3CRET@h",
        ] {
            let told = fault(not);
            assert!(told.is_some_and(|told| !told.contains("S3CRET")), "{not}");
        }
    }
}
