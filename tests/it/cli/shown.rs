//! What people see: on a terminal of 80 columns, in colour and in their own time, and in a pipe without any of it.

use super::{GOOD, MIXED};
use crate::place::terminal::{COLUMNS, CTRL_C, at_terminal, plain, seen};
use crate::place::{On, Place};

/// With two users and a job that rejected some rows.
async fn place_with_jobs() -> Place {
    let place = Place::with_customer().await;
    place.write("users.csv", GOOD);
    place.tenantry(&["run", "bulk-add-users", "users.csv"]).ends(0);
    place.write("mixed.csv", MIXED);
    place
        .tenantry(&["run", "bulk-add-users", "mixed.csv", "--skip-invalid"])
        .ends(1);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_a_terminal_and_lose_nothing() {
    let place = place_with_jobs().await;
    for args in [
        &["jobs"][..],
        &["customers"],
        &["users"],
        &[
            "users",
            "--columns",
            "user_principal_name;display_name;company_name;licenses;roles;city;country;department",
        ],
        &["subscriptions"],
        &["audit"],
        &["kinds"],
        &["policy"],
        &["workers"],
        &["doctor"],
        &["template", "add-customer", "--explain"],
        &["--help"],
        &["run", "--help"],
        &["run", "switch-subscription", "--help"],
        &["audit", "verify", "--help"],
    ] {
        let (_, text) = seen(place.command(args)).await;
        let is_table =
            |line: &&str| !line.starts_with("hint:") && !line.starts_with("warning:") && !line.starts_with("policy ");
        for line in text.lines().filter(is_table) {
            assert!(line.chars().count() <= usize::from(COLUMNS), "{args:?}: {line}");
        }
    }
    let (_, users) = seen(place.command(&["users"])).await;
    let letters: String = users.split_whitespace().collect();
    assert!(letters.contains("a@alpha.onmicrosoft.com"), "{users}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_by_the_short_id_of_the_list() {
    let place = place_with_jobs().await;
    let listed = place.tenantry(&["jobs"]).ends(0).out;
    let first = listed
        .lines()
        .nth(1)
        .and_then(|line| line.split(' ').next())
        .expect("an id");
    assert!(first.len() < 12, "{listed}");
    let found = place.tenantry(&["show", first, "--json"]).json();
    let whole = found["job"].as_str().expect("an id");
    assert!(whole.ends_with(first), "{whole} {first}");
    assert!(place.tenantry(&["audit"]).ends(0).out.contains(&format!("  {first}  ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_those_of_the_place_and_name_their_zone() {
    let place = place_with_jobs().await;
    let shown = |zone: &str, args: &[&str]| {
        let mut command = place.command(args);
        command.env("TZ", zone);
        let shown = command.output().expect("it runs");
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };
    for args in [&["jobs"][..], &["audit"]] {
        let (here, there) = (
            shown("Asia/Tokyo", args),
            shown("Asia/Tokyo", &[args, &["--utc"]].concat()),
        );
        assert!(here.contains("JST") && !here.contains("UTC"), "{here}");
        assert!(there.contains("UTC") && !there.contains("JST"), "{there}");
    }
    let jobs = shown("Asia/Tokyo", &["jobs", "--json"]);
    assert!(jobs.contains("Z\""), "programs get UTC: {jobs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_that_want_them() {
    let place = Place::new(On::Sqlite).await;
    let wrong = || place.command(&["run", "bulk-add-user", "users.csv"]);
    let (code, coloured) = at_terminal(wrong(), "\0", "").await;
    assert_eq!(code, Some(2));
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let text = plain(&coloured);
    assert!(
        text.contains("error: there is no kind `bulk-add-user`; did you mean `bulk-add-users`?\n"),
        "{text}"
    );
    assert!(text.contains("hint: kinds are add-customer, "), "{text}");
    let mut without = wrong();
    without.env("NO_COLOR", "1");
    let (_, without) = at_terminal(without, "\0", "").await;
    assert!(!without.contains('\u{1b}'), "{without:?}");
    let piped = crate::place::Run::from(wrong().output().expect("it runs"));
    assert!(!piped.all().contains('\u{1b}'), "{piped:?}");
    let told = place
        .tenantry(&["run", "bulk-add-user", "users.csv", "--json"])
        .ends(2)
        .json();
    assert!(
        told["hint"].as_str().is_some_and(|hint| hint.starts_with("kinds are ")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_shown_again_and_again_until_it_is_stopped() {
    let place = place_with_jobs().await;
    let refused = place.tenantry(&["jobs", "--watch"]).ends(2);
    assert!(refused.err.contains("hint: `tenantry wait JOB`"), "{refused:?}");
    let command = place.command(&["jobs", "--watch", "--limit", "1"]);
    let (code, text) = at_terminal(command, "Ctrl-C ends this", CTRL_C).await;
    assert!(
        text.contains("bulk-add-users") && !text.contains("add-customer"),
        "{text}"
    );
    assert_eq!(code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_found_by_their_names_and_fields() {
    let place = place_with_jobs().await;
    let names = |args: &[&str]| {
        let listed = place.tenantry(&[args, &["--json"]].concat()).ends(0).out;
        let lines = listed.lines().map(|line| {
            let user: serde_json::Value = serde_json::from_str(line).expect("JSON");
            user["user_principal_name"].as_str().expect("a name").to_owned()
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(names(&["users", "--search", "B@"]), ["b@alpha.onmicrosoft.com"]);
    assert_eq!(names(&["users", "--search", "lpha"]), [""; 0]);
    assert_eq!(names(&["users", "--search", "lpha", "--contains"]).len(), 2);
    assert_eq!(
        names(&["users", "--where", "first_name=a", "--limit", "5"]),
        ["a@alpha.onmicrosoft.com"]
    );
    assert_eq!(names(&["users", "--limit", "1", "--where", "status=active"]).len(), 1);
    let csv = place.tenantry(&["users", "--csv", "--search", "b"]).ends(0).out;
    assert!(
        csv.starts_with("\u{feff}Microsoft ID,Primary domain name,User principal name,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let wrong = place.tenantry(&["users", "--where", "licences=SPB"]).ends(2);
    assert!(wrong.err.contains("did you mean `licenses`?"), "{}", wrong.err);
    place.tenantry(&["users", "--csv", "--json"]).ends(2);
    place.tenantry(&["users", "--contains"]).ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_a_kind_lists_its_columns() {
    let place = Place::new(On::Sqlite).await;
    for command in ["run", "plan", "submit"] {
        let help = place.tenantry(&[command, "set-seats", "--help"]).ends(0).out;
        assert!(
            help.contains("Columns of set-seats:") && help.contains("part number of the SKU"),
            "{help}"
        );
        let help = place.tenantry(&[command, "--help"]).ends(0).out;
        assert!(
            help.contains(&format!("`tenantry {command} KIND --help` lists the columns")),
            "{help}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_and_kinds_are_checked_with_the_nearest_choice() {
    let place = place_with_jobs().await;
    for (args, near) in [
        (&["jobs", "--state", "complete"][..], "'completed'"),
        (&["jobs", "--kind", "bulk-add-user"], "'bulk-add-users'"),
        (&["rows", "00000000", "--outcome", "reject"], "'rejected'"),
        (&["custmers"], "'customers'"),
        (&["jobs", "--stat"], "'--state'"),
    ] {
        let wrong = place.tenantry(args).ends(2);
        assert!(
            wrong.err.starts_with("error: ") && wrong.err.contains(near),
            "{args:?}: {}",
            wrong.err
        );
    }
}

/// What stands on the command line may come from anywhere, as the names of files do.
#[tokio::test(flavor = "multi_thread")]
async fn faulty_arguments_move_nothing_on_a_terminal() {
    let place = Place::new(On::Sqlite).await;
    for args in [
        &["approve", "1", "--by", "eve\u{1b}]0;x\u{7}"][..],
        &["submit", "--customer\u{1b}]0;x\u{7}"],
        &["jobs\u{1b}]0;x\u{7}"],
        &["jobs", "--state", "\u{1b}]0;x\u{7}"],
        &["jobs", "\u{1b}]0;x\u{7}"],
        &["run", "\u{1b}]0;x\u{7}", "file"],
        &["run", "add-customer", "\u{1b}]0;x\u{7}"],
    ] {
        let (code, seen) = at_terminal(place.command(args), "\0", "").await;
        assert_eq!(code, Some(2), "{args:?}: {seen:?}");
        assert!(
            !seen.contains("\u{1b}]") && !seen.contains('\u{7}'),
            "{args:?}: {seen:?}"
        );
        assert!(seen.contains("\\u{1b}]0;x\\u{7}"), "{args:?}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_in_the_wrong_place_is_not_told_whole() {
    let place = Place::new(On::Sqlite).await;
    place.tenantry(&["migrate"]).ends(0);
    let pasted = "word\n".repeat(20_000);
    for args in [
        &["jobs", pasted.as_str()][..],
        &["run", &pasted, "x.csv"],
        &["plan", &pasted],
        &["show", &pasted],
        &["show", &"a".repeat(100_000)],
        &["jobs", "--state", &pasted],
        &["wait", "--timeout", &pasted],
        &["plan", "add-customer", "x.csv", "--encoding", &pasted],
        &["sandbox", "--fault", &format!("{pasted}=1")],
        &[&pasted],
        &[&format!("--{pasted}")],
    ] {
        let told = place.tenantry(args).ends(2).err;
        assert!(told.len() < 4_000, "{} bytes: {}", told.len(), &told[..200]);
        assert!(!told.contains("\nword"), "{told}");
    }
}
