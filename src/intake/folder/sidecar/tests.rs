//! Documents beside files: what they may say, and what they may not.

use serde_json::{Value, json};

use super::*;

fn folder(keys: &[(&str, &str)]) -> FolderConfig {
    crate::intake::folder::tests::folder(keys)
}

fn asked_with(folder: &FolderConfig, file: &str, document: Option<&Value>) -> Result<FileRequest, Vec<String>> {
    let document = document.map(ToString::to_string);
    let asked = asked(
        folder,
        file.as_ref(),
        document.as_ref().map(String::as_bytes),
        "drop:users",
    );
    asked.map_err(|reasons| reasons.iter().map(ToString::to_string).collect())
}

#[test]
fn a_file_without_a_document_has_the_settings_of_its_folder() {
    let asked = asked_with(
        &folder(&[("kind", "bulk-add-users"), ("customer", "contoso.com")]),
        "a.csv",
        None,
    );
    let asked = asked.map_err(|told| told.join("\n")).expect("sound");
    assert_eq!(asked.kind.kind(), "bulk-add-users");
    assert_eq!(asked.parameters.customer.as_deref(), Some("contoso.com"));
}

#[test]
fn directories_say_customer_and_kind() {
    let folder = folder(&[
        ("path", "/srv/{customer}/{kind}"),
        ("kinds", "bulk-add-users, update-users"),
    ]);
    let asked = asked_with(&folder, "contoso.com/update-users/a.csv", None);
    let asked = asked.map_err(|told| told.join("\n")).expect("sound");
    assert_eq!(asked.kind.kind(), "update-users");
    assert_eq!(asked.parameters.customer.as_deref(), Some("contoso.com"));
    let told = asked_with(&folder, "contoso.com/update-user/a.csv", None)
        .err()
        .expect("refused");
    assert_eq!(
        told,
        [
            "{kind}: `update-user`: expected a kind that the folder takes: bulk-add-users, update-users; did you mean `update-users`?"
        ]
    );
    let told = asked_with(
        &folder,
        "contoso.com/update-users/a.csv",
        Some(&json!({ "kind": "bulk-add-users" })),
    );
    assert_eq!(
        told.err().expect("refused"),
        ["$.kind: `bulk-add-users`: expected `update-users`, as the directory says"]
    );
}

#[test]
fn a_document_says_no_more_than_its_folder_allows() {
    let folder = folder(&[("kind", "bulk-add-users"), ("kinds", "update-users")]);
    let document = json!({ "kind": "update-users", "parameters": { "customer": "contoso.com", "ignore_not_kept": true },
        "submitted_by": "drop:users", "idempotency_key": "k-1" });
    let asked = asked_with(&folder, "a.csv", Some(&document));
    let asked = asked.map_err(|told| told.join("\n")).expect("sound");
    assert_eq!((asked.kind.kind(), asked.ignore_not_kept), ("update-users", Some(true)));
    assert_eq!(asked.parameters.customer.as_deref(), Some("contoso.com"));
    let document = json!({ "kind": "delete-users", "parameters": { "skip_invalid": true }, "submitted_by": "the boss",
        "rows": [{ "a": 1 }], "reply_to": "x", "kindd": 1 });
    let told = asked_with(&folder, "a.csv", Some(&document)).err().expect("refused");
    for expected in [
        "$.kindd: `kindd`: expected one of",
        "$.rows: expected none; the rows are those of the file",
        "$.reply_to: expected none",
        "$.kind: `delete-users`: expected a kind that the folder takes: bulk-add-users, update-users",
        "$.parameters.skip_invalid: `true`: expected false",
        "$.submitted_by: `the boss`: expected `drop:users`",
    ] {
        assert!(
            told.iter().any(|line| line.starts_with(expected)),
            "no `{expected}` in {told:#?}"
        );
    }
    assert_eq!(told.len(), 6, "{told:#?}");
    let told = super::asked(&folder, "a.csv".as_ref(), Some(b"{"), "drop:users")
        .err()
        .expect("refused");
    assert_eq!((told.len(), told[0].code.as_str()), (1, "not-a-document"));
}
