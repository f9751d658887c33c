//! The audit record: what is recorded, that it cannot be changed quietly, and what `tenantry audit` says of it.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tenantry::db::{DbError, Value};
use tenantry::ledger::audit::{self, Action, Anchor, Entry, Fault, Record, Report};
use tenantry::ledger::{Counts, JobState, Ledger, Parameters, Scope};
use tenantry::submit::Submitted;

use crate::place::{CUSTOMERS, On, Place, apply, apply_with, hand_in, on_both, work_off};

const USERS: &str = "customer,user_principal_name,first_name,last_name\n\
    A-1,a@alpha.onmicrosoft.com,A,A\nA-1,b@alpha.onmicrosoft.com,B,B\n";

const STRICT: Parameters = Parameters {
    customer: None,
    skip_invalid: false,
};

fn entry(n: u64) -> Entry {
    Entry {
        actor: format!("actor {n}"),
        action: Action::Approved,
        job: None,
        kind: Some("add-customer".to_owned()),
        plan_hash: Some(format!("{n:064x}")),
        counts: n.is_multiple_of(2).then(|| Counts {
            applied: n,
            total: n,
            ..Counts::default()
        }),
        note: n.is_multiple_of(3).then(|| format!("3:a;,\u{e9}\n{n}")),
    }
}

async fn append(ledger: &Ledger, count: u64) {
    let append =
        move |tx: &mut dyn tenantry::db::Tx| (1..=count).try_for_each(|n| audit::append(tx, n as i64, &entry(n)));
    ledger.db().write(append).await.expect("recorded");
}

async fn records(ledger: &Ledger) -> Vec<Record> {
    ledger.audit_page(None, 0).await.expect("read")
}

async fn verify(ledger: &Ledger) -> Report {
    ledger.verify_audit(None).await.expect("verified")
}

async fn run(ledger: &Ledger, sql: &[&str]) -> Result<(), DbError> {
    let sql: Vec<String> = sql.iter().map(|&sql| sql.to_owned()).collect();
    let work = move |tx: &mut dyn tenantry::db::Tx| sql.iter().try_for_each(|sql| tx.exec(sql, &[]).map(drop));
    ledger.db().write(work).await
}

on_both! {
    async fn a_job_s_life_is_recorded_in_order(place: Place) {
        let ledger = place.ledger().await;
        let customers = apply(&ledger, "add-customer", CUSTOMERS).await;
        let users = apply_with(&ledger, "bulk-add-users", USERS, STRICT, 1).await;
        let seen: Vec<_> = records(&ledger).await.into_iter().map(|one| (one.seq, one.actor, one.action, one.job, one.kind)).collect();
        let expected: Vec<_> = [(1, "submitted", &customers), (2, "applied", &customers), (3, "submitted", &users), (4, "applied", &users)]
            .into_iter()
            .map(|(seq, action, job)| (seq, "tester".to_owned(), action.to_owned(), Some(job.id.to_string()), Some(job.kind.clone())))
            .collect();
        assert_eq!(seen, expected);
        let records = records(&ledger).await;
        assert_eq!(records[2].note, Some(format!("bulk-add-users.csv, sha256 {}", users.input_sha256)));
        assert!(records[3].note.as_ref().is_some_and(|note| note.starts_with("completed, last worker ")), "{records:?}");
        assert_eq!(records[3].counts.as_deref(), Some(r#"{"applied":2,"cancelled":0,"failed":0,"rejected":0,"total":2,"unchanged":0}"#));
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count, report.last), (4, 0, Some(4)), "{report:?}");
        // Asking for the same work again records nothing, nor does a job of which nothing became.
        hand_in(&ledger, "bulk-add-users", &USERS.replace("A-1", "A-9"), STRICT, 5).await;
        assert_eq!(verify(&ledger).await.records, 4);
    }

    async fn stopping_repeating_and_having_nothing_to_do_are_recorded(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let Submitted::Queued(id) = hand_in(&ledger, "bulk-add-users", USERS, STRICT, 1).await else { panic!("not queued") };
        let job = ledger.job(id).await.expect("asked").expect("there");
        assert!(ledger.cancel(job.seq, "bea").await.expect("cancelled"));
        assert!(!ledger.cancel(job.seq, "bea").await.expect("it has ended"));
        let job = ledger.job(id).await.expect("asked").expect("there");
        let again = ledger.retry(&job, "cy").await.expect("asked").expect("retried");
        work_off(&ledger, &ledger.job(again).await.expect("asked").expect("there")).await;
        let rejected = apply(&ledger, "bulk-add-users", &USERS.replace("A-1", "A-9")).await;
        assert_eq!(rejected.state, JobState::Completed);
        let seen: Vec<_> = records(&ledger).await.split_off(2).into_iter().map(|one| (one.actor, one.action, one.job.unwrap_or_default())).collect();
        let expected = [
            ("tester", "submitted", id), ("bea", "cancelled", id), ("tester", "applied", id),
            ("cy", "retried", again), ("cy", "applied", again),
            ("tester", "submitted", rejected.id), ("tester", "applied", rejected.id),
        ];
        assert_eq!(seen, expected.map(|(actor, action, job)| (actor.to_owned(), action.to_owned(), job.to_string())));
        let notes: Vec<_> = records(&ledger).await.into_iter().map(|one| one.note.unwrap_or_default()).collect();
        assert_eq!((notes[4].as_str(), notes[5].as_str(), notes[8].as_str()), ("cancelled", format!("retries job {id}").as_str(), "completed"));
        assert_eq!(verify(&ledger).await.fault_count, 0);
    }

    async fn a_job_given_up_or_left_behind_is_recorded_as_ended(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        hand_in(&ledger, "bulk-add-users", USERS, STRICT, 5).await;
        let claim = ledger.claim("w", Scope::All, 60_000).await.expect("asked").expect("a chunk");
        ledger.give_up(&claim, "hopeless".to_owned()).await.expect("given up");
        hand_in(&ledger, "bulk-add-users", USERS, STRICT, 5).await;
        let claim = ledger.claim("w", Scope::All, -1).await.expect("asked").expect("a chunk");
        ledger.cancel(claim.job, "bea").await.expect("cancelled");
        ledger.clear_up().await.expect("swept");
        let notes: Vec<_> = records(&ledger).await.split_off(2).into_iter().map(|one| (one.action, one.note.unwrap_or_default())).collect();
        assert_eq!(notes[1], ("applied".to_owned(), "failed, last worker w".to_owned()));
        assert_eq!(notes[4], ("applied".to_owned(), "cancelled".to_owned()));
        assert_eq!(verify(&ledger).await.fault_count, 0);
    }

    async fn nothing_recorded_can_be_changed_by_mistake(place: Place) {
        let ledger = place.ledger().await;
        append(&ledger, 3).await;
        for sql in [
            "UPDATE audit SET actor = 'x' WHERE seq = 2",
            "DELETE FROM audit WHERE seq = 3",
            "DELETE FROM audit_head",
            "UPDATE audit_head SET seq = 2",
            "INSERT INTO audit_head (id, seq, hash) VALUES (2, 0, '')",
            "INSERT INTO audit (seq, at, actor, action, prev, hash) SELECT 9, 1, 'x', 'x', hash, 'x' FROM audit_head",
            "INSERT INTO audit (seq, at, actor, action, prev, hash) VALUES (4, 1, 'x', 'x', 'x', 'x')",
        ] {
            let refused = run(&ledger, &[sql]).await.expect_err(sql).to_string();
            assert!(refused.contains("audit record"), "{sql}: {refused}");
        }
        assert_eq!(verify(&ledger).await.fault_count, 0);
    }

    async fn a_transaction_that_fails_leaves_no_record(place: Place) {
        let ledger = place.ledger().await;
        append(&ledger, 1).await;
        let failed = ledger.db().write(|tx| { audit::append(tx, 1, &entry(2))?; Err::<(), _>(DbError::LeaseLost) }).await;
        assert!(failed.is_err());
        append(&ledger, 1).await;
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count), (2, 0));
    }

    async fn many_at_once_make_one_chain(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        let mut submitters = tokio::task::JoinSet::new();
        for n in 0..8 {
            // Each with connections of its own, as processes would have.
            let ledger = place.ledger().await;
            submitters.spawn(async move {
                for m in 0..4 {
                    let users = USERS.replace("a@", &format!("a{n}-{m}@")).replace("b@", &format!("b{n}-{m}@"));
                    apply_with(&ledger, "bulk-add-users", &users, STRICT, 1).await;
                }
            });
        }
        submitters.join_all().await;
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count), (2 + 8 * 4 * 2, 0), "{report:?}");
    }

    async fn a_chain_of_many_pages_is_followed_to_its_end(place: Place) {
        let ledger = place.ledger().await;
        assert_eq!(verify(&ledger).await.fault_count, 0, "an empty one is intact");
        append(&ledger, 2_000).await;
        let report = verify(&ledger).await;
        assert_eq!((report.records, report.fault_count, report.last), (2_000, 0, Some(2_000)), "{report:?}");
        run(&ledger, &["UPDATE meta SET value = '7' WHERE key = 'installation'"]).await.expect("moved");
        let report = verify(&place.ledger().await).await;
        assert_eq!(report.faults, [Fault::WrongStart { seq: 1 }]);
    }
}

/// What somebody with all rights may do to a chain of [`LENGTH`] records.
#[derive(Debug, Clone)]
enum Tampering {
    Alter(i64, &'static str, Value),
    Delete(i64),
    Swap(i64, i64),
    Renumber(i64, i64),
    CutOff(i64),
    SetBack(i64),
    Rewrite(i64, i64),
}

const LENGTH: i64 = 12;

fn tampering() -> impl Strategy<Value = Tampering> {
    let text = [
        "actor",
        "action",
        "job",
        "kind",
        "plan_hash",
        "counts",
        "note",
        "prev",
        "hash",
    ];
    let forged = prop_oneof![Just(String::new()), "[a-f0-9]{64}", "\\PC{1,8}"];
    let optional = prop::sample::select(vec!["job", "kind", "plan_hash", "counts", "note"]);
    let one = || 1..=LENGTH;
    prop_oneof![
        8 => (one(), prop::sample::select(text.to_vec()), forged).prop_map(|(seq, field, to)| Tampering::Alter(seq, field, to.into())),
        2 => (one(), optional).prop_map(|(seq, field)| Tampering::Alter(seq, field, Value::Null)),
        2 => (one(), any::<i64>()).prop_map(|(seq, to)| Tampering::Alter(seq, "at", to.into())),
        3 => one().prop_map(Tampering::Delete),
        3 => (one(), one()).prop_filter("two", |(a, b)| a != b).prop_map(|(a, b)| Tampering::Swap(a, b)),
        2 => (one(), LENGTH + 1..1_000_i64).prop_map(|(seq, to)| Tampering::Renumber(seq, to)),
        2 => (0..LENGTH).prop_map(Tampering::CutOff),
        1 => (0..LENGTH).prop_map(Tampering::SetBack),
        3 => (one(), one()).prop_map(|(from, anchor)| Tampering::Rewrite(from, anchor)),
    ]
}

impl Tampering {
    /// Does it; `false` when nothing is different afterwards.
    async fn commit(&self, ledger: &Ledger, intact: &[Record]) -> bool {
        let with = async |sql: String, params: Vec<Value>| {
            ledger
                .db()
                .write(move |tx| tx.exec(&sql, &params))
                .await
                .expect("tampered")
        };
        match self {
            Self::Alter(seq, field, to) => {
                let sql = format!("UPDATE audit SET {field} = $2 WHERE seq = $1 AND {field} IS NOT $2");
                with(sql, vec![(*seq).into(), to.clone()]).await > 0
            }
            Self::Delete(seq) => with("DELETE FROM audit WHERE seq = $1".to_owned(), vec![(*seq).into()]).await > 0,
            Self::Renumber(seq, to) => renumber(ledger, &[(*seq, *to)]).await,
            Self::Swap(a, b) => renumber(ledger, &[(*a, -1), (*b, *a), (-1, *b)]).await,
            Self::CutOff(last) => with("DELETE FROM audit WHERE seq > $1".to_owned(), vec![(*last).into()]).await > 0,
            Self::SetBack(last) => {
                let hash = last
                    .checked_sub(1)
                    .and_then(|at| intact.get(at as usize))
                    .map_or("", |one| &one.hash);
                with(
                    "UPDATE audit_head SET seq = $1, hash = $2".to_owned(),
                    vec![(*last).into(), hash.into()],
                )
                .await
                    > 0
            }
            Self::Rewrite(from, _) => {
                let mut prev = intact[*from as usize - 1].prev.clone();
                for record in &intact[*from as usize - 1..] {
                    let forged = Record {
                        actor: "forged".to_owned(),
                        prev,
                        ..record.clone()
                    };
                    prev = forged.computed();
                    let sql = "UPDATE audit SET actor = $2, prev = $3, hash = $4 WHERE seq = $1".to_owned();
                    with(
                        sql,
                        vec![
                            forged.seq.into(),
                            forged.actor.into(),
                            forged.prev.into(),
                            prev.clone().into(),
                        ],
                    )
                    .await;
                }
                with("UPDATE audit_head SET hash = $1".to_owned(), vec![prev.into()]).await > 0
            }
        }
    }

    /// Exactly what is to be said of it.
    fn named(&self) -> Vec<Fault> {
        let gone = |seq: i64| match seq {
            LENGTH => Fault::Truncated { from: seq, to: seq },
            _ => Fault::Missing { from: seq, to: seq },
        };
        match *self {
            Self::Alter(seq, ..) => vec![Fault::Altered { seq }],
            Self::Delete(seq) => vec![gone(seq)],
            Self::Swap(a, b) => {
                let (a, b) = (a.min(b), a.max(b));
                vec![Fault::Moved { seq: a, was: b }, Fault::Moved { seq: b, was: a }]
            }
            Self::Renumber(seq, to) if seq == LENGTH => vec![Fault::Moved { seq: to, was: seq }, gone(seq)],
            // What is left has its end, so the stranger behind it stands where the next record will.
            Self::Renumber(seq, to) if to == LENGTH + 1 => vec![
                gone(seq),
                Fault::Moved { seq: to, was: seq },
                Fault::PastHead { from: to, to },
            ],
            Self::Renumber(seq, to) => vec![gone(seq), Fault::Moved { seq: to, was: seq }],
            Self::CutOff(last) => vec![Fault::Truncated {
                from: last + 1,
                to: LENGTH,
            }],
            Self::SetBack(last) => vec![Fault::PastHead {
                from: last + 1,
                to: LENGTH,
            }],
            Self::Rewrite(from, anchor) if anchor >= from => vec![Fault::AnchorLost { seq: anchor }],
            Self::Rewrite(..) => Vec::new(),
        }
    }
}

async fn renumber(ledger: &Ledger, moves: &[(i64, i64)]) -> bool {
    let moves: Vec<Vec<Value>> = moves
        .iter()
        .map(|(from, to)| vec![(*from).into(), (*to).into()])
        .collect();
    let sql = "UPDATE audit SET seq = $2 WHERE seq = $1";
    ledger
        .db()
        .write(move |tx| tx.exec_each(sql, &moves))
        .await
        .expect("tampered");
    true
}

/// Whatever is done to the records behind our back is found and named, and nothing else is.
#[test]
fn tampering_is_named() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_place, ledger, intact) = runtime.block_on(async {
        let place = Place::new(On::Sqlite).await;
        let ledger = place.ledger().await;
        append(&ledger, LENGTH as u64).await;
        let triggers = crate::place::column(ledger.db(), "SELECT name FROM sqlite_master WHERE type = 'trigger'").await;
        for trigger in triggers {
            run(&ledger, &[&format!("DROP TRIGGER {trigger}")])
                .await
                .expect("dropped");
        }
        run(
            &ledger,
            &[
                "CREATE TABLE kept AS SELECT * FROM audit",
                "CREATE TABLE kept_head AS SELECT * FROM audit_head",
            ],
        )
        .await
        .expect("kept");
        let intact = records(&ledger).await;
        (place, ledger, intact)
    });
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 200,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&tampering(), |tampering| {
        runtime.block_on(async {
            let anchor = match tampering {
                Tampering::Rewrite(_, at) => Some(Anchor {
                    seq: at,
                    hash: intact[at as usize - 1].hash.clone(),
                }),
                _ => None,
            };
            let changed = tampering.commit(&ledger, &intact).await;
            let report = ledger.verify_audit(anchor).await.expect("verified");
            run(
                &ledger,
                &[
                    "DELETE FROM audit",
                    "INSERT INTO audit SELECT * FROM kept",
                    "DELETE FROM audit_head",
                    "INSERT INTO audit_head SELECT * FROM kept_head",
                ],
            )
            .await
            .expect("put back");
            prop_assert_eq!(report.faults, if changed { tampering.named() } else { Vec::new() });
            Ok(())
        })
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(runtime.block_on(verify(&ledger)).fault_count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_at_all_is_named_too() {
    let place = Place::new(On::Sqlite).await;
    let ledger = place.ledger().await;
    append(&ledger, 3).await;
    let drop = ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_head_no_delete"];
    run(&ledger, &drop).await.expect("dropped");
    run(
        &ledger,
        &["UPDATE audit SET at = 'never' WHERE seq = 2", "DELETE FROM audit_head"],
    )
    .await
    .expect("tampered");
    let faults = verify(&ledger).await.faults;
    assert!(
        matches!(&faults[..], [Fault::Unreadable { place, .. }, Fault::NoHead] if place == "record 2"),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_without_any_database() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let by = ["run", "bulk-add-users", "users.csv", "--json", "--by", "=cmd()"];
    let job = place.tenantry(&by).ends(0).json();
    let job = job["job"].as_str().expect("an id");
    let export = place.tenantry(&["audit", "export"]).ends(0).out;
    let lines: Vec<&str> = export.lines().collect();
    assert_eq!(lines.len(), 4);
    place.write("audit.jsonl", &export);
    let last: serde_json::Value = serde_json::from_str(lines[3]).expect("JSON");
    let anchor = format!("4:{}", last["hash"].as_str().expect("a hash"));
    let offline = |args: &[&str]| {
        let mut command = place.command(&[&["audit", "verify", "--json", "--file"], args].concat());
        command.env("TENANTRY__LEDGER__URL", "postgres://127.0.0.1:1/none");
        crate::place::Run::from(command.output().expect("tenantry starts"))
    };
    let intact = offline(&["audit.jsonl", "--anchor", &anchor]).ends(0).json();
    assert_eq!(
        (&intact["intact"], &intact["records"], &intact["first"]),
        (&json!(true), &json!(4), &json!(1))
    );
    assert!(intact["hash"].as_str().is_some_and(|hash| anchor.ends_with(hash)));
    // Part of a chain holds together by itself, as far as it goes.
    place.write("part.jsonl", lines[2..].join("\n"));
    assert_eq!(offline(&["part.jsonl"]).ends(0).json()["first"], 3);
    place.write("cut.jsonl", lines[..3].join("\n"));
    let cut = offline(&["cut.jsonl", "--anchor", &anchor]).ends(1).json();
    assert_eq!(cut["faults"][0]["fault"], "anchor-lost");
    let early = format!("1:{}", "0".repeat(64));
    offline(&["part.jsonl", "--anchor", &early]).ends(2);
    place.write("forged.jsonl", export.replace("=cmd()", "nobody"));
    let forged = offline(&["forged.jsonl"]).ends(1).json();
    assert_eq!(
        forged["faults"][0],
        json!({"fault": "altered", "seq": 3, "message": "record 3 was altered: it does not fit its hash"})
    );
    place.write("moved.jsonl", [lines[0], lines[2], lines[1], lines[3]].join("\n"));
    let moved = offline(&["moved.jsonl"]).ends(1).json();
    assert_eq!(
        (&moved["faults"][0]["fault"], &moved["faults"][1]["fault"]),
        (&json!("missing"), &json!("out-of-place"))
    );
    place.write("torn.jsonl", &export[..export.len() - 20]);
    assert_eq!(offline(&["torn.jsonl"]).ends(1).json()["faults"][0]["place"], "line 4");
    place.write("empty.jsonl", "");
    offline(&["empty.jsonl"]).ends(2);
    offline(&["nothere.jsonl"]).ends(2);
    offline(&["audit.jsonl", "--anchor", "4:short"]).ends(2);
    // The database itself says the same.
    let verified = place.tenantry(&["audit", "verify", "--anchor", &anchor]).ends(0).out;
    assert!(
        verified.contains(&format!("intact: 4 records, 1 to 4; anchor {anchor}")),
        "{verified}"
    );
    // Spreadsheets get no formulas.
    let csv = place.tenantry(&["audit", "export", "--csv"]).ends(0).out;
    assert!(csv.contains(",'=cmd(),submitted,") && !csv.contains(",=cmd()"), "{csv}");
    place.tenantry(&["audit", "export", "--csv", "--json"]).ends(2);
    assert_eq!(
        place.tenantry(&["audit", "export", "--job", job]).ends(0).out,
        lines[2..].join("\n") + "\n"
    );
    let since = last["time"].as_str().expect("a time");
    let part = place.tenantry(&["audit", "export", "--since", since]).ends(0).out;
    assert!(
        part.ends_with(&format!("{}\n", lines[3])) && part.lines().count() < 4,
        "{part}"
    );
    assert_eq!(
        place
            .tenantry(&["audit", "export", "--since", "2999-01-01T00:00:00Z"])
            .ends(0)
            .out,
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_shown_newest_first_and_says_who_stopped_a_job() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let id = place
        .tenantry(&["submit", "bulk-add-users", "users.csv"])
        .ends(0)
        .out
        .trim()
        .to_owned();
    place.tenantry(&["cancel", &id, "--by", "bea\u{1b}[31m"]).ends(2);
    let log = place.tenantry(&["audit"]).ends(0).out;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 6, "{log}");
    assert!(
        lines[1].contains("applied") && lines[1].contains("2 cancelled of 2"),
        "{log}"
    );
    assert!(
        lines[2].contains("bea") && lines[2].contains("cancelled") && !log.contains('\u{1b}'),
        "{log}"
    );
    assert!(
        lines[3].contains("tester") && lines[3].contains("users.csv, sha256 "),
        "{log}"
    );
    let one = place
        .tenantry(&["audit", "log", "--job", &id, "--limit", "2", "--json"])
        .ends(0)
        .out;
    let one: Vec<serde_json::Value> = one
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (one.len(), &one[0]["seq"], &one[1]["action"]),
        (2, &json!(5), &json!("cancelled"))
    );
    assert_eq!(one[0]["counts"]["cancelled"], 2);
}
