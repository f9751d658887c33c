//! Raw bytes of a file or reader: opened without blocking, hashed while read, watched for change.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::SystemTime;

use flate2::bufread::MultiGzDecoder;

use super::digest::StreamHasher;
use super::error::{InputError, code};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZIP_MAGICS: [[u8; 4]; 2] = [*b"PK\x03\x04", *b"PK\x05\x06"];
const COMPOUND_MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// What the first bytes give a file away as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Magic {
    /// A zip archive, which a workbook is.
    Zip,
    /// What workbooks were before, and what one with a password is wrapped in.
    Compound,
    None,
}

/// The bytes of the text: those of the file, or what they unzip to.
pub(super) enum TextSource {
    Plain(Raw),
    Gzip(Box<Gunzip>),
}

/// What is packed, and how much may yet come of it.
pub(super) struct Gunzip {
    decoder: MultiGzDecoder<BufReader<Raw>>,
    most: u64,
    left: u64,
}

impl TextSource {
    pub(super) fn open(path: &Path) -> Result<Self, InputError> {
        let name = path.display().to_string();
        let file = open_regular(path, &name)?;
        Self::of_file(name, file)
    }

    /// As [`open`](Self::open) for a file that others may have put a link in the place of; errors call it `name`.
    pub(super) fn open_no_link(path: &Path, name: &str) -> Result<Self, InputError> {
        let file = open_regular_no_link(path).map_err(|err| match err.kind() {
            io::ErrorKind::InvalidInput => InputError::new(name, code::NOT_A_FILE, err.to_string()),
            _ => unreadable(name, &err),
        })?;
        Self::of_file(name.to_owned(), file)
    }

    fn of_file(name: String, file: File) -> Result<Self, InputError> {
        let before = Snapshot::of(&file).map_err(|err| unreadable(&name, &err))?;
        if before.len == 0 {
            return Err(InputError::new(&name, code::EMPTY_FILE, "the file is empty"));
        }
        Self::detect(Raw {
            bytes: Bytes::File(file, before),
            ..Raw::new(name)
        })
    }

    pub(super) fn from_reader(name: &str, reader: Box<dyn Read + Send>) -> Result<Self, InputError> {
        Self::detect(Raw {
            bytes: Bytes::Reader(reader),
            ..Raw::new(name.to_owned())
        })
    }

    fn detect(mut raw: Raw) -> Result<Self, InputError> {
        let mut head = [0; COMPOUND_MAGIC.len()];
        let mut held = 0;
        while held < head.len() {
            match raw.read(&mut head[held..]) {
                Ok(0) => break,
                Ok(read) => held += read,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(raw.explain(&err, false)),
            }
        }
        raw.peeked.extend_from_slice(&head[..held]);
        if raw.peeked.starts_with(&GZIP_MAGIC) {
            Ok(Self::Gzip(Box::new(Gunzip {
                decoder: MultiGzDecoder::new(BufReader::with_capacity(128 << 10, raw)),
                most: u64::MAX,
                left: u64::MAX,
            })))
        } else {
            Ok(Self::Plain(raw))
        }
    }

    /// From now on no more than this is unzipped; of a file that is not packed it is not asked.
    pub(super) fn unzip_at_most(&mut self, bytes: u64) {
        if let Self::Gzip(gzip) = self {
            (gzip.most, gzip.left) = (bytes, bytes);
        }
    }

    /// To be asked before anything is read.
    pub(super) fn magic(&self) -> Magic {
        let head = match self {
            Self::Plain(raw) => raw.peeked.as_slice(),
            Self::Gzip(_) => &[],
        };
        if head.starts_with(&COMPOUND_MAGIC) {
            Magic::Compound
        } else if ZIP_MAGICS.iter().any(|magic| head.starts_with(magic)) {
            Magic::Zip
        } else {
            Magic::None
        }
    }

    /// Reads some bytes of text; 0 is the end, and only where the file ended undisturbed.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, InputError> {
        loop {
            let read = match self {
                Self::Plain(raw) => raw.read(into),
                Self::Gzip(gzip) => gzip.decoder.read(into),
            };
            match read {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(self.raw().explain(&err, matches!(self, Self::Gzip(_)))),
                Ok(read) => {
                    if let Self::Gzip(gzip) = self {
                        gzip.left = match gzip.left.checked_sub(read as u64) {
                            Some(left) => left,
                            None => return Err(self.too_much()),
                        };
                    }
                    return Ok(read);
                }
            }
        }
    }

    fn too_much(&self) -> InputError {
        let most = match self {
            Self::Plain(_) => u64::MAX,
            Self::Gzip(gzip) => gzip.most,
        };
        let message = format!("the file unzips to more than {most} bytes; split it");
        InputError::new(self.name(), code::TOO_LARGE, message)
    }

    pub(super) fn meter(&self) -> &StreamHasher {
        &self.raw().meter
    }

    pub(super) fn name(&self) -> &str {
        &self.raw().name
    }

    fn raw(&self) -> &Raw {
        match self {
            Self::Plain(raw) => raw,
            Self::Gzip(gzip) => gzip.decoder.get_ref().get_ref(),
        }
    }
}

/// The bytes as they lie on disk.
pub(super) struct Raw {
    name: String,
    bytes: Bytes,
    /// Read to look at and not handed on yet.
    peeked: Vec<u8>,
    meter: StreamHasher,
    changed: Option<&'static str>,
}

enum Bytes {
    File(File, Snapshot),
    Reader(Box<dyn Read + Send>),
}

impl Raw {
    fn new(name: String) -> Self {
        Self {
            name,
            bytes: Bytes::Reader(Box::new(io::empty())),
            peeked: Vec::new(),
            meter: StreamHasher::default(),
            changed: None,
        }
    }

    fn explain(&self, err: &io::Error, gzip: bool) -> InputError {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        if let Some(how) = self.changed {
            let message = format!("the file {how} while it was read; drop it again once it is complete");
            return InputError::new(&self.name, code::FILE_CHANGED, message);
        }
        match err.kind() {
            UnexpectedEof if gzip => InputError::new(&self.name, code::BAD_GZIP, "the gzip data ends too early"),
            InvalidData | InvalidInput if gzip => {
                InputError::new(&self.name, code::BAD_GZIP, format!("the gzip data is damaged ({err})"))
            }
            _ => unreadable(&self.name, err),
        }
    }

    fn change(&mut self, how: &'static str) -> io::Error {
        self.changed = Some(how);
        io::Error::other(how)
    }
}

impl Read for Raw {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.peeked.is_empty() {
            let read = self.peeked.as_slice().read(into)?;
            self.peeked.drain(..read);
            return Ok(read);
        }
        let (read, now) = match &mut self.bytes {
            Bytes::Reader(reader) => (reader.read(into)?, None),
            Bytes::File(file, before) => {
                let read = file.read(into)?;
                // The end is looked at closely, and so is a file that goes on where it had ended: a writer
                // that appends faster than we read would otherwise keep us for ever.
                let end = self.meter.bytes + read as u64;
                let look = (read == 0 && !into.is_empty()) || end > before.len;
                (read, look.then(|| Snapshot::of(file)).transpose()?.zip(Some(*before)))
            }
        };
        self.meter.pass(&into[..read]);
        if let Some((now, before)) = now {
            if now.len > before.len || self.meter.bytes > before.len {
                return Err(self.change("grew"));
            }
            if now.len < before.len || self.meter.bytes < before.len {
                return Err(self.change("shrank"));
            }
            if now.modified != before.modified {
                return Err(self.change("was written to"));
            }
        }
        Ok(read)
    }
}

/// What must stay as it is while a file is read. Unlinking or renaming it is harmless: the handle stays.
#[derive(Clone, Copy)]
struct Snapshot {
    len: u64,
    modified: SystemTime,
}

impl Snapshot {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            len: metadata.len(),
            modified: metadata.modified()?,
        })
    }
}

/// Looks before it opens, since opening a device can have effects; opens without blocking, since the file
/// can be replaced by a pipe in between; and looks again at what was opened.
fn open_regular(path: &Path, name: &str) -> Result<File, InputError> {
    regular(&std::fs::metadata(path).map_err(|err| unreadable(name, &err))?, name)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let without_blocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, without_blocking);
    }
    let file = options.open(path).map_err(|err| unreadable(name, &err))?;
    regular(&file.metadata().map_err(|err| unreadable(name, &err))?, name)?;
    Ok(file)
}

/// Opens a regular file by a path whose last part is no link, without blocking.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] of a link, a directory, a pipe, a socket or a device, besides what opening fails with.
pub(super) fn open_regular_no_link(path: &Path) -> io::Result<File> {
    let is_none = |metadata: &Metadata| {
        let what = match metadata.file_type() {
            kind if kind.is_file() => return Ok(()),
            kind if kind.is_symlink() => "this is a link, the file itself is needed",
            kind if kind.is_dir() => "this is a directory, a file is needed",
            _ => "this is a pipe, socket or device, a file is needed",
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    };
    is_none(&std::fs::symlink_metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    is_none(&file.metadata()?)?;
    Ok(file)
}

fn regular(metadata: &Metadata, name: &str) -> Result<(), InputError> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() {
        "this is a directory, name the files in it"
    } else {
        "this is a pipe, socket or device, a file is needed"
    };
    Err(InputError::new(name, code::NOT_A_FILE, what))
}

fn unreadable(name: &str, err: &io::Error) -> InputError {
    if err.kind() == io::ErrorKind::NotFound {
        return InputError::new(name, code::NOT_FOUND, "no such file");
    }
    InputError::new(name, code::UNREADABLE, format!("the file cannot be read ({err})"))
}
