//! The identity of an installation, which sets one database's records apart from those of every other.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::{DbError, Tx};

/// The number that sets this database's GUIDs apart from any other's (48 random bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation(u64);

impl Installation {
    /// Stands in where there is no database.
    pub const NONE: Self = Self(0);

    /// A new one.
    pub fn random(clock: &Clock) -> Self {
        Self(clock.fresh_id().as_u64_pair().1 & 0xffff_ffff_ffff)
    }

    /// The number the database has, or this one if it had none.
    pub fn recorded(self, tx: &mut dyn Tx) -> Result<Self, DbError> {
        // A caller that only reads must not have to write.
        if let Some(known) = Self::found(tx)? {
            return Ok(known);
        }
        tx.exec(
            "INSERT INTO meta (key, value) VALUES ('installation', $1) ON CONFLICT (key) DO NOTHING",
            &[self.0.to_string().into()],
        )?;
        Self::read(tx)
    }

    /// The number the database has.
    pub fn read(tx: &mut dyn Tx) -> Result<Self, DbError> {
        Self::found(tx)?.ok_or_else(|| DbError::Broken("the database has no installation number".to_owned()))
    }

    fn found(tx: &mut dyn Tx) -> Result<Option<Self>, DbError> {
        let Some(row) = tx.query_first("SELECT value FROM meta WHERE key = 'installation'", &[])? else {
            return Ok(None);
        };
        let text = row.text(0)?;
        let number = text.parse().map(Self);
        number
            .map(Some)
            .map_err(|_| DbError::Broken(format!("installation is `{text}`, not a number")))
    }

    /// A number for a store that is no database, made from what tells it from others.
    pub fn of(name: &str) -> Self {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&Sha256::digest(name)[..6]);
        Self(u64::from_be_bytes(bytes))
    }

    /// The number as the database has it.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The GUID of a record (UUID version 8): 48 bits of installation, then the 63 bits of the id.
    pub fn guid(self, record: i64) -> Uuid {
        let id = record as u128 & ((1 << 63) - 1);
        let high = (u128::from(self.0) << 80) | ((id >> 51) << 64);
        let low = (id & ((1 << 51) - 1)) << 11;
        uuid::Builder::from_u128(high | low)
            .with_version(uuid::Version::Custom)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn different_records_have_different_guids(a in 0_i64.., b in 0_i64..) {
            let here = Installation(0x1234_5678_9abc);
            prop_assert_eq!(a == b, here.guid(a) == here.guid(b));
            prop_assert_eq!(here.guid(a).get_version_num(), 8);
        }
    }
}
