//! The rules of a customer's profile fields, the same for a new customer and for a change.

use std::borrow::Cow;

use super::{company_name, country, email, list, postal};
use crate::faults::Faults;
use crate::{CustomerField, code};

/// Most tags a customer can have.
const MAX_TAGS: usize = 150;
/// Longest tag.
const MAX_TAG: usize = 50;
/// Most digits an international number has is 15; the rest is punctuation and an extension.
const MAX_PHONE: usize = 64;
/// The shortest numbers that a company can be called on have so many digits.
const LEAST_DIGITS: usize = 3;

/// Checks a value that is not empty and gives it the form the store keeps.
pub(crate) fn normal<'a>(faults: &mut Faults, column: usize, field: CustomerField, value: &'a str) -> Cow<'a, str> {
    use CustomerField as F;
    let before = faults.count();
    faults.check_line(column, value, longest(field));
    if faults.count() > before {
        return Cow::Borrowed(value);
    }
    match field {
        F::CompanyName => {
            if let Some(expected) = company_name::fault(value) {
                faults.add(column, code::INVALID, value, expected);
            }
        }
        F::Email => check_email(faults, column, value),
        F::Phone => {
            let digits = value.bytes().filter(u8::is_ascii_digit).count();
            if digits < LEAST_DIGITS || is_decimal(value) {
                faults.add(column, code::INVALID, value, "a phone number like `+49 89 1234567`");
            }
        }
        F::Country => return Cow::Borrowed(country_code(faults, column, value)),
        F::Culture => return culture(faults, column, value),
        F::Language => return language(faults, column, value),
        F::Tags => return tags(faults, column, value),
        F::PostalCode => {
            if is_decimal(value) {
                faults.add(
                    column,
                    code::INVALID,
                    value,
                    "a postal code, not a number with a fraction",
                );
            }
        }
        F::FirstName | F::LastName | F::AddressLine1 | F::AddressLine2 | F::City | F::State => {}
    }
    Cow::Borrowed(value)
}

/// Whether a spreadsheet has made a number with a fraction of it, as `1,5` of a phone number and `98116.5` of a postal code.
pub(crate) fn is_decimal(value: &str) -> bool {
    // What has more digits is a phone number with a dot in it.
    let is_number =
        |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = value.split_once(['.', ',']);
    parts.is_some_and(|(whole, fraction)| is_number(whole, 6) && is_number(fraction, 2))
}

/// The upper-case code of a country written as a code; names only make a hint.
pub(crate) fn country_code<'a>(faults: &mut Faults, column: usize, value: &'a str) -> &'a str {
    if let Some(country) = country::by_code(value) {
        return country.code;
    }
    let expected = "an ISO 3166-1 country code of two letters";
    faults.add_near(column, code::UNKNOWN_COUNTRY, value, (expected, country::near(value)));
    value
}

/// The code of a state, where the country's states are known.
pub(crate) fn state<'a>(faults: &mut Faults, column: usize, country: &str, value: &'a str) -> &'a str {
    country::state(country, value).unwrap_or_else(|near| {
        let expected = format!("a state or province of {country}");
        faults.add_near(column, code::UNKNOWN_STATE, value, (expected, near));
        value
    })
}

/// Checks a postal code against the form of its country.
pub(crate) fn postal_code(faults: &mut Faults, column: usize, country: &str, value: &str) {
    if let Some(expected) = postal::fault(country, value) {
        faults.add(column, code::INVALID, value, expected);
    }
}

fn longest(field: CustomerField) -> usize {
    use CustomerField as F;
    match field {
        F::FirstName | F::LastName => 50,
        F::AddressLine1 | F::AddressLine2 => 200,
        F::Email => email::MAX,
        F::Phone => MAX_PHONE,
        F::PostalCode => 40,
        F::City | F::State => 128,
        F::CompanyName => 256,
        F::Tags => MAX_TAGS * (MAX_TAG + 2),
        // These have forms of their own, which say more than a length.
        F::Country | F::Culture | F::Language => usize::MAX,
    }
}

fn check_email(faults: &mut Faults, column: usize, value: &str) {
    match email::domain(value) {
        None => faults.add(column, code::INVALID, value, "an e-mail address"),
        Some(domain) if domain.eq_ignore_ascii_case("microsoft.com") => {
            faults.add(
                column,
                code::INVALID,
                value,
                "an address of the customer's own, which none of microsoft.com is",
            );
        }
        Some(_) => {}
    }
}

fn culture<'a>(faults: &mut Faults, column: usize, value: &'a str) -> Cow<'a, str> {
    let parts: Vec<&str> = value.split('-').collect();
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let language_ok = |part: &str| matches!(part.len(), 2 | 3) && letters(part);
    let normal = match parts.as_slice() {
        [language, region] if language_ok(language) && country::by_code(region).is_some() => {
            format!("{}-{}", language.to_ascii_lowercase(), region.to_ascii_uppercase())
        }
        [language, script, region]
            if language_ok(language) && script.len() == 4 && letters(script) && country::by_code(region).is_some() =>
        {
            let (first, rest) = script.split_at(1);
            let script = first.to_ascii_uppercase() + &rest.to_ascii_lowercase();
            format!(
                "{}-{script}-{}",
                language.to_ascii_lowercase(),
                region.to_ascii_uppercase()
            )
        }
        _ => {
            faults.add(
                column,
                code::INVALID,
                value,
                "a culture like `de-CH`: language, then country",
            );
            return Cow::Borrowed(value);
        }
    };
    if normal == value {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(normal)
    }
}

fn language<'a>(faults: &mut Faults, column: usize, value: &'a str) -> Cow<'a, str> {
    let two_letters = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !two_letters(value) {
        let start = value
            .split('-')
            .next()
            .filter(|start| two_letters(start))
            .map(str::to_ascii_lowercase);
        faults.add_near(
            column,
            code::INVALID,
            value,
            ("a language of two letters, like `de`", start.as_deref()),
        );
    } else if crate::text::has_ascii_upper(value) {
        return Cow::Owned(value.to_ascii_lowercase());
    }
    Cow::Borrowed(value)
}

fn tags<'a>(faults: &mut Faults, column: usize, value: &'a str) -> Cow<'a, str> {
    let tags = list::distinct(value);
    if tags.len() > MAX_TAGS {
        faults.add(
            column,
            code::TOO_MANY,
            value,
            format!("a list of at most {MAX_TAGS} tags"),
        );
    }
    for tag in tags.iter().filter(|tag| tag.chars().count() > MAX_TAG) {
        faults.add(
            column,
            code::TOO_LONG,
            tag,
            format!("a tag of at most {MAX_TAG} characters"),
        );
    }
    list::normal(value)
}
