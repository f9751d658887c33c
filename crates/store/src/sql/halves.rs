//! Writing many things at once, of which a unique key refuses one: the others are written all the same.

use tenantry_foundation::db::{DbError, Tx};

/// What writes several items together, all or none of them, after those that led to `S`; its outcome.
type WriteTogether<'f, 'i, T, S, D> = dyn FnMut(&mut dyn Tx, &'i [T], &S) -> Result<D, DbError> + 'f;

/// Writes the items together, and where a unique key refuses that, in halves, down to those that are refused alone, which are
/// the answer. Their outcome is added to `so_far` once it is written, for a key may refuse it after `together` has ended.
pub(super) fn write<'i, T, S, D>(
    tx: &mut dyn Tx,
    items: &'i [T],
    so_far: &mut S,
    add: fn(&mut S, D),
    together: &mut WriteTogether<'_, 'i, T, S, D>,
) -> Result<Vec<&'i T>, DbError> {
    let mut done = None;
    let written = tx.attempt(&mut |tx| {
        done = Some(together(tx, items, so_far)?);
        Ok(())
    });
    match (written, items) {
        (Err(DbError::Conflict(why)), [one]) => {
            tracing::warn!(why, "a row is refused by a unique key that no look at the store shows");
            Ok(vec![one])
        }
        (Err(DbError::Conflict(_)), [_, ..]) => {
            let (first, second) = items.split_at(items.len() / 2);
            let mut refused = write(tx, first, so_far, add, together)?;
            refused.extend(write(tx, second, so_far, add, together)?);
            Ok(refused)
        }
        (Err(error), _) => Err(error),
        (Ok(()), _) => {
            if let Some(done) = done {
                add(so_far, done);
            }
            Ok(Vec::new())
        }
    }
}
