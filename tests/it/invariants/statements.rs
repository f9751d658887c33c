//! What a ledger at rest has to be like: everything that is always true, and what is as well once nobody is at work.

use tenantry_foundation::db::{Db, DbError, Tx};
use tenantry_ledger::invariants::{self, Invariant};

/// What is true whatever goes on.
fn always() -> impl Iterator<Item = Invariant> {
    let ledger = invariants::always().into_iter();
    ledger.chain(tenantry_store::sql::invariants::always())
}

/// Every invariant.
pub(super) fn all() -> Vec<Invariant> {
    always().chain(invariants::at_rest()).collect()
}

/// What is wrong as this transaction sees it: the name of the invariant, a colon, and what its statement lists.
pub(super) fn seen(tx: &mut dyn Tx) -> Result<Vec<String>, DbError> {
    found(tx, all())
}

fn found(tx: &mut dyn Tx, all: impl IntoIterator<Item = Invariant>) -> Result<Vec<String>, DbError> {
    let mut found = Vec::new();
    for invariant in all {
        let violations = invariant.violations(tx)?;
        found.extend(violations.iter().map(|one| format!("{}: {}", one.name, one.row)));
    }
    Ok(found)
}

/// Everything that is wrong in there, seen in one snapshot.
pub(crate) async fn violations(db: &Db) -> Vec<String> {
    db.read(seen).await.expect("the statements run")
}

/// As [`violations`], of a ledger in which somebody may be at work, or was until it was killed.
#[allow(dead_code, reason = "the benches use less of it")]
pub(crate) async fn violations_at_work(db: &Db) -> Vec<String> {
    db.read(|tx| found(tx, always())).await.expect("the statements run")
}
