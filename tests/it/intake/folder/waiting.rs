//! Files whose jobs have to be approved: shown in `waiting/`, decided on elsewhere.

use super::*;

impl Folder {
    fn drain_limited(&self) -> Run {
        let mut command = self.command(&["worker", "--drain"]);
        command
            .env("TENANTRY__APPROVAL__REQUIRED", "true")
            .env("TENANTRY__LIMITS__ROWS", "1");
        Run::from(command.output().expect("a worker starts")).ends(0)
    }

    /// The only directory that waits.
    fn waits(&self) -> PathBuf {
        let waiting = self.names("waiting");
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        self.path("waiting").join(&waiting[0])
    }

    fn hash(&self) -> (String, String) {
        let text = read(self.waits().join("plan.txt"));
        let word = |after: &str| {
            text.split(after)
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next())
                .expect("a word")
                .to_owned()
        };
        (word("tenantry approve "), word("--hash "))
    }
}

/// Case 43.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_a_limit_waits_with_its_plan() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a", "b"]));
    folder.drop("one.csv", users(&["c"]));
    folder.drain_limited();
    assert_eq!(folder.stems("done"), ["one"]);
    let waits = folder.waits();
    assert_eq!(names(&waits), ["plan.csv", "plan.txt", "users.csv"]);
    let text = read(waits.join("plan.txt"));
    assert!(
        text.contains("2 rows, more than 1") && text.contains("2 to create"),
        "{text}"
    );
    assert!(
        read(waits.join("plan.csv")).contains("create,\"a@alpha.onmicrosoft.com ("),
        "{}",
        read(waits.join("plan.csv"))
    );
    let (job, hash) = folder.hash();
    folder
        .tenantry(&["approve", &job, "--hash", &hash, "--by", "drop:users"])
        .ends(2);
    folder
        .tenantry(&["approve", &job, "--hash", &hash, "--by", "anna"])
        .ends(0);
    folder.drain_limited();
    folder.is_clear();
    let done = folder.of("done", "users");
    assert_eq!(names(&done), ["plan.csv", "receipt.json", "results.csv", "users.csv"]);
    assert_eq!(folder.jobs().await, (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_approved_fails() {
    let folder = Folder::with(On::Sqlite, "approve = \"always\"").await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.drain();
    let (job, _) = folder.hash();
    let text = read(folder.waits().join("plan.txt"));
    assert!(text.contains("folder users asks for approval of every file"), "{text}");
    folder
        .tenantry(&["reject", &job, "--by", "anna", "--reason", "not today"])
        .ends(0);
    folder.drain();
    folder.is_clear();
    let failed = folder.of("failed", "users");
    assert!(names(&failed).contains(&"users.csv".to_owned()) && !names(&failed).contains(&"plan.txt".to_owned()));
    let reasons = read(failed.join("reasons.txt"));
    assert!(
        reasons.contains("users.csv was not carried out: rejected by anna: not today"),
        "{reasons}"
    );
    let shown = folder.tenantry(&["folders", "show", &job, "--json"]).ends(0).json();
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&"quarantined".into(), &"rejected by anna: not today".into())
    );
    assert_eq!(folder.jobs().await, (1, 0));
}

/// Case 43: an approval that nobody gives in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_not_approved_in_time_fails() {
    let folder = Folder::with(On::Sqlite, "approve = \"always\"").await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.drain();
    folder.waits();
    let ledger = folder.place.ledger().await;
    let sql = "UPDATE jobs SET approval_until = 1 WHERE state = 'awaiting-approval'";
    let changed = ledger.db().write(move |tx| tx.exec(sql, &[])).await;
    assert_eq!(changed.expect("written"), 1);
    eventually("the approval to expire", async || {
        folder.drain();
        (folder.stems("failed") == ["users"]).then_some(())
    })
    .await;
    folder.is_clear();
    let failed = folder.of("failed", "users");
    assert!(names(&failed).contains(&"users.csv".to_owned()) && names(&failed).contains(&"reasons.txt".to_owned()));
    assert_eq!(folder.jobs().await, (1, 0));
}

/// The owner of a file who is its submitter cannot approve it.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_file_does_not_approve_it() {
    let folder = Folder::with(On::Sqlite, "approve = \"always\"\nsubmitted_by = \"owner\"").await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.drain();
    let (job, hash) = folder.hash();
    let shown = folder.tenantry(&["show", &job, "--json"]).ends(0).json();
    let owner = shown["submitted_by"].as_str().expect("a name").to_owned();
    let own = folder
        .tenantry(&["approve", &job, "--hash", &hash, "--by", &owner])
        .ends(2);
    assert!(
        own.err.contains("submitted the job; somebody else has to approve it"),
        "{}",
        own.err
    );
}

/// Killed at every step around `waiting/`.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_over_a_file_that_waits() {
    for step in ["drop-results", "drop-archiving", "drop-published", "drop-archived"] {
        let folder = Folder::with(On::Sqlite, "approve = \"always\"").await;
        folder.set_up();
        folder.drop("users.csv", users(&["a"]));
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
        let (job, hash) = folder.hash();
        assert_eq!(folder.names("working"), Vec::<String>::new(), "{step}");
        folder
            .tenantry(&["approve", &job, "--hash", &hash, "--by", "anna"])
            .ends(0);
        assert!(dies(), "{step}");
        folder.drain();
        folder.is_clear();
        assert_eq!(folder.stems("done"), ["users"], "{step}");
        assert_eq!(folder.jobs().await, (1, 1), "{step}");
    }
}
