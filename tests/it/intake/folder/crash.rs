//! Workers that are killed at every step, one after another, and at random. What is left is what a calm run leaves: every file in
//! one directory, every row done once. `TENANTRY_FOLDER_SEEDS` says how many random runs there are; a long one takes 1,000.

use std::process::Stdio;

use super::*;
use crate::contention::mixture::Dice;
use crate::invariants::violations;
use crate::place::on_both;

/// Where a worker can die. What comes after the colon says what has to be in the folder for that.
const STEPS: [&str; 16] = [
    "drop-taking",
    "drop-directory",
    "drop-moved",
    "drop-taken",
    "planning",
    "after-record",
    "drop-submitted",
    "drop-reasons",
    "drop-refused",
    "while-writing-results",
    "drop-results",
    "drop-archiving",
    "drop-published",
    "drop-archived",
    "before-commit",
    "after-commit",
];

#[expect(clippy::disallowed_methods, reason = "the rule is for the program")]
fn seeds() -> u64 {
    let said = std::env::var("TENANTRY_FOLDER_SEEDS").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(12)
}

/// Puts in good files, two of them with the same content, and two that are refused.
fn fill(folder: &Folder) {
    for (name, names) in [
        ("a.csv", ["a1", "a2"]),
        ("b.csv", ["b1", "b2"]),
        ("same.csv", ["b1", "b2"]),
    ] {
        folder.drop(name, users(&names));
    }
    folder.drop(
        "many.csv",
        users(
            &(0..9)
                .map(|n| format!("m{n}"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        ),
    );
    folder.drop("bad.csv", users(&["x y"]));
    folder.drop("header.csv", "wrong\n1\n");
}

/// Nothing is lost and nothing doubled.
async fn is_as_calm(folder: &Folder) {
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["a", "b", "many", "same"]);
    assert_eq!(folder.stems("failed"), ["bad", "header"]);
    for (stem, dir) in folder.shelved("done") {
        let names = names(&dir);
        assert_eq!(names.len(), 3, "{stem}: {names:?}");
        assert!(read(dir.join("results.csv")).lines().count() >= 3, "{stem}");
    }
    let (jobs, applied) = folder.jobs().await;
    // The two of one content are one job, unless the first had ended when the second was handed in.
    assert!((3..=4).contains(&jobs), "{jobs} jobs");
    assert_eq!(applied, 13, "each row once");
    let states = folder.states().await;
    assert_eq!(
        (states.get("archived"), states.get("quarantined")),
        (Some(&4), Some(&2)),
        "{states:?}"
    );
    let ledger = folder.place.ledger().await;
    // What was being planned when its worker died is swept after two minutes.
    let planned = "SELECT id, seq, input FROM jobs WHERE state = 'planned'";
    for row in ledger.db().read(|tx| tx.query(planned, &[])).await.expect("asked") {
        let draft = tenantry_ledger::Draft {
            id: row.text(0).expect("a text").parse().expect("an id"),
            seq: row.int(1).expect("a number"),
            input: row.int(2).expect("a number"),
        };
        ledger.discard(draft).await.expect("discarded");
    }
    assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
}

/// Runs a worker that dies at the `nth` time it comes by there; whether it did.
fn dies_at(folder: &Folder, step: &str, nth: u64) -> bool {
    let status = folder
        .command(&["worker", "--drain"])
        .env("TENANTRY_FAILPOINT", format!("{step}@{nth}"))
        .env("TENANTRY__WORKER__CHUNK_ROWS", "4")
        .env("TENANTRY__RETRY__DEATHS", "100")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.expect("a worker starts").code().is_none()
}

on_both! {
    /// Case 13, step by step.
    async fn killed_at_each_step_twice_in_a_row(place: Place) {
        let on = if place.url.starts_with("sqlite") { On::Sqlite } else { On::Postgres };
        std::mem::drop(place);
        let mut never = Vec::new();
        // On PostgreSQL every third, which is where the two could differ.
        let steps = STEPS.iter().enumerate().filter(|(at, _)| matches!(on, On::Sqlite) || at % 3 == 0);
        for (_, step) in steps {
            let folder = Folder::new(on).await;
            folder.set_up();
            fill(&folder);
            let died = [dies_at(&folder, step, 1), dies_at(&folder, step, 1)];
            if !died[0] {
                never.push(*step);
            }
            folder.drain();
            is_as_calm(&folder).await;
        }
        assert_eq!(never, Vec::<&str>::new(), "each is come by");
    }
}

/// Case 13, at random: many deaths in a row, at any step, at any turn.
#[expect(clippy::print_stdout, reason = "a run that fails is to be repeated")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random() {
    let mut deaths = 0;
    for seed in 0..seeds() {
        let mut dice = Dice::new(seed);
        let folder = Folder::new(On::Sqlite).await;
        folder.set_up();
        fill(&folder);
        let mut story = Vec::new();
        for _ in 0..2 + dice.roll(3) {
            let (step, nth) = (STEPS[dice.roll(STEPS.len())], 1 + dice.roll(3) as u64);
            let died = dies_at(&folder, step, nth);
            deaths += u64::from(died);
            story.push(format!("{step}@{nth} {died}"));
        }
        println!("seed {seed}: {}", story.join(", "));
        folder.drain();
        is_as_calm(&folder).await;
    }
    assert!(deaths >= seeds() / 2, "{deaths} deaths");
}

/// Case 20: several workers on one folder, of which one after another is killed, or stopped for longer than its lease lasts. One
/// that is stopped in the middle of writing to SQLite would stop all others as well.
#[tokio::test(flavor = "multi_thread")]
async fn several_workers_some_killed_some_stopped() {
    const FILES: usize = 150;
    let folder = Folder::new(On::Postgres).await;
    folder.set_up();
    let mut dice = Dice::new(11);
    let mut workers: Vec<Running> = (0..2).map(|_| folder.worker()).collect();
    for n in 0..FILES {
        folder.drop(&format!("file{n}.csv"), users(&[&format!("u{n}")]));
        if n % 30 == 29 {
            let one = dice.roll(workers.len());
            if n % 60 == 29 {
                workers[one] = folder.worker();
            } else {
                signal(&workers[one], rustix::process::Signal::STOP);
                let done = folder.stems("done").len();
                // Until the other one has taken over and got on.
                eventually("the other worker to go on", async || {
                    (folder.stems("done").len() > done || folder.names("in").is_empty()).then_some(())
                })
                .await;
                signal(&workers[one], rustix::process::Signal::CONT);
            }
        }
    }
    folder.until_shelved(FILES).await;
    std::mem::drop(workers);
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("done").len(), FILES);
    assert_eq!(folder.jobs().await, (FILES as i64, FILES as i64));
    let ledger = folder.place.ledger().await;
    assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
}

/// Case 28: a burst that the system cannot tell of, as the worker does not listen meanwhile; one of it lets 16,384 wait.
/// `TENANTRY_FOLDER_BURST` says how many files come, for a long run 20,000.
#[expect(clippy::disallowed_methods, reason = "the rule is for the program")]
#[tokio::test(flavor = "multi_thread")]
async fn an_unannounced_burst_is_taken_whole() {
    let said = std::env::var("TENANTRY_FOLDER_BURST").ok();
    let burst: usize = said.and_then(|text| text.parse().ok()).unwrap_or(200);
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let worker = folder.worker();
    folder.drop("first.csv", users(&["first"]));
    folder.until_shelved(1).await;
    signal(&worker, rustix::process::Signal::STOP);
    for n in 0..burst {
        folder.drop(&format!("file{n}.csv"), users(&[&format!("u{n}")]));
    }
    signal(&worker, rustix::process::Signal::CONT);
    let mut done = 1;
    while done <= burst {
        done = eventually("more of them to be put away", async || {
            Some(folder.shelved("done").len()).filter(|shelved| *shelved > done)
        })
        .await;
    }
    folder.until_shelved(burst + 1).await;
    folder.is_clear();
    assert_eq!(folder.jobs().await, (burst as i64 + 1, burst as i64 + 1));
}

fn signal(worker: &Running, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(&worker.0);
    rustix::process::kill_process(pid, signal).expect("a signal is sent");
}

/// Case 14: a job that ended before its worker died is not run again, though its kind is not the same twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_the_same_twice_is_not_run_twice() {
    let folder = Folder::new(On::Sqlite).await;
    let key = folder
        .tenantry(&["keygen", "--out", "key.txt"])
        .ends(0)
        .out
        .trim()
        .to_owned();
    folder.configure(&section("passwords", &folder.path(""), "reset-passwords", ""));
    folder.set_up();
    let ledger = folder.place.ledger().await;
    crate::place::apply(&ledger, "bulk-add-users", &users(&["a"])).await;
    folder.drop(
        "reset.csv",
        "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\n",
    );
    let worker = |failpoint: &str| {
        let mut command = folder.command(&["worker", "--drain"]);
        command
            .env("TENANTRY__PASSWORDS__DELIVER", "true")
            .env("TENANTRY__PASSWORDS__RECIPIENTS", &key);
        command.env("TENANTRY_FAILPOINT", failpoint).stderr(Stdio::null());
        command.status().expect("a worker starts")
    };
    assert!(
        worker("drop-results@1").code().is_none(),
        "it dies when the job has ended"
    );
    assert!(worker("drop-archiving@1").code().is_none());
    assert!(worker("none").success());
    assert_eq!(folder.jobs().await, (2, 2), "one of users, one of passwords");
    let done = folder.of("done", "reset");
    assert!(
        names(&done).contains(&"passwords.csv.age".to_owned()),
        "{:?}",
        names(&done)
    );
    // Case 19: the same file once more is refused, and names the job.
    folder.drop(
        "again.csv",
        "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\n",
    );
    assert!(worker("none").success());
    let reasons = read(folder.of("failed", "again").join("reasons.txt"));
    let job = folder.receipt("done", "reset")["job"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(
        reasons.contains("dropped before, as reset.csv") && reasons.contains(&job),
        "{reasons}"
    );
}

/// Case 22: a power cut undoes the rename. The same drop goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_undone_rename_is_done_again_by_the_same_drop() {
    for step in ["drop-taken", "drop-submitted"] {
        let folder = Folder::new(On::Sqlite).await;
        folder.set_up();
        folder.drop("users.csv", users(&["a"]));
        assert!(dies_at(&folder, step, 1));
        let dir = folder.path("working").join(&folder.names("working")[0]);
        std::fs::rename(dir.join("users.csv"), folder.path("in/users.csv")).expect("as before");
        std::fs::remove_dir(&dir).expect("as before");
        folder.drain();
        folder.is_clear();
        assert_eq!(
            folder.states().await,
            BTreeMap::from([("archived".to_owned(), 1)]),
            "{step}"
        );
        assert_eq!(folder.jobs().await, (1, 1), "{step}");
        assert!(names(&folder.of("done", "users")).contains(&"users.csv".to_owned()));
    }
}

/// Case 23: a ledger from before the drop. What lies in `working/` is adopted, and its rows are done once.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_ledger_adopts_unknown_files() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.tenantry(&["backup", "before.db"]).ends(0);
    folder.drop("users.csv", users(&["a"]));
    assert!(dies_at(&folder, "drop-results", 1));
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.place.path(&format!("tenantry.db{end}")));
    }
    std::fs::rename(folder.place.path("before.db"), folder.place.path("tenantry.db")).expect("restored");
    let drained = folder.drain();
    assert!(
        drained.err.contains("no record names it; it is adopted"),
        "{}",
        drained.err
    );
    folder.is_clear();
    let done = folder.of("done", "users");
    assert_eq!(read(done.join("users.csv")), users(&["a"]));
    assert_eq!(folder.jobs().await, (1, 1));
    let audit = folder.tenantry(&["audit"]).ends(0).out;
    assert!(
        audit.contains("adopted") && audit.contains("found in working/"),
        "{audit}"
    );
}

/// Case 20: a worker that slept through its lease in the middle of taking a file renames it after another one has given it up. The
/// file is adopted, and nothing is overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_late_worker_moves_is_adopted() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.drain();
    // As the late rename leaves it: a directory of an old fence, of a file that the ledger has long put away.
    let late = folder.path("working/01900000-0000-7000-8000-000000000000-1");
    std::fs::create_dir(&late).expect("made");
    std::fs::write(late.join("users.csv"), users(&["b"])).expect("written");
    std::fs::create_dir(folder.path("working/01900000-0000-7000-8000-000000000001-1")).expect("made");
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["users", "users"]);
    assert_eq!(folder.jobs().await, (2, 2));
}

/// Case 25: a worker that is asked to stop leaves what it has in hand, and the next one goes on with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_leaves_files_to_the_next() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    for n in 0..40 {
        folder.drop(&format!("file{n}.csv"), users(&[&format!("u{n}")]));
    }
    let mut worker = folder.worker();
    eventually("something to be done", async || {
        (!folder.stems("done").is_empty()).then_some(())
    })
    .await;
    assert_eq!(worker.stop(), Some(0));
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.jobs().await, (40, 40));
    assert_eq!(folder.stems("done").len(), 40);
}

/// Case 40: a file that its sender removes, or that is removed from where it was moved to.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_taken_back() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    assert!(dies_at(&folder, "drop-taking", 1));
    std::fs::remove_file(folder.path("in/users.csv")).expect("taken back");
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.states().await, BTreeMap::from([("gone".to_owned(), 1)]));
    folder.drop("late.csv", users(&["b"]));
    assert!(dies_at(&folder, "drop-submitted", 1));
    let dir = folder.path("working").join(&folder.names("working")[0]);
    std::fs::remove_file(dir.join("late.csv")).expect("removed");
    folder.drain();
    folder.is_clear();
    let receipt = folder.receipt("done", "late");
    assert_eq!(receipt["counts"]["applied"], 1, "its rows were kept");
    assert!(
        receipt["input"]["notes"]
            .to_string()
            .contains("was removed before the job had ended"),
        "{receipt}"
    );
}

/// Case 16 and 17: a file that is written to after it was moved. Before it is read it settles anew; afterwards what it holds is a
/// file of its own.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_written_to_after_they_were_moved() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("early.csv", users(&["a"]));
    assert!(dies_at(&folder, "drop-taken", 1));
    let dir = folder.path("working").join(&folder.names("working")[0]);
    std::fs::write(dir.join("early.csv"), users(&["a", "b"])).expect("written to");
    folder.drain();
    assert_eq!(folder.jobs().await, (1, 2), "what it holds now is what runs");
    folder.drop("late.csv", users(&["c"]));
    assert!(dies_at(&folder, "drop-submitted", 1));
    let dir = folder.path("working").join(&folder.names("working")[0]);
    std::fs::write(dir.join("late.csv"), users(&["c", "d"])).expect("written to");
    assert!(dies_at(&folder, "drop-set-apart", 1));
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.jobs().await.1, 4, "every row once");
    assert_eq!(folder.stems("done"), ["early", "late", "late"]);
}
