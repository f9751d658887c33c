//! Words: texts that people read keep to the field's terms, and the glossary explains the ones of this program.

use super::{all_pages, root};
use crate::place::read;

/// Turns of phrase that were replaced by the field's terms, in documents, help, configuration and messages.
const REPLACED: [(&str, &str); 22] = [
    ("came to nothing", "failed"),
    ("could not be rung", "could not be notified"),
    ("what became of", "the outcome of"),
    ("what came of", "the outcome of"),
    ("made no sense", "was invalid"),
    ("makes no sense", "is invalid"),
    ("mend the", "fix the"),
    ("are to go. what that means", "preview"),
    ("does not let us", "denied access"),
    ("lets the application in", "authenticated as the application"),
    ("came halfway", "partially applied"),
    ("there no more", "no longer exists"),
    ("goes on there", "the remote operation may still complete"),
    ("what is under way", "an operation in progress"),
    ("what they felt", "their estimates"),
    ("feels for", "estimates"),
    ("looks into tls", "TLS-inspecting"),
    ("who asks", "name for the audit record"),
    ("enough of its beginning or end", "a unique beginning or end"),
    ("take back what", "revert"),
    ("nobody works on", "no worker serves"),
    ("tells whom", "lists"),
];

/// What people read of a source file: its texts, one a line, without comments.
fn texts(source: &str) -> impl Iterator<Item = (usize, String)> {
    // Tests at a file's end speak of old words as well.
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    source.lines().enumerate().filter_map(|(at, line)| {
        let line = line.trim_start();
        let is_text = !line.starts_with("//") && line.contains('"');
        is_text.then(|| (at + 1, line.to_lowercase()))
    })
}

fn sources(dir: std::path::PathBuf, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn texts_keep_to_the_terms_of_the_field() {
    let mut wrong = Vec::new();
    let mut look = |place: String, text: &str| {
        let text = text.to_lowercase();
        for (replaced, by) in REPLACED.iter().filter(|(replaced, _)| text.contains(replaced)) {
            wrong.push(format!("{place}: `{replaced}`, say `{by}`"));
        }
    };
    for page in all_pages() {
        for (at, line) in page.text.lines().enumerate() {
            look(format!("{}:{}", page.name(), at + 1), line);
        }
    }
    for name in ["default", "production", "system"] {
        look(
            format!("config/{name}.toml"),
            &read(root().join(format!("config/{name}.toml"))),
        );
    }
    look("help".to_owned(), &read(root().join("tests/it/snapshots/help.snap")));
    let mut files = Vec::new();
    for dir in ["src", "crates", "jobs/src"] {
        sources(root().join(dir), &mut files);
    }
    assert!(files.len() > 300);
    for file in files {
        if file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        for (at, text) in texts(&read(&file)) {
            look(format!("{}:{at}", file.display()), &text);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Phrases that comments and names do without, as the words of a sentence. Each has a plain word: outcome, handling, failure.
const NOT_IN_COMMENTS: [&str; 7] = [
    "what became of",
    "what came of",
    "what comes of",
    "what becomes of",
    "what is to become of",
    "came to nothing",
    "come to nothing",
];

#[test]
fn comments_and_names_keep_to_the_terms_of_the_field() {
    let mut files = Vec::new();
    for dir in ["src", "crates", "jobs", "tests", "benches", "fuzz/fuzz_targets"] {
        sources(root().join(dir), &mut files);
    }
    let mut wrong = Vec::new();
    // This file names them.
    for file in files.iter().filter(|file| !file.ends_with("docs/words.rs")) {
        for (at, line) in read(file).lines().enumerate() {
            let is_read = line.contains("//") || line.contains("fn ") || line.trim_start().starts_with("mod ");
            let words = line.to_lowercase().replace('_', " ");
            for phrase in NOT_IN_COMMENTS
                .iter()
                .filter(|phrase| is_read && words.contains(*phrase))
            {
                wrong.push(format!("{}:{}: `{phrase}`", file.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_glossary_explains_words_that_are_used_in_their_order() {
    let glossary = read(root().join("docs/glossary.md"));
    let terms: Vec<&str> = glossary
        .lines()
        .filter_map(|line| line.strip_prefix("| **")?.split_once("**").map(|(term, _)| term))
        .collect();
    assert!(terms.len() > 30, "{terms:?}");
    assert!(terms.is_sorted(), "{terms:?}");
    let pages = all_pages();
    let others = || pages.iter().filter(|page| !page.name().contains("glossary"));
    for term in terms {
        let is_used = others().any(|page| page.text.to_lowercase().contains(term));
        assert!(is_used, "no page speaks of `{term}`");
    }
}
