//! Error values of spreadsheets: that it could not be calculated, in the language of the user who calculates, or that
//! there is no room to show it. As the display text gets into files that are saved as CSV, nothing else tells it from a value.

/// In English, and in every language whose Excel has words of its own. `LibreOffice` and Google have the same and a few more.
#[rustfmt::skip]
const ERRORS: &[&str] = &[
    // English, which Chinese, Japanese, Korean and other editions write as well.
    "#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!",
    "#CONNECT!", "#UNKNOWN!", "#BUSY!", "#GETTING_DATA", "#PYTHON!", "#EXTERNAL!", "#TIMEOUT!", "#ERROR!",
    // German.
    "#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#ÜBERLAUF!", "#KALK!",
    // French.
    "#NOM?", "#VALEUR!", "#NOMBRE!", "#NUL!", "#PROPAGATION!", "#CALCUL!",
    // Spanish.
    "#¿NOMBRE?", "#¡REF!", "#¡VALOR!", "#¡DIV/0!", "#¡NUM!", "#¡NULO!", "#DESBORDAMIENTO!", "#¡DESBORDAMIENTO!",
    // Italian.
    "#N/D", "#NOME?", "#RIF!", "#VALORE!", "#NULLO!", "#ESPANSIONE!",
    // Portuguese.
    "#VALOR!", "#NÚM!", "#NULO!",
    // Dutch.
    "#N/B", "#WAARDE!", "#NAAM?", "#VERW!", "#GETAL!", "#LEEG!", "#DEEL/0!", "#OVERLOOP!",
    // Polish.
    "#N/D!", "#ARG!", "#ADR!", "#LICZBA!", "#NAZWA?", "#DZIEL/0!", "#ZERO!",
    // Swedish, Danish, Norwegian.
    "#SAKNAS!", "#VÄRDEFEL!", "#REFERENS!", "#NAMN?", "#DIVISION/0!", "#OGILTIGT!", "#SKÄRNING!", "#I/T", "#VÆRDI!",
    "#VERDI!", "#NAVN?", "#REFERENCE!",
    // Finnish.
    "#PUUTTUU!", "#ARVO!", "#VIITTAUS!", "#NIMI?", "#LUKU!", "#JAKO/0!", "#TYHJÄ!",
    // Czech and Slovak.
    "#NENÍ_K_DISPOZICI", "#HODNOTA!", "#NÁZEV?", "#ČÍSLO!", "#ODKAZ!", "#DĚLENÍ_NULOU!", "#NEDOSTUPNÝ", "#NÁZOV?",
    "#DELENIENULOU!", "#NEPLATNÝ!",
    // Hungarian.
    "#HIÁNYZIK", "#ÉRTÉK!", "#NÉV?", "#SZÁM!", "#HIV!", "#ZÉRÓOSZTÓ!", "#NULLA!",
    // Romanian.
    "#NUME?", "#VALOARE!",
    // Croatian and Slovenian.
    "#VRIJ!", "#NAZIV?", "#BROJ!", "#DIJ/0!", "#N/V", "#VREDN!", "#IME?", "#ŠTEV!", "#SKLIC!", "#DEL/0!", "#NIČ!",
    // Turkish.
    "#YOK", "#DEĞER!", "#AD?", "#SAYI!", "#BAŞV!", "#SAYI/0!", "#BOŞ!",
    // Greek.
    "#Δ/Υ", "#ΤΙΜΗ!", "#ΟΝΟΜΑ?", "#ΑΡΙΘ!", "#ΑΝΑΦ!", "#ΔΙΑΙΡ./0!", "#ΚΕΝΟ!",
    // Russian.
    "#Н/Д", "#ЗНАЧ!", "#ССЫЛКА!", "#ИМЯ?", "#ДЕЛ/0!", "#ЧИСЛО!", "#ПУСТО!",
];

/// Whether the text, which begins with `#`, `E` or `F`, is one of them, or a cell that is too narrow.
pub(super) fn is_error(text: &str) -> bool {
    let Some(marked) = text.strip_prefix('#') else {
        return is_numbered(text);
    };
    (!marked.is_empty() && marked.bytes().all(|byte| byte == b'#')) || ERRORS.iter().any(|error| is_same(error, text))
}

/// `Err:502`, as `LibreOffice` writes what it has no word for.
fn is_numbered(text: &str) -> bool {
    // Many names begin so, and few end in a digit.
    if !text.as_bytes().last().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let mut words = ["Err:", "Fehler:", "Erreur :", "Errore:"].iter();
    let number = words.find_map(|word| text.strip_prefix(word));
    number.is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether two texts differ in case alone.
fn is_same(one: &str, other: &str) -> bool {
    let lower = |text: &'_ str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    one.eq_ignore_ascii_case(other) || (!other.is_ascii() && lower(one) == lower(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_known_in_the_languages_of_spreadsheets() {
        assert!(ERRORS.iter().all(|error| is_error(error)));
        for text in [
            "##",
            "########",
            "#name?",
            "#überlauf!",
            "#Überlauf!",
            "#värdefel!",
            "#núm!",
            "#знач!",
            "#DĚLENÍ_NULOU!",
            "#yok",
            "#ERROR!",
            "Err:502",
            "Err:529",
            "Fehler:508",
        ] {
            assert!(is_error(text), "{text}");
        }
        for text in [
            "#",
            "#1",
            "#4 High Street",
            "#Ü1",
            "#hashtag",
            "#WOW!",
            "#yoks",
            "#N/A?",
            "Err:",
            "Err:50",
            "Err:5020",
            "Err:abc",
            "Errol",
            "Fehler",
            "Eva",
            "Fabio",
            "Err: 502",
        ] {
            assert!(!is_error(text), "{text}");
        }
    }
}
