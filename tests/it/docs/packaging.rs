//! What packages are made of: units that call commands which exist, and a script that packages a program.

use std::path::Path;
use std::process::Command;

use super::root;
use crate::place::read;

/// Runs a program to its end, and gives what it prints.
fn run(program: &str, args: &[&str], at: &Path) -> String {
    let ended = Command::new(program).args(args).current_dir(at).output();
    let ended = ended.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(ended.status.success(), "{program} {args:?}: {text}");
    text
}

#[test]
fn units_run_commands_that_exist() {
    let mut seen = 0;
    for unit in ["worker", "sandbox"] {
        let text = read(root().join(format!("config/tenantry-{unit}.service")));
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .expect("a command");
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "/usr/local/bin/tenantry");
        let parsed = tenantry::testing::cli::definition().try_get_matches_from(&words);
        assert!(parsed.is_ok(), "{line}: {parsed:?}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_program_is_packaged_with_all_that_belongs_to_it() {
    let out = tempfile::tempdir().expect("a directory");
    let dir = out.path().display().to_string();
    let program = env!("CARGO_BIN_EXE_tenantry");
    run("scripts/release", &["--binary", program, "--out", &dir], &root());
    let files: Vec<String> = std::fs::read_dir(out.path())
        .expect("read")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    let named = |end: &str| {
        let found = files.iter().find(|file| file.ends_with(end));
        found.unwrap_or_else(|| panic!("no {end} in {files:?}"))
    };
    let listed = run("tar", &["-tzf", named(".tar.gz")], out.path());
    for name in [
        "/tenantry\n",
        "/completions/tenantry.zsh\n",
        "/man/tenantry-run.1\n",
        "/config/default.toml\n",
    ] {
        assert!(listed.contains(name), "{name}: {listed}");
    }
    run("sha256sum", &["--check", "SHA256SUMS"], out.path());
    if !files
        .iter()
        .any(|file| Path::new(file).extension().is_some_and(|end| end == "deb"))
    {
        // A system without dpkg makes none.
        return;
    }
    let package = named(".deb");
    let listed = run("dpkg-deb", &["--contents", package], out.path());
    for name in [
        "./usr/bin/tenantry\n",
        "./lib/systemd/system/tenantry-worker.service\n",
        "./lib/systemd/system/tenantry-sandbox.service\n",
        "./usr/share/man/man1/tenantry.1.gz\n",
        "./usr/share/bash-completion/completions/tenantry\n",
        "./etc/tenantry/tenantry.toml\n",
    ] {
        assert!(listed.contains(name), "{name}: {listed}");
    }
    let field = |name| run("dpkg-deb", &["--field", package, name], out.path());
    assert_eq!(field("Version").trim(), env!("CARGO_PKG_VERSION"));
    let maintainer = field("Maintainer");
    assert!(
        maintainer.contains(" <") && maintainer.contains('@') && !maintainer.contains("MAINTAINER"),
        "{maintainer}"
    );
    let root = out.path().join("root").display().to_string();
    run("dpkg-deb", &["--extract", package, &root], out.path());
    let unit = read(Path::new(&root).join("lib/systemd/system/tenantry-worker.service"));
    assert!(unit.contains("ExecStart=/usr/bin/tenantry worker"), "{unit}");
    // The configuration of the package is one.
    let config = format!("{root}/etc/tenantry/tenantry.toml");
    let installed = format!("{root}/usr/bin/tenantry");
    let args = ["--config", &config, "--ledger", "sqlite:here.db", "migrate"];
    assert!(run(&installed, &args, out.path()).contains("set up with schema version"));
}

#[test]
fn the_newest_version_of_the_changelog_is_the_one_of_the_program() {
    let changelog = read(root().join("CHANGELOG.md"));
    let mut sections = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    assert_eq!(sections.next(), Some("Unreleased]"));
    let newest = sections.next().expect("a version");
    let (version, date) = newest.split_once("] - ").expect("a version and a date");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(date.parse::<jiff::civil::Date>().is_ok(), "{date}");
    let printed = run(env!("CARGO_BIN_EXE_tenantry"), &["--version"], &root());
    assert_eq!(printed, format!("tenantry {version}\n"));
}
