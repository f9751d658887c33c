//! The actor of a request: a name, and the way in. What proves the name is the way's business.
//!
//! At the command line people say who they are, and the operating system says from which account and machine: that is recorded beside the name,
//! as part of the way in. A document of the inbox says whatever its sender writes, so a name in one is nobody's word but that document's.

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name that is recorded.
    pub name: String,
    /// How it was asked for.
    pub via: Via,
    /// The account and machine it was asked from, as the operating system knows them.
    pub account: Option<String>,
}

impl Actor {
    /// Somebody of that name.
    pub fn new(name: impl Into<String>, via: Via) -> Self {
        Self {
            name: name.into(),
            via,
            account: None,
        }
    }

    /// The same, from that account.
    #[must_use]
    pub fn from_account(self, account: String) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }

    /// The way in as it is recorded: `inbox`, `cli root@host`.
    pub fn way(&self) -> String {
        match &self.account {
            Some(account) => format!("{} {account}", self.via.as_str()),
            None => self.via.as_str().to_owned(),
        }
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
}
