//! Who asks for something, and by which way in. What proves the name is the way's business.

use tenantry_foundation::db::{DbError, Row};

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name that is recorded.
    pub name: String,
    /// How it was asked for.
    pub via: Via,
}

impl Actor {
    /// Somebody of that name.
    pub fn new(name: impl Into<String>, via: Via) -> Self {
        Self { name: name.into(), via }
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The command line.
    Cli,
    /// The Redis inbox.
    Inbox,
    /// A drop folder.
    Folder,
    /// A schedule.
    Schedule,
    /// The HTTP API.
    Http,
}

impl Via {
    /// Every way in.
    pub const ALL: [Via; 5] = [Self::Cli, Self::Inbox, Self::Folder, Self::Schedule, Self::Http];

    /// The word in the ledger and on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Via::Cli => "cli",
            Via::Inbox => "inbox",
            Via::Folder => "folder",
            Via::Schedule => "schedule",
            Via::Http => "http",
        }
    }

    /// What is recorded in a column; `None` of what an earlier version recorded.
    pub(super) fn read(row: &Row, column: usize) -> Result<Option<Self>, DbError> {
        let Some(text) = row.opt_text(column)? else {
            return Ok(None);
        };
        let via = Self::ALL.into_iter().find(|via| via.as_str() == text);
        via.map(Some)
            .ok_or_else(|| DbError::Broken(format!("`{text}` is no way in")))
    }
}
