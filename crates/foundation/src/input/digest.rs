//! Hash and facts of a stream of bytes that was read.

use sha2::Digest as _;

/// A SHA-256 in hexadecimal, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sha256(String);

impl Sha256 {
    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What [`Input::finish`](super::Input::finish) tells of a file that has been read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Of the bytes as they lie on disk: before gunzip, before decoding.
    pub sha256: Sha256,
    /// Bytes on disk.
    pub bytes: u64,
    /// Data rows: neither the header nor blank lines.
    pub rows: u64,
    /// The encoding the text turned out to be in, e.g. `UTF-8`.
    pub encoding: &'static str,
    /// What is to be said of the file although nothing is wrong with it, a sentence each.
    pub notes: Vec<String>,
}

/// Counts and hashes bytes as they pass.
#[derive(Debug, Default, Clone)]
pub struct StreamHasher {
    hash: sha2::Sha256,
    /// Bytes so far.
    pub bytes: u64,
}

impl StreamHasher {
    /// Takes note of the next bytes.
    pub fn pass(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The hash of everything that has passed.
    pub fn sha256(&self) -> Sha256 {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digest = self.hash.clone().finalize();
        let mut digits = String::with_capacity(2 * digest.len());
        for byte in digest {
            digits.push(char::from(DIGITS[usize::from(byte >> 4)]));
            digits.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Sha256(digits)
    }
}
