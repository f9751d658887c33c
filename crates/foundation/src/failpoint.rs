//! Named places where a test can make the process die, as `kill -9` would, at the n-th time it comes by.
//!
//! `TENANTRY_FAILPOINT=before-commit@3` dies the third time. Only debug builds know of it.

/// Dies here if the environment says so.
#[cfg(debug_assertions)]
pub fn hit(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    static ARMED: OnceLock<Option<(String, AtomicI64)>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a test's hook is no configuration")]
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("TENANTRY_FAILPOINT").ok()?;
        let (name, count) = text.split_once('@').unwrap_or((&text, "1"));
        Some((name.to_owned(), AtomicI64::new(count.parse().ok()?)))
    });
    if let Some((armed, left)) = armed
        && armed == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Dies here, every time, if the environment says `TENANTRY_FAILPOINT=row:N` and this is that row.
#[cfg(debug_assertions)]
pub fn hit_row(row: u64) {
    use std::sync::OnceLock;

    static DEADLY: OnceLock<Option<u64>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a test's hook is no configuration")]
    let deadly = DEADLY.get_or_init(|| {
        let text = std::env::var("TENANTRY_FAILPOINT").ok()?;
        text.strip_prefix("row:")?.parse().ok()
    });
    if *deadly == Some(row) {
        std::process::abort();
    }
}

/// Release builds have no failpoints.
#[cfg(not(debug_assertions))]
pub fn hit(_name: &str) {}

/// Release builds have no failpoints.
#[cfg(not(debug_assertions))]
pub fn hit_row(_row: u64) {}
