//! The documents: every page is listed, every link leads to a file and a heading that exist, every command that a page names exists,
//! every example that is marked as runnable ends as its page says, and the reference is what the program's own definitions say.

mod commands;
mod examples;
mod links;
mod packaging;
mod reference;
mod words;

use std::path::{Path, PathBuf};

use crate::place::read;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A document: its path from the root of the repository, and its text.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn open(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            text: read(root().join(path)),
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The text with what stands in code blocks left out, and the blocks.
    fn parts(&self) -> (String, Vec<Block>) {
        let (mut prose, mut blocks) = (String::new(), Vec::new());
        let mut open: Option<Block> = None;
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), open.as_mut()) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    open = Some(Block {
                        info: info.split_whitespace().map(str::to_owned).collect(),
                        text: String::new(),
                    });
                }
                (None, Some(block)) => block.text.push_str(&format!("{line}\n")),
                (None, None) => prose.push_str(&format!("{line}\n")),
            }
        }
        assert!(open.is_none(), "{} has a code block without an end", self.name());
        (prose, blocks)
    }
}

/// A code block: the words behind its opening fence, and its lines.
struct Block {
    info: Vec<String>,
    text: String,
}

impl Block {
    fn language(&self) -> &str {
        self.info.first().map_or("", String::as_str)
    }

    fn has(&self, word: &str) -> bool {
        self.info.iter().skip(1).any(|other| other == word)
    }

    /// The name of the file whose content the block shows.
    fn file(&self) -> Option<&str> {
        self.info.iter().find_map(|word| word.strip_prefix("file="))
    }

    /// Its commands; a backslash at the end of a line continues it.
    fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }
}

fn markdown(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root().join(dir)).expect("a directory").flatten() {
        let path = dir.join(entry.file_name());
        if entry.path().is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The pages of the book, without its table of contents.
fn book() -> Vec<Page> {
    let mut paths = Vec::new();
    markdown(Path::new("docs"), &mut paths);
    paths.sort();
    let pages = paths.into_iter().filter(|path| !path.ends_with("SUMMARY.md"));
    pages.map(Page::open).collect()
}

/// Everything that readers of the repository read.
fn all_pages() -> Vec<Page> {
    let mut pages = book();
    for path in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/SUMMARY.md"] {
        pages.push(Page::open(path));
    }
    pages
}

#[test]
fn the_readme_stays_short() {
    let lines = read(root().join("README.md")).lines().count();
    assert!(
        lines <= 130,
        "README has {lines} lines, more than 130: move some to docs/"
    );
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let contents = Page::open("docs/SUMMARY.md");
    let mut listed: Vec<PathBuf> = links::targets(&contents.text)
        .iter()
        .map(|target| Path::new("docs").join(target))
        .collect();
    listed.sort();
    let pages: Vec<PathBuf> = book().into_iter().map(|page| page.path).collect();
    assert_eq!(listed, pages);
}
