//! Finds the server programs, installing the system's package when one is missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of `program`, installed from `package` if need be.
///
/// # Panics
/// When it cannot be had; the message says what to install. A test that needs a server is never skipped.
pub(super) fn program(program: &str, package: &str) -> PathBuf {
    if let Some(path) = find(program) {
        return path;
    }
    let outcome = install(package);
    find(program).unwrap_or_else(|| {
        panic!(
            "these tests start a real `{program}`, and there is none in PATH or /usr/lib/postgresql/*/bin; \
             `apt-get install {package}` as root did not help: {outcome}; install `{package}` and run them again"
        )
    })
}

/// The path of a library below the system's directories of libraries, installed from `package` if need be.
///
/// # Panics
/// When it cannot be had; the message says what to install.
#[allow(dead_code, reason = "the benches need no library")]
pub(crate) fn library(file: &str, package: &str) -> PathBuf {
    let find = || {
        let of_architectures = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        of_architectures
            .map(|entry| entry.path().join(file))
            .find(|path| path.is_file())
    };
    find().unwrap_or_else(|| {
        let outcome = install(package);
        find().unwrap_or_else(|| panic!("these tests need {file} of the package `{package}`: {outcome}; install it"))
    })
}

/// PostgreSQL's own directory comes first: what a distribution puts in PATH may be a wrapper.
fn find(program: &str) -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(program))
        .find(|file| fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}

/// Test processes may run side by side, so one installs and the others wait for it.
fn install(package: &str) -> String {
    let lock = std::env::temp_dir().join("tenantry-it.apt.lock");
    let run = |arguments: &[&str]| {
        let output = Command::new("flock")
            .arg(&lock)
            .args(["apt-get", "-o", "DPkg::Lock::Timeout=600"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!(
                "apt-get {} said: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => Err(format!("cannot run apt-get: {error}")),
        }
    };
    run(&["update"])
        .and_then(|()| run(&["install", "--yes", "--no-install-recommends", package]))
        .map_or_else(|refusal| refusal, |()| "it was installed".to_owned())
}
