//! Servers that a client meets on its way: one behind TLS, a proxy, and one whose connections break.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::Version;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::Identity;

/// Answers every request over TLS with an empty list.
pub(super) struct TlsServer {
    pub(super) address: SocketAddr,
    versions: Arc<Mutex<Vec<Version>>>,
    _serving: JoinSet<()>,
}

impl TlsServer {
    pub(super) async fn new(identity: Identity, protocols: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Identity { certificate, key, .. } = identity;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate], key).expect("an identity");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = tcp.local_addr().expect("an address");
        let versions = Arc::<Mutex<Vec<Version>>>::default();
        let seen = versions.clone();
        let app = Router::new().fallback(move |request: Request| {
            seen.lock().expect("a lock").push(request.version());
            async { r#"{"items":[]}"# }
        });
        let listener = TlsListener {
            tcp,
            tls: TlsAcceptor::from(Arc::new(config)),
        };
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self {
            address,
            versions,
            _serving: serving,
        }
    }

    /// The protocol of each request so far.
    pub(super) fn versions(&self) -> Vec<Version> {
        self.versions.lock().expect("a lock").clone()
    }
}

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            // A client that does not trust the certificate goes away here.
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// A proxy that leads wherever it is asked to the same place.
pub(super) struct Proxy {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn to(place: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = asked.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                tunnels.spawn(tunnel(client, place, noted.clone()));
            }
        });
        Self {
            url,
            asked,
            _serving: serving,
        }
    }

    /// The first line of every request to it.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

async fn tunnel(mut client: TcpStream, place: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let text = String::from_utf8_lossy(&head);
    asked
        .lock()
        .expect("a lock")
        .push(text.lines().next().unwrap_or_default().to_owned());
    let mut server = TcpStream::connect(place).await.expect("the place is there");
    if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReplyMode {
    /// It is reset when the request has been read.
    Reset,
    /// Nothing ever comes.
    Silence,
    /// An answer is begun and never ended.
    HalfAnAnswer,
    /// The answer has no end.
    Endless,
    /// All is well.
    Fine,
}

/// Each connection comes to the next of these ends, and the last one again and again.
pub(super) async fn unreliable(fates: Vec<ReplyMode>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        let (mut fates, mut last) = (fates.into_iter(), ReplyMode::Fine);
        while let Ok((client, _)) = listener.accept().await {
            last = fates.next().unwrap_or(last);
            connections.spawn(meet(client, last));
        }
    });
    (base, serving)
}

async fn meet(mut client: TcpStream, mode: ReplyMode) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let begun = |length: &str| format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n");
    match mode {
        ReplyMode::Reset => client.set_zero_linger().expect("an option"),
        ReplyMode::Silence => std::future::pending().await,
        ReplyMode::HalfAnAnswer => {
            let _ = client
                .write_all(format!("{}{{", begun("Content-Length: 400\r\n")).as_bytes())
                .await;
            let _ = client.shutdown().await;
        }
        ReplyMode::Endless => {
            let _ = client.write_all(begun("").as_bytes()).await;
            let blanks = vec![b' '; 65_536];
            while client.write_all(&blanks).await.is_ok() {}
        }
        ReplyMode::Fine => {
            let body = r#"{"items":[]}"#;
            let length = format!("Content-Length: {}\r\n", body.len());
            let _ = client.write_all(format!("{}{body}", begun(&length)).as_bytes()).await;
            let _ = client.shutdown().await;
        }
    }
}
