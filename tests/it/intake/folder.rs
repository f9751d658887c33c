//! Drop folders: real workers on real directories. What is put into `in/` becomes one job and one directory in `done/` or
//! `failed/`, whatever happens in between.

mod away;
mod commands;
mod crash;
mod files;
mod left;
mod rows;
mod surroundings;
mod waiting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::place::{On, Place, Run, Running, TWO_CUSTOMERS, read};
use crate::servers::eventually;

/// A place with two customers and a folder for their users.
pub(super) struct Folder {
    pub(super) place: Place,
    root: PathBuf,
}

impl Folder {
    pub(super) async fn new(on: On) -> Self {
        Self::with(on, "").await
    }

    /// With more in the folder's section.
    pub(super) async fn with(on: On, more: &str) -> Self {
        let folder = Self::of_kind(on, "bulk-add-users", more).await;
        let ledger = folder.place.ledger().await;
        crate::place::apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        folder
    }

    /// Of another kind, and without customers.
    pub(super) async fn of_kind(on: On, kind: &str, more: &str) -> Self {
        let place = Place::new(on).await;
        let root = place.path("drop");
        std::fs::create_dir(&root).expect("made");
        let folder = Self { place, root };
        folder.configure(&section("users", &folder.root, kind, more));
        folder
    }

    pub(super) fn configure(&self, text: &str) {
        self.place.write("tenantry.toml", text);
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.hurried(args);
        command.env("TENANTRY_CONFIG", self.place.path("tenantry.toml"));
        command
    }

    pub(super) fn tenantry(&self, args: &[&str]) -> Run {
        Run::from(self.command(args).output().expect("tenantry starts"))
    }

    /// A worker that goes on until it is ended.
    pub(super) fn worker(&self) -> Running {
        let mut command = self.command(&["worker"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("a worker starts"))
    }

    /// A worker until nothing is left to do.
    #[track_caller]
    pub(super) fn drain(&self) -> Run {
        self.tenantry(&["worker", "--drain"]).ends(0)
    }

    /// Makes the folder's directories by serving it once.
    pub(super) fn set_up(&self) {
        self.drain();
    }

    pub(super) fn path(&self, place: &str) -> PathBuf {
        self.root.join(place)
    }

    /// Puts a file in as a good dropper does: under a name that is ignored, then renamed.
    pub(super) fn drop(&self, name: &str, text: impl AsRef<[u8]>) {
        let part = self.path(&format!("in/.{}.part", name.len()));
        std::fs::write(&part, text).expect("written");
        std::fs::rename(&part, self.path("in").join(name)).expect("renamed");
    }

    /// The names in a directory of the folder, sorted.
    pub(super) fn names(&self, place: &str) -> Vec<String> {
        names(&self.path(place))
    }

    /// The directories of a shelf over all days: what each file's is called without its id, and where it lies.
    pub(super) fn shelved(&self, shelf: &str) -> Vec<(String, PathBuf)> {
        let mut all = Vec::new();
        for day in self.names(shelf) {
            let day = self.path(shelf).join(day);
            all.extend(names(&day).into_iter().map(|name| {
                let stem = name.split_once("--").expect("an id").0.to_owned();
                (stem, day.join(name))
            }));
        }
        all.sort();
        all
    }

    pub(super) fn stems(&self, shelf: &str) -> Vec<String> {
        self.shelved(shelf).into_iter().map(|(stem, _)| stem).collect()
    }

    /// The directory of the only file of that stem.
    #[track_caller]
    pub(super) fn of(&self, shelf: &str, stem: &str) -> PathBuf {
        let mut found: Vec<_> = self.shelved(shelf).into_iter().filter(|(one, _)| one == stem).collect();
        assert_eq!(found.len(), 1, "{shelf}: {stem}: {:?}", self.shelved(shelf));
        found.pop().expect("one").1
    }

    pub(super) fn receipt(&self, shelf: &str, stem: &str) -> Value {
        serde_json::from_str(&read(self.of(shelf, stem).join("receipt.json"))).expect("JSON")
    }

    /// Nothing is left where files are on their way.
    #[track_caller]
    pub(super) fn is_clear(&self) {
        for place in ["in", "working", "waiting"] {
            assert_eq!(self.names(place), Vec::<String>::new(), "{place}");
        }
    }

    /// How many jobs there are of the folder's kind, and how many rows they have applied.
    pub(super) async fn jobs(&self) -> (i64, i64) {
        let ledger = self.place.ledger().await;
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(applied), 0) AS BIGINT) FROM jobs
             WHERE kind <> 'add-customer' AND state <> 'planned'";
        let row = ledger
            .db()
            .read(|tx| tx.query_first(sql, &[]))
            .await
            .expect("asked")
            .expect("a row");
        (row.int(0).expect("a number"), row.int(1).expect("a number"))
    }

    /// How many dropped files stand where.
    pub(super) async fn states(&self) -> BTreeMap<String, i64> {
        let ledger = self.place.ledger().await;
        let sql = "SELECT state, COUNT(*) FROM drops GROUP BY state";
        let rows = ledger.db().read(|tx| tx.query(sql, &[])).await.expect("asked");
        let pair = |row: &tenantry_foundation::db::Row| {
            (row.text(0).expect("a text").to_owned(), row.int(1).expect("a number"))
        };
        rows.iter().map(pair).collect()
    }

    /// Waits until nothing is on its way and so many directories are on both shelves.
    pub(super) async fn until_shelved(&self, count: usize) {
        eventually("the files to be put away", async || {
            let shelved = self.shelved("done").len() + self.shelved("failed").len();
            (shelved >= count && self.names("working").is_empty()).then_some(())
        })
        .await;
    }
}

/// The section of a folder whose files are taken at once.
pub(super) fn section(name: &str, path: &Path, kind: &str, more: &str) -> String {
    let path = path.display();
    format!("[folders.{name}]\npath = \"{path}\"\nkind = \"{kind}\"\ncomplete = \"whole\"\nsettle = \"0s\"\n{more}\n")
}

/// A text as gzip has it.
pub(super) fn packed(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).expect("packed");
    packed.finish().expect("packed")
}

pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A file of users of the first customer.
pub(super) fn users(names: &[&str]) -> String {
    names.iter().fold(
        "customer,user_principal_name,first_name,last_name\n".to_owned(),
        |text, name| format!("{text}A-1,{name}@alpha.onmicrosoft.com,First,{name}\n"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_becomes_a_job_and_lies_with_its_results() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a", "b"]));
    folder.drop("bad.csv", users(&["c", "not a name"]));
    folder.drain();
    folder.is_clear();
    let done = folder.of("done", "users");
    assert_eq!(names(&done), ["receipt.json", "results.csv", "users.csv"]);
    assert_eq!(read(done.join("users.csv")), users(&["a", "b"]));
    let receipt = folder.receipt("done", "users");
    assert_eq!(
        (&receipt["counts"]["applied"], &receipt["submitted_by"]),
        (&2.into(), &"drop:users".into())
    );
    assert_eq!(
        (&receipt["origin"]["folder"], &receipt["origin"]["file"]),
        (&"users".into(), &"users.csv".into())
    );
    let job = receipt["job"].as_str().expect("an id");
    assert!(
        done.display().to_string().ends_with(&job[job.len() - 8..]),
        "{}",
        done.display()
    );
    // The other one was refused whole, with its place, and lies as it came.
    let failed = folder.of("failed", "bad");
    assert_eq!(
        names(&failed),
        ["bad.csv", "reasons.csv", "reasons.txt", "receipt.json"]
    );
    assert!(
        read(failed.join("reasons.txt")).contains("bad.csv:3: column 2 user_principal_name: `not a name@"),
        "{}",
        read(failed.join("reasons.txt"))
    );
    let table = read(failed.join("reasons.csv"));
    assert!(
        table.contains("bad.csv,2,3,user_principal_name,bad-character,"),
        "{table}"
    );
    let receipt = folder.receipt("failed", "bad");
    assert_eq!((&receipt["state"], &receipt["faults"]), (&"refused".into(), &1.into()));
    assert_eq!(folder.jobs().await, (1, 2));
    // Everybody who asks is told.
    let shown = folder.tenantry(&["show", job, "--json"]).ends(0).json();
    assert_eq!(shown["origin"]["file"], "users.csv", "{shown}");
    let audit = folder.tenantry(&["audit"]).ends(0).out;
    assert!(
        audit.contains("refused") && audit.contains("folder users, bad.csv: 1 fault: bad-character 1"),
        "{audit}"
    );
}

/// Files that are ready together are carried out in the order of their names, so the last one's value stays.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_ready_together_go_in_the_order_of_their_names() {
    let folder = Folder::new(On::Sqlite).await;
    folder.configure(&section("patches", &folder.path(""), "update-account", ""));
    folder.set_up();
    for n in (1..=12).rev() {
        folder.drop(&format!("patch{n}.csv"), format!("customer,city\nA-1,City {n}\n"));
    }
    folder.drain();
    let ledger = folder.place.ledger().await;
    let row = ledger
        .db()
        .read(|tx| tx.query_first("SELECT city FROM customers WHERE external_id = 'A-1'", &[]))
        .await;
    assert_eq!(row.expect("asked").expect("a row").text(0).expect("a text"), "City 12");
    assert_eq!(folder.stems("done").len(), 12);
}

/// Two drops of one name are two, and nothing of the first is overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_name_and_the_same_content_again_are_drops_of_their_own() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.drain();
    folder.drop("users.csv", users(&["a"]));
    folder.drop("b.csv", users(&["b"]));
    folder.drop("c.csv", users(&["b"]));
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["b", "c", "users", "users"]);
    // The two of one content that were ready together are one job; what came later found its rows done.
    assert_eq!(folder.receipt("done", "b")["job"], folder.receipt("done", "c")["job"]);
    assert_eq!(folder.jobs().await, (3, 2));
}

/// Case 38: names that a file system may take for one have directories that none takes for one.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_in_case_or_form_alone_have_directories_that_differ_in_more() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    // Of one content, so that they have one job, whose id would be the only difference.
    for name in ["a.csv", "A.csv", "\u{e4}.csv", "a\u{308}.csv"] {
        folder.drop(name, users(&["a"]));
    }
    folder.drain();
    folder.is_clear();
    let shelved = folder.shelved("done");
    let names = shelved
        .iter()
        .map(|(_, dir)| dir.file_name().expect("a name").to_string_lossy());
    let folded: std::collections::HashSet<String> =
        names.map(|name| tenantry_jobs::key::fold(&name).into_owned()).collect();
    assert_eq!(folded.len(), 4, "{shelved:?}");
    assert_eq!(folder.jobs().await, (1, 1));
}

/// Names of ours give way to the file's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_called_as_ours_stays_as_it_is() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("results.csv", users(&["a"]));
    folder.drop("Reasons.csv", "customer\nA-1\n");
    folder.drain();
    let done = folder.of("done", "results");
    assert_eq!(read(done.join("results.csv")), users(&["a"]));
    assert_eq!(names(&done).len(), 3, "{:?}", names(&done));
    let failed = folder.of("failed", "Reasons");
    assert_eq!(read(failed.join("Reasons.csv")), "customer\nA-1\n");
    assert!(
        names(&failed).iter().any(|name| name.ends_with("reasons.txt")),
        "{:?}",
        names(&failed)
    );
}
