//! A refused document is kept for whoever looks into why, but not the secrets in it.

use serde_json::Value;

use tenantry_jobs::looks_secret;

use crate::input::REDACTED;

/// The document with everything redacted that stands, or may stand, in a column of secrets.
///
/// What is refused may be anything, so this goes by names alone: those of the catalogue's secret columns, however
/// written, and all that have one in them, as templates' do.
pub(super) fn without_secrets(document: &[u8]) -> Vec<u8> {
    if let Ok(mut value) = serde_json::from_slice(document) {
        return if redact(&mut value) {
            value.to_string().into_bytes()
        } else {
            document.to_vec()
        };
    }
    let text = String::from_utf8_lossy(document);
    // An escape may spell the name.
    let may_hold_some = names_secret(&text) || text.contains('\\');
    if may_hold_some { REDACTED.as_bytes() } else { document }.to_vec()
}

/// Whether there was anything to redact.
fn redact(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => members.iter_mut().fold(false, |redacted, (name, member)| {
            if names_secret(name) || looks_secret(name) {
                *member = REDACTED.into();
                return true;
            }
            redact(member) || redacted
        }),
        Value::Array(items) => items.iter_mut().map(redact).fold(false, |any, one| any | one),
        // CSV text, most likely: its header names the column, and any cell may be of it.
        Value::String(text) if names_secret(text) => {
            *value = REDACTED.into();
            true
        }
        _ => false,
    }
}

fn names_secret(text: &str) -> bool {
    // The header of a text with its rows.
    if let Some((header, _)) = text.split_once(['\n', '\r'])
        && header.split([',', ';', '\t', '|']).any(looks_secret)
    {
        return true;
    }
    let plain = plain(text);
    let columns = tenantry_jobs::KINDS.iter().flat_map(|job| job.columns());
    columns
        .filter(|column| column.secret)
        .any(|column| plain.contains(&self::plain(column.name)))
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
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let kept = |document: &str| String::from_utf8(without_secrets(document.as_bytes())).unwrap_or_default();
        let plain = r#"{ "kind": "x", "rows": [ {"a":"b"} ] }"#;
        assert_eq!(kept(plain), plain);
        assert_eq!(
            kept(r#"{"kind":"x","rows":[{"a":"b","Pass word":"s3cret"},{"_password":["s3cret"]}]}"#),
            r#"{"kind":"x","rows":[{"Pass word":"<redacted>","a":"b"},{"_password":"<redacted>"}]}"#
        );
        for hidden in [
            r#"{"csv":"a,Initial password [passwordProfile] Required\nb,s3cret"}"#,
            r#"{"rows":[{"password":"s3cret"}"#,
            r#"["PASS-WORD","s3cret"#,
            r#"{"rows":[{"pwd":"s3cret"}]}"#,
            r#"{"csv":"customer;_Kennwort\nb;s3cret"}"#,
            r#"{"csv":"a,pass\u0077ord\nb,s3cret"}"#,
            r#"{"csv":"a,pass\u0077ord\nb,s3cret"#,
        ] {
            assert!(!kept(hidden).contains("s3cret"), "{}", kept(hidden));
        }
    }
}
