//! Named places where a test can make the process die, as `kill -9` would, at the n-th time it comes by.
//!
//! `TENANTRY_FAILPOINT=before-commit@3` dies the third time; `stop:before-commit@3` stops there, as `kill -STOP` would, until
//! somebody wakes it up. Only debug builds know of it.

/// Dies or stops here if the environment says so.
#[cfg(debug_assertions)]
pub fn hit(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    static ARMED: OnceLock<Option<(String, bool, AtomicI64)>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a test's hook is no configuration")]
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("TENANTRY_FAILPOINT").ok()?;
        let (name, count) = text.split_once('@').unwrap_or((&text, "1"));
        let (name, stops) = name.strip_prefix("stop:").map_or((name, false), |name| (name, true));
        Some((name.to_owned(), stops, AtomicI64::new(count.parse().ok()?)))
    });
    if let Some((armed, stops, left)) = armed
        && armed == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        if *stops {
            stop();
        } else {
            std::process::abort();
        }
    }
}

/// Returns when somebody has woken this process up.
#[cfg(all(debug_assertions, unix))]
fn stop() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    // It may be another thread that is told, and this one goes no further until then.
    std::thread::sleep(std::time::Duration::from_millis(300));
}

#[cfg(all(debug_assertions, not(unix)))]
fn stop() {}

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
