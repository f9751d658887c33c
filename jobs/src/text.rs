//! Rules about characters that hold for every cell.

/// Whether the text holds a control character (C0, DEL or C1).
#[inline]
pub(crate) fn has_control(text: &str) -> bool {
    // Every cell of every row comes by here, and most are a few letters of ASCII: eight bytes at a time, the
    // last eight perhaps twice.
    let bytes = text.as_bytes();
    let plain = match bytes.last_chunk::<8>() {
        Some(last) => {
            let words = bytes.chunks_exact(8).filter_map(|word| word.first_chunk::<8>());
            words.chain([last]).all(|word| is_plain(u64::from_le_bytes(*word)))
        }
        None => bytes.iter().all(|byte| (0x20..0x7F).contains(byte)),
    };
    !plain && text.chars().any(char::is_control)
}

/// Whether eight bytes are all ASCII and none of them a control character.
#[inline]
fn is_plain(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let delete = word ^ (ONES * 0x7F);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (word | below_space | is_delete) & HIGH == 0
}

/// Whether the text has a capital ASCII letter.
pub(crate) fn has_ascii_upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_seen() {
        for (text, expected) in [
            ("", false),
            ("Zoë Øst, Łódź · 北京", false),
            ("naïve £5 ¡olé!", false),
            ("a\0b", true),
            ("a\tb", true),
            ("a\u{7f}b", true),
            ("long enough for words, and then \u{7f}", true),
            ("long enough\tfor words, and then some", true),
            ("0123456\u{1f}", true),
            ("long enough for words, ~ and then some", false),
            ("a\u{85}b", true),
            ("e\u{301}\u{200f}", false),
        ] {
            assert_eq!(has_control(text), expected, "{text:?}");
        }
    }
}
