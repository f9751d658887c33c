//! Workers are killed between fire, file, job and end, and many of them look at many schedules at once: each due time is one fire and
//! each fire one job. `TENANTRY_SCHEDULES` and `TENANTRY_SCHEDULE_MINUTES` make the second one longer.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::invariants::violations;
use crate::place::on_both;

/// Every place between a due time and its end at which a worker can die.
const PLACES: [&str; 9] = [
    "before-fire",
    "after-fire",
    "after-fire-lease",
    "after-file",
    "before-submission",
    "planning",
    "after-record",
    "after-submission",
    "before-fire-ends",
];

#[expect(clippy::disallowed_methods, reason = "the rule is for the program")]
fn number(name: &str, usual: usize) -> usize {
    let said = std::env::var(name).ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

async fn jobs(clocked: &Clocked) -> Vec<String> {
    crate::place::column(clocked.ledger().await.db(), "SELECT id FROM jobs ORDER BY seq").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_anywhere_leaves_one_job_for_each_due_time() {
    for place in PLACES {
        let clocked = Clocked::new(On::Sqlite, &export("s", "every = \"1h\"")).await;
        clocked.set_near(HOUR, 5 * SECOND);
        clocked.drain();
        clocked.set(clocked.ahead() + HOUR);
        // Twice in a row.
        for _ in 0..2 {
            let mut died = clocked.worker_dying_at(place);
            let status = died.0.wait().expect("it ends");
            let second_time = status.code().is_some();
            assert!(!second_time, "`{place}` was not come by");
            // What it died over is behind it.
            if matches!(place, "after-fire" | "after-record" | "after-submission") {
                break;
            }
        }
        clocked.drain();
        let fires = clocked.fires("s").await;
        assert_eq!(told(&fires), [("ended", "", 1)], "{place}");
        assert_eq!(
            jobs(&clocked).await,
            [fires[0].job.expect("a job").to_string()],
            "{place}"
        );
        assert_eq!(
            violations(clocked.ledger().await.db()).await,
            Vec::<String>::new(),
            "{place}"
        );
    }
}

on_both! {
    async fn many_workers_and_schedules_of_one_minute_leave_no_gap_and_no_double(place: Place) {
        let (schedules, minutes) = (number("TENANTRY_SCHEDULES", 40), number("TENANTRY_SCHEDULE_MINUTES", 3));
        let names: Vec<String> = (0..schedules).map(|n| format!("s{n}")).collect();
        let sections: String = names.iter().map(|name| {
            let timing = "cron = \"* * * * *\"\nmissed = \"all\"\noverlap = \"wait\"".to_string();
            export(name, &timing).replace("customers\" }", &format!("customers\", name = \"{name}\" }}"))
        }).collect();
        let clocked = Clocked::on(place, &sections);
        clocked.set_near(MINUTE, 2 * SECOND);
        clocked.drain();
        let first = clocked.now();
        let mut workers: Vec<Running> = (0..3).map(|_| clocked.worker()).collect();
        for minute in 0..minutes {
            clocked.set_near(MINUTE, -SECOND / 2);
            // One of them is killed in the middle of it, and another one comes.
            let nth = minute % workers.len();
            let expected = (minute + 1) * schedules;
            eventually("half of the fires of a minute", async || {
                let all = jobs(&clocked).await.len();
                (all * 2 >= expected).then_some(())
            }).await;
            workers[nth].kill();
            workers[nth] = clocked.worker();
            eventually("all fires of a minute to end", async || {
                let open = clocked.ledger().await.open_fires().await.ok()?;
                let all = jobs(&clocked).await.len();
                (open.is_empty() && all >= expected).then_some(())
            }).await;
        }
        for worker in &mut workers {
            assert_eq!(worker.stop(), Some(0));
        }
        // What has become due by now is done before the count.
        let last = clocked.now();
        clocked.drain();
        let mut made = BTreeMap::new();
        for name in &names {
            let fires = clocked.fires(name).await;
            let times: Vec<i64> = fires.iter().map(|fire| fire.due).collect();
            let expected: Vec<i64> = (first / MINUTE + 1..=last / MINUTE).map(|minute| minute * MINUTE).collect();
            assert_eq!(times[..expected.len().min(times.len())], expected[..], "{name}: no gap and no double");
            for fire in fires.iter().filter(|fire| fire.due <= last) {
                assert_eq!(fire.state.as_str(), "ended", "{name}");
                assert!(made.insert(fire.job.expect("a job").to_string(), name.clone()).is_none(), "a job of two fires");
            }
        }
        let all: BTreeSet<String> = jobs(&clocked).await.into_iter().collect();
        assert!(made.keys().all(|job| all.contains(job)));
        assert_eq!(violations(clocked.ledger().await.db()).await, Vec::<String>::new());
    }
}
