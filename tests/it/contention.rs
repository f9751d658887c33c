//! Many jobs about the same customers at once, whose files name them in different orders: whatever the workers, however
//! small the chunks and whichever worker is killed, every job ends, no job's change is lost, no good row fails, and
//! on PostgreSQL no deadlock occurs.

pub(crate) mod mixture;
mod order;
mod races;

use std::process::{Command, Stdio};
use std::time::Duration;

use tenantry_ledger::{Job, JobState};
use tokio::sync::{Mutex, OnceCell};

use crate::invariants::violations;
use crate::place::{On, Place, Run, Running, tables};
use crate::servers::{PgServer, eventually};
use mixture::{Dice, File, Mixture, World};

const JOBS: usize = 60;
const WORLD: World = World {
    customers: 8,
    names: 120,
};
/// How often workers are killed in a run in which they are.
const KILLS: usize = 10;

/// One way to run the jobs.
#[derive(Debug, Clone, Copy)]
struct Course {
    workers: usize,
    chunk_rows: &'static str,
    kills: bool,
    seed: u64,
}

/// The server of these runs alone, so that its log tells about them.
async fn server() -> &'static PgServer {
    static SERVER: OnceCell<PgServer> = OnceCell::const_new();
    SERVER.get_or_init(PgServer::private).await
}

/// How many deadlocks the server has logged.
fn deadlocks(server: &PgServer) -> usize {
    let log = crate::place::read(server.directory().join("log"));
    log.matches("deadlock detected").count()
}

impl Course {
    fn command(&self, place: &Place, args: &[&str]) -> Command {
        let mut command = if self.kills {
            place.hurried(args)
        } else {
            place.command(args)
        };
        command
            .env("TENANTRY__PASSWORDS__DELIVER", "true")
            .env("TENANTRY__PASSWORDS__RECIPIENTS_FILE", place.path("key"))
            .env("TENANTRY__LIMITS__ERROR_PERCENT", "100")
            .env("TENANTRY__WORKER__CHUNK_ROWS", self.chunk_rows);
        command
    }

    fn tenantry(&self, place: &Place, args: &[&str]) -> Run {
        Run::from(self.command(place, args).output().expect("tenantry starts"))
    }

    /// Submits files two at a time, as two people would; their jobs' ids.
    fn submit(&self, place: &Place, files: &[(usize, File)]) -> Vec<String> {
        let mut ids = Vec::new();
        for two in files.chunks(2) {
            let started: Vec<_> = two
                .iter()
                .map(|(number, file)| {
                    let path = place.write(&format!("{number}.csv"), &file.csv).display().to_string();
                    self.command(place, &["submit", file.kind, &path, "--skip-invalid"])
                        .stdout(Stdio::piped())
                        .stderr(Stdio::piped())
                        .spawn()
                        .expect("tenantry starts")
                })
                .collect();
            for child in started {
                let run = Run::from(child.wait_with_output().expect("it ends")).ends(0);
                ids.push(run.out.trim().to_owned());
            }
        }
        ids
    }

    fn start(&self, place: &Place) -> Running {
        let mut command = self.command(place, &["worker"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("a worker starts"))
    }

    /// Kills one of the workers now and then, and has another one take its place.
    async fn disturb(&self, place: &Place, workers: &mut [Running], dice: &mut Dice) {
        // Where it is by then is left to chance.
        tokio::time::sleep(Duration::from_millis(30 + dice.roll(200) as u64)).await;
        let victim = dice.roll(workers.len());
        workers[victim].kill();
        workers[victim] = self.start(place);
    }

    /// Runs the jobs to their end, and tells what is wrong then. Whatever is drawn is drawn from the seed; when a process
    /// does what is not.
    async fn run(self, place: &Place) -> Vec<String> {
        place.needs_no_approval();
        place.write("key", age::x25519::Identity::generate().to_public().to_string());
        let mut dice = Dice::new(self.seed);
        let mut founded = String::new();
        for file in WORLD.foundation() {
            let path = place
                .write(&format!("{}.csv", file.kind), &file.csv)
                .display()
                .to_string();
            let run = self.tenantry(place, &["run", file.kind, &path, "--no-passwords", "--json"]);
            assert!(run.code <= 1, "{run:?}");
            run.json()["job"].as_str().expect("an id").clone_into(&mut founded);
        }
        let mut files: Vec<(usize, File)> = Mixture::new(self.seed, WORLD, 20..600).take(JOBS).enumerate().collect();
        let late = files.split_off(JOBS / 2);
        let early = self.submit(place, &files);
        // One that is cancelled has all its rows to be tried again, if they were good.
        let adds = files.iter().position(|(_, file)| file.kind == "bulk-add-users");
        let cancelled = &early[adds.expect("some users are added")];
        self.tenantry(place, &["cancel", cancelled]);
        let mut workers: Vec<Running> = (0..self.workers).map(|_| self.start(place)).collect();
        self.tenantry(place, &["retry", cancelled]).ends(0);
        self.tenantry(place, &["undo", &founded, "--submit"]).ends(0);
        for some in late.chunks(6) {
            let ids = self.submit(place, some);
            // Those that have not ended or changed nothing are not taken back, which is as well.
            self.tenantry(place, &["undo", &early[dice.roll(early.len())], "--submit"]);
            self.tenantry(place, &["cancel", &ids[dice.roll(ids.len())]]);
            if self.kills {
                self.disturb(place, &mut workers, &mut dice).await;
            }
        }
        if self.kills {
            for _ in late.chunks(6).len()..KILLS {
                self.disturb(place, &mut workers, &mut dice).await;
            }
        }
        let ledger = place.ledger().await;
        eventually(&format!("the jobs to end, {self:?}"), async || {
            (!ledger.has_open_jobs().await.expect("asked")).then_some(())
        })
        .await;
        for worker in &mut workers {
            // One that was told before it could listen was killed.
            let code = worker.stop();
            assert!(
                matches!(code, Some(0) | None),
                "a worker ends when it is told to: {code:?}"
            );
        }
        self.tenantry(place, &["worker", "--drain"]).ends(0);
        let mut jobs = tables::jobs(&ledger).await;
        jobs.retain(|job| job.counts.failed > 0 || !matches!(job.state, JobState::Completed | JobState::Cancelled));
        let told = |job: &Job| {
            let message = job.message.as_deref().unwrap_or_default();
            format!(
                "job {}, {}, is {} with {} rows failed: {message}",
                job.seq,
                job.kind,
                job.state.as_str(),
                job.counts.failed
            )
        };
        let mut wrong: Vec<String> = jobs.iter().map(told).collect();
        wrong.extend(violations(ledger.db()).await);
        let verified = self.tenantry(place, &["audit", "verify"]);
        if verified.code != 0 {
            wrong.push(format!("{verified:?}"));
        }
        wrong
    }
}

async fn on_sqlite(course: Course) {
    let wrong = course.run(&Place::new(On::Sqlite).await).await;
    assert!(wrong.is_empty(), "{course:?}:\n{}", wrong.join("\n"));
}

async fn on_postgres(course: Course) {
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    let server = server().await;
    let mut place = Place::new(On::Sqlite).await;
    place.url = server.database().await;
    let before = deadlocks(server);
    let mut wrong = course.run(&place).await;
    let deadlocks = deadlocks(server) - before;
    if deadlocks > 0 {
        wrong.push(format!("{deadlocks} deadlocks in the server's log"));
    }
    assert!(wrong.is_empty(), "{course:?}:\n{}", wrong.join("\n"));
}

macro_rules! courses {
    ($($seed:literal $name:ident: $on:ident, $workers:literal, $chunk_rows:literal, $kills:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $on(Course { workers: $workers, chunk_rows: $chunk_rows, kills: $kills, seed: $seed }).await;
        })*
    };
}

courses! {
    1 one_worker_on_postgres: on_postgres, 1, "5000", false;
    2 two_workers_on_postgres: on_postgres, 2, "5000", false;
    3 four_workers_on_postgres: on_postgres, 4, "5000", false;
    4 one_worker_with_small_chunks_on_postgres: on_postgres, 1, "50", false;
    5 four_workers_with_small_chunks_on_postgres: on_postgres, 4, "50", false;
    6 two_workers_killed_on_postgres: on_postgres, 2, "5000", true;
    7 four_workers_with_small_chunks_killed_on_postgres: on_postgres, 4, "50", true;
    8 one_worker_on_sqlite: on_sqlite, 1, "5000", false;
    9 four_workers_with_small_chunks_on_sqlite: on_sqlite, 4, "50", false;
    10 two_workers_killed_on_sqlite: on_sqlite, 2, "5000", true;
    11 four_workers_with_small_chunks_killed_on_sqlite: on_sqlite, 4, "50", true;
}
