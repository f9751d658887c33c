//! Keys that people type, folded: two texts that people take for one name have one key.
//!
//! An external id, a tag, a part number or a text that is searched for is compared by [`fold`], a domain by [`domain`], a name
//! to sign in with by [`user_name`]. Databases fold letters in as many ways as they have locales, so none of them is asked
//! to: a key is made here and stored beside what was typed.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// The key of a text: without case, by Unicode's full case folding (`ẞ`, `ß` and `ss` are one), and composed (NFC).
#[inline]
pub fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(fold_unicode(text));
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

/// The key of a domain: as it stands in the DNS, `xn--…` where it has letters beyond ASCII. What is no domain is
/// [folded](fold) like any other text.
#[inline]
pub fn domain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return fold(text);
    }
    Cow::Owned(idna::domain_to_ascii(text).unwrap_or_else(|_| fold_unicode(text)))
}

/// The key of a name to sign in with, `name@domain`.
#[inline]
pub fn user_name(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return fold(text);
    }
    match text.rsplit_once('@') {
        Some((local, of)) => Cow::Owned(format!("{}@{}", fold(local), domain(of))),
        None => fold(text),
    }
}

/// The text with letters and their marks as one character each, where there is one (NFC).
#[inline]
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// Whether two texts have one key.
#[inline]
pub fn same(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    fold(one) == fold(other)
}

/// Whether two domains are one.
#[inline]
pub fn same_domain(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || domain(one) == domain(other)
}

/// Whether two names to sign in with are one.
#[inline]
pub fn same_user_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || user_name(one) == user_name(other)
}

/// Canonical caseless matching of the Unicode Standard (3.13, D145), but composed in the end: texts are shorter then, and
/// people see in a database what they know.
fn fold_unicode(text: &str) -> String {
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    let folded = CaseMapper::new().fold_string(&decomposed);
    ComposingNormalizerBorrowed::new_nfc().normalize(&folded).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_that_people_take_for_one_key_are_one() {
        for (one, other) in [
            ("KÖLN-1", "köln-1"),
            ("KO\u{308}LN-1", "köln-1"),
            ("İST-1", "i\u{307}st-1"),
            ("Ǆ-1", "ǅ-1"),
            ("ǆ-1", "ǅ-1"),
            ("STRASSE", "Straße"),
            ("STRAẞE", "straße"),
            ("ΟΔΟΣ", "οδος"),
            ("οδος", "οδοσ"),
            ("ΐ", "\u{3b9}\u{308}\u{301}"),
            ("\u{212a}-1", "k-1"),
            ("Ⓐ-1", "ⓐ-1"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("İST-1", "IST-1"),
            ("ıst-1", "ist-1"),
            ("köln", "koln"),
            ("A", "А"),
            ("½", "1/2"),
        ] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_domain_is_one_however_it_is_written() {
        for text in [
            "münchen.example",
            "MÜNCHEN.example",
            "mu\u{308}nchen.example",
            "xn--mnchen-3ya.example",
            "XN--MNCHEN-3YA.EXAMPLE",
        ] {
            assert_eq!(domain(text), "xn--mnchen-3ya.example", "{text}");
            let name = user_name(&format!("Ana.Núñez@{text}")).into_owned();
            assert_eq!(name, "ana.núñez@xn--mnchen-3ya.example", "{text}");
            assert!(same_domain(text, "münchen.example") && same_user_name(&name, &format!("ANA.NÚÑEZ@{text}")));
        }
        // In domains these are two.
        assert_ne!(domain("straße.example"), domain("strasse.example"));
        assert_eq!(domain("no domain: \u{fffd}Ö"), "no domain: \u{fffd}ö");
    }

    #[test]
    fn a_folded_text_is_not_copied() {
        for text in ["", "köln-1", "c-042", "u00ff@customer042.onmicrosoft.com"] {
            let is_ascii = text.is_ascii();
            assert_eq!(matches!(fold(text), Cow::Borrowed(_)), is_ascii, "{text}");
            assert_eq!(matches!(user_name(text), Cow::Borrowed(_)), is_ascii, "{text}");
        }
    }

    #[test]
    fn every_character_folds_once_and_for_all() {
        for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let text = character.to_string();
            let key = fold(&text).into_owned();
            assert_eq!(fold(&key), key, "{text:?}");
            // The dotless letter is one of its own, but its capital is that of the other.
            if character != 'ı' {
                assert_eq!(fold(&character.to_uppercase().to_string()), key, "{text:?}");
            }
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[A-Za-z0-9@.-]{0,12}",
            "[KÖöo\u{308}İıßẞsSǅΣςσΐ\u{345}\u{301}\u{308}ᾳ]{0,8}",
        ]
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in text()) {
            let key = fold(&text).into_owned();
            prop_assert_eq!(fold(&key), key.as_str());
            let name = user_name(&text).into_owned();
            prop_assert_eq!(user_name(&name), name.as_str());
            let of = domain(&text).into_owned();
            prop_assert_eq!(domain(&of), of.as_str());
        }

        #[test]
        fn forms_of_a_text_have_its_key(text in text()) {
            let key = fold(&text);
            let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(&text);
            let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&text);
            prop_assert_eq!(fold(&decomposed), key.as_ref());
            prop_assert_eq!(fold(&composed), key.as_ref());
            prop_assert!(same(&text, &key) && same(&composed, &decomposed));
        }

        #[test]
        fn ascii_is_folded_as_ever(text in "[ -~]{0,20}") {
            prop_assert_eq!(fold(&text), text.to_ascii_lowercase());
            let capitals = text.to_ascii_uppercase();
            prop_assert_eq!(fold(&capitals), text.to_ascii_lowercase());
            prop_assert_eq!(user_name(&text), text.to_ascii_lowercase());
            prop_assert_eq!(domain(&text), text.to_ascii_lowercase());
        }
    }
}
