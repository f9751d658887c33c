//! Making a connection: the servers of an address in turn, TLS as each of them wants it, and the way in.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::config::{LoadBalanceHosts, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_rustls::TlsConnector;

use super::address::{Server, Way};
use super::binding;
use super::greeting::{ClearText, Greeted, Secured, Socket};
use super::passfile;
use super::wire::sql;
use super::{KEEPALIVES, Postgres};
use crate::clock::Clock;
use crate::db::DbError;
use crate::tasks;
use crate::tls::{self, TlsSettings, TlsWords};

/// How long one server may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to let us in, over TLS or not.
const LET_IN_WITHIN: Duration = Duration::from_secs(30);
/// Asks a server whether it speaks TLS.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const WORDS: TlsWords = TlsWords {
    roots: "`sslrootcert=FILE` in the url",
    identity: "`sslcert=FILE` and `sslkey=FILE` in the url",
};

type Tls = (Arc<ClientConfig>, Server);
type LetIn = (Client, BoxFuture<'static, Result<(), tokio_postgres::Error>>);

/// A connection to a server that has let us in, and its number for it.
pub(super) struct LetInSession {
    pub(super) client: Client,
    pub(super) last_words: Arc<OnceLock<DbError>>,
    pub(super) number: Option<i32>,
}

impl Postgres {
    /// A connection to the first server that does.
    pub(super) async fn open(&self) -> Result<LetInSession, DbError> {
        let mut servers = self.address.servers()?;
        if self.address.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            let place = Clock::system().fresh_id().as_u128() % servers.len() as u128;
            servers.rotate_left(place as usize);
        }
        let mut failed = DbError::Unavailable("there is no server".to_owned());
        for server in servers {
            match self.open_at(&server).await {
                Ok(opened) => return Ok(opened),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn open_at(&self, server: &Server) -> Result<LetInSession, DbError> {
        let tls = match self.address.tls(server) {
            None => None,
            Some((settings, falls_back)) => Some((self.tls_client(&settings)?, falls_back)),
        };
        let opening = async {
            match tls {
                None => self.open_over(server, None).await,
                Some((client, falls_back)) => match self.open_over(server, Some((client, server.clone()))).await {
                    Err(TlsOr::NoTls(_)) if falls_back => self.open_over(server, None).await,
                    done => done,
                },
            }
        };
        match tokio::time::timeout(LET_IN_WITHIN, opening).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(TlsOr::NoTls(error) | TlsOr::Other(error))) => Err(error),
            Err(_) => Err(DbError::Unavailable("the server gave no access in time".to_owned())),
        }
    }

    /// What rustls is to do, read from its files once.
    fn tls_client(&self, settings: &TlsSettings) -> Result<Arc<ClientConfig>, DbError> {
        if let Some((known, client)) = self.tls.get()
            && known == settings
        {
            return Ok(client.clone());
        }
        let client = settings
            .client(&["postgresql"])
            .map_err(|why| DbError::Elsewhere(format!("TLS to PostgreSQL cannot be spoken: {why}")))?;
        let _ = self.tls.set((settings.clone(), client.clone()));
        Ok(client)
    }

    async fn open_over(&self, server: &Server, tls: Option<Tls>) -> Result<LetInSession, TlsOr> {
        let mut config = self.address.config.clone();
        config.application_name("tenantry");
        let mut passed_over = None;
        if config.get_password().is_none()
            && let Some(path) = &self.address.passfile
        {
            let user = config.get_user().unwrap_or_default();
            let database = config.get_dbname().unwrap_or(user);
            match passfile::password(path, server, database, user) {
                Ok(Some(password)) => {
                    config.password(password);
                }
                Ok(None) => {}
                Err(why) => passed_over = Some(why),
            }
        }
        let is_plain = tls.is_none();
        let number = Arc::new(OnceLock::new());
        let socket = self.socket(server).await.map_err(TlsOr::Other)?;
        let (socket, end_point) = match (tls, socket) {
            (Some((client, server)), Socket::Tcp(stream)) => {
                let direct = config.get_ssl_negotiation() == SslNegotiation::Direct;
                secured(stream, client, &server, direct).await?
            }
            (_, socket) => (socket, None),
        };
        let is_read_by_others = is_plain && !server.is_here();
        let greeted = Greeted::new(socket, end_point, is_read_by_others, number.clone());
        // TLS is there already, or there is none.
        if is_plain {
            config.ssl_mode(SslMode::Disable);
        } else {
            config
                .ssl_mode(SslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct);
        }
        let (client, mut connection) = let_in(&config, greeted)
            .await
            .map_err(|error| TlsOr::Other(self.refusal(&error, server, is_plain, passed_over)))?;
        let last_words = Arc::new(OnceLock::new());
        let heard = Arc::clone(&last_words);
        tasks::spawn("the connection's client", async move {
            if let Err(error) = (&mut connection).await {
                tracing::debug!(%error, "a PostgreSQL connection ended");
                // Before the client finds it closed.
                let _ = heard.set(sql(&error));
            }
            drop(connection);
        });
        check_session(&client, config.get_target_session_attrs())
            .await
            .map_err(TlsOr::Other)?;
        Ok(LetInSession {
            client,
            last_words,
            number: number.get().copied(),
        })
    }

    async fn socket(&self, server: &Server) -> Result<Socket, DbError> {
        let away = |error: io::Error| DbError::Unavailable(error.to_string());
        let host = match &server.way {
            Way::Tcp(host) => host,
            #[cfg(unix)]
            Way::Unix(directory) => {
                let path = directory.join(format!(".s.PGSQL.{}", server.port));
                return within(tokio::net::UnixStream::connect(path))
                    .await
                    .map(Socket::Unix)
                    .map_err(away);
            }
            #[cfg(not(unix))]
            Way::Unix(_) => return Err(DbError::BadUrl("there are no such sockets on this system".to_owned())),
        };
        let mut failed = io::Error::other("the host has no address");
        for address in tokio::net::lookup_host((host.as_str(), server.port))
            .await
            .map_err(away)?
        {
            match within(TcpStream::connect(address)).await {
                Ok(stream) => {
                    self.keep_alive(&stream).map_err(away)?;
                    return Ok(Socket::Tcp(stream));
                }
                Err(error) => failed = error,
            }
        }
        Err(away(failed))
    }

    /// Has it noticed soon that the other side is gone.
    fn keep_alive(&self, stream: &TcpStream) -> io::Result<()> {
        let every = self.options.keepalive;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(every * (KEEPALIVES + 1)))?;
        let asked = TcpKeepalive::new()
            .with_time(every)
            .with_interval(every)
            .with_retries(KEEPALIVES);
        socket.set_tcp_keepalive(&asked)
    }

    /// Why a server did not let us in, and what to do.
    fn refusal(
        &self,
        error: &tokio_postgres::Error,
        server: &Server,
        is_plain: bool,
        passed_over: Option<String>,
    ) -> DbError {
        let name = &server.name;
        let source = std::error::Error::source(error);
        if let Some(error) = source.and_then(|source| source.downcast_ref::<io::Error>()) {
            if error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<ClearText>)
            {
                return DbError::Elsewhere(format!(
                    "the server `{name}` asks for the password in clear text, and there is no TLS: it was not sent; say \
                     `sslmode=verify-full` in the url, or have the server ask for `scram-sha-256`"
                ));
            }
            if let Some(why) = tls::refusal(error, name, WORDS) {
                return DbError::Elsewhere(why);
            }
        }
        // The driver has no other word for it.
        if source.is_some_and(|source| source.to_string() == "password missing") {
            let why = passed_over.map(|why| format!(" ({why})")).unwrap_or_default();
            return DbError::Elsewhere(format!(
                "the server `{name}` asks for a password, and there is none{why}; put it into a file for `ledger.url_file` or into \
                 `~/.pgpass`, or set PGPASSWORD"
            ));
        }
        match sql(error) {
            // A server that is starting, stopping or gone; a refused password is not going to fix itself.
            DbError::Broken(what) if error.code().is_none() => DbError::Unavailable(what),
            DbError::Broken(what) => {
                let hint = if is_plain && self.address.leaves_tls_open() && what.contains("pg_hba.conf") {
                    "; if it wants TLS, say `sslmode=verify-full` in the url"
                } else {
                    ""
                };
                DbError::Elsewhere(format!("the database answered: {what}{hint}"))
            }
            other => other,
        }
    }
}

/// That TLS could not be had, which some do without, or something else.
enum TlsOr {
    NoTls(DbError),
    Other(DbError),
}

/// TLS over a stream, with what ties a login to it.
async fn secured(
    mut stream: TcpStream,
    client: Arc<ClientConfig>,
    server: &Server,
    direct: bool,
) -> Result<(Socket, Option<Vec<u8>>), TlsOr> {
    let name = &server.name;
    let away = |error: io::Error| TlsOr::Other(DbError::Unavailable(error.to_string()));
    let certified = tls::server_name(name).map_err(|why| TlsOr::Other(DbError::BadUrl(why)))?;
    if !direct {
        stream.write_all(&TLS_REQUEST).await.map_err(away)?;
        if stream.read_u8().await.map_err(away)? != b'S' {
            return Err(TlsOr::NoTls(DbError::Elsewhere(format!(
                "the server `{name}` speaks no TLS, and without it others could read and change what is said; turn it on there \
                 (`ssl = on`), or, where the network is yours alone, say `sslmode=disable` in the url"
            ))));
        }
    }
    let secured = TlsConnector::from(client).connect(certified, stream).await;
    let secured = secured.map_err(|error| match tls::refusal(&error, name, WORDS) {
        Some(why) => TlsOr::NoTls(DbError::Elsewhere(why)),
        None => away(error),
    })?;
    let shown = secured.get_ref().1.peer_certificates();
    let end_point = shown
        .and_then(<[_]>::first)
        .and_then(|certificate| binding::end_point(certificate));
    Ok((Socket::Tls(Box::new(secured)), end_point))
}

async fn let_in(config: &Config, greeted: Greeted) -> Result<LetIn, tokio_postgres::Error> {
    let (client, connection) = config.connect_raw(greeted, Secured).await?;
    Ok((client, Box::pin(connection)))
}

/// Whether a server is of the sort that the url asks for.
async fn check_session(client: &Client, wanted: TargetSessionAttrs) -> Result<(), DbError> {
    let reads_only = match wanted {
        TargetSessionAttrs::ReadWrite => false,
        TargetSessionAttrs::ReadOnly => true,
        _ => return Ok(()),
    };
    let told = client.simple_query("SHOW transaction_read_only").await;
    let told = told.map_err(|error| sql(&error))?;
    let is = told
        .iter()
        .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("on")));
    if is == reads_only {
        return Ok(());
    }
    let what = if is { "does not take changes" } else { "takes changes" };
    Err(DbError::Unavailable(format!(
        "the server {what}, and the url asks for another sort (`target_session_attrs`)"
    )))
}

async fn within<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
    connected.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out")))
}
