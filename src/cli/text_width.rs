//! The width of texts on a terminal: letters of East Asia take two cells, and marks that stand on other letters none.
//!
//! As terminals mostly have it; emoji take two cells.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The cells that a text takes.
pub(super) fn text_width(text: &str) -> usize {
    text.width()
}

/// The cells that a character takes by itself.
pub(super) fn char_width(character: char) -> usize {
    // What controls a terminal was replaced before, and would take one.
    character.width().unwrap_or(1)
}

/// A text with spaces after it, up to that width.
pub(super) fn padded(text: &str, width: usize) -> String {
    let spaces = width.saturating_sub(text_width(text));
    format!("{text}{:spaces$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_east_asia_take_two_cells_and_marks_none() {
        for (text, width) in [
            ("", 0),
            ("Köln", 4),
            ("Ko\u{308}ln", 4),
            ("株式会社", 8),
            ("ｶﾌﾞ", 3),
            ("한국", 4),
            ("ไทยนี้", 4),
            ("ΑΒΓ", 3),
            ("a\u{200b}b", 2),
            ("🙂", 2),
        ] {
            assert_eq!(text_width(text), width, "{text}");
        }
        assert_eq!(padded("東京", 6), "東京  ");
        assert_eq!(padded("東京", 3), "東京");
    }
}
