//! Counters of calls and of their effects, for tests of clients.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

/// Request ids that are counted; those of a test fit, those of a million calls need not.
const MOST: usize = 100_000;

/// Of an operation.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct CallTally {
    pub(super) calls: u64,
    /// Changing calls that were carried out.
    pub(super) effects: u64,
    /// Changing calls that were told again what they were told before.
    pub(super) replays: u64,
    /// Calls that something was made to go wrong with.
    pub(super) faults: u64,
    /// Calls over a limit.
    pub(super) throttled: u64,
}

/// Of a request id.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct OfRequest {
    pub(super) operation: &'static str,
    pub(super) calls: u64,
    pub(super) effects: u64,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Counters {
    operations: BTreeMap<&'static str, CallTally>,
    /// Of changing calls only.
    requests: HashMap<String, OfRequest>,
}

impl Counters {
    pub(super) fn of(&mut self, operation: &'static str) -> &mut CallTally {
        self.operations.entry(operation).or_default()
    }

    pub(super) fn request(&mut self, operation: &'static str, id: &str, count: impl FnOnce(&mut OfRequest)) {
        if self.requests.len() < MOST || self.requests.contains_key(id) {
            let counted = self.requests.entry(id.to_owned()).or_default();
            counted.operation = operation;
            count(counted);
        }
    }
}
