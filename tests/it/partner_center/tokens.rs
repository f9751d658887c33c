//! Tokens: got for whoever has to ask, replaced when they are refused, and never shown.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::json;
use tenantry::clock::Clock;
use tenantry::config::Secret;
use tenantry::store::Stores;
use tenantry::store::partner_center::{Credentials, PartnerCenter, RefreshToken, Settings, Speaker};

use super::{CUSTOMERS, Office, USERS, addresses};
use crate::place::outcomes;

/// An office that gets its tokens from the token endpoint.
async fn with_tokens(refresh_token: Option<RefreshToken>) -> Office {
    let mut office = Office::new().await;
    let settings = Settings {
        addresses: addresses(&office.here),
        credentials: Credentials {
            tenant: "partner.example".to_owned(),
            client_id: "app".to_owned(),
            client_secret: Secret::new("S3cret-of-the-app"),
            refresh_token,
            token: None,
        },
        timeout: Duration::from_secs(20),
        concurrency: 4,
    };
    office.stores = Stores {
        partner_center: Some(PartnerCenter::new(settings, Clock::system()).expect("a store")),
        ..Stores::default()
    };
    office
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refresh_token_is_replaced_in_its_file_and_a_refused_token_is_got_anew() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let path = dir.path().join("refresh-token");
    std::fs::write(&path, "first\n").expect("written");
    let office = with_tokens(Some(RefreshToken::File(path.clone()))).await;
    assert_eq!(office.apply("add-customer", CUSTOMERS).await.counts.applied, 2);
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
    let office = with_tokens(Some(RefreshToken::Command(command))).await;
    let store = office.stores.partner_center.expect("a store");
    store.check(Speaker::AppAndUser).await.expect("a token");
    let missing = with_tokens(Some(RefreshToken::Command(vec!["/no/such/program".to_owned()]))).await;
    let store = missing.stores.partner_center.expect("a store");
    let said = store.check(Speaker::AppAndUser).await.expect_err("no token");
    assert!(said.contains("`/no/such/program` gave no refresh token"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_need_more_than_the_application() {
    let office = with_tokens(None).await;
    assert_eq!(office.apply("add-customer", CUSTOMERS).await.counts.applied, 2);
    let store = office.stores.partner_center.expect("a store");
    let said = store.check(Speaker::AppAndUser).await.expect_err("no token");
    assert!(said.contains("partner_center.refresh_token_file"), "{said}");
}
