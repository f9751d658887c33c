//! Names to sign in with, which every store holds to the same rules.

use tenantry_jobs::{Problem, code, key, nearest};

use super::FieldChange;
use tenantry_foundation::moment::day;
use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;

/// The column of a name that a user is to get.
pub const NEW_NAME: &str = "new_user_principal_name";

/// Why no user of a customer with these domains can have this name; nothing is said of a name that is left out.
pub fn foreign_domain(column: &'static str, name: &str, domains: &[String]) -> Option<Problem> {
    if name.is_empty() {
        return None;
    }
    let (local, domain) = name.rsplit_once('@').unwrap_or((name, ""));
    if domains.iter().any(|own| key::same_domain(own, domain)) {
        return None;
    }
    let expected = format!("the customer's domains are {}", domains.join(", "));
    let near = nearest(domain, domains.iter().map(String::as_str));
    let problem = Problem::stated(code::FOREIGN_DOMAIN, column, name, expected);
    Some(problem.suggest(near.map(|own| format!("{local}@{own}"))))
}

/// Another user has the name that one is to get.
pub fn taken(name: &str) -> Problem {
    let expected = "another user has this name";
    Problem::stated(code::USER_EXISTS, NEW_NAME, name, expected)
}

/// A deleted user cannot come back, since another one has the name now: since when, in milliseconds since the epoch, if that
/// is known, and when the other one was deleted.
pub fn taken_since_deleted(name: &str, since: Option<i64>, deleted_at: Option<i64>) -> Problem {
    let since = since.map_or_else(String::new, |since| format!(" since {}", day(since)));
    let until = deleted_at.map_or_else(String::new, |at| {
        let until = day(at + RESTORE_WITHIN_MILLIS);
        format!(
            "; the one that was deleted on {} can be restored until {until}",
            day(at)
        )
    });
    let expected = format!("another user has this name now{since}: rename or delete that user first{until}");
    Problem::stated(code::USER_EXISTS, "user_principal_name", name, expected)
}

/// What is said of a user who gets the name of one that was deleted then, in milliseconds since the epoch.
pub fn was_deleted(at: Option<i64>) -> String {
    let (on, until) = at.map_or_else(Default::default, |at| {
        let until = day(at + RESTORE_WITHIN_MILLIS);
        (format!(" on {}", day(at)), format!(" until {until}"))
    });
    format!(
        "a user of this name was deleted{on}; `restore-users` brings that user back{until}, while nobody else has the name"
    )
}

/// Whether a user who was deleted then can still be restored.
pub fn is_restorable(deleted_at: Option<i64>, now: i64) -> bool {
    deleted_at.is_none_or(|at| now <= at + RESTORE_WITHIN_MILLIS)
}

/// Nobody has the name a row calls a user by, and who has the new one is not as the row asks, so that it may be somebody
/// else than the one who was to get it.
pub fn not_renamed(old: &str, new: &str, differences: &[FieldChange]) -> Problem {
    let fields: Vec<&str> = differences.iter().map(|change| change.field).collect();
    let expected = format!(
        "no user has this name; one has the name `{new}`, and differs in {}",
        fields.join(", ")
    );
    Problem::stated(code::UNKNOWN_USER, "user_principal_name", old, expected)
}
