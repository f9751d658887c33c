//! `BullMQ`, installed beside the build.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::shared::servers::{PgServer, RedisServer};

/// Jobs per second; `None` without Node.js or its packages.
pub(crate) async fn rate(redis: &RedisServer, pg: &PgServer, jobs: usize, customers: usize) -> Option<f64> {
    let modules = installed()?;
    let port = redis.url().rsplit(':').next()?.split('/').next()?.to_owned();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/small/bullmq.mjs");
    let output = Command::new("node")
        .arg(script)
        .args([&port, &pg.database().await, &jobs.to_string(), &customers.to_string()])
        .env("BENCH_MODULES", modules)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    let seconds: f64 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    Some(jobs as f64 / seconds)
}

/// Where the packages are.
fn installed() -> Option<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bullmq");
    if !directory.join("node_modules/bullmq").exists() {
        std::fs::create_dir_all(&directory).ok()?;
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&directory)
            .args(["bullmq@5", "pg@8"])
            .stdout(Stdio::null())
            .status();
        installed.ok().filter(std::process::ExitStatus::success)?;
    }
    Some(directory)
}
