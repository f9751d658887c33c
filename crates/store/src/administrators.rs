//! Notes on rows that make somebody an administrator, bring one back, or hand out an administrator's password: they count as
//! destructive.

use tenantry_jobs::{Problem, code};

/// Of a row that gives somebody these roles.
pub fn becomes_administrator(roles: &str) -> String {
    format!("makes an administrator: {roles}")
}

/// Of a row that resets the password of somebody with these roles.
pub fn of_an_administrator(roles: &str) -> String {
    format!("the password of an administrator: {roles}")
}

/// Of a row that restores somebody with these roles.
pub fn restores_administrator(roles: &str) -> String {
    format!("restores an administrator: {roles}")
}

/// Why a row that is destructive is not carried out: `what` it would do, where there is more to say of that.
pub fn unapproved(what: &str) -> Problem {
    let what = if what.is_empty() { "is destructive" } else { what };
    Problem::stated(
        code::NOT_APPROVED,
        "",
        "",
        format!("{what}, and nobody has approved that"),
    )
}
