//! The login's messages between the driver and a server, watched until it is done.
//!
//! The driver sends its password as it is to any server that asks for it so. It is kept from doing that where others could read it. And
//! the server's number for the connection is noted: a pooler in between hands out one of its own.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// The answer of a server that wants the password as it is.
const CLEAR_TEXT: i32 = 3;

/// That a server wanted the password as it is.
#[derive(Debug, thiserror::Error)]
#[error("the server asks for the password in clear text")]
pub(super) struct ClearText;

/// What a connection goes over.
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// A connection whose greeting is watched.
pub(super) struct Greeted {
    socket: Socket,
    /// `None` once the greeting is over.
    watch: Option<GreetingWatch>,
    /// What ties a login to this TLS.
    end_point: Option<Vec<u8>>,
}

/// Reads along what a server says first.
struct GreetingWatch {
    is_read_by_others: bool,
    number: Arc<OnceLock<i32>>,
    /// The beginning of the message at hand: its tag, its length and four bytes of it.
    head: Vec<u8>,
    /// What is left of it, which does not matter.
    left: usize,
}

impl Greeted {
    /// `number` will be the server's for the connection.
    pub(super) fn new(
        socket: Socket,
        end_point: Option<Vec<u8>>,
        is_read_by_others: bool,
        number: Arc<OnceLock<i32>>,
    ) -> Self {
        let watch = GreetingWatch {
            is_read_by_others,
            number,
            head: Vec::new(),
            left: 0,
        };
        Self {
            socket,
            watch: Some(watch),
            end_point,
        }
    }
}

impl GreetingWatch {
    /// Whether there is more to watch.
    fn look_at(&mut self, mut bytes: &[u8]) -> Result<bool, ClearText> {
        while !bytes.is_empty() {
            let passed = self.left.min(bytes.len());
            (self.left, bytes) = (self.left - passed, &bytes[passed..]);
            while self.head.len() < self.wanted() && !bytes.is_empty() {
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
            }
            if self.left > 0 || self.head.len() < self.wanted() || self.head.is_empty() {
                continue;
            }
            let head = std::mem::take(&mut self.head);
            let number = |at: usize| {
                head.get(at..at + 4)
                    .map_or(0, |four| four.iter().fold(0, |n, b| n << 8 | i32::from(*b)))
            };
            self.left = (number(1).max(4) as usize + 1).saturating_sub(head.len());
            match head[0] {
                b'R' if number(5) == CLEAR_TEXT && self.is_read_by_others => return Err(ClearText),
                b'K' => {
                    let _ = self.number.set(number(5));
                }
                b'Z' | b'E' => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Bytes of the head of the message at hand: some are shorter than others.
    fn wanted(&self) -> usize {
        match self.head.get(1..5) {
            None => 5,
            Some(length) => {
                5 + (u32::from_be_bytes([length[0], length[1], length[2], length[3]]).saturating_sub(4) as usize).min(4)
            }
        }
    }
}

impl AsyncRead for Greeted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = into.filled().len();
        ready!(match &mut this.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(context, into),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).poll_read(context, into),
            Socket::Tls(stream) => Pin::new(stream).poll_read(context, into),
        })?;
        if let Some(watch) = &mut this.watch
            && !watch.look_at(&into.filled()[before..]).map_err(io::Error::other)?
        {
            this.watch = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(context),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).poll_flush(context),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl TlsStream for Greeted {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

/// Tells the driver that TLS is there already.
pub(super) struct Secured;

impl TlsConnect<Greeted> for Secured {
    type Stream = Greeted;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Greeted>>;

    fn connect(self, stream: Greeted) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn watched(bytes: &[u8], piece: usize, is_read_by_others: bool) -> (Result<bool, String>, Option<i32>) {
        let number = Arc::new(OnceLock::new());
        let mut watch = GreetingWatch {
            is_read_by_others,
            number: number.clone(),
            head: Vec::new(),
            left: 0,
        };
        let mut more = Ok(true);
        for piece in bytes.chunks(piece) {
            if more == Ok(true) {
                more = watch.look_at(piece).map_err(|error| error.to_string());
            }
        }
        (more, number.get().copied())
    }

    #[test]
    fn a_greeting_is_read_however_it_comes() {
        let greeting = [
            message(b'N', b"S\0"),
            message(b'N', b""),
            message(b'R', &0_i32.to_be_bytes()),
            message(b'S', &[b"server_version\0".as_slice(), &[b'x'; 5000]].concat()),
            message(b'K', &[1, 2, 3, 4, 9, 9, 9, 9]),
            message(b'Z', b"I"),
        ];
        for piece in [1, 2, 7, 8192] {
            assert_eq!(watched(&greeting.concat(), piece, true), (Ok(false), Some(0x0102_0304)));
            let cut = greeting[..5].concat();
            assert_eq!(watched(&cut, piece, true), (Ok(true), Some(0x0102_0304)));
        }
    }

    #[test]
    fn a_clear_text_password_is_kept_back() {
        let greeting = [message(b'N', b"C\0"), message(b'R', &CLEAR_TEXT.to_be_bytes())].concat();
        for piece in [1, 4, 100] {
            assert!(watched(&greeting, piece, true).0.is_err());
            assert_eq!(watched(&greeting, piece, false).0, Ok(true));
        }
        // A number of the same sort in another message.
        let other = [
            message(b'R', &5_i32.to_be_bytes()),
            message(b'S', &CLEAR_TEXT.to_be_bytes()),
        ]
        .concat();
        assert_eq!(watched(&other, 3, true).0, Ok(true));
    }

    proptest::proptest! {
        #[test]
        fn no_greeting_breaks_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), piece in 1..20_usize) {
            let _ = watched(&bytes, piece, true);
        }
    }
}
