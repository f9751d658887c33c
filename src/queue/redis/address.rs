//! The address of Redis, and the connection to it: over TLS with `rediss://`, and never with a password in the clear to another machine.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, ConnectionAddr, RedisConnectionInfo};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Stream, failed};
use crate::host::is_here;
use crate::queue::QueueError;
use crate::secret::SecretUrl;
use crate::tls::{self, Check, ClientCertificate, TlsSettings, TlsWords, TrustedRoots};

/// Beginnings of addresses without TLS and with it.
const PLAIN: [&str; 2] = ["redis://", "valkey://"];
const TLS: [&str; 2] = ["rediss://", "valkeys://"];
const WORDS: TlsWords = TlsWords {
    roots: "`queue.ca_file`",
    identity: "`queue.cert_file` and `queue.key_file`",
};

/// How the queue is used, beside its address.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// What keys in Redis begin with.
    pub prefix: String,
    /// How long a command may take.
    pub timeout: Duration,
    /// A file of authorities in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// A certificate of ours.
    pub identity: Option<ClientCertificate>,
    /// Whether a password may go to another machine without TLS.
    pub password_in_clear: bool,
}

impl QueueOptions {
    /// The defaults, with that prefix and time.
    pub fn new(prefix: impl Into<String>, timeout: Duration) -> Self {
        Self {
            prefix: prefix.into(),
            timeout,
            ca_file: None,
            identity: None,
            password_in_clear: false,
        }
    }
}

/// Whether an address is one of Redis.
pub(crate) fn is_redis(url: &SecretUrl) -> bool {
    let begins = |scheme: &&str| url.reveal().starts_with(scheme);
    PLAIN.iter().chain(&TLS).any(begins)
}

/// An address that was read.
pub(super) struct RedisAddress {
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    pub(super) settings: RedisConnectionInfo,
}

impl RedisAddress {
    pub(super) fn parse(url: &str, options: &QueueOptions) -> Result<Self, QueueError> {
        let bad = |why: String| QueueError::BadUrl(format!("the queue's url is invalid: {why}"));
        let secured = TLS.iter().find_map(|scheme| url.strip_prefix(scheme));
        let plain = match secured {
            Some(rest) => format!("redis://{rest}"),
            None => url.to_owned(),
        };
        if plain.contains('#') {
            return Err(bad(
                "expected nothing behind a `#`; certificates are always checked".to_owned()
            ));
        }
        let client = Client::open(plain).map_err(|error| bad(error.to_string()))?;
        let info = client.get_connection_info();
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(bad("it leads to no server of the known sorts".to_owned()));
        };
        let settings = info.redis_settings().clone();
        if secured.is_none() && settings.password().is_some() && !is_here(host) && !options.password_in_clear {
            return Err(QueueError::BadUrl(format!(
                "the queue's url has a password, and without TLS anybody between here and `{host}` could read it; say `rediss://`, or, \
                 where the network is yours alone, `queue.password_in_clear = true`"
            )));
        }
        let tls = if secured.is_some() {
            tls::server_name(host).map_err(bad)?;
            let settings = TlsSettings {
                roots: options.ca_file.clone().map_or(TrustedRoots::System, TrustedRoots::File),
                check: Check::Host,
                identity: options.identity.clone(),
            };
            let client = settings.client(&[]);
            Some(client.map_err(|why| QueueError::BadUrl(format!("TLS to Redis cannot be spoken: {why}")))?)
        } else {
            None
        };
        Ok(Self {
            host: host.clone(),
            port: *port,
            tls,
            settings,
        })
    }

    /// A stream to the server.
    pub(super) async fn stream(&self) -> Result<Box<dyn Stream>, QueueError> {
        let away = |error: std::io::Error| QueueError::Unavailable(error.to_string());
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(away)?;
        stream.set_nodelay(true).map_err(away)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = tls::server_name(&self.host).map_err(QueueError::BadUrl)?;
        let connected = TlsConnector::from(tls.clone()).connect(name, stream).await;
        let secured = connected.map_err(|error| match tls::refusal(&error, &self.host, WORDS) {
            Some(why) => QueueError::Untrusted(why),
            None => away(error),
        })?;
        Ok(Box::new(secured))
    }

    /// A server without TLS waits for the rest of a command, or hangs up.
    pub(super) fn explained(&self, error: QueueError) -> QueueError {
        match error {
            QueueError::Unavailable(why) if self.tls.is_some() => {
                let hint = "where Redis speaks TLS, it does so on its `tls-port`";
                QueueError::Unavailable(format!("no TLS with `{}`: {why}; {hint}", self.host))
            }
            other => other,
        }
    }

    /// A server that speaks TLS hangs up on a client that does not.
    pub(super) fn unanswered(&self, error: redis::RedisError) -> QueueError {
        let is_hung_up = error.is_connection_dropped();
        match failed(error) {
            QueueError::Unavailable(why) if is_hung_up && self.tls.is_none() => {
                let hint = format!("where port {} speaks TLS, the url begins with `rediss://`", self.port);
                QueueError::Unavailable(format!("`{}` hangs up before it answers: {why}; {hint}", self.host))
            }
            other => other,
        }
    }

    /// Why TLS failed after a connection was made: with TLS 1.3 a server refuses our certificate, or the lack of one, in its first answer.
    pub(super) fn refusal(&self, error: &redis::RedisError) -> Option<QueueError> {
        let inner: &Arc<dyn Error + Send + Sync> = error.source()?.downcast_ref()?;
        tls::refusal(inner.downcast_ref()?, &self.host, WORDS).map(QueueError::Untrusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_nowhere_in_the_clear() {
        let refused = |url: &str, in_clear: bool| {
            let mut options = QueueOptions::new("t", Duration::from_secs(1));
            options.password_in_clear = in_clear;
            RedisAddress::parse(url, &options).err().map(|error| error.to_string())
        };
        for fine in [
            "redis://127.0.0.1",
            "redis://:S3CRET@127.0.0.1:6380/2",
            "redis://ada:S3CRET@localhost",
            "valkey://:S3CRET@[::1]",
            "redis://redis.example",
            "rediss://:S3CRET@redis.example",
            "valkeys://ada:S3CRET@redis.example:1/3",
        ] {
            assert_eq!(refused(fine, false), None, "{fine}");
        }
        for url in [
            "redis://:S3CRET@redis.example",
            "redis://ada:S3CRET@127.0.0.1.evil.example",
            "redis://127.0.0.1:S3CRET@evil.example",
            "valkey://:S3CRET@10.0.0.1",
        ] {
            let told = refused(url, false).expect(url);
            assert!(told.contains("`rediss://`") && !told.contains("S3CRET"), "{told}");
            assert_eq!(refused(url, true), None, "{url}");
        }
        for url in ["rediss://redis.example/#insecure", "rediss://", "redis://h/x"] {
            assert!(refused(url, true).is_some(), "{url}");
        }
    }
}
