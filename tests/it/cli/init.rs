//! `tenantry init`: what it makes works at once, from every directory below, and nothing is overwritten.

use std::process::Command;

use crate::place::{CUSTOMERS, On, Place, Run, read, unconfigured};

/// The program as somebody has it who has set nothing.
fn tenantry(place: &Place, at: &str, args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    unconfigured(&mut command, place.dir.path());
    command.args(args).current_dir(place.path(at));
    Run::from(command.output().expect("tenantry starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_init_are_found_from_every_directory_below() {
    let place = Place::new(On::Sqlite).await;
    let made = tenantry(&place, ".", &["init", "here"]).ends(0);
    for name in ["tenantry.toml", "tenantry.db", "tenantry-key.txt"] {
        assert!(made.out.contains(&format!("/here/{name}")), "{made:?}");
        assert!(place.path("here").join(name).exists(), "{name}");
    }
    assert!(
        made.err.contains("hint: `tenantry doctor` checks the set-up"),
        "{made:?}"
    );
    std::fs::create_dir_all(place.path("here/below/that")).expect("made");
    place.write("here/below/that/customers.csv", CUSTOMERS);
    tenantry(&place, "here/below/that", &["run", "add-customer", "customers.csv"]).ends(0);
    assert!(
        tenantry(&place, "here", &["customers"])
            .ends(0)
            .out
            .contains("Alpha Ltd")
    );
    assert!(!place.path("here/below/that/tenantry.db").exists());
    let doctor = tenantry(&place, "here/below", &["doctor"]).ends(0);
    assert!(doctor.out.contains("here/tenantry.toml was read"), "{doctor:?}");
    assert!(doctor.out.contains("1 recipient"), "{doctor:?}");
    // Elsewhere there is no ledger, and none is made.
    let away = tenantry(&place, ".", &["jobs"]).ends(2);
    assert!(
        away.err.contains("there is no ledger") && away.err.contains("`tenantry init`"),
        "{away:?}"
    );
    assert!(!place.path("tenantry.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn init_overwrites_nothing_and_takes_a_key_that_is_there() {
    let place = Place::new(On::Sqlite).await;
    let public = tenantry(&place, ".", &["keygen"]).ends(0).out;
    tenantry(&place, ".", &["init"]).ends(0);
    let config = read(place.path("tenantry.toml"));
    assert!(config.contains(public.trim()), "{config}");
    let again = tenantry(&place, ".", &["init"]).ends(2);
    assert!(
        again.err.contains("is there already and is not overwritten\nhint: "),
        "{again:?}"
    );
    assert_eq!(read(place.path("tenantry.toml")), config);
    place.write("tenantry-key.txt", "no key");
    std::fs::remove_file(place.path("tenantry.toml")).expect("removed");
    let no_key = tenantry(&place, ".", &["init"]).ends(2);
    assert!(no_key.err.contains("is no key pair"), "{no_key:?}");
    assert!(!place.path("tenantry.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_would_not_be_found_is_told_of() {
    let place = Place::new(On::Sqlite).await;
    std::fs::create_dir(place.path("open")).expect("made");
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path("open"), everybody).expect("a mode is set");
    let made = tenantry(&place, "open", &["init"]).ends(0);
    assert!(
        made.err.contains("warning: ") && made.err.contains("hint: export TENANTRY_CONFIG="),
        "{made:?}"
    );
    let found = tenantry(&place, "open", &["doctor"]).ends(0).out;
    assert!(found.contains("open/tenantry.toml is not read: "), "{found}");
    let named = tenantry(&place, "open", &["doctor", "--config", "tenantry.toml"])
        .ends(0)
        .out;
    assert!(named.contains("tenantry.toml was read"), "{named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_ledger_is_not_written_into_the_configuration() {
    let place = Place::new(On::Postgres).await;
    let (scheme, rest) = place.url.split_once("://").expect("a url");
    let (who, host) = rest.split_once('@').expect("a user");
    let user = who.split(':').next().expect("a user");
    // The test's server asks for none from this machine, so any will do.
    let with_password = format!("{scheme}://{user}:S3CRET@{host}");
    let made = tenantry(&place, ".", &["init", "here", "--ledger", &with_password]).ends(0);
    let written = read(place.path("here/tenantry.toml"));
    assert!(
        written.contains(&format!("\nurl = \"{scheme}://{user}@{host}\"\n")),
        "{written}"
    );
    for text in [&written, &made.out, &made.err] {
        assert!(!text.contains("S3CRET"), "{text}");
    }
    assert!(made.err.contains("is not written to"), "{made:?}");
    assert!(made.err.contains("`ledger.url_file`"), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_the_system_is_read_where_there_is_no_nearer_one() {
    let place = Place::new(On::Sqlite).await;
    std::fs::create_dir(place.path("etc")).expect("made");
    place.write(
        "etc/tenantry.toml",
        format!("[ledger]\nurl = \"sqlite:{}\"\n", place.path("of-all.db").display()),
    );
    let system = place.path("etc");
    let doctor = |named: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        unconfigured(&mut command, place.dir.path());
        command.arg("doctor").current_dir(place.dir.path());
        command.env("TENANTRY_SYSTEM_CONFIG", named);
        Run::from(command.output().expect("tenantry starts")).out
    };
    assert!(doctor(&system).contains("etc/tenantry.toml was read"));
    assert!(!doctor(&place.path("none")).contains("tenantry.toml was read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_address_of_a_ledger_is_not_written_down() {
    let place = Place::new(On::Sqlite).await;
    let made = place.tenantry(&["init", "new", "--ledger", "sqlite:postgres://u:S3CRET@h/d"]);
    let made = made.ends(2);
    assert!(
        made.err.contains("`ledger.url`") && !made.all().contains("S3CRET"),
        "{made:?}"
    );
    assert!(!place.path("new").exists(), "nothing was made");
}
