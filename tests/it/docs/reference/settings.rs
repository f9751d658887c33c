//! Keys of the configuration, from `config/default.toml`.

use std::fmt::Write as _;

use super::super::root;
use super::cell;
use crate::place::read;

/// One section per table, one row per key with its default and its comment.
pub(super) fn settings() -> String {
    let source = read(root().join("config/default.toml"));
    let (mut text, mut about, mut table, mut has_rows) = (String::new(), String::new(), String::new(), false);
    for line in source.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            about.push_str(comment);
        } else if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut table);
            let _ = write!(text, "\n## {table}\n\n");
            has_rows = false;
            // A comment above a table is about all of it; one that was said of nothing opens the file.
            if !about.is_empty() {
                let _ = write!(text, "{}\n\n", cell(about.trim()));
            }
            about.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            if !has_rows {
                text.push_str("| key | default | meaning |\n|---|---|---|\n");
                has_rows = true;
            }
            let _ = writeln!(text, "| `{key}` | `{value}` | {} |", cell(about.trim()));
            about.clear();
        } else if table.is_empty() {
            about.clear();
        }
    }
    text
}
