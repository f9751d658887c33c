//! `submit --jobs`: many jobs by one command.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};

use serde_json::{Value, json};

use crate::place::{On, Place, Running, TWO_CUSTOMERS};

/// A command that is kept open, and its answers.
struct Open {
    running: Running,
    input: Option<ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
}

impl Open {
    fn new(place: &Place, more: &[&str]) -> Self {
        let mut command = place.hurried(&["submit", "--jobs", "-"]);
        command
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child: Child = command.spawn().expect("tenantry starts");
        Self {
            input: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().expect("its output")),
            running: Running(child),
        }
    }

    fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(text.as_bytes()).expect("written");
        input.flush().expect("written");
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("read");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// No more lines come; the answers that are left, and the exit code.
    fn end(mut self) -> (Vec<Value>, Option<i32>) {
        self.input = None;
        let answers = self.answers.by_ref().lines();
        let answers = answers.map(|line| serde_json::from_str(&line.expect("read")).expect("JSON"));
        let answers = answers.collect();
        (answers, self.running.0.wait().expect("it ends").code())
    }
}

async fn with_customers() -> Place {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", TWO_CUSTOMERS);
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    place
}

fn phone(customer: &str, phone: &str) -> Value {
    json!({ "kind": "update-account", "rows": [{ "customer": customer, "phone": phone }] })
}

fn with(mut document: Value, key: &str, value: impl Into<Value>) -> Value {
    document[key] = value.into();
    document
}

#[tokio::test]
async fn every_line_has_its_answer_in_order() {
    let place = with_customers().await;
    let mut open = Open::new(&place, &["--by", "anna"]);
    let lines = [
        phone("A-1", "+49 30 1").to_string(),
        "{ no JSON".to_owned(),
        String::new(),
        with(phone("A-1", "+49 30 2"), "kind", "update-acount").to_string(),
        phone("nobody", "+49 30 3").to_string(),
        with(phone("B-2", "+49 30 4"), "idempotency_key", "k").to_string(),
        with(phone("B-2", "+49 30 4"), "idempotency_key", "k").to_string(),
        with(phone("B-2", "+49 30 5"), "idempotency_key", "k").to_string(),
        with(phone("B-2", "+49 30 6"), "reply_to", "replies").to_string(),
        with(phone("B-2", "+49 30 7"), "submitted_by", "bert").to_string(),
        with(phone("B-2", "+49 30 8"), "submitted_by", "anna").to_string(),
        json!({ "kind": "remove-relationship", "rows": [{ "customer": "B-2" }] }).to_string(),
    ];
    open.write(&(lines.join("\n") + "\n"));
    let (answers, code) = open.end();
    let told: Vec<(u64, String)> = answers
        .iter()
        .map(|answer| {
            let state = answer["state"].as_str().expect("a state");
            let more = match state {
                "rejected" => answer["reasons"][0]["path"].to_string(),
                _ => answer["new"].to_string(),
            };
            (answer["line"].as_u64().expect("a line"), format!("{state} {more}"))
        })
        .collect();
    let expected = [
        (1, "queued true"),
        (2, r#"rejected "$""#),
        (4, r#"rejected "$.kind""#),
        (5, r#"rejected "$.rows[0].customer""#),
        (6, "queued true"),
        (7, "queued false"),
        (8, r#"rejected "$.idempotency_key""#),
        (9, r#"rejected "$.reply_to""#),
        (10, r#"rejected "$.submitted_by""#),
        (11, "queued true"),
        (12, "awaiting-approval true"),
    ];
    assert_eq!(told, expected.map(|(line, state)| (line, state.to_owned())));
    assert_eq!(answers[4]["job"], answers[5]["job"]);
    assert_eq!(answers[4]["idempotency_key"], "k");
    assert_eq!(code, Some(1), "some lines are refused");
    let jobs: Vec<Value> = place
        .tenantry(&["jobs", "--json"])
        .ends(0)
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(jobs.len(), 5, "the customers, and four of the lines");
    assert!(
        jobs.iter()
            .filter(|job| job["kind"] != "add-customer")
            .all(|job| job["submitted_by"] == "anna"),
        "{jobs:?}"
    );
}

#[tokio::test]
async fn users_are_made_without_passwords_only_where_that_is_said() {
    let place = with_customers().await;
    let user = json!({ "customer": "A-1", "user_principal_name": "a@alpha.onmicrosoft.com", "first_name": "A", "last_name": "A" });
    let line = json!({ "kind": "bulk-add-users", "rows": [user] });
    place.write("jobs.jsonl", format!("{line}\n"));
    let submit = |more: &[&str]| {
        let mut args = vec!["submit", "--jobs", "jobs.jsonl"];
        args.extend(more);
        let mut command = place.command(&args);
        command.env("TENANTRY__PASSWORDS__DELIVER", "true");
        command.output().expect("tenantry starts")
    };
    let refused = submit(&[]);
    assert_eq!(refused.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&refused.stdout).expect("one answer");
    assert_eq!(answer["reasons"][0]["code"], "no-recipient", "{answer}");
    assert!(answer.to_string().contains("--no-passwords"), "{answer}");
    assert_eq!(submit(&["--no-passwords"]).status.code(), Some(0));
    assert_eq!(
        submit(&["--plaintext-passwords", "p.csv"]).status.code(),
        Some(2),
        "there is no one file"
    );
    assert_eq!(
        submit(&["--wait", "--format", "xlsx"]).status.code(),
        Some(2),
        "nothing is written"
    );
}

#[tokio::test]
async fn a_line_is_answered_while_more_may_come() {
    let place = with_customers().await;
    let _worker = Running(place.hurried(&["worker"]).spawn().expect("a worker starts"));
    let mut open = Open::new(&place, &["--wait"]);
    for turn in 0..3 {
        let phone = phone("A-1", &format!("+49 30 {turn}"));
        open.write(&format!("{phone}\n"));
        let answer = open.answer();
        assert_eq!(answer["line"], turn + 1);
        assert_eq!(answer["state"], "completed");
        assert_eq!(answer["counts"]["applied"], 1, "{answer}");
    }
    // Without a line end, as an editor may leave the last line.
    open.write(&phone("A-1", "+49 30 2").to_string());
    let (answers, code) = open.end();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["counts"]["unchanged"], 1, "{answers:?}");
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn a_command_that_stops_waiting_names_the_first_line_without_an_answer() {
    let place = with_customers().await;
    let mut open = Open::new(&place, &["--wait"]);
    // Nobody works.
    open.write(&format!("{}\n", phone("A-1", "+49 30 1")));
    crate::servers::eventually("the job to be recorded", async || {
        let jobs = place.tenantry(&["jobs", "--json"]).ends(0).out;
        jobs.contains("update-account").then_some(())
    })
    .await;
    let mut said = open.running.0.stderr.take().expect("its errors");
    assert_eq!(open.running.stop(), Some(2));
    let mut text = String::new();
    said.read_to_string(&mut text).expect("read");
    assert!(text.contains("the first line without an answer is line 1"), "{text}");
}

#[tokio::test]
async fn fields_of_a_document_are_no_options() {
    let place = with_customers().await;
    place.write("jobs.jsonl", format!("{}\n", phone("A-1", "+49 30 1")));
    for more in [
        &["update-account"][..],
        &["--customer", "A-1"],
        &["--set", "customer=A-1"],
    ] {
        let mut args = vec!["submit", "--jobs", "jobs.jsonl"];
        args.extend(more);
        place.tenantry(&args).ends(2);
    }
    let run = place.tenantry(&["submit", "--jobs", "nothing.jsonl"]).ends(2);
    assert!(run.err.contains("nothing.jsonl"), "{}", run.err);
    let run = place.tenantry(&["submit", "--jobs", "jobs.jsonl"]).ends(0);
    assert_eq!(run.out.lines().count(), 1, "{}", run.out);
}
