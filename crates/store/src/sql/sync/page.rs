//! A page of another store's records, whichever sort of store that is.

use super::super::record::Record;
use super::SyncStep;
use crate::reader::{Missed, RecordKey};

/// Consecutive records of one sort in the other store.
pub struct SyncPage {
    pub(super) step: SyncStep,
    /// The key before the first.
    pub(super) after: RecordKey,
    /// The last key; `None` on the last page, which goes to the end of all keys.
    pub(super) until: Option<RecordKey>,
    /// The customer, by its id there, that all of it belongs to.
    pub(super) owner: Option<String>,
    pub(super) originals: Vec<Original>,
    /// Keys within it that could not be read (all of a customer's where the part is [`Missed::EVERY_ID`]), and what to say of them.
    pub(super) unread: Vec<(RecordKey, String)>,
    /// Fields that the other store does not keep.
    pub(super) unkept: &'static [&'static str],
}

impl SyncPage {
    /// Whether nothing is known of the record.
    pub(super) fn is_unread(&self, key: &RecordKey) -> bool {
        let covers =
            |unread: &RecordKey| unread.id == key.id && (unread.part == key.part || unread.part == Missed::EVERY_ID);
        self.unread.iter().any(|(unread, _)| covers(unread))
    }
}

/// A record as the other store has it.
pub(super) struct Original {
    pub(super) key: RecordKey,
    /// The customer it belongs to, by its key there.
    pub(super) owner: String,
    /// What it holds; nothing if its copy has the same version.
    pub(super) content: Option<Content>,
}

pub(super) struct Content {
    pub(super) record: Record,
    /// Of a customer only.
    pub(super) identity: Option<Identity>,
}

/// What a customer has that never changes.
pub(super) struct Identity {
    pub(super) tenant_id: String,
    /// The primary one.
    pub(super) domain: String,
    pub(super) registration_number: String,
    pub(super) associated_partner_id: String,
    pub(super) domains: Vec<String>,
}
