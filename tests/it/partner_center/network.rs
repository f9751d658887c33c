//! The way to Partner Center: TLS that is verified, HTTP/2 where it is offered, proxies of the environment, and everything
//! that can become of a connection.

mod servers;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use axum::http::Version;
use tenantry_foundation::clock::Clock;
use tenantry_partner_center::{Addresses, Credentials, PartnerCenter, Settings, TokenKind};
use tenantry_store::remote::{RemoteStore, StoreEnv};

use self::servers::{Proxy, ReplyMode, TlsServer, unreliable};
use crate::certificates::{Authority, self_signed};
use crate::place::{On, Place};
use tenantry_foundation::secret::Secret;

const BOTH: [&str; 2] = ["h2", "http/1.1"];

fn settings(base: &str, ca_file: Option<PathBuf>) -> Settings {
    Settings {
        addresses: Addresses {
            api: base.to_owned(),
            login: base.to_owned(),
            resource: base.to_owned(),
        },
        credentials: Credentials {
            tenant: "partner.example".to_owned(),
            client_id: "app".to_owned(),
            client_secret: Secret::new(""),
            refresh_token: None,
            token: Some(Secret::new("a-bearer")),
        },
        timeout: Duration::from_secs(20),
        concurrency: 4,
        validate_addresses: true,
        ca_file,
    }
}

async fn check(settings: Settings) -> Result<(), String> {
    let store = PartnerCenter::new(settings, Clock::system())?;
    store.check(TokenKind::App).await
}

/// `doctor`, set to look there.
fn doctor(place: &Place, base: &str) -> Command {
    let mut command = place.command(&["doctor"]);
    command
        .env("TENANTRY__PARTNER_CENTER__ENABLED", "true")
        .env("TENANTRY__PARTNER_CENTER__TOKEN", "a-bearer")
        .env("TENANTRY__PARTNER_CENTER__API_URL", base)
        .env("NO_PROXY", "");
    command
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("tenantry starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_known_authorities_are_taken() {
    let (authority, place) = (Authority::new(), Place::new(On::Sqlite).await);
    let server = TlsServer::new(authority.certify("127.0.0.1"), &BOTH).await;
    let base = format!("https://{}", server.address);
    let refused = check(settings(&base, None)).await.expect_err("nobody knows it");
    assert!(
        refused.contains("certificate") && refused.contains("`partner_center.ca_file`"),
        "{refused}"
    );
    let ca_file = place.write("authority.pem", &authority.pem);
    check(settings(&base, Some(ca_file.clone())))
        .await
        .expect("now it is known");
    let itself = TlsServer::new(self_signed("127.0.0.1", false), &BOTH).await;
    let base = format!("https://{}", itself.address);
    check(settings(&base, Some(ca_file.clone())))
        .await
        .expect_err("it vouches for itself");
    let elsewhere = TlsServer::new(authority.certify("elsewhere.example"), &BOTH).await;
    let base = format!("https://{}", elsewhere.address);
    check(settings(&base, Some(ca_file)))
        .await
        .expect_err("it is somebody else");
    assert!(
        itself.versions().is_empty() && elsewhere.versions().is_empty(),
        "nothing was said to either"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_authorities_is_from_the_configuration_or_the_environment() {
    let (authority, place) = (Authority::new(), Place::new(On::Sqlite).await);
    let server = TlsServer::new(authority.certify("127.0.0.1"), &BOTH).await;
    let base = format!("https://{}", server.address);
    let ca_file = place.write("authority.pem", &authority.pem);
    let told = said(&mut doctor(&place, &base));
    assert!(
        told.contains("`partner_center.ca_file`") && told.contains(&base),
        "{told}"
    );
    for name in ["SSL_CERT_FILE", "TENANTRY__PARTNER_CENTER__CA_FILE"] {
        let told = said(doctor(&place, &format!("{base}/v1/")).env(name, &ca_file));
        assert!(told.contains("authenticated as the application"), "{name}: {told}");
    }
    let none = place.write("none.pem", "no certificate");
    let told = said(doctor(&place, &base).env("TENANTRY__PARTNER_CENTER__CA_FILE", &none));
    assert!(told.contains("expected certificates in PEM form"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_where_it_is_offered() {
    let (authority, place) = (Authority::new(), Place::new(On::Sqlite).await);
    let ca_file = place.write("authority.pem", &authority.pem);
    for (offered, version) in [(&BOTH[..], Version::HTTP_2), (&BOTH[1..], Version::HTTP_11)] {
        let server = TlsServer::new(authority.certify("127.0.0.1"), offered).await;
        let base = format!("https://{}", server.address);
        check(settings(&base, Some(ca_file.clone()))).await.expect("an answer");
        assert_eq!(server.versions(), [version], "{offered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_are_those_of_the_environment() {
    let (authority, place) = (Authority::new(), Place::new(On::Sqlite).await);
    let ca_file = place.write("authority.pem", &authority.pem);
    let server = TlsServer::new(authority.certify("api.partner.example"), &BOTH).await;
    let proxy = Proxy::to(server.address).await;
    let told = said(
        doctor(&place, "https://api.partner.example")
            .env("TENANTRY__PARTNER_CENTER__CA_FILE", &ca_file)
            .env("HTTPS_PROXY", &proxy.url),
    );
    assert!(told.contains("authenticated as the application"), "{told}");
    let asked = proxy.asked();
    assert!(!asked.is_empty(), "it was passed by");
    assert!(
        asked
            .iter()
            .all(|line| line == "CONNECT api.partner.example:443 HTTP/1.1"),
        "{asked:?}"
    );
    let here = TlsServer::new(authority.certify("127.0.0.1"), &BOTH).await;
    let told = said(
        doctor(&place, &format!("https://{}", here.address))
            .env("TENANTRY__PARTNER_CENTER__CA_FILE", &ca_file)
            .envs(["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "http_proxy"].map(|name| (name, &proxy.url))),
    );
    assert!(told.contains("authenticated as the application"), "{told}");
    assert_eq!(proxy.asked(), asked, "what stays on this machine goes through none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_reported_by_its_cause() {
    for (mode, expected) in [
        (ReplyMode::Reset, "no answer: the connection broke"),
        (ReplyMode::HalfAnAnswer, "no answer: the connection broke"),
        (ReplyMode::Endless, "no answer: the answer is too long"),
        (ReplyMode::Silence, "no answer: it took too long"),
    ] {
        let (base, _serving) = unreliable(vec![mode]).await;
        let settings = Settings {
            timeout: Duration::from_secs(match mode {
                ReplyMode::Silence => 1,
                _ => 20,
            }),
            ..settings(&base, None)
        };
        let told = check(settings).await.expect_err("no answer");
        assert!(told.starts_with(expected), "{mode:?}: {told}");
    }
    let nobody = check(settings("http://127.0.0.1:9", None))
        .await
        .expect_err("nobody is there");
    assert!(nobody.starts_with("no connection"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_read_again_after_a_connection_broke() {
    let (base, _serving) = unreliable(vec![ReplyMode::Reset, ReplyMode::HalfAnAnswer, ReplyMode::Fine]).await;
    let store = PartnerCenter::new(settings(&base, None), Clock::system()).expect("a store");
    let job = tenantry_jobs::find("update-account").expect("a kind");
    let cell = |column: &tenantry_jobs::Column| match column.name {
        "customer" => Some("alpha.onmicrosoft.com"),
        "city" => Some("Leeds"),
        _ => None,
    };
    let cells: Vec<Option<&str>> = job.columns().iter().map(cell).collect();
    let request = job.request(&tenantry_jobs::RowCells::new(&cells)).expect("a sound row");
    let place = Place::new(On::Sqlite).await;
    let ledger = place.ledger().await;
    let tenantry_jobs::Request::Change(change) = request else {
        panic!("it changes something")
    };
    let session = store.open(StoreEnv::new(&ledger), &[]);
    let previewed = session.preview(1, &change).await.expect("an answer");
    let tenantry_store::Verdict::Reject(problem) = previewed.verdict else {
        panic!("{:?}", previewed.verdict)
    };
    assert_eq!(problem.code, "unknown-customer");
}
