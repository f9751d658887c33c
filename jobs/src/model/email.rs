//! Syntax of e-mail addresses. Deliberately lenient: only a delivered message proves one.

/// The longest address SMTP can carry.
pub(crate) const MAX: usize = 254;

/// The domain of the address, if the text has the form of one.
pub(crate) fn domain(address: &str) -> Option<&str> {
    let (local, domain) = address.rsplit_once('@')?;
    let quoted = local.starts_with('"') && local.ends_with('"') && local.len() > 2;
    let local_ok = quoted || !local.is_empty() && !local.bytes().any(|b| b <= b' ' || b"@,;:<>()[]\\\"".contains(&b));
    let dotted = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    let domain_ok = dotted && !domain.bytes().any(|b| b <= b' ' || b"@,;:<>()[]\\\"_!/".contains(&b));
    (local_ok && domain_ok).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_addresses_from_other_text() {
        for (text, expected) in [
            ("nora@fjordbakeri.example", Some("fjordbakeri.example")),
            ("n.o-ra+hr@mail.fjord.example", Some("mail.fjord.example")),
            ("zoë@bücher.example", Some("bücher.example")),
            ("nora", None),
            ("nora@", None),
            ("@fjord.example", None),
            ("nora@fjord", None),
            ("nora@fjord..example", None),
            ("nora@fjord.example.", None),
            ("nora @fjord.example", None),
            ("a@b.example;c@d.example", None),
            ("Nora <nora@fjord.example>", None),
        ] {
            assert_eq!(domain(text), expected, "{text}");
        }
    }
}
