//! The meaning of a failed call.
//!
//! Partner Center answers errors in several shapes: its own with a numeric code (sometimes as text), a newer one that
//! says whether to try again, the gateway's without a code, Entra's, and none at all. [`Failure`] reads all of them.
//! What follows from one is decided by status, code and operation in one table, the `catalogue`.

mod catalogue;

use std::time::Duration;

use serde_json::Value;

use super::answer;

/// Of an answer that tells an error.
const LARGEST: usize = 1 << 20;

/// An error as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What was asked for.
    pub operation: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Partner Center's code, in digits, or Entra's word; empty when there is none.
    pub code: String,
    /// What it says, for people.
    pub message: String,
    /// Whether the answer itself says that trying again may help.
    pub retryable: Option<bool>,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// The row cannot be carried out; trying again changes nothing.
    Refused,
    /// The key is out of calls: wait, and then call again.
    Throttled,
    /// The service cannot now. Whether the call took effect is not known.
    Unavailable,
    /// What was read before has changed since; read again and decide again.
    Stale,
    /// The token is refused.
    Unauthorized,
    /// The account may not do this at all, whatever the row.
    Forbidden,
    /// Something else has to end first; look again later.
    Busy,
}

impl Failure {
    /// Reads the body of an answer that is no success.
    pub(super) fn read(operation: &'static str, status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let value: Value = match answer::held(body) {
            // What is so large is no error of theirs.
            held if held > LARGEST => Value::Null,
            _ => serde_json::from_str(text).unwrap_or(Value::Null),
        };
        let inner = match value.get("error") {
            Some(inner @ Value::Object(_)) => inner,
            _ => &value,
        };
        let member = |names: &[&str]| {
            let found = names.iter().find_map(|name| find(inner, name));
            found.map_or(String::new(), |found| match found {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => String::new(),
            })
        };
        let code = member(&["code", "error"]);
        let mut message = member(&["description", "error_description", "message"]);
        if message.is_empty() {
            message = match &value {
                Value::Null if !text.is_empty() && text.len() <= 300 => text.to_owned(),
                _ => format!("it answered {status}"),
            };
        }
        // Behind its first line Entra says when and in which of its machines, which helps nobody here.
        let message = answer::message(&message);
        let retryable = find(inner, "isRetryable").and_then(Value::as_bool);
        Self {
            operation,
            status,
            code: answer::message(&code),
            message,
            retryable,
            retry_after,
        }
    }

    /// What a call about something would have been answered that is there no more.
    pub(super) fn gone() -> Self {
        Self {
            operation: "",
            status: 404,
            code: String::new(),
            message: "it no longer exists".to_owned(),
            retryable: None,
            retry_after: None,
        }
    }

    /// What to do about it.
    pub(super) fn class(&self) -> FailureClass {
        if let Some(entry) = self.entry() {
            return entry.class;
        }
        match self.status {
            401 => FailureClass::Unauthorized,
            409 | 412 => FailureClass::Stale,
            429 => FailureClass::Throttled,
            408 | 500..=599 => FailureClass::Unavailable,
            _ if self.retryable == Some(true) => FailureClass::Unavailable,
            _ => FailureClass::Refused,
        }
    }

    fn entry(&self) -> Option<&'static catalogue::KnownFailure> {
        catalogue::find(self.status, &self.code, self.operation)
    }
}

/// A member whatever the case of its name.
pub(super) fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| {
        members
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.message.trim_end_matches('.');
        if self.code.is_empty() {
            write!(f, "{message} (HTTP {})", self.status)
        } else {
            write!(f, "{message} (HTTP {}, code {})", self.status, self.code)?;
            match self.entry().map_or("", |entry| entry.advice) {
                "" => Ok(()),
                advice => write!(f, "; {advice}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, code: &str, message: &str, class: FailureClass) {
        let failure = Failure::read("list-users", status, body.as_bytes(), None);
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            (code, message),
            "{body}"
        );
        assert_eq!(failure.class(), class, "{body}");
    }

    #[test]
    fn every_shape_is_read() {
        let full = r#"{"code":60012,"description":"no seats","data":["SKU x"],"source":"S"}"#;
        check(400, full, "60012", "no seats", FailureClass::Refused);
        let text = "\u{feff}{\"Code\":\"2055\",\"Description\":\"old\"}";
        check(400, text, "2055", "old", FailureClass::Stale);
        let newer =
            r#"{"code":600061,"message":"m","description":"there already","isRetryable":false,"parameters":{}}"#;
        check(400, newer, "600061", "there already", FailureClass::Refused);
        let newer = r#"{"code":1,"message":"later","isRetryable":true}"#;
        check(400, newer, "1", "later", FailureClass::Unavailable);
        check(
            429,
            r#"{"statusCode":429,"message":"wait"}"#,
            "",
            "wait",
            FailureClass::Throttled,
        );
        let entra = r#"{"error":"invalid_grant","error_description":"expired","error_codes":[1]}"#;
        check(400, entra, "invalid_grant", "expired", FailureClass::Refused);
        let graph = r#"{"error":{"code":"Request_BadRequest","message":"taken"}}"#;
        check(400, graph, "Request_BadRequest", "taken", FailureClass::Refused);
        check(
            502,
            "<html>Bad Gateway</html>",
            "",
            "<html>Bad Gateway</html>",
            FailureClass::Unavailable,
        );
        check(404, "", "", "it answered 404", FailureClass::Refused);
    }

    #[test]
    fn the_same_code_means_different_things() {
        let class = |operation, status, code: &str| {
            let body = format!(r#"{{"code":"{code}","description":""}}"#);
            Failure::read(operation, status, body.as_bytes(), None).class()
        };
        for (operation, status, code, expected) in [
            ("list-users", 401, "400", FailureClass::Unauthorized),
            ("list-users", 401, "", FailureClass::Unauthorized),
            ("list-users", 401, "900420", FailureClass::Forbidden),
            ("create-user", 403, "900329", FailureClass::Forbidden),
            ("update-licenses", 400, "900316", FailureClass::Forbidden),
            ("create-customer", 403, "900308", FailureClass::Forbidden),
            ("create-user", 403, "900308", FailureClass::Refused),
            ("get-customer", 403, "20002", FailureClass::Refused),
            ("get-order", 404, "20000", FailureClass::Busy),
            ("get-customer", 404, "1000", FailureClass::Refused),
            ("update-billing-profile", 400, "2055", FailureClass::Stale),
            ("update-subscription", 412, "", FailureClass::Stale),
            ("update-subscription", 409, "900278", FailureClass::Busy),
            ("update-subscription", 409, "27009", FailureClass::Refused),
            ("create-transfer", 409, "900101", FailureClass::Refused),
            ("accept-transfer", 409, "900101", FailureClass::Stale),
            ("accept-transfer", 409, "900104", FailureClass::Busy),
            ("create-order", 500, "800084", FailureClass::Refused),
            ("update-subscription", 500, "800094", FailureClass::Unavailable),
            ("create-order", 500, "800003", FailureClass::Unavailable),
            ("list-customers", 408, "900225", FailureClass::Unavailable),
            ("list-customers", 429, "", FailureClass::Throttled),
        ] {
            assert_eq!(class(operation, status, code), expected, "{operation} {status} {code}");
        }
    }

    #[test]
    fn the_catalogue_is_sound() {
        let entries = catalogue::CATALOGUE;
        let operations: Vec<&str> = tenantry_sandbox::operations().collect();
        for (place, entry) in entries.iter().enumerate() {
            let named = format!("{} {}", entry.status, entry.code);
            assert!((400..600).contains(&entry.status) && !entry.code.is_empty(), "{named}");
            assert!(!entry.source.is_empty() && !entry.advice.ends_with('.'), "{named}");
            for operation in entry.operations {
                assert!(operations.contains(operation), "{named}: there is no {operation}");
            }
            for other in &entries[place + 1..] {
                let same = (entry.status, entry.code) == (other.status, other.code);
                let both_any = entry.operations.is_empty() && other.operations.is_empty();
                let shared = entry.operations.iter().any(|one| other.operations.contains(one));
                assert!(!(same && (both_any || shared)), "{named} stands there twice");
            }
            let by_status = Failure::read("", entry.status, b"", None).class();
            let says_more = entry.class != by_status || !entry.advice.is_empty();
            assert!(says_more, "{named} says what goes without saying");
        }
    }

    #[test]
    fn a_failure_names_the_column_to_fill_in() {
        let body = br#"{"code":600051,"description":"Customer phone number is missing."}"#;
        let said = Failure::read("create-customer", 400, body, None).to_string();
        assert_eq!(
            said,
            "Customer phone number is missing (HTTP 400, code 600051); fill in `phone`"
        );
    }
}
