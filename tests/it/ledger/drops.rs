//! Files of drop folders, many at a time.

use tenantry_foundation::clock::Clock;
use tenantry_ledger::Ledger;
use tenantry_ledger::drops::{DropChange, DropState, FileSeen, FolderHold, NewDrop};

use crate::place::{On, Place, on_both};

async fn held(ledger: &Ledger) -> FolderHold {
    let id = ledger.register_folder("users", "/srv/users").await.expect("recorded");
    let held = ledger.hold_folder(&id, "/srv/users", "one", 60_000).await;
    held.expect("asked").expect("nobody else holds it")
}

fn about_to_be_taken(file: &str) -> NewDrop {
    let id = Clock::system().fresh_id().to_string();
    NewDrop {
        place: format!("working/{id}-1"),
        id,
        name: file.to_owned(),
        file: file.as_bytes().to_vec(),
        seen: FileSeen::default(),
        owner: None,
        state: DropState::Taking,
        stays: None,
    }
}

on_both! {
    /// The first one is taken, and not handed in yet; its row says no more than that it was about to be moved.
    async fn one_more_of_the_same_name_is_taken_before_the_first_has_a_job(place: Place) {
        let ledger = place.ledger().await;
        let hold = held(&ledger).await;
        for _ in 0..2 {
            let new = vec![about_to_be_taken("users.csv")];
            ledger.record_drops(&hold, new, Vec::new()).await.expect("recorded");
        }
        assert_eq!(ledger.open_count(&hold.folder).await.expect("asked"), 2);
    }

    async fn those_that_are_being_put_away_are_passed_over_and_no_others(place: Place) {
        let ledger = place.ledger().await;
        let hold = held(&ledger).await;
        let new = (0..5).map(|n| about_to_be_taken(&format!("{n}.csv"))).collect();
        let seqs = ledger.record_drops(&hold, new, Vec::new()).await.expect("recorded");
        // As if one job were that of all of them.
        let linked = ledger.db().write({
            let seqs = seqs.clone();
            let id = Clock::system().fresh_id().to_string();
            move |tx| {
                tx.exec(
                    "INSERT INTO jobs (seq, id, kind, parameters, state, input, submitted_by, created_at, finished_at)
                     VALUES (1, $1, 'k', '{}', 'completed', 1, 'x', 0, 0)",
                    &[id.into()],
                )?;
                let sets: Vec<_> = seqs.iter().map(|seq| vec![(*seq).into()]).collect();
                tx.exec_all("UPDATE drops SET job = 1, state = 'submitted' WHERE seq = $1", &sets)
            }
        });
        linked.await.expect("linked");
        let numbers = async |besides| {
            let settled = ledger.settled_drops(&hold.folder, besides, 3).await.expect("asked");
            settled.into_iter().map(|drop| drop.seq).collect::<Vec<i64>>()
        };
        assert_eq!(numbers(None).await, seqs[..3]);
        assert_eq!(numbers(Some((seqs[1], seqs[3]))).await, [seqs[0], seqs[4]]);
    }
}

/// The index of open files fits what is asked, and would have all of them gone through for each one.
#[tokio::test(flavor = "multi_thread")]
async fn files_change_by_their_numbers_however_many_are_open() {
    const OPEN: usize = 1_000;
    let place = Place::new(On::Postgres).await;
    let ledger = place.ledger().await;
    let hold = held(&ledger).await;
    let new = (0..OPEN).map(|n| about_to_be_taken(&format!("{n}.csv"))).collect();
    let seqs = ledger.record_drops(&hold, new, Vec::new()).await.expect("recorded");
    for some in seqs.chunks(100) {
        let changes = some.iter().map(|seq| DropChange::to(*seq, DropState::Taken)).collect();
        ledger.change_drops(&hold, changes, Vec::new()).await.expect("changed");
    }
    // What a connection has counted is told at its end.
    ledger.close().await;
    let client = crate::servers::connect(&place.url).await.expect("a connection");
    let read = crate::servers::eventually("the server to have counted", async || {
        let counted = "SELECT t.n_tup_upd, i.idx_tup_read FROM pg_stat_user_tables t, pg_stat_user_indexes i
             WHERE t.relname = 'drops' AND i.relid = t.relid AND i.indexrelname = 'drops_open'";
        let row = client.query_one(counted, &[]).await.expect("asked");
        (row.get::<_, i64>(0) == OPEN as i64).then(|| row.get::<_, i64>(1))
    })
    .await;
    assert_eq!(read, 0, "open files were gone through to change {OPEN}");
}

on_both! {
    /// A worker does not trust the database about where on its machine files lie.
    async fn a_dropped_file_that_lies_in_no_folder_is_damaged(place: Place) {
        let ledger = place.ledger().await;
        let hold = held(&ledger).await;
        let new = about_to_be_taken("users.csv");
        let (id, at) = (new.id.clone(), new.place.clone());
        ledger.record_drops(&hold, vec![new], Vec::new()).await.expect("recorded");
        for (column, value, said) in [
            ("place", "/etc", "in no folder"),
            ("place", "", "in no folder"),
            ("place", "in", "in no folder"),
            ("place", "working", "in no folder"),
            ("place", "working/../in", "in no folder"),
            ("place", "elsewhere/x", "in no folder"),
            ("dest", "../x", "in no folder"),
            ("dest", "done/../../x", "in no folder"),
            ("file", "/etc/passwd", "no name of one"),
            ("file", "../working/x", "no name of one"),
            ("id", "../../x", "which is none"),
            ("id", "", "which is none"),
        ] {
            let set = async |value: Option<String>| {
                let sql = format!("UPDATE drops SET {column} = $1");
                let value = match (column, value) {
                    ("file", value) => value.unwrap_or_else(|| "users.csv".to_owned()).into_bytes().into(),
                    (_, Some(value)) => value.into(),
                    ("place", None) => at.clone().into(),
                    ("id", None) => id.clone().into(),
                    _ => tenantry_foundation::db::Value::Null,
                };
                ledger.db().write(move |tx| tx.exec(&sql, &[value])).await.expect("written");
            };
            set(Some(value.to_owned())).await;
            let read = ledger.open_drops(&hold.folder, 0, 10).await;
            assert!(matches!(&read, Err(error) if error.to_string().contains(said)), "{column} {value}: {read:?}");
            set(None).await;
            assert_eq!(ledger.open_drops(&hold.folder, 0, 10).await.expect("sound").len(), 1, "{column}");
        }
    }
}
