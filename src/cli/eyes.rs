//! The one sink for people's eyes: what reaches a terminal has no characters by which it could do more than be read.
//!
//! Names of files and sheets, texts of services, cells of rows: whatever it is and wherever it comes from, control characters would move
//! the cursor, change the title or the clipboard, and characters that only format would turn round what stands there. They are shown as
//! `\u{1b}`. What goes into a file or to another program goes there as it is.

use std::io::{self, Write};

use clap::error::ContextValue;

/// Writes to a terminal, or to something else.
pub(super) struct ForEyes<W: Write> {
    inner: W,
    /// Whether it is a terminal.
    is_seen: bool,
    is_begun: bool,
    /// The beginning of a character, or of an end of a line, that is yet to come whole.
    begun: Vec<u8>,
}

impl<W: Write> ForEyes<W> {
    pub(super) fn new(inner: W, is_seen: bool) -> Self {
        Self {
            inner,
            is_seen,
            is_begun: false,
            begun: Vec::new(),
        }
    }

    fn show(&mut self, text: &str) -> io::Result<()> {
        // What tables begin with for other programs nobody is to see.
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let text = text.strip_prefix('\u{feff}').filter(|_| is_first).unwrap_or(text);
        if text.bytes().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')) {
            return self.inner.write_all(text.as_bytes());
        }
        self.inner.write_all(shown(text).as_bytes())
    }
}

/// A text of one line, with everything escaped that is not to be seen in it.
pub(super) fn printable(text: &str) -> String {
    tenantry_jobs::printable(text).into_owned()
}

/// The beginning of what somebody typed, or pasted.
pub(super) fn typed(text: &str) -> String {
    printable(&tenantry_jobs::clip(text))
}

/// What is wrong with what was typed, in which that stands as it can be seen, and as much of it as tells what was meant.
pub(super) fn printable_error(mut error: clap::Error) -> clap::Error {
    let seen = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(typed(text))),
        ContextValue::Strings(texts) => {
            let texts = texts.iter().map(|text| typed(text));
            Some(ContextValue::Strings(texts.collect()))
        }
        _ => None,
    };
    let all = error.context().filter_map(|(kind, value)| Some((kind, seen(value)?)));
    for (kind, value) in all.collect::<Vec<_>>() {
        error.insert(kind, value);
    }
    error
}

/// A text of lines with everything escaped that is none of theirs.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\t', '\r']).unwrap_or(rest.len());
        shown.push_str(&printable(&rest[..end]));
        rest = &rest[end..];
        let taken = if rest.starts_with("\r\n") {
            2
        } else {
            usize::from(!rest.is_empty())
        };
        let (between, after) = rest.split_at(taken);
        match between {
            "\r" => shown.push_str("\\r"),
            between => shown.push_str(between),
        }
        rest = after;
    }
    shown
}

impl<W: Write> Write for ForEyes<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_seen {
            return self.inner.write(bytes);
        }
        self.begun.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.begun);
        let whole = match std::str::from_utf8(&held) {
            // Only the last character can be one that is not there whole.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => held.len(),
        };
        let whole = if held[..whole].ends_with(b"\r") {
            whole - 1
        } else {
            whole
        };
        let (now, later) = held.split_at(whole);
        self.begun.extend_from_slice(later);
        if !now.is_empty() {
            self.show(&String::from_utf8_lossy(now))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.begun);
        self.show(&String::from_utf8_lossy(&rest))?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &[u8], pieces: usize, is_seen: bool) -> Vec<u8> {
        let mut eyes = ForEyes::new(Vec::new(), is_seen);
        for piece in text.chunks(pieces) {
            eyes.write_all(piece).expect("written");
        }
        eyes.flush().expect("written");
        eyes.inner
    }

    #[test]
    fn terminals_are_told_nothing_but_text() {
        let text = "Köln\tpaßt 葛 👩\r\n\u{1b}]0;PWN\u{7}a\u{202e}b\u{9b}31m\rover\u{200b}\u{8}\n";
        let expected = "Köln\tpaßt 葛 👩\r\n\\u{1b}]0;PWN\\u{7}a\\u{202e}b\\u{9b}31m\\rover\\u{200b}\\u{8}\n";
        for pieces in [1, 2, 3, 1000] {
            assert_eq!(String::from_utf8_lossy(&seen(text.as_bytes(), pieces, true)), expected);
            assert_eq!(seen(text.as_bytes(), pieces, false), text.as_bytes());
        }
        assert_eq!(seen("\u{feff}a,b\n\u{feff}".as_bytes(), 1, true), b"a,b\n\\u{feff}");
        assert_eq!(seen(b"a\xff\xfeb", 1, true), "a\u{fffd}\u{fffd}b".as_bytes());
    }
}
