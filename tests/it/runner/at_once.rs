//! Jobs that a worker carries out as it takes them in: what is left is what is left of jobs that are queued first.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::future::BoxFuture;
use tenantry::testing::plan::{Limits, RowSource};
use tenantry::testing::queue::Queue;
use tenantry::testing::runner::Runner;
use tenantry::testing::submit::{Hand, RecordTurn, Rules, Submission, Submitted, Submitter};
use tenantry_foundation::db::Dialect;
use tenantry_ledger::{
    AtOnce, DoneAtOnce, Job, JobFilter, JobId, JobState, Ledger, Parameters, ReplyTo, Scope, WholeJob,
};
use tenantry_store::Stores;

use crate::contention::mixture::{Dice, File, Mixture, World};
use crate::invariants::violations;
use crate::place::{CUSTOMERS, On, Place, TWO_CUSTOMERS, Work, apply, by, claimant, column, on_both, settings, tables};

/// Small, so that jobs keep meeting the same records.
const WORLD: World = World { customers: 4, names: 8 };
const JOBS: usize = 80;

/// A worker's hand, and what it has done.
struct Watched {
    runner: Runner,
    done: Mutex<Vec<DoneAtOnce>>,
}

impl Watched {
    fn new(ledger: &Ledger) -> Self {
        let (stores, queue) = (Stores::default(), Queue::embedded());
        Self {
            runner: Runner::new(ledger.clone(), stores, queue, settings(1), Scope::All),
            done: Mutex::default(),
        }
    }

    fn jobs(&self) -> Vec<JobId> {
        let done = self.done.lock().expect("a lock");
        done.iter()
            .flat_map(|done| &done.claims)
            .map(|claim| claim.job_id)
            .collect()
    }
}

impl Hand for Watched {
    fn takes(&self, job: &WholeJob) -> Option<u64> {
        self.runner.takes(job)
    }

    fn most(&self) -> (usize, u64) {
        self.runner.most()
    }

    fn begin(&self) -> BoxFuture<'_, Option<Box<dyn Send>>> {
        self.runner.begin()
    }

    fn worker(&self) -> Arc<dyn AtOnce> {
        self.runner.worker()
    }

    fn done(&self, done: DoneAtOnce, _: Instant) {
        self.done.lock().expect("a lock").push(done);
    }
}

/// Hands files in together; their jobs, where they are jobs.
async fn submit_files(ledger: &Ledger, files: &[(&'static str, String)], hand: Option<&dyn Hand>) -> Vec<JobId> {
    let file = |(kind, csv): &(&'static str, String)| (*kind, format!("{kind}.csv"), csv.clone().into_bytes());
    submit_files_bytes(ledger, files.iter().map(file).collect(), hand).await
}

/// The same with files of any sort: kinds, names and contents.
async fn submit_files_bytes(
    ledger: &Ledger,
    files: Vec<(&str, String, Vec<u8>)>,
    hand: Option<&dyn Hand>,
) -> Vec<JobId> {
    let submission = |(kind, name, data): (&str, String, Vec<u8>)| Submission {
        kind: tenantry_jobs::find(kind).expect("a kind"),
        parameters: Parameters {
            skip_invalid: true,
            ..Parameters::default()
        },
        source: RowSource::Bytes {
            name: name.clone(),
            data: data.into(),
            multiline_cells: true,
        },
        idempotency_key: None,
        submitted_by: by("tester"),
        origin: None,
        not_before: None,
        approval: None,
        reply_to: Some(ReplyTo {
            stream: "replies".to_owned(),
            entry: name,
            idempotency_key: None,
            with_rows: false,
        }),
        out_dir: None,
        plan: None,
    };
    let (stores, queue) = (Stores::default(), Queue::embedded());
    let rules = Rules {
        chunk_rows: 100,
        limits: Limits::NONE,
    };
    let submitter = Submitter {
        ledger,
        stores: &stores,
        queue: &queue,
        rules,
        hand,
    };
    let submitted = Box::pin(submitter.submit_all(files.into_iter().map(submission).collect(), RecordTurn::NOW)).await;
    let job = |one| match one {
        Ok(Submitted::Queued(job)) => Some(job),
        _ => None,
    };
    submitted.into_iter().filter_map(job).collect()
}

fn phone(number: usize) -> (&'static str, String) {
    ("update-account", format!("customer,phone\nA-1,+49 30 {number:04}\n"))
}

async fn state(ledger: &Ledger, job: JobId) -> JobState {
    ledger.job(job).await.expect("asked").expect("there").state
}

/// The outcome of the jobs of a seed that are handed in a few at a time, and how many of them were carried out as they came in.
async fn outcome(on: On, seed: u64, at_once: bool) -> (String, usize) {
    let place = Place::new(on).await;
    let ledger = place.ledger().await;
    for File { kind, csv } in WORLD.foundation() {
        apply(&ledger, kind, &csv).await;
    }
    let watched = Watched::new(&ledger);
    let files: Vec<(&str, String)> = Mixture::new(seed, WORLD, 1..5)
        .take(JOBS)
        .map(|File { kind, csv }| (kind, csv))
        .collect();
    let (mut dice, mut rest) = (Dice::new(seed), files.as_slice());
    while !rest.is_empty() {
        let (some, others) = rest.split_at((1 + dice.roll(6)).min(rest.len()));
        rest = others;
        let hand: Option<&dyn Hand> = if at_once { Some(&watched) } else { None };
        let jobs = submit_files(&ledger, some, hand).await;
        // Whatever was queued is done before more comes in.
        if let Some(last) = jobs.last() {
            let last: Job = ledger.job(*last).await.expect("asked").expect("there");
            if ledger.has_open_jobs().await.expect("asked") {
                Work::on(&ledger, &last)
                    .settings(settings(1))
                    .beside_other_jobs()
                    .until_ended()
                    .await;
            }
        }
    }
    assert!(!ledger.has_open_jobs().await.expect("asked"), "the last job ends last");
    assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
    assert_eq!(ledger.verify_deep().await.expect("held against the record").faults, []);
    assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
    (super::together::timeless(&place.dump().await), watched.jobs().len())
}

async fn no_difference(on: On, seed: u64) {
    let (queued, none) = outcome(on, seed, false).await;
    let (at_once, some) = outcome(on, seed, true).await;
    let differing = queued.lines().zip(at_once.lines()).find(|(one, other)| one != other);
    assert_eq!(differing, None, "seed {seed}");
    assert_eq!(queued.lines().count(), at_once.lines().count());
    assert_eq!(none, 0);
    assert!(some * 3 > JOBS, "{some} of {JOBS}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_at_once_end_as_queued_ones_on_sqlite() {
    for seed in [1, 2] {
        no_difference(On::Sqlite, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_at_once_end_as_queued_ones_on_postgres() {
    no_difference(On::Postgres, 3).await;
}

on_both! {
    async fn nothing_is_overtaken(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let watched = Watched::new(&ledger);
        let hand: Option<&dyn Hand> = Some(&watched);
        let before = submit_files(&ledger, &[phone(1)], None).await;
        let behind = submit_files(&ledger, &[phone(2), phone(3)], hand).await;
        assert_eq!(watched.jobs(), [], "there is one before them");
        // The same while a worker has it.
        let claim = ledger.claim(claimant("other", 60_000)).await.expect("asked").expect("one");
        let last = submit_files(&ledger, &[phone(4)], hand).await[0];
        assert_eq!((claim.job_id, state(&ledger, last).await), (before[0], JobState::Queued));
        tables::expire_leases(&ledger).await;
        let last = ledger.job(last).await.expect("asked").expect("there");
        Work::on(&ledger, &last).beside_other_jobs().until_ended().await;
        assert_eq!(state(&ledger, behind[1]).await, JobState::Completed);
        // And now there is none.
        let done = submit_files(&ledger, &[phone(5), phone(6)], hand).await;
        assert_eq!(watched.jobs(), done);
    }

    async fn a_job_done_at_once_is_reported_as_the_ledger_has_it(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let watched = Watched::new(&ledger);
        let jobs = submit_files(&ledger, &[phone(1)], Some(&watched)).await;
        let done = watched.done.lock().expect("a lock").pop().expect("done");
        let read = ledger.job(jobs[0]).await.expect("asked").expect("there");
        assert_eq!(format!("{:?}", done.jobs), format!("{:?}", [read]));
        assert_eq!(done.replies.replies.len(), 1);
        // This worker has taken on to tell; it is told again by another one, should it die.
        let others = ledger.take_replies(10).await.expect("taken");
        assert_eq!(others.replies.len(), 0);
        assert!(ledger.has_untold().await.expect("asked"));
        ledger.replied(&[(done.replies, vec![0])]).await.expect("recorded");
        assert!(!ledger.has_untold().await.expect("asked"));
    }

    async fn a_job_at_once_names_its_input(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let watched = Watched::new(&ledger);
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet().set_name("Telefon").expect("a name");
        for (row, cells) in [["customer", "phone"], ["A-1", "+49 30 0001"]].into_iter().enumerate() {
            for (column, cell) in (0..).zip(cells) {
                sheet.write_string(row as u32, column, cell).expect("written");
            }
        }
        let book = book.save_to_buffer().expect("a workbook");
        let jobs = submit_files_bytes(&ledger, vec![("update-account", "phones.xlsx".to_owned(), book)], Some(&watched)).await;
        assert_eq!(watched.jobs(), jobs);
        let read = ledger.job(jobs[0]).await.expect("asked").expect("there");
        assert_eq!((read.input_name.as_str(), read.input_sheet.as_deref()), ("phones.xlsx", Some("Telefon")));
        let done = watched.done.lock().expect("a lock").pop().expect("done");
        assert_eq!(format!("{:?}", done.jobs), format!("{:?}", [read]));
    }

    async fn a_job_that_the_database_refuses_is_queued_and_fails_alone(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let triggers: &[&str] = match ledger.db().dialect() {
            Dialect::Sqlite => &["CREATE TRIGGER no BEFORE UPDATE ON customers WHEN NEW.phone = '+49 30 0002' BEGIN
                SELECT RAISE(ABORT, 'not this one'); END"],
            Dialect::Postgres => &[
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF NEW.phone = '+49 30 0002' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$",
                "CREATE TRIGGER no BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION no()",
            ],
        };
        for trigger in triggers {
            ledger.db().write(|tx| tx.exec(trigger, &[]).map(drop)).await.expect("a trigger");
        }
        let watched = Watched::new(&ledger);
        let jobs = submit_files(&ledger, &[phone(1), phone(2), phone(3)], Some(&watched)).await;
        assert_eq!(jobs.len(), 3);
        let culprit = ledger.job(jobs[1]).await.expect("asked").expect("there");
        let mut settings = settings(1);
        settings.retry.attempts = 2;
        Work::on(&ledger, &culprit).settings(settings).beside_other_jobs().until_ended().await;
        for (n, job) in jobs.iter().enumerate() {
            let job = ledger.job(*job).await.expect("asked").expect("there");
            // What SQLite says looks like a key that is taken, which refuses the row.
            assert_eq!(job.counts.failed + job.counts.rejected, u64::from(n == 1), "job {n}");
        }
        assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
    }

    async fn a_job_of_one_row_at_once_is_one_record(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", TWO_CUSTOMERS).await;
        let counted = async |table: &str| {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let counted = ledger.db().read(move |tx| tx.query_first(&sql, &[])?.map_or(Ok(0), |row| row.int(0)));
            counted.await.expect("counted")
        };
        let tables = ["inputs", "spool", "chunks", "row_outcomes", "before_images"];
        let mut before = Vec::new();
        for table in tables {
            before.push(counted(table).await);
        }
        let watched = Watched::new(&ledger);
        let hand: Option<&dyn Hand> = Some(&watched);
        let unchanged = ("update-account", "customer,phone\nA-1,+49 30 0001\n".to_owned());
        let two = ("update-account", "customer,phone\nA-1,+49 30 0002\nB-2,+49 30 0003\n".to_owned());
        let first = submit_files(&ledger, &[phone(1)], hand).await[0];
        for (table, before) in tables.into_iter().zip(&before) {
            assert_eq!(counted(table).await, *before, "{table}");
        }
        // What more there is to be said of rows, or of several, lies where it does of any job.
        let same = submit_files(&ledger, &[unchanged], hand).await[0];
        let second = submit_files(&ledger, &[two], hand).await[0];
        assert_eq!(watched.jobs(), [first, same, second]);
        let job = async |id| ledger.job(id).await.expect("asked").expect("there");
        let (first, second) = (job(first).await, job(second).await);
        assert_eq!((first.input_name.as_str(), first.input_rows, first.header.len()), ("update-account.csv", 1, 2));
        assert_eq!(job(same).await.counts.unchanged, 1);
        assert_eq!((second.counts.applied, counted("row_outcomes").await - before[3]), (2, 3));

        // It is taken back in order, and what takes it back is a job like any other.
        let phones = async || column(ledger.db(), "SELECT COALESCE(phone, '-') FROM customers ORDER BY id").await;
        let were = phones().await;
        place.tenantry(&["undo", &second.id.to_string()]).ends(0);
        assert_eq!(phones().await[0], "+49 30 0001");
        place.tenantry(&["undo", &first.id.to_string()]).ends(0);
        assert_ne!(phones().await[0], were[0]);
        assert_ne!(phones().await[0], "+49 30 0001");
        let undo = ledger.jobs(JobFilter { limit: 1, ..JobFilter::default() }).await.expect("asked").remove(0);
        assert_eq!((undo.undo_of, undo.input_name.as_str(), undo.keeps_rows), (Some(first.seq), "update-account.csv", true));
        let shown = place.tenantry(&["results", &undo.id.to_string()]).ends(0).out;
        assert!(shown.contains("+49 30 0001"), "{shown}");
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
        assert_eq!(ledger.verify_deep().await.expect("held against the record").faults, []);

        // Nobody changes what it says of its row unseen.
        for (tamper, back) in [
            ("target = target || 'x'", "target = substr(target, 1, length(target) - 1)"),
            ("image_before = image_before || ' '", "image_before = substr(image_before, 1, length(image_before) - 1)"),
            ("image_target = image_target + 1", "image_target = image_target - 1"),
        ] {
            let set = async |what: &str| {
                let (sql, seq) = (format!("UPDATE jobs SET {what} WHERE seq = $1"), first.seq);
                let done = ledger.db().write(move |tx| tx.exec(&sql, &[seq.into()])).await;
                assert_eq!(done.expect("tampered"), 1);
            };
            set(tamper).await;
            let faults = ledger.verify_deep().await.expect("held against the record").faults;
            assert!(faults.iter().any(|fault| fault.job == Some(first.id)), "{tamper}: {faults:?}");
            set(back).await;
            assert_eq!(ledger.verify_deep().await.expect("held against the record").faults, []);
        }
    }

    async fn jobs_at_once_share_an_audit_record_in_which_each_is_found(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let watched = Watched::new(&ledger);
        let jobs = submit_files(&ledger, &[phone(1), phone(2), phone(3)], Some(&watched)).await;
        assert_eq!(watched.jobs(), jobs);
        let alone = submit_files(&ledger, &[phone(4)], Some(&watched)).await[0];
        let records = ledger.audit_page(None, 2).await.expect("read");
        let [together, last] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((together.action.as_str(), together.job_count(), last.job.clone()), ("carried-out", Some(3), Some(alone.to_string())));
        let ids: Vec<_> = together.clone().of_each_job().into_iter().filter_map(|one| one.job).collect();
        assert_eq!(ids, jobs.iter().map(JobId::to_string).collect::<Vec<_>>());
        let of_one = async |job| ledger.audit_log(Some(job), 10).await.expect("read");
        for job in &jobs {
            let [own] = of_one(*job).await.try_into().expect("one record");
            let note = own.note.expect("a note");
            assert!(note.starts_with("update-account.csv, sha256 ") && note.contains("; completed, last worker "), "{note}");
            assert_eq!(ledger.audit_page(Some(*job), 0).await.expect("read").len(), 1);
        }
        assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
        let csv = place.tenantry(&["audit", "export", "--format", "csv"]).ends(0).out;
        assert_eq!(csv.matches(",carried-out,").count(), 4, "{csv}");
        place.write("audit.jsonl", place.tenantry(&["audit", "export"]).ends(0).out);
        place.tenantry(&["audit", "verify", "--file", "audit.jsonl"]).ends(0);

        // Their rows are with them as long as those of others, and so is what undoes them.
        let rows = ledger.chunk_rows(&ledger.job(jobs[1]).await.expect("asked").expect("there"), 0).await;
        let rows = rows.expect("asked").expect("kept");
        assert_eq!(rows.record(1, 2).outcome, Some(tenantry_ledger::Outcome::Applied));
        place.tenantry(&["undo", &alone.to_string()]).ends(0);
        assert_eq!(violations(ledger.db()).await, Vec::<String>::new());
        assert_eq!(ledger.verify_deep().await.expect("held against the record").faults, []);
        while ledger.prune_spool(-1000).await.expect("pruned").is_more {}
        assert!(!ledger.job(jobs[1]).await.expect("asked").expect("there").keeps_rows);
        let mut through = tenantry_ledger::LookedThrough::default();
        while ledger.remove_jobs(-1000, &mut through).await.expect("removed") {}
        let found = ledger.find_job(&jobs[2].to_string()).await.expect("asked");
        assert!(matches!(found, tenantry_ledger::JobLookup::Removed(id) if id == jobs[2]), "{found:?}");
        assert_eq!(of_one(jobs[2]).await.len(), 1);

        // Nobody changes what is said of one of them unseen.
        let triggers: &[&str] = match ledger.db().dialect() {
            Dialect::Sqlite => &["DROP TRIGGER audit_no_update"],
            Dialect::Postgres => &["ALTER TABLE audit DISABLE TRIGGER ALL"],
        };
        for sql in triggers.iter().copied().chain(["UPDATE audit SET jobs = NULL WHERE jobs IS NOT NULL"]) {
            ledger.db().write(move |tx| tx.exec(sql, &[]).map(drop)).await.expect("tampered");
        }
        assert_ne!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
    }
}
