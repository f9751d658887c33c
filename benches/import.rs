//! The numbers README quotes: bulk-add-users against the databases' own loaders, and planning against a bare CSV loop.
//!
//!     cargo bench --bench import -- [--rows 1000000] [--runs 3] [--only sqlite|postgres|plan] [--memory-rows 5000000]
//!
//! Ours and the reference take turns in one run, and the medians' ratio is what counts: machines differ. The
//! reference loads the same file into a table with the same columns and the same unique key, in a database
//! that commits as durably. Ours includes validation, duplicate detection, outcomes and `results.csv`.
//!
//! # What holds the ratios
//!
//! Processor time of a million rows, measured on 29 November 2026 on two cores that others used as well, without link-time
//! optimisation. A file is read and checked to its end before its first row is written, so that one with a fault changes nothing.
//!
//! - SQLite: 7.3 s, 3.2 s of it on the one thread that may write: 1.8 s insert users and 1.4 s are commits, checkpoints and the
//!   spool. Besides: reading 0.4 s, checks 0.7 s, the spool's encoding 0.5 s, preparing what was spooled 0.8 s with the same checks once
//!   more, results 0.8 s. All that the writer does but the spool comes after the checks, and the reference takes 3.8 s in all.
//! - PostgreSQL: 5.0 s here and 5.8 s on the server, where the reference takes 4.1 s in all. 10.8 s are 5.4 s on two cores at best.
//! - `plan --offline`: 1.2 s, of which 0.45 s are reading, on one thread: a third of that is hashing and getting the bytes, and the
//!   bare loop takes 0.24 s in all.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::format_push_string, reason = "it reads plainly")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/it"]
mod shared {
    #[expect(dead_code, unused_imports, reason = "the tests use more of it")]
    pub(crate) mod servers;
}
use shared::servers;

const HEADER: &str = "customer,user_principal_name,display_name,first_name,last_name,usage_location,job_title,department,office,office_phone,mobile_phone,street_address,city,state,postal_code,country";
const CUSTOMERS: usize = 50;

struct Options {
    rows: usize,
    memory_rows: usize,
    runs: usize,
    only: String,
}

fn options() -> Options {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        args.iter()
            .position(|arg| arg == name)
            .and_then(|at| args.get(at + 1))
            .cloned()
    };
    let number = |name: &str, default| after(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    Options {
        rows: number("--rows", 1_000_000),
        memory_rows: number("--memory-rows", 0),
        runs: number("--runs", 3),
        only: after("--only").unwrap_or_default(),
    }
}

fn main() {
    let options = options();
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("users.csv");
    generate(&file, options.rows);
    let bytes = std::fs::metadata(&file).unwrap().len();
    println!(
        "{} rows, {:.0} MB, {} runs, medians",
        options.rows,
        bytes as f64 / 1e6,
        options.runs
    );
    let wanted = |name: &str| options.only.is_empty() || options.only == name;
    if wanted("plan") {
        plan(&options, dir.path(), &file);
    }
    if wanted("sqlite") {
        sqlite(&options, dir.path(), &file);
    }
    if wanted("postgres") {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(postgres(&options, dir.path(), &file));
    }
    if options.memory_rows > 0 {
        let big = dir.path().join("big.csv");
        generate(&big, options.memory_rows);
        let (_, peak) = ours_on_sqlite(dir.path(), &big);
        println!("peak memory at {} rows: {peak} MiB", options.memory_rows);
    }
}

/// Realistic users of fifty customers, not in the order of their names.
fn generate(path: &Path, rows: usize) {
    const FIRST: [&str; 8] = ["Anna", "Björn", "Chloé", "David", "Elif", "Farid", "Grace", "Hannah"];
    const LAST: [&str; 8] = [
        "Müller", "O'Neill", "García", "Smith", "Yılmaz", "Kowalska", "Nguyen", "Svensson",
    ];
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    writeln!(out, "{HEADER}").unwrap();
    for n in 0..rows {
        let (first, last) = (FIRST[n % 8], LAST[n / 8 % 8]);
        let customer = n * CUSTOMERS / rows;
        // A permutation of 32-bit numbers, so that names arrive in no order.
        let shuffled = (n as u32).wrapping_mul(2_654_435_761);
        writeln!(
            out,
            "C-{customer:03},u{shuffled:08x}@customer{customer:03}.onmicrosoft.com,{first} {last} {n},{first},{last},DE,Consultant,Field Services,B{},+49 30 {:07},+49 170 {:07},\"Hauptstraße {}, Hof\",Berlin,,10{:03},DE",
            n % 40, n % 9_999_999, (n * 7) % 9_999_999, n % 300, n % 1000
        )
        .unwrap();
    }
}

fn customers(dir: &Path) -> PathBuf {
    let path = dir.join("customers.csv");
    let mut text = String::from(
        "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country,external_id\n",
    );
    for n in 0..CUSTOMERS {
        text.push_str(&format!("customer{n:03},Customer {n:03} GmbH,Ada,Berg,ada@customer{n:03}.example,Ring {n},Berlin,10115,DE,C-{n:03}\n"));
    }
    std::fs::write(&path, text).unwrap();
    path
}

/// The release binary of this very build.
fn tenantry(ledger: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command
        .args(args)
        .env("TENANTRY__LEDGER__URL", ledger)
        .env("TENANTRY__PASSWORDS__DELIVER", "false")
        .stdout(Stdio::null());
    command
}

/// However many rows there are.
fn needs_no_approval(ledger: &str) {
    let decided = tenantry(ledger, &["policy", "set", "approval.required", "false"]).status();
    assert!(decided.unwrap().success());
}

/// Seconds, and peak memory in MiB.
fn timed(mut command: Command) -> (f64, u64) {
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line
                .and_then(|line| line.split_whitespace().next())
                .and_then(|text| text.parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or(0));
        }
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{command:?} ended with {ended}");
            return (began.elapsed().as_secs_f64(), peak / 1024);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn tell(what: &str, ours: Vec<f64>, reference: Vec<f64>, rows: usize, peak: u64) {
    let (ours, reference) = (median(ours), median(reference));
    println!(
        "{what}: ours {ours:.2} s ({:.0} rows/s, peak {peak} MiB), reference {reference:.2} s, ratio {:.2}",
        rows as f64 / ours,
        ours / reference
    );
}

fn ours_on_sqlite(dir: &Path, file: &Path) -> (f64, u64) {
    let place = tempfile::TempDir::new_in(dir).unwrap();
    let ledger = format!("sqlite:{}", place.path().join("tenantry.db").display());
    let out = place.path().join("out");
    needs_no_approval(&ledger);
    timed(tenantry(
        &ledger,
        &[
            "run",
            "add-customer",
            customers(dir).to_str().unwrap(),
            "--out",
            place.path().join("customers").to_str().unwrap(),
        ],
    ));
    timed(tenantry(
        &ledger,
        &[
            "run",
            "bulk-add-users",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ],
    ))
}

fn sqlite(options: &Options, dir: &Path, file: &Path) {
    let (mut ours, mut reference, mut most) = (Vec::new(), Vec::new(), 0);
    for _ in 0..options.runs {
        let (seconds, peak) = ours_on_sqlite(dir, file);
        ours.push(seconds);
        most = most.max(peak);
        let place = tempfile::TempDir::new_in(dir).unwrap();
        let columns = HEADER.replace("user_principal_name", "user_principal_name TEXT COLLATE NOCASE");
        let script = format!(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE users ({columns}, UNIQUE (customer, user_principal_name));\n.import --csv --skip 1 {} users\n",
            file.display()
        );
        let path = place.path().join("script.sql");
        std::fs::write(&path, script).unwrap();
        let mut command = Command::new("sqlite3");
        command
            .arg(place.path().join("plain.db"))
            .stdin(std::fs::File::open(path).unwrap())
            .stdout(Stdio::null());
        reference.push(timed(command).0);
    }
    tell("SQLite, sqlite3 .import", ours, reference, options.rows, most);
}

async fn postgres(options: &Options, dir: &Path, file: &Path) {
    let server = servers::PgServer::durable().await;
    let (mut ours, mut reference, mut most) = (Vec::new(), Vec::new(), 0);
    for _ in 0..options.runs {
        let url = server.database().await;
        let place = tempfile::TempDir::new_in(dir).unwrap();
        let out = place.path().to_str().unwrap().to_owned();
        needs_no_approval(&url);
        timed(tenantry(
            &url,
            &[
                "run",
                "add-customer",
                customers(dir).to_str().unwrap(),
                "--out",
                &format!("{out}/customers"),
            ],
        ));
        let (seconds, peak) = timed(tenantry(
            &url,
            &["run", "bulk-add-users", file.to_str().unwrap(), "--out", &out],
        ));
        ours.push(seconds);
        most = most.max(peak);
        let url = server.database().await;
        let columns = HEADER
            .replace("user_principal_name", "user_principal_name TEXT COLLATE \"C\"")
            .replace(',', " TEXT,")
            .replace("\"C\" TEXT", "\"C\"");
        let mut command = Command::new("psql");
        command
            .arg(&url)
            .args(["-q", "-v", "ON_ERROR_STOP=1"])
            .stdout(Stdio::null());
        command.args([
            "-c",
            &format!("CREATE TABLE users (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns} TEXT)"),
        ]);
        command.args([
            "-c",
            "CREATE UNIQUE INDEX ON users (customer, lower(user_principal_name))",
        ]);
        command.args([
            "-c",
            &format!("\\copy users ({HEADER}) from '{}' csv header", file.display()),
        ]);
        reference.push(timed(command).0);
    }
    tell("PostgreSQL, psql \\copy", ours, reference, options.rows, most);
}

fn plan(options: &Options, dir: &Path, file: &Path) {
    let ledger = format!("sqlite:{}", dir.join("none.db").display());
    let (mut ours, mut reference, mut most) = (Vec::new(), Vec::new(), 0);
    for _ in 0..options.runs {
        let (seconds, peak) = timed(tenantry(
            &ledger,
            &["plan", "bulk-add-users", file.to_str().unwrap(), "--offline"],
        ));
        ours.push(seconds);
        most = most.max(peak);
        let began = Instant::now();
        let mut reader = csv::Reader::from_path(file).unwrap();
        // Text, as planning yields it; one record, since a new one each time would be slower.
        let (mut record, mut rows) = (csv::StringRecord::new(), 0);
        while reader.read_record(&mut record).unwrap() {
            rows += 1;
        }
        assert_eq!(rows, options.rows);
        reference.push(began.elapsed().as_secs_f64());
    }
    tell("plan --offline, bare csv loop", ours, reference, options.rows, most);
}
