//! Tampering behind the program's back: each kind is found and named, and nothing else is.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tenantry_foundation::db::Value;
use tenantry_ledger::Ledger;
use tenantry_ledger::audit::{Anchor, AuditRecord, ChainFault};

use super::{append, records, run, verify};
use crate::place::{On, Place, column};

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
        "via",
        "prev",
        "hash",
    ];
    let forged = prop_oneof![Just(String::new()), "[a-f0-9]{64}", "\\PC{1,8}"];
    let optional = prop::sample::select(vec!["job", "kind", "plan_hash", "counts", "note", "via"]);
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
    async fn commit(&self, ledger: &Ledger, intact: &[AuditRecord]) -> bool {
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
                    let forged = AuditRecord {
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
    fn named(&self) -> Vec<ChainFault> {
        let gone = |seq: i64| match seq {
            LENGTH => ChainFault::Truncated { from: seq, to: seq },
            _ => ChainFault::Missing { from: seq, to: seq },
        };
        match *self {
            Self::Alter(seq, ..) => vec![ChainFault::Altered { seq }],
            Self::Delete(seq) => vec![gone(seq)],
            Self::Swap(a, b) => {
                let (a, b) = (a.min(b), a.max(b));
                vec![
                    ChainFault::Moved { seq: a, was: b },
                    ChainFault::Moved { seq: b, was: a },
                ]
            }
            Self::Renumber(seq, to) if seq == LENGTH => vec![ChainFault::Moved { seq: to, was: seq }, gone(seq)],
            // What is left has its end, so the stranger behind it stands where the next record will.
            Self::Renumber(seq, to) if to == LENGTH + 1 => vec![
                gone(seq),
                ChainFault::Moved { seq: to, was: seq },
                ChainFault::PastHead { from: to, to },
            ],
            Self::Renumber(seq, to) => vec![gone(seq), ChainFault::Moved { seq: to, was: seq }],
            Self::CutOff(last) => vec![ChainFault::Truncated {
                from: last + 1,
                to: LENGTH,
            }],
            Self::SetBack(last) => vec![ChainFault::PastHead {
                from: last + 1,
                to: LENGTH,
            }],
            Self::Rewrite(from, anchor) if anchor >= from => vec![ChainFault::AnchorLost { seq: anchor }],
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
        let triggers = column(ledger.db(), "SELECT name FROM sqlite_master WHERE type = 'trigger'").await;
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
async fn unreadable_records_and_a_missing_head_are_named_too() {
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
        matches!(&faults[..], [ChainFault::Unreadable { place, .. }, ChainFault::NoHead] if place == "record 2"),
        "{faults:?}"
    );
}
