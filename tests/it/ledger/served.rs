//! Somebody who can write to the ledger's database, and a whole worker, which serves drop folders and schedules besides: whatever a column is made to
//! say, nothing is done that was not approved, no file is read, moved or written but in the places of the worker's own configuration, and the worker
//! neither spins nor fills its memory.
//!
//! The columns of folders and schedules are those that become paths, times and what is submitted. `TENANTRY_ATTACK_ROUNDS` goes through all columns of all tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tenantry_foundation::db::{Dialect, Tx};
use tenantry_ledger::Ledger;

use super::columns::{APPROVED, Column, RELEASES, columns, guarded_state, rounds, set_up, values};
use super::signed::Person;
use crate::place::{On, Place, Running, on_both, read};
use crate::servers::PgServer;

/// What says which files there are, and what is submitted by itself.
const OF_INTAKES: [&str; 4] = ["drops", "fires", "folders", "schedules"];
/// Nobody but the worker's host may read it, and nothing of it gets into the database.
const SECRET: &str = "customer,user_principal_name,mobile_phone\nS3CRET,S3CRET,S3CRET\n";
/// A worker has done by then what it finds.
const SERVED: Duration = Duration::from_millis(1500);
/// And after that, it is to have little to do for so long.
const WATCHED: Duration = Duration::from_millis(600);
/// KiB. A worker has some 60 MiB, and as much again in a debug build.
const MEMORY: u64 = 250_000;

struct Scene {
    place: Place,
    anna: Person,
    on: On,
}

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    fn configure(&self) {
        let at = |name: &str| self.path(name).display().to_string();
        let folder = |name: &str, kind: &str| {
            let path = at(&format!("served/{name}"));
            format!(
                "[folders.{name}]\npath = \"{path}\"\nkind = \"{kind}\"\ncomplete = \"whole\"\nsettle = \"0s\"\nrescan = \"1s\"\n"
            )
        };
        let text = format!(
            "[approval]\nkeys = [\"{}\"]\n[results]\ndir = \"{}\"\nroots = [\"{}\"]\n{}{}\
             [schedules.nightly]\nkind = \"update-users\"\nevery = \"10s\"\nfile = \"{}\"\nout = \"{}\"\nafter = \"archive:{}\"\nkeep_out = 1\n\
             [schedules.leaving]\nkind = \"delete-users\"\nevery = \"1h\"\nfile = \"{}\"\n",
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

    fn command(&self, url: &str, args: &[&str]) -> Command {
        let mut command = self.place.hurried(args);
        command
            .env("TENANTRY__LEDGER__URL", url)
            .env_remove("TENANTRY__RESULTS__ROOTS")
            .env("TENANTRY_CONFIG", self.path("tenantry.toml"))
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
        self.configure();
        let drained = self.command(&self.place.url, &["worker", "--drain"]).status();
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
            self.command(&self.place.url, &["worker"])
                .spawn()
                .expect("tenantry starts"),
        );
        let ledger = self.place.ledger().await;
        crate::servers::eventually("files and schedules to have brought jobs", async || {
            let count = |tx: &mut dyn Tx| {
                let sql = "SELECT (SELECT COUNT(*) FROM drops WHERE ended_at IS NOT NULL), (SELECT COUNT(*) FROM drops WHERE job IS NOT NULL),
                     (SELECT COUNT(*) FROM fires WHERE ended_at IS NOT NULL), (SELECT COUNT(*) FROM fires WHERE job IS NOT NULL)";
                let found = tx.query(sql, &[])?;
                (0..4).map(|at| found[0].int(at)).collect::<Result<Vec<_>, _>>()
            };
            let counts = ledger.db().read(count).await.ok()?;
            (counts[0] >= 2 && counts[1] >= 2 && counts[2] >= 1 && counts[3] >= 1).then_some(())
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

/// What a worker is made to do: the column's own values, and what means something in a definition.
fn attempts(column: &Column, outside: &Path, dialect: Dialect) -> Vec<String> {
    let mut all = values(column, outside, dialect);
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

on_both! {
    async fn a_whole_worker_reaches_nothing_whatever_a_column_says(place: Place) {
        let on = if place.url.starts_with("sqlite") { On::Sqlite } else { On::Postgres };
        let scene = Scene { place, anna: Person::new("anna", 1), on };
        let (root, outside) = (scene.path("results"), scene.path("outside"));
        fs::create_dir(&root).expect("made");
        let ledger = scene.place.ledger().await;
        Box::pin(set_up(&ledger, &scene.anna, &root)).await;
        Box::pin(scene.bring_in()).await;
        let (columns, dialect) = (columns(&ledger).await, ledger.db().dialect());
        let (before, _) = guarded_state(&ledger).await.expect("asked");
        ledger.close().await;
        copy(&scene.path("served"), &scene.path("as-was"));
        let of_intakes = columns.iter().enumerate().filter(|(_, column)| OF_INTAKES.contains(&column.table.as_str()));
        let paths = ["file", "place", "dest", "id", "definition", "out_path"];
        let cases: Vec<(usize, usize)> = match rounds() {
            Some(rounds) => (0..rounds).flat_map(|round| (0..columns.len()).map(move |at| (round, at))).collect(),
            None => of_intakes.filter(|(_, column)| paths.contains(&column.name.as_str())).map(|(at, _)| (0, at)).collect(),
        };
        assert!(cases.len() >= paths.len(), "{}", cases.len());
        for (round, at) in cases {
            let column = &columns[at];
            let attempts = attempts(column, &outside, dialect);
            let chosen = if rounds().is_some() { vec![(at * 11 + round * 3) % attempts.len()] } else { (0..attempts.len()).filter(|n| is_path(&attempts[*n])).collect() };
            for value in chosen.into_iter().map(|n| &attempts[n]) {
                // A schedule of the configuration is brought back to what that says, and one of a command is not.
                let besides = if column.table == "schedules" && column.name != "name" && column.name != "source" { ", name = name || 'x', source = 'cli'" } else { "" };
                let update = format!("UPDATE {} SET {} = {value}{besides}", column.table, column.name);
                let release = RELEASES[(at + round) % RELEASES.len()];
                Box::pin(attack(&scene, &update, release, &before)).await;
            }
        }
    }
}

fn is_path(value: &str) -> bool {
    value.contains("outside") || value.contains("1ms")
}

async fn attack(scene: &Scene, update: &str, release: &[&'static str], before: &BTreeMap<String, String>) {
    scene.restore();
    let url = scene.attacked().await;
    let clock = tenantry_foundation::clock::Clock::system();
    let ledger = Ledger::open(&url, 1, clock.clone()).await.expect("the ledger opens");
    // Files that were taken are looked for again, and fires begun, by whatever the column says now.
    let reopened = [
        "UPDATE drops SET ended_at = NULL, dest = NULL, state = 'taken'",
        "UPDATE fires SET ended_at = NULL, state = 'due', job = NULL, lease_until = NULL, look_at = 0, starts = 0",
    ];
    let sql = update.to_owned();
    let exec = move |tx: &mut dyn Tx| tx.exec(&sql, &[]);
    for sql in reopened {
        let _ = ledger.db().write(move |tx| tx.exec(sql, &[])).await;
    }
    let _ = ledger.db().write(exec).await;
    for sql in release.iter().copied() {
        let _ = ledger.db().write(move |tx| tx.exec(sql, &[])).await;
    }
    ledger.close().await;
    let elsewhere = scene.elsewhere();
    let mut worker = Running(scene.command(&url, &["worker"]).spawn().expect("tenantry starts"));
    tokio::time::sleep(SERVED).await;
    let process = worker.0.id();
    let (looked, so_far) = (Instant::now(), used(process));
    tokio::time::sleep(WATCHED).await;
    let (took, at_last) = (looked.elapsed().as_millis() as u64, used(process));
    worker.kill();
    if let (Some((so_far, _)), Some((at_last, held))) = (so_far, at_last) {
        assert!(
            at_last - so_far < took,
            "{update}: it works all the time ({} of {took} ms)",
            at_last - so_far
        );
        assert!(held < MEMORY, "{update}: {held} KiB");
    }
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
