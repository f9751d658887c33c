//! Channel binding, which ties a login to the TLS it goes through, so that nobody in between can pass it on: the hash of the server's certificate
//! (`tls-server-end-point` of RFC 5929).

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Algorithms that certificates are signed with, and the hash that belongs to each; MD5 and SHA-1 are replaced by SHA-256.
const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];

/// The hash of a certificate, if the way it was signed has one.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = signature_algorithm(certificate)?;
    let (last, of) = algorithm.split_last()?;
    Some(match (of, last) {
        (of, 4 | 5 | 11) if of == RSA => Sha256::digest(certificate).to_vec(),
        (of, 12) if of == RSA => Sha384::digest(certificate).to_vec(),
        (of, 13) if of == RSA => Sha512::digest(certificate).to_vec(),
        (of, 2) if of == ECDSA => Sha256::digest(certificate).to_vec(),
        (of, 3) if of == ECDSA => Sha384::digest(certificate).to_vec(),
        (of, 4) if of == ECDSA => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}

/// `Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, … }, … }`
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const IDENTIFIER: u8 = 0x06;
    let (fields, _) = value(certificate, SEQUENCE)?;
    let (_, behind) = value(fields, SEQUENCE)?;
    let (algorithm, _) = value(behind, SEQUENCE)?;
    Some(value(algorithm, IDENTIFIER)?.0)
}

/// A value of that tag in DER, and what stands behind it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let digits = usize::from(short & 0x7f);
        if digits > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(digits)?;
        let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        (length, rest)
    };
    let (value, behind) = rest.split_at_checked(length)?;
    (found == tag).then_some((value, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).expect("short").to_be_bytes();
        [&[tag, 0x82], &length[..], value].concat()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let signed = |identifier: &[u8]| {
            let algorithm = der(0x30, &der(6, identifier));
            der(0x30, &[der(0x30, &[7; 300]), algorithm, der(3, &[0; 64])].concat())
        };
        let lengths = |identifier: &[u8]| end_point(&signed(identifier)).map(|hash| hash.len());
        assert_eq!(lengths(&[&RSA[..], &[5]].concat()), Some(32));
        assert_eq!(lengths(&[&RSA[..], &[11]].concat()), Some(32));
        assert_eq!(lengths(&[&RSA[..], &[13]].concat()), Some(64));
        assert_eq!(lengths(&[&ECDSA[..], &[3]].concat()), Some(48));
        // Ed25519 has none.
        assert_eq!(lengths(&[0x2b, 0x65, 0x70]), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_read_beyond_a_certificate(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = end_point(&bytes);
            let _ = end_point(&[&[0x30, 0x3e, 0x30], &bytes[..]].concat());
        }
    }
}
