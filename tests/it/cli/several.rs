//! Several files on one command line: each its own job, one summary, the worst exit code, and nothing left unsaid.

use serde_json::Value;

use crate::place::{Place, Run, Running};

fn cities(cities: &[&str]) -> String {
    let rows: String = cities.iter().map(|city| format!("A-1,{city}\n")).collect();
    format!("customer,city\n{rows}")
}

/// A customer, and files of one row, in this order: a fine one, one with a fault, one whose header does not fit, and a fine one.
async fn with_files() -> Place {
    let place = Place::with_customer().await;
    place.write("b.csv", cities(&["York"]));
    place.write("a.csv", "customer,country\nA-1,UK\n");
    place.write("wat.csv", "wat\n1\n");
    place.write("c.csv", cities(&["Hull"]));
    place
}

const ALL: [&str; 4] = ["b.csv", "a.csv", "wat.csv", "c.csv"];

fn with<'a>(command: &[&'a str], files: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [command, files, rest].concat()
}

/// The lines of the summary: file, state and the counts of each.
fn summary(run: &Run) -> Vec<Vec<&str>> {
    let lines = run.out.lines().skip_while(|line| !line.starts_with("file "));
    lines.skip(1).map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn run_goes_on_after_a_bad_file_and_sums_up() {
    let place = with_files().await;
    let run = place
        .tenantry(&with(&["run", "update-account"], &ALL, &["--out", "out"]))
        .ends(2);
    let told = summary(&run);
    let heads: Vec<String> = told.iter().map(|line| line[..7].join(" ")).collect();
    assert_eq!(
        heads,
        [
            "b.csv completed 1 1 0 0 0",
            "a.csv refused 1 - - 1 -",
            "wat.csv refused - - - - -",
            "c.csv completed 1 1 0 0 0",
        ],
        "{run:#?}"
    );
    assert!(run.out.contains("a.csv:2: column 2 country: `UK` is not "), "{run:#?}");
    assert!(run.err.contains("wat.csv:1: `wat` is not a column"), "{run:#?}");
    for (line, dir) in [(&told[0], "out/1"), (&told[3], "out/4")] {
        let receipt = std::fs::read_to_string(place.path(dir).join("receipt.json")).expect("a receipt");
        assert!(receipt.contains(line[7]), "{receipt}");
    }
    assert!(!run.err.contains("not begun"), "{run:#?}");
    let worst = |files: &[&str]| {
        place
            .tenantry(&with(&["run", "update-account"], files, &["--skip-invalid"]))
            .code
    };
    assert_eq!(
        (worst(&["b.csv", "c.csv"]), worst(&["b.csv", "a.csv", "c.csv"])),
        (0, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_one_document() {
    let place = with_files().await;
    let run = place
        .tenantry(&with(&["run", "update-account"], &ALL, &["--json"]))
        .ends(2)
        .json();
    let files = run["inputs"].as_array().expect("files");
    let told: Vec<(&str, &str)> = files
        .iter()
        .map(|file| {
            (
                file["file"].as_str().unwrap_or_default(),
                file["state"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("b.csv", "completed"),
            ("a.csv", "refused"),
            ("wat.csv", "refused"),
            ("c.csv", "completed")
        ]
    );
    assert_eq!(files[0]["counts"]["applied"], 1);
    assert_eq!(files[1]["errors"][0]["code"], "unknown-country");
    assert_eq!(files[2]["errors"][0]["code"], "unknown-column");
    assert_eq!(run["not_begun"], Value::Array(Vec::new()));
    let plan = place
        .tenantry(&with(&["plan", "update-account"], &ALL, &["--json"]))
        .ends(2)
        .json();
    let plans = plan["plans"].as_array().expect("plans");
    assert_eq!(plans.len(), 4, "{plan:#}");
    assert_eq!(
        (&plans[0]["totals"]["unchanged"], &plans[3]["file"]),
        (&0.into(), &"c.csv".into())
    );
    assert_eq!(plans[1]["errors"][0]["code"], "unknown-country");
    assert_eq!(plans[2]["errors"][0]["code"], "unknown-column");
    // One file is told as ever.
    let one = place
        .tenantry(&["run", "update-account", "b.csv", "--json"])
        .ends(0)
        .json();
    assert!(one["job"].is_string() && one.get("inputs").is_none(), "{one:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_submitted_together_and_waited_for() {
    let place = with_files().await;
    let run = place.tenantry(&with(&["submit", "update-account"], &ALL, &[])).ends(2);
    let told = summary(&run);
    let states: Vec<&str> = told.iter().map(|line| line[1]).collect();
    assert_eq!(states, ["queued", "refused", "refused", "queued"], "{run:#?}");
    place.write("d.csv", cities(&["Leeds"]));
    let worker = place.command(&["worker"]).stderr(std::process::Stdio::null()).spawn();
    let _worker = Running(worker.expect("a worker"));
    let waiting = ["--wait", "--json", "--out", "out"];
    let run = place
        .tenantry(&with(
            &["submit", "update-account"],
            &["d.csv", "wat.csv", "b.csv"],
            &waiting,
        ))
        .ends(2)
        .json();
    for (number, state) in [(0, "completed"), (1, "refused"), (2, "completed")] {
        assert_eq!(run["inputs"][number]["state"], state, "{run:#}");
    }
    let rows = |dir: &str| std::fs::read_to_string(place.path(dir)).expect("results");
    assert!(rows("out/1/results.csv").contains("Leeds") && rows("out/3/results.csv").contains("York"));
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictory_arguments_are_refused_before_any_file_is_begun() {
    let place = with_files().await;
    std::fs::hard_link(place.path("b.csv"), place.path("d.csv")).expect("a link");
    std::os::unix::fs::symlink("b.csv", place.path("e.csv")).expect("a link");
    for (files, told) in [
        (&["b.csv", "c.csv", "b.csv"][..], "b.csv is named twice"),
        (&["b.csv", "./b.csv"], "b.csv and ./b.csv are the same file"),
        (&["b.csv", "d.csv"], "b.csv and d.csv are the same file"),
        (&["e.csv", "b.csv"], "e.csv and b.csv are the same file"),
        (&["-", "b.csv", "-"], "standard input is named twice"),
        (&["-", "/dev/stdin"], "standard input and /dev/stdin are the same file"),
        (
            &["b.csv", "none.csv"],
            "none.csv: the file cannot be read (No such file",
        ),
    ] {
        for command in ["run", "plan", "submit"] {
            let run = place.tenantry(&with(&[command, "update-account"], files, &[])).ends(2);
            assert!(run.err.contains(told), "{run:#?}");
            assert!(run.err.contains("nothing was begun"), "{run:#?}");
        }
    }
    for rest in [["--idempotency-key", "k"], ["--plaintext-passwords", "p.csv"]] {
        for command in ["run", "submit"] {
            let run = place
                .tenantry(&with(&[command, "update-account"], &["b.csv", "c.csv"], &rest))
                .ends(2);
            assert!(run.err.contains(rest[0]), "{run:#?}");
        }
    }
    place
        .tenantry(&["plan", "update-account", "b.csv", "c.csv", "--out", "plan.json"])
        .ends(2);
    let jobs = place.tenantry(&["jobs", "--kind", "update-account", "--json"]).ends(0);
    assert_eq!(jobs.out, "", "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_not_begun_are_named() {
    let place = with_files().await;
    // As a disk that fills up while the first one runs.
    std::fs::create_dir_all(place.path("out/1/results.csv.partial/in-the-way")).expect("made");
    let files = ["b.csv", "a.csv", "c.csv"];
    let run = place
        .tenantry(&with(&["run", "update-account"], &files, &["--out", "out"]))
        .ends(2);
    assert!(run.err.contains("not begun: a.csv, c.csv"), "{run:#?}");
    let told = summary(&run);
    assert_eq!(told[0][..2], ["b.csv", "failed"], "{run:#?}");
    assert_eq!(told[1][..3], ["a.csv", "not", "begun"], "{run:#?}");
    std::fs::create_dir_all(place.path("new/1/results.csv.partial/in-the-way")).expect("made");
    let run = place
        .tenantry(&with(
            &["run", "update-account"],
            &["c.csv", "b.csv"],
            &["--out", "new", "--json"],
        ))
        .ends(2)
        .json();
    assert_eq!(
        (&run["inputs"][1]["state"], &run["not_begun"][0]),
        (&"not-begun".into(), &"b.csv".into()),
        "{run:#}"
    );
    // Stopped while it reads, it begins nothing more.
    let mut command = place.command(&with(&["run", "update-account"], &["-", "c.csv"], &["--json"]));
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut running = Running(command.spawn().expect("tenantry starts"));
    let mut stdin = running.0.stdin.take().expect("a pipe");
    // More than a pipe holds, so that it is being read once this is written.
    std::io::Write::write_all(&mut stdin, &vec![b'a'; 1 << 20]).expect("it reads");
    assert_eq!(running.stop(), Some(2));
    let mut out = String::new();
    let stdout = running.0.stdout.as_mut().expect("a pipe");
    std::io::Read::read_to_string(stdout, &mut out).expect("text");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (&told["inputs"][0]["state"], &told["not_begun"][0]),
        (&"failed".into(), &"c.csv".into()),
        "{told:#}"
    );
}
