//! Addresses are held against Partner Center's address validation before a customer is made with one or moved to one.
//!
//! It answers with a word and with addresses it takes for what was meant. An address that is among those is fine;
//! otherwise the row says what is suggested. What it cannot look at goes on unchecked, and the row says so: a check
//! that cannot be made is no reason to hold customers up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tenantry_jobs::{CustomerField, Problem, code};
use tokio::sync::OnceCell;

use super::PartnerCenterError;
use super::auth::TokenKind;
use super::client::{Call, CallError, Client, Operation};
use super::failure::{FailureClass, find};
use super::text::text;
use tenantry_foundation::lock::lock;

const VALIDATE: Operation = Operation::new("validate-address", "POST", TokenKind::App);

/// The parts of an address that are looked at, and the columns they are from.
const PARTS: [(CustomerField, &str); 6] = [
    (CustomerField::AddressLine1, "addressLine1"),
    (CustomerField::AddressLine2, "addressLine2"),
    (CustomerField::City, "city"),
    (CustomerField::State, "state"),
    (CustomerField::PostalCode, "postalCode"),
    (CustomerField::Country, "country"),
];

/// Whether a field is a part of an address that is looked at.
pub(super) fn is_part(field: CustomerField) -> bool {
    PARTS.iter().any(|(part, _)| *part == field)
}

/// What the validation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    Fine,
    /// It could not be looked at, and why.
    Unchecked(String),
    Doubtful(Problem),
}

/// Asks, once for each address.
pub(super) struct Validator {
    is_on: bool,
    known: Mutex<HashMap<String, Arc<OnceCell<Judgement>>>>,
}

impl Validator {
    pub(super) fn new(is_on: bool) -> Self {
        Self {
            is_on,
            known: Mutex::default(),
        }
    }

    /// Judges an address as a billing profile has it.
    pub(super) async fn judge(&self, client: &Client, address: &Value) -> Result<Judgement, PartnerCenterError> {
        if !self.is_on {
            return Ok(Judgement::Fine);
        }
        let parts = PARTS.iter().map(|(_, name)| (*name, text(address, name)));
        let parts = parts.filter(|(_, value)| !value.is_empty());
        let asked: Map<String, Value> = parts.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let asked = Value::Object(asked);
        let cell = {
            let mut known = lock(&self.known);
            known.entry(asked.to_string()).or_default().clone()
        };
        let judgement = cell.get_or_try_init(|| ask(client, &asked)).await?;
        Ok(judgement.clone())
    }
}

async fn ask(client: &Client, asked: &Value) -> Result<Judgement, PartnerCenterError> {
    let call = Call::new(VALIDATE, "/validations/address").body(asked.clone());
    match client.read(&call).await {
        Ok(answer) => Ok(judged(asked, &answer.body)),
        // It answered with the status alone once, and so it may in some clouds still.
        Err(CallError::Answered(failure, _)) if failure.status == 400 => {
            let expected = format!("an address that Partner Center takes: {failure}");
            let line = text(asked, "addressLine1");
            let problem = Problem::new(code::ADDRESS_NOT_VERIFIED, "address_line1", line, expected);
            Ok(Judgement::Doubtful(problem))
        }
        Err(CallError::Answered(failure, _)) if failure.class() != FailureClass::Unauthorized => {
            Ok(Judgement::Unchecked(failure.to_string()))
        }
        Err(CallError::Lost(why)) => Ok(Judgement::Unchecked(why)),
        Err(error) => Err(PartnerCenterError::of(error)),
    }
}

fn judged(asked: &Value, answer: &Value) -> Judgement {
    // The documentation's table has the words with spaces between them, its samples without.
    let status: String = text(answer, "status").split([' ', '_']).collect();
    let status = status.to_ascii_lowercase();
    match status.as_str() {
        "" | "verified" | "verifiedshippable" => Judgement::Fine,
        "interactionrequired" | "streetpartial" | "premisespartial" | "multiple" | "none" => {
            let suggested = find(answer, "suggestedAddresses").and_then(Value::as_array);
            let suggested = suggested.map_or(&[][..], Vec::as_slice);
            if suggested.iter().any(|one| differing(asked, one).is_empty()) {
                return Judgement::Fine;
            }
            Judgement::Doubtful(doubt(
                asked,
                suggested.first(),
                &status,
                text(answer, "validationMessage"),
            ))
        }
        "notvalidated" => Judgement::Unchecked("Partner Center could not validate it".to_owned()),
        other => Judgement::Unchecked(format!("Partner Center's validation says `{other}`")),
    }
}

fn doubt(asked: &Value, suggested: Option<&Value>, status: &str, message: &str) -> Problem {
    let Some(suggested) = suggested else {
        let mut expected = match status {
            "none" => "an address that exists".to_owned(),
            _ => "a complete address".to_owned(),
        };
        if !message.is_empty() {
            expected = format!(
                "{expected}; Partner Center's validation says: {}",
                message.trim_end_matches('.')
            );
        }
        let line = text(asked, "addressLine1");
        return Problem::new(code::ADDRESS_NOT_VERIFIED, "address_line1", line, expected);
    };
    let differing = differing(asked, suggested);
    let columns: Vec<&str> = differing.iter().map(|(field, _)| field.name()).collect();
    let parts = PARTS.iter().map(|(_, name)| text(suggested, name));
    let whole: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let (field, name) = differing.first().copied().unwrap_or(PARTS[0]);
    let (column, value, near) = (field.name(), text(asked, name), text(suggested, name));
    let expected = match columns.as_slice() {
        [_] => format!("Partner Center's validation takes {}", whole.join(", ")),
        many => format!(
            "Partner Center's validation takes {}, which differs in {}",
            whole.join(", "),
            many.join(", ")
        ),
    };
    Problem::stated(code::ADDRESS_NOT_VERIFIED, column, value, expected).suggest((!near.is_empty()).then_some(near))
}

/// The parts in which a suggestion is another address. Case and punctuation make none, nor does the longer form of a
/// postal code.
fn differing(asked: &Value, suggested: &Value) -> Vec<(CustomerField, &'static str)> {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let differs = |(_, name): &&(CustomerField, &str)| {
        let (ours, theirs) = (plain(text(asked, name)), plain(text(suggested, name)));
        let is_longer = *name == "postalCode" && !ours.is_empty() && theirs.starts_with(&ours);
        ours != theirs && !is_longer
    };
    PARTS.iter().filter(differs).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(line: &str, city: &str, code: &str) -> Value {
        json!({ "addressLine1": line, "city": city, "postalCode": code, "country": "US" })
    }

    fn judge(status: &str, suggested: &[Value]) -> Judgement {
        let answer = json!({ "status": status, "suggestedAddresses": suggested, "validationMessage": "Look again." });
        judged(&address("Elm Street", "Springfield", "01101"), &answer)
    }

    #[test]
    fn the_suggestion_decides_and_not_the_word() {
        let itself = address("ELM STREET", "Springfield", "01101-1234");
        for status in ["StreetPartial", "Interaction required", "premises_partial", "Multiple"] {
            assert_eq!(
                judge(status, std::slice::from_ref(&itself)),
                Judgement::Fine,
                "{status}"
            );
        }
        assert_eq!(judge("VerifiedShippable", &[]), Judgement::Fine);
        assert_eq!(judged(&address("a", "b", "c"), &Value::Null), Judgement::Fine);
        for status in ["NotValidated", "Purple"] {
            assert!(matches!(judge(status, &[]), Judgement::Unchecked(_)), "{status}");
        }
    }

    #[test]
    fn a_doubt_names_the_column_and_the_accepted_address() {
        let said = |judgement| match judgement {
            Judgement::Doubtful(problem) => problem.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(
            said(judge(
                "StreetPartial",
                &[address("1 Elm Street", "Springfield", "01101")]
            )),
            "address_line1: `Elm Street`: Partner Center's validation takes 1 Elm Street, Springfield, 01101, US; did you \
             mean `1 Elm Street`?"
        );
        assert_eq!(
            said(judge(
                "InteractionRequired",
                &[address("Elm Street", "Shelbyville", "01199")]
            )),
            "city: `Springfield`: Partner Center's validation takes Elm Street, Shelbyville, 01199, US, which differs in \
             city, postal_code; did you mean `Shelbyville`?"
        );
        assert_eq!(
            said(judge("None", &[])),
            "address_line1: `Elm Street` is not an address that exists; Partner Center's validation says: Look again"
        );
    }
}
