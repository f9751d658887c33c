//! Examples that readers can copy: blocks marked ```` ```sh run ```` are run, page by page, in an empty directory, in the order in
//! which they stand there.
//!
//! A command ends with exit code 0, or with the one that a comment behind it states (`# exit code 1`). A block ```` ```csv file=NAME ````
//! is the content of that file. A page whose blocks are marked ```` ```sh run sandbox ```` has a sandbox to itself, with the
//! configuration file that the guide to rehearsing shows.

use std::io::BufRead as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Block, Page, all_pages};
use crate::place::Running;

/// Where the guides say the sandbox is.
const SANDBOX: &str = "http://127.0.0.1:8080";

/// Runs each command and holds its exit code against the one that is stated.
const STEP: &str = r#"
set -o pipefail
__step() {
    eval "$2"
    __code=$?
    if [ "$__code" != "$1" ]; then
        echo "\`$2\` ended with exit code $__code, not $1" >&2
        exit 99
    fi
}
"#;

/// A sandbox as the guide to rehearsing starts it, and its address.
fn sandbox(dir: &TempDir) -> (Running, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(["sandbox", "--seed", "20", "--seats", "500", "--token", "rehearsal"])
        .current_dir(dir.path())
        .env("TENANTRY_SYSTEM_CONFIG", dir.path().join("no-system"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a sandbox starts");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("its output")).lines();
    let first = lines.next().expect("a line").expect("a text");
    // Its further lines are read, too: a pipe that nobody reads would hold it up.
    std::thread::spawn(move || lines.for_each(drop));
    let url = first.split_whitespace().last().unwrap_or_default().to_owned();
    assert!(url.starts_with("http://"), "{first}");
    (Running(child), url)
}

/// The exit code that a command is to have.
fn stated(command: &str) -> u8 {
    let said = command.split("# exit code ").nth(1);
    let digits = said.and_then(|said| said.split(|c: char| !c.is_ascii_digit()).next());
    digits.map_or(0, |digits| digits.parse().expect("an exit code"))
}

/// The files that a page shows.
fn files(page: &Page) -> Vec<(String, String)> {
    let (_, blocks) = page.parts();
    let named = blocks
        .into_iter()
        .filter_map(|block| Some((block.file()?.to_owned(), block.text)));
    named.collect()
}

fn run(page: &Page, blocks: &[Block]) -> Result<(), String> {
    let dir = TempDir::new().expect("a temporary directory");
    let needs_sandbox = blocks.iter().any(|block| block.has("sandbox"));
    let running = needs_sandbox.then(|| sandbox(&dir));
    let here = |text: &str| match &running {
        Some((_, url)) => text.replace(SANDBOX, url),
        None => text.to_owned(),
    };
    let mut shown = files(page);
    if needs_sandbox {
        shown.extend(files(&Page::open("docs/guides/rehearse.md")));
    }
    for (name, text) in shown {
        std::fs::write(dir.path().join(name), here(&text)).expect("a file is written");
    }
    let mut script = STEP.to_owned();
    for command in blocks.iter().flat_map(Block::commands) {
        let quoted = here(&command).replace('\'', r"'\''");
        script.push_str(&format!("__step {} '{quoted}'\n", stated(&command)));
    }
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_tenantry"));
    let path = format!(
        "{}:/usr/local/bin:/usr/bin:/bin",
        bin.parent().expect("a directory").display()
    );
    let ended = Command::new("bash")
        .args(["-c", &script])
        .current_dir(dir.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("USER", "tester"), ("LANG", "C.UTF-8")])
        .env("HOME", dir.path())
        .env("TENANTRY_SYSTEM_CONFIG", dir.path().join("no-system"))
        .stdin(Stdio::null())
        .output()
        .expect("bash starts");
    if ended.status.success() {
        return Ok(());
    }
    let (out, err) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    Err(format!("{}: {err}\n{out}", page.name()))
}

#[test]
fn every_example_ends_as_its_page_says() {
    let mut faults = Vec::new();
    let mut pages = 0;
    for page in all_pages() {
        let (_, blocks) = page.parts();
        // The sandbox's blocks have another store, and a ledger of their own.
        let (sandbox, local): (Vec<Block>, Vec<Block>) = blocks
            .into_iter()
            .filter(|block| block.has("run"))
            .partition(|block| block.has("sandbox"));
        for blocks in [local, sandbox].iter().filter(|blocks| !blocks.is_empty()) {
            pages += 1;
            faults.extend(run(&page, blocks).err());
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(pages >= 15, "only {pages} pages have examples that run");
}

#[test]
fn a_command_states_its_exit_code() {
    for (command, code) in [
        ("tenantry kinds", 0),
        ("tenantry run x y  # exit code 2: refused whole", 2),
        ("tenantry run x y  # exit code 1", 1),
    ] {
        assert_eq!(stated(command), code, "{command}");
    }
}
