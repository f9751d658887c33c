//! Tokens: fetched for a caller that needs one, replaced when they are refused, and never shown.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tenantry_foundation::clock::Clock;
use tenantry_partner_center::{Credentials, PartnerCenter, RefreshToken, Settings, TokenExpiry, TokenKind};
use tenantry_store::remote::RemoteStore;

use super::{Office, PLAIN_CUSTOMERS, USERS, addresses, carried_out_by};
use crate::place::{On, Place, outcomes};
use crate::sandbox::Here;
use tenantry_foundation::secret::Secret;

/// An office that gets its tokens from the token endpoint, and its store.
async fn with_tokens(refresh_token: Option<RefreshToken>) -> (Office, PartnerCenter) {
    let mut office = Office::new().await;
    let store = store(&office.here, refresh_token, Clock::system());
    office.stores = carried_out_by(&store);
    (office, store)
}

fn store(here: &Here, refresh_token: Option<RefreshToken>, clock: Clock) -> PartnerCenter {
    let settings = Settings {
        addresses: addresses(here),
        credentials: Credentials {
            tenant: "partner.example".to_owned(),
            client_id: "app".to_owned(),
            client_secret: Secret::new("S3cret-of-the-app"),
            refresh_token,
            token: None,
        },
        timeout: Duration::from_secs(20),
        concurrency: 4,
        validate_addresses: true,
        ca_file: None,
    };
    PartnerCenter::new(settings, clock).expect("a store")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refresh_token_is_replaced_in_its_file_and_a_refused_token_is_got_anew() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let path = dir.path().join("refresh-token");
    keep(&path, "first\n");
    let (office, _) = with_tokens(Some(RefreshToken::File(path.clone()))).await;
    assert_eq!(office.apply("add-customer", PLAIN_CUSTOMERS).await.counts.applied, 2);
    assert_eq!(
        std::fs::read_to_string(&path).expect("read"),
        "first\n",
        "not needed yet"
    );
    for operation in ["create-user", "list-users"] {
        let refused = json!({ "operation": operation, "fault": "expired-token", "times": 1 });
        office.here.fault(&refused).await;
        let users = format!("{USERS}alpha.onmicrosoft.com,{operation}@alpha.onmicrosoft.com,One,Uno,GB,,\n");
        let job = office.apply("bulk-add-users", &users).await;
        assert_eq!(
            job.counts.applied,
            1,
            "{operation}: {:?}",
            outcomes(&office.ledger, &job).await
        );
    }
    let token = std::fs::read_to_string(&path).expect("read");
    assert_ne!(token, "first\n");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_may_say_the_refresh_token() {
    let command = ["printf", "%s", "from-a-vault"].map(str::to_owned).to_vec();
    let (_office, store) = with_tokens(Some(RefreshToken::Command(command))).await;
    store.check(TokenKind::AppAndUser).await.expect("a token");
    let (_office, store) = with_tokens(Some(RefreshToken::Command(vec!["/no/such/program".to_owned()]))).await;
    let said = store.check(TokenKind::AppAndUser).await.expect_err("no token");
    assert!(
        said.contains("`partner_center.refresh_token_command` gave no refresh token"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gives_a_refresh_token_is_bounded_and_never_waited_for() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo starts").success());
    let pasted = "0.AXoA-_".repeat(30);
    for (token, why) in [
        (
            RefreshToken::Command(vec!["yes".to_owned()]),
            "printed more than 65536 bytes",
        ),
        (RefreshToken::File(pipe), "expected a file, found a pipe"),
        (
            RefreshToken::File("/dev/zero".into()),
            "expected a file, found a device",
        ),
        (RefreshToken::File(pasted.clone().into()), "a name of 240 characters"),
    ] {
        let (_office, store) = with_tokens(Some(token)).await;
        let said = store.check(TokenKind::AppAndUser).await.expect_err("no token");
        assert!(said.contains(why) && !said.contains(&pasted), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_need_more_than_the_application() {
    let (office, store) = with_tokens(None).await;
    assert_eq!(office.apply("add-customer", PLAIN_CUSTOMERS).await.counts.applied, 2);
    let said = store.check(TokenKind::AppAndUser).await.expect_err("no token");
    assert!(said.contains("partner_center.refresh_token_file"), "{said}");
    // Known before anything is called.
    for kind in store.capabilities().kinds {
        let alone = [
            "add-customer",
            "export-customers",
            "suspend-subscription",
            "switch-subscription",
            "update-account",
        ];
        let lacks = store.lacks(tenantry_jobs::find(kind).expect("a kind"));
        assert_eq!(lacks.is_none(), alone.contains(kind), "{kind}: {lacks:?}");
    }
}

const DAY: i64 = 24 * 3600 * 1000;
/// 2026-01-01
const NEW_YEAR: i64 = 1_767_225_600_000;

/// Writes what nobody else may read.
fn keep(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("set");
}

/// A file with a refresh token, and what its second line says.
fn token_file(dir: &tempfile::TempDir, second: &str) -> RefreshToken {
    let path = dir.path().join("refresh-token");
    keep(&path, &format!("R3fresh-word\n{second}"));
    RefreshToken::File(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_spoken_of_from_a_fortnight_before_its_end_and_using_it_renews_it() {
    let (here, dir, clock) = (
        Here::new().await,
        tempfile::TempDir::new().expect("a directory"),
        Clock::held(NEW_YEAR + 75 * DAY),
    );
    let file = token_file(&dir, "issued 2026-01-01T00:00:00Z\n");
    let store = store(&here, Some(file), clock.clone());
    let good = |standing| match standing {
        Some(TokenExpiry::Good(says)) => says,
        other => panic!("{other:?}"),
    };
    let ending = |standing| match standing {
        Some(TokenExpiry::Ending(says)) => says,
        other => panic!("{other:?}"),
    };
    let said = good(store.refresh_token().await);
    assert!(said.ends_with("is good until 2026-04-01"), "{said}");
    clock.advance(2 * DAY);
    let said = ending(store.refresh_token().await);
    assert!(said.contains("is good for 13 days more, until 2026-04-01"), "{said}");
    clock.advance(20 * DAY);
    let said = ending(store.refresh_token().await);
    assert!(said.contains("was good until 2026-04-01; sign in again"), "{said}");
    // The sandbox takes any.
    store.check(TokenKind::AppAndUser).await.expect("a token");
    let said = good(store.refresh_token().await);
    assert!(said.ends_with("is good until 2026-07-07"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_counts_from_its_writing_and_a_command_has_no_known_expiry() {
    let (here, dir) = (Here::new().await, tempfile::TempDir::new().expect("a directory"));
    let file = token_file(&dir, "");
    let path = dir.path().join("refresh-token");
    let written = std::fs::File::options().write(true).open(&path).expect("opened");
    let new_year = std::time::UNIX_EPOCH + Duration::from_millis(NEW_YEAR as u64);
    written.set_modified(new_year).expect("dated");
    let clock = Clock::held(NEW_YEAR + DAY);
    let hand = store(&here, Some(file), clock.clone()).refresh_token().await;
    let Some(TokenExpiry::Good(said)) = hand else {
        panic!("{hand:?}")
    };
    assert!(
        said.ends_with("until 2026-04-01, counted from when the file was written"),
        "{said}"
    );
    // All of it as one word, as somebody may write it.
    let command = RefreshToken::Command(vec!["vault S3CRET".to_owned()]);
    let vault = store(&here, Some(command), clock.clone()).refresh_token().await;
    let Some(TokenExpiry::Good(said)) = vault else {
        panic!("{vault:?}")
    };
    assert!(
        said.contains("given by `partner_center.refresh_token_command` ends is not known here")
            && !said.contains("S3CRET"),
        "{said}"
    );
    let missing = RefreshToken::File(dir.path().join("nothing"));
    let gone = store(&here, Some(missing), clock.clone()).refresh_token().await;
    let Some(TokenExpiry::Ending(said)) = gone else {
        panic!("{gone:?}")
    };
    assert!(said.contains("sign in again") && said.contains("nothing"), "{said}");
    assert_eq!(store(&here, None, clock).refresh_token().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refresh_token_is_answered_with_a_remedy() {
    let answer = json!({
        "error": "invalid_grant",
        "error_description": "AADSTS700082: The refresh token has expired due to inactivity.\r\nTrace ID: 1\r\nTimestamp: now",
        "error_codes": [700_082],
    });
    let refusing = axum::Router::new().fallback(move || {
        let answer = answer.clone();
        async move { (axum::http::StatusCode::BAD_REQUEST, answer.to_string()) }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, refusing).await.expect("it serves") });
    let dir = tempfile::TempDir::new().expect("a directory");
    token_file(&dir, "");
    let path = dir.path().join("refresh-token");
    let place = Place::new(On::Sqlite).await;
    let doctor = place
        .command(&["doctor"])
        .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
        .env("TENANTRY__PARTNER_CENTER__TENANT", "partner.example")
        .env("TENANTRY__PARTNER_CENTER__CLIENT_ID", "app")
        .env("TENANTRY__PARTNER_CENTER__CLIENT_SECRET", "S3cret-of-the-app")
        .env("TENANTRY__PARTNER_CENTER__API_URL", &base)
        .env("TENANTRY__PARTNER_CENTER__LOGIN_URL", &base)
        .env("TENANTRY__PARTNER_CENTER__REFRESH_TOKEN_FILE", &path)
        .output()
        .expect("tenantry starts");
    let said = String::from_utf8_lossy(&doctor.stdout);
    let expected = format!(
        "multi-factor authentication, and write the new refresh token to {}",
        path.display()
    );
    assert!(said.contains("AADSTS700082") && said.contains(&expected), "{said}");
    assert!(said.contains("counted from when the file was written"), "{said}");
    for secret in ["Trace ID", "R3fresh-word", "S3cret-of-the-app"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_that_consent_is_missing_and_how_it_is_given() {
    let here = Here::new().await;
    here.fault(&json!({ "operation": "token", "fault": "no-consent", "times": 100 }))
        .await;
    let dir = tempfile::TempDir::new().expect("a directory");
    token_file(&dir, "");
    let place = Place::new(On::Sqlite).await;
    let doctor = || {
        let mut command = place.command(&["doctor"]);
        command
            .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
            .env("TENANTRY__PARTNER_CENTER__TENANT", "partner.example")
            .env("TENANTRY__PARTNER_CENTER__CLIENT_ID", "app")
            .env("TENANTRY__PARTNER_CENTER__CLIENT_SECRET", "S3cret-of-the-app")
            .env("TENANTRY__PARTNER_CENTER__API_URL", &here.base)
            .env("TENANTRY__PARTNER_CENTER__LOGIN_URL", &here.base)
            .env(
                "TENANTRY__PARTNER_CENTER__REFRESH_TOKEN_FILE",
                dir.path().join("refresh-token"),
            );
        let ran = command.output().expect("tenantry starts");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        (ran.status.code(), said)
    };
    let (code, missing) = doctor();
    assert_eq!(code, Some(2), "{missing}");
    for part in ["AADSTS65001", "nobody has consented", "grant admin consent"] {
        assert!(missing.contains(part), "{part}: {missing}");
    }
    here.delete("/sandbox/faults").await.is(204);
    let (code, given) = doctor();
    assert!(code != Some(2) && !given.contains("consent"), "{given}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_warns_once_however_many_calls_it_makes() {
    let (office, dir) = (Office::new().await, tempfile::TempDir::new().expect("a directory"));
    token_file(&dir, "issued 2020-01-01T00:00:00Z\n");
    office.place.write("customers.csv", PLAIN_CUSTOMERS);
    let run = office
        .place
        .command(&["run", "add-customer", "customers.csv"])
        .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
        .env("TENANTRY__PARTNER_CENTER__TENANT", "partner.example")
        .env("TENANTRY__PARTNER_CENTER__CLIENT_ID", "app")
        .env("TENANTRY__PARTNER_CENTER__CLIENT_SECRET", "S3cret-of-the-app")
        .env("TENANTRY__PARTNER_CENTER__API_URL", &office.here.base)
        .env("TENANTRY__PARTNER_CENTER__LOGIN_URL", &office.here.base)
        .env(
            "TENANTRY__PARTNER_CENTER__REFRESH_TOKEN_FILE",
            dir.path().join("refresh-token"),
        )
        .output()
        .expect("tenantry starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("was good until 2020-03-31").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_others_can_read_is_not_used_and_a_link_to_one_is_followed() {
    let (here, dir, clock) = (
        Here::by(Clock::system()).await,
        tempfile::TempDir::new().expect("a directory"),
        Clock::system(),
    );
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    keep(&real, "R3fresh-word\n");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    let linked = store(&here, Some(RefreshToken::File(link.clone())), clock.clone());
    std::fs::set_permissions(&real, Permissions::from_mode(0o644)).expect("set");
    let refused = linked.check(TokenKind::AppAndUser).await.expect_err("refused");
    assert!(
        refused.contains("chmod") && !refused.contains("R3fresh-word"),
        "{refused}"
    );
    std::fs::set_permissions(&real, Permissions::from_mode(0o600)).expect("set");
    linked.check(TokenKind::AppAndUser).await.expect("let in");
    assert!(link.is_symlink(), "the link is still one");
    let text = std::fs::read_to_string(&real).expect("read");
    assert!(
        !text.starts_with("R3fresh-word\n"),
        "the token that was used is gone: {text}"
    );
}
