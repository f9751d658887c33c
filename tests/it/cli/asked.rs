//! What is asked at a terminal: whoever approves is shown the plan, and says `yes`.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::place::Place;

const QUESTION: &str = "Type `yes` to let it run:";

/// Runs a command at a terminal of its own, where `answer` is typed once `question` was seen; its exit code, and all that was to be seen.
async fn at_terminal(mut command: Command, question: &'static str, answer: &'static str) -> (Option<i32>, String) {
    tokio::task::spawn_blocking(move || {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let name = ptsname(&ours, Vec::new())
            .expect("a name")
            .into_string()
            .expect("a name");
        let theirs = || Stdio::from(File::options().read(true).write(true).open(&name).expect("opened"));
        let mut child = command
            .stdin(theirs())
            .stdout(theirs())
            .stderr(theirs())
            .spawn()
            .expect("it starts");
        // Our copies of their side go with it, so that there is an end to be read.
        drop(command);
        let mut ours = File::from(ours);
        let (mut seen, mut is_answered) = (Vec::new(), false);
        let mut bytes = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(read) = ours.read(&mut bytes) {
            if read == 0 {
                break;
            }
            seen.extend_from_slice(&bytes[..read]);
            if !is_answered && String::from_utf8_lossy(&seen).contains(question) {
                is_answered = true;
                ours.write_all(answer.as_bytes()).expect("typed");
            }
        }
        (
            child.wait().expect("it ends").code(),
            String::from_utf8_lossy(&seen).into_owned(),
        )
    })
    .await
    .expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_approves_sees_the_plan_and_says_yes() {
    let place = Place::with_customer().await;
    place.write("users.csv", super::GOOD);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    place.write(
        "leavers.csv",
        "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\n",
    );
    let submitted = place
        .tenantry(&["submit", "delete-users", "leavers.csv", "--json"])
        .json();
    let job = submitted["job"].as_str().expect("a job").to_owned();
    let approve = || place.command(&["approve", &job, "--by", "anna"]);
    for no in ["\n", "y\n", "no\n", "\u{4}"] {
        let (code, seen) = at_terminal(approve(), QUESTION, no).await;
        assert_eq!(code, Some(2), "{seen}");
        assert!(seen.contains("nothing was decided"), "{seen}");
        assert!(
            seen.contains("delete a@alpha.onmicrosoft.com") && seen.contains("(destructive)"),
            "{seen}"
        );
    }
    let waits = place.tenantry(&["show", &job, "--json"]).json();
    assert_eq!(waits["state"], "awaiting-approval");
    let (code, seen) = at_terminal(approve(), QUESTION, "yes\n").await;
    assert_eq!(code, Some(0), "{seen}");
    let done = place.tenantry(&["apply", &job, "--json"]).ends(0).json();
    assert_eq!(done["counts"]["applied"], 1);
    // Where nobody sees what is shown, nobody is asked.
    let refused = place.tenantry(&["approve", &job, "--by", "anna"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}
