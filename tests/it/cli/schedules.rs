//! `tenantry schedules explain` and `next`.

use crate::place::{On, Place};

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_is_explained_without_a_ledger() {
    let place = Place::new(On::Sqlite).await;
    let explained = place
        .tenantry(&["schedules", "explain", "30 2 13 * 5", "--time-zone", "Europe/Berlin"])
        .ends(0);
    for expected in [
        "at 02:30, on the 13th of the month, and besides on Fridays (Europe/Berlin)",
        " UTC  in ",
        "Note: both days are given, and either is enough",
        "Zone data",
    ] {
        assert!(
            explained.out.contains(expected),
            "no `{expected}` in\n{}",
            explained.out
        );
    }
    let nightly = place.tenantry(&[
        "schedules",
        "explain",
        "30 2 * * *",
        "--time-zone",
        "europe/berlin",
        "--next",
        "3",
        "--json",
    ]);
    let nightly = nightly.ends(0).json();
    assert_eq!(nightly["words"], "at 02:30, every day");
    assert_eq!(nightly["time_zone"], "Europe/Berlin");
    assert_eq!(nightly["next"].as_array().map(Vec::len), Some(3));
    let told: Vec<&str> = nightly["clock_changes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|change| change["told"].as_str())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .any(|told| told.contains("does not exist, and it is due at 03:00 CEST")),
        "{told:?}"
    );
    assert!(
        told.contains(&"02:30 comes twice, and it is due the first time only"),
        "{told:?}"
    );
    assert!(!place.path("tenantry.db").exists(), "nothing was opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_reported_with_a_correction() {
    let place = Place::new(On::Sqlite).await;
    let told = place
        .tenantry(&["schedules", "explain", "0 30 2 * * *", "--time-zone", "Europe/Berlim"])
        .ends(2)
        .err;
    for expected in [
        "seconds come first in Quartz and others, leave them out: `30 2 * * *`",
        "did you mean `Europe/Berlin`?",
    ] {
        assert!(told.contains(expected), "no `{expected}` in\n{told}");
    }
    // A faulty configuration is no hindrance: the line may be what is to go into it.
    place.write("faulty.toml", "[schedules.x]\nkind = \"none\"\n");
    let faulty = place.path("faulty.toml").display().to_string();
    place
        .tenantry(&["schedules", "explain", "@daily", "--config", &faulty])
        .ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_due_times_are_listed_over_all_schedules() {
    let place = Place::new(On::Sqlite).await;
    let none = place.tenantry(&["schedules"]).ends(0).err;
    assert!(
        none.contains("there are no schedules") && none.contains("no configuration file was read"),
        "{none}"
    );
    place.write(
        "tenantry.toml",
        "[schedules.x]\nkind = \"export-customers\"\nset.what = \"customers\"\nevery = \"1h\"\n",
    );
    let mode = |mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(place.path("tenantry.toml"), permissions).expect("a mode is set");
    };
    mode(0o666);
    let unread = place.tenantry(&["folders"]).ends(0).err;
    assert!(
        unread.contains("tenantry.toml is not read: ") && unread.contains("can be written by other accounts"),
        "{unread}"
    );
    mode(0o644);
    let found = place.tenantry(&["folders"]).ends(0).err;
    assert!(found.contains("tenantry.toml was read"), "{found}");
    let read = place.tenantry(&["schedules", "--config", "tenantry.toml"]).ends(0).err;
    assert!(
        read.contains("those of the configuration (1)") && read.contains("tenantry.toml was read"),
        "{read}"
    );
    let none = place.tenantry(&["schedules", "next"]).ends(0);
    assert!(none.err.contains("nothing is due before"), "{}", none.err);
    let add = |name: &str, every: &str| {
        let every = format!("every={every}");
        place
            .tenantry(&[
                "schedules",
                "add",
                name,
                "kind=export-customers",
                &every,
                "set.what=customers",
            ])
            .ends(0);
    };
    add("hourly", "1h");
    add("often", "1m");
    let listed = place.tenantry(&["schedules", "next", "--within", "3h"]).ends(0).out;
    assert_eq!(
        listed.lines().filter(|line| line.contains("hourly")).count(),
        3,
        "{listed}"
    );
    assert_eq!(
        listed.lines().filter(|line| line.contains("often")).count(),
        24,
        "{listed}"
    );
    assert!(listed.contains("and 156 more"), "{listed}");
    place
        .tenantry(&["schedules", "pause", "hourly", "--because", "holidays"])
        .ends(0);
    let told = place
        .tenantry(&["schedules", "next", "--within", "3h", "--json"])
        .ends(0)
        .out;
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |name: &str| lines.iter().filter(|line| line["schedule"] == name).count();
    assert_eq!((of("hourly"), of("often")), (3, 180));
    assert!(
        lines
            .iter()
            .filter(|line| line["schedule"] == "hourly")
            .all(|line| line["instead"] == "paused")
    );
    assert!(
        lines
            .windows(2)
            .all(|pair| pair[0]["due"].as_str() <= pair[1]["due"].as_str()),
        "in order"
    );
    place.tenantry(&["schedules", "next", "--within", "soon"]).ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_no_worker_has_started_with_is_told_from_an_unknown_one() {
    let place = Place::new(On::Sqlite).await;
    place.write(
        "tenantry.toml",
        "[schedules.nightly]\nkind = \"bulk-add-users\"\ncron = \"0 2 * * *\"\nfile = \"/srv/users.csv\"\n",
    );
    for asked in [&["show"][..], &["plan"], &["run"], &["pause"]] {
        let command = [&["schedules"], asked, &["nightly", "--config", "tenantry.toml"]].concat();
        let told = place.tenantry(&command).ends(2).err;
        assert!(
            told.contains("not in force yet") && told.contains("with this configuration starts it"),
            "{told}"
        );
    }
    let unknown = ["schedules", "show", "weekly", "--config", "tenantry.toml"];
    let told = place.tenantry(&unknown).ends(2).err;
    assert!(told.contains("there is no schedule `weekly`"), "{told}");
}
