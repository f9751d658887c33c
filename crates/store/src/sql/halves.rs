//! Writing many things at once, of which a unique key refuses one: the others are written all the same.

use tenantry_foundation::db::{DbError, Tx};

/// What writes several items together, all or none of them.
type WriteTogether<'f, 'i, T> = dyn FnMut(&mut dyn Tx, &'i [T]) -> Result<(), DbError> + 'f;

/// Writes the items together, and where a unique key refuses that, in halves, down to those that are refused alone, which are
/// the answer. What `together` keeps, it keeps only where it succeeds.
pub(super) fn write<'i, T>(
    tx: &mut dyn Tx,
    items: &'i [T],
    together: &mut WriteTogether<'_, 'i, T>,
) -> Result<Vec<&'i T>, DbError> {
    match (tx.attempt(&mut |tx| together(tx, items)), items) {
        (Err(DbError::Conflict(why)), [one]) => {
            tracing::warn!(why, "a row is refused by a unique key that no look at the store shows");
            Ok(vec![one])
        }
        (Err(DbError::Conflict(_)), [_, ..]) => {
            let (first, second) = items.split_at(items.len() / 2);
            let mut refused = write(tx, first, together)?;
            refused.extend(write(tx, second, together)?);
            Ok(refused)
        }
        (done, _) => done.map(|()| Vec::new()),
    }
}
