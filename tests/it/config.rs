//! Configuration: layers, and faults that say where they stand.

mod folders;
mod schedules;

use std::time::Duration;

use tenantry::testing::config::{Config, ConfigError, LogFormat};

fn load(file: Option<&str>, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::TempDir::new().expect("a directory");
    let path = dir.path().join("my.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).expect("a file");
    }
    let owned = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    Config::from_layers(file.map(|_| path.as_path()), owned(environment), owned(flags))
}

fn faults(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    load(Some(file), environment, flags).expect_err("faulty").to_string()
}

#[test]
fn the_defaults_are_complete_and_sound() {
    let config = load(None, &[], &[]).expect("sound");
    assert_eq!(config.ledger.url.reveal(), "sqlite:tenantry.db");
    assert_eq!(config.queue.url.reveal(), "embedded");
    assert_eq!(config.worker.concurrency, 2);
    assert_eq!(config.worker.lease, Duration::from_secs(3));
    assert_eq!(config.spool.retention, Duration::from_secs(35 * 86_400));
    assert_eq!(config.log.format, LogFormat::Text);
    assert!(config.inbox.enabled);
}

#[test]
fn every_key_has_a_comment() {
    let text = include_str!("../../config/default.toml");
    let mut before = "";
    for line in text.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with('#'), "`{line}` has no comment");
        }
        before = line;
    }
}

#[test]
fn later_layers_win() {
    let file = "[worker]\nconcurrency = 3\nchunk_rows = 30\n[log]\nformat = \"json\"\n[queue]\nprefix = \"file\"";
    let environment = [
        ("TENANTRY__WORKER__CHUNK_ROWS", "40"),
        ("TENANTRY__QUEUE__PREFIX", "environment"),
        ("TENANTRY__INBOX__ENABLED", "false"),
        ("TENANTRY__LEDGER__URL", "postgres://db/x"),
        ("UNRELATED", "1"),
    ];
    let config = load(Some(file), &environment, &[("queue.prefix", "flag")]).expect("sound");
    assert_eq!((config.worker.concurrency, config.worker.chunk_rows), (3, 40));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.queue.prefix, "flag");
    assert_eq!(config.ledger.url.reveal(), "postgres://db/x");
    assert!(!config.inbox.enabled);
}

#[test]
fn all_faults_come_at_once_and_name_their_place() {
    let told = faults(
        "[worker]\nconcurency = 3\nlease = \"soon\"\n[log]\nformat = \"xml\"",
        &[
            ("TENANTRY__LEDGER__CONNECTIONS", "many"),
            ("TENANTRY__LEGER__URL", "x"),
            ("TENANTRY_LEDGER_URL", "x"),
            ("TENANTRY_PORT", "tcp://"),
        ],
        &[("retry.attempts", "-1")],
    );
    let line = |needles: &[&str]| {
        let found = told
            .lines()
            .any(|line| needles.iter().all(|needle| line.contains(needle)));
        assert!(found, "no line has {needles:?} in\n{told}");
    };
    line(&["my.toml", "`worker.concurency`", "did you mean `worker.concurrency`"]);
    line(&["my.toml", "`worker.lease`", "soon", "`500ms`"]);
    line(&["my.toml", "`log.format`", "xml", "`json`"]);
    line(&["TENANTRY__LEDGER__CONNECTIONS", "`ledger.connections`", "many"]);
    line(&["TENANTRY__LEGER__URL", "`leger.url`", "did you mean `ledger.url`"]);
    line(&["TENANTRY_LEDGER_URL", "did you mean `TENANTRY__LEDGER__URL`"]);
    assert!(!told.contains("TENANTRY_PORT"));
    line(&["the command line", "`retry.attempts`", "-1"]);
}

#[test]
fn a_key_of_before_is_answered_with_its_name_of_now() {
    let told = faults(
        "[ledger]\npatience = \"5s\"\n[transfers]\nfirst_look = \"5s\"\nlongest_look = \"5s\"\n\
         [approval]\nwithin = \"1d\"\n[limits]\nuser_percent_from = 3\nerror_percent_from = 3",
        &[
            ("TENANTRY__PASSWORDS__HAND_OUT", "true"),
            ("TENANTRY__WORKER__SWEEP_EVERY", "1s"),
        ],
        &[("retry.longest_delay", "1s"), ("spool.keep", "35d")],
    );
    for answer in [
        "my.toml: `ledger.patience` is called `ledger.connect_timeout` now",
        "my.toml: `approval.within` is called `approval.expires_after` now",
        "my.toml: `limits.user_percent_from` is called `limits.user_percent_min_users` now",
        "my.toml: `limits.error_percent_from` is called `limits.error_percent_min_rows` now",
        "my.toml: `transfers.first_look` is called `transfers.poll_interval` now",
        "my.toml: `transfers.longest_look` is called `transfers.max_poll_interval` now",
        "TENANTRY__PASSWORDS__HAND_OUT: `passwords.hand_out` is called `passwords.deliver` now",
        "TENANTRY__WORKER__SWEEP_EVERY: `worker.sweep_every` is called `worker.sweep_interval` now",
        "the command line: `retry.longest_delay` is called `retry.max_delay` now",
        "the command line: `spool.keep` is called `spool.retention` now",
    ] {
        assert!(told.contains(answer), "no `{answer}` in\n{told}");
    }
    let now = load(None, &[("TENANTRY__LEDGER__CONNECT_TIMEOUT", "7s")], &[]).expect("sound");
    assert_eq!(now.ledger.connect_timeout, Duration::from_secs(7));
}

#[test]
fn every_key_is_tried_however_many_are_faulty() {
    let told = faults(
        "[worker]\nlease = \"soon\"\nsweep_interval = \"often\"\nconcurrency = true\n[approval]\nexpires_after = \"a while\"",
        &[("TENANTRY__LOG__FORMAT", "xml")],
        &[("spool.retention", "for ever")],
    );
    let lines: Vec<&str> = told.lines().skip(1).map(str::trim).collect();
    let keys = [
        "`approval.expires_after` = `a while`: expected",
        "`log.format` = `xml`: expected `text` or `json`",
        "`spool.retention` = `for ever`: expected",
        "`worker.concurrency` = `true`: expected a whole number",
        "`worker.lease` = `soon`: expected",
        "`worker.sweep_interval` = `often`: expected",
    ];
    assert_eq!(lines.len(), keys.len(), "{told}");
    for (line, key) in lines.iter().zip(keys) {
        assert!(line.contains(key), "no `{key}` in `{line}`");
    }
}

#[test]
fn values_are_taken_as_they_stand() {
    // Neither is a number of workers anybody meant.
    for value in ["2.5", "\"two\"", "true", "0", "257"] {
        let told = faults(&format!("[worker]\nconcurrency = {value}"), &[], &[]);
        assert!(told.contains("worker.concurrency"), "{told}");
    }
}

#[test]
fn values_have_to_go_together() {
    let told = faults("[worker]\nlease = \"1s\"\nheartbeat = \"600ms\"", &[], &[]);
    assert!(
        told.contains("my.toml") && told.contains("`worker.heartbeat`"),
        "{told}"
    );
    let told = faults(
        "[queue]\nprefix = \"a b\"\nurl = \"amqp://h\"\ncert_file = \"c\"\n[log]\nformat = \"xml\"",
        &[],
        &[],
    );
    for key in [
        "`queue.prefix`",
        "`queue.url`: expected `embedded`, `redis://…` or `rediss://…`",
        "`queue.cert_file`: expected `queue.key_file`",
        "`log.format`",
    ] {
        assert!(told.contains(key), "{told}");
    }
    // The lease makes no sense, so nothing is said of what goes with it.
    let told = faults("[worker]\nlease = \"soon\"\nheartbeat = \"9s\"", &[], &[]);
    assert!(!told.contains("worker.heartbeat"), "{told}");
}

#[test]
fn how_long_redis_may_take_is_bounded() {
    let file = |timeout: &str| format!("[queue]\ntimeout = \"{timeout}\"");
    for timeout in ["100ms", "1s", "60s"] {
        load(Some(&file(timeout)), &[], &[]).expect("sound");
    }
    for timeout in ["0s", "99ms", "2m"] {
        let told = faults(&file(timeout), &[], &[]);
        assert!(told.contains("`queue.timeout`: expected 100ms to 60s"), "{told}");
    }
}

#[test]
fn passwords_are_in_no_message() {
    let config = load(None, &[("TENANTRY__QUEUE__URL", "redis://ada:pa55@host")], &[]).expect("sound");
    assert!(!format!("{config:?}").contains("pa55"));
    assert_eq!(config.queue.url.reveal(), "redis://ada:pa55@host");
    let told = faults("[ledger]\nurl = [\"postgres://ada:pa55@host/x\"]", &[], &[]);
    assert!(told.contains("`ledger.url`") && !told.contains("pa55"), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    assert!(faults("[worker", &[], &[]).contains("my.toml"));
    let missing = std::path::Path::new("/nowhere/my.toml");
    let error = Config::from_layers(Some(missing), [], Vec::new())
        .expect_err("faulty")
        .to_string();
    assert!(error.contains("/nowhere/my.toml"), "{error}");
}

#[test]
fn stores_have_names_and_addresses() {
    let file =
        "[stores.mirror]\nurl = \"sqlite:mirror.db\"\n[stores.second-one]\nurl = \"postgres://reader:S3cret@db/x\"";
    let environment = [("TENANTRY__STORES__THIRD__URL", "sqlite:third.db")];
    let config = load(Some(file), &environment, &[]).expect("sound");
    let names: Vec<&str> = config.stores.keys().map(String::as_str).collect();
    assert_eq!(names, ["mirror", "second-one", "third"]);
    let told = faults(
        "[stores.mirror]\nurl = \"mysql://x\"\n[stores.Big]\nurl = \"sqlite:x\"\n[stores.a]\nuri = \"sqlite:x\"",
        &[],
        &[],
    );
    for expected in [
        "`stores.mirror.url`: expected `sqlite:PATH`",
        "`stores.Big`: expected a name of lower-case letters",
        "there is no key `stores.a.uri`",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(!told.contains("S3cret"), "{told}");
}

#[test]
fn addresses_of_services_lead_where_they_seem_to_and_hold_no_credentials() {
    for (url, expected) in [
        (
            "http://127.0.0.1.evil.example",
            "expected `https://…`, or `http://` to this machine",
        ),
        (
            "http://localhost:80@evil.example",
            "expected `https://…`, or `http://` to this machine",
        ),
        (
            "https://u:S3CRET@api.example",
            "expected an address without a user or a password",
        ),
    ] {
        for key in ["api_url", "login_url"] {
            let told = faults(&format!("[partner_center]\n{key} = \"{url}\""), &[], &[]);
            assert!(
                told.contains(&format!("`partner_center.{key}`: {expected}")),
                "{url}: {told}"
            );
            assert!(!told.contains("S3CRET"), "{told}");
        }
    }
}

#[test]
fn no_secret_is_quoted_from_a_broken_configuration() {
    for text in [
        "[partner_center]\nclient_secret = \"S3CRET",
        "[partner_center]\nclient_secret = S3CRET",
        "[ledger]\nurl = \"postgres://u:S3CRET@h/d\" x",
        "[partner_center]\nclient_secret = [\"S3CRET\"]",
        "[partner_center]\nrefresh_token_command = [1, \"S3CRET\"]",
        "[partner_center]\nrefresh_token_command = { a = \"S3CRET\" }",
        "[listen]\ntoken = { a = \"S3CRET\" }",
        "[queue]\nurl = \"S3CRET\"",
        "[ledger]\nurl = \"mysql://u:S3CRET@h/d\"",
        "[ledger]\nurl = [\"S3CRET\"]",
        "[ledger]\nurl_file = \"postgres://u:S3CRET@h/d\"",
        "[queue]\nurl_file = \"redis://:S3CRET@h\"",
        "[ledger]\nurl = \"sqlite:postgres://u:S3CRET@h/d\"",
        "[stores.mirror]\nurl = \"sqlite:./postgres://u:S3CRET@h/d\"",
        "[partner_center]\napi_url = \"https://127.0.0.1:1\\\\@u:S3CRET@h\"",
    ] {
        let told = faults(text, &[], &[]);
        assert!(!told.contains("S3CRET"), "{text}: {told}");
    }
}

#[test]
fn what_is_named_as_a_file_and_is_none_is_refused_at_once() {
    for text in [
        "[ledger]\nurl_file = \"/dev/zero\"",
        "[passwords]\nrecipients_file = \"/dev/zero\"",
    ] {
        let told = faults(text, &[], &[]);
        assert!(told.contains("/dev/zero: expected a file, found a device"), "{told}");
    }
    let told = Config::from_layers(Some("/dev/zero".as_ref()), [], Vec::new()).expect_err("faulty");
    assert!(
        told.to_string().contains("/dev/zero: expected at most 1024 KiB"),
        "{told}"
    );
    assert!(Config::from_layers(Some("/dev/null".as_ref()), [], Vec::new()).is_ok());
}

#[test]
fn partner_center_needs_an_identity_and_addresses() {
    let config = load(None, &[], &[]).expect("sound");
    assert!(config.partner_center.settings().expect("sound").is_none());
    let told = faults(
        "[partner_center]\nenabled = true\ncloud = \"germany\"\napi_url = \"http://elsewhere.example\"",
        &[],
        &[],
    );
    for expected in [
        "`partner_center.cloud`: expected `partner_center.api_url` and `partner_center.login_url`",
        "`partner_center.api_url`: expected `https://…`, or `http://` to this machine",
        "`partner_center.tenant`: expected one",
        "`partner_center.client_id`: expected one",
        "`partner_center.client_secret`: expected one",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let told = faults(
        "[partner_center]\nrefresh_token_file = \"token\"\nrefresh_token_command = [\"vault\"]",
        &[],
        &[],
    );
    let expected =
        "`partner_center.refresh_token_command`: expected nothing, since `partner_center.refresh_token_file` is set";
    assert!(told.contains(expected), "{told}");
    let environment = [
        ("TENANTRY__PARTNER_CENTER__ENABLED", "true"),
        ("TENANTRY__PARTNER_CENTER__TENANT", "contoso.example"),
        ("TENANTRY__PARTNER_CENTER__CLIENT_ID", "app"),
        ("TENANTRY__PARTNER_CENTER__CLIENT_SECRET", "S3cret"),
        ("TENANTRY__PARTNER_CENTER__CLOUD", "china"),
    ];
    let config = load(None, &environment, &[]).expect("sound");
    assert!(!format!("{config:?}").contains("S3cret"));
    // Somebody to be is enough to copy customers from there.
    let unfinished = faults("[partner_center]\nclient_id = \"app\"", &[], &[]);
    assert!(
        unfinished.contains("`partner_center.tenant`: expected one, since `partner_center.client_id` is given"),
        "{unfinished}"
    );
    let taken = faults("[stores.partner-center]\nurl = \"sqlite:other.db\"", &[], &[]);
    assert!(
        taken.contains("`stores.partner-center.url`: expected another name"),
        "{taken}"
    );
    let settings = config.partner_center.settings().expect("sound").expect("enabled");
    assert_eq!(settings.addresses.login, "https://login.partner.microsoftonline.cn");
    let told = faults(
        "[partner_center]\nclient_secret = 5",
        &[
            ("TENANTRY__PARTNER_CENTER__TOKEN", "S3cret"),
            ("TENANTRY__PARTNER_CENTER__CONCURRENCY", "S3cret2"),
        ],
        &[],
    );
    assert!(!told.contains("S3cret`"), "{told}");
}
