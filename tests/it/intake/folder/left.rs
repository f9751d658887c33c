//! Folders in which files stay (`after = "leave"`), folders that only plan, and how long results are kept.

use std::os::unix::fs::PermissionsExt;

use super::*;

impl Folder {
    /// A folder whose files stay in a directory of somebody else's, to which `in` is a link. That directory.
    async fn leaving() -> (Self, PathBuf) {
        let folder = Self::with(On::Sqlite, "after = \"leave\"\nstray_after = \"0s\"").await;
        let theirs = folder.place.path("export");
        std::fs::create_dir(&theirs).expect("made");
        std::os::unix::fs::symlink(&theirs, folder.path("in")).expect("linked");
        folder.set_up();
        (folder, theirs)
    }
}

/// Files are taken once each, whichever worker looks; a file that is changed is taken again, and one that was merely touched is not.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_stay_are_taken_once_as_they_are() {
    let (folder, theirs) = Folder::leaving().await;
    std::fs::write(theirs.join("users.csv"), users(&["a"])).expect("written");
    std::fs::write(theirs.join("bad.csv"), users(&["not a name"])).expect("written");
    for _ in 0..2 {
        folder.drain();
        assert_eq!(folder.stems("done"), ["users"]);
        assert_eq!(folder.stems("failed"), ["bad"]);
        assert_eq!(names(&theirs), ["bad.csv", "users.csv"]);
        assert_eq!(folder.names("working"), Vec::<String>::new());
    }
    assert_eq!(read(folder.of("done", "users").join("users.csv")), users(&["a"]));
    assert_eq!(folder.jobs().await, (1, 1));
    // Another time, the same content; then another content.
    std::fs::write(theirs.join("users.csv"), users(&["a"])).expect("touched");
    folder.drain();
    assert_eq!(folder.stems("done"), ["users"]);
    std::fs::write(theirs.join("users.csv"), users(&["a", "b"])).expect("written");
    folder.drain();
    assert_eq!(folder.stems("done"), ["users", "users"]);
    assert_eq!(folder.jobs().await, (2, 2));
    let found = folder.tenantry(&["folders", "check"]).ends(0);
    assert!(
        found.out.contains("can be read") && found.out.contains("second best"),
        "{}",
        found.out
    );
    // One that failed is tried again on purpose, though nothing can be put where it was.
    let listed = folder.tenantry(&["folders", "show", "users", "--json"]).ends(0).json();
    let files = listed["files"].as_array().expect("files");
    let failed = files.iter().find(|file| file["file"] == "bad.csv").expect("one");
    folder
        .tenantry(&["folders", "retry", failed["id"].as_str().expect("an id")])
        .ends(0);
    folder.drain();
    assert_eq!(folder.stems("failed"), ["bad", "bad"]);
}

/// Entries that are no files, and files that are none of those that are taken, are reported once and are neither followed nor copied.
#[tokio::test(flavor = "multi_thread")]
async fn entries_that_are_no_files_are_reported_once_where_files_stay() {
    let (folder, theirs) = Folder::leaving().await;
    rustix::fs::mkfifoat(rustix::fs::CWD, theirs.join("pipe.csv"), 0o600.into()).expect("made");
    std::os::unix::fs::symlink("/etc/passwd", theirs.join("link.csv")).expect("linked");
    std::fs::write(theirs.join("notes.pdf"), "%PDF").expect("written");
    std::fs::write(theirs.join("two\nlines.csv"), users(&["a"])).expect("written");
    for _ in 0..2 {
        folder.drain();
        assert_eq!(folder.stems("failed"), ["link", "notes", "pipe"]);
        assert_eq!(folder.stems("done"), ["two_nlines"]);
        assert_eq!(folder.names("working"), Vec::<String>::new());
        assert_eq!(names(&theirs).len(), 4);
    }
    for stem in ["link", "pipe", "notes"] {
        let dir = folder.of("failed", stem);
        assert_eq!(names(&dir), ["reasons.csv", "reasons.txt", "receipt.json"], "{stem}");
    }
    let reasons = read(folder.of("failed", "link").join("reasons.txt"));
    assert!(reasons.contains("expected a file; this is a link"), "{reasons}");
}

/// Killed wherever a copy is made, and after: no file is taken twice, and nothing is left over.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_over_files_that_stay() {
    for step in [
        "drop-part",
        "drop-moved",
        "drop-taken",
        "drop-reasons",
        "drop-refused",
        "drop-results",
        "drop-archiving",
    ] {
        let (folder, theirs) = Folder::leaving().await;
        std::fs::write(theirs.join("users.csv"), users(&["a"])).expect("written");
        std::fs::write(theirs.join("bad.csv"), users(&["not a name"])).expect("written");
        std::os::unix::fs::symlink("/etc/passwd", theirs.join("link.csv")).expect("linked");
        let dies = || {
            let status = folder
                .command(&["worker", "--drain"])
                .env("TENANTRY_FAILPOINT", step)
                .stderr(Stdio::null())
                .status();
            status.expect("it starts").code().is_none()
        };
        assert!(dies(), "{step}");
        dies();
        folder.drain();
        assert_eq!(folder.stems("done"), ["users"], "{step}");
        assert_eq!(folder.stems("failed"), ["bad", "link"], "{step}");
        assert_eq!(folder.names("working"), Vec::<String>::new(), "{step}");
        assert_eq!(folder.jobs().await, (1, 1), "{step}");
    }
}

/// A folder that only plans: what would happen lies beside the file, and nothing has happened.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_only_plans_submits_nothing() {
    let folder = Folder::with(On::Sqlite, "only_plan = true").await;
    folder.set_up();
    let planted = "Pl4nted-Secret!";
    folder.drop(
        "users.csv",
        format!(
            "customer,user_principal_name,first_name,last_name,password\nA-1,a@alpha.onmicrosoft.com,A,A,{planted}\n"
        ),
    );
    folder.drop("bad.csv", users(&["a", "not a name", "a"]));
    folder.drop("plan.csv", users(&["c"]));
    folder.drop("header.csv", "wrong\n1\n");
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.jobs().await, (0, 0));
    assert_eq!(folder.stems("done"), ["plan", "users"]);
    assert_eq!(folder.stems("failed"), ["bad", "header"]);
    let done = folder.of("done", "users");
    assert_eq!(
        names(&done),
        ["plan.csv", "plan.json", "plan.txt", "receipt.json", "users.csv"]
    );
    for name in names(&done) {
        assert!(!read(done.join(&name)).contains(planted), "{name}");
    }
    assert!(read(done.join("users.csv")).contains("<redacted>"));
    let text = read(done.join("plan.txt"));
    assert!(
        text.contains("Nothing of it has been carried out") && text.contains("1 to create"),
        "{text}"
    );
    let document: Value = serde_json::from_str(&read(done.join("plan.json"))).expect("JSON");
    assert_eq!(
        (&document["file"], &document["totals"]["create"]),
        (&"users.csv".into(), &1.into())
    );
    assert!(read(done.join("plan.csv")).contains("create,\"a@alpha.onmicrosoft.com ("));
    let receipt = folder.receipt("done", "users");
    assert_eq!((&receipt["state"], &receipt["job"]), (&"planned".into(), &Value::Null));
    // Names of ours give way, and rows that repeat others are rejected in the table as well.
    assert_eq!(read(folder.of("done", "plan").join("plan.csv")), users(&["c"]));
    let failed = folder.of("failed", "bad");
    let table = read(failed.join("plan.csv"));
    assert_eq!(
        table.lines().filter(|line| line.contains(",reject,")).count(),
        2,
        "{table}"
    );
    let reasons = read(failed.join("reasons.txt"));
    assert!(
        reasons.contains("bad.csv:3:") && reasons.contains("bad.csv:4:"),
        "{reasons}"
    );
    assert_eq!(read(failed.join("bad.csv")), users(&["a", "not a name", "a"]));
}

/// The same through a death, with a packed file: what is archived has no secrets.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_over_a_plan_of_a_packed_file() {
    let folder = Folder::with(On::Sqlite, "only_plan = true").await;
    folder.set_up();
    let planted = "Pl4nted-Secret!";
    let text = format!(
        "customer,user_principal_name,first_name,last_name,password\nA-1,a@alpha.onmicrosoft.com,A,A,{planted}\n"
    );
    folder.drop("users.csv.gz", packed(&text));
    for step in ["drop-planned", "drop-archiving", "drop-published"] {
        let status = folder
            .command(&["worker", "--drain"])
            .env("TENANTRY_FAILPOINT", step)
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("it starts").code().is_none(), "{step}");
    }
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["users"]);
    let names = names(&folder.of("done", "users"));
    assert!(
        names.contains(&"users.csv.gz.csv".to_owned()) && !names.contains(&"users.csv.gz".to_owned()),
        "{names:?}"
    );
}

/// What lies in `done` for longer than it is kept is removed, and the record says so.
#[tokio::test(flavor = "multi_thread")]
async fn results_are_kept_for_as_long_as_the_folder_says() {
    let folder = Folder::with(On::Sqlite, "keep = \"30d\"").await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    let old = folder.path("done/2020-01-01");
    std::fs::create_dir_all(old.join("old--01a20806")).expect("made");
    std::fs::write(old.join("old--01a20806/receipt.json"), "{}").expect("written");
    folder.drain();
    eventually("the old day to be removed", async || {
        folder.drain();
        (!old.exists()).then_some(())
    })
    .await;
    assert_eq!(folder.stems("done"), ["users"]);
    let audit = folder.tenantry(&["audit"]).ends(0).out;
    assert!(audit.contains("what lay in done/2020-01-01: 1 directories"), "{audit}");
    folder.configure(&section("users", &folder.path(""), "bulk-add-users", "keep = \"1h\""));
    let refused = folder.tenantry(&["folders"]).ends(2);
    assert!(
        refused.err.contains("folders.users.keep") && refused.err.contains("at least 1d"),
        "{}",
        refused.err
    );
}

/// The same where the directory is really not to be written to, by somebody who is not root.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_taken_from_a_directory_that_may_only_be_read() {
    let (folder, theirs) = Folder::leaving().await;
    std::fs::write(theirs.join("users.csv"), users(&["a"])).expect("written");
    std::fs::set_permissions(&theirs, std::fs::Permissions::from_mode(0o555)).expect("set");
    folder.drain();
    assert_eq!(folder.stems("done"), ["users"]);
    std::fs::set_permissions(&theirs, std::fs::Permissions::from_mode(0o755)).expect("set");
}
