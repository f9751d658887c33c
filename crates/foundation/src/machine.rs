//! The machine this program runs on.

/// This machine's name, for leases and deliveries.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() {
        "localhost".to_owned()
    } else {
        name.trim().to_owned()
    }
}
