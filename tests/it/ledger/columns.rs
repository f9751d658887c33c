//! Somebody who can write to the ledger's database, column by column: whatever one of them is made to say, and whatever is let go of besides, a
//! worker that trusts nothing but signatures does what was approved and what needs no approval, and writes nowhere but below its roots.
//!
//! The columns are those that the database says there are, so that one that is added is attacked, too. Each gets values of its sort, those of
//! other records, and words that mean something there; with one of several ways of letting jobs go. Each case has a copy of one
//! ledger. Those that say what is done, and by whose leave, are all gone through, and some of the others; `TENANTRY_ATTACK_ROUNDS` goes through all of them, so
//! often, each time with other values.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tenantry::testing::delivery::Roots;
use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::runner::{GateSettings, Runner, RunnerSettings};
use tenantry::testing::submit::{Rules, Submitted};
use tenantry::testing::undo::UndoRequest;
use tenantry_foundation::db::{DbError, Dialect, Row, Tx};
use tenantry_ledger::{Decided, Job, Ledger, Parameters, Scope};
use tenantry_store::Stores;
use tokio_util::sync::CancellationToken;

use super::signed::Person;
use crate::place::{CUSTOMERS, On, Place, TestJob, Work, apply, by, on_both, settings};
use crate::servers::PgServer;

/// The tables of the store, which the ledger does not protect: an attacker who writes there can change anything.
const OF_THE_STORE: [&str; 7] = [
    "customers",
    "deleted_users",
    "domains",
    "subscribed_skus",
    "subscriptions",
    "transfers",
    "users",
];
/// What says what is done, and by whose leave.
const DECIDING: [&str; 6] = ["approvers", "chunks", "inputs", "jobs", "policy", "spool"];
/// The only users whose deletion was approved, and has not been carried out.
pub(super) const APPROVED: [&str; 2] = ["user2@alpha.onmicrosoft.com", "user3@alpha.onmicrosoft.com"];
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// Everything a job needs approval for.
const LIMITS: Limits = Limits {
    approval: true,
    approval_expires_after: Duration::from_secs(3600),
    own_undo_within: Duration::from_secs(3600),
    destructive_rows: 0,
    ..Limits::NONE
};

/// Ways of letting jobs go, besides whatever a column says.
pub(super) const RELEASES: [&[&str]; 4] = [
    &[],
    &["UPDATE jobs SET state = 'queued', cancel_requested = 0 WHERE finished_at IS NULL"],
    &[
        "UPDATE jobs SET state = 'queued', cancel_requested = 0, finished_at = NULL, fingerprint = NULL, gate = NULL, seal = NULL, decided_by = NULL,
           decided_at = NULL, approval_until = NULL, checks_drift = 0, cancelled = 0, applied = 0, failed = 0,
           chunks_left = (SELECT COUNT(*) FROM chunks WHERE job = seq)",
        "UPDATE chunks SET state = 'queued', pending = rows, attempt = 0, expected = NULL, turn = NULL",
        "DELETE FROM row_outcomes",
    ],
    &[
        "UPDATE jobs SET state = 'queued', cancel_requested = 0, finished_at = NULL, fingerprint = NULL, decided_by = 'anna', decided_at = 1,
           chunks_left = (SELECT COUNT(*) FROM chunks WHERE job = seq)",
        "UPDATE chunks SET state = 'queued', pending = rows, attempt = 0, turn = NULL",
        "DELETE FROM row_outcomes",
    ],
];

fn guarded(anna: &Person, root: &Path) -> RunnerSettings {
    RunnerSettings {
        sweep_interval: Duration::from_millis(10),
        leave_within: Duration::from_millis(300),
        roots: Roots::new([root.to_owned()]),
        gates: GateSettings {
            policy_holds: true,
            limits: LIMITS,
            keys: [anna.public.clone()].into(),
        },
        ..settings(2)
    }
}

async fn waiting(ledger: &Ledger, kind: &str, csv: &str) -> Job {
    let rules = Rules {
        chunk_rows: 2,
        limits: LIMITS,
    };
    let parameters = Parameters {
        seal_to: if kind == "reset-passwords" {
            vec![RECIPIENT.to_owned()]
        } else {
            Vec::new()
        },
        ..Parameters::default()
    };
    match TestJob::new(ledger, kind, csv)
        .rules(rules)
        .parameters(parameters)
        .submit()
        .await
    {
        Submitted::AwaitingApproval(id) => ledger.job(id).await.expect("asked").expect("there"),
        _ => panic!("the job does not wait for approval"),
    }
}

fn deletion(users: &[u32]) -> String {
    let rows: String = users
        .iter()
        .map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com\n"))
        .collect();
    format!("customer,user_principal_name\n{rows}")
}

/// Jobs of all sorts: such as wait, were approved, withdrawn, done and undone since, or need nobody.
pub(super) async fn set_up(ledger: &Ledger, anna: &Person, root: &Path) {
    Box::pin(apply(ledger, "add-customer", CUSTOMERS)).await;
    let names = (0..8).map(|n| format!("A-1,user{n}@alpha.onmicrosoft.com,User {n},\n"));
    let users: String = names.collect();
    let users = format!(
        "customer,user_principal_name,display_name,roles\n{users}A-1,root@alpha.onmicrosoft.com,Root,Global Administrator\n"
    );
    let made = Box::pin(apply(ledger, "bulk-add-users", &users)).await;
    anna.enrol(ledger, true, None).await.expect("the first one");
    let once = waiting(ledger, "delete-users", &deletion(&[4])).await;
    assert_eq!(anna.approve(ledger, &once).await, Decided::Done);
    Box::pin(Work::on(ledger, &once).settings(guarded(anna, root)).until_ended()).await;
    Box::pin(apply(ledger, "restore-users", &deletion(&[4]))).await;
    let withdrawn = waiting(ledger, "delete-users", &deletion(&[5])).await;
    assert_eq!(anna.approve(ledger, &withdrawn).await, Decided::Done);
    assert!(ledger.cancel(withdrawn.seq, &by("anna")).await.expect("asked"));
    waiting(ledger, "delete-users", &deletion(&[0, 1])).await;
    waiting(
        ledger,
        "reset-passwords",
        "customer,user_principal_name\nA-1,root@alpha.onmicrosoft.com\n",
    )
    .await;
    let administrator =
        "customer,user_principal_name,display_name,roles\nA-1,eve@alpha.onmicrosoft.com,Eve,Global Administrator\n";
    waiting(ledger, "bulk-add-users", administrator).await;
    let undo = UndoRequest {
        ledger,
        stores: &Stores::default(),
        limits: &LIMITS,
        job: &made,
    };
    let queue = Queue::embedded();
    let undoing = Box::pin(undo.submit(&queue, &by("tester"))).await.expect("it waits");
    assert!(undoing.plan.gate.is_some());
    let approved = waiting(ledger, "delete-users", &deletion(&[2, 3])).await;
    assert_eq!(anna.approve(ledger, &approved).await, Decided::Done);
    ledger
        .deliver_to(
            approved.seq,
            &root.join("of-job").to_string_lossy(),
            "csv",
            &tenantry_foundation::machine::host_name(),
        )
        .await
        .expect("asked");
    let phone = "customer,user_principal_name,mobile_phone\nA-1,user6@alpha.onmicrosoft.com,+41 44 111 00 00\n";
    TestJob::new(ledger, "update-users", phone).submit().await;
}

/// How often all columns are gone through.
#[expect(clippy::disallowed_methods, reason = "the rule is for the program")]
pub(super) fn rounds() -> Option<usize> {
    std::env::var("TENANTRY_ATTACK_ROUNDS").ok()?.parse().ok()
}

pub(super) struct Column {
    pub(super) table: String,
    pub(super) name: String,
    sort: String,
}

pub(super) async fn columns(ledger: &Ledger) -> Vec<Column> {
    let sql = match ledger.db().dialect() {
        Dialect::Sqlite => {
            "SELECT m.name, p.name, p.type FROM sqlite_master m JOIN pragma_table_info(m.name) p
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, p.cid"
        }
        Dialect::Postgres => {
            "SELECT CAST(c.table_name AS TEXT), CAST(c.column_name AS TEXT), CAST(c.data_type AS TEXT)
             FROM information_schema.columns c
             JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
             WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position"
        }
    };
    let found = ledger.db().read(move |tx| tx.query(sql, &[])).await.expect("asked");
    let column = |row: &Row| Column {
        table: row.text(0).expect("a text").to_owned(),
        name: row.text(1).expect("a text").to_owned(),
        sort: row.text(2).expect("a text").to_uppercase(),
    };
    let all = found.iter().map(column);
    all.filter(|column| !OF_THE_STORE.contains(&column.table.as_str()))
        .collect()
}

/// What a column is made to say, as SQL.
pub(super) fn values(column: &Column, outside: &Path, dialect: Dialect) -> Vec<String> {
    let Column { table, name, sort } = column;
    let of_another = format!("(SELECT o.{name} FROM {table} o WHERE o.{name} <> {table}.{name} LIMIT 1)");
    let mut all = vec!["NULL".to_owned(), of_another];
    if sort.contains("INT") {
        all.extend(
            [
                "0",
                "1",
                "-1",
                "2",
                "7",
                "-7",
                "9000000000000000",
                "9223372036854775807",
                "-9223372036854775807",
            ]
            .map(str::to_owned),
        );
        all.extend([format!("-{name}"), format!("{name} + 1")]);
    } else if sort.contains("BLOB") || sort.contains("BYTEA") {
        let empty = if dialect == Dialect::Sqlite {
            "X''"
        } else {
            "CAST('' AS bytea)"
        };
        all.push(empty.to_owned());
        for path in [
            "../../outside/secret.csv".to_owned(),
            outside.join("secret.csv").display().to_string(),
        ] {
            all.push(match dialect {
                Dialect::Sqlite => format!("CAST('{path}' AS BLOB)"),
                Dialect::Postgres => format!("convert_to('{path}', 'UTF8')"),
            });
        }
    } else {
        let texts = [
            "",
            "x",
            "queued",
            "done",
            "waiting",
            "completed",
            "planned",
            "undo",
            "update-users",
            "delete-users",
            "restore-users",
            "false",
            "eve",
            "approved",
            "1",
            "[]",
            "{}",
            "../../outside/x",
            "working/../../outside",
            "done/x",
            "taking",
            "taken",
            "archiving",
            "quarantining",
            "submitted",
            "due",
            "[\"user_principal_name\",\"customer\"]",
        ];
        all.extend(texts.map(|text| format!("'{text}'")));
        all.push(format!("'{}'", outside.join("x").display()));
        all.push(format!("'{}'", outside.join("secret.csv").display()));
        // A mebibyte.
        all.push(match dialect {
            Dialect::Sqlite => "hex(zeroblob(524288))".to_owned(),
            Dialect::Postgres => "repeat('00', 524288)".to_owned(),
        });
        all.push(format!("replace({name}, 'required', 'withdrawn')"));
        all.push(format!("replace({name}, 'skip', 'seal_to\":[\"age1x\"],\"skip')"));
    }
    all
}

/// What of the store may not change unless it was approved: users with their roles and when they were given a password, and who was deleted.
pub(super) async fn guarded_state(ledger: &Ledger) -> Result<(BTreeMap<String, String>, Vec<String>), DbError> {
    let read = |tx: &mut dyn Tx| {
        let users = tx.query(
            "SELECT user_principal_name, COALESCE(roles, ''), COALESCE(password_set_at, 0) FROM users",
            &[],
        )?;
        let users = users
            .iter()
            .map(|row| Ok((row.text(0)?.to_owned(), format!("{} {}", row.text(1)?, row.int(2)?))));
        let deleted = tx.query("SELECT user_principal_name FROM deleted_users", &[])?;
        let deleted = deleted.iter().map(|row| row.text(0).map(str::to_owned));
        Ok((
            users.collect::<Result<_, DbError>>()?,
            deleted.collect::<Result<_, DbError>>()?,
        ))
    };
    ledger.db().read(read).await
}

/// Lets a worker do what it finds; nothing if it cannot even begin.
async fn work(place: &Place, anna: &Person, root: &Path) {
    let Ok(ledger) = Ledger::open(&place.url, 4, tenantry_foundation::clock::Clock::system()).await else {
        return;
    };
    if let Ok(ledger) = ledger.clone().trusting([anna.public.clone()].into()).await {
        let runner = Runner::new(
            ledger.clone(),
            Stores::default(),
            Queue::embedded(),
            guarded(anna, root),
            Scope::All,
        );
        let stop = CancellationToken::new();
        let watching = async {
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let running = "SELECT 1 FROM chunks WHERE state = 'running' LIMIT 1";
                let running = ledger.db().read(move |tx| tx.query(running, &[])).await;
                let is_busy = running.is_ok_and(|rows| !rows.is_empty());
                if !is_busy && ledger.claimable(Scope::All, 1).await.is_ok_and(|jobs| jobs.is_empty()) {
                    break;
                }
            }
            stop.cancel();
        };
        // What a worker cannot come to an end of does no harm here.
        let working = futures::future::join(Box::pin(runner.serve(stop.clone())), Box::pin(watching));
        let _ = tokio::time::timeout(Duration::from_secs(3), working).await;
    }
    ledger.close().await;
}

impl Place {
    /// One of its own with a copy of what this one's ledger holds, which nobody has open.
    async fn copied(&self, on: On) -> Self {
        let copy = Self {
            dir: tempfile::tempdir().expect("a directory"),
            url: match on {
                On::Sqlite => String::new(),
                On::Postgres => PgServer::shared().await.copy(&self.url).await,
            },
        };
        match on {
            On::Postgres => copy,
            On::Sqlite => {
                let file = copy.path("tenantry.db");
                std::fs::copy(self.path("tenantry.db"), &file).expect("copied");
                Self {
                    url: format!("sqlite:{}", file.display()),
                    ..copy
                }
            }
        }
    }
}

on_both! {
    async fn no_value_of_a_column_has_anything_done_that_was_not_approved(place: Place) {
        let on = if place.url.starts_with("sqlite") { On::Sqlite } else { On::Postgres };
        let anna = Person::new("anna", 1);
        let (root, outside) = (place.path("results"), place.path("outside"));
        for dir in [&root, &outside] {
            std::fs::create_dir(dir).expect("made");
        }
        let ledger = place.ledger().await;
        Box::pin(set_up(&ledger, &anna, &root)).await;
        let (columns, dialect) = (columns(&ledger).await, ledger.db().dialect());
        let (before, _) = guarded_state(&ledger).await.expect("asked");
        ledger.close().await;
        assert!(columns.len() > 200 && columns.iter().any(|column| column.name == "image_before"), "{}", columns.len());
        let cases: Vec<(usize, usize)> = match rounds() {
            Some(rounds) => (0..rounds).flat_map(|round| (0..columns.len()).map(move |at| (round, at))).collect(),
            None => (0..columns.len()).filter(|at| DECIDING.contains(&columns[*at].table.as_str()) || at % 8 == 0).map(|at| (0, at)).collect(),
        };
        let (mut took, mut carried_out) = (0, 0);
        for (round, at) in &cases {
            let column = &columns[*at];
            let values = values(column, &outside, dialect);
            // Another value and another way for each, the same ones in each run.
            let (value, release) = (&values[(at * 7 + round * 5) % values.len()], RELEASES[(at + round) % RELEASES.len()]);
            let copy = place.copied(on).await;
            let ledger = copy.ledger().await;
            let update = format!("UPDATE {} SET {} = {value}", column.table, column.name);
            let exec = {
                let update = update.clone();
                move |tx: &mut dyn Tx| tx.exec(&update, &[])
            };
            took += usize::from(ledger.db().write(exec).await.is_ok());
            for sql in release {
                let _ = ledger.db().write(move |tx| tx.exec(sql, &[])).await;
            }
            ledger.close().await;
            Box::pin(work(&copy, &anna, &root)).await;
            let what = format!("{update}; {release:?}");
            let Ok(ledger) = Ledger::open(&copy.url, 1, tenantry_foundation::clock::Clock::system()).await else {
                continue;
            };
            let (after, deleted) = guarded_state(&ledger).await.expect("asked");
            assert!(deleted.iter().all(|user| APPROVED.contains(&user.as_str())), "{what}: {deleted:?}");
            carried_out += usize::from(!deleted.is_empty());
            let kept = before.iter().filter(|(user, _)| !deleted.contains(user));
            assert_eq!(kept.collect::<BTreeMap<_, _>>(), after.iter().collect::<BTreeMap<_, _>>(), "{what}");
            ledger.close().await;
            let strange: Vec<_> = std::fs::read_dir(&outside).expect("a directory").flatten().map(|entry| entry.path()).collect();
            assert!(strange.is_empty(), "{what}: {strange:?}");
            if let On::Postgres = on {
                PgServer::shared().await.drop_database(&copy.url).await;
            }
        }
        // Most of it could be written, and what was approved could often be carried out in spite of it.
        assert!(took > cases.len() / 2, "{took} of {}", cases.len());
        assert!(carried_out > cases.len() / 5, "{carried_out} of {}", cases.len());
    }
}
