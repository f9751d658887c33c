//! Every answer against the published samples of it, and against the published definitions, where somebody has them: a
//! member that a sample has is in an answer of ours, and of the same type; a member that nobody published is in none; and
//! words are those that are defined. Where that cannot be, there is a reason.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::Here;
use crate::facts::{self, Sample};
use crate::place::read;
use answers::answers;

/// Samples of what is not served, and samples that are none of our answers.
const OTHERS: &[(&str, &str)] = &[
    ("auth-app-only", "who signs in is held against the standard"),
    ("auth-app-user", "who signs in is held against the standard"),
    ("get-service-request", "service requests are not served"),
    ("list-service-requests", "service requests are not served"),
    ("update-service-request", "service requests are not served"),
    ("list-invoices", "invoices are not served"),
    ("throttling", "the gateway answers, and its samples are of refusals"),
    ("webhook-callback", "several addresses share one name"),
    (
        "country-validation-rules/response.json",
        "two recorded answers from the same address spell the members as ours does",
    ),
];

/// Samples that are of a part of the answer, and of which.
const PARTS: &[(&str, &str)] = &[("checkout-cart/response-2.json", "/orders/0")];

/// Members that samples have and no answer of ours: the operation, the end of the path, and the reason.
const ABSENT: &[(&str, &str, &str)] = &[(
    "get-qualifications",
    ".vettingReason",
    "nobody's qualification is turned down here",
)];

/// Members and words of ours that nobody defined: a part of the path, and the reason.
const EXTRA: &[(&str, &str)] = &[
    (
        ".vettingCreatedDate",
        "samples of reading spell it so, those of writing otherwise, and clients read either",
    ),
    (
        "operationType is ",
        "the definitions are older than the list of words in the documentation",
    ),
    (
        "resourceType is ",
        "the definitions are older than the list of words in the documentation",
    ),
];

/// What is at each path of a value: `a.b[].c`, and the types seen there.
type Shape = BTreeMap<String, BTreeSet<&'static str>>;

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A name as all of it is answered: some samples begin names with a capital letter, or with a space.
fn small(name: &str) -> String {
    let mut letters = name.trim().chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn shape(value: &Value, at: &str, shape_of: &mut Shape) {
    shape_of.entry(at.to_owned()).or_default().insert(kind(value));
    match value {
        Value::Array(items) => items.iter().for_each(|item| shape(item, &format!("{at}[]"), shape_of)),
        Value::Object(members) => members
            .iter()
            .for_each(|(name, member)| shape(member, &format!("{at}.{}", small(name)), shape_of)),
        _ => {}
    }
}

fn shape_of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Shape {
    let mut all = Shape::new();
    values.into_iter().for_each(|value| shape(value, "", &mut all));
    all
}

/// The path that a path is a member or an item of.
fn parent(path: &str) -> &str {
    let at = path
        .strip_suffix("[]")
        .map_or_else(|| path.rfind('.').unwrap_or(0), str::len);
    &path[..at]
}

fn is_answer(sample: &Sample) -> bool {
    let name = sample.file.rsplit('/').next().unwrap_or_default();
    let refused = sample.status.parse::<u16>().is_ok_and(|status| status >= 300);
    name.contains("response")
        && !refused
        && !OTHERS
            .iter()
            .any(|(other, _)| *other == sample.operation || *other == sample.file)
}

/// What a sample has and none of our answers.
fn lacking(sample: &Value, ours: &Shape) -> Vec<String> {
    let mut found = Vec::new();
    for (path, kinds) in shape_of([sample]) {
        let is_open = |kinds: &BTreeSet<&str>| kinds.contains("null");
        match ours.get(&path) {
            // What is missing as a whole is said once.
            None if ours.contains_key(parent(&path)) && kinds != BTreeSet::from(["null"]) => found.push(path),
            Some(own) if own.is_disjoint(&kinds) && !is_open(own) && !is_open(&kinds) => {
                found.push(format!("{path} is {own:?} and not {kinds:?}"));
            }
            _ => {}
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_every_field_of_the_samples() {
    let Some(facts) = facts::directory() else { return };
    let index: Vec<Sample> = facts::index(&facts).into_iter().filter(is_answer).collect();
    let here = Here::new().await;
    let ours = answers(&here, &index).await;
    let (mut found, mut used, mut compared) = (BTreeSet::new(), BTreeSet::new(), 0);
    for one in &index {
        let Some(answers) = ours.get(&one.operation) else {
            found.insert(format!("{}: no answer", one.operation));
            continue;
        };
        compared += 1;
        let part = PARTS
            .iter()
            .find(|(file, _)| *file == one.file)
            .map_or("", |(_, part)| part);
        let answers = answers.iter().filter_map(|answer| answer.pointer(part));
        for path in lacking(&facts::sample(&facts, &one.file), &shape_of(answers)) {
            let reason = ABSENT
                .iter()
                .find(|(operation, end, _)| one.operation == *operation && path.ends_with(end));
            match reason {
                Some(reason) => drop(used.insert(reason)),
                None => drop(found.insert(format!("{} {path}", one.file))),
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    let unused: Vec<_> = ABSENT.iter().filter(|reason| !used.contains(reason)).collect();
    assert!(unused.is_empty(), "reasons that nothing needs any more: {unused:#?}");
    assert!(compared >= 80, "{compared}");
}

/// A name as it is compared: definitions, SDKs and answers spell words differently.
fn plain(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

/// What the published definitions say of a value.
struct Definitions(Value);

impl Definitions {
    fn resolved<'d>(&'d self, schema: &'d Value) -> &'d Value {
        match schema["$ref"].as_str() {
            Some(name) => self.resolved(&self.0[name.trim_start_matches("#/definitions/")]),
            None => schema,
        }
    }

    /// Members that no definition has, and words that are none of the defined ones.
    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut BTreeSet<String>) {
        let schema = self.resolved(schema);
        if let (Some(known), Some(word)) = (schema["enum"].as_array(), value.as_str()) {
            let names = schema.pointer("/x-ms-enum/values").and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(|one| one["name"].as_str());
            let mut words = known.iter().filter_map(Value::as_str).chain(names).peekable();
            if words.peek().is_some() && !words.any(|known| plain(known) == plain(word)) {
                found.insert(format!("{at} is {word}"));
            }
        }
        if let (Some(known), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
            for (name, member) in members {
                match known.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                    Some((_, schema)) => self.check(schema, member, &format!("{at}.{name}"), found),
                    None => drop(found.insert(format!("{at}.{name}"))),
                }
            }
        }
        for item in value.as_array().into_iter().flatten() {
            self.check(&schema["items"], item, &format!("{at}[]"), found);
        }
    }
}

/// The definitions of the answers of operations, by method and path in small letters.
fn defined(facts: &Path) -> Vec<(Definitions, String, Value)> {
    let mut all = Vec::new();
    for name in ["CustomerService", "AuditService"] {
        let swagger = facts::parse(&read(facts.join(format!("swagger/{name}.json"))));
        for (path, methods) in swagger["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let schema = ["200", "201"]
                    .map(|status| operation["responses"][status]["schema"].clone())
                    .into_iter()
                    .rev()
                    .find(|schema| schema["$ref"].is_string());
                let path = path.replace("{version}", "1").to_ascii_lowercase();
                if let Some(schema) = schema {
                    let definitions = Definitions(swagger["definitions"].clone());
                    all.push((definitions, format!("{} {path}", method.to_uppercase()), schema));
                }
            }
        }
    }
    all
}

/// Whether a path of an index is that of a definition.
fn is_of(line: &str, sample: &Sample) -> bool {
    let path = sample.path.split('?').next().unwrap_or_default();
    let asked = format!("{} {path}", sample.method).to_ascii_lowercase();
    let line = line.to_ascii_lowercase();
    let (known, asked): (Vec<_>, Vec<_>) = (line.split('/').collect(), asked.split('/').collect());
    let fits = |(known, asked): (&&str, &&str)| known == asked || known.starts_with('{') && asked.starts_with('{');
    known.len() == asked.len() && known.iter().zip(&asked).all(fits)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_no_unpublished_fields() {
    let Some(facts) = facts::directory() else { return };
    let index: Vec<Sample> = facts::index(&facts).into_iter().filter(is_answer).collect();
    let here = Here::new().await;
    let ours = answers(&here, &index).await;
    let definitions = defined(&facts);
    let (mut found, mut used, mut compared) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for one in &index {
        let Some((definitions, line, schema)) = definitions.iter().find(|(_, line, _)| is_of(line, one)) else {
            continue;
        };
        compared.insert(line);
        let samples = index.iter().filter(|other| other.operation == one.operation);
        let samples: Vec<Value> = samples.map(|one| facts::sample(&facts, &one.file)).collect();
        let published = shape_of(&samples);
        let mut others = BTreeSet::new();
        for answer in &ours[&one.operation] {
            definitions.check(schema, answer, "", &mut others);
        }
        for path in others.into_iter().filter(|path| !published.contains_key(path)) {
            match EXTRA.iter().find(|(part, _)| path.contains(part)) {
                Some(reason) => drop(used.insert(reason)),
                None => drop(found.insert(format!("{}: {path}", one.operation))),
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    let unused: Vec<_> = EXTRA.iter().filter(|reason| !used.contains(reason)).collect();
    assert!(unused.is_empty(), "reasons that nothing needs any more: {unused:#?}");
    assert!(compared.len() >= 12, "{compared:#?}");
}

#[test]
fn lacking_members_are_named_by_their_path() {
    let sample = serde_json::json!({ "a": [{ "b": 1, "c": { "d": "x" } }], "e": null, "f": true });
    let ours = serde_json::json!({ "a": [{ "b": "1" }], "f": null });
    let lacking = lacking(&sample, &shape_of([&ours]));
    assert_eq!(lacking, [".a[].b is {\"string\"} and not {\"number\"}", ".a[].c"]);
}
