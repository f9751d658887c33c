//! Postal codes, for the countries whose form we are sure of. Elsewhere any text will do.

/// Country and the forms its codes have: `9` a digit, `A` a letter; a blank may be left out.
const FORMS: &[(&str, &[&str])] = &[
    ("AT", &["9999"]),
    ("AU", &["9999"]),
    ("CA", &["A9A 9A9"]),
    ("CH", &["9999"]),
    ("DE", &["99999"]),
    ("FR", &["99999"]),
    (
        "GB",
        &["A9 9AA", "A99 9AA", "AA9 9AA", "AA99 9AA", "A9A 9AA", "AA9A 9AA"],
    ),
    ("IT", &["99999"]),
    ("NL", &["9999 AA"]),
    ("PL", &["99-999", "99999"]),
    ("PT", &["9999", "9999-999"]),
    ("US", &["99999", "99999-9999"]),
];

/// Countries that Partner Center's validation rules were seen to want a city and a postal code for.
pub(crate) fn wants_city_and_code(country: &str) -> bool {
    matches!(country, "PT" | "US")
}

/// What a postal code of that country looks like, if `code` does not.
pub(crate) fn fault(country: &str, code: &str) -> Option<String> {
    let (_, forms) = FORMS.iter().find(|(of, _)| *of == country)?;
    if forms.iter().any(|form| matches(form, code)) {
        return None;
    }
    let forms: Vec<String> = forms.iter().map(|form| format!("`{form}`")).collect();
    Some(format!(
        "a postal code of the form {} (9 a digit, A a letter)",
        forms.join(" or ")
    ))
}

fn matches(form: &str, code: &str) -> bool {
    let mut rest = code.bytes().peekable();
    for wanted in form.bytes() {
        let fits = |byte: &u8| match wanted {
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_alphabetic(),
            other => *byte == other,
        };
        if rest.next_if(fits).is_none() && wanted != b' ' {
            return false;
        }
    }
    rest.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_held_to_the_form_of_their_country() {
        for (country, code, good) in [
            ("US", "98052", true),
            ("US", "98052-1234", true),
            ("US", "980521234", false),
            ("CA", "K1A 0B1", true),
            ("CA", "k1a0b1", true),
            ("GB", "SW1A 1AA", true),
            ("GB", "M11AE", true),
            ("GB", "12345", false),
            ("DE", "80331", true),
            ("DE", "D-80331", false),
            ("PL", "00-950", true),
            ("IE", "anything", true),
        ] {
            assert_eq!(fault(country, code).is_none(), good, "{country} {code}");
        }
    }
}
