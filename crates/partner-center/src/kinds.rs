//! Which kinds Partner Center can carry out, and who has to ask. A test holds this against the catalogue, so that every
//! new kind is decided on.

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
