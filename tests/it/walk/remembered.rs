//! Limits that remember: many small jobs of a day meet them as one large job does, whichever process records them and when.

use tenantry::testing::plan::Limits;
use tenantry::testing::queue::Queue;
use tenantry::testing::submit::{Rules, Submitted};
use tenantry::testing::undo::UndoRequest;
use tenantry_foundation::clock::Clock;
use tenantry_ledger::{Actor, Job, JobState, Ledger};
use tenantry_store::Stores;
use tokio::task::JoinSet;

use super::limits::{limits, resets, users};
use crate::place::{CUSTOMERS, On, Place, TestJob, Work, apply, by, on_both, tables};

/// 2027-01-15, 08:00 UTC.
const START: i64 = 1_800_000_000_000;
const HOUR: i64 = 60 * 60 * 1000;

/// A ledger with a customer of 100 users.
async fn with_users(place: &Place, clock: &Clock) -> Ledger {
    let ledger = place.ledger_at(clock).await;
    apply(&ledger, "add-customer", CUSTOMERS).await;
    apply(&ledger, "bulk-add-users", &users(0..100)).await;
    ledger
}

/// Why a job waits for approval; nothing if it does not, and then it is carried out.
async fn waits(ledger: &Ledger, kind: &str, csv: &str, limits: Limits) -> Vec<String> {
    let rules = Rules { chunk_rows: 5, limits };
    let (id, is_waiting) = match TestJob::new(ledger, kind, csv).rules(rules).submit().await {
        Submitted::Queued(id) => (id, false),
        Submitted::AwaitingApproval(id) => (id, true),
        _ => panic!("neither queued nor waiting"),
    };
    let job = ledger.job(id).await.expect("asked").expect("there");
    let job = Work::on(ledger, &job).until_idle().await;
    let expected = if is_waiting {
        JobState::AwaitingApproval
    } else {
        JobState::Completed
    };
    assert_eq!((job.state, job.gate.is_empty()), (expected, !is_waiting));
    job.gate
}

/// An undo that an actor submits, carried out.
async fn undone(ledger: &Ledger, job: &Job, limits: &Limits, by: &Actor) -> Job {
    let request = UndoRequest {
        ledger,
        stores: &Stores::default(),
        limits,
        job,
    };
    let id = request.submit(&Queue::embedded(), by).await.expect("an undo").job;
    let undo = ledger.job(id).await.expect("asked").expect("there");
    Work::on(ledger, &undo).until_idle().await
}

on_both! {
    async fn small_jobs_of_a_day_come_to_a_large_one(place: Place) {
        let clock = Clock::held(START);
        let ledger = with_users(&place, &clock).await;
        // As the policy usually is: 20 of 100.
        let usual = limits(&[]);
        let mut gates = Vec::new();
        for nine in 0..11 {
            gates.push(waits(&ledger, "reset-passwords", &resets(nine * 9..nine * 9 + 9), usual).await);
        }
        assert_eq!(gates.iter().filter(|gate| gate.is_empty()).count(), 2, "{gates:?}");
        assert_eq!(gates[2], ["9 of the 100 users of alpha.onmicrosoft.com and 18 earlier today, together more than 20 %"]);
        // What fits still goes, another kind meets the same limit, and so does a submitter with another name.
        assert!(waits(&ledger, "reset-passwords", &resets(99..100), usual).await.is_empty());
        let title = "customer,user_principal_name,job_title\nA-1,user50@alpha.onmicrosoft.com,Boss\n";
        assert!(waits(&ledger, "update-users", title, usual).await.is_empty());
        let more = title.replace("user50", "user51");
        let one = ["1 of the 100 users of alpha.onmicrosoft.com and 20 earlier today, together more than 20 %"];
        assert_eq!(waits(&ledger, "update-users", &more, usual).await, one);
        // A counter that was set back is found.
        for (sql, faults) in [
            ("UPDATE allowances SET used = used - 1", &["jobs took 20 touched-users of customer"][..]),
            ("UPDATE allowances SET used = used + 2", &[]),
            ("DELETE FROM allowances", &["jobs took 20 touched-users of customer"]),
            ("INSERT INTO allowances (day, what, whose, used) SELECT 20833, 'touched-users', 'customer ' || id, 20 FROM customers", &[]),
        ] {
            ledger.db().write(move |tx| tx.exec(sql, &[])).await.expect("written");
            let found = ledger.verify_deep().await.expect("held against the record").faults;
            assert_eq!(found.len(), faults.len(), "{sql}: {found:?}");
            assert!(found.iter().zip(faults).all(|(fault, said)| fault.what.starts_with(said)), "{found:?}");
        }
        // Another day is another day.
        clock.advance(15 * HOUR);
        assert_eq!(waits(&ledger, "update-users", &more.replace("Boss", "Chief"), usual).await.len(), 1, "it is 23:00");
        clock.advance(HOUR);
        assert!(waits(&ledger, "update-users", &more.replace("Boss", "Head"), usual).await.is_empty());
        // New users are no share of those there are.
        assert!(waits(&ledger, "bulk-add-users", &users(100..160), usual).await.is_empty());
        // Counters of days that are long over go.
        clock.advance(8 * 24 * HOUR);
        let forgotten = ledger.forget_allowances().await.expect("asked");
        assert!(forgotten >= 1, "{forgotten}");
    }

    async fn a_small_customer_has_no_share_that_is_too_large(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", CUSTOMERS).await;
        apply(&ledger, "bulk-add-users", &users(0..9)).await;
        let title = |n: usize| format!("customer,user_principal_name,job_title\nA-1,user0@alpha.onmicrosoft.com,Boss {n}\n");
        for n in 0..12 {
            assert!(waits(&ledger, "update-users", &title(n), limits(&[])).await.is_empty());
        }
    }

    async fn submitters_at_the_same_moment_do_not_slip_under_a_limit_together(place: Place) {
        let ledger = with_users(&place, &Clock::system()).await;
        let mut jobs = JoinSet::new();
        for five in 0..12 {
            let ledger = ledger.clone();
            jobs.spawn(async move {
                let csv = resets(five * 5..five * 5 + 5);
                let rules = Rules { chunk_rows: if five % 2 == 0 { 5 } else { 2 }, limits: limits(&[]) };
                matches!(TestJob::new(&ledger, "reset-passwords", &csv).rules(rules).submit().await, Submitted::Queued(_))
            });
        }
        let queued = jobs.join_all().await.into_iter().filter(|is_queued| *is_queued).count();
        assert_eq!(queued, 4, "of 100 users 20 may be touched");
        place.tenantry(&["audit", "verify", "--deep"]).ends(0);
    }

    async fn destructive_rows_are_counted_per_submitter(place: Place) {
        let ledger = with_users(&place, &Clock::system()).await;
        let mut made = Vec::new();
        for three in 0..3 {
            made.push(apply(&ledger, "bulk-add-users", &users(200 + three * 3..203 + three * 3)).await);
        }
        let five = limits(&[("destructive_rows", 5)]);
        assert!(undone(&ledger, &made[0], &five, &by("anna")).await.gate.is_empty());
        // Another name at the same place is nobody else.
        let undo = undone(&ledger, &made[1], &five, &by("ben")).await;
        assert_eq!(undo.gate, ["3 destructive rows and 3 of `cli` earlier today, together more than 5"]);
        let elsewhere = by("anna").from_account("anna@elsewhere".to_owned());
        assert!(undone(&ledger, &made[2], &five, &elsewhere).await.gate.is_empty());
        // What somebody approves takes nothing.
        ledger.approve(&undo, undo.hash_to_approve(), &by("boss")).await.expect("asked").done().expect("approved");
        assert_eq!(Work::on(&ledger, &undo).until_idle().await.state, JobState::Completed);
    }

    async fn people_take_jobs_of_their_own_back_for_a_while(place: Place) {
        let ledger = with_users(&place, &Clock::system()).await;
        place.write("four.csv", users(200..204));
        place.write("others.csv", users(210..214));
        place.write("one.csv", "customer,user_principal_name,job_title\nA-1,user213@alpha.onmicrosoft.com,Boss\n");
        let run = |file: &str, kind: &str| {
            let ran = place.tenantry(&["run", kind, file, "--no-passwords", "--json"]).ends(0).json();
            ran["job"].as_str().expect("a job").to_owned()
        };
        let first = run("four.csv", "bulk-add-users");
        let plan = place.tenantry(&["undo", &first, "--plan"]).ends(0);
        assert!(plan.out.contains("needs no approval: the job is your own"), "{}", plan.out);
        // A name is no person, and neither is who is somewhere else.
        let job = tables::jobs(&ledger).await.remove(0);
        let eve = by("tester").from_account("eve@elsewhere".to_owned());
        let waiting = undone(&ledger, &job, &limits(&[]), &eve).await;
        assert_eq!(waiting.gate, ["4 destructive rows, more than 0"]);
        assert!(ledger.cancel(waiting.seq, &eve).await.expect("asked"));
        let undo = place.tenantry(&["undo", &first, "--by", "somebody", "--json"]).ends(0).json();
        assert_eq!((&undo["state"], &undo["counts"]["applied"]), (&"completed".into(), &4.into()));
        let log = place.tenantry(&["audit", "log", "--job", undo["job"].as_str().expect("a job")]).ends(0).out;
        assert!(log.contains("without approval for the person who submitted it"), "{log}");
        assert!(!log.contains("touched-users"), "what programs need is not for people: {log}");
        // Once it is edited, it is not theirs alone any more; and an undo is not taken back like that.
        let second = run("others.csv", "bulk-add-users");
        run("one.csv", "update-users");
        place.tenantry(&["undo", &second]).ends(2);
        let again = place.tenantry(&["undo", undo["job"].as_str().expect("a job"), "--json"]).ends(0).json();
        let refused = place.tenantry(&["undo", again["job"].as_str().expect("a job"), "--plan"]);
        assert!(!refused.out.contains("needs no approval"), "{}", refused.out);
        place.tenantry(&["policy", "set", "approval.own_undo_within", "0s"]).ends(0);
        place.write("four.csv", users(300..304));
        let third = run("four.csv", "bulk-add-users");
        place.tenantry(&["undo", &third]).ends(2);
        place.tenantry(&["audit", "verify", "--deep"]).ends(0);
    }

    async fn administrators_are_not_made_unnoticed(place: Place) {
        let ledger = with_users(&place, &Clock::system()).await;
        let head = "customer,user_principal_name,first_name,roles\n";
        let user = |name: &str, role: &str| format!("{head}A-1,{name}@alpha.onmicrosoft.com,F,{role}\n");
        assert!(waits(&ledger, "bulk-add-users", &user("r", "Global Reader"), limits(&[])).await.is_empty());
        let gate = waits(&ledger, "bulk-add-users", &user("a", "Company Administrator;Global Reader"), limits(&[])).await;
        assert_eq!(gate, ["1 destructive rows, more than 0"]);
        place.write("a.csv", user("b", "User Administrator"));
        let plan = place.tenantry(&["plan", "bulk-add-users", "a.csv"]).ends(0).out;
        assert!(plan.contains("(destructive)") && plan.contains("makes an administrator: User Administrator"), "{plan}");
        assert!(plan.contains("needs approval"), "{plan}");
        apply(&ledger, "bulk-add-users", &user("b", "User Administrator")).await;
        let reset = |name: &str| format!("customer,user_principal_name\nA-1,{name}@alpha.onmicrosoft.com\n");
        assert_eq!(waits(&ledger, "reset-passwords", &reset("b"), limits(&[])).await, ["1 destructive rows, more than 0"]);
        assert!(waits(&ledger, "reset-passwords", &reset("r"), limits(&[])).await.is_empty());
        place.write("r.csv", reset("b"));
        let plan = place.tenantry(&["plan", "reset-passwords", "r.csv"]).ends(0).out;
        assert!(plan.contains("the password of an administrator: User Administrator"), "{plan}");
    }
}
