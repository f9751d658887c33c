//! Hosts that are this machine. They are compared as addresses, never as text: `127.0.0.1.example` begins as this machine does and
//! leads elsewhere.

use std::net::IpAddr;

/// Whether what is sent to a host stays on this machine: a loopback address, or `localhost`. Any other name may lead anywhere, and is
/// elsewhere whatever it leads to at the moment.
pub fn is_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_by_its_address() {
        for here in [
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "localhost",
            "LocalHost",
            "localhost.",
        ] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.localhost.example",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "db",
            "::ffff:10.0.0.1",
            "[::1",
            " localhost",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
