//! Copies that are planned, killed, paused or cancelled, and stores that cannot be copied from.

use std::process::{Command, Stdio};

use tenantry_ledger::JobState;

use super::{EVERYTHING, assert_sound, content, fill, message, mirror, sync};
use crate::place::tables::Disturbance;
use crate::place::{On, Place, Work, apply, by, column, on_both, tables};

async fn last(place: &Place) -> String {
    tables::newest(&place.ledger().await).await.id.to_string()
}

fn command(place: &Place, mirror: &Place, args: &[&str]) -> Command {
    let mut command = place.hurried(args);
    command.env("TENANTRY__STORES__MIRROR__URL", &mirror.url);
    command
}

on_both! {
    async fn killed_between_pages_it_goes_on_where_it_was(place: Place) {
        let (other, mirror, _) = mirror(&place).await;
        fill(&mirror).await;
        place.write("all.csv", EVERYTHING);
        for page in ["1", "2", "3", "4"] {
            apply(&mirror, "update-account", &format!("customer,tags\nCRM-1003,page{page}\n")).await;
            let place = if page == "1" { &place } else { &Place::new(On::Sqlite).await };
            place.write("all.csv", EVERYTHING);
            let killed = command(place, &other, &["run", "sync-customers", "all.csv"])
                .env("TENANTRY_FAILPOINT", format!("after-page@{page}"))
                .stderr(Stdio::null())
                .status()
                .expect("tenantry starts");
            assert_eq!(killed.code(), None);
            let here = place.ledger().await;
            let half = tables::copying(&here).await;
            assert!(!half[0].contains("\"step\":\"customers\""), "{half:?}");
            let drained = command(place, &other, &["worker", "--drain"]).stderr(Stdio::null()).status();
            assert_eq!(drained.expect("tenantry starts").code(), Some(0));
            assert_eq!(content(&here).await, content(&mirror).await);
            assert_sound(&here).await;
            let said = tables::messages(&here, "applied").await;
            assert_eq!(said, ["customers: 6 new; seats: 13 new; users: 25 new; subscriptions: 16 new"]);
            assert_eq!(tables::copying(&here).await, Vec::<String>::new());
        }
    }

    async fn a_copy_keeps_to_its_plan(place: Place) {
        let (other, mirror, _) = mirror(&place).await;
        fill(&mirror).await;
        place.write("all.csv", EVERYTHING);
        let tenantry = |args: &[&str]| crate::place::Run::from(command(&place, &other, args).output().expect("tenantry starts"));
        let plan = tenantry(&["plan", "sync-customers", "all.csv", "--out", "plan.json"]).ends(0);
        assert!(plan.out.contains("users: \"\" → \"25 new\""), "{}", plan.out);
        assert_eq!(column(place.ledger().await.db(), "SELECT domain FROM customers").await, Vec::<String>::new());
        // As many changes, but others.
        apply(&mirror, "update-account", "customer,tags\nCRM-1003,changed\n").await;
        let drifted = tenantry(&["apply", "plan.json"]).ends(1);
        assert!(drifted.out.contains("1 rejected"), "{}", drifted.out);
        tenantry(&["plan", "sync-customers", "all.csv", "--out", "plan.json"]).ends(0);
        tenantry(&["apply", "plan.json"]).ends(0);
        assert_eq!(content(&place.ledger().await).await, content(&mirror).await);
        let refused = tenantry(&["undo", &last(&place).await]).ends(2);
        assert!(refused.err.contains("nothing of its own to undo"), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_copied_from_is_named() {
    let place = Place::new(On::Sqlite).await;
    let ledger = place.ledger().await;
    drop(ledger);
    place.write("all.csv", "from\nmirrow\n");
    let run = |url: &str| {
        let mut command = place.command(&["run", "sync-customers", "all.csv"]);
        command.env("TENANTRY__STORES__MIRROR__URL", url);
        crate::place::Run::from(command.output().expect("tenantry starts"))
    };
    let unknown = run("sqlite:elsewhere.db").ends(2);
    assert!(
        unknown.out.contains("did you mean `mirror`? [unknown-store]"),
        "{unknown:?}"
    );
    place.write("all.csv", EVERYTHING);
    let own = run(&place.url).ends(2);
    assert!(format!("{own:?}").contains("the ledger's own"), "{own:?}");
    let gone = run("sqlite:elsewhere.db").ends(2);
    assert!(
        gone.err.contains(&format!(
            "store `mirror`: there is no file {}",
            place.path("elsewhere.db").display()
        )),
        "{gone:?}"
    );
    let bad = run("mysql://x").ends(2);
    assert!(bad.err.contains("`stores.mirror.url`"), "{bad:?}");
    let nobody = run("postgres://ada:S3cret@127.0.0.1:1/none").ends(2);
    assert!(!format!("{nobody:?}").contains("S3cret"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_paused_and_cancelled_between_pages() {
    let place = Place::new(On::Sqlite).await;
    let (_other, mirror, stores) = mirror(&place).await;
    fill(&mirror).await;
    let here = place.ledger().await;
    tables::disturb_copy(&here, Disturbance::Paused).await;
    let paused = sync(&here, &stores, EVERYTHING).await;
    assert_eq!(paused.state, JobState::Paused);
    assert_eq!(column(here.db(), "SELECT domain FROM customers").await.len(), 6);
    assert_eq!(
        column(here.db(), "SELECT part_number FROM subscribed_skus").await.len(),
        0
    );
    tables::calm_copies(&here).await;
    here.resume(&paused, &by("tester"))
        .await
        .expect("asked")
        .done()
        .expect("resumed");
    let done = Work::on(&here, &paused).stores(&stores).until_idle().await;
    assert_eq!(
        message(&here, &done).await,
        "customers: 6 new; seats: 13 new; users: 25 new; subscriptions: 16 new"
    );
    assert_eq!(content(&here).await, content(&mirror).await);

    apply(&mirror, "update-account", "customer,tags\nCRM-1003,again\n").await;
    tables::disturb_copy(&here, Disturbance::Cancelled).await;
    let cancelled = sync(&here, &stores, EVERYTHING).await;
    assert_eq!((cancelled.state, cancelled.counts.cancelled), (JobState::Cancelled, 1));
    tables::calm_copies(&here).await;
    assert_eq!(content(&here).await, content(&mirror).await, "what was copied stays");
}
