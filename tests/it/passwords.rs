//! New users' passwords: recipients in the configuration, key pairs, and files that only recipients open.

mod plain;
mod servers;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tenantry::testing::config::{Config, PasswordsConfig};
use tenantry::testing::receipt::{passwords_name, write_private};
use tenantry_foundation::clock::Clock;
use tenantry_foundation::passwords::{Identities, PasswordRow, Sealer, generate, open, write_key_pair};

use crate::place::{On, Place, Run, read};
use servers::files;

fn load(environment: &[(&str, &str)]) -> Result<PasswordsConfig, String> {
    let owned = environment
        .iter()
        .map(|(key, value)| (format!("TENANTRY__{key}"), (*value).to_owned()));
    let config = Config::from_layers(None, owned, Vec::new()).map_err(|error| error.to_string())?;
    Ok(config.passwords)
}

/// The file of a new key pair, its public half and its secret half.
fn key_pair(place: &Place, name: &str) -> (String, String) {
    let public = write_key_pair(&place.path(name), &Clock::system())
        .expect("written")
        .to_string();
    let secret = read(place.path(name)).lines().last().expect("a key").to_owned();
    assert!(secret.starts_with("AGE-SECRET-KEY-1"));
    (public, secret)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn all_faults_of_passwords_come_at_once() {
    let place = Place::new(On::Sqlite).await;
    let (public, _) = key_pair(&place, "key.txt");
    let list = place.write(
        "recipients.txt",
        format!("# ours\n{public}\nssh-ed25519 AAAA ada\nage1x\n"),
    );
    let told = load(&[
        ("PASSWORDS__LENGTH", "7"),
        ("PASSWORDS__CLASSES", "lower,uper,digit"),
        ("PASSWORDS__RECIPIENTS", &format!("{public}, age1nonsense")),
        ("PASSWORDS__RECIPIENTS_FILE", list.to_str().expect("a path")),
    ])
    .expect_err("faulty");
    for needle in [
        "`passwords.length`: expected 8 to 256",
        "`passwords.classes`: there is no class `uper`; did you mean `upper`?",
        "`passwords.recipients`: recipient 2 is no age public key",
        "recipients.txt: line 3 is an SSH key",
        "recipients.txt: line 4 is no age public key",
    ] {
        assert!(told.contains(needle), "no {needle} in\n{told}");
    }
    assert!(!told.contains("nonsense"), "{told}");
    let told = load(&[("PASSWORDS__CLASSES", "lower,upper")]).expect_err("faulty");
    assert!(told.contains("at least three"), "{told}");
    let told = load(&[("PASSWORDS__RECIPIENTS_FILE", "/nowhere/list")]).expect_err("faulty");
    assert!(told.contains("/nowhere/list"), "{told}");
}

#[tokio::test]
async fn recipients_come_from_the_list_and_the_file() {
    let place = Place::new(On::Sqlite).await;
    let ((ada, _), (bob, _)) = (key_pair(&place, "ada.txt"), key_pair(&place, "bob.txt"));
    assert!(load(&[]).expect("sound").sealer().expect("sound").is_none());
    let list = place.write("recipients.txt", format!("# both\r\n{ada}\r\n\r\n{bob}\r\n"));
    let file = format!("[passwords]\nrecipients = [\"{ada}\"]\nrecipients_file = {list:?}\nlength = 20\n");
    let file = place.write("my.toml", file);
    let config = Config::from_layers(Some(&file), [], Vec::new()).expect("sound");
    let sealer = config.passwords.sealer().expect("sound").expect("recipients");
    let names: Vec<String> = sealer.recipients().iter().map(ToString::to_string).collect();
    assert_eq!(names, [ada, bob], "each once");
    assert_eq!(config.passwords.policy().expect("sound").length(), 20);
    let doctor = place.tenantry(&["doctor", "--config", "my.toml"]).ends(0);
    assert!(
        doctor.out.contains("ok   passwords      2 recipients"),
        "{}",
        doctor.out
    );
    let doctor = place.tenantry(&["doctor"]).ends(0);
    assert!(doctor.out.contains("no recipient configured"), "{}", doctor.out);
}

#[tokio::test]
async fn a_secret_key_is_never_repeated() {
    let place = Place::new(On::Sqlite).await;
    let (_, secret) = key_pair(&place, "key.txt");
    let unquoted = format!("[passwords]\nrecipients = [{secret}]\n");
    for text in [
        format!("[passwords]\nrecipients = [\"{secret}\"]\n"),
        format!("[passwords]\nrecipients = \"{}\"\n", secret.to_lowercase()),
        format!("[passwords]\nrecipients = [[\"{secret}\"]]\n"),
        format!("[passwords]\nrecipients_file = \"{secret}\"\n"),
        "[passwords]\nrecipients_file = \"key.txt\"\n".to_owned(),
        format!("[passwords]\nclasses = [\"{secret}\"]\n"),
        format!("[passwords]\nlength = \"{secret}\"\n"),
        format!("[passwords]\n\"{secret}\" = 1\n"),
        unquoted.clone(),
    ] {
        place.write("my.toml", &text);
        let run = place.tenantry(&["--config", "my.toml", "doctor"]).ends(2);
        let told = format!("{}{}", run.out, run.err).to_uppercase();
        assert!(!told.contains(&secret[16..30]), "{text}\n{told}");
        assert!(told.contains("MY.TOML"), "{told}");
    }
    place.write("my.toml", format!("[passwords]\nrecipients = [\"{secret}\"]\n"));
    let run = place.tenantry(&["--config", "my.toml", "doctor"]).ends(2);
    let says = "recipient 1 is a secret key (not shown here); put the public key there";
    assert!(run.err.contains(says), "{}", run.err);
}

#[tokio::test]
async fn keygen_writes_a_key_once() {
    let place = Place::new(On::Sqlite).await;
    // Whatever is wrong with the configuration, a key can be made to fix it.
    place.write("my.toml", "[passwords]\nrecipients_file = \"not-yet\"\n");
    let made = place
        .tenantry(&["--config", "my.toml", "keygen", "--out", "key.txt"])
        .ends(0);
    let public = made.out.trim_end();
    assert!(
        public.starts_with("age1") && !public.contains(char::is_whitespace),
        "{made:?}"
    );
    assert!(!made.err.contains("AGE-SECRET"), "{made:?}");
    assert_eq!(mode(&place.path("key.txt")), 0o600);
    let text = read(place.path("key.txt"));
    assert!(text.contains(&format!("# public key: {public}\n")), "no public key");
    let again = place.tenantry(&["keygen", "--out", "key.txt"]).ends(2);
    assert!(
        again.err.contains("not overwritten") && again.out.is_empty(),
        "{again:?}"
    );
    assert_eq!(read(place.path("key.txt")), text);
    let json = place.tenantry(&["keygen", "--json"]).ends(0).json();
    assert_eq!(json["file"], "tenantry-key.txt");
    let identities = Identities::from_file(&place.path("tenantry-key.txt")).expect("identities");
    assert_eq!(identities.count(), 1);
    let nowhere = place.tenantry(&["keygen", "--out", "no/such/key.txt"]).ends(2);
    assert!(nowhere.err.contains("no/such/key.txt cannot be written"), "{nowhere:?}");
}

#[tokio::test]
async fn sealed_passwords_are_delivered_and_opened() {
    let place = Place::new(On::Sqlite).await;
    let ((ada, _), _) = (key_pair(&place, "ada.txt"), key_pair(&place, "eve.txt"));
    let config = load(&[("PASSWORDS__RECIPIENTS", &ada)]).expect("sound");
    let (policy, sealer) = (config.policy().expect("sound"), config.sealer().expect("sound"));
    let mut entropy = Clock::system().entropy();
    let rows: Vec<PasswordRow> = (0..5000)
        .map(|n| PasswordRow {
            customer: "A-1".to_owned(),
            user_principal_name: format!("user{n}@alpha.onmicrosoft.com"),
            password: generate(&policy, &mut entropy).expect("random bytes"),
        })
        .collect();
    let sealer: Sealer = sealer.expect("recipients");
    let sealed = sealer.seal(&rows).expect("sealed");
    let name = passwords_name(1, 1);
    let written = write_private(place.dir.path(), &name, &sealed, 5000).expect("written");
    assert_eq!(written.path, place.path("passwords.csv.age"));
    assert_eq!((written.rows, written.bytes), (5000, sealed.len() as u64));
    assert_eq!(mode(&written.path), 0o600);
    assert!(!place.path("passwords.csv.age.partial").exists());
    let delivered = std::fs::read(&written.path).expect("a file");
    let opened = open(
        &Identities::from_file(&place.path("ada.txt")).expect("a key"),
        &delivered,
    )
    .expect("opened");
    for (row, ought) in opened.iter().zip(&rows) {
        assert_eq!(row.user_principal_name, ought.user_principal_name);
        assert_eq!(row.password.reveal(), ought.password.reveal());
    }
    assert_eq!(opened.len(), rows.len());
    let eve = Identities::from_file(&place.path("eve.txt")).expect("a key");
    let told = open(&eve, &delivered).expect_err("shut").to_string();
    assert!(
        told.ends_with("eve.txt opens this; it was sealed to 1 recipient"),
        "{told}"
    );
    assert_eq!(passwords_name(2, 3), "passwords-2.csv.age");
}

const USERS: &str = "\
customer,user_principal_name,first_name,last_name
A-1,one@alpha.onmicrosoft.com,One,One
A-1,two@alpha.onmicrosoft.com,Two,Two
A-1,three@alpha.onmicrosoft.com,Three,Three
";

/// The passwords in a file that `reveal` or `--plaintext-passwords` wrote.
fn handed_out(csv: &str) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row.expect("a row");
        (row[1].to_owned(), row[2].to_owned())
    };
    reader.records().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_hints_at_the_password_options_of_its_run() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let next = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("TENANTRY__PASSWORDS__DELIVER", "true");
        Run::from(command.output().expect("tenantry starts")).ends(0).err
    };
    let told = next(&["plan", "bulk-add-users", "users.csv"]);
    let run = "hint: tenantry run bulk-add-users users.csv --plaintext-passwords FILE, or with --no-passwords\n";
    assert_eq!(told, run);
    let told = next(&["plan", "bulk-add-users", "users.csv", "--out", "plan.json"]);
    assert_eq!(
        told,
        "hint: tenantry apply plan.json --plaintext-passwords FILE, or with --no-passwords\n"
    );
    let told = next(&[
        "plan",
        "update-account",
        "--set",
        "customer=A-1",
        "--set",
        "phone=+49 1",
    ]);
    assert!(!told.contains("passwords"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_handed_out_to_the_recipients_only() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let public = place.tenantry(&["keygen", "--json"]).ends(0).json()["public_key"].clone();
    let public = public.as_str().expect("a key").to_owned();
    let sealing = |args: &[&str]| {
        let mut command = place.command(args);
        command
            .env("TENANTRY__PASSWORDS__DELIVER", "true")
            .env("TENANTRY__PASSWORDS__RECIPIENTS", &public)
            .env("TENANTRY__WORKER__CHUNK_ROWS", "2");
        Run::from(command.output().expect("tenantry starts"))
    };
    let logged = [
        "run",
        "bulk-add-users",
        "users.csv",
        "--json",
        "--log",
        "trace",
        "--out",
        "out",
    ];
    let ran = sealing(&logged).ends(0);
    let job = ran.json()["job"].as_str().expect("a job").to_owned();
    let revealed = place.tenantry(&["reveal", &job, "--out", "revealed.csv"]).ends(0);
    let found = handed_out(&read(place.path("revealed.csv")));
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "one@alpha.onmicrosoft.com",
            "two@alpha.onmicrosoft.com",
            "three@alpha.onmicrosoft.com"
        ]
    );
    assert!(found.iter().all(|(_, password)| password.len() == 16));
    // A chunk is a file, and every one of them opens.
    for name in ["passwords-1.csv.age", "passwords-2.csv.age"] {
        assert!(place.path("out").join(name).exists(), "{name}");
    }
    let again = sealing(&["run", "bulk-add-users", "users.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(
        again["counts"]["unchanged"], 3,
        "nobody gets a second password by the same file"
    );
    // The file they were revealed to is the only place they are in.
    std::fs::remove_file(place.path("revealed.csv")).expect("removed");
    for (_, password) in &found {
        let told = [&ran.out, &ran.err, &revealed.out, &revealed.err];
        assert!(told.iter().all(|text| !text.contains(password.as_str())));
        for entry in files(place.dir.path()) {
            let bytes = std::fs::read(&entry).expect("a file");
            assert!(
                memchr::memmem::find(&bytes, password.as_bytes()).is_none(),
                "{}",
                entry.display()
            );
        }
    }
    let audit = place.tenantry(&["audit", "--json"]).ends(0);
    assert!(audit.out.contains("\"revealed\""), "{}", audit.out);
    let other = place.tenantry(&["keygen", "--out", "other.txt"]).ends(0);
    assert!(other.out.starts_with("age1"));
    let refused = place.tenantry(&["reveal", &job, "--identity", "other.txt"]).ends(2);
    assert!(
        refused.out.is_empty() && refused.err.contains("other.txt"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hint_about_passwords_is_given_once() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let header = USERS.lines().next().expect("a header");
    let row = USERS.lines().nth(1).expect("a row");
    for name in ["four", "five"] {
        place.write(
            &format!("{name}.csv"),
            format!("{header}\n{}\n", row.replace("one@", &format!("{name}@"))),
        );
    }
    let public = place.tenantry(&["keygen", "--json"]).ends(0).json()["public_key"].clone();
    let sealing = |args: &[&str]| {
        let mut command = place.command(args);
        command
            .env("TENANTRY__PASSWORDS__DELIVER", "true")
            .env("TENANTRY__PASSWORDS__RECIPIENTS", public.as_str().expect("a key"))
            .env("TENANTRY__WORKER__CHUNK_ROWS", "2");
        Run::from(command.output().expect("tenantry starts"))
    };
    let said = |run: &Run, what: &str| {
        let lines: Vec<&str> = run.err.lines().filter(|line| line.contains("reveal")).collect();
        assert_eq!(lines.len(), 1, "{run:#?}");
        assert!(
            lines[0].starts_with("hint: ") && lines[0].contains(what),
            "{what}: {run:#?}"
        );
    };
    let run = sealing(&["run", "bulk-add-users", "users.csv", "--out", "out"]).ends(0);
    said(&run, "out/passwords-1.csv.age to passwords-2.csv.age;");
    let job = run.out.lines().next().and_then(|line| line.split_whitespace().nth(1));
    let job = job.expect("an id").to_owned();
    said(&run, &format!("`tenantry reveal {job} --identity KEYFILE`"));
    said(&sealing(&["results", &job]).ends(0), "out/passwords-1.csv.age to ");
    said(
        &sealing(&["results", &job, "--out", "again"]).ends(0),
        "passwords-1.csv.age to ",
    );
    // A job that handed out none, and programs, are told nothing.
    for args in [
        &["run", "bulk-add-users", "users.csv"][..],
        &["run", "bulk-add-users", "users.csv", "--json"],
        &["results", &job, "--json"],
        &["show", &job],
    ] {
        let run = sealing(args).ends(0);
        assert!(!run.err.contains("reveal"), "{run:#?}");
    }
    // One that workers do says it when it is queued, and its results do.
    let queued = sealing(&["submit", "bulk-add-users", "four.csv"]).ends(0);
    said(&queued, "once job ");
    sealing(&["worker", "--drain"]).ends(0);
    said(
        &sealing(&["results", queued.out.trim()]).ends(0),
        "the passwords are kept, sealed;",
    );
    // In the clear, that is said, and nothing else.
    let clear = sealing(&["run", "bulk-add-users", "five.csv", "--plaintext-passwords", "pw.csv"]).ends(0);
    assert!(clear.err.contains("1 password in pw.csv, unencrypted"), "{clear:#?}");
    assert!(!clear.err.contains("reveal"), "{clear:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_recipient_nothing_is_handed_out_by_accident() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let handing_out = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("TENANTRY__PASSWORDS__DELIVER", "true");
        Run::from(command.output().expect("tenantry starts"))
    };
    let refused = handing_out(&["run", "bulk-add-users", "users.csv"]).ends(2);
    assert!(
        refused.err.contains("--plaintext-passwords") && refused.err.contains("keygen"),
        "{}",
        refused.err
    );
    handing_out(&[
        "run",
        "bulk-add-users",
        "users.csv",
        "--plaintext-passwords",
        "clear.csv",
    ])
    .ends(0);
    assert_eq!(handed_out(&read(place.path("clear.csv"))).len(), 3);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&place.path("clear.csv").metadata().expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!place.path("clear.csv.key").exists());
    let reset = "customer,user_principal_name\nA-1,one@alpha.onmicrosoft.com\n";
    place.write("reset.csv", reset);
    place.write(
        "at-once.csv",
        "customer,user_principal_name,again\nA-1,one@alpha.onmicrosoft.com,yes\n",
    );
    let refused = handing_out(&[
        "run",
        "reset-passwords",
        "reset.csv",
        "--plaintext-passwords",
        "clear.csv",
    ])
    .ends(2);
    assert!(refused.err.contains("there already"), "{}", refused.err);
    handing_out(&[
        "run",
        "reset-passwords",
        "at-once.csv",
        "--plaintext-passwords",
        "reset-clear.csv",
    ])
    .ends(0);
    assert_eq!(handed_out(&read(place.path("reset-clear.csv"))).len(), 1);
    let again = [
        "run",
        "reset-passwords",
        "reset.csv",
        "--plaintext-passwords",
        "third.csv",
        "--json",
    ];
    let again = handing_out(&again);
    assert!(again.out.contains("\"unchanged\":1"), "{again:?}");
}
