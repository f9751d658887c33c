//! What a call that failed means.
//!
//! Partner Center answers errors in several shapes: its own with a numeric code (sometimes as text), a newer one that
//! says whether to try again, the gateway's without a code, Entra's, and none at all. [`Failure`] reads all of them.
//! What follows from one is decided by (status, code) in one table, since a code alone means different things
//! in different places.

use std::time::Duration;

use serde_json::Value;

/// An error as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
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
pub(super) enum Class {
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

/// (status, code, class): what differs from the rule for its status. Sources: the error code catalogue of Partner
/// Center's REST documentation, and answers seen in issue threads.
const TABLE: &[(u16, &str, Class)] = &[
    (400, "2055", Class::Stale),
    (400, "900316", Class::Forbidden),
    (401, "900420", Class::Forbidden),
    (403, "900150", Class::Forbidden),
    (403, "900308", Class::Forbidden),
    (403, "900309", Class::Forbidden),
    (403, "900329", Class::Forbidden),
    (403, "1002", Class::Forbidden),
    (404, "20000", Class::Busy),
    (409, "27009", Class::Refused),
    (409, "800060", Class::Busy),
    (409, "800064", Class::Busy),
    (409, "800082", Class::Busy),
    (409, "900104", Class::Busy),
    (409, "900278", Class::Busy),
    (409, "900100", Class::Refused),
    (409, "900101", Class::Refused),
];

impl Failure {
    /// Reads the body of an answer that is no success.
    pub(super) fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
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
        let retryable = find(inner, "isRetryable").and_then(Value::as_bool);
        Self {
            status,
            code,
            message,
            retryable,
            retry_after,
        }
    }

    /// What a call about something would have been answered that is there no more.
    pub(super) fn gone() -> Self {
        Self {
            status: 404,
            code: String::new(),
            message: "it is there no more".to_owned(),
            retryable: None,
            retry_after: None,
        }
    }

    /// What to do about it.
    pub(super) fn class(&self) -> Class {
        let listed = TABLE
            .iter()
            .find(|(status, code, _)| *status == self.status && *code == self.code);
        if let Some((_, _, class)) = listed {
            return *class;
        }
        match self.status {
            401 => Class::Unauthorized,
            409 | 412 => Class::Stale,
            429 => Class::Throttled,
            408 | 500..=599 => Class::Unavailable,
            _ if self.retryable == Some(true) => Class::Unavailable,
            _ => Class::Refused,
        }
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
            write!(f, "{message} (HTTP {}, code {})", self.status, self.code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, code: &str, message: &str, class: Class) {
        let failure = Failure::read(status, body.as_bytes(), None);
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
        check(400, full, "60012", "no seats", Class::Refused);
        let text = "\u{feff}{\"Code\":\"2055\",\"Description\":\"old\"}";
        check(400, text, "2055", "old", Class::Stale);
        let newer =
            r#"{"code":600061,"message":"m","description":"there already","isRetryable":false,"parameters":{}}"#;
        check(400, newer, "600061", "there already", Class::Refused);
        let newer = r#"{"code":1,"message":"later","isRetryable":true}"#;
        check(400, newer, "1", "later", Class::Unavailable);
        check(
            429,
            r#"{"statusCode":429,"message":"wait"}"#,
            "",
            "wait",
            Class::Throttled,
        );
        let entra = r#"{"error":"invalid_grant","error_description":"expired","error_codes":[1]}"#;
        check(400, entra, "invalid_grant", "expired", Class::Refused);
        let graph = r#"{"error":{"code":"Request_BadRequest","message":"taken"}}"#;
        check(400, graph, "Request_BadRequest", "taken", Class::Refused);
        check(
            502,
            "<html>Bad Gateway</html>",
            "",
            "<html>Bad Gateway</html>",
            Class::Unavailable,
        );
        check(404, "", "", "it answered 404", Class::Refused);
    }

    #[test]
    fn the_same_code_means_different_things() {
        let class = |status, code: &str| {
            let body = format!(r#"{{"code":{code},"description":""}}"#);
            Failure::read(status, body.as_bytes(), None).class()
        };
        assert_eq!(class(401, "400"), Class::Unauthorized);
        assert_eq!(class(401, "900420"), Class::Forbidden);
        assert_eq!(class(403, "900329"), Class::Forbidden);
        assert_eq!(class(403, "20002"), Class::Refused);
        assert_eq!(class(404, "20000"), Class::Busy);
        assert_eq!(class(409, "900278"), Class::Busy);
        assert_eq!(class(409, "900102"), Class::Stale);
    }
}
