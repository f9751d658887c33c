//! Passwords for PostgreSQL: where they come from, and where they do not go.

use std::os::unix::fs::PermissionsExt;

use tenantry_foundation::db::{ConnectOptions, Db, DbError};
use tenantry_foundation::tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::place::{On, Place};
use crate::servers::PgServer;

async fn open(url: &str) -> Result<(), DbError> {
    let db = Db::open(url, ConnectOptions::with_connections(1)).await?;
    db.version().await.map(drop)
}

/// A server that asks for a password as it is, and what it was told.
async fn curious() -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = tasks::spawn("the test", async move {
        let (mut stream, _) = listener.accept().await.expect("somebody");
        let length = stream.read_u32().await.expect("a greeting");
        let mut greeting = vec![0; length as usize - 4];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await.expect("a question");
        let mut heard = Vec::new();
        let mut part = [0; 64];
        if let Ok(count) = stream.read(&mut part).await {
            heard.extend_from_slice(&part[..count]);
        }
        heard
    });
    (port, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_goes_to_no_other_machine_in_the_clear() {
    let (port, heard) = curious().await;
    let told = open(&format!("postgres://ada:S3CRET@0.0.0.0:{port}/db?sslmode=disable")).await;
    let told = told.expect_err("it is kept back").to_string();
    assert!(
        told.contains("clear text") && told.contains("`sslmode=verify-full`") && !told.contains("S3CRET"),
        "{told}"
    );
    assert!(heard.await.expect("heard").is_empty(), "the password was sent");
    // To this machine it may go, as nobody is in between.
    let (port, heard) = curious().await;
    open(&format!("postgres://ada:S3CRET@127.0.0.1:{port}/db"))
        .await
        .expect_err("it is no server");
    assert_eq!(heard.await.expect("heard"), b"p\0\0\0\x0bS3CRET\0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_a_file_or_the_environment() {
    let mut server = PgServer::private().await;
    let database = server.database().await;
    let client = crate::servers::connect(&database).await.expect("in");
    let role = "create role ada login superuser password 'p:w\\x'";
    client.batch_execute(role).await.expect("a role");
    drop(client);
    server.let_in_by("host all ada all scram-sha-256").await;
    let mut place = Place::new(On::Sqlite).await;
    place.url.clone_from(&database);
    place.tenantry(&["migrate"]).ends(0);
    place.url = database.replace("tenantry@", "ada@");
    let port = server.port();
    let run = |variables: &[(&str, &str)]| {
        let mut command = place.command(&["jobs"]);
        command
            .env("TENANTRY__LEDGER__CONNECT_TIMEOUT", "0s")
            .env("HOME", place.dir.path());
        command.envs(variables.iter().copied());
        let output = command.output().expect("tenantry starts");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let keep = |name: &str, text: &str, mode: u32| {
        let path = place.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        path.display().to_string()
    };
    let (fine, told) = run(&[]);
    assert!(
        !fine && told.contains("there is none") && told.contains("PGPASSWORD"),
        "{told}"
    );
    assert!(run(&[("PGPASSWORD", "p:w\\x")]).0);
    let (fine, told) = run(&[("PGPASSWORD", "S3CRET")]);
    assert!(
        !fine && told.contains("password authentication failed") && !told.contains("S3CRET"),
        "{told}"
    );

    let line = format!("# of the ledger\nother:*:*:*:no\n127.0.0.1:{port}:*:ada:p\\:w\\\\x\n");
    let file = keep("passwords", &line, 0o600);
    assert!(run(&[("PGPASSFILE", &file)]).0);
    keep("passwords", &line, 0o640);
    let (fine, told) = run(&[("PGPASSFILE", &file)]);
    assert!(
        !fine && told.contains("passed over") && told.contains("chmod 0600"),
        "{told}"
    );
    keep(".pgpass", &line, 0o600);
    assert!(run(&[]).0, "the usual file");

    let url = place.url.replace("ada@", "ada:p%3Aw%5Cx@");
    let url_file = keep("url", &format!("{url}\n"), 0o600);
    let of_file = |variables: &[(&str, &str)]| {
        let mut command = place.command(&["jobs"]);
        command.env_remove("TENANTRY__LEDGER__URL").env("HOME", "/nowhere");
        command
            .env("TENANTRY__LEDGER__URL_FILE", &url_file)
            .env("TENANTRY__LEDGER__CONNECT_TIMEOUT", "0s");
        command.envs(variables.iter().copied());
        let output = command.output().expect("tenantry starts");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (fine, told) = of_file(&[]);
    assert!(fine, "{told}");
    let (fine, told) = of_file(&[("TENANTRY__LEDGER__URL", &url)]);
    assert!(!fine && told.contains("not both"), "{told}");
    keep("url", &url, 0o644);
    let (fine, told) = of_file(&[]);
    assert!(
        !fine && told.contains("`ledger.url_file`") && told.contains("chmod"),
        "{told}"
    );
}
