//! Clients that nobody here wrote: MSAL for Python and for Node, and a client generated from Microsoft's description of the
//! API, each from its registry. They sign in and run whole scenarios. Where a registry does not answer, that is said and
//! the test ends there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use tempfile::TempDir;
use tenantry_sandbox::Options;

use super::{Here, OTHER_PARTNER};

const PYTHON: &[&str] = &["msal==1.39.0", "partnercenterservices==0.1.2"];
const NODE: &[&str] = &["@azure/msal-node@3"];
/// One test installs, and the others use what it installed.
static INSTALLING: Mutex<()> = Mutex::new(());

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Says that something is not to be had here, and why.
fn skip(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what} cannot be installed here: {why}");
}

/// Runs a command to its end; why it failed, if it did.
fn try_run(command: &mut Command) -> Result<(), String> {
    let ran = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&ran.stderr).into_owned())
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A Python that has the packages, or nothing where they are not to be had.
fn python() -> Option<PathBuf> {
    let _one = INSTALLING.lock().expect("nobody failed");
    let (home, done) = (place("sandbox-python"), place("sandbox-python/done"));
    let python = home.join("bin/python");
    if !done.exists() {
        let mut install = Command::new(&python);
        install
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--retries",
                "1",
            ])
            .args(PYTHON);
        let made = try_run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
        if let Err(why) = made.and_then(|()| try_run(&mut install)) {
            skip(&PYTHON.join(" and "), &why);
            return None;
        }
        std::fs::write(done, "").expect("written");
    }
    Some(python)
}

/// A directory in which Node finds the packages, or nothing where they are not to be had.
fn node() -> Option<PathBuf> {
    let _one = INSTALLING.lock().expect("nobody failed");
    let (home, done) = (place("sandbox-node"), place("sandbox-node/done"));
    if !done.exists() {
        std::fs::create_dir_all(&home).expect("a directory");
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--fetch-retries",
            "1",
        ]);
        let installed = try_run(install.args(["--fetch-timeout", "20000"]).args(NODE).current_dir(&home));
        if let Err(why) = installed.and_then(|()| try_run(Command::new("node").arg("--version"))) {
            skip(&NODE.join(" and "), &why);
            return None;
        }
        std::fs::write(done, "").expect("written");
    }
    Some(home)
}

/// A sandbox with customers that speaks HTTPS, its address there, and the file of its authority.
async fn secured(dir: &TempDir) -> (Here, String, PathBuf) {
    let here = Here::live(Options {
        tls: true,
        seats: 50,
        ..Options::default()
    })
    .await;
    here.seed(6).await;
    let authority = dir.path().join("authority.pem");
    std::fs::write(&authority, here.sandbox.authority().expect("an authority")).expect("written");
    let port = here.base.rsplit(':').next().expect("a port").to_owned();
    (here, format!("https://localhost:{port}"), authority)
}

/// Runs a script that ends with what it did, a line each.
async fn told(mut command: Command) -> Vec<String> {
    // Whatever the surroundings trust instead.
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    let ran = tokio::task::spawn_blocking(move || run(&mut command))
        .await
        .expect("it ran");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    said.lines().map(str::to_owned).collect()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/sandbox/clients")
        .join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn msal_for_python_signs_in_in_every_way() {
    let Some(python) = python() else { return };
    let dir = TempDir::new().expect("a directory");
    let (_here, base, authority) = secured(&dir).await;
    let mut command = Command::new(python);
    command
        .arg(script("sign_in.py"))
        .args([&base, OTHER_PARTNER])
        .arg(&authority);
    let said = told(command).await;
    assert_eq!(said, ["application 6", "code 6", "renewed 6", "device 6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_generated_from_the_description_runs_whole_scenarios() {
    let Some(python) = python() else { return };
    let dir = TempDir::new().expect("a directory");
    let (_here, base, authority) = secured(&dir).await;
    let mut command = Command::new(python);
    command.arg(script("scenarios.py")).arg(&base).arg(&authority);
    let said = told(command).await;
    let scenarios = [
        "tenant",
        "people",
        "order",
        "autopilot",
        "consent",
        "report",
        "offboarding",
    ];
    assert_eq!(said, scenarios.map(|name| format!("{name} done")));
}

#[tokio::test(flavor = "multi_thread")]
async fn msal_for_node_signs_in_and_runs_whole_scenarios() {
    let Some(home) = node() else { return };
    let dir = TempDir::new().expect("a directory");
    let (_here, base, authority) = secured(&dir).await;
    // Node looks for packages beside the script.
    let copied = home.join("scenarios.mjs");
    std::fs::copy(script("scenarios.mjs"), &copied).expect("copied");
    let mut command = Command::new("node");
    command.arg(&copied).arg(&base).env("NODE_EXTRA_CA_CERTS", &authority);
    assert_eq!(
        told(command).await,
        [
            "application 6",
            "user 6",
            "subscriptions joined with orders",
            "tenant done",
            "order done",
            "autopilot done",
            "consent done",
            "offboarding done",
        ]
    );
}
