//! Commands that documents name: each exists, and so do its options.

use clap::error::ErrorKind;

use super::{Page, all_pages};

/// The words of a command as a shell sees them, up to its end or its comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('|' | '>' | '<' | '&' | ';' | ')', None) => break,
            ('#', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Every place of a text where the program is called; `is_whole` where it is a line of a block.
fn calls(page: &Page) -> Vec<String> {
    let (prose, blocks) = page.parts();
    let shells = blocks
        .iter()
        .filter(|block| matches!(block.language(), "sh" | "console"));
    let lines: Vec<String> = shells.flat_map(super::Block::commands).collect();
    let in_prose = prose.split('`').skip(1).step_by(2).map(str::to_owned);
    let texts = lines.into_iter().chain(in_prose);
    let calls = texts.flat_map(|text| {
        let starts = text.match_indices("tenantry ");
        let is_call = |at: usize| {
            at == 0
                || text[..at].ends_with(['(', '$', ' '])
                    && !text[..at].trim_end().ends_with(|c: char| c.is_alphanumeric())
        };
        starts
            .filter(|(at, _)| is_call(*at))
            .map(|(at, _)| text[at..].to_owned())
            .collect::<Vec<_>>()
    });
    calls.collect()
}

#[test]
fn every_command_that_is_named_exists() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in all_pages() {
        for call in calls(&page) {
            let words = words(&call);
            // A text may name the program, or part of a command.
            if words.len() < 2 || words.iter().any(|word| word.contains('…') || word.contains("...")) {
                continue;
            }
            seen += 1;
            let parsed = tenantry::testing::cli::definition().try_get_matches_from(&words);
            let kind = parsed.err().map(|error| error.kind());
            if matches!(
                kind,
                Some(ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::InvalidValue)
            ) {
                wrong.push(format!("{}: {call}", page.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "commands that do not exist:\n{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} commands were found");
}
