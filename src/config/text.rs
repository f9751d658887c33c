//! TOML text as values by dotted key.
//!
//! What is wrong with a text is told with its place and without the line it stands in, which may hold a secret.

use std::collections::BTreeMap;

use ::config::{File, FileFormat, Map, Source, Value, ValueKind};

/// The values by dotted key, or the place of the first fault and what it is.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let read = File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|error| unquoted(&error.to_string()))?;
    let mut flat = BTreeMap::new();
    flatten("", read, &mut flat);
    Ok(flat)
}

fn flatten(prefix: &str, table: Map<String, Value>, flat: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value.kind {
            // An empty one may be a section of which all is left at its default. Below the key of a named section it is a value.
            ValueKind::Table(inner) if !inner.is_empty() && key.matches('.').count() < 2 => flatten(&key, inner, flat),
            _ => {
                flat.insert(key, value);
            }
        }
    }
}

/// What the reader of TOML says, without the lines that it quotes.
fn unquoted(message: &str) -> String {
    let is_quoted = |line: &&str| {
        line.trim_start()
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start()
            .starts_with('|')
    };
    let told: Vec<&str> = message
        .lines()
        .filter(|line| !is_quoted(line) && !line.trim().is_empty())
        .collect();
    let told = told.join(": ");
    told.strip_prefix("TOML parse error at ")
        .map_or(told.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_its_place_and_without_its_line() {
        let texts = [
            "client_secret = \"S3CRET",
            "client_secret = 'S3CRET' x",
            "client_secret = S3CRET",
            "client_secret = \"S3CRET\\q\"",
            "client_secret = \"\"\"S3CRET",
            "client_secret \"S3CRET\"",
            "client_secret = [\"S3CRET\", S3CRET]",
            "client_secret = \"a\"\nclient_secret = \"S3CRET\"",
            "client_secret = 12S3CRET",
            "url = \"postgres://u:S3CRET@h\nx = 1",
            "a.b = 1\na = \"S3CRET\"",
        ];
        for text in texts {
            let told = parse(&format!("[partner_center]\n{text}\n")).expect_err(text);
            assert!(!told.contains("S3CRET"), "{text}: {told}");
            assert!(
                told.starts_with("line ") && told.contains(", column "),
                "{text}: {told}"
            );
            assert!(told.contains(": ") && !told.contains('\n'), "{text}: {told}");
        }
    }
}
