//! What is published about Partner Center, where somebody has it: `TENANTRY_PARTNER_CENTER_FACTS` names a directory with
//! `samples/OPERATION/*.json`, an index of them in `samples/INDEX.tsv` (operation, method, path, file, source, status), and
//! `swagger/*.json`. None of it is ours to keep here; without it there is nothing to compare.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::read;

/// The directory, if there is one.
pub(crate) fn directory() -> Option<PathBuf> {
    std::env::var_os("TENANTRY_PARTNER_CENTER_FACTS").map(PathBuf::from)
}

/// JSON of a file, with or without a byte order mark.
pub(crate) fn parse(text: &str) -> Value {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("JSON")
}

/// A line of the index that is about a JSON file.
pub(crate) struct Sample {
    pub(crate) operation: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) file: String,
    /// As it is written there: some say something else.
    pub(crate) status: String,
}

/// All of them that are of this API, in the order of the index.
pub(crate) fn index(facts: &Path) -> Vec<Sample> {
    let index = read(facts.join("samples/INDEX.tsv"));
    let sample = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [operation, method, path, file, _, status, ..] = columns.as_slice() else {
            return None;
        };
        let is_json = Path::new(file).extension() == Some("json".as_ref());
        (is_json && !file.starts_with("graph")).then(|| Sample {
            operation: (*operation).to_owned(),
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            file: (*file).to_owned(),
            status: (*status).to_owned(),
        })
    };
    index.lines().skip(1).filter_map(sample).collect()
}

/// What a sample says.
pub(crate) fn sample(facts: &Path, file: &str) -> Value {
    parse(&read(facts.join("samples").join(file)))
}
