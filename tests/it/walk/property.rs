//! Whatever the store holds and whatever a file asks for: a job and its undo together change nothing, and the undo
//! of the undo is the job again. Stores and files are made up at random, so that rows meet what nobody thought of;
//! a second property kills the processes that do it, anywhere.

mod files;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestError, TestRunner};
use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::undo::{UndoError, UndoRequest};
use tenantry_foundation::db::Dialect;
use tenantry_jobs::{KINDS, Undo};
use tenantry_ledger::{Job, Ledger, Parameters};
use tenantry_store::Stores;

use self::files::{File, any_file, kinds, made};
use super::killed::{command, last_job};
use super::{rows_of, store, undo};
use crate::invariants::violations;
use crate::place::{On, Place, TestJob, apply, by, outcomes, tables};

const CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country,external_id
alpha,Alpha Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB,A-1
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE,B-2
gamma,Gamma SA,Guy,Gros,guy@gamma.example,3 Rue Haute,Lyon,,69001,FR,
";
/// Few of some, so that rows compete for them.
const SEATS: &str = "customer,sku,seats\nA-1,SPB,2\nA-1,EXCHANGEDESKLESS,9\nB-2,SPB,9\nB-2,EXCHANGEDESKLESS,1\n";

async fn prepared(on: On, made: &[File]) -> (Place, Ledger) {
    let place = Place::new(on).await;
    place.needs_no_approval();
    let ledger = place.ledger().await;
    apply(&ledger, "add-customer", CUSTOMERS).await;
    apply(&ledger, "set-seats", SEATS).await;
    for file in made {
        apply_file(&ledger, file).await;
    }
    (place, ledger)
}

async fn apply_file(ledger: &Ledger, file: &File) -> Job {
    let parameters = Parameters {
        skip_invalid: true,
        ..Parameters::default()
    };
    TestJob::new(ledger, file.kind, &file.text())
        .parameters(parameters)
        .chunks(file.chunk_rows)
        .run()
        .await
}

/// The store and the users that can be restored.
///
/// A user that `undone` made is among the latter once it is taken back: a directory keeps every user it deletes for
/// thirty days and offers no way to be rid of it sooner, and the redo brings just this one back, under its old id.
/// It is no more to be seen than that, so it alone is left out.
async fn seen(ledger: &Ledger, undone: Option<&Job>) -> Vec<String> {
    let mut all = store(ledger).await;
    let deleted = rows_of(
        ledger,
        // A record's id is `job << 32 | row` of what made it.
        "SELECT id / 4294967296, user_principal_name, customer, display_name, job_title, usage_location, licenses,
           roles, flags FROM deleted_users ORDER BY id",
    );
    let made = undone.map(|job| format!("Row([Int({}),", job.seq));
    all.extend(
        deleted
            .await
            .into_iter()
            .filter(|user| !made.as_ref().is_some_and(|made| user.starts_with(made))),
    );
    all
}

/// The rows of the newest job that have an outcome of their own, with it.
async fn recorded(ledger: &Ledger) -> Vec<String> {
    let newest = tables::newest(ledger).await;
    let recorded = tables::recorded(ledger, &newest).await.into_iter();
    // A row that gives a user the name of a deleted user gets this note, whatever the job.
    let note = |message: &str| message.starts_with("a user of this name was deleted");
    let told = recorded.map(|(row, outcome, code, message)| {
        let message = Some(message).filter(|message| !note(message)).unwrap_or_default();
        format!("{row} {outcome} {code} {message}")
    });
    told.collect()
}

/// What the undo of a job has to record: that every row it applied is undone, and nothing of any other row.
async fn all_undone(ledger: &Ledger, file: &File, done: &Job) -> Vec<String> {
    let not_applied = outcomes(ledger, done).await;
    let applied = (1..=file.rows.len() as i64).filter(|row| not_applied.iter().all(|(other, _, _)| other != row));
    applied.map(|row| format!("{row} applied undone ")).collect()
}

/// A file that is applied is taken back whole and done again, whatever `apply` and `undo` use to carry it out.
async fn comes_and_goes(
    ledger: &Ledger,
    file: &File,
    apply: impl AsyncFn() -> Job,
    undo: impl AsyncFn(&Job) -> Job,
) -> Result<(), TestCaseError> {
    let before = seen(ledger, None).await;
    let done = apply().await;
    let after = seen(ledger, None).await;
    let all = all_undone(ledger, file, &done).await;
    prop_assert_eq!(all.len() as u64, done.counts.applied, "{:?}", recorded(ledger).await);
    if all.is_empty() {
        prop_assert_eq!(after, before);
        let refused = UndoRequest {
            ledger,
            stores: &Stores::default(),
            limits: &Limits::NONE,
            job: &done,
        }
        .submit(&Queue::embedded(), &by("tester"))
        .await;
        prop_assert!(matches!(refused, Err(UndoError::NothingApplied(_))), "{:?}", refused);
        return Ok(());
    }
    let undone = undo(&done).await;
    prop_assert_eq!(recorded(ledger).await, &all[..]);
    prop_assert_eq!(seen(ledger, Some(&done)).await, before);
    undo(&undone).await;
    prop_assert_eq!(recorded(ledger).await, all);
    prop_assert_eq!(seen(ledger, None).await, after);
    // Each case has a database of its own, and on PostgreSQL this takes longer than the case.
    if ledger.db().dialect() == Dialect::Sqlite {
        let mut wrong = violations(ledger.db()).await;
        let deep = ledger.verify_deep().await.expect("held against the record");
        wrong.extend(deep.faults.iter().map(ToString::to_string));
        // What died while it read its file is cleared up when it has shown no life for a day.
        wrong.retain(|violation| !violation.starts_with("planned: "));
        prop_assert_eq!(wrong, Vec::<String>::new());
    }
    Ok(())
}

/// A place where a process dies, and at which time of coming by.
fn deaths() -> impl Strategy<Value = String> {
    let places = [
        "before-commit",
        "after-commit",
        "before-finish",
        "after-claim",
        "before-claim",
        "planning",
        "after-record",
        "while-writing-results",
        "before-delivered",
    ];
    (select(places.to_vec()), 1..=2).prop_map(|(place, time)| format!("{place}@{time}"))
}

/// Runs a command that dies there, if it comes by, and whose job a worker then ends.
async fn run_and_die(place: &Place, ledger: &Ledger, args: &[&str], chunk_rows: usize, death: &str) -> Job {
    let known = last_job(ledger).await.id;
    let run = |args: &[&str]| {
        let mut command = command(place, args);
        command.env("TENANTRY__WORKER__CHUNK_ROWS", chunk_rows.to_string());
        command
    };
    let first = run(args)
        .env("TENANTRY_FAILPOINT", death)
        .status()
        .expect("tenantry starts");
    if first.code().is_none() {
        let worker = run(&["worker", "--drain"]).status().expect("tenantry starts");
        assert_eq!(worker.code(), Some(0));
    }
    // What dies before its job is recorded has done nothing, and has to be told again.
    if last_job(ledger).await.id == known {
        let again = run(args).status().expect("tenantry starts");
        assert!(matches!(again.code(), Some(0 | 1)), "{args:?}: {again}");
    }
    last_job(ledger).await
}

/// Runs a property of random cases; one that it fails on is shrunk and printed.
#[track_caller]
fn holds<S: Strategy>(cases: u32, strategy: &S, property: &impl AsyncFn(&S::Value) -> Result<(), TestCaseError>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        // What is printed is enough to try it again; a file of seeds would fit no later generator.
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    match runner.run(strategy, |case| runtime.block_on(property(&case))) {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\nin {case:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn undone_and_redone(on: On) {
    holds(24, &(made(), vec(any_file(), 1..=2)), &async |(made, files)| {
        let (_place, ledger) = prepared(on, made).await;
        for file in files {
            let apply = async || apply_file(&ledger, file).await;
            comes_and_goes(&ledger, file, apply, async |job| undo(&ledger, job).await).await?;
        }
        Ok(())
    });
}

fn undone_and_redone_by_the_dying(on: On) {
    holds(6, &(made(), any_file(), deaths(), deaths()), &async |(
        made,
        file,
        first,
        second,
    )| {
        let (place, ledger) = prepared(on, made).await;
        place.write("rows.csv", file.text());
        let run = async |args: &[&str], death| run_and_die(&place, &ledger, args, file.chunk_rows, death).await;
        let apply = async || run(&["run", file.kind, "rows.csv", "--skip-invalid"], first).await;
        comes_and_goes(&ledger, file, apply, async |job| {
            run(&["undo", &job.id.to_string()], second).await
        })
        .await
    });
}

#[test]
fn there_are_files_of_every_kind_that_can_be_taken_back() {
    let mut with_files: Vec<&str> = kinds().collect();
    with_files.sort_unstable();
    let can_be = |undo| matches!(undo, Undo::WhileUntouched | Undo::Within30Days);
    let those = KINDS.iter().filter(|job| can_be(job.policy().undo));
    let mut those: Vec<&str> = those.map(|job| job.kind()).collect();
    those.sort_unstable();
    assert_eq!(with_files, those);
}

#[test]
fn undone_and_redone_on_sqlite() {
    undone_and_redone(On::Sqlite);
}

#[test]
fn undone_and_redone_on_postgres() {
    undone_and_redone(On::Postgres);
}

#[test]
fn undone_and_redone_by_the_dying_on_sqlite() {
    undone_and_redone_by_the_dying(On::Sqlite);
}

#[test]
fn undone_and_redone_by_the_dying_on_postgres() {
    undone_and_redone_by_the_dying(On::Postgres);
}
