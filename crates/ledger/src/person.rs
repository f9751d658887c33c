//! Names of people: what may be one, and when two of them are one person's.
//!
//! A name that is typed proves nothing about who types it. But it is read by others, who take it for what it looks like; so no name has what
//! nobody sees, breaks a line, or mixes letters of scripts that look alike, and names that look alike are taken for one person's.

use tenantry_jobs::{is_invisible, key};
use thiserror::Error;

/// Characters that a name has at most.
const LONGEST: usize = 200;

/// Why something is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAName {
    /// There is nothing.
    #[error("expected a name, found nothing")]
    Empty,
    /// There is too much of it.
    #[error("expected a name of at most {LONGEST} characters")]
    Long,
    /// Something in it is not seen, or is no part of a line.
    #[error("expected a name without {0}; character {1} is U+{2:04X}")]
    Unseen(&'static str, usize, u32),
    /// Letters of several scripts that look alike.
    #[error("expected a name written in one script; `{0}` is {1} and `{2}` is {3}, which look alike")]
    Mixed(char, &'static str, char, &'static str),
}

/// The name, without blanks around it.
pub fn named(text: &str) -> Result<String, NotAName> {
    let name = text.trim_matches(' ');
    if name.is_empty() {
        return Err(NotAName::Empty);
    }
    if name.chars().count() > LONGEST {
        return Err(NotAName::Long);
    }
    let mut first: Option<(char, &'static str)> = None;
    for (at, c) in name.chars().enumerate() {
        let fault = |what| Err(NotAName::Unseen(what, at + 1, c as u32));
        if matches!(c, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}') {
            return fault("line breaks");
        }
        if c.is_control() {
            return fault("control characters");
        }
        if is_invisible(c) {
            return fault("invisible characters");
        }
        if c != ' ' && c.is_whitespace() {
            return fault("blanks but the usual one");
        }
        if is_disguised(c) {
            return fault("letters in disguise");
        }
        let Some(script) = script(c) else { continue };
        match first {
            Some((other, of)) if of != script => return Err(NotAName::Mixed(other, of, c, script)),
            Some(_) => {}
            None => first = Some((c, script)),
        }
    }
    Ok(name.to_owned())
}

/// Whether two names are one person's: they differ by no more than case and blanks, or by what looks alike.
pub fn is_same(a: &str, b: &str) -> bool {
    key::same(a.trim(), b.trim()) || skeleton(a) == skeleton(b)
}

/// Scripts whose letters look alike; `None` for characters of any other.
fn script(c: char) -> Option<&'static str> {
    match c {
        'a'..='z'
        | 'A'..='Z'
        | '\u{C0}'..='\u{D6}'
        | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{24F}'
        | '\u{1E00}'..='\u{1EFF}' => Some("Latin"),
        '\u{370}'..='\u{373}'
        | '\u{376}'..='\u{377}'
        | '\u{37B}'..='\u{37D}'
        | '\u{386}'..='\u{3FF}'
        | '\u{1F00}'..='\u{1FFF}' => Some("Greek"),
        '\u{400}'..='\u{52F}' | '\u{1C80}'..='\u{1C8F}' | '\u{A640}'..='\u{A69F}' => Some("Cyrillic"),
        '\u{531}'..='\u{58F}' => Some("Armenian"),
        '\u{13A0}'..='\u{13FF}' | '\u{AB70}'..='\u{ABBF}' => Some("Cherokee"),
        _ => None,
    }
}

/// Letters that are made to look like others: phonetic ones, full-width ones, those of formulas.
fn is_disguised(c: char) -> bool {
    matches!(c, '\u{250}'..='\u{2AF}' | '\u{1D00}'..='\u{1DBF}' | '\u{2100}'..='\u{214F}' | '\u{2160}'..='\u{2188}'
        | '\u{249C}'..='\u{24E9}' | '\u{2C60}'..='\u{2C7F}' | '\u{A720}'..='\u{A7FF}' | '\u{FF01}'..='\u{FF5E}'
        | '\u{1D400}'..='\u{1D7FF}' | '\u{1F100}'..='\u{1F1FF}')
}

/// What a name looks like: Cyrillic, Greek and Armenian letters and digits as the Latin letters they look like.
fn skeleton(name: &str) -> String {
    let look = |c: char| {
        let c = match c {
            // Before case is folded: as a capital it looks like `l`.
            'I' | '1' | '|' | 'І' | 'Ӏ' | 'Ι' => 'l',
            '0' => 'o',
            other => other,
        };
        let mut lower = c.to_lowercase();
        let c = lower.next().unwrap_or(c);
        match c {
            'а' | 'α' => 'a',
            'в' | 'β' => 'b',
            'с' => 'c',
            'ԁ' => 'd',
            'е' | 'ε' => 'e',
            'ց' => 'g',
            'н' | 'һ' | 'η' | 'հ' => 'h',
            'і' | 'ι' => 'i',
            'ј' => 'j',
            'к' | 'κ' => 'k',
            'м' | 'μ' => 'm',
            'ո' => 'n',
            'о' | 'ο' | 'օ' => 'o',
            'р' | 'ρ' => 'p',
            'ԛ' => 'q',
            'ѕ' => 's',
            'т' | 'τ' => 't',
            'υ' | 'ս' => 'u',
            'ν' => 'v',
            'ԝ' | 'ω' => 'w',
            'х' | 'χ' => 'x',
            'у' | 'γ' => 'y',
            'ζ' => 'z',
            other => other,
        }
    };
    let name: String = name.trim().chars().map(look).collect();
    key::fold(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_invisible_or_misleading_characters_is_refused() {
        for fine in [
            "anna",
            " anna ",
            "Żółć Łukasz",
            "Иван",
            "Ανδρέας",
            "山田 太郎",
            "drop:users",
            "root@host",
            "O'Neil",
            "e.meier+x",
        ] {
            assert_eq!(named(fine).as_deref(), Ok(fine.trim()), "{fine}");
        }
        for (no, why) in [
            ("", "found nothing"),
            ("  ", "found nothing"),
            ("an\nna", "without line breaks; character 3 is U+000A"),
            ("a\u{1b}[31m", "without control characters"),
            ("an\u{200b}na", "without invisible characters"),
            ("a\u{202e}nna", "without invisible characters"),
            ("an\u{a0}na", "without blanks but"),
            ("bоb", "`b` is Latin and `о` is Cyrillic"),
            ("ann\u{251}", "letters in disguise"),
            ("ａnna", "letters in disguise"),
            (&"x".repeat(201), "at most 200"),
        ] {
            let error = named(no).expect_err(no).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn names_that_look_alike_are_one_persons() {
        for (a, b) in [
            ("bob", " BOB "),
            ("bob", "b0b"),
            ("оса", "oca"),
            ("Ian", "lan"),
            ("νορ", "vop"),
            ("paul", "раul"),
        ] {
            assert!(is_same(a, b), "{a} {b}");
        }
        for (a, b) in [("bob", "rob"), ("anna", "anne"), ("Иван", "Ivan")] {
            assert!(!is_same(a, b), "{a} {b}");
        }
    }
}
