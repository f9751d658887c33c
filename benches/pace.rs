//! Use of the limits of Partner Center: `tenantry sandbox` and `tenantry worker` as processes.
//!
//!     cargo bench --bench pace -- [--seconds 90] [--only customer|customers|partner|both|small]
//!
//! Waiting for limits takes real minutes, nine without `--seconds`. Each run has one worker carry out `bulk-add-users` against a sandbox that answers after 80 ms or more, and is counted
//! in two parts: while the limits are learned, and after that. What was answered is a ratio to what the limits allow; what was
//! refused, one to all calls. The last run submits ten rows of one customer while another's 50,000 are under way.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::format_push_string, reason = "it reads plainly")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// While this lasts the limits are learned.
const LEARNING: Duration = Duration::from_secs(30);
/// A window of the partner's: anything shorter says nothing about it.
const WINDOW: Duration = Duration::from_secs(60);
const TOKEN: &str = "bench";
const OF_CUSTOMER: [&str; 2] = ["--rate-limit", "20/s"];
const OF_PARTNER: [&str; 2] = ["--partner-rate-limit", "500/min"];

/// A process that ends with the run.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sandbox with customers, and a ledger.
struct Office {
    dir: TempDir,
    base: String,
    customers: Vec<String>,
    _sandbox: Running,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Office {
    fn new(customers: usize, limits: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .args(["sandbox", "--json", "--latency", "80ms", "--token", TOKEN, "--seed"])
            .arg(customers.to_string())
            .args(limits)
            .current_dir(dir.path())
            .stdout(Stdio::piped());
        let mut sandbox = Running(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(sandbox.0.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let mut office = Self {
            dir,
            base: said["base_url"].as_str().unwrap().to_owned(),
            customers: Vec::new(),
            _sandbox: sandbox,
            runtime: tokio::runtime::Runtime::new().unwrap(),
            client: reqwest::Client::new(),
        };
        let list = office.get("/v1/customers?size=0");
        let ids = list["items"].as_array().unwrap().iter();
        office.customers = ids
            .map(|customer| {
                let domain = customer["companyProfile"]["domain"].as_str().unwrap();
                format!("{},{domain}", customer["id"].as_str().unwrap())
            })
            .collect();
        office
    }

    fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(TOKEN);
        self.runtime
            .block_on(async { request.send().await.unwrap().json().await.unwrap() })
    }

    /// Calls that were let in, and calls that were refused.
    fn calls(&self) -> (u64, u64) {
        let counters = self.get("/sandbox/counters");
        let operations = counters["operations"].as_object().unwrap();
        let sum = |what: &str| -> u64 { operations.values().filter_map(|of| of[what].as_u64()).sum() };
        (sum("calls") - sum("throttled"), sum("throttled"))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("TENANTRY__PASSWORDS__DELIVER", "false")
            .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
            .env("TENANTRY__PARTNER_CENTER__API_URL", &self.base)
            .env("TENANTRY__PARTNER_CENTER__TOKEN", TOKEN)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Submits rows about these customers in turn.
    fn submit(&self, name: &str, customers: &[String], rows: usize) {
        let mut text = "customer,user_principal_name,first_name,last_name,usage_location\n".to_owned();
        for n in 0..rows {
            let (id, domain) = customers[n % customers.len()].split_once(',').unwrap();
            text.push_str(&format!("{id},{name}{n}@{domain},{name},N{n},GB\n"));
        }
        std::fs::write(self.dir.path().join(name), text).unwrap();
        let submitted = self
            .command(&["submit", "bulk-add-users", name, "--no-passwords"])
            .status();
        assert!(submitted.unwrap().success(), "the rows could not be submitted");
    }

    fn worker(&self) -> Running {
        Running(self.command(&["worker"]).spawn().unwrap())
    }

    /// Seconds until a job of ten rows has ended.
    fn small_job(&self, name: &str, customer: usize) -> f64 {
        let before = self.ended();
        self.submit(name, &self.customers[customer..=customer], 10);
        let began = Instant::now();
        while self.ended() == before {
            std::thread::sleep(Duration::from_millis(5));
        }
        began.elapsed().as_secs_f64()
    }

    fn ended(&self) -> i64 {
        let ledger = rusqlite::Connection::open(self.dir.path().join("tenantry.db")).unwrap();
        ledger.busy_timeout(Duration::from_secs(5)).unwrap();
        let sql = "SELECT COUNT(*) FROM jobs WHERE state = 'completed'";
        ledger.query_row(sql, [], |row| row.get(0)).unwrap_or(0)
    }
}

/// Resident memory at its peak, in MiB.
fn peak(worker: &Running) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(worker.0.id().to_string()).join("status"));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Customers that are called without end.
struct Load<'l> {
    what: &'l str,
    customers: usize,
    limits: &'l [&'l str],
    /// Calls a second that these limits let through.
    limit: f64,
}

impl Load<'_> {
    /// What was used of the limit while it was learned, and after that.
    fn use_up(&self, learning: Duration, seconds: u64) {
        let Load {
            what,
            customers,
            limits,
            limit,
        } = *self;
        let office = Office::new(customers, limits);
        office.submit("large", &office.customers, 50_000);
        let before = office.calls();
        let worker = office.worker();
        while office.calls().0 == before.0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut from = before;
        for (part, time) in [("learning", learning), ("after that", Duration::from_secs(seconds))] {
            let began = Instant::now();
            std::thread::sleep(time);
            let to = office.calls();
            let (answered, refused) = (to.0 - from.0, to.1 - from.1);
            println!(
                "{what}, {part}, {:.0} s: {:.3} of the limit, {:.4} of the calls refused ({refused} of {}), peak {} MiB",
                began.elapsed().as_secs_f64(),
                answered as f64 / (limit * began.elapsed().as_secs_f64()),
                refused as f64 / (answered + refused) as f64,
                answered + refused,
                peak(&worker)
            );
            from = to;
        }
    }
}

/// Ten rows alone, and beside a large job, with the same limits.
fn small(what: &str, limits: &[&str], learning: Duration) {
    let office = Office::new(4, limits);
    let worker = office.worker();
    office.submit("first", &office.customers[3..], 1);
    while office.ended() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let alone = office.small_job("alone", 1);
    office.submit("large", &office.customers[..1], 50_000);
    std::thread::sleep(learning);
    let beside = office.small_job("beside", 2);
    println!(
        "{what}, ten rows beside 50,000: {beside:.2} s, alone {alone:.2} s, ratio {:.2}, peak {} MiB",
        beside / alone,
        peak(&worker)
    );
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        args.iter()
            .position(|arg| arg == name)
            .and_then(|at| args.get(at + 1))
            .cloned()
    };
    let seconds: u64 = after("--seconds").and_then(|text| text.parse().ok()).unwrap_or(90);
    let windows = (seconds / WINDOW.as_secs()).max(1) * WINDOW.as_secs();
    let only = after("--only").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only == name;
    let both: Vec<&str> = OF_CUSTOMER.into_iter().chain(OF_PARTNER).collect();
    let partner = 500.0 / 60.0;
    if wanted("customer") {
        Load {
            what: "20/s, one customer",
            customers: 1,
            limits: &OF_CUSTOMER,
            limit: 20.0,
        }
        .use_up(LEARNING, seconds);
    }
    if wanted("customers") {
        Load {
            what: "20/s each, two customers",
            customers: 2,
            limits: &OF_CUSTOMER,
            limit: 40.0,
        }
        .use_up(LEARNING, seconds);
    }
    if wanted("partner") {
        Load {
            what: "500/min, eight customers",
            customers: 8,
            limits: &OF_PARTNER,
            limit: partner,
        }
        .use_up(WINDOW, windows);
    }
    if wanted("both") {
        Load {
            what: "20/s and 500/min, two customers",
            customers: 2,
            limits: &both,
            limit: partner,
        }
        .use_up(WINDOW, windows);
    }
    if wanted("small") {
        small("20/s", &OF_CUSTOMER, LEARNING);
        small("20/s and 500/min", &both, Duration::from_secs(20));
    }
}
