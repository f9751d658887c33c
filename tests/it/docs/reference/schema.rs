//! The job document of the inbox, from its JSON schema.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::root;
use super::cell;
use crate::place::read;

fn type_of(property: &Value) -> String {
    match property["type"].as_str() {
        Some("array") => "array of objects".to_owned(),
        Some(name) => name.to_owned(),
        None => String::new(),
    }
}

fn rows(text: &mut String, properties: &Value, prefix: &str, required: &[&str]) {
    for (name, property) in properties.as_object().expect("properties") {
        let mut about = cell(property["description"].as_str().unwrap_or_default());
        if let Some(default) = property.get("default") {
            let _ = write!(about, " Default: `{default}`.");
        }
        if let Some(most) = property["maxLength"].as_u64() {
            let _ = write!(about, " At most {most} characters.");
        }
        let need = if required.contains(&name.as_str()) {
            "required"
        } else {
            ""
        };
        let _ = writeln!(text, "| `{prefix}{name}` | {} | {need} | {about} |", type_of(property));
        if property["properties"].is_object() {
            rows(text, &property["properties"], &format!("{prefix}{name}."), &[]);
        }
    }
}

/// One row per field.
pub(super) fn document() -> String {
    let schema: Value = serde_json::from_str(&read(root().join("src/intake/job-document.schema.json"))).expect("JSON");
    let required = schema["required"].as_array().expect("required fields");
    let required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
    let mut text = String::from("| field | type | | meaning |\n|---|---|---|---|\n");
    rows(&mut text, &schema["properties"], "", &required);
    text
}
