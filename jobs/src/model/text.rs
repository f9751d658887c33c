//! Rules about characters that hold for every cell.

/// Whether the text holds a control character (C0, DEL or C1).
pub(crate) fn has_control(text: &str) -> bool {
    // One pass without branches, so that the compiler can use vector instructions; C1 controls start
    // with 0xC2 in UTF-8, as do a few harmless characters, so only then are characters looked at.
    let suspect = text.bytes().fold(0, |seen, byte| {
        seen | u8::from(byte < 0x20) | u8::from(byte == 0x7F) | u8::from(byte == 0xC2)
    });
    suspect != 0 && text.chars().any(char::is_control)
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
            ("a\u{85}b", true),
            ("e\u{301}\u{200f}", false),
        ] {
            assert_eq!(has_control(text), expected, "{text:?}");
        }
    }
}
