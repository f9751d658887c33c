//! Domain names, and the initial domain a new customer gets.

use std::borrow::Cow;

use crate::text::has_ascii_upper;

/// Suffixes of initial domains: the global cloud, US Government, and China (21Vianet). The German cloud is closed.
const SUFFIXES: [&str; 3] = [".onmicrosoft.com", ".onmicrosoft.us", ".partner.onmschina.cn"];

/// Whether the text is a domain name of at least two labels, in ASCII.
pub(crate) fn is_domain(text: &str) -> bool {
    let mut dots = 0;
    let mut label = 0;
    let mut previous = b'.';
    for byte in text.bytes() {
        match byte {
            b'.' if label == 0 || previous == b'-' => return false,
            b'.' => {
                dots += 1;
                label = 0;
            }
            b'-' if label == 0 => return false,
            b'-' => label += 1,
            _ if byte.is_ascii_alphanumeric() => label += 1,
            _ => return false,
        }
        if label > 63 {
            return false;
        }
        previous = byte;
    }
    dots > 0 && label > 1 && previous != b'-' && text.len() <= 253
}

/// What is wrong with the initial domain of a new customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DomainFault {
    /// A domain that is not an initial one.
    Suffix,
    /// The prefix has characters it must not have.
    Character,
    /// The prefix is empty or too long.
    Length,
}

impl DomainFault {
    /// What was expected instead.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            DomainFault::Suffix => "a prefix, or `prefix.onmicrosoft.com`; a customer's own domains come later",
            DomainFault::Character => "a prefix of letters, digits and hyphens, none of them at the ends",
            DomainFault::Length => "a prefix of 1 to 27 characters",
        }
    }
}

/// The whole initial domain, in lower case, for `prefix` or `prefix.onmicrosoft.com`.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn initial(text: &str) -> Result<Cow<'_, str>, Vec<DomainFault>> {
    let suffix = SUFFIXES.iter().find(|suffix| ends_with(text, suffix));
    let prefix = suffix.map_or(text, |suffix| &text[..text.len() - suffix.len()]);
    let mut faults = Vec::new();
    if suffix.is_none() && prefix.contains('.') {
        faults.push(DomainFault::Suffix);
    } else {
        if !(1..=27).contains(&prefix.chars().count()) {
            faults.push(DomainFault::Length);
        }
        let allowed = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !allowed || prefix.starts_with('-') || prefix.ends_with('-') {
            faults.push(DomainFault::Character);
        }
    }
    match suffix {
        _ if !faults.is_empty() => Err(faults),
        Some(_) if has_ascii_upper(text) => Ok(Cow::Owned(text.to_ascii_lowercase())),
        Some(_) => Ok(Cow::Borrowed(text)),
        None => Ok(Cow::Owned(prefix.to_ascii_lowercase() + SUFFIXES[0])),
    }
}

fn ends_with(text: &str, suffix: &str) -> bool {
    let start = text.len().checked_sub(suffix.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_domains_from_other_text() {
        for domain in [
            "a.co",
            "alpenblick.onmicrosoft.com",
            "x-1.Example",
            "xn--bcher-kva.example",
        ] {
            assert!(is_domain(domain), "{domain}");
        }
        let long = format!("{}.example", "l".repeat(64));
        for text in [
            "", ".", "a", "a.", ".a", "a..b", "-a.de", "a-.de", "a.de-", "a_b.de", "a b.de", "ü.de", "a.b", &long,
        ] {
            assert!(!is_domain(text), "{text}");
        }
    }

    #[test]
    fn completes_initial_domains() {
        for (text, expected) in [
            ("alpenblick", Ok("alpenblick.onmicrosoft.com")),
            ("AlpenBlick", Ok("alpenblick.onmicrosoft.com")),
            ("alpenblick.OnMicrosoft.com", Ok("alpenblick.onmicrosoft.com")),
            ("alpenblick.onmicrosoft.us", Ok("alpenblick.onmicrosoft.us")),
            ("alpenblick.partner.onmschina.cn", Ok("alpenblick.partner.onmschina.cn")),
            ("alpenblick.example", Err(vec![DomainFault::Suffix])),
            ("a.b.onmicrosoft.com", Err(vec![DomainFault::Character])),
            ("alpen_blick", Err(vec![DomainFault::Character])),
            (
                "-alpenblick-hotel-und-restaurant",
                Err(vec![DomainFault::Length, DomainFault::Character]),
            ),
            (".onmicrosoft.com", Err(vec![DomainFault::Length])),
        ] {
            assert_eq!(initial(text).as_deref().map_err(Clone::clone), expected, "{text}");
        }
    }
}
