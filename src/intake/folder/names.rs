//! Names of dropped files: how people are shown them, and what their directories are called.

use std::ffi::OsStr;

/// Bytes of a name that its directory is called after.
const STEM: usize = 100;
/// Names that Windows keeps for devices.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A name as it is shown: what is no text, and what a terminal would act on, is escaped.
pub(crate) fn shown(name: &OsStr) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// What the directory of a file of that name begins with: the name without its endings, as every system takes it.
pub(crate) fn stem(name: &str) -> String {
    let endings = [".gz", ".csv", ".xlsx"];
    let mut stem = name;
    for ending in endings {
        let cut = stem.len().saturating_sub(ending.len());
        if cut > 0 && stem.get(cut..).is_some_and(|end| end.eq_ignore_ascii_case(ending)) {
            stem = &stem[..cut];
        }
    }
    let plain = |letter: char| match letter {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        letter if letter.is_control() => '_',
        letter => letter,
    };
    let mut text: String = stem.chars().map(plain).collect();
    while text.len() > STEM {
        text.pop();
    }
    let text = text.trim_end_matches(['.', ' ']).trim_start_matches('.');
    let lower = text.to_lowercase();
    let is_port = |name: &str| {
        lower
            .strip_prefix(name)
            .is_some_and(|rest| rest.len() == 1 && rest != "0")
    };
    if text.is_empty() {
        "file".to_owned()
    } else if RESERVED.contains(&lower.as_str()) || is_port("com") || is_port("lpt") {
        format!("{text}_")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn directories_have_names_that_every_system_takes() {
        let named = [
            "users.csv",
            "a.csv.gz",
            "CON.csv",
            "com1.xlsx",
            "a:b*.csv",
            "...csv",
            ".csv",
            "x. .csv",
            "2026.11.csv",
        ];
        let stems = named.map(stem);
        assert_eq!(
            stems,
            ["users", "a", "CON_", "com1_", "a_b_", "file", "csv", "x", "2026.11"]
        );
        assert_eq!(stem(&"ü".repeat(200)).len(), 100);
    }

    #[test]
    fn what_is_no_text_is_escaped() {
        assert_eq!(shown(OsStr::from_bytes(b"a\xff\n\xc3\xa4.csv")), "a\\xff\\nä.csv");
    }
}
