//! Whom calls are made for, and why there may be no token to make them with.

use thiserror::Error;

/// Whom a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speaker {
    /// The application.
    App,
    /// The application and a user.
    AppAndUser,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub(super) enum AuthError {
    /// Not before somebody changes something.
    #[error("{0}")]
    Refused(String),
    /// Perhaps later.
    #[error("{0}")]
    Unavailable(String),
}
