//! What is said of rows that make somebody an administrator, or hand out an administrator's password: they count as destructive.

/// Of a row that gives somebody these roles.
pub fn becomes_administrator(roles: &str) -> String {
    format!("makes an administrator: {roles}")
}

/// Of a row that resets the password of somebody with these roles.
pub fn of_an_administrator(roles: &str) -> String {
    format!("the password of an administrator: {roles}")
}
