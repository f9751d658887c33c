//! Weighs the parts of a workbook before anything is made of them: how much each unzips to, and what the reader of workbooks
//! would come to hold of it.
//!
//! A few bytes can unzip to gigabytes, a few more to millions of elements, and what a file says about either can be a lie. So each part is
//! unzipped once and cut into tags and the texts before them, as the reader does. Elements that the reader keeps are charged
//! for wherever they stand, from one budget for the whole workbook; what streams is held only as long as a row. Whatever its name,
//! an element takes time, so that there are no more of them than a file of that length has. A part that is no plain XML, or whose tags do not match, is refused, so that the reader cannot see in it what was not seen here.

use std::io::{BufRead, BufReader, Read};
use std::mem::size_of;

use calamine::{Borders, Fill, Font, Style};
use encoding_rs::Encoding;

use super::super::InputLimits;
use super::hidden::{Hidden, attribute};

/// XML takes more room than the text in it: a row may be this many times longer than the longest record.
const MARKUP: usize = 8;
/// Of that, texts may take so many times a record, since some characters are written as several.
const ESCAPED: usize = 2;
/// Elements within elements.
const DEEPEST: usize = 256;
/// Texts that may be promised and not be there.
const SPARE: u64 = 1000;
/// What an allocation takes besides its bytes.
const ALLOCATION: u64 = 32;

/// Why a part is not to be read.
pub(super) enum Unfit {
    TooLarge(String),
    Damaged(String),
}

impl From<std::io::Error> for Unfit {
    fn from(error: std::io::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

type SeeMarkup<'l> = &'l mut dyn FnMut(&Markup<'_>, Option<&[u8]>) -> Result<u64, Unfit>;

/// What of a workbook may yet be unzipped and held.
pub(super) struct Scales {
    limits: InputLimits,
    unzipped: u64,
    held: u64,
    most_elements: u64,
    elements: u64,
}

impl Scales {
    /// For a workbook whose file is of that length.
    pub(super) fn new(limits: InputLimits, packed: u64) -> Self {
        let of_file = packed.saturating_mul(InputLimits::ELEMENTS_PER_BYTE);
        let most_elements = limits.elements.saturating_add(of_file);
        Self {
            limits,
            most_elements,
            elements: most_elements,
            unzipped: limits.unzipped_bytes,
            held: limits.held_bytes,
        }
    }

    /// Weighs a part that is a sheet. What is hidden in it is noted.
    pub(super) fn sheet(&mut self, part: &mut dyn Read) -> Result<Hidden, Unfit> {
        let mut hidden = Hidden::default();
        self.hold(size_of::<Hidden>() as u64)?;
        let mut row = RowWeight::new(self.limits.record_bytes);
        self.each(part, &mut |token, tag| {
            row.pass(token, tag)?;
            Ok(match tag {
                Some(tag) if row.is_ahead => hidden.look(tag),
                _ => 0,
            })
        })?;
        Ok(hidden)
    }

    /// Weighs a part that is none.
    pub(super) fn other(&mut self, part: &mut dyn Read) -> Result<(), Unfit> {
        self.each(part, &mut |_, _| Ok(0))
    }

    /// Weighs a part. `see` is shown each text with the tag after it, from behind its `<`, and says how many bytes it notes of it.
    fn each(&mut self, part: &mut dyn Read, see: SeeMarkup<'_>) -> Result<(), Unfit> {
        let mut tokens = MarkupReader::new(part, self.limits.record_bytes);
        let mut nesting = OpenElements::default();
        let mut held = KeptOfPart::default();
        while let Some(token) = tokens.next()? {
            self.unzipped = self.unzipped.checked_sub(token.whole.len() as u64).ok_or_else(|| {
                let most = self.limits.unzipped_bytes;
                Unfit::TooLarge(format!("more than {most} bytes"))
            })?;
            let tag = token.tag();
            // Of ends there are no more than of beginnings; comments are as much work as elements.
            if tag.is_none_or(|tag| !tag.starts_with(b"/")) {
                self.elements = self.elements.checked_sub(1).ok_or_else(|| {
                    let most = self.most_elements;
                    Unfit::TooLarge(format!(
                        "more than {most} elements, far more than a file of its size has"
                    ))
                })?;
            }
            let mut bytes = held.text(token.text() as u64);
            if let Some(tag) = tag {
                nesting.enter(tag)?;
                bytes += held.tag(tag);
            }
            bytes += see(&token, tag)?;
            self.hold(bytes)?;
        }
        match held.promised {
            // Room is made for as many texts as are promised.
            promised if promised > held.texts + SPARE => {
                Err(Unfit::TooLarge(format!("{promised} texts promised, and fewer given")))
            }
            _ => Ok(()),
        }
    }

    fn hold(&mut self, bytes: u64) -> Result<(), Unfit> {
        self.held = self.held.checked_sub(bytes).ok_or_else(|| {
            let most = self.limits.held_bytes;
            Unfit::TooLarge(format!("texts, formats and names of more than {most} bytes"))
        })?;
        Ok(())
    }
}

/// What the reader keeps of a part.
#[derive(Default)]
struct KeptOfPart {
    /// Texts that cells share.
    texts: u64,
    /// How many of them are promised.
    promised: u64,
    /// Whether texts are kept, and how much of the one that is being read there is, in how many runs.
    keeps_text: bool,
    text: u64,
    runs: u32,
    /// The longest name of a font or code of a format, of which every style gets a copy.
    longest: u64,
}

impl KeptOfPart {
    /// What is held of a text before a tag.
    fn text(&mut self, bytes: u64) -> u64 {
        if !self.keeps_text {
            return 0;
        }
        self.text += bytes;
        // One in several runs is put together in room that may be twice as large.
        if self.runs > 1 { 2 * bytes } else { bytes }
    }

    /// What is held of an element that a tag begins.
    fn tag(&mut self, tag: &[u8]) -> u64 {
        if tag.starts_with(b"/") {
            return 0;
        }
        let length = tag.len() as u64;
        let of = |size: usize| size as u64 + ALLOCATION;
        match local(name(tag)) {
            b"si" => {
                self.texts += 1;
                (self.keeps_text, self.text, self.runs) = (true, 0, 0);
                of(size_of::<String>())
            }
            b"t" if self.keeps_text => {
                self.runs += 1;
                if self.runs == 2 { self.text } else { 0 }
            }
            b"sst" => {
                self.promised = self.promised.max(promised(tag));
                0
            }
            b"definedName" => {
                self.keeps_text = true;
                of(2 * size_of::<String>()) + 2 * length
            }
            b"name" => {
                self.longest = self.longest.max(length);
                0
            }
            b"numFmt" => {
                self.longest = self.longest.max(length);
                // By its number, and taken to pieces for what it shows.
                of(4 * size_of::<String>()) + 10 * length
            }
            b"xf" => of(size_of::<Style>()) + 2 * self.longest,
            b"font" => of(size_of::<Font>()),
            b"fill" => of(size_of::<Fill>()),
            b"border" => of(size_of::<Borders>()),
            b"srgbClr" | b"sysClr" => ALLOCATION,
            // By the reader and by us, by name and by number.
            b"sheet" | b"Relationship" => 12 * of(size_of::<String>()) + 6 * length,
            _ => 0,
        }
    }
}

/// How much of a row there is.
struct RowWeight {
    most: usize,
    bytes: usize,
    texts: usize,
    /// Cells that are open, one within another.
    cells: usize,
    /// Whether rows may come yet.
    is_ahead: bool,
}

impl RowWeight {
    fn new(record_bytes: usize) -> Self {
        Self {
            most: record_bytes,
            bytes: 0,
            texts: 0,
            cells: 0,
            is_ahead: true,
        }
    }

    fn pass(&mut self, token: &Markup<'_>, tag: Option<&[u8]>) -> Result<(), Unfit> {
        if !self.is_ahead {
            return Ok(());
        }
        self.bytes += token.whole.len();
        self.texts += token.text();
        let (is_end, is_empty) = tag.map_or((false, false), |tag| (tag[0] == b'/', tag.ends_with(b"/>")));
        match tag.map(|tag| local(name(tag))) {
            Some(b"c") if is_end => self.cells -= 1,
            Some(b"c") if !is_empty => self.cells += 1,
            // Within a cell nothing ends that the reader has to hold.
            Some(b"row") if self.cells == 0 && (is_end || is_empty) => (self.bytes, self.texts) = (0, 0),
            Some(b"sheetData") if self.cells == 0 && (is_end || is_empty) => self.is_ahead = false,
            _ => {}
        }
        if self.bytes > self.most.saturating_mul(MARKUP) || self.texts > self.most.saturating_mul(ESCAPED) {
            return Err(Unfit::TooLarge(format!("a row longer than {} bytes", self.most)));
        }
        Ok(())
    }
}

/// The elements that are open, by their names.
#[derive(Default)]
struct OpenElements {
    names: Vec<u8>,
    begins: Vec<usize>,
}

impl OpenElements {
    fn enter(&mut self, tag: &[u8]) -> Result<(), Unfit> {
        let unfit = |what: &str| Err(Unfit::Damaged(what.to_owned()));
        let name = name(tag);
        if name.is_empty() {
            return unfit("a tag without a name");
        }
        if tag.first() == Some(&b'/') {
            let Some(begins) = self.begins.pop() else {
                return unfit("more ends than beginnings");
            };
            if self.names[begins..] != *name || memchr::memchr2(b'"', b'\'', tag).is_some() {
                return unfit("its tags do not match");
            }
            self.names.truncate(begins);
        } else if !tag.ends_with(b"/>") {
            if self.begins.len() == DEEPEST {
                return unfit("elements within elements too often");
            }
            self.begins.push(self.names.len());
            self.names.extend_from_slice(name);
        }
        Ok(())
    }
}

/// A text and what ends it: a tag, a comment, or the end of the part. One that ends too early the reader tells.
struct Markup<'p> {
    whole: &'p [u8],
    open: usize,
}

impl Markup<'_> {
    /// Bytes of the text.
    fn text(&self) -> usize {
        if self.whole[self.open..].starts_with(b"<![") {
            return self.whole.len();
        }
        self.open
    }

    /// The tag from behind its `<`, if it is one.
    fn tag(&self) -> Option<&[u8]> {
        let tag = self.whole.get(self.open + 1..)?;
        (!matches!(tag.first(), None | Some(b'!' | b'?'))).then_some(tag)
    }
}

struct MarkupReader<R: Read> {
    part: BufReader<R>,
    piece: Vec<u8>,
    most: usize,
    is_first: bool,
}

impl<R: Read> MarkupReader<R> {
    fn new(part: R, most: usize) -> Self {
        Self {
            part: BufReader::with_capacity(64 << 10, part),
            piece: Vec::new(),
            most,
            is_first: true,
        }
    }

    fn next(&mut self) -> Result<Option<Markup<'_>>, Unfit> {
        self.piece.clear();
        let mut open = None;
        let mut quote = None;
        loop {
            let from = self.piece.len();
            let room = (self.most + 1).saturating_sub(from) as u64;
            let read = (&mut self.part).take(room).read_until(b'>', &mut self.piece)?;
            if self.piece.len() > self.most {
                return Err(Unfit::TooLarge(format!("a text longer than {} bytes", self.most)));
            }
            if read == 0 {
                if open.is_some() {
                    return Err(Unfit::Damaged("it ends within a tag".to_owned()));
                }
                break;
            }
            let before = open;
            open = open.or_else(|| Some(from + memchr::memchr(b'<', &self.piece[from..])?));
            let Some(open) = open else { continue };
            let unseen = if before.is_some() { from } else { open };
            if is_whole(&self.piece, open, unseen, &mut quote)? {
                break;
            }
        }
        if self.piece.is_empty() {
            return Ok(None);
        }
        let open = open.unwrap_or(self.piece.len());
        self.look(open)?;
        Ok(Some(Markup {
            whole: &self.piece,
            open,
        }))
    }

    /// Refuses what the reader may take for other characters than we do, or for other tags.
    fn look(&mut self, open: usize) -> Result<(), Unfit> {
        let unfit = |what: &str| Err(Unfit::Damaged(what.to_owned()));
        if std::mem::take(&mut self.is_first) {
            let start = self.piece.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.piece);
            if start.trim_ascii_start().first() != Some(&b'<') {
                return unfit("it is no XML");
            }
        }
        if memchr::memchr(0, &self.piece).is_some() {
            return unfit("it is no plain text");
        }
        let markup = &self.piece[open..];
        if markup.starts_with(b"<?xml") && !is_readable(markup) {
            return unfit("its encoding is not read");
        }
        Ok(())
    }
}

/// Whether the markup at `open` ends where the piece does, of which what is before `unseen` was looked at.
fn is_whole(piece: &[u8], open: usize, unseen: usize, quote: &mut Option<u8>) -> Result<bool, Unfit> {
    let markup = &piece[open..];
    let ends = |least: usize, end: &[u8]| markup.len() >= least && markup.ends_with(end);
    let odd = || {
        Err(Unfit::Damaged(
            "what is no element in it cannot be told apart".to_owned(),
        ))
    };
    if markup.starts_with(b"<!--") {
        return match markup {
            b"<!-->" | b"<!--->" => odd(),
            _ => Ok(ends(7, b"-->")),
        };
    }
    if markup.starts_with(b"<![CDATA[") {
        return Ok(ends(12, b"]]>"));
    }
    if markup.starts_with(b"<?") {
        return if markup == b"<?>" { odd() } else { Ok(ends(4, b"?>")) };
    }
    if markup.starts_with(b"<!") {
        return Err(Unfit::Damaged("it declares what workbooks do not".to_owned()));
    }
    for byte in &piece[unseen..] {
        match quote {
            None if matches!(byte, b'"' | b'\'') => *quote = Some(*byte),
            Some(open) if open == byte => *quote = None,
            _ => {}
        }
    }
    Ok(quote.is_none())
}

/// Whether a declaration names an encoding in which markup is written as it is in ASCII, if any.
fn is_readable(declaration: &[u8]) -> bool {
    attribute(declaration, b"encoding")
        .is_none_or(|label| Encoding::for_label(label).is_some_and(Encoding::is_ascii_compatible))
}

/// The name in a tag, of its beginning or its end.
fn name(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let end = tag
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
    &tag[..end.unwrap_or(tag.len())]
}

/// A name without what is before its colon.
fn local(name: &[u8]) -> &[u8] {
    memchr::memrchr(b':', name).map_or(name, |colon| &name[colon + 1..])
}

/// The most texts that the tag may be taken to promise.
fn promised(tag: &[u8]) -> u64 {
    let found = memchr::memmem::find_iter(tag, b"uniqueCount");
    found.map(|at| number(&tag[at..])).max().unwrap_or(0)
}

/// The first number in a text.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().skip_while(|byte| !byte.is_ascii_digit());
    digits
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |number: u64, digit| {
            number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        })
}
