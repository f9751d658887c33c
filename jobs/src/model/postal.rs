//! Postal codes, for the countries whose form we are sure of. Elsewhere any text will do.

/// Country and the forms its codes have: `9` a digit, `A` a letter; a blank may be left out.
const FORMS: &[(&str, &[&str])] = &[
    ("AT", &["9999"]),
    ("AU", &["9999"]),
    ("BE", &["9999"]),
    ("BG", &["9999"]),
    ("BR", &["99999-999", "99.999-999", "99999999"]),
    ("CA", &["A9A 9A9"]),
    ("CH", &["9999"]),
    ("CN", &["999999"]),
    ("CY", &["9999"]),
    ("CZ", &["999 99"]),
    ("DE", &["99999"]),
    ("DK", &["9999"]),
    ("EE", &["99999"]),
    ("ES", &["99999"]),
    ("FI", &["99999", "FI-99999"]),
    ("FR", &["99999"]),
    (
        "GB",
        &["A9 9AA", "A99 9AA", "AA9 9AA", "AA99 9AA", "A9A 9AA", "AA9A 9AA"],
    ),
    ("GR", &["999 99"]),
    ("HR", &["99999"]),
    ("HU", &["9999"]),
    ("IN", &["999 999"]),
    ("IS", &["999"]),
    ("IT", &["99999"]),
    ("JP", &["999-9999", "9999999"]),
    ("KR", &["99999", "999-999"]),
    ("LI", &["9999"]),
    ("LT", &["99999", "LT-99999"]),
    ("LU", &["9999", "L-9999"]),
    ("LV", &["9999", "LV-9999"]),
    ("MX", &["99999"]),
    ("NL", &["9999 AA"]),
    ("NO", &["9999"]),
    ("NZ", &["9999"]),
    ("PL", &["99-999", "99999"]),
    ("PT", &["9999", "9999-999"]),
    ("RO", &["999999"]),
    ("SE", &["999 99", "SE-999 99"]),
    ("SG", &["999999"]),
    ("SI", &["9999", "SI-9999"]),
    ("SK", &["999 99"]),
    ("TR", &["99999"]),
    ("US", &["99999", "99999-9999"]),
    ("ZA", &["9999"]),
];

/// Countries that Partner Center's validation rules were seen to want a city and a postal code for.
pub(crate) fn wants_city_and_code(country: &str) -> bool {
    matches!(country, "PT" | "US")
}

/// What a postal code of that country looks like, if `code` does not.
pub fn fault(country: &str, code: &str) -> Option<String> {
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
            other => byte.eq_ignore_ascii_case(&other),
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
            // A spreadsheet has taken the zero in front, or made a number of it.
            ("NO", "155", false),
            ("DE", "1067", false),
            ("ES", "8001", false),
            ("CH", "38", false),
            ("US", "98116.5", false),
            ("SE", "123 45", true),
            ("SE", "12345", true),
            ("LV", "lv-1010", true),
            ("LT", "LT-01108", true),
            ("BR", "01310-100", true),
            ("BR", "01.310-100", true),
            ("JP", "100-0001", true),
            ("IE", "anything", true),
        ] {
            assert_eq!(fault(country, code).is_none(), good, "{country} {code}");
        }
    }
}
