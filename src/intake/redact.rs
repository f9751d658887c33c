//! A refused document is kept for the operator who looks into why, but not the secrets in it.
//!
//! It is written again as it is read, and only as much of it as is kept: a document of many short values would take many times its
//! size as a tree of them.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use tenantry_jobs::looks_secret;

use crate::input::REDACTED;

/// The first `most` bytes of the document with everything redacted that stands, or may stand, in a column of secrets, and whether
/// that is all of it. One that is no longer and holds none is as it was.
///
/// What is refused may be anything, so this goes by names alone: those of the catalogue's secret columns, however
/// written, and all that have one in them, as templates' do.
pub(super) fn without_secrets(document: &[u8], most: usize) -> (Vec<u8>, bool) {
    let mut kept = RedactedDocument::new(most);
    let mut reading = serde_json::Deserializer::from_slice(document);
    let read = kept.deserialize(&mut reading).and_then(|()| reading.end());
    if !kept.is_whole || (read.is_ok() && kept.has_redacted) {
        return (kept.text, kept.is_whole);
    }
    let may_hold_some = read.is_err() && {
        let text = String::from_utf8_lossy(document);
        // What is named in it stands before its value, so that the names count that are kept themselves.
        let kept = String::from_utf8_lossy(&document[..document.len().min(most)]);
        // An escape may spell the name.
        names_secret(&text) || looks_secret(&kept) || text.contains('\\')
    };
    let kept = if may_hold_some { REDACTED.as_bytes() } else { document };
    (kept[..kept.len().min(most)].to_vec(), kept.len() <= most)
}

/// What is kept of a document, as it is read.
struct RedactedDocument {
    text: Vec<u8>,
    most: usize,
    is_whole: bool,
    has_redacted: bool,
}

impl RedactedDocument {
    fn new(most: usize) -> Self {
        Self {
            text: Vec::new(),
            most,
            is_whole: true,
            has_redacted: false,
        }
    }

    /// Fails once there is no more room, which ends the reading.
    fn put<E: serde::de::Error>(&mut self, text: &[u8]) -> Result<(), E> {
        let room = self.most - self.text.len();
        self.text.extend_from_slice(&text[..text.len().min(room)]);
        self.is_whole = text.len() <= room;
        if self.is_whole {
            Ok(())
        } else {
            Err(E::custom("enough"))
        }
    }

    fn put_value<E: serde::de::Error>(&mut self, value: &impl Serialize) -> Result<(), E> {
        let text = serde_json::to_vec(value).map_err(E::custom)?;
        self.put(&text)
    }

    fn redact<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.has_redacted = true;
        self.put_value(&REDACTED)
    }
}

impl<'de> DeserializeSeed<'de> for &mut RedactedDocument {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut RedactedDocument {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.put(b"null")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.put_value(&value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.put_value(&value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.put_value(&value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.put_value(&value)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        // CSV text, most likely: its header names the column, and any cell may be of it.
        if names_secret(text) {
            return self.redact();
        }
        self.put_value(&text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.put(b"[")?;
        let mut before: &[u8] = b"";
        loop {
            let mut item = Item { kept: self, before };
            if items.next_element_seed(&mut item)?.is_none() {
                break;
            }
            before = b",";
        }
        self.put(b"]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.put(b"{")?;
        let mut before: &[u8] = b"";
        while let Some(name) = members.next_key::<String>()? {
            self.put(before)?;
            before = b",";
            self.put_value(&name)?;
            self.put(b":")?;
            if names_secret(&name) || looks_secret(&name) {
                members.next_value::<serde::de::IgnoredAny>()?;
                self.redact()?;
            } else {
                members.next_value_seed(&mut *self)?;
            }
        }
        self.put(b"}")
    }
}

/// An item of a list, with what stands before it.
struct Item<'k> {
    kept: &'k mut RedactedDocument,
    before: &'static [u8],
}

impl<'de> DeserializeSeed<'de> for &mut Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.kept.put(self.before)?;
        self.kept.deserialize(value)
    }
}

fn names_secret(text: &str) -> bool {
    /// As headers are compared.
    static COLUMNS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let columns = tenantry_jobs::KINDS.iter().flat_map(|job| job.columns());
        let secret = columns.filter(|column| column.secret);
        secret.map(|column| plain(column.name)).collect()
    });
    // The header of a text with its rows.
    if let Some((header, _)) = text.split_once(['\n', '\r'])
        && header.split([',', ';', '\t', '|']).any(looks_secret)
    {
        return true;
    }
    let plain = plain(text);
    COLUMNS.iter().any(|column| plain.contains(column))
}

/// As headers are compared: without case, blanks, `_` and `-`.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Documents of any form, with secrets in them.
    fn documents() -> impl Strategy<Value = Value> {
        let leaves = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(json!({ "password": "s3cret" })),
            Just(json!({ "Pass-Word": ["s3cret", { "a": "s3cret" }] })),
            Just(json!("user;password\nx;s3cret")),
        ];
        leaves.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(".{0,6}", inner, 0..6).prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_secret_stays_however_a_document_is_cut(document in documents(), cut: prop::sample::Index, most in 0..400_usize) {
            let document = document.to_string();
            let cut = document.floor_char_boundary(cut.index(document.len() + 1));
            for document in [document.as_str(), &document[..cut]] {
                let (kept, is_whole) = without_secrets(document.as_bytes(), most);
                let text = String::from_utf8_lossy(&kept);
                prop_assert!(kept.len() <= most && !text.contains("s3cret"), "{}", text);
                if is_whole && serde_json::from_str::<Value>(document).is_ok() {
                    prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
                }
            }
        }
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let kept_of = |document: &str, most: usize| {
            let (kept, is_whole) = without_secrets(document.as_bytes(), most);
            (String::from_utf8(kept).unwrap_or_default(), is_whole)
        };
        let kept = |document: &str| kept_of(document, 1_000).0;
        let plain = r#"{ "kind": "x", "rows": [ {"a":"b"} ] }"#;
        assert_eq!(kept(plain), plain);
        assert_eq!(
            kept(r#"{"kind":"x","rows":[{"a":"b","Pass word":"s3cret"},{"_password":["s3cret"]}]}"#),
            r#"{"kind":"x","rows":[{"a":"b","Pass word":"<redacted>"},{"_password":"<redacted>"}]}"#
        );
        let all_sorts =
            r#"{"a":[null,true,-1,18446744073709551615,1.5,"\"x\n",[],{}],"a":{"b":[{}]},"pwd":[[1],{"x":2}]}"#;
        assert_eq!(
            kept(all_sorts),
            all_sorts.replace(r#"[[1],{"x":2}]"#, r#""<redacted>""#)
        );
        assert_eq!(kept_of(plain, 10), (r#"{"kind":"x"#.to_owned(), false));
        assert_eq!(
            kept_of(&format!("{}?", &plain[..20]), 10).0,
            r#"{"kind":"x"#,
            "what is wrong comes after it"
        );
        assert_eq!(kept_of("no document", 4), ("no d".to_owned(), false));
        assert_eq!(
            kept_of(r#"{"a":"b","pwd":"s3cret"}"#, 15),
            (r#"{"a":"b","pwd":"#.to_owned(), false)
        );
        assert!(kept_of(r#"{"pwd":"s3cret"}"#, 20).1);
        for hidden in [
            r#"{"csv":"a,Initial password [passwordProfile] Required\nb,s3cret"}"#,
            r#"{"rows":[{"password":"s3cret"}"#,
            r#"["PASS-WORD","s3cret"#,
            r#"{"rows":[{"pwd":"s3cret"}]}"#,
            r#"{"rows":[{"_Zugangscode":"s3cret"}]}"#,
            r#"{"rows":[{"Zugangscode":"s3cret"}"#,
            r#"{"rows":[{"PIN":"s3cret"}"#,
            r#"{"csv":"customer;_Kennwort\nb;s3cret"}"#,
            r#"{"csv":"a,pass\u0077ord\nb,s3cret"}"#,
            r#"{"csv":"a,pass\u0077ord\nb,s3cret"#,
        ] {
            assert!(!kept(hidden).contains("s3cret"), "{}", kept(hidden));
        }
    }
}
