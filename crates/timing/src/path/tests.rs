//! Placeholders, shifts, formats, patterns, and what is refused.

use proptest::prelude::*;

use super::*;

const NIGHT: DateTime = DateTime::constant(2027, 1, 3, 0, 5, 0, 0);

fn path(text: &str) -> String {
    let template = PathTemplate::of_file(text).unwrap_or_else(|faults| panic!("`{text}`: {faults:?}"));
    template.path(NIGHT, "nightly-users").display().to_string()
}

fn told(text: &str) -> String {
    PathTemplate::of_file(text)
        .err()
        .unwrap_or_else(|| panic!("`{text}` is taken"))
        .join("\n")
}

#[test]
fn placeholders_stand_for_the_nominal_time() {
    assert_eq!(path("/srv/users-{date}.csv"), "/srv/users-2027-01-03.csv");
    assert_eq!(
        path("/srv/{schedule}/{date:%Y%m%d}-{time}.csv"),
        "/srv/nightly-users/20270103-0005.csv"
    );
    assert_eq!(
        path("/srv/{month}/{week}.csv"),
        "/srv/2027-01/2026-W53.csv",
        "the week is of another year"
    );
    assert_eq!(path("/srv/{date:-1d}.csv"), "/srv/2027-01-02.csv");
    assert_eq!(
        path("/srv/{date:-3d:%Y/%m}/u.csv"),
        "/srv/2026/12/u.csv",
        "last month's"
    );
    assert_eq!(path("/srv/{time:%H-%M}.csv"), "/srv/00-05.csv");
    assert_eq!(path("/srv/{date:+1d:%y%j}.csv"), "/srv/27004.csv");
    assert_eq!(path("plain.csv"), "plain.csv");
}

#[test]
fn the_last_part_may_be_a_pattern() {
    let place = |text: &str| PathTemplate::of_file(text).expect("sound").place(NIGHT, "s");
    let daily = place("/srv/in/users-{date}-*.csv");
    assert_eq!(
        (daily.directory, daily.name.as_str(), daily.is_pattern),
        (PathBuf::from("/srv/in"), "users-2027-01-03-*.csv", true)
    );
    let plain = place("/users.csv");
    assert_eq!(
        (plain.directory, plain.name.as_str(), plain.is_pattern),
        (PathBuf::from("/"), "users.csv", false)
    );
    assert_eq!(place("users.csv").directory, PathBuf::from("."));
    assert!(told("/srv/*/users.csv").contains("in the file's name only"));
    assert!(told("/srv/in/").contains("expected the name of a file"));
    assert!(told("/srv/{date:%Y/}").contains("expected the name of a file"));
    assert!(PathTemplate::of_directory("/srv/out/*").is_err());
    assert!(PathTemplate::of_directory("/srv/out/{schedule}/{date}").is_ok());
}

#[test]
fn whether_it_is_another_one_each_time() {
    let depends = |text: &str| PathTemplate::of_file(text).expect("sound").depends_on_time();
    assert!(depends("/srv/{date}.csv") && depends("/srv/{week}.csv"));
    assert!(!depends("/srv/{schedule}.csv") && !depends("/srv/*.csv"));
}

#[test]
fn an_unknown_placeholder_is_told_with_the_nearest() {
    assert!(
        told("/srv/{dat}.csv").contains("`{dat}`: expected one of `{date}`"),
        "{}",
        told("/srv/{dat}.csv")
    );
    assert!(told("/srv/{dat}.csv").contains("did you mean `date`?"));
    assert!(told("/srv/{date.csv").contains("each `{` to be closed"));
    assert!(told("/srv/date}.csv").contains("each `{` to be closed"));
    assert!(told("/srv/{{date}}.csv").contains("each `{` to be closed"));
    assert!(told("/srv/{date:-1w}.csv").contains("found `-1w`"));
    assert!(told("/srv/{date:1d}.csv").contains("a shift in days such as `-1d`"));
    assert!(told("/srv/{date:}.csv").contains("a shift in days"));
    assert!(told("/srv/{date:-1d:}.csv").contains("a format such as `%Y%m%d`"));
    assert!(told("/srv/{date:-99999d}.csv").contains("a shift in days"));
    assert!(told("/srv/{date:%Q}.csv").contains("found `%Q`"));
    assert!(told("/srv/{date:%Y%}.csv").contains("found `%`"));
    assert!(told("/srv/{schedule:-1d}.csv").contains("neither shift nor format"));
    assert_eq!(told("/srv/{a}{b}.csv").lines().count(), 2, "all at once");
}

proptest! {
    #[test]
    fn an_accepted_template_makes_a_path(text in "[/a-z{}:%+YmdH*0-9.-]{1,40}") {
        if let Ok(template) = PathTemplate::of_file(&text) {
            let place = template.place(NIGHT, "s");
            prop_assert!(!place.name.is_empty());
            prop_assert!(!place.directory.display().to_string().contains('*'));
            prop_assert_eq!(template.to_string(), text);
        }
    }
}
