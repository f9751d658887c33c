//! The calls that came lately, for people who look what their client does.

use std::collections::VecDeque;

use serde::Serialize;

/// Calls that are remembered.
const MOST: usize = 200;

/// A call that was answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RecentCall {
    pub(crate) at: String,
    pub(crate) method: String,
    /// Without the query, which may hold what nobody else should read.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) request_id: String,
}

/// The last calls.
#[derive(Debug, Default)]
pub(crate) struct RecentCalls(VecDeque<RecentCall>);

impl RecentCalls {
    pub(crate) fn note(&mut self, call: RecentCall) {
        if self.0.len() >= MOST {
            self.0.pop_back();
        }
        self.0.push_front(call);
    }

    /// The newest first.
    pub(crate) fn recent(&self) -> Vec<RecentCall> {
        self.0.iter().cloned().collect()
    }
}
