//! Finding a country by what people write.

pub(crate) use super::countries::{COUNTRIES, Country};
use super::country_names::NAMES;
pub(crate) use super::states::state;
use crate::nearest;

/// The country of an alpha-2 code, in any case.
pub(crate) fn by_code(code: &str) -> Option<&'static Country> {
    let [first, second] = code.as_bytes() else {
        return None;
    };
    let slot = slot(first.to_ascii_uppercase(), second.to_ascii_uppercase())?;
    COUNTRIES.get(BY_CODE[slot] as usize)
}

/// The country of a name: English, an alpha-3 code, sometimes the country's own. ASCII case is ignored.
pub(crate) fn by_name(name: &str) -> Option<&'static Country> {
    let found = NAMES.binary_search_by(|(known, _)| {
        let written = name.bytes().map(|byte| byte.to_ascii_lowercase());
        known.bytes().cmp(written)
    });
    by_code(NAMES[found.ok()?].1)
}

/// The code that was probably meant by a text that is not one.
pub(crate) fn near(text: &str) -> Option<&'static str> {
    if let Some(country) = by_name(text) {
        return Some(country.code);
    }
    if let Some(country) = with_code(text) {
        return Some(country.code);
    }
    // Any two letters are one edit away from some code, which would be a guess and not a hint.
    if text.chars().count() < 4 {
        return None;
    }
    let name = nearest(text, NAMES.iter().map(|(name, _)| *name).filter(|name| name.len() > 3))?;
    by_name(name).map(|country| country.code)
}

/// The country of a code and a name that say the same: `DE - Germany`, `Germany (DE)`, `DEU: Germany`.
fn with_code(text: &str) -> Option<&'static Country> {
    let is_letter = |c: char| c.is_alphabetic();
    let text = text.trim_matches(|c| !is_letter(c));
    let first = text.find(|c| !is_letter(c))?;
    let last = text.rfind(|c| !is_letter(c))?;
    let after_last = last + text[last..].chars().next().map_or(0, char::len_utf8);
    let agreed = |code: &str, name: &str| {
        let coded = match code.len() {
            2 => by_code(code),
            3 => by_name(code),
            _ => None,
        }?;
        let named = by_name(name.trim_matches(|c| !is_letter(c)))?;
        (coded == named).then_some(coded)
    };
    agreed(&text[..first], &text[first..]).or_else(|| agreed(&text[after_last..], &text[..after_last]))
}

/// The culture to use when the file names none: the only one of the country, or the one of `language`.
pub(crate) fn culture(country: &Country, language: &str) -> Option<&'static str> {
    match country.cultures {
        [only] if language.is_empty() => Some(only),
        several if !language.is_empty() => several
            .iter()
            .find(|culture| {
                culture
                    .split('-')
                    .next()
                    .is_some_and(|own| own.eq_ignore_ascii_case(language))
            })
            .copied(),
        _ => None,
    }
}

const fn slot(first: u8, second: u8) -> Option<usize> {
    if first.is_ascii_uppercase() && second.is_ascii_uppercase() {
        Some((first - b'A') as usize * 26 + (second - b'A') as usize)
    } else {
        None
    }
}

/// Position in [`COUNTRIES`] of every pair of letters; 255 (past the end) for those that are no code.
static BY_CODE: [u8; 26 * 26] = {
    let mut table = [u8::MAX; 26 * 26];
    let mut index = 0;
    while index < COUNTRIES.len() {
        let code = COUNTRIES[index].code.as_bytes();
        if let Some(slot) = slot(code[0], code[1]) {
            table[slot] = index as u8;
        }
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_country() {
        assert!(COUNTRIES.len() < usize::from(u8::MAX));
        for country in &COUNTRIES {
            assert_eq!(by_code(country.code), Some(country));
            assert_eq!(by_code(&country.code.to_lowercase()), Some(country));
            assert_eq!(by_name(country.name), Some(country), "{}", country.name);
            assert!(country.cultures.iter().all(|culture| culture.ends_with(country.code)));
        }
        for text in ["", "U", "UK", "XX", "DEU", "é", "D€"] {
            assert_eq!(by_code(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_sorted_and_lead_to_countries() {
        assert!(NAMES.is_sorted_by(|a, b| a.0.as_bytes() < b.0.as_bytes()));
        assert!(
            NAMES
                .iter()
                .all(|(name, code)| by_code(code).is_some() && by_code(name).is_none())
        );
    }

    #[test]
    fn hints_at_the_code_meant() {
        for (written, expected) in [
            ("UK", Some("GB")),
            ("Germany", Some("DE")),
            ("germny", Some("DE")),
            ("UNITED STATES", Some("US")),
            ("Österreich", Some("AT")),
            ("Cote d'Ivoire", Some("CI")),
            ("POL", Some("PL")),
            ("DE - Germany", Some("DE")),
            ("Germany (DE)", Some("DE")),
            ("Germany [de]", Some("DE")),
            ("DE – germany", Some("DE")),
            ("DEU: Germany", Some("DE")),
            ("(DE) Deutschland", Some("DE")),
            ("Guinea-Bissau (GW)", Some("GW")),
            ("Österreich/AT", Some("AT")),
            ("AT - Germany", None),
            ("Germany (AT)", None),
            ("DE - ", None),
            ("QQ", None),
            ("Atlantis", None),
        ] {
            assert_eq!(near(written), expected, "{written}");
        }
    }

    #[test]
    fn derives_a_culture_only_where_it_is_clear() {
        for (country, language, expected) in [
            ("DE", "", Some("de-DE")),
            ("DE", "de", Some("de-DE")),
            ("DE", "en", None),
            ("CH", "", None),
            ("CH", "FR", Some("fr-CH")),
            ("IN", "", None),
        ] {
            let found = by_code(country).and_then(|country| culture(country, language));
            assert_eq!(found, expected, "{country} {language}");
        }
    }
}
