//! Anchors that leave the machine by themselves, and what a record is held against them by.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::USERS;
use crate::place::{On, Place, Run, on_both, read};

/// The program with something of `[audit]` set.
fn with(place: &Place, set: &[(&str, &str)], args: &[&str]) -> Run {
    let mut command = place.command(args);
    for (key, value) in set {
        command.env(format!("TENANTRY__AUDIT__{key}"), value);
    }
    Run::from(command.output().expect("tenantry starts"))
}

const CUSTOMER: &str = "customer,phone\nA-1,+49 30 1\n";

on_both! {
    async fn each_jobs_end_is_anchored_and_a_record_that_was_rewritten_shows(place: Place) {
        place.write("customers.csv", crate::place::CUSTOMERS);
        place.write("users.csv", USERS);
        let file = [("ANCHOR", "file:anchors.log")];
        with(&place, &file, &["run", "add-customer", "customers.csv"]).ends(0);
        with(&place, &file, &["run", "bulk-add-users", "users.csv"]).ends(0);
        // A worker that is drained has said the last word too.
        place.write("phone.csv", CUSTOMER);
        with(&place, &file, &["submit", "update-account", "phone.csv"]).ends(0);
        with(&place, &file, &["worker", "--drain"]).ends(0);
        let anchors = read(place.path("anchors.log"));
        let last = place.tenantry(&["audit", "verify"]).ends(0).out;
        let last = last.trim().rsplit(' ').next().expect("an anchor").to_owned();
        assert_eq!(anchors.lines().count(), 3, "{anchors}");
        assert!(anchors.trim_end().ends_with(&last), "{anchors}");
        // Among lines of others, and of other ledgers.
        let number = anchors.split_whitespace().rev().nth(1).expect("a number").to_owned();
        let other = format!("Nov 29 host tenantry[7]: tenantry anchor {}1 1:{}", number, "0".repeat(64));
        place.write("syslog", format!("Nov 29 host sshd: hello\n{other}\n{anchors}"));
        let held = place.tenantry(&["audit", "verify", "--anchors", "syslog"]).ends(0).out;
        assert!(held.contains("3 anchors: the chain holds 3, and not 0"), "{held}");
        place.write("none", "nothing\n");
        place.tenantry(&["audit", "verify", "--anchors", "none"]).ends(2);
        // The export is held against them without the database.
        place.write("audit.jsonl", place.tenantry(&["audit", "export"]).ends(0).out);
        place.tenantry(&["audit", "verify", "--file", "audit.jsonl", "--anchors", "anchors.log"]).ends(0);
        // A record that was rewritten from some place on has other hashes from there on.
        let mut lines: Vec<String> = anchors.lines().map(str::to_owned).collect();
        for line in &mut lines[1..] {
            let digit = if line.ends_with('0') { "1" } else { "0" };
            line.replace_range(line.len() - 1.., digit);
        }
        let first: Vec<&str> = lines[1].rsplit(' ').next().expect("an anchor").split(':').collect();
        place.write("anchors.log", lines.join("\n"));
        let lost = place.tenantry(&["audit", "verify", "--anchors", "anchors.log"]).ends(1).out;
        assert!(lost.contains(&format!("no longer holds record {}", first[0])), "{lost}");
        assert!(lost.contains("3 anchors: the chain holds 1, and not 2"), "{lost}");
        let json = place.tenantry(&["audit", "verify", "--anchors", "anchors.log", "--json"]).ends(1).json();
        assert_eq!((&json["anchors"], &json["anchors_lost"], &json["intact"]), (&3.into(), &2.into(), &false.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_and_programs_are_told_too_and_failures_stop_nothing() {
    let place = Place::with_customer().await;
    place.write("phone.csv", CUSTOMER);
    let socket = place.path("log").display().to_string();
    let log = UnixDatagram::bind(&socket).expect("a socket");
    log.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let syslog = [("ANCHOR", format!("syslog:{socket}"))];
    let syslog = syslog.each_ref().map(|(key, value)| (*key, value.as_str()));
    with(&place, &syslog, &["run", "update-account", "phone.csv"]).ends(0);
    let mut message = [0; 1024];
    let length = log.recv(&mut message).expect("a message");
    let message = String::from_utf8_lossy(&message[..length]).into_owned();
    let verified = place.tenantry(&["audit", "verify"]).ends(0).out;
    let anchor = verified.trim().rsplit(' ').next().expect("an anchor");
    assert!(
        message.starts_with("<85>tenantry[") && message.ends_with(anchor),
        "{message}"
    );

    // No shell: what is an argument stays one.
    let words = "tee,a b;c";
    with(&place, &[("ANCHOR_COMMAND", words)], &["doctor"]).ends(0);
    assert!(read(place.path("a b;c")).trim_end().ends_with(anchor));

    let gone = [("ANCHOR", "file:gone/anchors.log")];
    place.write("phone.csv", CUSTOMER.replace("30 1", "30 2"));
    let ran = with(&place, &gone, &["run", "update-account", "phone.csv"]).ends(0);
    assert_eq!(
        ran.err.matches("could not be put to gone/anchors.log").count(),
        1,
        "{}",
        ran.err
    );
    let doctor = with(&place, &gone, &["doctor"]).ends(2);
    assert!(doctor.out.contains("FAIL anchors"), "{}", doctor.out);
    let doctor = place.tenantry(&["doctor"]).ends(0).out;
    assert!(doctor.contains("ok   anchors        none"), "{doctor}");
    assert!(doctor.contains("a reminder, and no control"), "{doctor}");
    let both = [("ANCHOR", "syslog"), ("ANCHOR_COMMAND", "true")];
    assert!(
        with(&place, &both, &["doctor"])
            .ends(2)
            .all()
            .contains("audit.anchor_command")
    );
    let wrong = [("ANCHOR", "elsewhere")];
    assert!(
        with(&place, &wrong, &["run", "update-account", "phone.csv"])
            .ends(2)
            .err
            .contains("expected `file:PATH`")
    );
}
