//! From bytes in any of the encodings spreadsheets write to UTF-8 text.
//!
//! A byte order mark decides. Without one, NULs in the first four bytes give UTF-16 away. Otherwise the text
//! is taken for UTF-8 until the first bytes that are not; if everything before them was ASCII the file is
//! in an encoding that agrees with ASCII, which is [guessed](super::guess), and if not, it is neither and the fault is
//! reported where it stands. Who hands a file in may say what it is.

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::error::InputError;
use super::guess;
use super::source::TextSource;

/// Bytes read at a time: enough to make calls cheap, little enough to stay in the second-level cache
/// from hashing to tokenising.
const CHUNK: usize = 256 << 10;
/// Bytes read at first: most texts that come with a request are no longer, and are many.
const FIRST: usize = 512;
/// How many times as many are read at a time after all that were asked for had come.
const MORE: usize = 16;

pub(super) struct Decoder {
    source: TextSource,
    chunk: Vec<u8>,
    /// Bytes at the start of `chunk` that are read and not decoded: a character cut in two.
    held: usize,
    /// The encoding that the submitter of the file names.
    named: Option<&'static Encoding>,
    mode: Mode,
}

enum Mode {
    Unknown,
    /// Whether it may yet turn out to be something else: no mark, and nothing but ASCII so far.
    Utf8 {
        perhaps_other: bool,
    },
    Other(Box<encoding_rs::Decoder>, &'static Encoding),
    /// The text ends in bytes that do not decode. Said only when asked for more, so that all the text before
    /// is tokenised first and the fault's place is known.
    Broken(String, &'static Encoding),
}

/// What [`Decoder::fill`] came upon.
pub(super) enum Filled {
    Text,
    End,
    /// Bytes that do not decode stand right after the text so far.
    Broken(String),
}

impl Decoder {
    pub(super) fn new(source: TextSource, named: Option<&'static Encoding>) -> Self {
        Self {
            source,
            chunk: vec![0; FIRST],
            held: 0,
            named,
            mode: Mode::Unknown,
        }
    }

    pub(super) fn source(&self) -> &TextSource {
        &self.source
    }

    pub(super) fn encoding(&self) -> &'static str {
        self.mode.encoding().name()
    }

    /// Appends the text of the next chunk.
    pub(super) fn fill(&mut self, text: &mut String) -> Result<Filled, InputError> {
        if let Mode::Broken(message, _) = &self.mode {
            return Ok(Filled::Broken(message.clone()));
        }
        let read = self.source.read(&mut self.chunk[self.held..])?;
        let mut last = read == 0;
        self.held += read;
        if self.held == self.chunk.len() {
            self.chunk.resize((self.chunk.len() * MORE).min(CHUNK), 0);
        }
        if matches!(self.mode, Mode::Unknown) {
            // The first four bytes decide, and a reader may hand them out singly.
            while self.held < 4 && !last {
                let read = self.source.read(&mut self.chunk[self.held..])?;
                last = read == 0;
                self.held += read;
            }
            self.recognise();
        }
        let before = text.len();
        self.decode(text, last)?;
        Ok(match &self.mode {
            Mode::Broken(message, _) if text.len() == before => Filled::Broken(message.clone()),
            Mode::Broken(..) => Filled::Text,
            _ if last => Filled::End,
            _ => Filled::Text,
        })
    }

    fn recognise(&mut self) {
        let head = &self.chunk[..self.held];
        let (mode, mark) = match head {
            [0xef, 0xbb, 0xbf, ..] => (Mode::Utf8 { perhaps_other: false }, 3),
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [1..=255, 0, 0, 0, ..] | [0, 0, 0, 1..=255, ..] => {
                let message = "the file is in UTF-32; save it as UTF-8".to_owned();
                (Mode::Broken(message, UTF_8), 0)
            }
            [0xff, 0xfe, ..] => (Mode::other(UTF_16LE), 2),
            [0xfe, 0xff, ..] => (Mode::other(UTF_16BE), 2),
            [a, 0, b, 0, ..] if *a != 0 && *b != 0 => (Mode::other(UTF_16LE), 0),
            [0, a, 0, b, ..] if *a != 0 && *b != 0 => (Mode::other(UTF_16BE), 0),
            _ => (Mode::Utf8 { perhaps_other: true }, 0),
        };
        let mode = match self.named {
            Some(named) if mark > 0 && mode.encoding() != named => {
                let (found, named) = (mode.encoding().name(), named.name());
                Mode::Broken(
                    format!("the file begins with the mark of {found}, and is said to be {named}"),
                    UTF_8,
                )
            }
            Some(named) if named != UTF_8 => Mode::other(named),
            Some(_) => Mode::Utf8 { perhaps_other: false },
            None => mode,
        };
        self.mode = mode;
        self.chunk.copy_within(mark..self.held, 0);
        self.held -= mark;
    }

    fn decode(&mut self, text: &mut String, last: bool) -> Result<(), InputError> {
        if let Mode::Utf8 { perhaps_other } = &mut self.mode {
            let bytes = &self.chunk[..self.held];
            let whole = if last { bytes.len() } else { bytes.len() - cut(bytes) };
            match std::str::from_utf8(&bytes[..whole]) {
                Ok(valid) => {
                    text.push_str(valid);
                    *perhaps_other = *perhaps_other && valid.is_ascii();
                    self.chunk.copy_within(whole..self.held, 0);
                    self.held -= whole;
                    return Ok(());
                }
                Err(err) => {
                    let (valid, rest) = bytes.split_at(err.valid_up_to());
                    text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                    if !*perhaps_other || !valid.is_ascii() {
                        let message = format!(
                            "the byte {:#04x} is not UTF-8, which the text before it is, or was said to be; save the file as UTF-8, or \
                             name its encoding with --encoding (`encoding` of a folder or schedule): without it, it is told by the letters",
                            rest[0]
                        );
                        self.mode = Mode::Broken(message, UTF_8);
                        return Ok(());
                    }
                    // The word may have begun in a chunk before this one.
                    let word = word_at_end(text.as_bytes()).to_owned();
                    let (from, to) = (valid.len(), self.held);
                    self.chunk.copy_within(from..to, 0);
                    self.held -= from;
                    self.mode = self.guess(&word)?;
                }
            }
        }
        if let Mode::Other(decoder, encoding) = &mut self.mode {
            let bytes = &self.chunk[..self.held];
            // Twice what any of these encodings needs at most, so the output is never the limit.
            let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
            text.reserve(room.unwrap_or(bytes.len() * 4 + 16));
            let (result, _) = decoder.decode_to_string_without_replacement(bytes, text, last);
            self.held = 0;
            if !matches!(result, DecoderResult::InputEmpty) {
                let message = format!("half a character stands here, which {} does not allow", encoding.name());
                self.mode = Mode::Broken(message, encoding);
            }
        }
        Ok(())
    }

    /// By as much of the text as a chunk holds, from the first byte that is no ASCII, which follows `word`.
    fn guess(&mut self, word: &[u8]) -> Result<Mode, InputError> {
        let mut whole = false;
        self.chunk.resize(CHUNK, 0);
        while self.held < CHUNK && !whole {
            let read = self.source.read(&mut self.chunk[self.held..])?;
            self.held += read;
            whole = read == 0;
        }
        let text = [word, &self.chunk[..self.held]].concat();
        Ok(match guess::guess(&text, whole) {
            Ok(encoding) => Mode::other(encoding),
            Err(message) => Mode::Broken(message, UTF_8),
        })
    }
}

/// The letters that an ASCII text ends with: what comes is the rest of a word.
fn word_at_end(text: &[u8]) -> &[u8] {
    const LONGEST: usize = 64;
    let letters = text.iter().rev().take_while(|byte| byte.is_ascii_alphabetic());
    &text[text.len() - letters.count().min(LONGEST)..]
}

impl Mode {
    fn encoding(&self) -> &'static Encoding {
        match self {
            Mode::Unknown | Mode::Utf8 { .. } => UTF_8,
            Mode::Other(_, encoding) | Mode::Broken(_, encoding) => encoding,
        }
    }

    fn other(encoding: &'static Encoding) -> Self {
        Self::Other(Box::new(encoding.new_decoder_without_bom_handling()), encoding)
    }
}

/// How many bytes at the end begin a character without finishing it.
fn cut(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let Some(start) = bytes[from..].iter().rposition(|byte| *byte >= 0xc0) else {
        return 0;
    };
    let (held, lead) = (bytes.len() - from - start, bytes[from + start]);
    let whole = match lead {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    };
    if held < whole { held } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn only_characters_cut_in_two_are_held_back() {
        for (bytes, expected) in [
            ("aé".as_bytes(), 0),
            (&"aé".as_bytes()[..2], 1),
            (&"€".as_bytes()[..2], 2),
            (&"😀".as_bytes()[..3], 3),
            ("😀".as_bytes(), 0),
            (b"", 0),
            (b"\x80\x80\x80\x80", 0),
        ] {
            assert_eq!(cut(bytes), expected, "{bytes:x?}");
        }
    }
}
