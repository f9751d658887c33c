//! What the program prints, word by word: help, tables, faults and summaries, on a terminal of 80 columns and in a pipe.
//!
//! `INSTA_UPDATE=always cargo test --test it snapshots` writes the files anew; `git diff` then shows what people will see changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::place::terminal::seen;
use crate::place::{Place, TWO_CUSTOMERS};

/// Every snapshot there is.
const NAMES: [&str; 7] = [
    "faults-in-a-pipe",
    "faults-on-a-terminal",
    "help",
    "summaries-in-a-pipe",
    "summaries-on-a-terminal",
    "tables-in-a-pipe",
    "tables-on-a-terminal",
];

const USERS: &str = "\
customer,user_principal_name,first_name,last_name,usage_location
A-1,ada.lovelace@alpha.onmicrosoft.com,Ada,Lovelace,GB
A-1,grace.brewster.murray.hopper@alpha.onmicrosoft.com,Grace,Hopper,GB
B-2,bea.berg@beta.onmicrosoft.com,Bea,Berg,DE
";

const FAULTY: &str = "\
customer,user_principal_name,first_name,last_name,usage_location,licenses
A-1,not a name,Nora,Name,GB,
A-9,c@alpha.onmicrosoft.com,Carl,Customer,UK,SPB
B-2,bea.berg@beta.onmicrosoft.com,Bea,Bergmann,DE,
";

const LEAVERS: &str = "\
customer,user_principal_name
A-1,ada.lovelace@alpha.onmicrosoft.com
B-2,nobody@beta.onmicrosoft.com
";

fn hold(name: &str, text: &str) {
    assert!(NAMES.contains(&name), "{name} is not listed");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Replaces what differs from run to run by texts of the same length.
#[derive(Default)]
struct Steady {
    jobs: BTreeMap<String, String>,
}

impl Steady {
    /// Knows the jobs of a place, in the order in which they were submitted.
    fn of(place: &Place) -> Self {
        let listed = place.tenantry(&["jobs", "--json"]).out;
        let ids = listed.lines().rev().map(|line| {
            let job: serde_json::Value = serde_json::from_str(line).expect("JSON");
            job["job"].as_str().expect("an id").to_owned()
        });
        let named = |(number, id)| (id, format!("01a00000-0000-7000-8000-{:012}", number + 1));
        Self {
            jobs: ids.enumerate().map(named).collect(),
        }
    }

    fn text(&self, place: &Place, text: &str) -> String {
        let dir = place.dir.path().display().to_string();
        let mut text = text.replace(&dir, &"/tmp/.tmp000000"[..dir.len().min(15)]);
        for (id, name) in &self.jobs {
            text = text.replace(id.as_str(), name);
            text = text.replace(&id[id.len() - 8..], &name[name.len() - 8..]);
        }
        text.lines().map(steady_line).collect::<Vec<_>>().join("\n")
    }
}

/// A line without times, hashes and the account that runs the tests.
fn steady_line(line: &str) -> String {
    let mut steady = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if let Some(length) = time_at(rest) {
            steady.push_str(&"2026-01-02 03:04:05"[..length]);
            rest = &rest[length..];
        } else if (hex == 64 || hex == 12 && rest[hex..].starts_with('…'))
            && !steady.ends_with(|c: char| c.is_ascii_hexdigit())
        {
            steady.push_str(&"0".repeat(hex));
            rest = &rest[hex..];
        } else {
            steady.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    match steady.split_once(" via cli ") {
        Some((before, _)) => format!("{before} via cli ACCOUNT"),
        None => steady,
    }
}

/// How long the time is that a text begins with: `2026-11-29 23:43` with or without seconds.
fn time_at(text: &str) -> Option<usize> {
    let fits = |form: &str| {
        let mut bytes = text.bytes();
        form.bytes().all(|form| {
            bytes.next().is_some_and(|byte| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == form,
            })
        })
    };
    let forms = ["0000-00-00 00:00:00", "0000-00-00 00:00"];
    forms.into_iter().find(|form| fits(form)).map(str::len)
}

/// Customers and users, a job with rejects, and one that awaits approval.
async fn place() -> Place {
    let place = Place::new(crate::place::On::Sqlite).await;
    place.write("customers.csv", TWO_CUSTOMERS);
    place.write("users.csv", USERS);
    place.write("faulty.csv", FAULTY);
    place.write("leavers.csv", LEAVERS);
    place.write("header.csv", "customer,user,firstname\nA-1,a,b\n");
    let run = |args: &[&str]| place.tenantry(args);
    run(&["run", "add-customer", "customers.csv"]).ends(0);
    run(&["run", "bulk-add-users", "users.csv"]).ends(0);
    run(&["run", "bulk-add-users", "faulty.csv", "--skip-invalid"]).ends(1);
    run(&["submit", "delete-users", "leavers.csv", "--skip-invalid"]).ends(0);
    place
}

/// What commands print, each below its line: on a terminal and in a pipe.
async fn printed(place: &Place, commands: &[&[&str]]) -> [String; 2] {
    let steady = Steady::of(place);
    let (mut on_terminal, mut in_pipe) = (String::new(), String::new());
    for args in commands {
        let line = format!("$ tenantry {}\n", args.join(" "));
        let with_zone = || {
            let mut command = place.command(args);
            command.env("TZ", "UTC");
            command
        };
        let (code, text) = seen(with_zone()).await;
        let piped = crate::place::Run::from(with_zone().output().expect("it runs"));
        let end = |code: Option<i32>| format!("[exit code {}]\n\n", code.unwrap_or(-1));
        on_terminal.push_str(&format!("{line}{}\n{}", text.trim_end(), end(code)));
        let err = if piped.err.is_empty() {
            String::new()
        } else {
            format!("--- standard error\n{}", piped.err)
        };
        in_pipe.push_str(&format!("{line}{}{err}{}", piped.out, end(Some(piped.code))));
    }
    // The lines with the ids of jobs in place of theirs.
    [steady.text(place, &on_terminal), steady.text(place, &in_pipe)]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_help_page() {
    let place = Place::new(crate::place::On::Sqlite).await;
    let mut pages = vec![Vec::new()];
    let definition = tenantry::testing::cli::definition();
    let names = |command: &clap::Command| {
        let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
        inner.map(|inner| inner.get_name().to_owned()).collect::<Vec<_>>()
    };
    for name in names(&definition) {
        pages.push(vec![name.clone()]);
        let command = definition.find_subcommand(&name).expect("a command");
        pages.extend(names(command).into_iter().map(|inner| vec![name.clone(), inner]));
    }
    pages.push(vec!["run".to_owned(), "set-seats".to_owned()]);
    let mut text = String::new();
    for mut page in pages {
        page.push("--help".to_owned());
        let args: Vec<&str> = page.iter().map(String::as_str).collect();
        let (code, help) = seen(place.command(&args)).await;
        assert_eq!(code, Some(0), "{args:?}");
        let help = help.trim_end().replace("[default: tester]", "[default: USER]");
        text.push_str(&format!("$ tenantry {}\n{help}\n\n", args.join(" ")));
    }
    hold("help", &text);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table() {
    let place = place().await;
    let commands: &[&[&str]] = &[
        &["jobs"],
        &["jobs", "--state", "awaiting-approval"],
        &["customers"],
        &["users"],
        &["users", "--search", "hopper"],
        &[
            "users",
            "--columns",
            "user_principal_name;display_name;company_name;licenses;roles;city;country;department;status",
        ],
        &["subscriptions"],
        &["workers"],
        &["schedules"],
        &["folders"],
        &["policy"],
        &["approvers"],
        &["kinds"],
        &["template", "set-seats", "--explain"],
    ];
    let [on_terminal, in_pipe] = printed(&place, commands).await;
    hold("tables-on-a-terminal", &on_terminal);
    hold("tables-in-a-pipe", &in_pipe);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sort_of_fault() {
    let place = place().await;
    let commands: &[&[&str]] = &[
        &["run", "bulk-add-users", "faulty.csv"],
        &["run", "bulk-add-users", "header.csv"],
        &["run", "bulk-add-users", "nothing.csv"],
        &["run", "bulk-add-user", "users.csv"],
        &["run", "set-seats", "--set", "customer=A-1", "--set", "seat=5"],
        &["plan", "delete-users", "faulty.csv"],
        &["show", "00000000"],
        &["show", "what"],
        &["jobs", "--state", "complete"],
        &["jobs", "--watch=yes"],
        &["custmers"],
        &["users", "--where", "licences=SPB"],
        &["users", "--sort", "colour"],
        &["policy", "set", "limits.row", "5"],
        &["schedules", "show", "nightly"],
        &["folders", "show", "new-users"],
        &["jobs", "--ledger", "sqlite:elsewhere.db"],
        &["jobs", "--config", "missing.toml"],
    ];
    let [on_terminal, in_pipe] = printed(&place, commands).await;
    hold("faults-on-a-terminal", &on_terminal);
    hold("faults-in-a-pipe", &in_pipe);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sort_of_summary() {
    let place = place().await;
    let ids = Steady::of(&place);
    let by_number: BTreeMap<&str, &str> = ids.jobs.iter().map(|(id, name)| (name.as_str(), id.as_str())).collect();
    let ids: Vec<&str> = by_number.values().copied().collect();
    let [_, added, faulty, waiting] = ids[..] else {
        panic!("four jobs");
    };
    let commands: &[&[&str]] = &[
        &["show", added],
        &["rows", faulty],
        &["rejects", faulty],
        &["report", faulty],
        &["show", waiting],
        &["plan", waiting],
        &["plan", "bulk-add-users", "users.csv"],
        &["plan", "delete-users", "leavers.csv", "--skip-invalid"],
        &["undo", added, "--plan"],
    ];
    let [on_terminal, in_pipe] = printed(&place, commands).await;
    hold("summaries-on-a-terminal", &on_terminal);
    hold("summaries-in-a-pipe", &in_pipe);
}

#[test]
fn no_snapshot_is_left_over() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    let files = std::fs::read_dir(dir).expect("the snapshots").map(|file| {
        let name = file.expect("a file").file_name();
        name.to_string_lossy().trim_end_matches(".snap").to_owned()
    });
    let expected: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
}
