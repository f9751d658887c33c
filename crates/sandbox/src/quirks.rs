//! Oddities of the real service, each of which a client has to live with and which can be asked for one by one.

use serde_json::Value;

use super::Shared;

/// Something the service does, or once did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Quirk {
    /// The last page, too, has a token, and asking with it is answered 400 with code 2000
    DanglingToken,
    /// Links of collections begin with `/v1`
    PrefixedLinks,
    /// Error codes are strings
    StringCodes,
    /// A stale etag is answered 412 instead of 400
    #[value(name = "etag-412")]
    Etag412,
    /// Bodies begin with no byte order mark, which the service puts there
    NoBom,
    /// Passwords of two kinds of characters will do, as in Microsoft's samples
    LaxPasswords,
    /// Words such as a status are ones nobody has heard of
    UnknownEnums,
    /// Times come without a zone
    ZonelessDates,
    /// Changing calls are answered without a body
    EmptyAnswers,
    /// Changes of subscriptions are answered 202 with a Location
    AcceptedUpdates,
    /// Batches of devices are never done
    StuckBatches,
    /// The customer that was made last is in no list yet
    LaggingLists,
    /// Accepted transfers and checked out carts succeed in part
    PartialSuccess,
}

impl Quirk {
    /// The quirk of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        clap::ValueEnum::from_str(name, true).ok()
    }
}

impl Shared {
    pub(super) fn has(&self, quirk: Quirk) -> bool {
        super::lock(&self.trouble).quirks.contains(&quirk)
    }
}

/// Members that hold one word of several.
const WORDS: &[&str] = &[
    "status",
    "state",
    "relationshipToPartner",
    "userDomainType",
    "billingCycle",
    "capabilityStatus",
];

/// An answer as the quirks have it.
pub(super) fn bend(quirks: &[Quirk], status: u16, body: &mut Value) {
    for quirk in quirks {
        match quirk {
            Quirk::StringCodes if status >= 400 => {
                if let Some(code) = body.get_mut("code") {
                    *code = Value::String(code.to_string());
                }
            }
            Quirk::UnknownEnums if status < 400 => {
                each(body, &|name, text| {
                    WORDS.contains(&name).then(|| format!("{text}_of_the_future"))
                });
            }
            Quirk::ZonelessDates => each(body, &|_, text| {
                let looks_so = text.len() >= 20 && text.as_bytes()[10] == b'T' && text.as_bytes()[4] == b'-';
                looks_so.then(|| text.trim_end_matches('Z').to_owned())
            }),
            _ => {}
        }
    }
}

/// Changes every text for which there is another.
fn each(value: &mut Value, other: &dyn Fn(&str, &str) -> Option<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) => {
                        if let Some(new) = other(name, text) {
                            *text = new;
                        }
                    }
                    inner => each(inner, other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, other)),
        _ => {}
    }
}
