//! TLS to a real Redis: who is believed, and what is said of who is not.

use std::time::Duration;

use tenantry::testing::queue::{Queue, QueueError, QueueOptions};
use tenantry_foundation::secret::SecretUrl;
use tenantry_foundation::tls::ClientCertificate;

use crate::certificates::{Authority, self_signed};
use crate::place::{On, Place};
use crate::servers::RedisServer;

const NO_CLIENTS: [&str; 2] = ["--tls-auth-clients", "no"];

fn options() -> QueueOptions {
    QueueOptions::new("tls", Duration::from_secs(5))
}

async fn asked(url: &str, options: QueueOptions) -> Result<String, QueueError> {
    Queue::connect(&SecretUrl::new(url), options)?.ping().await
}

async fn refused(url: &str, options: QueueOptions) -> String {
    match asked(url, options).await {
        Err(error @ (QueueError::Untrusted(_) | QueueError::Unavailable(_))) => error.to_string(),
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_has_to_show_a_certificate_for_its_name() {
    let (authority, other, place) = (Authority::new(), Authority::new(), Place::new(On::Sqlite).await);
    let ca_file = Some(place.write("authority.pem", &authority.pem));
    let others = Some(place.write("other.pem", &other.pem));
    let identity = authority.certify("localhost");
    let (server, port) = RedisServer::certified(
        &identity.certificate_pem,
        &identity.key_pem,
        &authority.pem,
        &NO_CLIENTS,
    )
    .await;
    let url = format!("rediss://localhost:{port}/1");
    let trusting = QueueOptions {
        ca_file: ca_file.clone(),
        ..options()
    };
    let told = asked(&url, trusting.clone()).await.expect("the right one");
    assert!(told.contains("answers"), "{told}");

    let told = refused(&url, options()).await;
    assert!(
        told.contains("no authority") && told.contains("`queue.ca_file`"),
        "{told}"
    );
    let mut doctor = place.command(&["doctor"]);
    doctor.env("TENANTRY__QUEUE__URL", &url);
    let checked = crate::place::Run::from(doctor.output().expect("tenantry starts")).ends(2);
    let told = checked
        .out
        .lines()
        .find(|line| line.contains("no authority"))
        .expect("a finding");
    assert!(!told.contains("maxmemory") && !told.contains("it answers"), "{told}");
    let told = refused(
        &url,
        QueueOptions {
            ca_file: others,
            ..options()
        },
    )
    .await;
    assert!(told.contains("no authority"), "{told}");
    let told = refused(&format!("rediss://127.0.0.1:{port}"), trusting.clone()).await;
    assert!(told.contains("is for `localhost`"), "{told}");
    let told = refused(&format!("redis://localhost:{port}"), trusting.clone()).await;
    assert!(told.contains("`rediss://`"), "{told}");
    // The port without TLS.
    let plain = server.url().replace("redis://127.0.0.1", "rediss://localhost");
    let hurried = QueueOptions {
        timeout: Duration::from_secs(1),
        ..trusting.clone()
    };
    let told = refused(&plain, hurried).await;
    assert!(told.contains("`tls-port`") || told.contains("right port"), "{told}");

    let expired = authority.certified_once("localhost");
    let (_server, port) =
        RedisServer::certified(&expired.certificate_pem, &expired.key_pem, &authority.pem, &NO_CLIENTS).await;
    let told = refused(&format!("rediss://localhost:{port}"), trusting).await;
    assert!(told.contains("has expired"), "{told}");

    let own = self_signed("localhost", true);
    let (_server, port) = RedisServer::certified(&own.certificate_pem, &own.key_pem, &authority.pem, &NO_CLIENTS).await;
    let ca_file = Some(place.write("own.pem", &own.certificate_pem));
    asked(
        &format!("rediss://localhost:{port}"),
        QueueOptions { ca_file, ..options() },
    )
    .await
    .expect("it is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_ask_for_a_certificate_and_a_password() {
    let (authority, place) = (Authority::new(), Place::new(On::Sqlite).await);
    let identity = authority.certify("localhost");
    let settings = ["--requirepass", "S3CRET"];
    let server = RedisServer::certified(&identity.certificate_pem, &identity.key_pem, &authority.pem, &[]).await;
    let mut settings_of = server.0.connect().await;
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("requirepass").arg(settings[1]);
    set.query_async::<()>(&mut settings_of)
        .await
        .expect("a password is set");
    let url = format!("rediss://:S3CRET@localhost:{}", server.1);
    let ca_file = Some(place.write("authority.pem", &authority.pem));
    let told = refused(
        &url,
        QueueOptions {
            ca_file: ca_file.clone(),
            ..options()
        },
    )
    .await;
    assert!(told.contains("`queue.cert_file`") && !told.contains("S3CRET"), "{told}");

    let ours = authority.certify("worker");
    let files = ClientCertificate {
        certificate: place.write("worker.crt", &ours.certificate_pem),
        key: place.write("worker.key", &ours.key_pem),
    };
    let with = QueueOptions {
        ca_file,
        identity: Some(files.clone()),
        ..options()
    };
    let Err(QueueError::BadUrl(told)) = asked(&url, with.clone()).await else {
        panic!("others can read the key");
    };
    assert!(told.contains("worker.key") && told.contains("chmod"), "{told}");
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&files.key, own).expect("a mode");
    asked(&url, with).await.expect("let in");
}
