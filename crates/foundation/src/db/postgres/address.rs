//! The address of a server: what libpq knows about TLS and passwords and the driver does not is taken out of the url here.
//!
//! `sslmode`, `sslrootcert`, `sslcert`, `sslkey` and `passfile` mean what they mean to libpq, with two differences. Without `sslmode`, a
//! server on another machine has to speak TLS with a certificate for its name (`verify-full`), and one on this machine is spoken to
//! without; and where no `sslrootcert` is named, the system's authorities count. `schema` is ours: where the tables lie.

use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::db::DbError;
use crate::host::is_here;
use crate::tls::{Check, ClientCertificate, TlsSettings, TrustedRoots};

const MODES: &str = "`sslmode` in the url: expected `disable`, `prefer`, `require`, `verify-ca` or `verify-full`";

const OURS: &str = "sslmode, sslrootcert, sslcert, sslkey, passfile, schema";
/// Parameters that the driver knows.
const OF_THE_DRIVER: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Whether there is TLS, and how much of a certificate is checked, as libpq names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// How one server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// The host or address that is connected to.
    Tcp(String),
    /// The directory of its socket.
    Unix(PathBuf),
}

/// One of the servers of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) way: Way,
    pub(super) port: u16,
    /// What its certificate has to be for, and what it is called in messages and files of passwords.
    pub(super) name: String,
}

impl Server {
    /// Whether what is sent to it stays on this machine.
    pub(super) fn is_here(&self) -> bool {
        match &self.way {
            Way::Tcp(host) => is_here(host),
            Way::Unix(_) => true,
        }
    }
}

/// What a url says.
#[derive(Debug, Clone)]
pub(super) struct PgAddress {
    /// What the driver knows of it.
    pub(super) config: Config,
    mode: Option<SslMode>,
    roots: Option<TrustedRoots>,
    identity: Option<ClientCertificate>,
    /// A file of passwords.
    pub(super) passfile: Option<PathBuf>,
    /// Where the tables lie, if the url says so.
    pub(super) schema: Option<String>,
}

impl PgAddress {
    pub(super) fn parse(url: &str) -> Result<Self, DbError> {
        let bad = |what: String| DbError::BadUrl(what);
        let (mut mode, mut roots, mut certificate, mut key) = (None, None, None, None);
        let (mut passfile, mut schema) = (None, None);
        let (address, parameters) = cut(url);
        let mut others = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_decode_str(value).decode_utf8();
            let Ok(value) = value.map(std::borrow::Cow::into_owned) else {
                return Err(bad("a parameter in the url is no UTF-8".to_owned()));
            };
            match name {
                "sslmode" => mode = Some(SslMode::parse(&value).ok_or_else(|| bad(MODES.to_owned()))?),
                "sslrootcert" if value == "system" => roots = Some(TrustedRoots::System),
                "sslrootcert" => roots = file(value).map(TrustedRoots::File),
                "sslcert" => certificate = file(value),
                "sslkey" => key = file(value),
                "passfile" => passfile = file(value),
                "schema" if value.is_empty() || value.starts_with("pg_") || value.contains('\0') => {
                    return Err(bad("`schema` in the url: expected the name of a schema".to_owned()));
                }
                "schema" => schema = Some(value),
                _ if OF_THE_DRIVER.contains(&name) => others.push(parameter),
                // It may be a part of a password, and is not repeated.
                _ => {
                    let known = OF_THE_DRIVER.join(", ");
                    return Err(bad(format!(
                        "a parameter in the url is none of those that are known: {OURS}, {known}"
                    )));
                }
            }
        }
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            _ => {
                return Err(bad(
                    "`sslcert` and `sslkey` in the url: expected both or neither".to_owned()
                ));
            }
        };
        let weak = mode.is_some_and(|mode| mode != SslMode::VerifyFull);
        match (&roots, mode) {
            (Some(TrustedRoots::System), Some(_)) if weak => {
                let why = "the system's authorities certify anybody";
                return Err(bad(format!(
                    "`sslrootcert=system` in the url: {why}; expected `sslmode=verify-full` with it"
                )));
            }
            (None, Some(SslMode::VerifyCa)) => {
                return Err(bad(
                    "`sslmode=verify-ca` in the url: the system's authorities certify anybody; expected `sslrootcert=FILE` with it, \
                     or `sslmode=verify-full`"
                        .to_owned(),
                ));
            }
            _ => {}
        }
        let rest = match others.join("&") {
            rest if rest.is_empty() => address.to_owned(),
            rest => format!("{address}?{rest}"),
        };
        let config: Config = rest
            .parse()
            .map_err(|error| bad(format!("the url is no PostgreSQL address: {error}")))?;
        let address = Self {
            config,
            mode,
            roots,
            identity,
            passfile,
            schema,
        };
        address.servers().map(|_| address)
    }

    /// The servers to try, in this order.
    pub(super) fn servers(&self) -> Result<Vec<Server>, DbError> {
        let (hosts, addresses, ports) = (
            self.config.get_hosts(),
            self.config.get_hostaddrs(),
            self.config.get_ports(),
        );
        let count = hosts.len().max(addresses.len());
        let fits = |number: usize| number <= 1 || number == count;
        if count == 0
            || !fits(ports.len())
            || (!hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len())
        {
            return Err(DbError::BadUrl(
                "the url is no PostgreSQL address: expected a host, or several with as many addresses and ports"
                    .to_owned(),
            ));
        }
        let server = |at: usize| {
            let address = addresses.get(at).map(ToString::to_string);
            let (way, name) = match hosts.get(at) {
                Some(Host::Unix(path)) => (Way::Unix(path.clone()), path.display().to_string()),
                Some(Host::Tcp(host)) => (Way::Tcp(address.unwrap_or_else(|| host.clone())), host.clone()),
                None => {
                    let address = address.unwrap_or_default();
                    (Way::Tcp(address.clone()), address)
                }
            };
            Server {
                way,
                port: ports.get(at).or(ports.first()).copied().unwrap_or(5432),
                name,
            }
        };
        Ok((0..count).map(server).collect())
    }

    /// How TLS is spoken with a server; `None` if it is not.
    pub(super) fn tls(&self, server: &Server) -> Option<(TlsSettings, bool)> {
        let mode = mode(self.mode, self.roots.is_some(), server);
        let check = match mode {
            SslMode::Disable => return None,
            SslMode::Prefer | SslMode::Require => Check::Nothing,
            SslMode::VerifyCa => Check::Authority,
            SslMode::VerifyFull => Check::Host,
        };
        let settings = TlsSettings {
            roots: self.roots.clone().unwrap_or(TrustedRoots::System),
            check,
            identity: self.identity.clone(),
        };
        Some((settings, mode == SslMode::Prefer))
    }

    /// Whether the url says nothing of TLS.
    pub(super) fn leaves_tls_open(&self) -> bool {
        self.mode.is_none()
    }
}

/// The mode that holds for a server.
fn mode(said: Option<SslMode>, has_roots: bool, server: &Server) -> SslMode {
    match said {
        // Nobody is between the two ends of a socket.
        _ if matches!(server.way, Way::Unix(_)) => SslMode::Disable,
        Some(SslMode::Require) if has_roots => SslMode::VerifyCa,
        Some(mode) => mode,
        None if server.is_here() && !has_roots => SslMode::Disable,
        None => SslMode::VerifyFull,
    }
}

fn file(value: String) -> Option<PathBuf> {
    (!value.is_empty()).then(|| value.into())
}

/// A url and its parameters, cut where the driver does: user and password end at the first `@`, whatever is in them.
fn cut(url: &str) -> (&str, &str) {
    let host = url.find('@').map_or(0, |at| at + 1);
    match url[host..].find('?') {
        Some(at) => (&url[..host + at], &url[host + at + 1..]),
        None => (url, ""),
    }
}

/// The address of a PostgreSQL server without the password in it, which has one; `None` for any other.
///
/// # Errors
/// If it cannot be taken out: the url is not sound, or has a password in a way that is not known.
pub fn without_password(url: &str) -> Result<Option<String>, DbError> {
    let is_ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !is_ours || PgAddress::parse(url)?.config.get_password().is_none() {
        return Ok(None);
    }
    let (address, parameters) = cut(url);
    let (scheme, rest) = address.split_once("://").unwrap_or_default();
    let rest = match rest.split_once('@') {
        Some((who, host)) => format!("{}@{host}", who.split(':').next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    let kept: Vec<&str> = parameters
        .split('&')
        .filter(|one| !one.is_empty() && !one.starts_with("password="))
        .collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    let without = format!("{scheme}://{rest}{mark}{}", kept.join("&"));
    if PgAddress::parse(&without)?.config.get_password().is_some() {
        let why = "the password in the url cannot be told from the rest";
        return Err(DbError::BadUrl(why.to_owned()));
    }
    Ok(Some(without))
}

/// The address of a PostgreSQL server with this password, or else this file of passwords, if it has neither; any other as it is.
pub fn with_login(url: &str, password: Option<&str>, passfile: Option<&Path>) -> String {
    let is_ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let Some(address) = is_ours.then(|| PgAddress::parse(url).ok()).flatten() else {
        return url.to_owned();
    };
    if address.config.get_password().is_some() {
        return url.to_owned();
    }
    let (name, value) = match (password, passfile.and_then(Path::to_str)) {
        (Some(password), _) => ("password", password),
        (None, Some(path)) if address.passfile.is_none() => ("passfile", path),
        _ => return url.to_owned(),
    };
    let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
    let behind = if cut(url).1.is_empty() && !url.ends_with('?') {
        '?'
    } else {
        '&'
    };
    format!("{url}{behind}{name}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_wherever_it_stands() {
        let check = |url: &str, without: Option<&str>| {
            assert_eq!(without_password(url).expect(url).as_deref(), without, "{url}");
        };
        check(
            "postgres://ada:S@db.example/x?sslmode=require",
            Some("postgres://ada@db.example/x?sslmode=require"),
        );
        check(
            "postgresql://ada:S%40x@db.example/x",
            Some("postgresql://ada@db.example/x"),
        );
        check(
            "postgres://ada@db.example/x?password=S&schema=y",
            Some("postgres://ada@db.example/x?schema=y"),
        );
        check(
            "postgres://ada:S@db.example/x?password=S",
            Some("postgres://ada@db.example/x"),
        );
        check("postgres://ada@db.example/x?schema=y", None);
        check("sqlite:a:b@c", None);
    }

    fn modes(url: &str) -> Vec<SslMode> {
        let address = PgAddress::parse(url).expect(url);
        let servers = address.servers().expect(url);
        let modes = servers
            .iter()
            .map(|server| mode(address.mode, address.roots.is_some(), server));
        modes.collect()
    }

    #[test]
    fn tls_is_asked_for_beyond_this_machine() {
        use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        let check =
            |rest: &str, expected: &[SslMode]| assert_eq!(modes(&format!("postgres://{rest}")), expected, "{rest}");
        check("127.0.0.1/db", &[Disable]);
        check("localhost:1/db", &[Disable]);
        check("[::1]/db", &[Disable]);
        check("%2Frun%2Fpostgresql/db", &[Disable]);
        check("%2Frun%2Fpostgresql/db?sslmode=verify-full", &[Disable]);
        check("u:p@db.example/db", &[VerifyFull]);
        check("u:p@127.0.0.1.db.example/db", &[VerifyFull]);
        check("u:127.0.0.1@db.example/db", &[VerifyFull]);
        check("10.0.0.1/db", &[VerifyFull]);
        check("127.0.0.1,db.example/db", &[Disable, VerifyFull]);
        // What counts is where it is connected to.
        check("localhost/db?hostaddr=10.0.0.1", &[VerifyFull]);
        check("db.example/db?hostaddr=127.0.0.1", &[Disable]);
        check("/db?host=db.example", &[VerifyFull]);
        check("/db?host=/run/postgresql", &[Disable]);
        check("db.example/db?sslmode=disable", &[Disable]);
        check("db.example/db?sslmode=prefer&connect_timeout=3", &[Prefer]);
        check("db.example/db?sslmode=require", &[Require]);
        check("db.example/db?sslmode=require&sslrootcert=a.pem", &[VerifyCa]);
        check("127.0.0.1/db?sslrootcert=a.pem", &[VerifyFull]);
        check("127.0.0.1/db?sslmode=verify%2Dfull", &[VerifyFull]);
    }

    #[test]
    fn our_parameters_are_taken_out_and_the_rest_left() {
        let url = "postgres://ada:S?x&sslmode=disable@db.example:7/d?sslcert=c%20c&application_name=a%26b&sslkey=k&passfile=p&schema=s";
        let address = PgAddress::parse(url).expect("an address");
        assert_eq!(address.config.get_password(), Some(&b"S?x&sslmode=disable"[..]));
        assert_eq!(address.config.get_application_name(), Some("a&b"));
        assert_eq!(address.config.get_dbname(), Some("d"));
        let server = &address.servers().expect("servers")[0];
        let (tls, falls_back) = address.tls(server).expect("TLS");
        assert_eq!((tls.check, falls_back), (Check::Host, false));
        assert_eq!(tls.identity.expect("an identity").certificate, PathBuf::from("c c"));
        assert_eq!(
            (address.passfile, address.schema.as_deref()),
            (Some("p".into()), Some("s"))
        );
    }

    #[test]
    fn a_senseless_parameter_is_refused_by_name() {
        for (rest, told) in [
            ("db/x?sslmode=S3CRET", "`sslmode`"),
            ("db/x?sslmode=allow", "`sslmode`"),
            ("db/x?sslmode=require&sslrootcert=system", "`sslrootcert=system`"),
            ("db/x?sslmode=verify-ca", "`sslrootcert=FILE`"),
            ("db/x?sslcert=c", "`sslkey`"),
            ("db/x?schema=pg_temp", "`schema`"),
            ("db/x?S3CRET=c", "sslrootcert"),
            ("/x", "expected a host"),
            ("a,b:1,c/x?hostaddr=10.0.0.1", "addresses"),
        ] {
            let error = PgAddress::parse(&format!("postgres://{rest}"))
                .expect_err(rest)
                .to_string();
            assert!(error.contains(told) && !error.contains("S3CRET"), "{rest}: {error}");
        }
    }
}
