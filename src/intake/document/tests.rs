//! Documents, their faults, and the schema that says the same.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::notify::is_reply_stream;

/// The schema of the document.
const SCHEMA: &str = include_str!("../job-document.schema.json");

fn paths(document: &Value) -> Vec<String> {
    match JobDocument::parse(document.to_string().as_bytes(), "tenantry") {
        Ok(_) => Vec::new(),
        Err(malformed) => malformed.reasons.into_iter().map(|reason| reason.path).collect(),
    }
}

fn csv_of(rows: &str) -> String {
    let document = format!(r#"{{"kind":"bulk-add-users","rows":{rows}}}"#);
    let document = JobDocument::parse(document.as_bytes(), "tenantry").expect("well formed");
    String::from_utf8(document.into_csv()).expect("text")
}

#[test]
fn all_faults_come_at_once_with_their_places() {
    let document = r#"{"kind": "bulk-add-user", "parameters": {"skip_invalid": "yes", "custmer": "c"},
        "rows": [{"a": [1]}, 7, {"b": 1, "b": 2}], "reply_too": "x", "reply_to": "tenantry:inbox", "submitted_by": ""}"#;
    let malformed = JobDocument::parse(document.as_bytes(), "tenantry").expect_err("faulty");
    let told: Vec<_> = malformed.reasons.iter().map(ToString::to_string).collect();
    let expected = [
        "$.reply_too: `reply_too`: expected one of kind, parameters, rows, csv, multiline_cells, idempotency_key, submitted_by, reply_to, reply_rows; did you mean `reply_to`?",
        "$.kind: `bulk-add-user`: expected the name of a job kind; did you mean `bulk-add-users`?",
        "$.parameters.custmer: `custmer`: expected one of customer, skip_invalid, ignore_not_kept; did you mean `customer`?",
        "$.parameters.skip_invalid: expected true or false, found a string",
        "$.rows[0].a: expected a string, a number, a boolean or null, found an array",
        "$.rows[1]: expected an object of column and value, found a number",
        "$.rows[2].b: expected once, named twice",
        "$.submitted_by: expected a name, found nothing",
        "$.reply_to: `tenantry:inbox`: expected a Redis stream that is not one of ours: 1 to 200 letters, digits and : . _ { } -",
    ];
    assert_eq!(told, expected);
}

#[test]
fn bytes_that_are_no_document_are_said_to_be_none() {
    let tell = |bytes: &[u8]| JobDocument::parse(bytes, "t").expect_err("faulty").reasons[0].to_string();
    assert_eq!(tell(b"{\"kind\"\xff"), "$: expected UTF-8 text; byte 8 is not");
    assert!(tell(b"{\"kind\":").starts_with("$: expected a JSON object: EOF"));
    assert!(tell(b"[]").starts_with("$: expected a JSON object: invalid type"));
    assert!(tell(b"").starts_with("$: expected a JSON object"));
}

#[test]
fn a_sender_with_a_faulty_document_can_still_be_told() {
    let malformed = JobDocument::parse(br#"{"reply_to":"replies:7"}"#, "t").expect_err("faulty");
    assert_eq!(malformed.sender.reply_to.as_deref(), Some("replies:7"));
}

#[test]
fn rows_become_csv_text_as_they_were_written() {
    assert_eq!(
        csv_of(r#"[{"z":"1","a":"x,\"y\"\n"},{"b":0.10,"z":12345678901234567890123},{"a":null,"b":true}]"#),
        "z,a,b\n1,\"x,\"\"y\"\"\n\",\n12345678901234567890123,,0.10\n,,true\n"
    );
    // A row whose only cell is empty is still a row.
    assert_eq!(csv_of(r#"[{"a":""},{"a":null}]"#), "a\n\"\"\n\"\"\n");
}

#[test]
fn hostile_documents_cost_no_more_than_their_length() {
    let deep = format!(
        r#"{{"kind":"bulk-add-users","rows":[{{"a":{}}}]}}"#,
        "[".repeat(200_000)
    );
    assert!(JobDocument::parse(deep.as_bytes(), "t").is_err());
    let wide: Vec<Value> = (0..3_000).map(|n| json!({ format!("column{n}"): 1 })).collect();
    assert_eq!(paths(&json!({ "kind": "bulk-add-users", "rows": wide })), ["$.rows"]);
}

#[test]
fn replies_do_not_go_where_we_read() {
    for ours in ["t:pace:00", "t:tickets", "t:inbox", "t:inbox:rejected", "", "a b", "ü"] {
        assert!(!is_reply_stream(ours, "t"), "{ours}");
    }
    for theirs in ["replies", "t:replies", "t:inboxes", "other:inbox", "{a}:b.c_d-e"] {
        assert!(is_reply_stream(theirs, "t"), "{theirs}");
    }
    assert!(!is_reply_stream(&"x".repeat(201), "t"));
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let keys = |object: &Value| -> BTreeSet<String> {
        assert_eq!(object["additionalProperties"], false);
        object["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&schema), KEYS.map(str::to_owned).into());
    assert_eq!(
        keys(&schema["properties"]["parameters"]),
        PARAMETER_KEYS.map(str::to_owned).into()
    );
    assert_eq!(schema["required"], json!(["kind"]));
    assert_eq!(
        schema["oneOf"],
        json!([{ "required": ["rows"] }, { "required": ["csv"] }])
    );
}

/// Any value a schema allows, as far as the keywords go that ours uses.
fn allowed(schema: &Value) -> BoxedStrategy<Value> {
    let by_type = |name: &str| match name {
        "string" => "[a-z:.-]{1,20}".prop_map(Value::from).boxed(),
        "number" => any::<i32>().prop_map(Value::from).boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "null" => Just(Value::Null).boxed(),
        "array" => proptest::collection::vec(allowed(&schema["items"]), 1..4)
            .prop_map(Value::from)
            .boxed(),
        "object" => match schema["properties"].as_object() {
            Some(properties) => {
                let each: Vec<_> = properties
                    .iter()
                    .map(|(key, schema)| {
                        proptest::option::of(allowed(schema).prop_map({
                            let key = key.clone();
                            move |value| (key.clone(), value)
                        }))
                    })
                    .collect();
                each.prop_map(|members| members.into_iter().flatten().collect()).boxed()
            }
            None => proptest::collection::btree_map("[a-z_]{1,10}", allowed(&schema["additionalProperties"]), 1..4)
                .prop_map(|members| members.into_iter().collect())
                .boxed(),
        },
        other => panic!("the schema has a type `{other}`"),
    };
    match &schema["type"] {
        Value::String(name) => by_type(name),
        names => {
            let names = names.as_array().expect("types");
            proptest::strategy::Union::new(names.iter().map(|name| by_type(name.as_str().expect("a type")))).boxed()
        }
    }
}

/// Documents the schema allows.
fn documents() -> impl Strategy<Value = Value> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let rows = allowed(&schema["properties"]["rows"]);
    let kinds: Vec<&str> = tenantry_jobs::KINDS.iter().map(|job| job.kind()).collect();
    (allowed(&schema), proptest::sample::select(kinds), rows, any::<bool>()).prop_map(
        |(mut document, kind, rows, csv)| {
            document["kind"] = kind.into();
            let members = document.as_object_mut().expect("an object");
            members.remove("rows");
            if csv {
                members.insert("csv".to_owned(), "customer\nc".into());
            } else {
                members.remove("csv");
                members.insert("rows".to_owned(), rows);
            }
            document
        },
    )
}

/// Any JSON at all.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let key = prop_oneof![
        any::<String>(),
        proptest::sample::select(KEYS.to_vec()).prop_map(str::to_owned)
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..8).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused_with_a_reason(document in json()) {
        if let Err(malformed) = JobDocument::parse(document.to_string().as_bytes(), "t") {
            prop_assert!(!malformed.reasons.is_empty());
            prop_assert!(malformed.reasons.iter().all(|reason| reason.path.starts_with('$')));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = JobDocument::parse(&bytes, "t");
    }

    #[test]
    fn a_document_that_the_schema_allows_is_well_formed(document in documents()) {
        prop_assert_eq!(paths(&document), Vec::<String>::new(), "{}", document);
    }

    #[test]
    fn one_fault_in_a_good_document_is_found_at_its_place(document in documents(), at in 0usize..64, extra in any::<bool>()) {
        let mut document = document;
        let members = document.as_object_mut().expect("an object");
        let expected = if extra {
            members.insert("surplus".to_owned(), Value::Null);
            "$.surplus".to_owned()
        } else {
            // No member of a document may be a number.
            let key = members.keys().nth(at % members.len()).expect("a key").clone();
            members[&key] = json!(7);
            format!("$.{key}")
        };
        prop_assert_eq!(paths(&document), [expected]);
    }

    #[test]
    fn rows_come_back_out_of_their_csv_text(rows in proptest::collection::vec(
        proptest::collection::btree_map("[a-z\",;\n]{1,6}", any::<String>(), 1..5), 1..8)
    ) {
        let document = json!({ "kind": "bulk-add-users", "rows": rows });
        let document = JobDocument::parse(document.to_string().as_bytes(), "t").expect("well formed");
        let csv = document.into_csv();
        let mut reader = csv::Reader::from_reader(csv.as_slice());
        let header = reader.headers().expect("a header").clone();
        let read: Vec<_> = reader.records().map(|record| record.expect("a record")).collect();
        prop_assert_eq!(read.len(), rows.len());
        for (record, row) in read.iter().zip(&rows) {
            for (column, cell) in header.iter().zip(record) {
                prop_assert_eq!(cell, row.get(column).map_or("", String::as_str));
            }
        }
    }
}
