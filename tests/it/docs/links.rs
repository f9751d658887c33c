//! Links between documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::{Page, all_pages, root};

/// Where the links of a text lead: what stands in the parentheses behind brackets.
pub(super) fn targets(prose: &str) -> Vec<String> {
    let parts = prose.split("](").skip(1);
    let targets = parts.filter_map(|part| part.split(')').next());
    targets.map(str::to_owned).collect()
}

/// Code within a line names files and makes no links.
fn without_code(prose: &str) -> String {
    prose.split('`').step_by(2).collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(page: &Page) -> BTreeSet<String> {
    let (prose, _) = page.parts();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchors = headings.map(|line| {
        let kept = |c: char| match c {
            c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
            ' ' => Some('-'),
            _ => None,
        };
        let slug: String = line.trim_start_matches('#').trim().chars().filter_map(kept).collect();
        let times = seen.entry(slug.clone()).or_default();
        *times += 1;
        match *times {
            1 => slug,
            further => format!("{slug}-{}", further - 1),
        }
    });
    anchors.collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let pages = all_pages();
    let anchors: BTreeMap<PathBuf, BTreeSet<String>> =
        pages.iter().map(|page| (page.path.clone(), anchors(page))).collect();
    let mut broken = Vec::new();
    for page in &pages {
        let (prose, _) = page.parts();
        for target in targets(&without_code(&prose)) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => page.path.clone(),
                file => plain(&page.path.parent().unwrap_or(Path::new("")).join(file)),
            };
            let is_there = root().join(&path).exists();
            let has_heading = anchor.is_empty() || anchors.get(&path).is_some_and(|of| of.contains(anchor));
            if !is_there || !has_heading {
                broken.push(format!("{}: {target}", page.name()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn anchors_are_made_from_headings() {
    let page = Page {
        path: PathBuf::from("x.md"),
        text: "# Jobs, and `plan`\n## When\n## When\n```\n# no heading\n```\n".to_owned(),
    };
    let expected = ["jobs-and-plan", "when", "when-1"].map(str::to_owned);
    assert_eq!(anchors(&page), BTreeSet::from(expected));
}
