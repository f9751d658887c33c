//! Tokens with a signature. The key is made when the sandbox starts, by the library that signs, and kept nowhere.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::etag::base64;
use crate::request::hex;

/// Signs tokens.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    name: String,
}

/// The system gives no randomness, or the library no key.
#[derive(Debug)]
pub(crate) struct NoKey;

impl Signer {
    pub(crate) fn new() -> Result<Self, NoKey> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| NoKey)?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).map_err(|_| NoKey)?;
        let name = hex(&Sha256::digest(key.public_key().as_ref())[..10]);
        Ok(Self { key, random, name })
    }

    /// A token that says this.
    pub(crate) fn sign(&self, claims: &Json) -> Option<String> {
        let head = json!({ "typ": "JWT", "alg": "ES256", "kid": self.name, "x5t": self.name });
        let said = format!(
            "{}.{}",
            web(head.to_string().as_bytes()),
            web(claims.to_string().as_bytes())
        );
        let signature = self.key.sign(&self.random, said.as_bytes()).ok()?;
        Some(format!("{said}.{}", web(signature.as_ref())))
    }

    /// The public key, as a set of one.
    pub(crate) fn keys(&self) -> Json {
        // A byte that says how it is written, then both coordinates.
        let point = &self.key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({ "keys": [{
            "kty": "EC",
            "use": "sig",
            "alg": "ES256",
            "crv": "P-256",
            "kid": self.name,
            "x5t": self.name,
            "x": web(x),
            "y": web(y),
        }] })
    }
}

/// Base 64 as addresses have it.
pub(crate) fn web(bytes: &[u8]) -> String {
    base64(bytes)
        .replace('+', "-")
        .replace('/', "_")
        .trim_end_matches('=')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn a_signed_token_can_be_checked_with_the_public_key() {
        let signer = Signer::new().expect("a key");
        let token = signer.sign(&json!({ "tid": "x" })).expect("a token");
        let (said, _) = token.rsplit_once('.').expect("a signature");
        let signature = signer.key.sign(&signer.random, said.as_bytes()).expect("signed");
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signer.key.public_key().as_ref());
        key.verify(said.as_bytes(), signature.as_ref()).expect("good");
        assert_eq!(signer.keys()["keys"][0]["x"].as_str().map(str::len), Some(43));
    }

    #[test]
    fn base_64_for_addresses() {
        assert_eq!(web(&[0xfb, 0xff]), "-_8");
    }
}
