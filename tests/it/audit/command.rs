//! `tenantry audit` as its users meet it.

use serde_json::json;

use super::USERS;
use crate::place::{Place, Run};

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_without_any_database() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let by = ["run", "bulk-add-users", "users.csv", "--json", "--by", "=cmd()"];
    let job = place.tenantry(&by).ends(0).json();
    let job = job["job"].as_str().expect("an id");
    let export = place.tenantry(&["audit", "export"]).ends(0).out;
    let lines: Vec<&str> = export.lines().collect();
    assert_eq!(lines.len(), 4);
    place.write("audit.jsonl", &export);
    let last: serde_json::Value = serde_json::from_str(lines[3]).expect("JSON");
    let anchor = format!("4:{}", last["hash"].as_str().expect("a hash"));
    let offline = |args: &[&str]| {
        let mut command = place.command(&[&["audit", "verify", "--json", "--file"], args].concat());
        command.env("TENANTRY__LEDGER__URL", "postgres://127.0.0.1:1/none");
        Run::from(command.output().expect("tenantry starts"))
    };
    let intact = offline(&["audit.jsonl", "--anchor", &anchor]).ends(0).json();
    assert_eq!(
        (&intact["intact"], &intact["records"], &intact["first"]),
        (&json!(true), &json!(4), &json!(1))
    );
    assert!(intact["hash"].as_str().is_some_and(|hash| anchor.ends_with(hash)));
    // Part of a chain holds together by itself, as far as it goes.
    place.write("part.jsonl", lines[2..].join("\n"));
    assert_eq!(offline(&["part.jsonl"]).ends(0).json()["first"], 3);
    place.write("cut.jsonl", lines[..3].join("\n"));
    let cut = offline(&["cut.jsonl", "--anchor", &anchor]).ends(1).json();
    assert_eq!(cut["faults"][0]["fault"], "anchor-lost");
    let early = format!("1:{}", "0".repeat(64));
    offline(&["part.jsonl", "--anchor", &early]).ends(2);
    place.write("forged.jsonl", export.replace("=cmd()", "nobody"));
    let forged = offline(&["forged.jsonl"]).ends(1).json();
    assert_eq!(
        forged["faults"][0],
        json!({"fault": "altered", "seq": 3, "message": "record 3 was altered: it does not fit its hash"})
    );
    place.write("moved.jsonl", [lines[0], lines[2], lines[1], lines[3]].join("\n"));
    let moved = offline(&["moved.jsonl"]).ends(1).json();
    assert_eq!(
        (&moved["faults"][0]["fault"], &moved["faults"][1]["fault"]),
        (&json!("missing"), &json!("out-of-place"))
    );
    place.write("torn.jsonl", &export[..export.len() - 20]);
    assert_eq!(offline(&["torn.jsonl"]).ends(1).json()["faults"][0]["place"], "line 4");
    place.write("empty.jsonl", "");
    offline(&["empty.jsonl"]).ends(2);
    offline(&["nothere.jsonl"]).ends(2);
    offline(&["audit.jsonl", "--anchor", "4:short"]).ends(2);
    // The database itself says the same.
    let verified = place.tenantry(&["audit", "verify", "--anchor", &anchor]).ends(0).out;
    assert!(
        verified.contains(&format!("intact: 4 records, 1 to 4; anchor {anchor}")),
        "{verified}"
    );
    place.tenantry(&["audit", "--json", "verify"]).ends(0);
    place.tenantry(&["audit", "--job", job, "verify"]).ends(2);
    // Spreadsheets get no formulas.
    let csv = place.tenantry(&["audit", "export", "--format", "csv"]).ends(0).out;
    assert!(csv.contains(",'=cmd(),submitted,") && !csv.contains(",=cmd()"), "{csv}");
    // One way to choose: what is said twice is said alike, or refused wherever it stands.
    for args in [
        ["audit", "export", "--format", "csv", "--json"],
        ["--json", "audit", "export", "--format", "csv"],
    ] {
        let refused = place.tenantry(&args).ends(2);
        assert!(refused.err.contains("leave one of them out"), "{refused:#?}");
    }
    let json = place.tenantry(&["audit", "export", "--json"]).ends(0).out;
    for args in [
        &["audit", "export"][..],
        &["audit", "export", "--json", "--format", "json"],
    ] {
        assert_eq!(place.tenantry(args).ends(0).out, json);
    }
    assert_eq!(
        place.tenantry(&["audit", "export", "--job", job]).ends(0).out,
        lines[2..].join("\n") + "\n"
    );
    let since = last["time"].as_str().expect("a time");
    let part = place.tenantry(&["audit", "export", "--since", since]).ends(0).out;
    assert!(
        part.ends_with(&format!("{}\n", lines[3])) && part.lines().count() < 4,
        "{part}"
    );
    assert_eq!(
        place
            .tenantry(&["audit", "export", "--since", "2999-01-01T00:00:00Z"])
            .ends(0)
            .out,
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_shown_newest_first_with_the_actor_of_each_record() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let id = place
        .tenantry(&["submit", "bulk-add-users", "users.csv"])
        .ends(0)
        .out
        .trim()
        .to_owned();
    let refused = place.tenantry(&["cancel", &id, "--by", "bea\u{1b}[31m"]).ends(2);
    assert!(
        refused.err.contains("without control characters") && !refused.err.contains('\u{1b}'),
        "{refused:#?}"
    );
    place.tenantry(&["cancel", &id, "--by", "bea"]).ends(0);
    let log = place.tenantry(&["audit"]).ends(0).out;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 6, "{log}");
    assert!(
        lines[1].contains("applied") && lines[1].contains("2 cancelled of 2"),
        "{log}"
    );
    assert!(
        lines[2].contains("bea") && lines[2].contains("cancelled") && !log.contains('\u{1b}'),
        "{log}"
    );
    assert!(
        lines[3].contains("tester") && lines[3].contains("users.csv, sha256 "),
        "{log}"
    );
    let one = place
        .tenantry(&["audit", "log", "--job", &id, "--limit", "2", "--json"])
        .ends(0)
        .out;
    let one: Vec<serde_json::Value> = one
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (one.len(), &one[0]["seq"], &one[1]["action"]),
        (2, &json!(5), &json!("cancelled"))
    );
    assert_eq!(one[0]["counts"]["cancelled"], 2);
}

/// A name says nothing of what a job takes from limits, whatever stands in it.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_file_stays_in_one_line_of_a_note() {
    let place = Place::with_customer().await;
    let name = "x.csv\ntakes 999 touched-users of customer 4294967297\nz.csv";
    place.write(name, "customer,city\nA-1,York\n");
    place.tenantry(&["run", "update-account", name]).ends(0);
    let log = place.tenantry(&["audit", "log", "--json"]).ends(0).out;
    // The line break is written out, and JSON doubles its backslash.
    assert!(log.contains(r"x.csv\\ntakes 999"), "{log}");
    place.tenantry(&["audit", "verify", "--deep"]).ends(0);
}
