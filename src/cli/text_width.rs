//! The width of texts on a terminal: letters of East Asia take two cells, and marks that stand on other letters none.
//!
//! The ranges are those of `wcwidth`, by which terminals go; emoji count as two cells.

/// Characters that take no cell: combining marks, joiners, and what only formats.
const NONE: [(char, char); 44] = [
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{5bf}', '\u{5bf}'),
    ('\u{5c1}', '\u{5c2}'),
    ('\u{5c4}', '\u{5c5}'),
    ('\u{5c7}', '\u{5c7}'),
    ('\u{610}', '\u{61a}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{670}', '\u{670}'),
    ('\u{6d6}', '\u{6dc}'),
    ('\u{6df}', '\u{6e4}'),
    ('\u{6e7}', '\u{6e8}'),
    ('\u{6ea}', '\u{6ed}'),
    ('\u{901}', '\u{902}'),
    ('\u{93c}', '\u{93c}'),
    ('\u{941}', '\u{948}'),
    ('\u{94d}', '\u{94d}'),
    ('\u{951}', '\u{957}'),
    ('\u{981}', '\u{981}'),
    ('\u{9bc}', '\u{9bc}'),
    ('\u{9c1}', '\u{9c4}'),
    ('\u{9cd}', '\u{9cd}'),
    ('\u{bc0}', '\u{bc0}'),
    ('\u{bcd}', '\u{bcd}'),
    ('\u{e31}', '\u{e31}'),
    ('\u{e34}', '\u{e3a}'),
    ('\u{e47}', '\u{e4e}'),
    ('\u{eb1}', '\u{eb1}'),
    ('\u{eb4}', '\u{ebc}'),
    ('\u{ec8}', '\u{ece}'),
    ('\u{1160}', '\u{11ff}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{20d0}', '\u{20ff}'),
    ('\u{302a}', '\u{302d}'),
    ('\u{3099}', '\u{309a}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{fe20}', '\u{fe2f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{e0100}', '\u{e01ef}'),
];

/// Characters that take two cells.
const TWO: [(char, char); 17] = [
    ('\u{1100}', '\u{115f}'),
    ('\u{2e80}', '\u{303e}'),
    ('\u{3041}', '\u{3247}'),
    ('\u{3250}', '\u{4dbf}'),
    ('\u{4e00}', '\u{a4cf}'),
    ('\u{a960}', '\u{a97f}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff01}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{16fe0}', '\u{18dff}'),
    ('\u{1b000}', '\u{1b2ff}'),
    ('\u{1f300}', '\u{1f64f}'),
    ('\u{1f680}', '\u{1f6ff}'),
    ('\u{1f900}', '\u{1faff}'),
    ('\u{20000}', '\u{3fffd}'),
];

/// The cells that a text takes.
pub(super) fn text_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The cells that a character takes.
pub(super) fn char_width(character: char) -> usize {
    if character < '\u{300}' {
        return 1;
    }
    match (is_in(&NONE, character), is_in(&TWO, character)) {
        (true, _) => 0,
        (false, true) => 2,
        (false, false) => 1,
    }
}

/// A text with spaces after it, up to that width.
pub(super) fn padded(text: &str, width: usize) -> String {
    let spaces = width.saturating_sub(text_width(text));
    format!("{text}{:spaces$}", "")
}

fn is_in(ranges: &[(char, char)], character: char) -> bool {
    let after = ranges.partition_point(|(_, last)| *last < character);
    ranges.get(after).is_some_and(|(first, _)| *first <= character)
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

    #[test]
    fn ranges_are_in_order_and_apart() {
        for ranges in [NONE.as_slice(), &TWO] {
            assert!(ranges.iter().all(|(first, last)| first <= last));
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
