//! A connection to Redis on which no text is held that is longer than wanted, whatever is stored there.
//!
//! Redis tells the size of a text only by sending it, and nobody else keeps senders from storing half a gigabyte. So what
//! comes in is looked at on its way: of a text that is too long, or that would make an answer too long, its head is passed
//! on, with its size behind it, and the rest is let go of.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is passed on of a text that is cut, which is never cut if it is no longer.
pub(crate) const HEAD: usize = 4 << 10;
/// The same once the answer has enough of them; ids are shorter.
const LEAST: usize = 64;
/// Values that stand together, as the names and values of an entry, or entries.
const VALUES: u64 = 1024;
/// The size that is told of values that are too many.
pub(crate) const TOO_MANY: u64 = u64::MAX;
/// Stands between the head of a text that was cut and its size.
const MARK: &[u8] = b"\0tenantry-cut:";
/// Bytes looked at together.
const PIECE: usize = 64 << 10;
/// A line of the protocol; none that we ask for is nearly so long.
const LONGEST_LINE: usize = 64 << 10;

/// How much is passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerBounds {
    /// Of one text.
    pub(crate) text: usize,
    /// Of all texts of an answer together.
    pub(crate) answer: usize,
}

/// The size of a text, and its head, if it was cut.
pub(crate) fn cut(text: &[u8]) -> Option<(&[u8], u64)> {
    let at = memchr::memmem::rfind(text, MARK)?;
    let size = std::str::from_utf8(&text[at + MARK.len()..]).ok()?.parse().ok()?;
    Some((&text[..at], size))
}

/// What the protocol says of the bytes that come next.
#[derive(Debug)]
enum NextBytes {
    /// A line, of which there is so much.
    Line(Vec<u8>),
    /// So many bytes as they are.
    Pass(u64),
    /// So many bytes not at all.
    Skip(u64),
    /// So many bytes as they are, so many not at all, and the size of the text that they are.
    Cut { pass: u64, skip: u64, size: u64 },
}

impl Default for NextBytes {
    fn default() -> Self {
        Self::Line(Vec::new())
    }
}

/// Looks at what comes in.
#[derive(Debug)]
struct AnswerFilter {
    bounds: AnswerBounds,
    /// Bytes of texts that this answer may yet have.
    left: usize,
    /// Values to be let go of.
    skipped: u64,
    next: NextBytes,
    /// What is to be passed on.
    out: Vec<u8>,
}

impl AnswerFilter {
    fn new(bounds: AnswerBounds) -> Self {
        Self {
            bounds,
            left: bounds.answer,
            skipped: 0,
            next: NextBytes::default(),
            out: Vec::new(),
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = match &mut self.next {
                NextBytes::Line(line) => {
                    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                    line.extend_from_slice(&bytes[..end]);
                    if line.len() > LONGEST_LINE {
                        return Err(io::Error::other("Redis answers with a line without end"));
                    }
                    if line.ends_with(b"\n") {
                        let line = std::mem::take(line);
                        self.line(&line);
                    }
                    &bytes[end..]
                }
                NextBytes::Pass(left) => {
                    let (passed, rest) = split(bytes, left);
                    self.out.extend_from_slice(passed);
                    if *left == 0 {
                        self.next = NextBytes::default();
                    }
                    rest
                }
                NextBytes::Skip(left) => {
                    let (_, rest) = split(bytes, left);
                    if *left == 0 {
                        self.next = NextBytes::default();
                    }
                    rest
                }
                NextBytes::Cut { pass, skip, size } => {
                    let (passed, rest) = split(bytes, pass);
                    self.out.extend_from_slice(passed);
                    let (_, rest) = split(rest, skip);
                    if (*pass, *skip) == (0, 0) {
                        self.out.extend(mark(*size));
                        // The end of the line after it.
                        self.next = NextBytes::Pass(2);
                    }
                    rest
                }
            };
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) {
        let number = |kind: &[u8]| -> Option<u64> {
            let number = line.strip_prefix(kind)?.trim_ascii_end();
            std::str::from_utf8(number).ok()?.parse().ok()
        };
        let size = number(b"$");
        if self.skipped > 0 {
            self.skipped = self.skipped - 1 + number(b"*").unwrap_or(0);
            self.next = size.map_or_else(NextBytes::default, |size| NextBytes::Skip(size + 2));
            return;
        }
        if let Some(values) = number(b"*").filter(|values| *values > VALUES) {
            self.skipped = values;
            let told = mark(TOO_MANY);
            let size = told.len();
            self.out
                .extend_from_slice(format!("*2\r\n$0\r\n\r\n${size}\r\n").as_bytes());
            self.out.extend(told);
            self.out.extend_from_slice(b"\r\n");
            return;
        }
        let Some(size) = size else {
            self.out.extend_from_slice(line);
            return;
        };
        let head = if self.left == 0 { LEAST } else { HEAD };
        let is_short = size <= head as u64;
        let fits = size <= self.bounds.text.min(self.left) as u64;
        if is_short || fits {
            self.left = self.left.saturating_sub(size as usize);
            self.out.extend_from_slice(line);
            self.next = NextBytes::Pass(size + 2);
            return;
        }
        let pass = head as u64;
        let told = pass + mark(size).len() as u64;
        self.out.extend_from_slice(format!("${told}\r\n").as_bytes());
        self.next = NextBytes::Cut {
            pass,
            skip: size - pass,
            size,
        };
    }
}

/// The first bytes, as many as are left of those to come, and the others.
fn split<'b>(bytes: &'b [u8], left: &mut u64) -> (&'b [u8], &'b [u8]) {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= taken as u64;
    bytes.split_at(taken)
}

fn mark(size: u64) -> Vec<u8> {
    [MARK, size.to_string().as_bytes()].concat()
}

/// A stream to Redis, of which answers are cut. With each command that is sent a new answer begins.
pub(crate) struct Bounded<S> {
    stream: S,
    filter: AnswerFilter,
    /// What of `filter.out` was passed on.
    passed: usize,
    piece: Box<[u8]>,
}

impl<S> Bounded<S> {
    pub(crate) fn new(stream: S, bounds: AnswerBounds) -> Self {
        Self {
            stream,
            filter: AnswerFilter::new(bounds),
            passed: 0,
            piece: vec![0; PIECE].into(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.passed == this.filter.out.len() {
            this.filter.out.clear();
            this.passed = 0;
            let mut piece = ReadBuf::new(&mut this.piece);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.filter.take(piece.filled())?;
        }
        let rest = &this.filter.out[this.passed..];
        let taken = rest.len().min(into.remaining());
        into.put_slice(&rest[..taken]);
        this.passed += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.filter.left = self.filter.bounds.answer;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &[u8]) -> Vec<u8> {
        [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
    }

    fn filtered(answer: &[u8], pieces: usize) -> Vec<u8> {
        let mut filter = AnswerFilter::new(AnswerBounds {
            text: 10_000,
            answer: 25_000,
        });
        answer
            .chunks(pieces)
            .for_each(|piece| filter.take(piece).expect("lines"));
        filter.out
    }

    #[test]
    fn long_texts_are_cut_however_they_come() {
        let (short, fits, long) = (vec![b'\n'; 100], vec![b'f'; 9_000], vec![b'$'; 70_000]);
        let of_long = [&long[..HEAD], b"\0tenantry-cut:70000"].concat();
        let of_fits = [&fits[..HEAD], b"\0tenantry-cut:9000"].concat();
        let answer = [
            b"*7\r\n$-1\r\n:5\r\n+OK\r\n".to_vec(),
            bulk(&short),
            bulk(&fits),
            bulk(&long),
            bulk(&fits),
            // The answer has enough of them.
            bulk(&fits),
            bulk(b"1-0"),
            [
                b"*2000\r\n".as_slice(),
                &bulk(&long).repeat(1998),
                b"*1\r\n:1\r\n$-1\r\n",
            ]
            .concat(),
            b"-ERR no\r\n".to_vec(),
        ];
        let expected = [
            answer[0].clone(),
            bulk(&short),
            bulk(&fits),
            bulk(&of_long),
            bulk(&fits),
            bulk(&of_fits),
            bulk(b"1-0"),
            [
                b"*2\r\n$0\r\n\r\n".as_slice(),
                &bulk(b"\0tenantry-cut:18446744073709551615"),
            ]
            .concat(),
            answer[8].clone(),
        ];
        for pieces in [7, 4096, 1 << 20] {
            assert_eq!(filtered(&answer.concat(), pieces), expected.concat(), "{pieces}");
        }
        assert_eq!(cut(&of_long), Some((&long[..HEAD], 70_000)));
        assert_eq!(cut(&fits), None);
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let mut filter = AnswerFilter::new(AnswerBounds { text: 1, answer: 1 });
        assert!(filter.take(&vec![b'+'; LONGEST_LINE + 1]).is_err());
    }
}
