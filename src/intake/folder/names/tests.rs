//! Names as droppers give them, and as hostile ones would.

use proptest::prelude::*;

use super::*;

fn globs(list: &[&str]) -> Globs {
    #[derive(serde::Deserialize)]
    struct One {
        globs: Globs,
    }
    let one: One = serde_json::from_value(serde_json::json!({ "globs": list })).expect("globs");
    one.globs
}

fn rule(name: &str) -> Option<Ignored> {
    ignored(name.as_ref(), &globs(&["draft-*"]))
}

#[test]
fn files_that_are_being_written_are_left_alone() {
    for name in [
        "~$users.xlsx",
        ".~lock.users.csv#",
        "._users.csv",
        "users.csv.filepart",
        "users.csv.PART",
        ".users.csv.x7Kp2",
        "users.csv~",
        "users.csv.ocTransferId123.part",
        "Thumbs.db",
        "desktop.ini",
        "@eaDir",
        "__MACOSX",
        "~syncthing~users.csv.tmp",
        "users.csv.crdownload",
        ".nfs0000000001",
    ] {
        assert!(rule(name).is_some(), "{name}");
    }
    assert_eq!(rule("Draft-users.csv"), Some(Ignored::Configured("draft-*".to_owned())));
    for name in [
        "users.csv",
        "USERS.CSV",
        "users.part.csv",
        "tmp.csv",
        "a#b.csv",
        "users",
        "$users.csv",
    ] {
        assert_eq!(rule(name), None, "{name}");
    }
}

#[test]
fn a_shown_name_means_one_file_in_one_line() {
    let show = |bytes: &[u8]| shown(OsStr::from_bytes(bytes));
    assert_eq!(show("Köln.csv".as_bytes()), "Köln.csv");
    assert_eq!(show(b"a\nb\\n.csv"), "a\\nb\\\\n.csv");
    assert_eq!(show(b"\xff\xfe.csv"), "\\xff\\xfe.csv");
    assert_eq!(show("\u{202e}vsc.exe".as_bytes()), "\\u{202e}vsc.exe");
}

#[test]
fn stems_are_names_that_every_system_can_have() {
    for (name, expected) in [
        ("users.csv", "users"),
        ("users.csv.gz", "users"),
        ("USERS.CSV.GZ", "USERS"),
        ("users.2026-11-27.xlsx", "users.2026-11-27"),
        ("CON.csv", "_CON"),
        ("com1.x.csv", "_com1.x"),
        ("console.csv", "console"),
        ("a:b?.csv", "a_b_"),
        (".csv", "_.csv"),
        ("..csv", "_"),
        ("a. .csv", "a"),
        ("\\xff.csv", "_xff"),
    ] {
        assert_eq!(stem(name), expected, "{name}");
    }
    let long = format!("{}.csv", "ä".repeat(120));
    assert_eq!(stem(&long), "ä".repeat(50));
}

#[test]
fn numbers_in_names_count_by_their_value() {
    let mut names = [
        "users-10.csv",
        "users-9.csv",
        "Users-1.csv",
        "users-009.csv",
        "users.csv",
        "a",
        "B",
    ];
    names.sort_by(|a, b| natural(a.as_ref(), b.as_ref()));
    assert_eq!(
        names,
        [
            "a",
            "B",
            "Users-1.csv",
            "users-009.csv",
            "users-9.csv",
            "users-10.csv",
            "users.csv"
        ]
    );
}

proptest! {
    #[test]
    fn stems_can_be_made_in_a_directory(bytes in prop::collection::vec(any::<u8>(), 1..255)) {
        prop_assume!(!bytes.contains(&b'/') && !bytes.contains(&0));
        let stem = stem(&shown(OsStr::from_bytes(&bytes)));
        prop_assert!((1..=101).contains(&stem.len()), "{stem:?}");
        prop_assert!(!stem.starts_with('.') && !stem.ends_with(['.', ' ']), "{stem:?}");
        prop_assert!(!stem.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']), "{stem:?}");
        prop_assert!(!stem.contains(char::is_control), "{stem:?}");
    }

    #[test]
    fn two_names_are_never_shown_alike(a in prop::collection::vec(any::<u8>(), 0..12), b in prop::collection::vec(any::<u8>(), 0..12)) {
        let (shown_a, shown_b) = (shown(OsStr::from_bytes(&a)), shown(OsStr::from_bytes(&b)));
        prop_assert_eq!(a == b, shown_a == shown_b);
        prop_assert!(!shown_a.contains(char::is_control));
    }

    #[test]
    fn the_order_is_one(names in prop::collection::vec("[a-cA-C0-2]{0,6}", 3)) {
        let (a, b, c): (&OsStr, &OsStr, &OsStr) = (names[0].as_ref(), names[1].as_ref(), names[2].as_ref());
        prop_assert_eq!(natural(a, b), natural(b, a).reverse());
        prop_assert_eq!(natural(a, b) == Ordering::Equal, a == b);
        if natural(a, b) == Ordering::Less && natural(b, c) == Ordering::Less {
            prop_assert_eq!(natural(a, c), Ordering::Less);
        }
    }
}
