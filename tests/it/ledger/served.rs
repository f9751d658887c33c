//! An attacker who can write to the ledger's database or to Redis, and a whole worker, which serves drop folders, schedules and the inbox: nothing is
//! done that was not approved, no file is read, moved or written outside of the directories in the worker's own configuration, no reply gets into
//! our own streams, and the worker neither spins nor fills its memory.
//!
//! The columns of folders, schedules and replies become paths, times, streams and what is submitted. `TENANTRY_ATTACK_ROUNDS` goes through all
//! columns of all tables. Each case has a copy of the ledger and a worker of its own; most of it is waiting, so several run side by side.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use redis::streams::StreamRangeReply;
use serde_json::{Value, json};
use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::{Dialect, Tx};
use tenantry_ledger::Ledger;

use super::columns::{APPROVED, Column, RELEASES, columns, guarded_state, rounds, set_up, values};
use super::signed::Person;
use crate::place::{On, Place, Running, read};
use crate::servers::{PgServer, RedisServer, ordinal};

/// The tables of the intakes.
const OF_INTAKES: [&str; 6] = ["drops", "fires", "folders", "jobs", "replies", "schedules"];
/// Their columns that become paths, streams and what is submitted.
const REACHING: [&str; 7] = ["file", "place", "dest", "id", "definition", "out_path", "reply_to"];
/// Ledgers that are attacked side by side.
const LANES: usize = 4;
/// Nobody but the worker's host may read it, and nothing of it gets into the database.
const SECRET: &str = "customer,user_principal_name,mobile_phone\nS3CRET,S3CRET,S3CRET\n";
/// A worker has begun everything that it finds by then.
const SERVED: Duration = Duration::from_millis(1500);
/// How long its work is watched at once, and how often until it counts as one that does not come to rest.
const WATCHED: Duration = Duration::from_millis(300);
const WATCHES: usize = 60;
/// KiB. A worker has some 60 MiB, and as much again in a debug build.
const MEMORY: u64 = 250_000;

struct Scene {
    place: Place,
    anna: Person,
    on: On,
    /// What the keys in Redis begin with.
    prefix: String,
}

/// What an attacker does.
#[derive(Debug)]
enum Attack {
    /// Writes to the ledger.
    Column {
        update: String,
        release: &'static [&'static str],
    },
    /// Adds a document to the inbox.
    Document(Value),
    /// Adds a ticket, which is a text of Redis' own.
    Ticket(String),
}

impl Scene {
    /// A ledger with jobs of all sorts, and the directories of a worker that has served it.
    async fn new(place: Place, on: On) -> Self {
        let scene = Self {
            place,
            anna: Person::new("anna", 1),
            on,
            prefix: RedisServer::shared().await.prefix(),
        };
        let root = scene.path("results");
        fs::create_dir(&root).expect("made");
        let ledger = scene.place.ledger().await;
        Box::pin(set_up(&ledger, &scene.anna, &root)).await;
        ledger.close().await;
        Box::pin(scene.bring_in()).await;
        copy(&scene.path("served"), &scene.path("as-was"));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    async fn configure(&self) {
        let at = |name: &str| self.path(name).display().to_string();
        let folder = |name: &str, kind: &str| {
            let path = at(&format!("served/{name}"));
            format!(
                "[folders.{name}]\npath = \"{path}\"\nkind = \"{kind}\"\ncomplete = \"whole\"\nsettle = \"0s\"\nrescan = \"1s\"\n"
            )
        };
        let text = format!(
            "[queue]\nurl = \"{}\"\n[approval]\nkeys = [\"{}\"]\n[results]\ndir = \"{}\"\nroots = [\"{}\"]\n{}{}\
             [schedules.nightly]\nkind = \"update-users\"\nevery = \"10s\"\nfile = \"{}\"\nout = \"{}\"\nafter = \"archive:{}\"\nkeep_out = 1\n\
             [schedules.leaving]\nkind = \"delete-users\"\nevery = \"1h\"\nfile = \"{}\"\n",
            RedisServer::shared().await.url(),
            self.anna.public.trim(),
            at("served/results"),
            at("results"),
            folder("phones", "update-users"),
            folder("leavers", "delete-users"),
            at("served/exports/*.csv"),
            at("served/out/{date}"),
            at("served/exports/done"),
            at("served/exports/leavers/*.csv"),
        );
        self.place.write("tenantry.toml", text);
    }

    fn command(&self, url: &str, prefix: &str, args: &[&str]) -> Command {
        let mut command = self.place.hurried(args);
        command
            .env("TENANTRY__LEDGER__URL", url)
            .env_remove("TENANTRY__RESULTS__ROOTS")
            .env("TENANTRY_CONFIG", self.path("tenantry.toml"))
            .env("TENANTRY__QUEUE__PREFIX", prefix)
            .env("TENANTRY_CLOCK", self.path("clock"))
            .env("TENANTRY_CLOCK_PACE", "12")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Has a whole worker bring files in, so that all tables have rows.
    async fn bring_in(&self) {
        for dir in [
            "served/phones",
            "served/leavers",
            "served/exports/leavers",
            "outside/kept",
        ] {
            fs::create_dir_all(self.path(dir)).expect("made");
        }
        self.place.write("clock", "0");
        self.place.write("outside/secret.csv", SECRET);
        self.place.write("outside/kept/file", "kept");
        self.configure().await;
        let drained = self
            .command(&self.place.url, &self.prefix, &["worker", "--drain"])
            .status();
        assert_eq!(drained.expect("tenantry starts").code(), Some(0));
        let phone = |n: u32| format!("A-1,user6@alpha.onmicrosoft.com,+41 44 111 00 0{n}\n");
        let phones = |n: u32| format!("customer,user_principal_name,mobile_phone\n{}", phone(n));
        let leaver = "customer,user_principal_name\nA-1,user7@alpha.onmicrosoft.com\n";
        for (name, text) in [
            ("served/phones/in/good.csv", phones(1).as_str()),
            ("served/phones/in/bad.csv", "customer\nA-1\n"),
            ("served/leavers/in/leavers.csv", leaver),
            ("served/exports/leavers/leavers.csv", leaver),
            ("served/exports/phones.csv", &phones(2)),
        ] {
            self.place.write(name, text);
        }
        let mut worker = Running(
            self.command(&self.place.url, &self.prefix, &["worker"])
                .spawn()
                .expect("tenantry starts"),
        );
        let asking = json!({ "kind": "update-users", "reply_to": format!("{}:answers", self.prefix), "idempotency_key": "asking",
            "rows": [{ "customer": "A-1", "user_principal_name": "user6@alpha.onmicrosoft.com", "mobile_phone": "+41 44 111 00 09" }] });
        add(&self.prefix, &asking).await;
        let ledger = self.place.ledger().await;
        crate::servers::eventually("files, schedules and the inbox to have brought jobs", async || {
            let count = |tx: &mut dyn Tx| {
                let sql = "SELECT (SELECT COUNT(*) FROM drops WHERE ended_at IS NOT NULL), (SELECT COUNT(*) FROM drops WHERE job IS NOT NULL),
                     (SELECT COUNT(*) FROM fires WHERE ended_at IS NOT NULL), (SELECT COUNT(*) FROM fires WHERE job IS NOT NULL),
                     (SELECT COUNT(*) FROM replies WHERE told_at IS NOT NULL)";
                let found = tx.query(sql, &[])?;
                (0..5).map(|at| found[0].int(at)).collect::<Result<Vec<_>, _>>()
            };
            let counts = ledger.db().read(count).await.ok()?;
            (counts[0] >= 2 && counts[1] >= 2 && counts[2..].iter().all(|count| *count >= 1)).then_some(())
        })
        .await;
        assert_eq!(worker.stop(), Some(0));
        // What comes next is for the worker that is attacked.
        self.place.write("served/phones/in/next.csv", phones(3));
        self.place.write("served/exports/next.csv", phones(4));
        ledger.close().await;
    }

    /// The directories of the worker as they were.
    fn restore(&self) {
        let _ = fs::remove_dir_all(self.path("served"));
        copy(&self.path("as-was"), &self.path("served"));
        for dir in ["results", "outside"] {
            let _ = fs::remove_dir_all(self.path(dir));
        }
        fs::create_dir(self.path("results")).expect("made");
        fs::create_dir_all(self.path("outside/kept")).expect("made");
        self.place.write("outside/secret.csv", SECRET);
        self.place.write("outside/kept/file", "kept");
    }

    /// What lies elsewhere, by its path.
    fn elsewhere(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        list(&self.path("outside"), &mut found);
        for entry in fs::read_dir(self.path("")).expect("listed").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_database = name.starts_with("tenantry.db") || name.starts_with("attacked.db");
            if !is_database && !["served", "results", "outside", "as-was"].contains(&name.as_str()) {
                found.insert(name, String::new());
            }
        }
        found
    }

    /// A database of its own with all that this one holds, which nobody has open.
    async fn attacked(&self) -> String {
        match self.on {
            On::Postgres => PgServer::shared().await.copy(&self.place.url).await,
            On::Sqlite => {
                let file = self.path("attacked.db");
                for end in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(self.path(&format!("attacked.db{end}")));
                }
                fs::copy(self.path("tenantry.db"), &file).expect("copied");
                format!("sqlite:{}", file.display())
            }
        }
    }
}

/// Puts a document into the inbox.
async fn add(prefix: &str, document: &Value) {
    let mut redis = RedisServer::shared().await.connect().await;
    let mut command = redis::cmd("XADD");
    command
        .arg(format!("{prefix}:inbox"))
        .arg(&["*", "job", &document.to_string()]);
    command.query_async::<()>(&mut redis).await.expect("XADD");
}

/// What a reply has put below our own names in Redis: an entry without a document, which the inbox refuses, or another stream.
async fn replied_to_ourselves(prefix: &str) -> Vec<String> {
    let mut redis = RedisServer::shared().await.connect().await;
    let ours = ["inbox", "inbox:rejected"].map(|name| format!("{prefix}:{name}"));
    let mut found = Vec::new();
    for stream in &ours {
        let mut command = redis::cmd("XRANGE");
        command.arg(stream).arg(&["-", "+"]);
        let entries: StreamRangeReply = command.query_async(&mut redis).await.expect("XRANGE");
        let documents = entries
            .ids
            .iter()
            .map(|entry| entry.get::<String>("job").unwrap_or_default());
        found.extend(documents.filter(String::is_empty).map(|_| stream.clone()));
    }
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{prefix}:*"))
        .query_async(&mut redis)
        .await
        .expect("KEYS");
    for key in keys {
        let kind: String = redis::cmd("TYPE")
            .arg(&key)
            .query_async(&mut redis)
            .await
            .expect("TYPE");
        if kind == "stream" && !ours.contains(&key) {
            found.push(key);
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed").flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).expect("copied");
        }
    }
}

fn list(dir: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).expect("listed").flatten() {
        let path = entry.path();
        let text = if path.is_dir() {
            list(&path, found);
            String::new()
        } else {
            read(&path)
        };
        found.insert(path.display().to_string(), text);
    }
}

/// Milliseconds that a process has worked, and the most KiB that it has held; none of one that has ended.
fn used(process: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || numbers.next()?.parse::<u64>().ok();
    let worked = (ticks()? + ticks()?) * 10;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let held = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some((worked, held.trim().trim_end_matches("kB").trim().parse().ok()?))
}

/// What stands in a value for what our names in Redis begin with, which is another in each case.
const OUR_PREFIX: &str = "@prefix@";

/// What a worker is made to do: the column's own values, and what means something in a definition.
fn attempts(column: &Column, outside: &Path, dialect: Dialect) -> Vec<String> {
    let mut all = values(column, outside, dialect);
    if column.name == "reply_to" {
        all.extend(["inbox", "inbox:rejected", "tickets"].map(|stream| format!("'{OUR_PREFIX}:{stream}'")));
    }
    if (column.table.as_str(), column.name.as_str()) == ("schedules", "definition") {
        let served = outside.with_file_name("served").display().to_string();
        let name = &column.name;
        let replaced = |from: &str, to: &str| format!("replace({name}, '{from}', '{to}')");
        all.clear();
        all.extend([
            replaced(&format!("{served}/exports"), &outside.display().to_string()),
            replaced(&format!("{served}/out"), &outside.display().to_string()),
            replaced(
                &format!("archive:{served}/exports"),
                &format!("archive:{}", outside.display()),
            ),
            replaced("\"10s\"", "\"1ms\""),
            replaced("update-users", "delete-users"),
            replaced(&served, &format!("{served}/../outside")),
        ]);
    }
    all
}

/// What is put into Redis.
fn entries(scene: &Scene, jobs: &[String]) -> Vec<Attack> {
    let user = |n: u32| json!([{ "customer": "A-1", "user_principal_name": format!("user{n}@alpha.onmicrosoft.com") }]);
    let outside = scene.path("outside").display().to_string();
    let document = |kind: &str, rows: Value, more: Value| {
        let mut document = json!({ "kind": kind, "rows": rows });
        for (name, value) in more.as_object().expect("an object") {
            document[name] = value.clone();
        }
        Attack::Document(document)
    };
    let root = json!([{ "customer": "A-1", "user_principal_name": "root@alpha.onmicrosoft.com" }]);
    let export = json!([{ "name": "../../outside/x" }]);
    let phone = json!([{ "customer": "A-1", "user_principal_name": "user6@alpha.onmicrosoft.com", "mobile_phone": "+41 44 111 00 08" }]);
    let mut all = vec![
        document("delete-users", user(0), json!({})),
        document("delete-users", user(0), json!({ "submitted_by": "anna" })),
        document(
            "delete-users",
            user(0),
            json!({ "approved_by": "anna", "state": "queued", "gate": null }),
        ),
        document(
            "delete-users",
            user(0),
            json!({ "parameters": { "approval": false, "gate": null } }),
        ),
        document("reset-passwords", root.clone(), json!({})),
        document(
            "reset-passwords",
            root,
            json!({ "parameters": { "seal_to": ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"] } }),
        ),
        document(
            "bulk-add-users",
            json!([{ "customer": "A-1", "user_principal_name": "eve@alpha.onmicrosoft.com", "display_name": "Eve", "roles": "Global Administrator" }]),
            json!({}),
        ),
        document(
            "export-customers",
            export,
            json!({ "parameters": { "out_dir": outside, "out": outside } }),
        ),
        document(
            "export-customers",
            json!([{ "name": format!("{outside}/x") }]),
            json!({}),
        ),
        document(
            "update-users",
            phone.clone(),
            json!({ "file": format!("{outside}/secret.csv") }),
        ),
        document(
            "update-users",
            phone.clone(),
            json!({ "parameters": { "store": format!("sqlite:{outside}/x.db") } }),
        ),
        Attack::Document(json!({ "kind": "update-users", "rows": format!("@{outside}/secret.csv") })),
        Attack::Document(json!({ "kind": "update-users", "path": format!("{outside}/secret.csv") })),
    ];
    for stream in ["inbox", "inbox:rejected", "tickets", "pace:00", "doctor"] {
        let to = json!({ "reply_to": format!("{OUR_PREFIX}:{stream}") });
        all.push(document("update-users", phone.clone(), to.clone()));
        all.push(document("nope", phone.clone(), to));
    }
    for key in ["asking", "../../outside/x", "working/../../outside"] {
        all.push(document(
            "update-users",
            phone.clone(),
            json!({ "idempotency_key": key }),
        ));
    }
    all.extend(jobs.iter().cloned().map(Attack::Ticket));
    all.extend(
        [
            "",
            "x",
            "../../outside/x",
            "null",
            "00000000-0000-0000-0000-000000000000",
        ]
        .map(|text| Attack::Ticket(text.to_owned())),
    );
    all
}

/// What is written to the ledger: values that reach somewhere in the columns that do; or one value for each column of all tables, as often as `rounds` says.
fn changes(columns: &[Column], outside: &Path, dialect: Dialect) -> Vec<Attack> {
    let mut all = Vec::new();
    let mut add = |column: &Column, value: &str, release| {
        // A schedule of the configuration is brought back to what that says, and one of a command is not.
        let besides = if column.table == "schedules" && column.name != "name" && column.name != "source" {
            ", name = name || 'x', source = 'cli'"
        } else {
            ""
        };
        let update = format!("UPDATE {} SET {} = {value}{besides}", column.table, column.name);
        all.push(Attack::Column { update, release });
    };
    for round in 0..rounds().unwrap_or(1) {
        for (at, column) in columns.iter().enumerate() {
            let (attempts, release) = (
                attempts(column, outside, dialect),
                RELEASES[(at + round) % RELEASES.len()],
            );
            if rounds().is_some() {
                add(column, &attempts[(at * 11 + round * 3) % attempts.len()], release);
            } else if OF_INTAKES.contains(&column.table.as_str()) && REACHING.contains(&column.name.as_str()) {
                attempts
                    .iter()
                    .filter(|value| is_path(value))
                    .for_each(|value| add(column, value, release));
            }
        }
    }
    all
}

async fn attack_from_all_sides(place: Place, on: On) {
    let mut places = vec![place];
    while places.len() < LANES {
        places.push(Place::new(on).await);
    }
    let lanes = places.into_iter().enumerate().map(|(lane, place)| {
        Box::pin(async move {
            let scene = Scene::new(place, on).await;
            let ledger = scene.place.ledger().await;
            let (columns, dialect) = (columns(&ledger).await, ledger.db().dialect());
            let (before, _) = guarded_state(&ledger).await.expect("asked");
            let jobs =
                |tx: &mut dyn Tx| tx.query("SELECT id FROM jobs WHERE finished_at IS NULL OR cancelled > 0", &[]);
            let jobs = ledger.db().read(jobs).await.expect("asked");
            let jobs: Vec<_> = jobs.iter().map(|row| row.text(0).expect("a text").to_owned()).collect();
            ledger.close().await;
            assert!(jobs.len() > 3, "{jobs:?}");
            let mut all = changes(&columns, &scene.path("outside"), dialect);
            all.extend(entries(&scene, &jobs));
            assert!(all.len() > 50, "{}", all.len());
            for attack in all.iter().skip(lane).step_by(LANES) {
                Box::pin(carry_out(&scene, attack, &before)).await;
            }
        })
    });
    futures::future::join_all(lanes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_gets_nothing_from_a_whole_worker_on_sqlite() {
    attack_from_all_sides(Place::new(On::Sqlite).await, On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_gets_nothing_from_a_whole_worker_on_postgresql() {
    attack_from_all_sides(Place::new(On::Postgres).await, On::Postgres).await;
}

fn is_path(value: &str) -> bool {
    value.contains("outside") || value.contains("1ms") || value.contains(OUR_PREFIX)
}

async fn carry_out(scene: &Scene, attack: &Attack, before: &BTreeMap<String, String>) {
    scene.restore();
    let url = scene.attacked().await;
    let prefix = format!("{}-{}", scene.prefix, ordinal());
    let clock = Clock::system();
    let mut redis = RedisServer::shared().await.connect().await;
    match attack {
        Attack::Column { update, release } => {
            let ledger = Ledger::open(&url, 1, clock.clone()).await.expect("the ledger opens");
            // Files that were taken are looked for again, fires begun, and replies sent, by whatever the column says now.
            let reopened = [
                "UPDATE drops SET ended_at = NULL, dest = NULL, state = 'taken'",
                "UPDATE fires SET ended_at = NULL, state = 'due', job = NULL, lease_until = NULL, look_at = 0, starts = 0",
                "UPDATE jobs SET replied_at = NULL, reply_until = 0",
                "UPDATE replies SET told_at = NULL",
            ];
            let update = update.replace(OUR_PREFIX, &prefix);
            for sql in reopened {
                let _ = ledger.db().write(move |tx| tx.exec(sql, &[])).await;
            }
            let _ = ledger.db().write(move |tx| tx.exec(&update, &[])).await;
            for sql in release.iter().copied() {
                let _ = ledger.db().write(move |tx| tx.exec(sql, &[])).await;
            }
            ledger.close().await;
        }
        Attack::Document(document) => {
            let document = document.to_string().replace(OUR_PREFIX, &prefix);
            add(&prefix, &serde_json::from_str(&document).expect("JSON")).await;
        }
        Attack::Ticket(ticket) => {
            let mut command = redis::cmd("RPUSH");
            command.arg(format!("{prefix}:tickets")).arg(ticket);
            command.query_async::<()>(&mut redis).await.expect("RPUSH");
        }
    }
    let update = format!("{attack:?}");
    let elsewhere = scene.elsewhere();
    let mut worker = Running(
        scene
            .command(&url, &prefix, &["worker"])
            .spawn()
            .expect("tenantry starts"),
    );
    tokio::time::sleep(SERVED).await;
    let process = worker.0.id();
    // One that spins is as busy each time it is looked at, however much of the machine it gets.
    let mut busy = 0;
    while let Some((so_far, _)) = used(process) {
        tokio::time::sleep(WATCHED).await;
        let Some((at_last, held)) = used(process) else { break };
        assert!(held < MEMORY, "{update}: {held} KiB");
        if at_last - so_far < WATCHED.as_millis() as u64 / 3 {
            break;
        }
        busy += 1;
        assert!(busy < WATCHES, "{update}: it works all the time");
    }
    worker.kill();
    let ourselves = replied_to_ourselves(&prefix).await;
    assert!(ourselves.is_empty(), "{update}: {ourselves:?}");
    assert_eq!(scene.elsewhere(), elsewhere, "{update}");
    if let Ok(ledger) = Ledger::open(&url, 1, clock).await {
        let (after, deleted) = guarded_state(&ledger).await.expect("asked");
        assert!(
            deleted.iter().all(|user| APPROVED.contains(&user.as_str())),
            "{update}: {deleted:?}"
        );
        let kept = before.iter().filter(|(user, _)| !deleted.contains(user));
        assert_eq!(
            kept.collect::<BTreeMap<_, _>>(),
            after.iter().collect::<BTreeMap<_, _>>(),
            "{update}"
        );
        for told in [
            "SELECT COUNT(*) FROM fires WHERE detail LIKE '%S3CRET%'",
            "SELECT COUNT(*) FROM drops WHERE reason LIKE '%S3CRET%'",
        ] {
            let rows = ledger.db().read(move |tx| tx.query(told, &[])).await.expect("asked");
            assert_eq!(rows[0].int(0).expect("a number"), 0, "{update}: {told}");
        }
        ledger.close().await;
    }
    if let On::Postgres = scene.on {
        PgServer::shared().await.drop_database(&url).await;
    }
}
