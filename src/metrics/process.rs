//! The usual process metrics of Prometheus, read from Linux.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Clock ticks in a second, as the kernel tells times to programs.
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter<f64, AtomicU64>,
    memory: Gauge,
    files: Gauge,
    began: Gauge<f64, AtomicU64>,
}

impl Process {
    pub(super) fn began(millis: i64) -> Self {
        let began = Gauge::default();
        began.set(millis as f64 / 1000.0);
        Self {
            cpu: Counter::default(),
            memory: Gauge::default(),
            files: Gauge::default(),
            began,
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("process_cpu_seconds", "Time of processors used", self.cpu.clone());
        registry.register("process_resident_memory_bytes", "Memory in use", self.memory.clone());
        registry.register("process_open_fds", "Open files and connections", self.files.clone());
        registry.register(
            "process_start_time_seconds",
            "When the process began, since the Unix epoch",
            self.began.clone(),
        );
    }

    /// Looks at the process. What the system does not tell stays as it was.
    pub(super) fn look(&self) {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        // The program's name comes before and may hold anything.
        let stat = read("stat");
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let ticks = after_name.split(' ').skip(11).take(2).map(str::parse::<u64>);
        if let Ok(ticks) = ticks.sum::<Result<u64, _>>() {
            self.cpu
                .inner()
                .store((ticks as f64 / TICKS).to_bits(), Ordering::Relaxed);
        }
        let status = read("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|line| line.trim().trim_end_matches(" kB").parse::<i64>().ok());
        if let Some(kilobytes) = kilobytes {
            self.memory.set(kilobytes * 1024);
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.files.set(files.count() as i64);
        }
    }
}
