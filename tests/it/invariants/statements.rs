//! What a ledger at rest has to be like: everything that is always true, and what is as well once nobody is at work.

use tenantry_foundation::db::{Db, DbError, Tx};
use tenantry_ledger::invariants::{self, Invariant};

/// Every invariant.
pub(super) fn all() -> Vec<Invariant> {
    let ledger = invariants::always().into_iter().chain(invariants::at_rest());
    ledger.chain(tenantry_store::sql::invariants::always()).collect()
}

/// What is wrong as this transaction sees it: the name of the invariant, a colon, and what its statement lists.
pub(super) fn seen(tx: &mut dyn Tx) -> Result<Vec<String>, DbError> {
    let mut found = Vec::new();
    for invariant in all() {
        let violations = invariant.violations(tx)?;
        found.extend(violations.iter().map(|one| format!("{}: {}", one.name, one.row)));
    }
    Ok(found)
}

/// Everything that is wrong in there, seen in one snapshot.
pub(crate) async fn violations(db: &Db) -> Vec<String> {
    db.read(seen).await.expect("the statements run")
}
