//! The contract of a transaction, the same on every database: one statement for many rows does what one for each does.

mod login;
mod paths;
mod pooled;
mod roles;
mod tls;

use std::time::Duration;

use tenantry_foundation::db::{ConnectOptions, Db, DbError, Tx, Value};
use tenantry_ledger::Ledger;

use crate::place::{On, Place, on_both};

/// Sets as a chunk has them: every column empty somewhere, the whole number too, and a third of the keys unknown.
fn sets(count: i64) -> Vec<Vec<Value>> {
    let text = |at: i64| (at % 3 != 0).then(|| format!("it's {at}; \"$2\" {{}} \\ ü"));
    let number = |at: i64| (at % 5 == 4).then_some(at * 1_000_000_007);
    (0..count)
        .map(|at| vec![at.into(), text(at).into(), number(at).into()])
        .collect()
}

fn held(tx: &mut dyn Tx, table: &str) -> Vec<(i64, String, Option<i64>)> {
    tx.query(&format!("SELECT id, text, number FROM {table} ORDER BY id"), &[])
        .expect("asked")
        .iter()
        .map(|row| {
            let text = row.text_or_empty(1).expect("a text").to_owned();
            (row.int(0).expect("an id"), text, row.opt_int(2).expect("a number"))
        })
        .collect()
}

/// What [`held`] finds after these sets were inserted.
fn told(sets: &[Vec<Value>]) -> Vec<(i64, String, Option<i64>)> {
    let one = |set: &Vec<Value>| match set.as_slice() {
        [Value::Int(id), text, number] => {
            let text = if let Value::Text(text) = text {
                text.clone()
            } else {
                String::new()
            };
            (
                *id,
                text,
                if let Value::Int(number) = number {
                    Some(*number)
                } else {
                    None
                },
            )
        }
        other => panic!("not a set: {other:?}"),
    };
    sets.iter().map(one).collect()
}

async fn with_rows(ledger: &Ledger, count: i64) {
    let made = ledger.db().write(move |tx| {
        tx.exec(
            "CREATE TABLE one (id BIGINT PRIMARY KEY, text TEXT, number BIGINT)",
            &[],
        )?;
        tx.send_all("INSERT INTO one (id, text, number) VALUES ($1, $2, $3)", sets(count))
    });
    made.await.expect("made");
}

const INSERT: &str = "INSERT INTO TABLE (id, text, number) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const INSERT_ALL: &str = "INSERT INTO TABLE (id, text, number) VALUES ($1, $2, COALESCE(CAST($3 AS BIGINT), 7))";
const UPDATE: &str =
    "UPDATE TABLE SET text = $2, number = CASE WHEN number = $3 THEN number ELSE COALESCE(CAST($3 AS BIGINT), 0) + 1 END
    WHERE id = $1 AND (number IS NULL OR number <> 8000000056)";
const MOVE: &str = "INSERT INTO TABLE (id, text, number) SELECT id + 1000000, $2, $3 FROM TABLE WHERE id = $1";
const DELETE: &str = "DELETE FROM TABLE WHERE id = $1";

on_both! {
    async fn one_statement_for_many_rows_equals_one_for_each(place: Place) {
        let ledger = place.ledger().await;
        ledger.db().write(|tx| {
            for table in ["one", "many", "sent"] {
                tx.exec(&format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY, text TEXT, number BIGINT)"), &[])?;
            }
            // Beside, few enough to be sent one by one, and more than go into one statement.
            for count in [0, 1, 3, 7, 40, 5_000] {
                let all = sets(count);
                let odd: Vec<Vec<Value>> = all.iter().skip(1).step_by(2).cloned().collect();
                let ids = |of: &[Vec<Value>]| of.iter().map(|set| set[..1].to_vec()).collect::<Vec<_>>();
                for (statement, sets) in [
                    (INSERT_ALL, odd.clone()),
                    (INSERT, all.clone()),
                    (UPDATE, all.clone()),
                    (DELETE, ids(&odd)),
                    (UPDATE, all.clone()),
                    (MOVE, all.clone()),
                    (INSERT, all.clone()),
                ] {
                    let each = tx.exec_each(&statement.replace("TABLE", "one"), &sets)?;
                    let together = tx.exec_all(&statement.replace("TABLE", "many"), &sets)?;
                    assert_eq!(together, each.iter().sum::<u64>(), "{count}: {statement}");
                    tx.send_all(&statement.replace("TABLE", "sent"), sets)?;
                    let one = held(tx, "one");
                    assert_eq!(held(tx, "many"), one, "{count}: {statement}");
                    assert_eq!(held(tx, "sent"), one, "{count}: {statement}");
                }
                for table in ["one", "many", "sent"] {
                    tx.exec(&format!("DELETE FROM {table}"), &[])?;
                }
            }
            Ok(())
        }).await.expect("written");
    }

    async fn a_key_that_is_taken_fails_the_statement_for_all(place: Place) {
        let ledger = place.ledger().await;
        let twice = || { let mut sets = sets(40); sets.push(sets[3].clone()); sets };
        let refused = ledger.db().write(move |tx| {
            tx.exec("CREATE TABLE one (id BIGINT PRIMARY KEY, text TEXT, number BIGINT)", &[])?;
            tx.exec_all("INSERT INTO one (id, text, number) VALUES ($1, $2, $3)", &twice())
        }).await;
        assert!(matches!(refused, Err(DbError::Conflict(_))), "{refused:?}");
    }

    async fn a_sent_statement_that_failed_takes_the_transaction_with_it(place: Place) {
        let ledger = place.ledger().await;
        with_rows(&ledger, 40).await;
        let kept = ledger.db().write(|tx| {
            tx.send("UPDATE one SET number = 1 WHERE id = $1", &[7_i64.into()])?;
            tx.send("INSERT INTO one (id) VALUES ($1)", &[7_i64.into()])?;
            // A caller that takes this answer for the query's own and goes on has not written half.
            let _ = tx.query("SELECT id FROM one", &[]);
            Ok(())
        }).await;
        assert!(kept.is_err(), "{kept:?}");
        let last = ledger.db().write(|tx| tx.send("INSERT INTO one (id) VALUES ($1)", &[7_i64.into()])).await;
        assert!(matches!(last, Err(DbError::Conflict(_))), "{last:?}");
        assert_eq!(ledger.db().read(|tx| Ok(held(tx, "one"))).await.expect("read"), told(&sets(40)));
    }

    async fn a_change_of_a_row_that_is_not_there_is_told_in_the_words_given(place: Place) {
        let ledger = place.ledger().await;
        with_rows(&ledger, 40).await;
        for count in [1, 3, 40] {
            let changed = ledger.db().write(move |tx| {
                let ids = (40 - count..=40).rev().map(|id: i64| vec![id.into()]).collect();
                tx.send_each("UPDATE one SET number = 1 WHERE id = $1", ids, || DbError::Contended("gone".to_owned()))?;
                tx.send("DELETE FROM one", &[])
            }).await;
            assert!(matches!(&changed, Err(DbError::Contended(gone)) if gone == "gone"), "{count}: {changed:?}");
        }
        assert_eq!(ledger.db().read(|tx| Ok(held(tx, "one"))).await.expect("read"), told(&sets(40)));
    }

    async fn statements_of_an_attempt_are_undone_with_it_and_no_others(place: Place) {
        let ledger = place.ledger().await;
        with_rows(&ledger, 3).await;
        ledger.db().write(|tx| {
            tx.send("INSERT INTO one (id) VALUES ($1)", &[100_i64.into()])?;
            let failed = tx.attempt(&mut |tx| {
                tx.send("INSERT INTO one (id) VALUES ($1)", &[101_i64.into()])?;
                tx.send("INSERT INTO one (id) VALUES ($1)", &[2_i64.into()])
            });
            assert!(matches!(failed, Err(DbError::Conflict(_))), "{failed:?}");
            tx.attempt(&mut |tx| tx.send("INSERT INTO one (id) VALUES ($1)", &[102_i64.into()]))?;
            tx.send("INSERT INTO one (id) VALUES ($1)", &[103_i64.into()])
        }).await.expect("written");
        let ids = ledger.db().read(|tx| Ok(held(tx, "one"))).await.expect("read");
        let ids: Vec<i64> = ids.iter().map(|row| row.0).collect();
        assert_eq!(ids, [0, 1, 2, 100, 102, 103]);
    }

    async fn any_number_of_statements_is_sent_in_order(place: Place) {
        let ledger = place.ledger().await;
        with_rows(&ledger, 1).await;
        for count in [1, 23, 24, 25, 26, 27, 100] {
            let found = ledger.db().write(move |tx| {
                tx.send("UPDATE one SET text = '' WHERE id = 0", &[])?;
                for at in 0..count {
                    tx.send("UPDATE one SET text = text || $1", &[char::from(b'a' + (at % 26) as u8).to_string().into()])?;
                }
                Ok(held(tx, "one").remove(0).1)
            }).await.expect("written");
            let wanted: String = (0..count).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
            assert_eq!(found, wanted);
        }
    }
}

/// Bears with nobody that is quiet or waits for long.
fn impatient() -> ConnectOptions {
    ConnectOptions {
        idle_transaction: Duration::from_millis(100),
        ..ConnectOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_the_server_takes_for_stopped_may_try_again() {
    let place = Place::new(On::Postgres).await;
    let db = Db::open(&place.url, impatient()).await.expect("opened");
    let quiet = db.write(|tx| {
        tx.exec("CREATE TABLE one (id BIGINT PRIMARY KEY)", &[])?;
        std::thread::sleep(Duration::from_millis(400));
        tx.exec("CREATE TABLE two (id BIGINT PRIMARY KEY)", &[])
    });
    let error = quiet.await.expect_err("the server ended it");
    assert!(matches!(error, DbError::Contended(_)), "{error:?}");
    let again = db.write(|tx| tx.exec("CREATE TABLE one (id BIGINT PRIMARY KEY)", &[]));
    again.await.expect("nothing of it was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_waits_while_another_one_brings_the_schema_up_to_date() {
    let place = Place::new(On::Postgres).await;
    let other = Db::open_as_it_is(&place.url, ConnectOptions::default()).expect("opened");
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let migrating = other.write(|tx| {
        tx.query("SELECT 1 FROM (SELECT pg_advisory_xact_lock(8026014)) AS locked", &[])?;
        let _ = begun.send(());
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    });
    let opening = async {
        has_begun.await.expect("begun");
        Db::open(&place.url, impatient()).await.expect("it waited")
    };
    let (migrated, db) = tokio::join!(migrating, opening);
    migrated.expect("it ended");
    assert_eq!(
        db.version().await.expect("asked"),
        tenantry_foundation::db::SCHEMA_VERSION
    );
}
