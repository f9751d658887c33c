//! Signatures as OpenSSH makes them (SSHSIG): people have such keys, agents and hardware keys sign with them, and `ssh-keygen -Y sign`
//! is everywhere.
//!
//! A signature is over a text, in our own namespace, so that one that was made for anything else is none here. Keys are Ed25519 or
//! ECDSA P-256, in a file or in hardware (`sk-…`). RSA keys are refused, with how to make another one: what would check their signatures is not kept as well.

use std::path::Path;

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::small_file;

/// The namespace, `-n` of `ssh-keygen -Y sign`.
pub const NAMESPACE: &str = "tenantry";

/// Sorts of keys.
const SORTS: [&str; 4] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// What is wrong with a key or a signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The text is no public key.
    #[error("expected an OpenSSH public key, such as the line in `id_ed25519.pub`: {0}")]
    NoKey(String),
    /// A key we cannot check signatures of.
    #[error(
        "expected a key of Ed25519 or ECDSA P-256 (`ssh-ed25519`, `ecdsa-sha2-nistp256` or one of hardware, `sk-…`), found `{0}`; `ssh-keygen -t ed25519` makes one that will do"
    )]
    Sort(String),
    /// The text is no signature.
    #[error("expected a signature as `ssh-keygen -Y sign` makes it: {0}")]
    NoSignature(String),
    /// It was made for something else.
    #[error("the signature was made for `{0}`, not for `{NAMESPACE}` (`ssh-keygen -Y sign -n {NAMESPACE}`)")]
    Namespace(String),
    /// It is of another text, or was altered.
    #[error("the signature is not one of this text by the key {0}")]
    NotOf(String),
    /// The secret key.
    #[error("{path}: {why}", path = .0, why = .1)]
    Secret(String, String),
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey(PublicKey);

impl SigningKey {
    /// Reads the line of a public key; what follows the key is no part of it.
    pub fn parse(line: &str) -> Result<Self, SignatureError> {
        let mut key = PublicKey::from_openssh(line.trim()).map_err(|error| SignatureError::NoKey(error.to_string()))?;
        check_sort(&key.algorithm())?;
        key.set_comment("");
        Ok(Self(key))
    }

    /// Reads a file with one public key.
    pub fn of_file(path: &Path) -> Result<Self, SignatureError> {
        Self::parse(&read(path)?)
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Checks that a signature is one of `text` by this key.
    pub fn check(&self, text: &str, signature: &TextSignature) -> Result<(), SignatureError> {
        if signature.0.namespace() != NAMESPACE {
            return Err(SignatureError::Namespace(signature.0.namespace().to_owned()));
        }
        let checked = self.0.verify(NAMESPACE, text.as_bytes(), &signature.0);
        checked.map_err(|_| SignatureError::NotOf(self.fingerprint()))
    }

    /// Whether a signature says that it is by this key.
    pub fn is_of(&self, signature: &TextSignature) -> bool {
        self.0.key_data() == signature.0.public_key()
    }
}

impl std::fmt::Display for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.to_openssh().unwrap_or_default().trim())
    }
}

/// A signature of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSignature(SshSig);

impl TextSignature {
    /// Reads a signature: the armoured text, or what is between its first and its last line.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let body: String = text
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
            .collect();
        let mut armoured = String::from("-----BEGIN SSH SIGNATURE-----\n");
        for (at, c) in body.chars().enumerate() {
            if at > 0 && at % 70 == 0 {
                armoured.push('\n');
            }
            armoured.push(c);
        }
        armoured.push_str("\n-----END SSH SIGNATURE-----\n");
        let signature = SshSig::from_pem(armoured).map_err(|error| SignatureError::NoSignature(error.to_string()))?;
        check_sort(&signature.public_key().algorithm())?;
        Ok(Self(signature))
    }

    /// Reads a file with one.
    pub fn of_file(path: &Path) -> Result<Self, SignatureError> {
        Self::parse(&read(path)?)
    }

    /// Signs `text` with the secret key in a file, which is refused if others can read it. One with a passphrase is for `ssh-keygen` and
    /// agents.
    pub fn make(path: &Path, text: &str) -> Result<Self, SignatureError> {
        let secret = |why: &str| SignatureError::Secret(path.display().to_string(), why.to_owned());
        let text_of_key = small_file::read_secret_or_pipe(path).map_err(|error| secret(&error.to_string()))?;
        let key = PrivateKey::from_openssh(&*text_of_key).map_err(|_| secret("expected an OpenSSH secret key"))?;
        if key.is_encrypted() {
            return Err(secret(
                "the key has a passphrase, which is not asked for here; sign with `ssh-keygen -Y sign`, and name its file with --signature",
            ));
        }
        check_sort(&key.algorithm())?;
        let made = key.sign(NAMESPACE, HashAlg::Sha512, text.as_bytes());
        made.map(Self).map_err(|error| secret(&error.to_string()))
    }

    /// On one line, without its first and its last.
    pub fn on_one_line(&self) -> String {
        let armoured = self.0.to_pem(LineEnding::LF).unwrap_or_default();
        armoured.lines().filter(|line| !line.starts_with("-----")).collect()
    }
}

/// Whether signatures of such keys are checked.
fn check_sort(algorithm: &Algorithm) -> Result<(), SignatureError> {
    let sort = algorithm.as_str();
    if SORTS.contains(&sort) {
        return Ok(());
    }
    Err(SignatureError::Sort(sort.to_owned()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, SignatureError> {
    let read = small_file::read_text_or_pipe(path);
    read.map_err(|error| SignatureError::Secret(path.display().to_string(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key in a file, and the line of its public key.
    fn pair() -> (tempfile::TempDir, std::path::PathBuf, String) {
        let key = PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]));
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("id");
        std::fs::write(&path, key.to_openssh(LineEnding::LF).expect("a text").as_bytes()).expect("written");
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, own).expect("set");
        (dir, path, key.public_key().to_openssh().expect("a line"))
    }

    #[test]
    fn a_signature_is_of_one_text_and_one_key() {
        let (_dir, path, public) = pair();
        let key = SigningKey::parse(&format!("{public} anna@laptop")).expect("a key");
        let mode = |mode: u32| std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode(0o644)).expect("set");
        let refused = TextSignature::make(&path, "text\n")
            .expect_err("open to others")
            .to_string();
        assert!(refused.contains("chmod 0600"), "{refused}");
        std::fs::set_permissions(&path, mode(0o600)).expect("set");
        let made = TextSignature::make(&path, "text\n").expect("signed");
        assert_eq!(key.check("text\n", &made), Ok(()));
        assert!(key.is_of(&made));
        let again = TextSignature::parse(&made.on_one_line()).expect("read");
        assert_eq!(again, made);
        assert!(matches!(key.check("text", &made), Err(SignatureError::NotOf(_))));
        let other = SigningKey::parse("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOJiIuSdiCeRgqWQjPFOvaUZwlOAVnNVDoOSxQbsk/U+Zy4+NLPSg/3RzmHaG2uVhkQKMMqCAMAR1PFBaGzfnNY=").expect("a key");
        assert!(other.check("text\n", &made).is_err() && !other.is_of(&made));
        let mut altered = made.on_one_line();
        altered.replace_range(100..101, if altered.as_bytes()[100] == b'A' { "B" } else { "A" });
        let altered = TextSignature::parse(&altered);
        assert!(altered.and_then(|altered| key.check("text\n", &altered)).is_err());
    }

    #[test]
    fn a_signature_by_ssh_keygen_is_checked_and_only_in_our_namespace() {
        let ecdsa = SigningKey::parse("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOJiIuSdiCeRgqWQjPFOvaUZwlOAVnNVDoOSxQbsk/U+Zy4+NLPSg/3RzmHaG2uVhkQKMMqCAMAR1PFBaGzfnNY= x").expect("a key");
        let ours = TextSignature::parse("U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAEEE4mIi5J2IJ5GCpZCM8U69pRnCU4BWc1UOg5LFBuyT9T5nLj40s9KD/dHOYdoba5WGRAowyoIAwBHU8UFobN+c1gAAAAh0ZW5hbnRyeQAAAAAAAAAGc2hhNTEyAAAAYwAAABNlY2RzYS1zaGEyLW5pc3RwMjU2AAAASAAAACBbP8WYuCI45H3tYArh8zj/BSnds7N+/Syrgi/YL9iFJgAAACBS1j9KOcZ0LR+/EifcCBSOcFPhxRCN4pgCFXbfJJPWgA==").expect("read");
        assert_eq!(ecdsa.check("text\n", &ours), Ok(()));
        let theirs = TextSignature::parse("U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAEEE4mIi5J2IJ5GCpZCM8U69pRnCU4BWc1UOg5LFBuyT9T5nLj40s9KD/dHOYdoba5WGRAowyoIAwBHU8UFobN+c1gAAAANnaXQAAAAAAAAABnNoYTUxMgAAAGQAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAEkAAAAhAOwKZ7Kj+9fjV/O+Gr69Jm7J2et44NQ8UnkdxYc0JdNCAAAAICIngjp1Ijkyr5kUix+VMQ9hE3Y8QqABKCIcRaYjJZ6w").expect("read");
        let refused = ecdsa.check("text\n", &theirs).expect_err("refused").to_string();
        assert!(refused.contains("made for `git`"), "{refused}");
    }

    #[test]
    fn keys_that_cannot_be_checked_are_refused_by_name() {
        for (line, why) in [
            ("", "public key"),
            ("ssh-ed25519 AAAA", "public key"),
            (
                "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDakfJHpWmNaoFgFlOmMZCpjiHLzOBXJbqEna9SE5P+Zr+qxkCbsVvO5bOJ/lAdLxyqN734MPSE9kI/miIKc7pDMTnRDxRMVymWV9V1IxtefX97WX1pfYZ6ZIQDlyBZsN0iBLYhl/LnkscCUdGikyH/LzsVkGUwOdY50EUxa5JTU3vMdT9nWAQINqCWUwzrD5mkrtkcKWNktcRUSi5pd/QIzQVWGglxv3yO8ZouIOIWaa9mxqY/7JPkTgc7PkZoJMhWaOUH9ildb4GufpRVW5dOTmGuH2jL4SYcglOxjbhyuJfcURoh/dVXoRY61OUgN/ipcS+4t/UbknKQCuYg0/jn",
                "found `ssh-rsa`; `ssh-keygen -t ed25519` makes one",
            ),
        ] {
            let refused = SigningKey::parse(line).expect_err(line).to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
