//! TLS to a real PostgreSQL: who is believed, and what is said of who is not.

use std::path::Path;

use tenantry_foundation::db::{ConnectOptions, Db, DbError};

use crate::certificates::{Authority, Identity, self_signed};
use crate::place::{On, Place};
use crate::servers::PgServer;

/// A server under that certificate, and its address without a host.
async fn server(identity: &Identity) -> (PgServer, String) {
    let mut server = PgServer::private().await;
    server.certified(&identity.certificate_pem, &identity.key_pem).await;
    let database = server.database().await;
    let name = database.rsplit('/').next().expect("a name").to_owned();
    let rest = format!("{}/{name}", server.port());
    (server, rest)
}

/// Whether the connection to itself is over TLS, or why there is none.
async fn asked(url: &str) -> Result<bool, DbError> {
    let db = Db::open(url, ConnectOptions::with_connections(1)).await?;
    let sql = "SELECT CAST(ssl AS INT) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let told = db.read(move |tx| tx.query_first(sql, &[])).await?;
    Ok(told.expect("a row").int(0)? == 1)
}

async fn refused(url: &str) -> String {
    match asked(url).await {
        Err(error @ DbError::Elsewhere(_)) => error.to_string(),
        other => panic!("{url}: {other:?}"),
    }
}

fn with_roots(host: &str, rest: &str, mode: &str, roots: &Path) -> String {
    format!(
        "postgres://tenantry@{host}:{rest}?sslmode={mode}&sslrootcert={}",
        roots.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_as_far_as_the_mode_says() {
    let (authority, other, place) = (Authority::new(), Authority::new(), Place::new(On::Sqlite).await);
    let roots = place.write("authority.pem", &authority.pem);
    let others = place.write("other.pem", &other.pem);
    let (_server, rest) = server(&authority.certify("localhost")).await;
    let url = |host: &str, mode: &str| with_roots(host, &rest, mode, &roots);

    assert!(asked(&url("localhost", "verify-full")).await.expect("the right one"));
    // What is on this machine needs none, and is asked for none, unless authorities are named.
    let plain = format!("postgres://tenantry@localhost:{rest}");
    assert!(!asked(&plain).await.expect("as ever"));
    let named = format!("{plain}?sslrootcert={}", roots.display());
    assert!(asked(&named).await.expect("over TLS"));

    let told = refused(&url("127.0.0.1", "verify-full")).await;
    assert!(
        told.contains("is for `localhost`") && told.contains("subjectAltName"),
        "{told}"
    );
    assert!(
        asked(&url("127.0.0.1", "verify-ca"))
            .await
            .expect("the name is left out")
    );
    // As libpq has it, with authorities it is the same.
    assert!(asked(&url("127.0.0.1", "require")).await.expect("the name is left out"));

    for mode in ["verify-full", "verify-ca", "require"] {
        let told = refused(&with_roots("localhost", &rest, mode, &others)).await;
        assert!(
            told.contains("no authority") && told.contains("`sslrootcert=FILE`"),
            "{told}"
        );
    }
    let told = refused(&format!("{plain}?sslmode=verify-full")).await;
    assert!(told.contains("no authority"), "the system's do not know it: {told}");
    for mode in ["require", "prefer"] {
        assert!(
            asked(&format!("{plain}?sslmode={mode}"))
                .await
                .expect("nothing is checked")
        );
    }
    assert!(!asked(&format!("{plain}?sslmode=disable")).await.expect("none"));
    let told = refused(&with_roots("localhost", &rest, "verify-full", Path::new("/nowhere"))).await;
    assert!(told.contains("/nowhere"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_in_date() {
    let (authority, place) = (Authority::new(), Place::new(On::Sqlite).await);
    let roots = place.write("authority.pem", &authority.pem);
    let (_server, rest) = server(&authority.certified_once("localhost")).await;
    let told = refused(&with_roots("localhost", &rest, "verify-full", &roots)).await;
    assert!(told.contains("has expired"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_servers_own_making_is_named_itself() {
    let place = Place::new(On::Sqlite).await;
    for is_authority in [false, true] {
        let identity = self_signed("localhost", is_authority);
        let roots = place.write("server.pem", &identity.certificate_pem);
        let (_server, rest) = server(&identity).await;
        assert!(
            asked(&with_roots("localhost", &rest, "verify-full", &roots))
                .await
                .expect("it is known")
        );
        let told = refused(&with_roots("127.0.0.1", &rest, "verify-full", &roots)).await;
        assert!(told.contains("is for `localhost`"), "{told}");
        let impostor = place.write("other.pem", self_signed("localhost", is_authority).certificate_pem);
        refused(&with_roots("localhost", &rest, "verify-full", &impostor)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_and_prefer_does_without() {
    let server = PgServer::shared().await;
    let url = server.database().await;
    for mode in ["require", "verify-full"] {
        let told = refused(&format!("{url}?sslmode={mode}")).await;
        assert!(
            told.contains("speaks no TLS") && told.contains("`sslmode=disable`"),
            "{told}"
        );
    }
    assert!(!asked(&format!("{url}?sslmode=prefer")).await.expect("without"));
    // To Linux this is this machine; by its address it is none that is known to be.
    let elsewhere = url.replace("127.0.0.1", "0.0.0.0");
    let told = refused(&elsewhere).await;
    assert!(told.contains("speaks no TLS"), "{told}");
    assert!(
        !asked(&format!("{elsewhere}?sslmode=disable"))
            .await
            .expect("as it was said")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_tied_to_its_tls_and_may_be_by_certificate() {
    let (authority, place) = (Authority::new(), Place::new(On::Sqlite).await);
    let roots = place.write("authority.pem", &authority.pem);
    let (mut server, rest) = server(&authority.certify("localhost")).await;
    let (anna, bert) = (authority.certify("anna"), authority.certify("bert"));
    let client = crate::servers::connect(&format!("postgres://tenantry@127.0.0.1:{rest}"))
        .await
        .expect("in");
    let roles = "create role scram login superuser password 'pw'; create role anna login superuser";
    client.batch_execute(roles).await.expect("roles");
    drop(client);
    server.keep("clients.crt", &authority.pem);
    let clients = server.directory().join("clients.crt");
    server.set(&[("ssl_ca_file", &clients.to_string_lossy())]).await;
    server
        .let_in_by("hostssl all scram all scram-sha-256\nhostssl all anna all cert")
        .await;
    let url = |user: &str| {
        let roots = roots.display();
        format!("postgres://{user}@localhost:{rest}?sslmode=verify-full&sslrootcert={roots}")
    };
    let bound = format!("{}&channel_binding=require", url("scram:pw"));
    assert!(asked(&bound).await.expect("SCRAM with what ties it"));

    let files = |identity: &Identity, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let certificate = place.write("client.crt", &identity.certificate_pem);
        let key = place.write("client.key", &identity.key_pem);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("a mode");
        format!("&sslcert={}&sslkey={}", certificate.display(), key.display())
    };
    let as_anna = |files: &str| format!("{}{files}", url("anna"));
    assert!(
        asked(&as_anna(&files(&anna, 0o600)))
            .await
            .expect("let in by certificate")
    );
    let told = refused(&as_anna(&files(&anna, 0o644))).await;
    assert!(told.contains("client.key") && told.contains("chmod"), "{told}");
    refused(&as_anna("")).await;
    refused(&as_anna(&files(&bert, 0o600))).await;
}
