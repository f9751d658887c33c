//! Files of schedules: which one is read when, what is told of one that is refused, and which worker takes it.

use serde_json::json;
use tenantry_ledger::fires::FireState;

use super::hours::with_user;
use super::*;
use crate::intake::folder::packed;

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_file_is_read_for_yesterday_and_its_job_tells_where_it_is_from() {
    let clocked = with_user("").await;
    let place = |name: &str| clocked.place.path(name).display().to_string();
    clocked.configure(&format!(
        "[schedules.f]\nkind = \"bulk-add-users\"\ncron = \"0 2 * * *\"\nfile = \"{}\"\nafter = \"archive:{}\"\nout = \"{}\"\n\
         missed = \"all\"\nmissed_within = \"72h\"\n",
        place("users-{date}.csv"),
        place("read"),
        place("out-{date}")
    ));
    clocked.set_near(DAY, HOUR);
    clocked.drain();
    let due = (clocked.now() / DAY) * DAY + 2 * HOUR;
    let day = |at: i64| {
        jiff::Timestamp::from_millisecond(at)
            .expect("a time")
            .strftime("%Y-%m-%d")
            .to_string()
    };
    for (nth, name) in [(0, "first"), (1, "second")] {
        let text = format!("customer,user_principal_name,first_name,last_name\nA-1,{name}@alpha.onmicrosoft.com,F,L\n");
        clocked
            .place
            .write(&format!("users-{}.csv", day(due + nth * DAY)), text);
    }
    clocked.set(clocked.ahead() + 2 * DAY);
    clocked.drain();
    let fires = clocked.fires("f").await;
    let told: Vec<_> = fires
        .iter()
        .map(|fire| (fire.due, fire.cause.as_str(), fire.state.as_str()))
        .collect();
    assert_eq!(told, [(due, "catch-up", "ended"), (due + DAY, "catch-up", "ended")]);
    for fire in &fires {
        let name = format!("users-{}.csv", day(fire.due));
        assert!(
            fire.file.as_deref().unwrap_or_default().ends_with(&name),
            "{:?}",
            fire.file
        );
        assert!(
            clocked.place.path("read").join(&name).exists() && !clocked.place.path(&name).exists(),
            "put away"
        );
        let receipt: Value = serde_json::from_str(&read(
            clocked
                .place
                .path(&format!("out-{}", day(fire.due)))
                .join("receipt.json"),
        ))
        .expect("JSON");
        assert_eq!(
            (&receipt["origin"]["schedule"], &receipt["origin"]["nominal"]),
            (&json!("f"), &json!(fire.nominal))
        );
        let job = fire.job.expect("a job").to_string();
        assert_eq!(receipt["job"], json!(job));
        let shown = clocked.run(&["show", &job], 0).out;
        assert!(shown.contains("from      schedule f, due "), "{shown}");
    }
    let audit = clocked.run(&["audit"], 0).out;
    assert!(audit.contains("via schedule f, "), "{audit}");
    // The next one is missing, which is news.
    clocked.set(clocked.ahead() + DAY);
    clocked.drain();
    let last = clocked.fires("f").await.pop().expect("recorded");
    assert_eq!(
        (last.state, last.reason.map(tenantry_ledger::fires::FireReason::as_str)),
        (FireState::Failed, Some("no-file"))
    );
    let found = clocked.run(&["doctor", "--json"], 2).out;
    assert!(found.contains("f: ") && found.contains("no-file"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_files_is_a_job_in_the_order_of_their_names_despite_overlap() {
    let clocked = with_user("").await;
    let pattern = clocked.place.path("users-*.csv").display().to_string();
    clocked.configure(&format!(
        "[schedules.f]\nkind = \"bulk-add-users\"\nevery = \"1h\"\nfile = \"{pattern}\"\npick = \"all\"\noverlap = \"skip\"\n\
         out = \"{}\"\n",
        clocked.place.path("out").display()
    ));
    clocked.set_near(HOUR, SECOND);
    clocked.drain();
    for name in ["b", "a", "c"] {
        let text = format!("customer,user_principal_name,first_name,last_name\nA-1,{name}@alpha.onmicrosoft.com,F,L\n");
        clocked.place.write(&format!("users-{name}.csv"), text);
    }
    clocked.set(clocked.ahead() + HOUR);
    clocked.drain();
    let fires = clocked.fires("f").await;
    let told: Vec<_> = fires
        .iter()
        .map(|fire| (fire.part, fire.state.as_str(), fire.file.as_deref().unwrap_or_default()))
        .collect();
    let file = |name: &str| clocked.place.path(&format!("users-{name}.csv")).display().to_string();
    let (a, b, c) = (file("a"), file("b"), file("c"));
    assert_eq!(
        told,
        [
            (0, "ended", a.as_str()),
            (1, "ended", b.as_str()),
            (2, "ended", c.as_str())
        ]
    );
    let jobs: Vec<_> = fires.iter().map(|fire| fire.job.expect("a job").to_string()).collect();
    assert!(jobs.is_sorted(), "{jobs:?}");
    for (name, job) in ["a", "b", "c"].iter().zip(&jobs) {
        let receipt = read(clocked.place.path(&format!("out/users-{name}.csv/receipt.json")));
        assert!(receipt.contains(job), "each has its results: {receipt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_has_all_its_reasons_where_its_results_would_lie_and_one_that_was_not_written_anew_is_told() {
    let clocked = with_user("").await;
    let (file, out) = (clocked.place.path("users.csv"), clocked.place.path("out"));
    let section = |more: &str| {
        let (file, out) = (file.display(), out.display());
        format!("[schedules.f]\nkind = \"bulk-add-users\"\nevery = \"1h\"\nfile = \"{file}\"\nout = \"{out}\"\n{more}")
    };
    let users = |customer: &str| {
        let row = |n| format!("{customer},v{n}@alpha.onmicrosoft.com,F,L\n");
        let rows: String = (0..30).map(row).collect();
        format!("customer,user_principal_name,first_name,last_name\n{rows}")
    };
    clocked.configure(&section(""));
    clocked.set_near(HOUR, SECOND);
    clocked.drain();
    clocked.place.write("users.csv", users("nobody"));
    clocked.set(clocked.ahead() + HOUR);
    clocked.drain();
    let refused = clocked.fires("f").await.pop().expect("recorded");
    let detail = refused.detail.clone().unwrap_or_default();
    let rest = format!("and 10 more; all of it is in {}", out.join("reasons.csv").display());
    assert!(detail.starts_with("30 faults\n") && detail.contains(&rest), "{detail}");
    assert_eq!(read(out.join("reasons.csv")).lines().count(), 31);
    let text = read(out.join("reasons.txt"));
    let again = format!(
        "tenantry schedules run f --due {}",
        tenantry_foundation::moment::rfc3339(refused.due)
    );
    assert!(text.starts_with("schedule f, ") && text.contains(&again), "{text}");
    // Fixed and read again, it takes the place of what was told of it.
    clocked.place.write("users.csv", users("A-1"));
    clocked.run(&again.split(' ').skip(1).collect::<Vec<_>>(), 0);
    clocked.drain();
    assert!(out.join("receipt.json").exists());
    assert!(!out.join("reasons.csv").exists() && !out.join("reasons.txt").exists());
    for if_same in ["fail", "skip"] {
        clocked.configure(&section(&format!("if_same = \"{if_same}\"\n")));
        clocked.set(clocked.ahead() + HOUR);
        clocked.drain();
    }
    assert_eq!(
        told(&clocked.fires("f").await),
        [
            ("failed", "refused", 1),
            ("ended", "", 1),
            ("failed", "stale-file", 1),
            ("skipped", "stale-file", 1)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_one_worker_does_not_see_is_taken_by_another_that_does() {
    // The same path is another file for a worker that was started elsewhere.
    let clocked = with_user(
        "[schedules.f]\nkind = \"bulk-add-users\"\nevery = \"1h\"\nfile = \"/proc/self/cwd/seen/users.csv\"\nif_missing = \"wait\"\n",
    )
    .await;
    clocked.set_near(HOUR, SECOND);
    clocked.drain();
    clocked.set(clocked.ahead() + HOUR);
    let _blind = clocked.worker();
    eventually("the fire waits for its file", async || {
        let fires = clocked.fires("f").await;
        fires
            .first()
            .is_some_and(|fire| fire.state == FireState::Waiting)
            .then_some(())
    })
    .await;
    std::fs::create_dir_all(clocked.place.path("there/seen")).expect("a directory");
    clocked.place.write(
        "there/seen/users.csv",
        "customer,user_principal_name,first_name,last_name\nA-1,v@alpha.onmicrosoft.com,F,L\n",
    );
    let mut seeing = clocked.command(&["worker", "--log", "warn"]);
    seeing.current_dir(clocked.place.path("there"));
    let _seeing = Running(seeing.spawn().expect("tenantry starts"));
    eventually("the other worker has taken it", async || {
        let fires = clocked.fires("f").await;
        let fire = fires.first()?;
        // A worker that does not see the file puts the fire off for some seconds, which pass here.
        if fire.look_at > clocked.now() {
            clocked.set_to(fire.look_at);
        }
        (fire.state == FireState::Ended).then_some(())
    })
    .await;
    assert_eq!(told(&clocked.fires("f").await)[0], ("ended", "", 1));
}

/// Case 65: a file that is half there when it is due is waited for, and read once, whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_half_there_at_its_time_is_read_whole() {
    let clocked = with_user("").await;
    let file = clocked.place.path("users.csv.gz");
    clocked.configure(&format!(
        "[schedules.f]\nkind = \"bulk-add-users\"\nevery = \"1h\"\nfile = \"{}\"\n",
        file.display()
    ));
    clocked.set_near(HOUR, SECOND);
    clocked.drain();
    let rows: String = (0..50)
        .map(|n| format!("A-1,v{n}@alpha.onmicrosoft.com,F,L\n"))
        .collect();
    let whole = packed(&format!("customer,user_principal_name,first_name,last_name\n{rows}"));
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("written");
    clocked.set(clocked.ahead() + HOUR);
    let _worker = clocked.worker();
    let waiting = eventually("the fire waits for the rest of its file", async || {
        let fires = clocked.fires("f").await;
        // It was looked at when it had the time to settle.
        fires.into_iter().find(|fire| {
            fire.state == FireState::Waiting && fire.detail.as_deref().unwrap_or_default().contains("gzip")
        })
    })
    .await;
    assert_eq!(waiting.job, None);
    std::fs::write(&file, &whole).expect("written");
    let fire = eventually("the whole file is read", async || {
        let fire = clocked.fires("f").await.into_iter().next()?;
        if fire.state == FireState::Waiting && fire.look_at > clocked.now() {
            clocked.set_to(fire.look_at);
        }
        (fire.state == FireState::Ended).then_some(fire)
    })
    .await;
    let job = clocked
        .ledger()
        .await
        .job(fire.job.expect("a job"))
        .await
        .expect("asked")
        .expect("there");
    assert_eq!((job.counts.applied, job.counts.total), (50, 50));
}

/// A schedule that a command defined stands in the ledger only, for every worker, and so does what somebody writes there.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_and_moved_only_where_the_workers_configuration_says() {
    let clocked = with_user("").await;
    let at = |name: &str| clocked.place.path(name).display().to_string();
    for dir in ["mine", "theirs"] {
        std::fs::create_dir(clocked.place.path(dir)).expect("made");
    }
    let users = "customer,user_principal_name,usage_location\nA-1,u@alpha.onmicrosoft.com,S3CRET\n";
    for file in ["mine/users.csv", "theirs/users.csv"] {
        clocked.place.write(file, users);
    }
    let add = |name: &str, file: &str, out: &str, after: &str| {
        let keys = [
            "kind=update-users".to_owned(),
            "every=1h".to_owned(),
            format!("file={}", at(file)),
            format!("out={out}"),
            format!("after=archive:{}", at(after)),
        ];
        let mut args = vec!["schedules", "add", name];
        args.extend(keys.iter().map(String::as_str));
        let added = clocked.run(&args, 0);
        clocked.run(&["schedules", "run", name], 0);
        added.err
    };
    add("read", "theirs/users.csv", &at("out"), "mine/done");
    // The rows of this one are refused; the reasons would lie below a directory that is none of the worker's.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let out = elsewhere.path().join("out");
    add("write", "mine/users.csv", &out.display().to_string(), "mine/done");
    clocked.configure(&format!("[schedules]\nroots = [\"{}\"]\n", at("mine")));
    clocked.drain();
    let fires = clocked.fires("read").await;
    let detail = fires[0].detail.clone().unwrap_or_default();
    assert_eq!(told(&fires), [("failed", "unreadable", 1)], "{detail}");
    assert!(
        detail.contains("`schedules.roots`") && !detail.contains("S3CRET"),
        "{detail}"
    );
    let fires = clocked.fires("write").await;
    assert_eq!(told(&fires), [("failed", "refused", 1)], "{:?}", fires[0].detail);
    assert!(!out.exists(), "nothing is written elsewhere");
    // What may be read is moved nowhere else either.
    clocked.place.write("mine/users.csv", users.replace("S3CRET", "CH"));
    let warned = add("move", "mine/users.csv", &at("out"), "theirs/done");
    let warning = "warning: workers with this configuration do not serve the schedule: ";
    assert!(
        warned.contains(warning) && warned.contains("`schedules.roots`"),
        "{warned}"
    );
    let warned = add("unread", "theirs/none.csv", &at("out"), "mine/done");
    assert!(warned.contains(warning), "{warned}");
    clocked.run(&["schedules", "remove", "unread"], 0);
    clocked.drain();
    assert_eq!(told(&clocked.fires("move").await), [("ended", "", 1)]);
    assert!(clocked.place.path("mine/users.csv").exists() && !clocked.place.path("theirs/done").exists());
    assert_eq!(add("moved", "mine/users.csv", &at("out"), "mine/done"), "");
    clocked.drain();
    assert_eq!(told(&clocked.fires("moved").await), [("ended", "", 1)]);
    assert!(clocked.place.path("mine/done/users.csv").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_says_how_its_file_is_read() {
    let clocked = with_user("").await;
    clocked.configure(&format!(
        "[schedules.f]\nkind = \"bulk-add-users\"\ncron = \"0 2 * * *\"\nfile = \"{}\"\nencoding = \"windows-1250\"\n",
        clocked.place.path("users.csv").display()
    ));
    clocked.set_near(DAY, HOUR);
    clocked.drain();
    let mut text = b"customer,user_principal_name,first_name,last_name\nA-1,j@alpha.onmicrosoft.com,".to_vec();
    text.extend(b"Ji\xf8\xed,Nov\xe1k\n");
    std::fs::write(clocked.place.path("users.csv"), text).expect("written");
    let planned = clocked.run(&["schedules", "plan", "f", "--all"], 0);
    assert!(planned.all().contains("Jiří Novák"), "{planned:?}");
    clocked.set(clocked.ahead() + DAY);
    clocked.drain();
    let listed = clocked.run(&["users", "--json"], 0).out;
    assert!(listed.contains("Jiří Novák"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_whose_only_time_has_passed_is_told() {
    let clocked = Clocked::new(On::Sqlite, &export("late", "at = \"2020-01-01T18:00\"")).await;
    clocked.drain();
    let doctor = clocked.run(&["doctor"], 2);
    assert!(
        doctor.all().contains("late is never due: none of its times lies after"),
        "{doctor:?}"
    );
}
