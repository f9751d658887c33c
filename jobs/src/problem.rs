//! A fault of a row, described so that the person who wrote the file can fix it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One fault of one row. The reader of the file adds where it stands (file, line, column number).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable code, `kebab-case`; see [`code`].
    pub code: String,
    /// The native column at fault; empty when the row as a whole is.
    pub column: String,
    /// The offending value as it stands in the file (never of a secret column).
    pub value: String,
    /// What was expected, one phrase without a full stop; or, of one that is `stated`, a sentence of what is wrong.
    pub expected: String,
    /// Whether `expected` is a sentence of its own.
    #[serde(skip)]
    pub stated: bool,
    /// The nearest valid choice, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Box<str>>,
}

/// What follows a sentence about something that is not there: the nearest that is, or nothing.
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |nearest| format!("; did you mean `{nearest}`?"))
}

impl Problem {
    /// A value that is not what was expected, which is a noun: "a GUID".
    pub fn new(code: &str, column: &str, value: &str, expected: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            column: column.to_owned(),
            value: clip(value),
            expected: expected.into(),
            stated: false,
            suggestion: None,
        }
    }

    /// What is wrong with a value, in a sentence of its own: "no subscription has this id".
    pub fn stated(code: &str, column: &str, value: &str, sentence: impl Into<String>) -> Self {
        Self {
            stated: true,
            ..Self::new(code, column, value, sentence)
        }
    }

    /// The problem without column, value and suggestion, where those are shown apart from it.
    pub fn sentence(&self) -> String {
        if self.stated {
            self.expected.clone()
        } else {
            format!("expected {}", self.expected)
        }
    }

    /// Adds the nearest valid choice.
    #[must_use]
    pub fn suggest(mut self, nearest: Option<impl Into<Box<str>>>) -> Self {
        self.suggestion = nearest.map(Into::into);
        self
    }

    /// Whether it is true of what one cell names, whatever the other cells of the row say, so that it is told of a row of
    /// which other cells are at fault. What else a store says depends on what exactly is asked for.
    pub fn is_of_one_cell(&self) -> bool {
        matches!(
            self.code.as_str(),
            code::UNKNOWN_CUSTOMER
                | code::NOT_THERE_YET
                | code::AMBIGUOUS_CUSTOMER
                | code::RELATIONSHIP_ENDED
                | code::FOREIGN_DOMAIN
                | code::DOMAIN_TAKEN
                | code::EXTERNAL_ID_TAKEN
                | code::CUSTOMER_EXISTS
                | code::USER_EXISTS
                | code::UNKNOWN_USER
                | code::USER_DELETED
                | code::RESTORE_EXPIRED
                | code::UNKNOWN_SKU
                | code::LICENSE_NOT_ASSIGNED
                | code::UNKNOWN_ROLE
                | code::UNKNOWN_SUBSCRIPTION
                | code::FOREIGN_SUBSCRIPTION
                | code::UNKNOWN_STORE
                | code::NOT_KEPT
        )
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.column.is_empty() {
            write!(f, "{}: ", self.column)?;
        }
        // "`UK`: a country code" would read as if it were one.
        match (self.value.as_str(), self.stated) {
            ("", true) => {}
            ("", false) => f.write_str("expected ")?,
            (value, true) => write!(f, "`{}`: ", Printable(value))?,
            (value, false) => write!(f, "`{}` is not ", Printable(value))?,
        }
        f.write_str(&self.expected)?;
        match &self.suggestion {
            Some(nearest) => f.write_str(&did_you_mean(Some(nearest))),
            None => Ok(()),
        }
    }
}

/// On one line, nothing in it that a terminal would act on, and everything to be seen.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl std::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Most values are so, and every row of a job may be written by this.
        if crate::text::is_of_plain_bytes(self.0) {
            return f.write_str(self.0);
        }
        self.0.chars().try_for_each(|c| {
            if c.is_control() || crate::text::is_invisible(c) {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

/// A text as messages show it: control characters, and those that nobody sees, as escapes.
pub fn printable(text: &str) -> Cow<'_, str> {
    if crate::text::is_of_plain_bytes(text) {
        return text.into();
    }
    Printable(text).to_string().into()
}

/// A value as messages show it: its first 120 characters.
pub fn clip(value: &str) -> String {
    clipped(value).into_owned()
}

/// As [`clip`].
pub(crate) fn clipped(value: &str) -> Cow<'_, str> {
    const SHOWN: usize = 120;
    // A character is never less than a byte.
    if value.len() <= SHOWN {
        return value.into();
    }
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]).into(),
        None => value.into(),
    }
}

/// The candidate nearest to `wanted`, if one is near enough to be what was meant. Case is ignored, and parts may be swapped:
/// `azure-legacy` is near to `legacy-azure`.
pub fn nearest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    /// What people type is shorter, and comparing takes as long as both lengths multiplied.
    const LONGEST: usize = 1000;
    let length = wanted.chars().take(LONGEST + 1).count();
    if length > LONGEST {
        return None;
    }
    let wanted = wanted.to_lowercase();
    let near = |other: usize| (other.max(length) / 3).max(1);
    let parts = sorted_parts(&wanted);
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let swapped = 1 + strsim::damerau_levenshtein(&parts, &sorted_parts(&candidate));
        strsim::damerau_levenshtein(&wanted, &candidate).min(swapped)
    };
    candidates
        .into_iter()
        .map(|c| (c, c.chars().take(2 * LONGEST).count()))
        // They differ by no less than their lengths do.
        .filter(|(_, other)| other.abs_diff(length) <= near(*other))
        .map(|(c, other)| (distance(c), near(other), c))
        .filter(|(distance, near, _)| distance <= near)
        .map(|(distance, _, c)| (distance, c))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// The parts of a name in one order, whatever theirs is.
fn sorted_parts(name: &str) -> String {
    let mut parts: Vec<&str> = name.split(['-', '_', '.', ' ']).collect();
    parts.sort_unstable();
    parts.join("-")
}

/// The stable error codes of rows. A code, once released, keeps its meaning.
pub mod code {
    /// A required cell is empty.
    pub const REQUIRED: &str = "required";
    /// The value has the wrong form.
    pub const INVALID: &str = "invalid";
    /// The value is too long.
    pub const TOO_LONG: &str = "too-long";
    /// The value holds a control character or another one that is not allowed.
    pub const BAD_CHARACTER: &str = "bad-character";
    /// The row has more or fewer cells than the header.
    pub const RAGGED_ROW: &str = "ragged-row";
    /// The row is the one that a template gives as an example.
    pub const EXAMPLE_ROW: &str = "example-row";
    /// A cell of a spreadsheet holds an error such as `#N/A` instead of a value.
    pub const ERROR_CELL: &str = "error-cell";
    /// The same key stands in an earlier row of the file.
    pub const DUPLICATE_IN_FILE: &str = "duplicate-in-file";
    /// No country of that code.
    pub const UNKNOWN_COUNTRY: &str = "unknown-country";
    /// The store's address validation takes the address for another one, or for none.
    pub const ADDRESS_NOT_VERIFIED: &str = "address-not-verified";
    /// The country wants a registration number (Partner Center 600049).
    pub const REGISTRATION_NUMBER_REQUIRED: &str = "registration-number-required";
    /// The country wants a phone number (Partner Center 600051).
    pub const PHONE_REQUIRED: &str = "phone-required";
    /// `<clear>` on a field that must have a value.
    pub const CANNOT_CLEAR: &str = "cannot-clear";
    /// A list holds more entries than are allowed.
    pub const TOO_MANY: &str = "too-many";
    /// The country has no such state or province.
    pub const UNKNOWN_STATE: &str = "unknown-state";
    /// No directory role of that name.
    pub const UNKNOWN_ROLE: &str = "unknown-role";
    /// The header names a column the kind does not have.
    pub const UNKNOWN_COLUMN: &str = "unknown-column";
    /// The same column stands twice in the header, or in the header and on the command line.
    pub const DUPLICATE_COLUMN: &str = "duplicate-column";
    /// The header lacks a column the kind needs.
    pub const MISSING_COLUMN: &str = "missing-column";
    /// Licences need a usage location.
    pub const USAGE_LOCATION_REQUIRED: &str = "usage-location-required";
    /// The row changes nothing: no column has a value.
    pub const NOTHING_TO_CHANGE: &str = "nothing-to-change";
    /// No customer of that id, domain or external id.
    pub const UNKNOWN_CUSTOMER: &str = "unknown-customer";
    /// The customer was made minutes ago, and the store does not show it yet: the same row works later.
    pub const NOT_THERE_YET: &str = "not-there-yet";
    /// The row names another customer than the one that all rows of the file are of.
    pub const OTHER_CUSTOMER: &str = "other-customer";
    /// More than one customer answers to that name.
    pub const AMBIGUOUS_CUSTOMER: &str = "ambiguous-customer";
    /// The domain of the user name is not one of the customer's.
    pub const FOREIGN_DOMAIN: &str = "foreign-domain";
    /// The domain is taken by another customer.
    pub const DOMAIN_TAKEN: &str = "domain-taken";
    /// The external id is taken by another customer.
    pub const EXTERNAL_ID_TAKEN: &str = "external-id-taken";
    /// A user of that name exists and differs.
    pub const USER_EXISTS: &str = "user-exists";
    /// A customer of that domain exists and differs.
    pub const CUSTOMER_EXISTS: &str = "customer-exists";
    /// The customer holds no such SKU.
    pub const UNKNOWN_SKU: &str = "unknown-sku";
    /// No seat of the SKU is free (Partner Center 60012).
    pub const NO_FREE_SEATS: &str = "no-free-seats";
    /// Fewer seats than are assigned already.
    pub const SEATS_IN_USE: &str = "seats-in-use";
    /// None of the words that can stand here.
    pub const UNKNOWN_CHOICE: &str = "unknown-choice";
    /// Two cells of the row, or two entries of a cell, contradict each other.
    pub const CONFLICTING: &str = "conflicting";
    /// No store of that name is configured.
    pub const UNKNOWN_STORE: &str = "unknown-store";
    /// The customer has no user of that name (Partner Center 60002).
    pub const UNKNOWN_USER: &str = "unknown-user";
    /// The user is deleted; it has to be restored first.
    pub const USER_DELETED: &str = "user-deleted";
    /// The user is not deleted, so there is nothing to restore.
    pub const NOT_DELETED: &str = "not-deleted";
    /// The user was deleted more than 30 days ago and cannot be restored.
    pub const RESTORE_EXPIRED: &str = "restore-expired";
    /// The user does not have the licence.
    pub const LICENSE_NOT_ASSIGNED: &str = "license-not-assigned";
    /// No subscription of that id (Partner Center 800078).
    pub const UNKNOWN_SUBSCRIPTION: &str = "unknown-subscription";
    /// The subscription is not in a state in which this can be done.
    pub const SUBSCRIPTION_INACTIVE: &str = "subscription-inactive";
    /// The subscription belongs to another customer.
    pub const FOREIGN_SUBSCRIPTION: &str = "foreign-subscription";
    /// Subscriptions of the customer are still active, so the relationship cannot end.
    pub const ACTIVE_SUBSCRIPTIONS: &str = "active-subscriptions";
    /// Reservations or savings plans of the customer are still active.
    pub const ACTIVE_RESERVATIONS: &str = "active-reservations";
    /// Software of the customer is not cancelled.
    pub const ACTIVE_SOFTWARE: &str = "active-software";
    /// The time in which a new-commerce subscription can be cancelled is over.
    pub const NOT_CANCELLABLE: &str = "not-cancellable";
    /// There is no relationship with the customer any longer (Partner Center 3000, 20002).
    pub const RELATIONSHIP_ENDED: &str = "relationship-ended";
    /// The subscription is part of an open transfer already (Partner Center 900101).
    pub const TRANSFER_OPEN: &str = "transfer-open";
    /// There is no transfer to answer or to withdraw (Partner Center 900100).
    pub const NO_TRANSFER: &str = "no-transfer";
    /// The transfer is finished, rejected, withdrawn or expired (Partner Center 900102).
    pub const TRANSFER_CLOSED: &str = "transfer-closed";
    /// That step is not this partner's to take.
    pub const TRANSFER_NOT_ALLOWED: &str = "transfer-not-allowed";
    /// The subscription cannot be transferred in that way (Partner Center 900131 to 900134).
    pub const NOT_ELIGIBLE: &str = "not-eligible";
    /// The store has changed since the preview.
    pub const DRIFTED: &str = "drifted";
    /// What the job did has been changed since by somebody else, so that it cannot be undone.
    pub const EDITED_SINCE: &str = "edited-since";
    /// What the job did cannot be undone.
    pub const IRREVERSIBLE: &str = "irreversible";
    /// The store has no place for what the cell says.
    pub const NOT_KEPT: &str = "not-kept";
    /// The store refuses it, for a reason that has no code of its own here; the message has the store's.
    pub const REFUSED: &str = "refused";
    /// The job needs an approval it does not have.
    pub const NOT_APPROVED: &str = "not-approved";

    /// Every code.
    pub const ALL: &[&str] = &[
        REQUIRED,
        INVALID,
        TOO_LONG,
        BAD_CHARACTER,
        RAGGED_ROW,
        EXAMPLE_ROW,
        ERROR_CELL,
        DUPLICATE_IN_FILE,
        UNKNOWN_COUNTRY,
        ADDRESS_NOT_VERIFIED,
        REGISTRATION_NUMBER_REQUIRED,
        PHONE_REQUIRED,
        CANNOT_CLEAR,
        TOO_MANY,
        UNKNOWN_STATE,
        UNKNOWN_ROLE,
        UNKNOWN_COLUMN,
        DUPLICATE_COLUMN,
        MISSING_COLUMN,
        USAGE_LOCATION_REQUIRED,
        NOTHING_TO_CHANGE,
        UNKNOWN_CUSTOMER,
        NOT_THERE_YET,
        OTHER_CUSTOMER,
        AMBIGUOUS_CUSTOMER,
        FOREIGN_DOMAIN,
        DOMAIN_TAKEN,
        EXTERNAL_ID_TAKEN,
        USER_EXISTS,
        CUSTOMER_EXISTS,
        UNKNOWN_SKU,
        NO_FREE_SEATS,
        SEATS_IN_USE,
        UNKNOWN_CHOICE,
        CONFLICTING,
        UNKNOWN_STORE,
        UNKNOWN_USER,
        USER_DELETED,
        NOT_DELETED,
        RESTORE_EXPIRED,
        LICENSE_NOT_ASSIGNED,
        UNKNOWN_SUBSCRIPTION,
        SUBSCRIPTION_INACTIVE,
        FOREIGN_SUBSCRIPTION,
        ACTIVE_SUBSCRIPTIONS,
        ACTIVE_RESERVATIONS,
        ACTIVE_SOFTWARE,
        NOT_CANCELLABLE,
        RELATIONSHIP_ENDED,
        TRANSFER_OPEN,
        NO_TRANSFER,
        TRANSFER_CLOSED,
        TRANSFER_NOT_ALLOWED,
        NOT_ELIGIBLE,
        DRIFTED,
        EDITED_SINCE,
        IRREVERSIBLE,
        NOT_KEPT,
        REFUSED,
        NOT_APPROVED,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once() {
        let source = include_str!("problem.rs")
            .split("pub mod code {")
            .nth(1)
            .unwrap_or_default();
        let declared = source
            .split("\n}\n")
            .next()
            .unwrap_or_default()
            .matches(": &str = ")
            .count();
        let listed: std::collections::BTreeSet<&str> = code::ALL.iter().copied().collect();
        assert_eq!((declared, listed.len()), (code::ALL.len(), code::ALL.len()));
    }

    #[test]
    fn names_with_swapped_parts_are_near() {
        let flows = ["azure-plan", "new-commerce", "direct-to-indirect", "legacy-azure"];
        for (wanted, near) in [
            ("azure-legacy", Some("legacy-azure")),
            ("commerce_new", Some("new-commerce")),
            ("Azure Legcy", Some("legacy-azure")),
            ("indirect-to-direct", Some("direct-to-indirect")),
            ("azure-pla", Some("azure-plan")),
            ("marketplace", None),
        ] {
            assert_eq!(nearest(wanted, flows), near, "{wanted}");
        }
        assert_eq!(
            nearest("users-delete", ["delete-users", "update-users"]),
            Some("delete-users")
        );
    }

    #[test]
    fn no_problem_can_be_read_as_its_opposite() {
        let country = Problem::new("unknown-country", "country", "UK", "a country code").suggest(Some("GB"));
        let none = Problem::new("required", "country", "", "a country code");
        let unknown = Problem::stated("unknown-user", "", "ana@x.example", "no user has this name");
        let row = Problem::stated("refused", "", "", "the store refuses it");
        for (problem, shown, sentence) in [
            (
                country,
                "country: `UK` is not a country code; did you mean `GB`?",
                "expected a country code",
            ),
            (none, "country: expected a country code", "expected a country code"),
            (
                unknown,
                "`ana@x.example`: no user has this name",
                "no user has this name",
            ),
            (row, "the store refuses it", "the store refuses it"),
        ] {
            assert_eq!(
                (problem.to_string().as_str(), problem.sentence().as_str()),
                (shown, sentence)
            );
        }
    }

    #[test]
    fn a_near_name_is_found_and_a_long_one_is_not_compared() {
        let all = ["customer", "display_name", "user_principal_name"];
        for (wanted, near) in [
            ("Costumer", Some("customer")),
            ("user_principal_nam", Some("user_principal_name")),
            ("c", None),
            ("customer_customer", None),
        ] {
            assert_eq!(nearest(wanted, all), near, "{wanted}");
        }
        let long = "x".repeat(4 << 20);
        for _ in 0..1000 {
            assert_eq!(nearest(&long, all), None);
            assert_eq!(nearest("display", [long.as_str(), "displays"]), Some("displays"));
        }
    }

    #[test]
    fn a_problem_is_one_line_for_any_value() {
        let problem = Problem::new("invalid", "city", "Zoë\n\u{1b}[2J", "a city").suggest(Some("Bern"));
        assert_eq!(
            problem.to_string(),
            r"city: `Zoë\n\u{1b}[2J` is not a city; did you mean `Bern`?"
        );
    }
}
