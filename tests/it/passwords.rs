//! New users' passwords: recipients in the configuration, key pairs, and files that only recipients open.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tenantry::clock::Clock;
use tenantry::config::{Config, PasswordsConfig};
use tenantry::passwords::{Identities, PasswordRow, Sealer, generate, open, write_key_pair};
use tenantry::receipt::{passwords_name, write_private};

use crate::place::{On, Place, read};

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
    // Whatever is wrong with the configuration, a key can be made to mend it.
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
async fn what_is_sealed_is_delivered_and_opened() {
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
