//! Answers, and the two forms of refusal that operations give.

use serde_json::{Value, json};

use tenantry_foundation::db::DbError;

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(super) struct HttpReply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    /// A page for people in place of it.
    pub(super) page: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl HttpReply {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            ..Self::default()
        }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Why an operation does not answer what was asked for.
#[derive(Debug)]
pub(super) enum Refused {
    /// It says why.
    Answer(HttpReply),
    /// It could not be carried out.
    Db(DbError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl Refused {
    /// Names what the refusal is about.
    pub(super) fn about<T: Into<Value>>(mut self, what: impl IntoIterator<Item = T>) -> Self {
        if let Self::Answer(reply) = &mut self
            && let Some(body) = &mut reply.body
        {
            body["data"] = what.into_iter().map(Into::into).collect();
        }
        self
    }
}

impl Refused {
    /// Names the part of the service that refuses.
    pub(super) fn said_by(mut self, source: &str) -> Self {
        if let Self::Answer(HttpReply { body: Some(body), .. }) = &mut self {
            body["source"] = source.into();
        }
        self
    }
}

pub(super) type ReplyResult = Result<HttpReply, Refused>;

/// The usual refusal.
pub(super) fn refuse(status: u16, code: u32, description: impl Into<String>) -> Refused {
    Refused::Answer(HttpReply::json(
        status,
        json!({ "code": code, "description": description.into(), "data": [], "source": "PartnerFD" }),
    ))
}

/// The refusal of newer operations, which says whether trying again may help.
pub(super) fn refuse_by_name(status: u16, code: u32, name: &str, message: &str) -> Refused {
    Refused::Answer(HttpReply::json(
        status,
        json!({
            "code": code,
            "message": message,
            "description": message,
            "errorName": name,
            "isRetryable": false,
            "parameters": {},
            "errorMessageExtended": format!("InternalErrorCode={code}"),
        }),
    ))
}

/// A member is missing or has a value that is not accepted.
pub(super) fn bad_member(path: &str, why: &str) -> Refused {
    refuse(400, 3000, format!("Invalid property: {path} {why}")).about([path])
}
