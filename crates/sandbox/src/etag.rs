//! Etags, in the two forms the contract knows, and base 64.

use sha2::{Digest, Sha256};

/// Of a billing profile: a number that may be negative.
pub(super) fn number(id: &str, version: i64) -> String {
    let hash = Sha256::digest(format!("{id} {version}"));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(bytes).to_string()
}

/// Of a subscription or an order: id and version, in base 64.
pub(super) fn versioned(id: &str, version: i64) -> String {
    base64(format!("{{\"id\":\"{}\",\"version\":{version}}}", id.to_ascii_lowercase()).as_bytes())
}

/// What a trace of a call begins with: the first bytes of its id's hash.
pub(super) fn vector(id: &str) -> String {
    base64(&Sha256::digest(id)[..12])
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What was written in base 64.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == letter)?;
        bits = bits << 6 | digit as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            if digit > three.len() {
                text.push('=');
            } else {
                let value = bits >> (18 - 6 * digit) & 63;
                text.push(char::from(DIGITS[value as usize]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64() {
        assert_eq!(base64(b"M"), "TQ==");
        assert_eq!(base64(b"Ma"), "TWE=");
        assert_eq!(base64(b"Many"), "TWFueQ==");
        for text in ["", "M", "Ma", "Man", "Many"] {
            assert_eq!(from_base64(&base64(text.as_bytes())).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(from_base64("T!"), None);
    }
}
