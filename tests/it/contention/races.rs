//! Two jobs about the same user, the same seats or the same customer at one moment: an edit, and something that takes
//! away what is edited. A lock held from outside lets both come as far as they can before either goes on, so
//! that every race is run the same way each time. Whichever comes first, the edit must be there in the end, or
//! its row must say why it is not.

use std::collections::HashMap;
use std::time::Duration;

use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::submit::Submitted;
use tenantry::testing::undo::UndoRequest;
use tenantry_ledger::{Job, JobState, Ledger, Parameters};
use tenantry_store::Stores;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::invariants::violations;
use crate::place::{On, Place, TestJob, Work, apply, by};
use crate::servers::{PATIENCE, connect};

/// What must not be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Assign,
    Account,
    Profile,
    Password,
    Seats,
    AddAgain,
}

/// What it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Delete,
    Restore,
    UndoAdd,
    TakeAway,
    Seats,
}

/// Which record is locked from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Seats,
    Customer,
    User,
}

#[derive(Debug, Clone, Copy)]
struct Race {
    number: usize,
    edit: Edit,
    other: Other,
    held: Held,
    edit_first: bool,
}

/// Every race of an edit, each with a customer of its own.
fn races(edit: Edit) -> Vec<Race> {
    let mut races = Vec::new();
    for other in [
        Other::Delete,
        Other::Restore,
        Other::UndoAdd,
        Other::TakeAway,
        Other::Seats,
    ] {
        for held in [Held::Seats, Held::Customer, Held::User] {
            for edit_first in [true, false] {
                let number = races.len();
                races.push(Race {
                    number,
                    edit,
                    other,
                    held,
                    edit_first,
                });
            }
        }
    }
    races
}

/// One job's file over all of `races`, of which each gives some lines.
fn file<'a>(header: &str, races: impl IntoIterator<Item = &'a Race>, lines: impl Fn(&Race) -> String) -> String {
    races
        .into_iter()
        .fold(format!("{header}\n"), |text, race| text + &lines(race))
}

const NEW_USER: &str = "customer,user_principal_name,first_name,last_name,usage_location,licenses";
const USER: &str = "customer,user_principal_name";

impl Race {
    fn name(&self) -> String {
        format!("user@race{}.onmicrosoft.com", self.number)
    }

    /// Customer and name, as the files have them.
    fn user(&self) -> String {
        format!("R-{},{}", self.number, self.name())
    }

    fn new_user(&self, licenses: &str) -> String {
        format!("{},First,Last,GB,{licenses}\n", self.user())
    }

    fn edit_file(&self) -> (&'static str, String) {
        let (user, n) = (self.user(), self.number);
        match self.edit {
            Edit::Assign => ("assign-licenses", format!("{USER},assign\n{user},EMS\n")),
            Edit::Account => ("update-account", format!("customer,city\nR-{n},Leeds\n")),
            Edit::Profile => ("update-users", format!("{USER},job_title\n{user},Baker\n")),
            Edit::Password => ("reset-passwords", format!("{USER},again\n{user},yes\n")),
            Edit::Seats => ("set-seats", format!("customer,sku,seats\nR-{n},SPB,5\nR-{n},EMS,5\n")),
            Edit::AddAgain => ("bulk-add-users", format!("{NEW_USER}\n{}", self.new_user("SPB;EMS"))),
        }
    }

    fn other_file(&self) -> (&'static str, String) {
        let (user, n) = (self.user(), self.number);
        match self.other {
            Other::Delete => ("delete-users", format!("{USER}\n{user}\n")),
            Other::Restore => ("restore-users", format!("{USER}\n{user}\n")),
            Other::TakeAway => ("assign-licenses", format!("{USER},remove\n{user},<all>\n")),
            Other::Seats => ("set-seats", format!("customer,sku,seats\nR-{n},EMS,0\nR-{n},SPB,1\n")),
            Other::UndoAdd => unreachable!("an undo has no file"),
        }
    }

    /// The record that is held, for as long as the holder's transaction is open.
    fn lock(&self) -> String {
        let customer = format!("(SELECT id FROM customers WHERE external_id = 'R-{}')", self.number);
        match self.held {
            Held::Seats => format!("SELECT 1 FROM subscribed_skus WHERE customer = {customer} FOR UPDATE"),
            Held::Customer => format!("SELECT 1 FROM customers WHERE id = {customer} FOR UPDATE"),
            Held::User => format!("SELECT 1 FROM users WHERE customer = {customer} FOR UPDATE"),
        }
    }

    /// How many traces there are of the edit having been made, and how many there should be.
    fn trace(&self, job: &Job) -> (String, i64) {
        let everybody =
            "(SELECT id, user_principal_name AS name, licenses, job_title, password_set_at FROM users UNION ALL
            SELECT id, user_principal_name, licenses, job_title, password_set_at FROM deleted_users) e";
        let (name, n) = (self.name(), self.number);
        match self.edit {
            Edit::Assign => (
                format!(
                    "SELECT COUNT(*) FROM {everybody} JOIN subscribed_skus s ON s.part_number = 'EMS'
                     AND s.customer = (SELECT id FROM customers WHERE external_id = 'R-{n}')
                     WHERE e.name = '{name}' AND e.licenses LIKE '%' || s.sku_id || '%'"
                ),
                1,
            ),
            Edit::Account => (
                format!("SELECT COUNT(*) FROM customers WHERE external_id = 'R-{n}' AND city = 'Leeds'"),
                1,
            ),
            Edit::Profile => (
                format!("SELECT COUNT(*) FROM {everybody} WHERE e.name = '{name}' AND e.job_title = 'Baker'"),
                1,
            ),
            Edit::Password => (
                format!("SELECT COUNT(*) FROM {everybody} WHERE e.name = '{name}' AND e.password_set_at > 0"),
                1,
            ),
            Edit::Seats => (
                format!(
                    "SELECT COUNT(*) FROM subscribed_skus WHERE seats = 5
                     AND customer = (SELECT id FROM customers WHERE external_id = 'R-{n}')"
                ),
                2,
            ),
            Edit::AddAgain => (
                format!(
                    "SELECT COUNT(*) FROM {everybody} WHERE e.name = '{name}' AND e.id >> 32 = {}",
                    job.seq
                ),
                1,
            ),
        }
    }

    /// Whether the other job, coming second, would rightly take the edit away again.
    fn is_taken_back(&self) -> bool {
        matches!(
            (self.edit, self.other),
            (Edit::Assign, Other::TakeAway) | (Edit::Seats, Other::Seats)
        )
    }
}

const LENIENT: Parameters = Parameters {
    store: None,
    customer: None,
    skip_invalid: true,
    ignore_not_kept: false,
    seal_to: Vec::new(),
    in_the_clear: false,
    reply_rows: false,
    checks_customer: false,
};

async fn queued(ledger: &Ledger, kind: &str, csv: &str) -> Job {
    let (Submitted::Queued(id) | Submitted::Same(id)) = TestJob::new(ledger, kind, csv)
        .parameters(LENIENT)
        .chunks(10)
        .submit()
        .await
    else {
        panic!("{kind} is not queued: {csv}")
    };
    ledger.job(id).await.expect("asked").expect("there")
}

/// Everything up to the moment before the races: both jobs of each are queued.
async fn prepared(ledger: &Ledger, races: &[Race]) -> Vec<(Job, Job)> {
    let customer = |race: &Race| {
        let n = race.number;
        format!("race{n},Race {n} Ltd,Ada,Berg,ada@race{n}.example,Ring {n},Berlin,10115,DE,R-{n}\n")
    };
    let header = "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country,external_id";
    apply(ledger, "add-customer", &file(header, races, customer)).await;
    let seats = |race: &Race| format!("R-{0},SPB,2\nR-{0},EMS,2\n", race.number);
    apply(ledger, "set-seats", &file("customer,sku,seats", races, seats)).await;
    let (undone, kept): (Vec<_>, Vec<_>) = races.iter().partition(|race| race.other == Other::UndoAdd);
    apply(
        ledger,
        "bulk-add-users",
        &file(NEW_USER, kept, |race| race.new_user("SPB")),
    )
    .await;
    let mut added = HashMap::new();
    for race in undone {
        let job = apply(
            ledger,
            "bulk-add-users",
            &file(NEW_USER, [race], |race| race.new_user("SPB")),
        )
        .await;
        added.insert(race.number, job);
    }
    let mut edits = Vec::new();
    for race in races {
        let (kind, csv) = race.edit_file();
        // The plan is made while the user is there, so that nothing is rejected before the race.
        edits.push(queued(ledger, kind, &csv).await);
    }
    let gone = races.iter().filter(|race| race.other == Other::Restore);
    apply(ledger, "delete-users", &file(USER, gone, |race| race.user() + "\n")).await;
    let mut jobs = Vec::new();
    for (race, edit) in races.iter().zip(edits) {
        let other = if let Some(added) = added.get(&race.number) {
            let (stores, queue) = (Stores::default(), Queue::embedded());
            let undoing = UndoRequest {
                ledger,
                stores: &stores,
                limits: &Limits::NONE,
                job: added,
            }
            .submit(&queue, &by("tester"))
            .await;
            let id = undoing.expect("the undo is recorded").job;
            ledger.job(id).await.expect("asked").expect("there")
        } else {
            let (kind, csv) = race.other_file();
            queued(ledger, kind, &csv).await
        };
        jobs.push((edit, other));
    }
    jobs
}

/// Waits until so many of the jobs have come to a lock or to their end; for a while only, since a worker that waits for
/// something else would make no difference any more.
async fn come_as_far(ledger: &Ledger, client: &Client, jobs: &[&Job]) {
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < until {
        let waiting: i64 = client.query_one(waiting, &[]).await.expect("asked").get(0);
        let mut come = waiting as usize;
        for job in jobs {
            come += usize::from(reload(ledger, job).await.state.is_final());
        }
        if come >= jobs.len() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn reload(ledger: &Ledger, job: &Job) -> Job {
    ledger.job(job.id).await.expect("asked").expect("there")
}

/// Who takes part in every race.
struct Stage {
    ledger: Ledger,
    /// Each with connections of its own, as if it were another process.
    workers: [Ledger; 2],
    holder: Client,
    watch: Client,
}

impl Stage {
    async fn new(place: &Place) -> Self {
        let (holder, watch) = tokio::join!(connect(&place.url), connect(&place.url));
        Self {
            ledger: place.ledger().await,
            workers: [place.ledger().await, place.ledger().await],
            holder: holder.expect("a connection"),
            watch: watch.expect("a connection"),
        }
    }
}

/// Runs the race and says what is wrong with how it ended.
async fn run(race: &Race, stage: &Stage, edit: &Job, other: &Job) -> Option<String> {
    let Stage {
        ledger, holder, watch, ..
    } = stage;
    holder.batch_execute("BEGIN").await.expect("begun");
    holder.batch_execute(&race.lock()).await.expect("locked");
    let order = if race.edit_first { [edit, other] } else { [other, edit] };
    let mut workers = JoinSet::new();
    for at in 0..order.len() {
        let (worker, job) = (stage.workers[at].clone(), order[at].clone());
        workers.spawn(async move { Work::on(&worker, &job).until_idle().await });
        come_as_far(ledger, watch, &order[..=at]).await;
    }
    holder.batch_execute("ROLLBACK").await.expect("let go");
    if tokio::time::timeout(PATIENCE, workers.join_all()).await.is_err() {
        return Some("the jobs have not ended".to_owned());
    }
    let (edit, other) = (reload(ledger, edit).await, reload(ledger, other).await);
    for job in [&edit, &other] {
        if job.state != JobState::Completed || job.counts.failed > 0 {
            return Some(format!(
                "{} is {:?}: {:?} {:?}",
                job.kind, job.state, job.counts, job.message
            ));
        }
    }
    let (sql, wanted) = race.trace(&edit);
    let found: i64 = watch.query_one(&sql, &[]).await.expect("asked").get(0);
    let lost = edit.counts.applied > 0 && found != wanted && !race.is_taken_back();
    lost.then(|| format!("{} was applied, and of {wanted} traces {found} are there", edit.kind))
}

async fn run_all(edit: Edit) {
    let place = Place::new(On::Postgres).await;
    let stage = Stage::new(&place).await;
    let races = races(edit);
    let jobs = prepared(&stage.ledger, &races).await;
    let mut wrong = Vec::new();
    for (race, (edit, other)) in races.iter().zip(&jobs) {
        if let Some(why) = run(race, &stage, edit, other).await {
            wrong.push(format!("{race:?}: {why}"));
        }
    }
    // The lines name records; a customer's is `1 << 32` and the number of its race, and one or two.
    wrong.extend(violations(stage.ledger.db()).await);
    let deep = stage.ledger.verify_deep().await.expect("held against the record");
    wrong.extend(deep.faults.iter().map(ToString::to_string));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

macro_rules! races_of {
    ($($name:ident: $edit:expr),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() { run_all($edit).await })*
    };
}

races_of! {
    assigned_licences: Edit::Assign,
    changed_accounts: Edit::Account,
    changed_users: Edit::Profile,
    new_passwords: Edit::Password,
    set_seats: Edit::Seats,
    users_added_again: Edit::AddAgain,
}
