//! Rights of a PostgreSQL role in a ledger, as the server sees them.

use super::{DbError, Tx};

/// The role, and what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Its name.
    pub role: String,
    /// Whether it owns the tables, or is above all rules: it could switch off what guards the audit record.
    pub owns: bool,
    /// Whether it may add jobs.
    pub writes: bool,
    /// Whether the server follows another one, and takes no changes from anybody.
    pub is_standby: bool,
}

impl Rights {
    pub(super) fn read(tx: &mut dyn Tx) -> Result<Self, DbError> {
        let found = tx.query_first(
            "SELECT CAST(current_user AS TEXT), COALESCE(pg_has_role(c.relowner, 'USAGE'), FALSE), has_table_privilege('jobs', 'INSERT'),
               pg_is_in_recovery(), (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'default_transaction_read_only')
             FROM pg_class c WHERE c.oid = to_regclass('jobs')",
            &[],
        )?;
        let row = found.ok_or_else(|| DbError::Broken("there are no tables".to_owned()))?;
        Ok(Self {
            role: row.text(0)?.to_owned(),
            owns: row.int(1)? == 1,
            writes: row.int(2)? == 1 && row.text(4)? == "off",
            is_standby: row.int(3)? == 1,
        })
    }
}
