//! Days of schedules: missed times, clocks that jump, edits, pauses, overlaps, removals, times made up for.

use serde_json::json;
use tenantry_ledger::fires::FireState;

use super::*;
use crate::place::TWO_CUSTOMERS;

/// One row that changes a customer.
fn change(name: &str, timing: &str) -> String {
    format!(
        "[schedules.{name}]\nkind = \"update-account\"\nset = {{ customer = \"A-1\", phone = \"+49 30 1\" }}\n{timing}\n"
    )
}

/// One row that somebody has to approve.
fn deletion(timing: &str) -> String {
    format!(
        "[schedules.d]\nkind = \"delete-users\"\nset = {{ customer = \"A-1\", user_principal_name = \"u@alpha.onmicrosoft.com\" }}\n\
         every = \"1h\"\n{timing}\n"
    )
}

/// With a customer and a user.
pub(super) async fn with_user(sections: &str) -> Clocked {
    let clocked = Clocked::new(On::Sqlite, sections).await;
    let customers = clocked.place.write("customers.csv", TWO_CUSTOMERS);
    let users = clocked.place.write(
        "users.csv",
        "customer,user_principal_name,first_name,last_name\nA-1,u@alpha.onmicrosoft.com,U,U\n",
    );
    clocked.run(&["run", "add-customer", &customers.display().to_string()], 0);
    clocked.run(&["run", "bulk-add-users", &users.display().to_string()], 0);
    clocked
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_times_are_made_up_for_once_and_a_clock_put_back_fires_nothing_twice() {
    let clocked = Clocked::new(On::Sqlite, &export("s", "cron = \"* * * * *\"")).await;
    let first = (clocked.now() / HOUR + 1) * HOUR + 5 * SECOND;
    let drain_at = |at| {
        clocked.set_to(first + at);
        clocked.drain();
    };
    drain_at(0);
    assert_eq!(told(&clocked.fires("s").await), [], "nothing of the past fires");
    drain_at(DAY);
    let fires = clocked.fires("s").await;
    assert_eq!(told(&fires), [("skipped", "superseded", 1_439), ("ended", "", 1)]);
    assert_eq!(fires[0].last_due, Some(fires[1].due - MINUTE));
    // Put back, nothing of it fires again, and what comes next does.
    drain_at(DAY - 2 * MINUTE);
    assert_eq!(clocked.fires("s").await.len(), 2);
    drain_at(DAY);
    let again: Vec<_> = clocked
        .fires("s")
        .await
        .iter()
        .filter(|fire| fire.due == fires[1].due)
        .map(|fire| fire.seq)
        .collect();
    assert_eq!(again, [fires[1].seq], "its time has its record");
    drain_at(DAY + MINUTE);
    let last = clocked.fires("s").await.pop().expect("recorded");
    assert_eq!((last.due, last.state), (fires[1].due + MINUTE, FireState::Ended));
    // Ten years ahead by mistake, and back: one time fires, the others are one record, and it goes on.
    let before = clocked.fires("s").await.len();
    drain_at(3_650 * DAY);
    assert_eq!(clocked.fires("s").await.len(), before + 2);
    drain_at(DAY + MINUTE);
    // It does not wait for ten years, and the time with which that record begins fires as any other.
    drain_at(DAY + 2 * MINUTE);
    let last = clocked.fires("s").await.pop().expect("recorded");
    assert_eq!((last.due, last.state), (fires[1].due + 2 * MINUTE, FireState::Ended));
}

/// The data of a zone that is always so many hours before UTC, as the database has it.
fn zone_before_utc(hours: i32) -> Vec<u8> {
    let mut data = Vec::new();
    for _ in 0..2 {
        data.extend(b"TZif2");
        data.extend([0; 15]);
        // No leap seconds and no changes, one time, and four letters of its name.
        for count in [0_u32, 0, 0, 0, 1, 4] {
            data.extend(count.to_be_bytes());
        }
        data.extend((hours * 3_600).to_be_bytes());
        data.extend([0, 0]);
        data.extend(format!("+0{hours}\0").into_bytes());
    }
    data.extend(format!("\n<+0{hours}>-{hours}\n").into_bytes());
    data
}

/// Case 52: workers whose data of a zone differs, beside each other and one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn workers_with_other_data_of_the_zone_fire_each_time_once() {
    let clocked = Clocked::new(
        On::Sqlite,
        &export("s", "cron = \"0 12 * * *\"\ntime_zone = \"Europe/Berlin\""),
    )
    .await;
    for hours in [1, 2] {
        let europe = clocked.place.path(&format!("zones-{hours}/Europe"));
        std::fs::create_dir_all(&europe).expect("made");
        std::fs::write(europe.join("Berlin"), zone_before_utc(hours)).expect("written");
    }
    let start = (clocked.now() / DAY + 1) * DAY;
    let drain_at = |at: i64, hours: i32| {
        clocked.set_to(start + at);
        let mut command = clocked.command(&["worker", "--drain", "--log", "warn"]);
        command.env("TENANTRY_ZONES", clocked.place.path(&format!("zones-{hours}")));
        crate::place::Run::from(command.output().expect("tenantry starts")).ends(0)
    };
    let times = async || {
        let fires = clocked.fires("s").await;
        fires
            .iter()
            .map(|fire| (fire.nominal.clone(), (fire.due - start) / HOUR))
            .collect::<Vec<_>>()
    };
    drain_at(9 * HOUR, 2);
    assert_eq!(times().await, []);
    // Noon two hours before UTC; an hour later it is noon for the other one, who knows that this noon was.
    drain_at(10 * HOUR + SECOND, 2);
    drain_at(11 * HOUR + SECOND, 1);
    let fired = times().await;
    let [(nominal, 10)] = fired.as_slice() else {
        panic!("{fired:?}")
    };
    assert!(nominal.ends_with("T12:00/1"), "{nominal}");
    // The other way round, with a restart between them.
    drain_at(DAY + 11 * HOUR + SECOND, 1);
    drain_at(DAY + 12 * HOUR, 2);
    let due: Vec<i64> = times().await.into_iter().map(|(_, due)| due).collect();
    assert_eq!(due, [10, 24 + 11]);
    assert_eq!(told(&clocked.fires("s").await), [("ended", "", 1), ("ended", "", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_restarts_do_not_keep_a_rare_time_from_firing() {
    let clocked = Clocked::new(On::Sqlite, &export("s", "every = \"504h\"")).await;
    clocked.set_near(21 * DAY, -20 * DAY - HOUR);
    for _ in 0..21 {
        clocked.drain();
        clocked.set(clocked.ahead() + DAY);
    }
    clocked.drain();
    assert_eq!(told(&clocked.fires("s").await), [("ended", "", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edit_and_no_pause_makes_anything_happen_in_retrospect() {
    let clocked = Clocked::new(On::Sqlite, "").await;
    clocked.set_near(DAY, 13 * HOUR + 5 * MINUTE);
    let set = "set.what=customers";
    clocked.run(
        &[
            "schedules",
            "add",
            "s",
            "kind=export-customers",
            set,
            "cron=0 12 * * *",
            "--by",
            "ada",
        ],
        0,
    );
    clocked.drain();
    // A time between then and now.
    clocked.run(&["schedules", "edit", "s", "cron=0 13 * * *", "--by", "ada"], 0);
    clocked.drain();
    clocked.run(&["schedules", "pause", "s", "--because", "holidays"], 0);
    clocked.set(clocked.ahead() + 3 * DAY);
    clocked.drain();
    assert_eq!(told(&clocked.fires("s").await), []);
    let paused = clocked.show("s");
    assert_eq!(
        (&paused["pause"]["because"], &paused["revision"]),
        (&json!("holidays"), &json!(2))
    );
    clocked.run(&["schedules", "resume", "s"], 0);
    clocked.drain();
    assert_eq!(told(&clocked.fires("s").await), [("skipped", "paused", 3)]);
    // Making up for it is asked for.
    clocked.run(&["schedules", "pause", "s"], 0);
    clocked.set(clocked.ahead() + 2 * DAY);
    clocked.run(&["schedules", "resume", "s", "--catch-up"], 0);
    clocked.drain();
    assert_eq!(
        told(&clocked.fires("s").await)[1..],
        [("skipped", "paused", 2), ("ended", "", 1)]
    );
    // What people did is on record.
    let audit = clocked.run(&["audit"], 0).out;
    for what in ["defined", "changed", "paused", "resumed"] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_fires_follow_the_overlap_setting() {
    for (overlap, expected) in [
        (
            "skip",
            vec![("submitted", ""), ("skipped", "overlap"), ("skipped", "overlap")],
        ),
        (
            "wait-one",
            vec![("submitted", ""), ("waiting", ""), ("skipped", "overlap")],
        ),
        ("wait", vec![("submitted", ""), ("waiting", ""), ("waiting", "")]),
        ("supersede", vec![("ended", ""), ("ended", ""), ("submitted", "")]),
    ] {
        let clocked = with_user(&deletion(&format!("overlap = \"{overlap}\""))).await;
        clocked.set_near(HOUR, 10 * SECOND);
        clocked.drain();
        for _ in 0..3 {
            clocked.set(clocked.ahead() + HOUR);
            clocked.drain();
        }
        let fires = clocked.fires("d").await;
        let states: Vec<_> = told(&fires)
            .into_iter()
            .map(|(state, reason, _)| (state, reason))
            .collect();
        assert_eq!(states, expected, "{overlap}");
        if overlap == "skip" {
            let job = fires[0].job.expect("a job").to_string();
            let detail = fires[1].detail.clone().unwrap_or_default();
            assert!(
                detail.contains(&job) && detail.contains("awaiting-approval"),
                "{detail}"
            );
            assert_eq!(
                fires[0].job_state.map(tenantry_ledger::JobState::as_str),
                Some("awaiting-approval")
            );
        }
        if overlap == "supersede" {
            let states: Vec<_> = fires
                .iter()
                .filter_map(|fire| fire.job_state)
                .map(tenantry_ledger::JobState::as_str)
                .collect();
            assert_eq!(states, ["cancelled", "cancelled", "awaiting-approval"]);
            assert_eq!(clocked.show("d")["failures"], 0, "making way is no failure");
        }
        if overlap == "wait" {
            // What has not begun is not done any more; the job is people's to decide about.
            clocked.configure("");
            clocked.drain();
            let states: Vec<_> = told(&clocked.fires("d").await)
                .into_iter()
                .map(|(state, reason, _)| (state, reason))
                .collect();
            assert_eq!(
                states,
                [("submitted", ""), ("skipped", "removed"), ("skipped", "removed")]
            );
            clocked.set(clocked.ahead() + 3 * HOUR);
            clocked.drain();
            assert_eq!(clocked.fires("d").await.len(), 3);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_made_up_for_in_order_and_none_twice_unless_it_is_asked_for() {
    let clocked = Clocked::new(On::Sqlite, &export("s", "cron = \"0 2 * * *\"")).await;
    clocked.set_near(DAY, 12 * HOUR);
    clocked.drain();
    let day = |days: i64| {
        let at = jiff::Timestamp::from_millisecond(clocked.now() - days * DAY).expect("a time");
        at.strftime("%Y-%m-%d").to_string()
    };
    let (from, to) = (day(29), format!("{}T03:00", day(0)));
    let backfill = |more: &[&str]| {
        let mut args = vec!["schedules", "backfill", "s", "--from", &from, "--to", &to, "--json"];
        args.extend(more);
        clocked.run(&args, 0).json()
    };
    let listed = backfill(&[]);
    assert_eq!(
        (listed["times"].as_array().map(Vec::len), &listed["begun"]),
        (Some(30), &json!(0))
    );
    assert_eq!(clocked.fires("s").await.len(), 0, "only listed");
    assert_eq!(backfill(&["--yes"])["begun"], 30);
    assert_eq!(backfill(&["--yes"])["begun"], 0, "they are at work");
    clocked.drain();
    let fires = clocked.fires("s").await;
    assert!(
        fires
            .iter()
            .all(|fire| fire.state == FireState::Ended && fire.cause.as_str() == "backfill")
    );
    let jobs: Vec<_> = fires.iter().map(|fire| fire.job.expect("a job").to_string()).collect();
    assert!(
        jobs.is_sorted() && fires.iter().map(|fire| fire.due).is_sorted(),
        "one after the other"
    );
    assert_eq!(jobs.len(), 30);
    assert_eq!(backfill(&["--yes"])["begun"], 0, "they are done");
    assert_eq!(backfill(&["--yes", "--again"])["begun"], 30);
    clocked.drain();
    let fires = clocked.fires("s").await;
    assert_eq!((fires.len(), fires[30].attempt, fires[30].due), (60, 3, fires[0].due));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jittered_time_is_the_same_each_day_and_after_restarts() {
    let clocked = Clocked::new(On::Sqlite, &export("s", "cron = \"0 2 * * *\"\njitter = \"12h\"")).await;
    clocked.set_near(DAY, HOUR);
    clocked.drain();
    let mut offsets = Vec::new();
    for day in 0..2 {
        if day == 0 {
            clocked.set(clocked.ahead() + HOUR + 5 * SECOND);
        } else {
            clocked.set_near(DAY, 2 * HOUR + 5 * SECOND);
        }
        clocked.drain();
        let fire = clocked.fires("s").await.pop().expect("recorded");
        let offset = fire.starts - fire.due;
        assert_eq!(
            (fire.state, clocked.fires("s").await.len()),
            (FireState::Due, day + 1),
            "not yet"
        );
        assert!((MINUTE..12 * HOUR).contains(&offset));
        offsets.push(offset);
        clocked.set(clocked.ahead() + offset);
        clocked.drain();
        assert_eq!(
            clocked.fires("s").await.pop().map(|fire| fire.state),
            Some(FireState::Ended)
        );
    }
    assert_eq!(offsets[0], offsets[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_configuration_changes_nothing_and_failures_in_a_row_pause() {
    let broken = "[schedules.s]\nkind = \"update-account\"\nset = { customer = \"nobody\", phone = \"1\" }\nevery = \"1h\"\npause_after = 2\n";
    let clocked = with_user(&format!("[schedules]\ngeneration = 2\n{broken}")).await;
    clocked.set_near(HOUR, 10 * SECOND);
    clocked.drain();
    clocked.configure(&format!(
        "[schedules]\ngeneration = 1\n{}",
        change("other", "every = \"1h\"")
    ));
    let old = clocked.run(&["worker", "--drain"], 0);
    assert!(old.err.contains("schedules.generation"), "{old:?}");
    let names: Vec<_> = clocked
        .ledger()
        .await
        .schedules()
        .await
        .expect("asked")
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, ["s"]);
    clocked.configure(&format!("[schedules]\ngeneration = 2\n{broken}"));
    for _ in 0..3 {
        clocked.set(clocked.ahead() + HOUR);
        clocked.drain();
    }
    let fires = clocked.fires("s").await;
    assert_eq!(told(&fires), [("failed", "refused", 1), ("failed", "refused", 1)]);
    assert!(
        fires[0].detail.as_deref().unwrap_or_default().contains("nobody"),
        "{:?}",
        fires[0].detail
    );
    let shown = clocked.show("s");
    assert_eq!(
        (&shown["pause"]["by"], &shown["failures"]),
        (&json!("tenantry"), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_about_a_schedule_are_done_and_on_record_and_old_results_go() {
    // Of the configuration, and at the same times the same job, whose results nobody wants.
    let clocked = Clocked::new(On::Sqlite, &export("t", "cron = \"0 12 * * *\"")).await;
    clocked.set_near(DAY, HOUR);
    let out = clocked.place.path("out");
    let into = format!("out={}/{{date}}", out.display());
    let add = [
        "schedules",
        "add",
        "s",
        "kind=export-customers",
        "set.what=customers",
        "cron=0 12 * * *",
        "keep_out=2",
        &into,
    ];
    clocked.run(&add, 0);
    clocked.drain();
    let noon = |days: i64| (clocked.now() / DAY + days) * DAY + 12 * HOUR;
    let written = tenantry_foundation::moment::rfc3339;
    let planned = clocked.run(&["schedules", "plan", "s"], 0);
    assert!(planned.err.contains("12:00:00 UTC"), "{planned:?}");
    assert_eq!(clocked.fires("s").await.len(), 0, "a rehearsal");
    clocked.run(&["schedules", "run", "s", "--by", "ada"], 0);
    clocked.drain();
    let wrong = clocked
        .run(&["schedules", "skip", "s", "--due", &written(noon(1) + HOUR)], 2)
        .err;
    assert!(
        wrong.contains("is not due at") && wrong.contains(&written(noon(1))),
        "{wrong}"
    );
    let (first, second) = (written(noon(0)), noon(1));
    clocked.run(&["schedules", "skip", "s", "--due", &first, "--by", "ada"], 0);
    let twice = clocked.run(&["schedules", "skip", "s", "--due", &first], 2).err;
    assert!(twice.contains("dealt with already"), "{twice}");
    let next = clocked.run(&["schedules", "next"], 0).out;
    assert!(next.contains("passed over"), "{next}");
    for days in 0..3 {
        clocked.set_to(second + (days - 1) * DAY + MINUTE / 2);
        clocked.drain();
    }
    let fires = clocked.fires("s").await;
    assert_eq!(
        told(&fires),
        [
            ("ended", "", 1),
            ("skipped", "by-hand", 1),
            ("ended", "", 1),
            ("ended", "", 1)
        ]
    );
    assert_eq!(
        (fires[0].cause.as_str(), fires[0].asked_by.as_deref()),
        ("manual", Some("ada"))
    );
    let mut kept: Vec<String> = std::fs::read_dir(&out)
        .expect("results")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    kept.sort();
    let day = |at: i64| tenantry_foundation::moment::day(at);
    assert_eq!(kept, [day(second), day(second + DAY)], "the first one's are gone");
    let of_configuration = clocked.run(&["schedules", "remove", "t"], 2).err;
    assert!(
        of_configuration.contains("the configuration defines that schedule"),
        "{of_configuration}"
    );
    clocked.run(&["schedules", "remove", "s", "--by", "ada"], 0);
    clocked.set(clocked.ahead() + DAY);
    clocked.drain();
    assert_eq!(clocked.fires("s").await.len(), 4, "it is no more");
    let audit = clocked.run(&["audit"], 0).out;
    for what in ["fired", "skipped", "removed"] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_without_a_success_for_too_long_is_told() {
    let clocked = Clocked::new(On::Sqlite, &export("s", "every = \"24h\"\nexpect_within = \"26h\"")).await;
    clocked.set_near(DAY, HOUR);
    clocked.drain();
    let schedules = |code| {
        let found = clocked.run(&["doctor", "--json"], code).out;
        found
            .lines()
            .filter(|line| line.contains("\"check\":\"schedules\""))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(schedules(0).contains("\"fine\":true"));
    clocked.set(clocked.ahead() + 27 * HOUR);
    let late = schedules(2);
    assert!(late.contains("nobody has begun it"), "{late}");
    clocked.drain();
    assert!(!schedules(0).contains("\"fine\":false"));
    let listed = clocked.run(&["schedules"], 0).out;
    assert!(
        listed.contains("export-customers") && listed.contains("completed"),
        "{listed}"
    );
    let shown = clocked.run(&["schedules", "show", "s"], 0).out;
    assert!(shown.contains("catch-up") && shown.contains("in 19 h"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_restored_from_before_makes_up_as_it_does_for_missed_times_and_changes_nothing_twice() {
    let clocked = with_user(&change(
        "s",
        "every = \"24h\"\nmissed = \"all\"\nmissed_within = \"72h\"",
    ))
    .await;
    clocked.set_near(DAY, HOUR);
    clocked.drain();
    let copy = clocked.place.path("copy.db").display().to_string();
    clocked.run(&["backup", &copy], 0);
    for _ in 0..2 {
        clocked.set(clocked.ahead() + DAY);
        clocked.drain();
    }
    let counts = |fires: &[Fire]| fires.iter().filter_map(|fire| fire.job).collect::<Vec<_>>();
    assert_eq!(counts(&clocked.fires("s").await).len(), 2);
    let ledger = clocked.place.path("tenantry.db");
    std::fs::copy(&copy, &ledger).expect("restored");
    clocked.drain();
    let fires = clocked.fires("s").await;
    assert_eq!(told(&fires), [("ended", "", 1), ("ended", "", 1)]);
    assert_eq!(
        fires.iter().map(|fire| fire.cause.as_str()).collect::<Vec<_>>(),
        ["catch-up", "catch-up"]
    );
    let job = clocked
        .ledger()
        .await
        .job(fires[1].job.expect("a job"))
        .await
        .expect("asked")
        .expect("there");
    assert_eq!((job.counts.unchanged, job.counts.total), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_submitted_for_later_begins_then_and_its_plan_is_held_to() {
    let clocked = with_user("").await;
    clocked.set_near(DAY, HOUR);
    let file = clocked
        .place
        .write("accounts.csv", "customer,phone\nA-1,+49 30 1\nB-2,+49 30 2\n");
    let file = file.display().to_string();
    let at = jiff::Timestamp::from_millisecond(clocked.now() + 4 * DAY)
        .expect("a time")
        .to_string();
    let said = clocked
        .run(&["submit", "update-account", &file, "--at", "2026-12-24T18:00"], 2)
        .err;
    assert!(said.contains("Europe/Berlin"), "a time of nowhere: {said}");
    let job = clocked
        .run(&["submit", "update-account", &file, "--at", &at], 0)
        .out
        .trim()
        .to_owned();
    clocked.drain();
    let shown = clocked.run(&["show", &job], 0).out;
    assert!(shown.contains("begins    at"), "{shown}");
    // Somebody changes one of the rows meanwhile.
    let between = clocked.place.write("between.csv", "customer,phone\nB-2,+49 30 3\n");
    clocked.run(&["run", "update-account", &between.display().to_string()], 0);
    clocked.set(clocked.ahead() + 3 * DAY);
    clocked.drain();
    assert_eq!(
        clocked.run(&["show", &job, "--json"], 0).json()["counts"]["applied"],
        0,
        "not before its time"
    );
    clocked.set(clocked.ahead() + DAY + SECOND);
    clocked.drain();
    let ended = clocked.run(&["show", &job, "--json"], 0).json();
    assert_eq!(
        (
            &ended["state"],
            &ended["counts"]["applied"],
            &ended["counts"]["rejected"]
        ),
        (&json!("completed"), &json!(1), &json!(1))
    );
    assert!(clocked.run(&["rows", &job], 0).out.contains("drifted"));
}
