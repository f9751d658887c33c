//! Quotation marks in the address of a request. The standard wants them encoded, and the HTTP library refuses a request where they are not;
//! but people write filters with them on command lines. So they are encoded on their way in, in first lines of HTTP/1.1
//! and nowhere else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const ENCODED: &[u8] = b"%22";
const AT_ONCE: usize = 8192;

/// Where in a request the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestPart {
    /// Nothing has come since the last answer.
    Start,
    FirstLine,
    /// Nothing of that is touched, another request behind it included, which came before this one was answered.
    Rest,
}

/// A line whose requests come with encoded quotation marks.
pub(super) struct Quoted<S> {
    line: S,
    part: RequestPart,
    read: Vec<u8>,
    /// How much of what was read has been handed on.
    handed: usize,
}

impl<S> Quoted<S> {
    pub(super) fn new(line: S) -> Self {
        Self {
            line,
            part: RequestPart::Start,
            read: Vec::new(),
            handed: 0,
        }
    }
}

/// Bytes as they are handed on, and where the next ones are.
fn encoded(part: RequestPart, bytes: &[u8]) -> (Vec<u8>, RequestPart) {
    // A method has capital letters. What else comes after something was written is a body that waited for it.
    let is_first = match part {
        RequestPart::Start => bytes.first().is_some_and(u8::is_ascii_uppercase),
        other => other == RequestPart::FirstLine,
    };
    if !is_first {
        return (bytes.to_vec(), RequestPart::Rest);
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let mut all = Vec::with_capacity(bytes.len());
    for byte in line {
        match byte {
            b'"' => all.extend_from_slice(ENCODED),
            other => all.push(*other),
        }
    }
    all.extend_from_slice(rest);
    (
        all,
        if end.is_some() {
            RequestPart::Rest
        } else {
            RequestPart::FirstLine
        },
    )
}

impl<S: AsyncRead + Unpin> AsyncRead for Quoted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.handed == this.read.len() {
            if this.part == RequestPart::Rest {
                return Pin::new(&mut this.line).poll_read(cx, buf);
            }
            let mut bytes = [0; AT_ONCE];
            let mut got = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.line).poll_read(cx, &mut got))?;
            if got.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            (this.read, this.part) = encoded(this.part, got.filled());
            this.handed = 0;
        }
        let next = &this.read[this.handed..];
        let next = &next[..next.len().min(buf.remaining())];
        buf.put_slice(next);
        this.handed += next.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quoted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.part = RequestPart::Start;
        Pin::new(&mut self.line).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_alone_are_changed_however_they_come() {
        let request = b"GET /v1/customers?filter={\"Field\":1} HTTP/1.1\r\nX: \"a\"\r\n\r\n{\"b\":1}";
        let expected = b"GET /v1/customers?filter={%22Field%22:1} HTTP/1.1\r\nX: \"a\"\r\n\r\n{\"b\":1}";
        for size in 1..=request.len() {
            let (mut all, mut part) = (Vec::new(), RequestPart::Start);
            for some in request.chunks(size) {
                let (bytes, next) = encoded(part, some);
                all.extend(bytes);
                part = next;
            }
            assert_eq!(all, expected, "{size}");
        }
        let body = b"{\"waited\": \"for 100 Continue\"}\n";
        assert_eq!(encoded(RequestPart::Start, body), (body.to_vec(), RequestPart::Rest));
    }
}
