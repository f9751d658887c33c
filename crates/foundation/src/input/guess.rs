//! The encoding of a text that is neither UTF-8 nor UTF-16: guessed by its letters, and refused where the guess makes no
//! sense.
//!
//! Nothing in such a file says how it is encoded, and a wrong guess changes names in silence. So a guess is only taken if
//! the text it gives could be words, the reader says what the file was read as, and the submitter can name the encoding.

mod words;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

/// Signs that stand for nothing within or before a word, but are what a letter becomes that is read in a wrong encoding.
const NEVER_BEFORE_A_LETTER: &str = "£¥¦§©¬±²³¹¼½¾¶¸×÷¤¢µ¨¯®†‡ˆ˜‰›";
/// Signs that no table of people and places holds.
const NEVER_AT_ALL: &str = "¦¬¤¨¯¸";
/// Those that may follow a letter, as in `m²`, but no word of several.
const NEVER_AFTER_A_WORD: &str = "²³¹¼½¾¶¸¤¢µ¨¯ˆ˜¬¦";

/// The encoding of `bytes`, the part of a text that begins with the first word beyond ASCII. `whole` says that nothing
/// follows them.
///
/// # Errors
/// What of the text makes no sense in the likeliest encoding.
pub(super) fn guess(bytes: &[u8], whole: bool) -> Result<&'static Encoding, String> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, whole);
    let encoding = words::settle(bytes, detector.guess(None, Utf8Detection::Deny));
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    match oddity(&text) {
        None => Ok(encoding),
        Some(odd) => Err(format!(
            "this is neither UTF-8 nor UTF-16, and what it is cannot be told: in {}, the likeliest, {odd}; \
             save the file as UTF-8 (`CSV UTF-8` in Excel), or name its encoding with --encoding (`encoding` of a folder or schedule)",
            encoding.name()
        )),
    }
}

/// What cannot be meant in this text.
fn oddity(text: &str) -> Option<String> {
    // A character cut in two at the end is no oddity.
    let mut characters = text.trim_end_matches('\u{FFFD}').chars().peekable();
    let (mut before, mut last) = (' ', ' ');
    while let Some(now) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        if now == '\u{FFFD}' || ('\u{80}'..='\u{9F}').contains(&now) {
            return Some("some of its bytes stand for no character".to_owned());
        }
        if !now.is_ascii() {
            if NEVER_AT_ALL.contains(now) {
                return Some(format!("`{now}` would stand in a text"));
            }
            // ü in the encoding of old Macs is ź in windows-1250, which Polish has after a vowel or after d.
            let is_stray = now == 'ź' && last.is_ascii_alphabetic() && !"aeiouydAEIOUYD".contains(last);
            if is_stray || (now == '‘' && last.is_alphabetic()) || is_no_icelandic(last, now) {
                return Some(format!("`{now}` would follow `{last}`"));
            }
            let starts_word = NEVER_BEFORE_A_LETTER.contains(now) && next.is_alphabetic() && now != 'µ';
            let ends_word = NEVER_AFTER_A_WORD.contains(now) && last.is_lowercase() && before.is_alphabetic();
            if starts_word || ends_word {
                return Some(format!("`{now}` would stand in a word"));
            }
            if now.is_uppercase() && last.is_lowercase() && next.is_lowercase() {
                return Some(format!("`{now}` would stand within a word of small letters"));
            }
            let among = last.is_ascii_alphabetic() && next.is_ascii_lowercase();
            let beside = last.is_ascii_alphabetic() || next.is_ascii_alphabetic();
            if (is_other_script(now) && beside) || (is_east_asian(now) && among) {
                return Some(format!("`{now}` would stand among Latin letters"));
            }
        }
        (before, last) = (last, now);
    }
    None
}

/// Whether these two stand in no word of Icelandic or Faroese, the only languages with `þ` and `ð`: what Baltic letters become
/// in windows-1252.
fn is_no_icelandic(last: char, now: char) -> bool {
    let is_own = |c: char| c.is_ascii() || "áéíóúýæöøþðÁÉÍÓÚÝÆÖØÞÐ".contains(c);
    let is_special = |c: char| matches!(c, 'þ' | 'ð' | 'Þ' | 'Ð');
    let begins = !last.is_alphanumeric() && matches!(now, 'ð' | 'Ð');
    begins
        || (last.is_alphabetic()
            && ((is_special(now) && !is_own(last)) || (is_special(last) && now.is_alphabetic() && !is_own(now))))
}

/// Greek, Cyrillic, Hebrew and Arabic, which share no word with Latin letters.
fn is_other_script(letter: char) -> bool {
    letter.is_alphabetic() && matches!(letter, '\u{370}'..='\u{6FF}')
}

/// Ideographs, syllables and their punctuation, which may stand beside Latin letters, but not within their words.
fn is_east_asian(character: char) -> bool {
    matches!(character, '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{FFEF}' | '\u{20000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_by_their_letters() {
        for (label, text) in [
            ("windows-1250", "Łukasz,Žák,Zażółć gęślą jaźń,Příliš žluťoučký kůň\n"),
            ("windows-1250", "Łukasz,Wróbel\n"),
            ("windows-1252", "Müller,Günther,Straße 5\n"),
            ("windows-1252", "Zoé,Benoît,François,Île de Ré\n"),
            ("windows-1252", "Muñoz,Ibáñez,¿Qué?\n"),
            ("windows-1251", "Иванов,Пётр,Москва\n"),
            ("Shift_JIS", "山田,太郎,東京都千代田区\n"),
        ] {
            let encoding = Encoding::for_label(label.as_bytes()).expect("a label");
            let (bytes, _, lost) = encoding.encode(text);
            assert!(!lost, "{text}");
            let read = guess(&bytes, true).map(|guessed| guessed.decode_without_bom_handling(&bytes).0.into_owned());
            assert_eq!(read.as_deref(), Ok(text), "{label}");
        }
    }

    #[test]
    fn implausible_text_is_odd() {
        for text in [
            "£ukasz",
            "Micha³",
            "Å\u{81}ukasz",
            "JosÉphine",
            "MЧller",
            "ab\u{FFFD}cd",
            "J〉gen",
            "M〕ler",
            "Jźrgen",
            "Mźller",
            "Zo‘",
            "Bçrziòð",
            "Ðimkus",
            "Roþë",
            "¦\u{a0}k",
        ] {
            assert!(oddity(text).is_some(), "{text:?}");
        }
        for text in [
            "Müller, 25 m², £5, 20 °C, „Straße“, ¿Qué?, Élan, D'Élan, ÜBER, 5 µm, Иванов, Αθήνα, 株式会社ABC, Windowsサーバー",
            "Zoë\u{FFFD}",
            "Jón Þórðarson, Guðrún, Suðuroy, Bláð, Við Áir, ‘quoted’, gwóźdź, źdźbło, luźny, więźń, Łódź",
        ] {
            assert_eq!(oddity(text), None, "{text:?}");
        }
    }
}
