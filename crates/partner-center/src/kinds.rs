//! The kinds that Partner Center can carry out, the tokens they need, and the fields it does not keep. A test holds the kinds against
//! the catalogue, so that every new kind is decided on.

use tenantry_store::reader::RecordKind;

/// Whether a kind can be carried out, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// It cannot.
    No,
    /// By an application, with no user behind it, or not always.
    ByApplication,
    /// By an application and a user.
    ForUser,
}

const TAKES: [(&str, Takes); 15] = [
    ("add-customer", Takes::ByApplication),
    ("assign-licenses", Takes::ForUser),
    ("bulk-add-users", Takes::ForUser),
    ("delete-users", Takes::ForUser),
    ("export-customers", Takes::ByApplication),
    ("remove-relationship", Takes::ForUser),
    ("reset-passwords", Takes::ForUser),
    ("restore-users", Takes::ForUser),
    // It sells seats.
    ("set-seats", Takes::No),
    ("set-subscriptions", Takes::No),
    ("suspend-subscription", Takes::ByApplication),
    ("switch-subscription", Takes::ByApplication),
    // That reads from it, and writes into the ledger's own database.
    ("sync-customers", Takes::No),
    ("update-account", Takes::ByApplication),
    ("update-users", Takes::ForUser),
];

/// Whether it can carry out this kind.
pub(super) fn takes(kind: &str) -> Takes {
    let found = TAKES.iter().find(|(known, _)| *known == kind);
    found.map_or(Takes::No, |(_, takes)| *takes)
}

/// The kinds it can carry out.
pub(super) fn taken() -> impl Iterator<Item = &'static str> {
    TAKES
        .iter()
        .filter(|(_, takes)| *takes != Takes::No)
        .map(|(kind, _)| *kind)
}

/// Fields of customers that it does not keep; columns of kinds have the same names.
const OF_CUSTOMERS: &[&str] = &["tags", "external_id"];
/// Fields of users that it does not keep. Kinds have columns of the same names for most.
const OF_USERS: &[&str] = &[
    "job_title",
    "department",
    "office",
    "office_phone",
    "mobile_phone",
    "fax",
    "alternate_email",
    "street_address",
    "city",
    "state",
    "postal_code",
    "country",
    "block_sign_in",
    "flags",
    "password_set_at",
];

/// What it does not keep.
pub(super) fn unkept(kind: RecordKind) -> &'static [&'static str] {
    match kind {
        RecordKind::Customer => OF_CUSTOMERS,
        RecordKind::User => OF_USERS,
        RecordKind::Seats | RecordKind::Subscription => &[],
    }
}

/// Columns of a kind that it has no place for.
pub(super) fn unkept_columns(kind: &str) -> &'static [&'static str] {
    match kind {
        "add-customer" | "update-account" => OF_CUSTOMERS,
        "bulk-add-users" | "update-users" => OF_USERS,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use tenantry_jobs::{KINDS, RunsIn};

    use super::*;

    #[test]
    fn every_kind_is_decided_on() {
        let mut kinds: Vec<&str> = KINDS.iter().map(|job| job.kind()).collect();
        kinds.sort_unstable();
        assert_eq!(TAKES.map(|(kind, _)| kind).to_vec(), kinds);
        for job in KINDS.iter().filter(|job| job.policy().runs_in == RunsIn::Ledger) {
            assert_eq!(takes(job.kind()), Takes::No, "{}", job.kind());
        }
    }
}
