//! The contract of a transaction, the same on every database: one statement for many rows does what one for each does.

use tenantry_foundation::db::{Tx, Value};

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

const INSERT: &str = "INSERT INTO TABLE (id, text, number) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const INSERT_ALL: &str = "INSERT INTO TABLE (id, text, number) VALUES ($1, $2, COALESCE(CAST($3 AS BIGINT), 7))";
const UPDATE: &str =
    "UPDATE TABLE SET text = $2, number = CASE WHEN number = $3 THEN number ELSE COALESCE(CAST($3 AS BIGINT), 0) + 1 END
    WHERE id = $1 AND (number IS NULL OR number <> 8000000056)";
const MOVE: &str = "INSERT INTO TABLE (id, text, number) SELECT id + 1000000, $2, $3 FROM TABLE WHERE id = $1";
const DELETE: &str = "DELETE FROM TABLE WHERE id = $1";

on_both! {
    async fn one_statement_for_many_rows_does_what_one_for_each_does(place: Place) {
        let ledger = place.ledger().await;
        ledger.db().write(|tx| {
            for table in ["one", "many"] {
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
                    assert_eq!(held(tx, "many"), held(tx, "one"), "{count}: {statement}");
                }
                for table in ["one", "many"] {
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
        assert!(matches!(refused, Err(tenantry_foundation::db::DbError::Conflict(_))), "{refused:?}");
    }
}
