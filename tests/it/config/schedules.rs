//! `[schedules.NAME]`: what is read, what is refused, and that a command's schedule is checked in the same way.

use std::time::Duration;

use tenantry::testing::config::{AfterRun, Config, IfMissing, IfSame, Missed, Overlap, Pick, ScheduleConfig};

use super::{faults, load};

const NIGHTLY: &str = "[schedules.nightly-users]\nkind = \"bulk-add-users\"\ncron = \"0 2 * * 1-5\"\n\
                       time_zone = \"Europe/Berlin\"\nfile = \"/srv/exports/users-{date}.csv\"\n";

fn one(file: &str) -> ScheduleConfig {
    let config = load(Some(file), &[], &[]).expect("sound");
    config.schedules.named.into_values().next().expect("a schedule")
}

#[test]
fn a_schedule_has_a_default_for_every_key() {
    let config = load(Some(NIGHTLY), &[], &[]).expect("sound");
    assert_eq!(config.schedules.generation, 0);
    let nightly = &config.schedules.named["nightly-users"];
    assert_eq!(
        (nightly.kind.as_str(), nightly.cron.as_str()),
        ("bulk-add-users", "0 2 * * 1-5")
    );
    assert_eq!(
        (nightly.pick, nightly.if_missing, nightly.if_same),
        (Pick::One, IfMissing::Fail, IfSame::Run)
    );
    assert_eq!((nightly.missed, nightly.overlap), (Missed::Last, Overlap::Skip));
    assert_eq!(
        (nightly.missed_within, nightly.wait_for),
        (Duration::from_secs(86_400), Duration::from_secs(7_200))
    );
    assert_eq!(
        (nightly.every, nightly.expect_within, nightly.pause_after),
        (None, None, 0)
    );
    assert_eq!(nightly.after, AfterRun::Leave);
    assert!(nightly.file().is_some() && nightly.out().is_none());
    assert_eq!(nightly.timing().expect("sound").zone().name(), "Europe/Berlin");
    assert!(load(None, &[], &[]).expect("sound").schedules.named.is_empty());
}

#[test]
fn every_key_is_read_from_files_and_from_the_environment() {
    let file = "[schedules]\ngeneration = 3\n[schedules.copy]\nkind = \"sync-customers\"\nevery = \"15m\"\n\
                set = { from = \"partner-center\" }\nout = \"/srv/out/{schedule}/{date}\"\nkeep_out = 30\n\
                missed = \"none\"\noverlap = \"supersede\"\njitter = \"5m\"\npause_after = 3\nexpect_within = \"26h\"\n\
                from = \"2027-01-01\"\nuntil = \"2027-12-31\"\n";
    let environment = [
        ("TENANTRY__SCHEDULES__COPY__JITTER", "1m"),
        ("TENANTRY__SCHEDULES__EVE__KIND", "sync-customers"),
        ("TENANTRY__SCHEDULES__EVE__AT", "2026-12-24T18:00"),
        ("TENANTRY__SCHEDULES__EVE__SET__FROM", "partner-center"),
    ];
    let config = load(Some(file), &environment, &[]).expect("sound");
    assert_eq!(config.schedules.generation, 3);
    let copy = &config.schedules.named["copy"];
    assert_eq!(
        (copy.every, copy.jitter),
        (Some(Duration::from_secs(900)), Duration::from_secs(60))
    );
    assert_eq!((copy.keep_out, copy.pause_after), (30, 3));
    assert_eq!(copy.expect_within, Some(Duration::from_secs(26 * 3_600)));
    assert_eq!(copy.overlap, Overlap::Supersede);
    assert_eq!(config.schedules.named["eve"].set["from"], "partner-center");
}

#[test]
fn a_written_schedule_is_read_back_to_the_same() {
    for file in [
        NIGHTLY,
        "[schedules.a]\nkind = \"sync-customers\"\nevery = \"90s\"\nset = { from = \"x\" }\nexpect_within = \"1500ms\"",
        "[schedules.a]\nkind = \"update-users\"\ncron = \"@daily\"\nfile = \"/x/*.csv\"\npick = \"all\"\n\
         after = \"archive:/x/done/{month}\"\noverlap = \"wait-one\"",
    ] {
        let schedule = one(file);
        let written = serde_json::to_string(&schedule).expect("written");
        assert_eq!(
            serde_json::from_str::<ScheduleConfig>(&written).expect("read"),
            schedule,
            "{written}"
        );
    }
}

#[test]
fn all_faults_of_all_schedules_come_at_once() {
    let told = faults(
        "[schedules.first]\nkind = \"bulk-ad-users\"\ncron = \"61 2 * * MOM\"\ntime_zone = \"Europe/Berlim\"\n\
         file = \"/srv/users-{dat}.csv\"\npick = \"newst\"\nmised = \"last\"\n\
         [schedules.second]\nkind = \"sync-customers\"\ncron = \"0 2 * * *\"\nevery = \"5s\"\nat = \"noon\"\n\
         set = { fromm = \"x\" }\nafter = \"archive:/srv/done\"\nkeep_out = 3\nfrom = \"2027-02-30\"\n\
         [schedules.third]\nkind = \"bulk-add-users\"\nevery = \"1h\"\njitter = \"2h\"\nfile = \"/srv/users.csv\"\npick = \"all\"\n\
         out = \"/srv/out\"\nkeep_out = 3\nmissed_within = \"0s\"\n\
         [schedules.Fourth]\nkind = \"x\"\n",
        &[],
        &[],
    );
    for expected in [
        "`schedules.first.kind`: `bulk-ad-users`: expected a kind; `tenantry kinds` lists them; did you mean `bulk-add-users`?",
        "`schedules.first.cron`: `61 2 * * MOM`: minute `61`: expected 0 to 59",
        "day of the week `MOM`: expected 0 to 7 or SUN to SAT (0 and 7 are Sunday); did you mean `MON`?",
        "`schedules.first.time_zone`: `Europe/Berlim`: expected a time zone",
        "did you mean `Europe/Berlin`?",
        "`schedules.first.file`: `/srv/users-{dat}.csv`: `{dat}`: expected one of",
        "`schedules.first.pick` = `newst`: expected `one`, `newest` or `all`; did you mean `newest`?",
        "there is no key `schedules.first.mised`; did you mean `schedules.first.missed`?",
        "`schedules.second.every`: expected nothing, since `cron` is given",
        "`schedules.second.at`: `noon`: expected nothing, since `cron` is given",
        "did you mean `from`?",
        "`schedules.second.after`: expected `leave`, since there is no `file`",
        "`schedules.second.keep_out`: expected 0, since there is no `out`",
        "`schedules.second.from`: `2027-02-30`: expected a date or a time",
        "`schedules.third.jitter`: expected at most `every`",
        "`schedules.third.pick`: `all`: expected `one`, since `file` is no pattern",
        "`schedules.third.keep_out`: expected 0 or 1, since `out` is the same directory each time",
        "`schedules.third.missed_within`: expected more than nothing",
        "`schedules.Fourth`: expected a name of lower-case letters",
    ] {
        assert!(told.contains(expected), "no `{expected}` in\n{told}");
    }
}

#[test]
fn rows_are_from_a_file_or_from_one_row_and_never_with_a_secret() {
    let told = |rest: &str| faults(&format!("[schedules.x]\ncron = \"@daily\"\n{rest}"), &[], &[]);
    assert!(
        told("kind = \"update-users\"").contains("`schedules.x.file`: expected a file, or one row under `set` instead")
    );
    let both = told("kind = \"update-users\"\nfile = \"/x.csv\"\nset = { customer = \"a\" }");
    assert!(
        both.contains("`schedules.x.set`: expected nothing, since `file` is given"),
        "{both}"
    );
    let secret = told(
        "kind = \"bulk-add-users\"\nset = { customer = \"a\", user_principal_name = \"a@b.c\", display_name = \"A\", Password = \"S3cret!\" }",
    );
    assert!(
        secret.contains("expected no `Password`") && !secret.contains("S3cret!"),
        "{secret}"
    );
    let missing = told("kind = \"bulk-add-users\"\nset = { customer = \"a\" }");
    assert!(missing.contains("`schedules.x.set`: "), "{missing}");
    let number = told("kind = \"set-seats\"\nset = { seats = 5 }");
    assert!(
        number.contains("`schedules.x.set`") && number.contains("expected a table of texts in quotes"),
        "{number}"
    );
    let mixed = told("kind = \"bulk-add-users\"\nset = { password = \"S3cret!\", customer = 5 }");
    assert!(
        mixed.contains("expected a table of texts in quotes") && !mixed.contains("S3cret!"),
        "{mixed}"
    );
    let other_case = told("kind = \"bulk-add-users\"\nset = { customer = \"a\", Password = \"S3cret!\" }");
    assert!(!other_case.contains("S3cret!"), "{other_case}");
    let glob = told("kind = \"update-users\"\nfile = \"/srv/[a.csv\"");
    assert!(glob.contains("expected a pattern with `*`, `?` and `[…]`"), "{glob}");
    let nothing = told("kind = \"update-users\"\nfile = \"/x.csv\"\nevery = \"1h\"");
    assert!(
        nothing.contains("`schedules.x.every`: expected nothing, since `cron` is given"),
        "{nothing}"
    );
}

#[test]
fn the_sections_own_key_is_no_name() {
    let told = faults("[schedules.generation]\nkind = \"x\"", &[], &[]);
    assert!(told.contains("schedules.generation"), "{told}");
    let told = faults("[schedules]\ngenerations = 1", &[], &[]);
    assert!(told.contains("schedules.generation"), "{told}");
    let told = faults("[schedules]\ngeneration = \"new\"", &[], &[]);
    assert!(
        told.contains("`schedules.generation` = `new`: expected a whole number"),
        "{told}"
    );
}

#[test]
fn a_commands_schedule_is_checked_as_one_of_the_configuration() {
    let values = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let good = values(&[
        ("kind", "sync-customers"),
        ("every", "1h"),
        ("set.from", "partner-center"),
    ]);
    let schedule = Config::schedule("copy", &good, "the command line").expect("sound");
    assert_eq!(
        (schedule.every, schedule.set["from"].as_str()),
        (Some(Duration::from_secs(3_600)), "partner-center")
    );
    let bad = values(&[("kind", "sync"), ("evry", "1h"), ("pause_after", "many")]);
    let told = Config::schedule("copy", &bad, "the command line")
        .expect_err("faulty")
        .to_string();
    for expected in [
        "the command line: `schedules.copy.kind`",
        "`schedules.copy.evry`; did you mean `schedules.copy.every`?",
        "`schedules.copy.pause_after` = `many`",
    ] {
        assert!(told.contains(expected), "no `{expected}` in\n{told}");
    }
    let told = Config::schedule("Copy", &good, "the command line")
        .expect_err("faulty")
        .to_string();
    assert!(told.contains("lower-case letters"), "{told}");
    assert!(Config::schedule("copy", &[], "the command line").is_err());
}

#[test]
fn ambiguous_settings_are_warned_of() {
    let told = one(NIGHTLY).warnings().join("\n");
    assert!(told.contains("`missed = \"all\"` reads each"), "{told}");
    let told = one(&NIGHTLY.replace("0 2 * * 1-5", "0 2 13 * 5").replace("{date}", "all"))
        .warnings()
        .join("\n");
    assert!(
        told.contains("a `+` before the day of the week asks for both") && !told.contains("missed"),
        "{told}"
    );
    assert!(one(&format!("{NIGHTLY}missed = \"all\"\n")).warnings().is_empty());
}

fn of_this_repository(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_schedules_of_the_guide_and_of_shipped_configurations_are_sound() {
    let guide = of_this_repository("docs/guides/schedules.md");
    let blocks = guide
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let names = blocks.flat_map(|block| load(Some(block), &[], &[]).expect("sound").schedules.named.into_keys());
    assert_eq!(names.collect::<Vec<_>>(), ["nightly-users", "nightly-export"]);
    let production = load(Some(&of_this_repository("config/production.toml")), &[], &[]).expect("sound");
    assert!(production.schedules.named.contains_key("nightly-customers"));
    // Of the compose file: what stands for a variable is its default.
    let compose = of_this_repository("docker-compose.yml");
    let variables = compose.lines().filter_map(|line| line.trim().split_once(": "));
    let variables = variables.filter(|(name, _)| name.starts_with("TENANTRY__SCHEDULES__"));
    let value = |value: &str| {
        let default = value.strip_prefix("${").and_then(|rest| rest.split_once(":-"));
        default
            .map_or(value, |(_, default)| default.trim_end_matches('}'))
            .trim_matches('"')
            .to_owned()
    };
    let variables: Vec<(&str, String)> = variables.map(|(name, text)| (name, value(text))).collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let composed = load(None, &variables, &[]).expect("sound");
    assert_eq!(composed.schedules.named["nightly"].kind, "export-customers");
}
