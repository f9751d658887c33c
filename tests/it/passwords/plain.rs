//! Passwords in the clear, where a user asks for them: written once, by a process that can open them, or refused.

use super::{USERS, handed_out};
use crate::place::{On, Place, Run, Running, read};

fn handing_out(place: &Place, args: &[&str]) -> Run {
    let mut command = place.command(args);
    command.env("TENANTRY__PASSWORDS__DELIVER", "true");
    Run::from(command.output().expect("tenantry starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_does_not_wait_has_none_to_write() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let before = place.tenantry(&["jobs", "--json"]).ends(0).out;
    let submit = [
        "submit",
        "bulk-add-users",
        "users.csv",
        "--plaintext-passwords",
        "pw.csv",
    ];
    let refused = handing_out(&place, &submit).ends(2);
    for needle in ["--wait", "`passwords.recipients`", "`tenantry reveal JOB`"] {
        assert!(refused.err.contains(needle), "no {needle} in {}", refused.err);
    }
    assert_eq!(
        place.tenantry(&["jobs", "--json"]).ends(0).out,
        before,
        "nothing was submitted"
    );
    assert!(!place.path("pw.csv.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_waits_writes_them_as_run_does() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let worker = place.hurried(&["worker"]).spawn().expect("a worker starts");
    let _worker = Running(worker);
    let wait = |file: &str, out: &str| {
        let args = [
            "submit",
            "bulk-add-users",
            "users.csv",
            "--wait",
            "--out",
            out,
            "--plaintext-passwords",
            file,
        ];
        handing_out(&place, &args).ends(0)
    };
    wait("pw.csv", "out");
    assert_eq!(handed_out(&read(place.path("pw.csv"))).len(), 3);
    assert!(!place.path("pw.csv.key").exists());
    // Nothing is left that only a key that is gone would open.
    assert!(!place.path("out/passwords.csv.age").exists());
    let receipt: serde_json::Value = serde_json::from_str(&read(place.path("out/receipt.json"))).expect("JSON");
    assert_eq!(receipt["files"], serde_json::json!([]));
    let again = wait("again.csv", "again");
    assert!(again.err.contains("no password was handed out"), "{}", again.err);
    assert!(!place.path("again.csv").exists() && !place.path("again.csv.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_refused_leaves_no_key() {
    let place = Place::with_customer().await;
    place.write(
        "users.csv",
        "customer,user_principal_name\nA-1,nobody@elsewhere.example\n",
    );
    let args = [
        "submit",
        "bulk-add-users",
        "users.csv",
        "--wait",
        "--plaintext-passwords",
        "pw.csv",
    ];
    handing_out(&place, &args).ends(2);
    assert!(!place.path("pw.csv.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_recent_password_is_reported() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    place.tenantry(&["run", "bulk-add-users", "users.csv"]).ends(0);
    place.write(
        "reset.csv",
        "customer,user_principal_name\nA-1,one@alpha.onmicrosoft.com\n",
    );
    let reset = |file: &str, out: &str| {
        let args = [
            "run",
            "reset-passwords",
            "reset.csv",
            "--out",
            out,
            "--plaintext-passwords",
            file,
        ];
        handing_out(&place, &args).ends(0)
    };
    reset("first.csv", "first");
    let again = reset("second.csv", "second");
    assert!(again.out.contains("1 unchanged"), "{}", again.out);
    let results = read(place.path("second/results.csv"));
    let first = job_of(&read(place.path("first/receipt.json")));
    let by = format!("job {first} gave this user a password");
    for needle in [
        &by,
        "less than 24 hours ago",
        "in the file that this job was told",
        "`again` = `yes`",
    ] {
        assert!(results.contains(needle), "no {needle} in {results}");
    }
    let given = read(place.path("first.csv"));
    let password = given.trim().rsplit(',').next().expect("a password");
    assert!(password.len() > 7 && !results.contains(password), "{results}");
}

fn job_of(receipt: &str) -> String {
    let receipt: serde_json::Value = serde_json::from_str(receipt).expect("JSON");
    receipt["job"].as_str().expect("an id").to_owned()
}

crate::place::on_both! {
    async fn a_user_with_a_sealed_password_says_which_job_has_it(place: Place) {
        place.write("customers.csv", crate::place::CUSTOMERS);
        place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
        place.write("users.csv", USERS);
        place.needs_no_approval();
        let public = place.tenantry(&["keygen", "--out", "mine.txt"]).ends(0).out;
        let sealing = |args: &[&str], out: &str| {
            let mut command = place.command(&[args, &["--out", out]].concat());
            command
                .env("TENANTRY__PASSWORDS__DELIVER", "true")
                .env("TENANTRY__PASSWORDS__RECIPIENTS", public.trim());
            Run::from(command.output().expect("tenantry starts")).ends(0);
            job_of(&read(place.path(out).join("receipt.json")))
        };
        place.write("reset.csv", "customer,user_principal_name\nA-1,one@alpha.onmicrosoft.com\n");
        let reset = ["run", "reset-passwords", "reset.csv"];
        let says = |out: &str, job: &str| {
            let results = read(place.path(out).join("results.csv"));
            for needle in [format!("job {job} gave this user"), format!("`tenantry reveal {job} --identity KEY`")] {
                assert!(results.contains(&needle), "no {needle} in {results}");
            }
        };
        let made = sealing(&["run", "bulk-add-users", "users.csv"], "made");
        // Its first one may have reached it by now.
        sealing(&reset, "new");
        says("new", &made);
        place.write("at-once.csv", "customer,user_principal_name,again\nA-1,one@alpha.onmicrosoft.com,yes\n");
        let first = sealing(&["run", "reset-passwords", "at-once.csv"], "first");
        assert_ne!(first, made);
        sealing(&reset, "same");
        says("same", &first);
        place.write("again.csv", "customer,user_principal_name,again\nA-1,one@alpha.onmicrosoft.com,yes\n");
        let anew = sealing(&["run", "reset-passwords", "again.csv"], "anew");
        assert_ne!(anew, first);
        sealing(&[&reset[..], &["--skip-invalid"]].concat(), "still");
        says("still", &anew);
        // Others have changed the user since.
        place.write("edit.csv", "customer,user_principal_name,display_name\nA-1,one@alpha.onmicrosoft.com,Uno\n");
        sealing(&["run", "update-users", "edit.csv"], "edit");
        place.write("reset.csv", "customer,user_principal_name\n\nA-1,one@alpha.onmicrosoft.com\n");
        sealing(&reset, "edited");
        says("edited", &anew);
        place
            .tenantry(&["reveal", &anew, "--identity", "mine.txt"])
            .ends(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reveal_is_recorded_with_its_outcome() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let public = place.tenantry(&["keygen", "--out", "mine.txt"]).ends(0).out;
    let mut command = place.command(&["run", "bulk-add-users", "users.csv", "--json"]);
    command
        .env("TENANTRY__PASSWORDS__DELIVER", "true")
        .env("TENANTRY__PASSWORDS__RECIPIENTS", public.trim());
    let ran = Run::from(command.output().expect("tenantry starts")).ends(0);
    let job = ran.json()["job"].as_str().expect("an id").to_owned();
    let recorded = || {
        let audit = place.tenantry(&["audit", "--json"]).ends(0).out;
        let of = |action: &str| audit.matches(&format!("\"{action}\"")).count();
        (of("revealed"), of("reveal-failed"))
    };
    let missing = place.tenantry(&["reveal", &job]).ends(2);
    assert_eq!(missing.err.matches("os error").count(), 1, "{}", missing.err);
    assert!(
        missing.err.contains("--identity") && missing.err.contains("tenantry keygen"),
        "{}",
        missing.err
    );
    assert_eq!(recorded(), (0, 1));
    let mode = |mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(place.path("mine.txt"), mode).expect("set");
    };
    mode(0o644);
    let open = place.tenantry(&["reveal", &job, "--identity", "mine.txt"]).ends(2);
    assert!(open.out.is_empty() && open.err.contains("`chmod 0600` it"), "{open:?}");
    mode(0o600);
    let endless = place.tenantry(&["reveal", &job, "--identity", "/dev/zero"]).ends(2);
    assert!(
        endless.err.contains("/dev/zero: expected at most 1024 KiB"),
        "{endless:?}"
    );
    place.tenantry(&["keygen", "--out", "other.txt"]).ends(0);
    place.tenantry(&["reveal", &job, "--identity", "other.txt"]).ends(2);
    place.write("there.csv", "");
    place
        .tenantry(&["reveal", &job, "--identity", "mine.txt", "--out", "there.csv"])
        .ends(2);
    assert_eq!(recorded(), (0, 5));
    place
        .tenantry(&["reveal", &job, "--identity", "mine.txt", "--out", "pw.csv"])
        .ends(0);
    assert_eq!(recorded(), (1, 5));
    place.tenantry(&["audit", "verify"]).ends(0);
}
