//! House rules that no lint knows.

mod names;

use std::path::{Path, PathBuf};

use crate::place::{On, Place, read};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in ["src", "crates", "jobs/src", "tests", "benches"] {
        sources(&root().join(dir), &mut found);
    }
    found
}

#[test]
fn job_kinds_have_nothing_to_do_io_with() {
    let manifest = read(root().join("jobs/Cargo.toml"));
    let dependencies = manifest
        .split("[dependencies]")
        .nth(1)
        .expect("dependencies")
        .split("[dev-dependencies]")
        .next();
    let dependencies = dependencies.unwrap_or_default();
    for forbidden in ["tokio", "reqwest", "rusqlite", "tokio-postgres", "redis", "axum"] {
        let named = dependencies
            .lines()
            .any(|line| line.split([' ', '=', '.']).next() == Some(forbidden));
        assert!(!named, "jobs/Cargo.toml names {forbidden}");
    }
}

/// Names in a manifest's sections of dependencies, of tests or of the code, as code spells them.
fn dependencies(manifest: &str, of_tests: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_in = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            let is_of_tests = line.contains("dev-dependencies]");
            is_in = line.ends_with("dependencies]") && is_of_tests == of_tests && !line.starts_with("[workspace");
        } else if is_in && line.contains('=') && !line.starts_with('#') {
            let name = line.split([' ', '=', '.']).next().unwrap_or_default();
            names.push(name.replace('-', "_"));
        }
    }
    names
}

/// Whether a path begins with the crate's name; a module of the same name does not count.
fn names_crate(code: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_path = code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].strip_suffix("::").unwrap_or(&code[..at]);
        !before.ends_with(is_word)
    });
    is_path || code.contains(&format!("use {name} as "))
}

#[test]
fn every_dependency_is_used() {
    let beside = std::fs::read_dir(root().join("crates")).expect("a directory");
    let crates = beside.flatten().map(|entry| entry.path());
    for dir in crates.chain([root(), root().join("jobs")]) {
        let manifest = read(dir.join("Cargo.toml"));
        for (of_tests, places) in [(false, &["src"][..]), (true, &["src", "tests", "benches"])] {
            let mut files = Vec::new();
            for place in places
                .iter()
                .map(|place| dir.join(place))
                .filter(|place| place.is_dir())
            {
                sources(&place, &mut files);
            }
            let code: String = files.iter().map(read).collect();
            for name in dependencies(&manifest, of_tests) {
                let is_used = names_crate(&code, &name);
                assert!(is_used, "{}: nothing in {places:?} uses `{name}`", dir.display());
            }
        }
    }
}

#[test]
fn every_file_has_a_module_comment_and_stays_readable() {
    for path in all_sources() {
        let text = read(&path);
        let has_doc = text.starts_with("//!") || text.starts_with("#![doc = include_str!(");
        assert!(has_doc, "{} has no module doc", path.display());
        // Tables of data may be as long as the data.
        let data = path.components().any(|part| part.as_os_str() == "model");
        let lines = text.lines().count();
        assert!(data || lines <= 600, "{} has {lines} lines", path.display());
        assert_ne!(path.file_name(), Some("mod.rs".as_ref()), "{}", path.display());
    }
}

#[test]
fn the_readme_lists_the_catalogue() {
    let readme = read(root().join("README.md"));
    for job in tenantry_jobs::KINDS {
        let row = format!("| `{}` | {} |", job.kind(), job.summary());
        assert!(readme.contains(&row), "README lacks {row}");
    }
    let table = readme.split("<!-- kinds").nth(1).unwrap_or_default();
    let rows = table.split("<!-- /kinds -->").next().unwrap_or_default();
    let rows = rows
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains('-'))
        .count();
    assert_eq!(rows, tenantry_jobs::KINDS.len(), "README has a row too many");
}

#[test]
fn the_readme_names_files_that_exist() {
    let readme = read(root().join("README.md"));
    for part in readme.split("](").skip(1) {
        let target = part.split(')').next().unwrap_or_default();
        if !target.contains("://") {
            assert!(root().join(target).exists(), "README names {target}");
        }
    }
    for word in readme
        .split_whitespace()
        .filter(|word| Path::new(word).extension() == Some("csv".as_ref()) && word.contains('/'))
    {
        assert!(root().join(word).exists(), "README names {word}");
    }
}

/// The steps of the program in the README's first command, with the files of this repository made absolute.
fn steps_of_the_readme() -> Vec<Vec<String>> {
    let readme = read(root().join("README.md"));
    let first = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let words = |step: &str| {
        let absolute = step.split_whitespace().skip(1).map(|word| match root().join(word) {
            file if file.is_file() => file.display().to_string(),
            _ => word.to_owned(),
        });
        absolute.collect()
    };
    let steps = first.expect("a command").split("&&").map(str::trim);
    steps.filter(|step| step.starts_with("tenantry ")).map(words).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_end_as_it_says() {
    let place = Place::new(On::Sqlite).await;
    let steps = steps_of_the_readme();
    assert_eq!(steps.len(), 3, "{steps:?}");
    // Once to make everything, once to find it there.
    for step in [steps.as_slice(), steps.as_slice()].concat() {
        place
            .tenantry(&step.iter().map(String::as_str).collect::<Vec<_>>())
            .ends(0);
    }
}

#[test]
fn the_readme_begins_with_the_two_commands_that_set_up_and_test() {
    let readme = read(root().join("README.md"));
    let blocks: Vec<&str> = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [set_up, test, ..] = blocks.as_slice() else {
        panic!("two commands, not {blocks:?}")
    };
    assert_eq!(set_up.lines().count(), 1, "{set_up}");
    assert!(set_up.starts_with("cargo build --release && "), "{set_up}");
    assert_eq!(*test, "cargo test --workspace --locked\n");
}
