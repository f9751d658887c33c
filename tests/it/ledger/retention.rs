//! Jobs that ended long ago are removed, whole, and what is left of them piece by piece.

use std::collections::HashSet;
use std::process::Stdio;

use tenantry_foundation::db::Value;
use tenantry_ledger::{JobLookup, Ledger, LookedThrough};

use super::{queued, users};
use crate::invariants::violations_at_work;
use crate::place::{On, Place, Running, TestJob, Work, apply, by, on_both};
use crate::servers::eventually;

/// What belongs to one job or input, everywhere: the numbers that are named.
async fn left(ledger: &Ledger) -> (HashSet<i64>, HashSet<i64>) {
    let found = ledger.db().read(|tx| {
        let mut all = (HashSet::new(), HashSet::new());
        for table in [
            "chunks",
            "row_outcomes",
            "waiting_rows",
            "before_images",
            "sealed_passwords",
            "artifacts",
            "artifact_blocks",
            "intents",
            "copying",
            "plan_parts",
            "replies",
            "removals",
        ] {
            for row in tx.query(&format!("SELECT DISTINCT job FROM {table}"), &[])? {
                all.0.insert(row.int(0)?);
            }
        }
        for row in tx.query("SELECT input FROM spool UNION SELECT id FROM inputs", &[])? {
            all.1.insert(row.int(0)?);
        }
        Ok(all)
    });
    found.await.expect("asked")
}

/// Looks through all jobs once, and sees to it that the ledger is sound after every step.
async fn remove(ledger: &Ledger) {
    let mut through = LookedThrough::default();
    while ledger.remove_jobs(-1000, &mut through).await.expect("removed") {
        assert_eq!(violations_at_work(ledger.db()).await, Vec::<String>::new());
    }
    while {
        assert_eq!(violations_at_work(ledger.db()).await, Vec::<String>::new());
        ledger.clear_removed().await.expect("cleared")
    } {}
    while ledger.give_room_back().await.expect("given back") {}
}

on_both! {
    async fn jobs_are_removed_with_all_they_have_and_the_audit_record_stays(place: Place) {
        let ledger = place.ledger().await;
        let made = queued(&ledger, 30).await;
        let made = Work::on(&ledger, &made).until_idle().await;
        let changed = apply(&ledger, "update-users", "customer,user_principal_name,department\nA-1,user3@alpha.onmicrosoft.com,Sales\nA-1,nobody@alpha.onmicrosoft.com,Sales\n").await;
        place.tenantry(&["undo", &changed.id.to_string()]).ends(0);
        let _open = TestJob::new(&ledger, "bulk-add-users", &users(40)).chunks(10).submit().await;
        while ledger.prune_spool(-1000).await.expect("pruned").is_more {}

        // Nothing is due yet.
        let mut through = LookedThrough::default();
        while ledger.remove_jobs(3_600_000, &mut through).await.expect("asked") {}
        assert!(ledger.job(made.id).await.expect("asked").is_some());

        remove(&ledger).await;
        assert!(ledger.job(made.id).await.expect("asked").is_none());
        assert!(ledger.job(changed.id).await.expect("asked").is_some(), "what undid it is still there");
        remove(&ledger).await;
        assert!(ledger.job(changed.id).await.expect("asked").is_none());
        let rest = ledger.jobs(tenantry_ledger::JobFilter { limit: 10, ..Default::default() }).await.expect("asked");
        let [rest] = rest.as_slice() else { panic!("only the open job: {rest:?}") };
        assert_eq!(left(&ledger).await, (HashSet::from([rest.seq]), HashSet::from([rest.input])));
        let rest = Work::on(&ledger, rest).until_idle().await;
        assert_eq!((rest.counts.applied, rest.counts.unchanged), (10, 30), "what the jobs made is there");

        let found = ledger.find_job(&made.id.to_string()).await.expect("asked");
        assert!(matches!(found, JobLookup::Removed(id) if id == made.id), "{found:?}");
        let shown = place.tenantry(&["show", &made.id.to_string()]).ends(2);
        assert!(shown.err.contains("was removed (`retention.jobs`)"), "{shown:?}");
        let log = place.tenantry(&["audit", "log", "--job", &made.id.to_string()]).ends(0);
        assert!(log.out.contains("applied"), "{log:?}");
        place.tenantry(&["audit", "verify"]).ends(0);
        let log = place.tenantry(&["audit", "log"]).ends(0).out;
        let lots: Vec<&str> = log.lines().filter(|line| line.contains("pruned")).collect();
        assert!(lots.len() == 2 && lots[1].contains("3 jobs that ended before "), "{lots:?}");
        assert!(lots[0].contains("1 job that ended before ") && lots[0].contains(&changed.id.to_string()), "{lots:?}");
    }

    async fn records_of_a_large_job_are_removed_some_rows_at_a_time(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 10).await;
        ledger.cancel(job.seq, &by("tester")).await.expect("cancelled");
        while ledger.prune_spool(-1000).await.expect("pruned").is_more {}
        let mut through = LookedThrough::default();
        while ledger.remove_jobs(-1000, &mut through).await.expect("removed") {}
        let seq = job.seq;
        let rows: Vec<Vec<Value>> = (100..25_100).map(|row: i64| vec![seq.into(), row.into()]).collect();
        ledger.db().write(move |tx| {
            tx.exec_all("INSERT INTO row_outcomes (job, row, outcome) VALUES ($1, $2, 'unchanged')", &rows)?;
            tx.exec("UPDATE removals SET rows = 25100 WHERE job = $1", &[seq.into()])
        }).await.expect("grown");
        let count = || async {
            let rows = ledger.db().read(|tx| tx.query_first("SELECT COUNT(*) FROM row_outcomes", &[])).await;
            rows.expect("asked").expect("a row").int(0).expect("a number")
        };
        let mut counts = Vec::new();
        while ledger.clear_removed().await.expect("cleared") {
            counts.push(count().await);
        }
        assert!(counts.windows(2).all(|pair| pair[0] - pair[1] <= 10_000), "{counts:?}");
        assert!(counts.len() > 3 && counts.last() == Some(&0), "{counts:?}");
        assert_eq!(left(&ledger).await, Default::default());
    }

    async fn workers_that_remove_at_once_remove_each_job_once(place: Place) {
        let ledger = place.ledger().await;
        for rows in 1..=6 {
            let job = queued(&ledger, rows).await;
            ledger.cancel(job.seq, &by("tester")).await.expect("cancelled");
        }
        while ledger.prune_spool(-1000).await.expect("pruned").is_more {}
        let all = ledger.jobs(tenantry_ledger::JobFilter { limit: 100, ..Default::default() }).await.expect("asked").len();
        let workers = (0..4).map(|_| async {
            let mut through = LookedThrough::default();
            while ledger.remove_jobs(-1000, &mut through).await.expect("removed") {}
            while ledger.clear_removed().await.expect("cleared") {}
        });
        futures::future::join_all(workers).await;
        assert!(ledger.jobs(tenantry_ledger::JobFilter { limit: 100, ..Default::default() }).await.expect("asked").is_empty());
        let log = place.tenantry(&["audit", "log"]).ends(0).out;
        let lots: Vec<&str> = log.lines().filter(|line| line.contains("pruned")).collect();
        assert!(lots.len() == 1 && lots[0].contains(&format!("{all} jobs that ended before ")), "{lots:?}");
        assert_eq!(violations_at_work(ledger.db()).await, Vec::<String>::new());
        assert_eq!(left(&ledger).await, Default::default());
    }

    async fn a_worker_killed_while_removing_has_removed_whole_jobs_and_is_followed(place: Place) {
        let ledger = place.ledger().await;
        for rows in 1..=4 {
            let job = queued(&ledger, rows).await;
            ledger.cancel(job.seq, &by("tester")).await.expect("cancelled");
        }
        while ledger.prune_spool(-1000).await.expect("pruned").is_more {}
        let filter = || tenantry_ledger::JobFilter { limit: 100, ..Default::default() };
        let all = ledger.jobs(filter()).await.expect("asked").len();
        // Of three years ago.
        let older = "UPDATE jobs SET created_at = created_at - 100000000000, finished_at = finished_at - 100000000000";
        ledger.db().write(|tx| tx.exec(older, &[]).map(drop)).await.expect("older");
        let worker = |failpoint: &str| {
            let mut command = place.hurried(&["worker"]);
            command.env("TENANTRY_FAILPOINT", failpoint).stdout(Stdio::null()).stderr(Stdio::null());
            Running(command.spawn().expect("tenantry starts"))
        };
        for (failpoint, jobs) in [("removing", all), ("removed", 0), ("clearing", 0), ("cleared", 0)] {
            let mut dying = worker(failpoint);
            eventually("the worker to die", async || dying.0.try_wait().expect("asked")).await;
            assert_eq!(ledger.jobs(filter()).await.expect("asked").len(), jobs, "{failpoint}");
            assert_eq!(violations_at_work(ledger.db()).await, Vec::<String>::new(), "{failpoint}");
            assert_eq!(left(&ledger).await == Default::default(), failpoint == "cleared", "{failpoint}");
        }
        let log = place.tenantry(&["audit", "log"]).ends(0).out;
        let lots: Vec<&str> = log.lines().filter(|line| line.contains("pruned")).collect();
        assert!(lots.len() == 1 && lots[0].contains(&format!("{all} jobs that ended before ")), "{lots:?}");
        place.tenantry(&["audit", "verify"]).ends(0);
    }

    async fn drops_and_fires_go_after_their_jobs_but_for_those_that_others_are_held_against(place: Place) {
        let ledger = place.ledger().await;
        let job = queued(&ledger, 3).await;
        let open = queued(&ledger, 40).await;
        ledger.cancel(job.seq, &by("tester")).await.expect("cancelled");
        let ago = ledger.clock().now_millis() - 10_000;
        let drops = [
            // Its job, where it lies as what, and whether it has ended.
            ("of-a-removed-job", Some(job.seq), None, Some(ago)),
            ("of-an-open-job", Some(open.seq), None, None),
            ("refused", None, None, Some(ago)),
            ("on-its-way", None, None, None),
            ("left-before", None, Some("a.csv"), Some(ago)),
            ("left-newest", None, Some("a.csv"), Some(ago)),
        ];
        let fires = [
            // Its job, its state, the hash of its file, where its results are, and whether it has ended.
            ("run", Some(job.seq), "ended", Some("x"), None, Some(ago)),
            ("with-results", None, "ended", None, Some("/out"), Some(ago)),
            ("passed-over", None, "skipped", None, None, Some(ago)),
            ("last-with-a-file", None, "ended", Some("y"), None, Some(ago)),
            ("last-run", None, "failed", None, None, Some(ago)),
            ("due", None, "due", None, None, None),
        ];
        ledger.db().write(move |tx| {
            for (id, job, stays, ended) in drops {
                let file = stays.unwrap_or(id).as_bytes().to_vec();
                let values: Vec<Value> = vec![id.into(), job.into(), stays.into(), ended.into(), file.into(), ago.into()];
                tx.exec(
                    "INSERT INTO drops (id, folder, name, state, fence, job, stays, ended_at, file, seen_at)
                     VALUES ($1, 'f', 'a.csv', 'archived', 1, $2, $3, $4, $5, $6)",
                    &values,
                )?;
            }
            for (nominal, job, state, sha256, out, ended) in fires {
                let values: Vec<Value> =
                    vec![nominal.into(), job.into(), state.into(), sha256.into(), out.into(), ended.into(), ago.into()];
                tx.exec(
                    "INSERT INTO fires (schedule, revision, nominal, attempt, part, due, starts, look_at, cause, state, times, fence, job,
                       sha256, out_path, ended_at, made_at)
                     VALUES ('s', 1, $1, 1, 0, $7, $7, $7, 'due', $3, 1, 1, $2, $4, $5, $6, $7)",
                    &values,
                )?;
            }
            Ok(())
        }).await.expect("recorded");
        let there = || async {
            let found = ledger.db().read(|tx| {
                let rows = tx.query("SELECT id FROM drops UNION ALL SELECT nominal FROM fires", &[])?;
                rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect::<Result<HashSet<String>, _>>()
            });
            found.await.expect("asked")
        };
        while ledger.prune_spool(-1000).await.expect("pruned").is_more {}

        let mut through = LookedThrough::default();
        while ledger.remove_brought(3_600_000, &mut through).await.expect("asked") {}
        assert_eq!(there().await.len(), 12, "nothing is due yet");

        let mut through = LookedThrough::default();
        while ledger.remove_brought(-1000, &mut through).await.expect("removed") {}
        assert!(there().await.is_superset(&["of-a-removed-job", "run"].map(str::to_owned).into()), "their job is there still");

        let mut through = LookedThrough::default();
        while ledger.remove_jobs(-1000, &mut through).await.expect("removed") {}
        let workers = (0..3).map(|_| async {
            let mut through = LookedThrough::default();
            while ledger.remove_brought(-1000, &mut through).await.expect("removed") {}
        });
        futures::future::join_all(workers).await;
        let stay = ["of-an-open-job", "on-its-way", "left-newest", "with-results", "last-with-a-file", "last-run", "due"];
        assert_eq!(there().await, stay.map(str::to_owned).into());
        let log = place.tenantry(&["audit", "log"]).ends(0).out;
        let told = |what: &str| log.lines().filter(|line| line.contains("pruned") && line.contains(what)).count();
        assert_eq!((told("of dropped files") + told("of a dropped file"), told("due time")), (2, 2), "{log}");
    }
}
