//! One name means one thing: types that are seen outside of their module have names of their own in the whole workspace.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{root, sources};
use crate::place::read;

const TWO_STORES: &str = "the same thing in two stores, the SQL store and Partner Center; no code sees both";
const TWO_SIDES: &str = "the same thing on both sides of one API, the client and the sandbox; no code sees both";
const FILLED_IN: &str =
    "Partner Center's own, with its types filled in, of the general one in `tenantry_store::remote`";

/// Names that are defined more than once, each with the reason.
const SHARED: &[(&str, &str)] = &[
    ("Call", TWO_SIDES),
    ("Customer", TWO_STORES),
    ("Done", FILLED_IN),
    ("Named", TWO_STORES),
    ("Object", TWO_STORES),
    ("Operation", TWO_SIDES),
    ("Sending", FILLED_IN),
    ("Sku", TWO_STORES),
    ("Step", FILLED_IN),
    ("Stopped", FILLED_IN),
    (
        "Tickets",
        "the queue's tickets that wait, and those that are handed to a worker",
    ),
    ("Transfer", TWO_STORES),
    ("Way", TWO_STORES),
];

/// The types that a file defines outside of functions and inner modules, and whether others see them.
fn types(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let (is_seen, rest) = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => (true, rest.split_once(") ").map_or("", |(_, rest)| rest)),
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let Some((word, rest)) = rest.split_once(' ') else {
            continue;
        };
        if ["struct", "enum", "trait", "type", "union"].contains(&word) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            found.push((rest[..end.unwrap_or(rest.len())].to_owned(), is_seen));
        }
    }
    found
}

/// Names of types that are defined in several of the files and seen outside of at least one, with those files.
fn defined_twice(files: &[(PathBuf, String)]) -> BTreeMap<String, Vec<PathBuf>> {
    let mut by_name: BTreeMap<String, Vec<(PathBuf, bool)>> = BTreeMap::new();
    for (path, text) in files {
        for (name, is_seen) in types(text) {
            by_name.entry(name).or_default().push((path.clone(), is_seen));
        }
    }
    by_name.retain(|_, places| places.len() > 1 && places.iter().any(|(_, is_seen)| *is_seen));
    let paths = |places: Vec<(PathBuf, bool)>| places.into_iter().map(|(path, _)| path).collect();
    by_name
        .into_iter()
        .map(|(name, places)| (name, paths(places)))
        .collect()
}

#[test]
fn a_type_that_others_see_has_a_name_of_its_own() {
    let mut paths = Vec::new();
    for dir in ["src", "crates", "jobs/src"] {
        sources(&root().join(dir), &mut paths);
    }
    // Files of tests see no other tests.
    let is_test = |part: &str| part == "tests" || part == "tests.rs" || part.contains("_test");
    paths.retain(|path| {
        !path
            .components()
            .any(|part| is_test(&part.as_os_str().to_string_lossy()))
    });
    let files: Vec<(PathBuf, String)> = paths.into_iter().map(|path| (path.clone(), read(path))).collect();
    let mut twice = defined_twice(&files);
    for (name, reason) in SHARED {
        let still = twice.remove(*name);
        assert!(
            still.is_some(),
            "`{name}` is defined once; take it off the list ({reason})"
        );
    }
    assert!(
        twice.is_empty(),
        "rename all but one of each, or say in `SHARED` why they are one thing: {twice:#?}"
    );
}

#[test]
fn names_are_told_apart_by_their_visibility() {
    let twice = |first: &str, second: &str| {
        let files = [("a.rs", first), ("b.rs", second)].map(|(path, text)| (path.into(), text.to_owned()));
        defined_twice(&files).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(twice("pub struct Row<'r> {", "pub enum Row {"), ["Row"]);
    assert_eq!(twice("pub(in crate::sql) type Row = u8;", "struct Row;"), ["Row"]);
    assert_eq!(twice("trait Row: Sized {", "pub(crate) union Row {"), ["Row"]);
    assert_eq!(twice("struct Row;", "enum Row {"), [""; 0]);
    assert_eq!(
        twice(
            "pub struct Row;",
            "pub struct Rows;\n    struct Row;\n// pub struct Row"
        ),
        [""; 0]
    );
}
