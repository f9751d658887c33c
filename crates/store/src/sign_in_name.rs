//! Names to sign in with, which every store holds to the same rules.

use tenantry_jobs::{Problem, code, nearest};

use super::FieldChange;

/// The column of a name that a user is to get.
pub const NEW_NAME: &str = "new_user_principal_name";

/// Why no user of a customer with these domains can have this name.
pub fn foreign_domain(column: &'static str, name: &str, domains: &[String]) -> Option<Problem> {
    let (local, domain) = name.rsplit_once('@').unwrap_or((name, ""));
    if domains.iter().any(|own| own.eq_ignore_ascii_case(domain)) {
        return None;
    }
    let expected = format!("the customer's domains are {}", domains.join(", "));
    let near = nearest(domain, domains.iter().map(String::as_str));
    let problem = Problem::new(code::FOREIGN_DOMAIN, column, name, expected);
    Some(problem.suggest(near.map(|own| format!("{local}@{own}"))))
}

/// Another user has the name that one is to get.
pub fn taken(name: &str) -> Problem {
    let expected = "a name that no other user has; one has this";
    Problem::new(code::USER_EXISTS, NEW_NAME, name, expected)
}

/// Nobody has the name a row calls a user by, and who has the new one is not as the row asks, so that it may be somebody
/// else than the one who was to get it.
pub fn not_renamed(old: &str, new: &str, differences: &[FieldChange]) -> Problem {
    let fields: Vec<&str> = differences.iter().map(|change| change.field).collect();
    let expected = format!(
        "no user has this name; one has the name `{new}`, and differs in {}",
        fields.join(", ")
    );
    Problem::new(code::UNKNOWN_USER, "user_principal_name", old, expected)
}
