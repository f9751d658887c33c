//! Yes and no, in the words that people and spreadsheets write.
//!
//! Excel writes a truth value in the language of its user. Only words with one meaning in all these languages are here.

#[rustfmt::skip]
const YES: &[&str] = &[
    "y", "1", "ja", "wahr", "oui", "vrai", "sí", "si", "sì", "verdadero", "vero", "sim", "verdadeiro", "waar", "sant",
    "sand", "sann", "tosi", "kyllä", "tak", "prawda", "igaz", "igen", "да", "истина", "ano", "áno", "pravda", "da",
    "adevărat", "evet", "doğru", "ναι", "αληθής", "αληθησ", "αληθης", "так", "істина", "jah", "tõene", "jā", "taip",
    "vertader", "cert", "是", "はい", "예", "כן", "نعم",
];

#[rustfmt::skip]
const NO: &[&str] = &[
    "n", "0", "nein", "falsch", "non", "faux", "falso", "não", "nao", "nee", "onwaar", "nej", "falskt", "falsk", "nei",
    "usann", "epätosi", "ei", "nie", "fałsz", "hamis", "nem", "нет", "ложь", "ne", "nepravda", "nu", "fals", "hayır",
    "hayir", "yanlış", "yanliş", "όχι", "οχι", "ψευδής", "ψευδησ", "ψευδης", "ні", "хибність", "väär", "nē", "否", "いいえ",
    "아니요", "아니오", "לא", "لا",
];

/// What the word says, if it says yes or no. Case is ignored; `yes`, `no`, `true` and `false` are compared first.
#[inline]
pub(crate) fn parse(written: &str) -> Option<bool> {
    let is = |words: [&str; 2]| words.iter().any(|word| word.eq_ignore_ascii_case(written));
    if is(["yes", "true"]) {
        return Some(true);
    }
    if is(["no", "false"]) {
        return Some(false);
    }
    foreign(written)
}

#[cold]
fn foreign(written: &str) -> Option<bool> {
    const LONGEST: usize = 24;
    if written.len() > LONGEST {
        return None;
    }
    let word = written.to_lowercase();
    if YES.contains(&word.as_str()) {
        return Some(true);
    }
    NO.contains(&word.as_str()).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_languages_of_excel() {
        for word in [
            "yes",
            "TRUE",
            "ja",
            "WAHR",
            "VRAI",
            "Sí",
            "SÍ",
            "VERDADERO",
            "ИСТИНА",
            "1",
            "Y",
            "Ano",
            "ÁNO",
            "PRAVDA",
            "Da",
            "ADEVĂRAT",
            "Evet",
            "DOĞRU",
            "ΑΛΗΘΗΣ",
            "Ναι",
            "是",
        ] {
            assert_eq!(parse(word), Some(true), "{word}");
        }
        for word in [
            "No",
            "false",
            "Nein",
            "FALSCH",
            "FAUX",
            "FALSO",
            "ONWAAR",
            "EPÄTOSI",
            "FAŁSZ",
            "0",
            "n",
            "Ne",
            "NEPRAVDA",
            "HAYIR",
            "Hayır",
            "YANLIŞ",
            "ΨΕΥΔΗΣ",
            "ΟΧΙ",
            "Nu",
            "否",
        ] {
            assert_eq!(parse(word), Some(false), "{word}");
        }
        for word in ["", "x", "2", "01", "maybe", "yesno", "on", "-", "oui non"] {
            assert_eq!(parse(word), None, "{word}");
        }
    }

    #[test]
    fn no_word_says_both() {
        assert!(YES.iter().all(|word| !NO.contains(word)));
    }
}
