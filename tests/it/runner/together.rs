//! Small jobs that are carried out together: each ends as if it had been alone, and so does the store.

use tenantry::testing::runner::RunnerSettings;
use tenantry::testing::runner::retry::RetryPolicy;
use tenantry::testing::submit::Submitted;
use tenantry_foundation::db::Dialect;
use tenantry_ledger::{Job, JobState, Ledger, Parameters};

use crate::contention::mixture::{File, Mixture, World};
use crate::place::{CUSTOMERS, On, Place, TestJob, Work, apply, on_both, settings, tables};
use crate::surroundings::workers_until_done;

/// Small, so that jobs keep meeting the same records.
const WORLD: World = World { customers: 4, names: 8 };
const JOBS: usize = 120;

/// `None` where the same work is queued already.
async fn submit(ledger: &Ledger, kind: &str, csv: &str) -> Option<Job> {
    let parameters = Parameters {
        skip_invalid: true,
        ..Parameters::default()
    };
    let job = TestJob::new(ledger, kind, csv).parameters(parameters).chunks(100);
    match job.submit().await {
        Submitted::Queued(id) => ledger.job(id).await.expect("asked"),
        Submitted::Same(_) => None,
        Submitted::AwaitingApproval(_) | Submitted::Refused(_) => panic!("{kind} was not queued:\n{csv}"),
    }
}

/// Works on all jobs, one after the other or together.
async fn work(ledger: &Ledger, last: &Job, together: bool) {
    let settings = RunnerSettings {
        together: if together { 500 } else { 1 },
        ..settings(1)
    };
    Work::on(ledger, last)
        .settings(settings)
        .beside_other_jobs()
        .until_ended()
        .await;
    assert!(!ledger.has_open_jobs().await.expect("asked"), "the last job ends last");
}

/// Everything that came of the jobs of one seed, and how often a worker claimed something.
async fn outcome(on: On, seed: u64, together: bool) -> (String, usize) {
    let place = Place::new(on).await;
    let ledger = place.ledger().await;
    for File { kind, csv } in WORLD.foundation() {
        apply(&ledger, kind, &csv).await;
    }
    let mut last = None;
    for File { kind, csv } in Mixture::new(seed, WORLD, 1..5).take(JOBS) {
        last = submit(&ledger, kind, &csv).await.or(last);
    }
    work(&ledger, &last.expect("jobs"), together).await;
    (timeless(&place.dump().await), tables::claims(&ledger).await)
}

/// Without times and ids made by chance.
pub(super) fn timeless(dump: &str) -> String {
    let is_id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let is_time = |word: &str| word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit());
    let word = |word: &str| {
        if is_id(word) || is_time(word) {
            "*".to_owned()
        } else {
            word.to_owned()
        }
    };
    let (mut text, mut rest) = (String::new(), dump);
    while let Some(end) = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-') {
        text.push_str(&word(&rest[..end]));
        let next = rest[end..].chars().next().map_or(0, char::len_utf8);
        text.push_str(&rest[end..end + next]);
        rest = &rest[end + next..];
    }
    // Two resets within the same millisecond leave the time as it is.
    (text + &word(rest)).replace(r#"{\"password_set_at\":\"*\"}"#, "{}")
}

async fn no_difference(on: On, seed: u64) {
    let (alone, claims) = outcome(on, seed, false).await;
    let (together, fewer) = outcome(on, seed, true).await;
    let differing = alone.lines().zip(together.lines()).find(|(one, other)| one != other);
    assert_eq!(differing, None, "seed {seed}");
    assert_eq!(alone.lines().count(), together.lines().count());
    assert!(fewer * 4 < claims, "{fewer} claims, and {claims} one by one");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_together_end_as_one_by_one_on_sqlite() {
    for seed in [1, 2, 3] {
        no_difference(On::Sqlite, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_together_end_as_one_by_one_on_postgres() {
    for seed in [4, 5] {
        no_difference(On::Postgres, seed).await;
    }
}

/// One-row jobs about as many users of one customer.
async fn one_row_jobs(ledger: &Ledger, count: usize) -> Vec<Job> {
    apply(ledger, "add-customer", CUSTOMERS).await;
    let users: String = (1..=count)
        .map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,First{n}\n"))
        .collect();
    apply(
        ledger,
        "bulk-add-users",
        &format!("customer,user_principal_name,first_name\n{users}"),
    )
    .await;
    let mut jobs = Vec::new();
    for n in 1..=count {
        let csv = format!("customer,user_principal_name,job_title\nA-1,user{n}@alpha.onmicrosoft.com,Title{n}\n");
        jobs.extend(submit(ledger, "update-users", &csv).await);
    }
    jobs
}

on_both! {
    async fn a_job_the_database_refuses_fails_alone(place: Place) {
        let ledger = place.ledger().await;
        let jobs = one_row_jobs(&ledger, 9).await;
        let triggers: &[&str] = match ledger.db().dialect() {
            Dialect::Sqlite => &["CREATE TRIGGER no BEFORE UPDATE ON users WHEN NEW.job_title = 'Title6' BEGIN
                SELECT RAISE(ABORT, 'not this one'); END"],
            Dialect::Postgres => &[
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF NEW.job_title = 'Title6' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$",
                "CREATE TRIGGER no BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION no()",
            ],
        };
        for trigger in triggers {
            ledger.db().write(|tx| tx.exec(trigger, &[]).map(drop)).await.expect("a trigger");
        }
        let mut settings = settings(2);
        settings.retry = RetryPolicy { attempts: 2, ..settings.retry };
        Work::on(&ledger, &jobs[5]).settings(settings).beside_other_jobs().until_ended().await;
        for (n, job) in jobs.iter().enumerate() {
            let job = ledger.job(job.id).await.expect("asked").expect("there");
            // What SQLite says looks like a key that is taken, which refuses the row.
            assert_eq!(job.counts.failed + job.counts.rejected, u64::from(n == 5), "job {n}");
        }
        let attempts = tables::attempts(&ledger).await;
        assert!(attempts.iter().filter(|attempts| **attempts > 1).count() <= 1, "nobody else was tried again: {attempts:?}");
    }

    async fn a_job_that_kills_its_worker_fails_alone(place: Place) {
        let ledger = place.ledger().await;
        one_row_jobs(&ledger, 9).await;
        // The only job that has a third row.
        let rows: String = (1..=3).map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,Other\n")).collect();
        let poison = submit(&ledger, "update-users", &format!("customer,user_principal_name,job_title\n{rows}")).await.expect("queued");
        let deaths = workers_until_done(&place, "row:3");
        assert!((3..20).contains(&deaths), "{deaths}");
        for job in tables::jobs(&ledger).await {
            let expected = if job.seq == poison.seq { JobState::Failed } else { JobState::Completed };
            assert_eq!((job.state, job.counts.failed), (expected, u64::from(job.seq == poison.seq)), "job {}", job.seq);
        }
        let poison = ledger.job(poison.id).await.expect("asked").expect("there");
        assert_eq!(poison.message.as_deref(), Some("its worker died 3 times"));
    }
}
