//! User principal names, by the rules of Entra ID.

use super::domain::is_domain;

/// The longest name, `@` and domain included.
pub(crate) const MAX: usize = 113;
/// The longest part before the `@`.
pub(crate) const MAX_LOCAL: usize = 64;

/// What is wrong with a user principal name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpnFault {
    /// Not of the form `name@domain`.
    Form,
    /// The name or the whole is too long.
    TooLong,
    /// The name holds a character that is not allowed.
    Character,
    /// The name begins or ends with a dot.
    Dot,
    /// What follows the `@` is not a domain.
    Domain,
}

impl UpnFault {
    /// What was expected instead.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            UpnFault::Form => "a user name like `ana@customer.onmicrosoft.com`",
            UpnFault::TooLong => "a user name of at most 64 characters before the `@` and 113 in all",
            UpnFault::Character => "a user name of only A-Z, a-z, 0-9 and ' . - _ ! # ^ ~ before the `@`",
            UpnFault::Dot => "a user name without a dot at the beginning or the end of the part before the `@`",
            UpnFault::Domain => "a user name with a domain like `customer.onmicrosoft.com` after the `@`",
        }
    }
}

/// Calls `fault` with everything that is wrong with `name`.
pub(crate) fn check(name: &str, mut fault: impl FnMut(UpnFault)) {
    let Some((local, domain)) = name.split_once('@') else {
        return fault(UpnFault::Form);
    };
    if local.is_empty() {
        fault(UpnFault::Form);
    }
    if longer(local, MAX_LOCAL) || longer(name, MAX) {
        fault(UpnFault::TooLong);
    }
    if !local.bytes().all(|byte| ALLOWED[usize::from(byte)]) {
        fault(UpnFault::Character);
    }
    if local.starts_with('.') || local.ends_with('.') {
        fault(UpnFault::Dot);
    }
    if !is_domain(domain) {
        fault(UpnFault::Domain);
    }
}

/// The part before the `@`, or all of a name without one.
pub(crate) fn local(name: &str) -> &str {
    name.split_once('@').map_or(name, |(local, _)| local)
}

fn longer(text: &str, max: usize) -> bool {
    text.len() > max && text.chars().count() > max
}

static ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(byte as u8, b'\'' | b'.' | b'-' | b'_' | b'!' | b'#' | b'^' | b'~');
        byte += 1;
    }
    allowed
};

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str) -> Vec<UpnFault> {
        let mut found = Vec::new();
        check(name, |fault| found.push(fault));
        found
    }

    #[test]
    fn reports_every_fault_of_a_name() {
        let long = "x".repeat(65);
        let domain = format!("{}.{}.example", "d".repeat(60), "e".repeat(50));
        for (name, expected) in [
            ("ana.o'neil_2!#^~-x@alpenblick.example", vec![]),
            ("ana", vec![UpnFault::Form]),
            ("@alpenblick.example", vec![UpnFault::Form]),
            ("", vec![UpnFault::Form]),
            ("josé@alpenblick.example", vec![UpnFault::Character]),
            ("a b@alpenblick.example", vec![UpnFault::Character]),
            (".ana@alpenblick", vec![UpnFault::Dot, UpnFault::Domain]),
            ("ana@b@c.example", vec![UpnFault::Domain]),
            (&format!("{long}@c.example"), vec![UpnFault::TooLong]),
            (&format!("ana@{domain}"), vec![UpnFault::TooLong]),
            (&format!("{long}@{domain}"), vec![UpnFault::TooLong]),
        ] {
            assert_eq!(faults(name), expected, "{name}");
        }
    }
}
