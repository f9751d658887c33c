//! Sealing rows, and opening them again with a key that this program otherwise never sees.

use std::io::{self, Read, Write};
use std::iter;

use age::stream::StreamWriter;
use age::{DecryptError, Decryptor, Encryptor};
use thiserror::Error;
use zeroize::Zeroizing;

use super::csv;
use super::{Identities, PasswordRow, PasswordRows, Recipient};

/// Seals rows to recipients, each of whom can open them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sealer {
    recipients: Vec<Recipient>,
}

impl Sealer {
    /// Seals to each of these once; `None` if there are none.
    pub fn new(recipients: impl IntoIterator<Item = Recipient>) -> Option<Self> {
        let mut distinct: Vec<Recipient> = Vec::new();
        for recipient in recipients {
            if !distinct.contains(&recipient) {
                distinct.push(recipient);
            }
        }
        (!distinct.is_empty()).then_some(Self { recipients: distinct })
    }

    /// Whom it seals to.
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// Seals the rows of a chunk: a whole age file of a CSV with a header.
    pub fn seal(&self, rows: &[PasswordRow]) -> io::Result<Vec<u8>> {
        let mut sealed = self.begin(Vec::new())?;
        for row in rows {
            sealed.write(row)?;
        }
        sealed.finish()
    }

    /// Begins such a file in `out`. What is written is held for at most 64 KiB.
    pub fn begin<W: Write>(&self, out: W) -> io::Result<SealedCsv<W>> {
        let recipients = self
            .recipients
            .iter()
            .map(|recipient| &recipient.0 as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let rows = PasswordRows::new(encryptor.wrap_output(out)?)?;
        Ok(SealedCsv { rows })
    }
}

/// A sealed file being written, row by row.
pub struct SealedCsv<W: Write> {
    rows: PasswordRows<StreamWriter<W>>,
}

impl<W: Write> SealedCsv<W> {
    /// Adds a row.
    pub fn write(&mut self, row: &PasswordRow) -> io::Result<()> {
        self.rows.write(row)
    }

    /// Completes it. What is dropped before this cannot be opened.
    pub fn finish(self) -> io::Result<W> {
        self.rows.finish().finish()
    }
}

/// Why sealed rows cannot be read.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It was sealed to others.
    #[error("none of the identities in {origin} opens this; it was sealed to {}", counted(*recipients))]
    NotOurs {
        /// Where the identities come from.
        origin: String,
        /// How many recipients it was sealed to.
        recipients: usize,
    },
    /// It is locked with something other than keys.
    #[error("this was sealed with a passphrase, not by tenantry; open it with `age -d`")]
    Passphrase,
    /// It opens, but not to its end.
    #[error("this is sealed but damaged or incomplete ({0}); take it from where it was written once more")]
    Damaged(String),
    /// It is no sealed file.
    #[error("this is no sealed file ({0})")]
    NotSealed(String),
    /// It holds something else.
    #[error("this opens, but is no list of passwords")]
    NotPasswords,
}

fn counted(recipients: usize) -> String {
    match recipients {
        1 => "1 recipient".to_owned(),
        many => format!("{many} recipients"),
    }
}

/// Opens what was sealed.
pub fn open(identities: &Identities, sealed: &[u8]) -> Result<Vec<PasswordRow>, OpenError> {
    let decryptor = Decryptor::new_buffered(sealed).map_err(|error| OpenError::NotSealed(error.to_string()))?;
    if decryptor.is_scrypt() {
        return Err(OpenError::Passphrase);
    }
    let keys = identities.keys.iter().map(|key| key as &dyn age::Identity);
    let mut reader = decryptor.decrypt(keys).map_err(|error| match error {
        DecryptError::NoMatchingKeys => OpenError::NotOurs {
            origin: identities.origin.clone(),
            recipients: recipients_of(sealed),
        },
        other => OpenError::Damaged(other.to_string()),
    })?;
    // Of full size from the start: growing would leave copies behind.
    let mut table = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader
        .read_to_end(&mut table)
        .map_err(|error| OpenError::Damaged(error.to_string()))?;
    csv::read(&table).ok_or(OpenError::NotPasswords)
}

/// How many recipients a file says it has. Who they are it does not say. Senders add stanzas that are none, to keep
/// readers from relying on their number; those are named `…-grease`.
fn recipients_of(sealed: &[u8]) -> usize {
    let mut rest = sealed;
    let lines = iter::from_fn(|| {
        let end = memchr::memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line)
    });
    let is_recipient = |line: &&[u8]| {
        let sort = line
            .strip_prefix(b"-> ")
            .and_then(|line| line.split(|byte| *byte == b' ').next());
        sort.is_some_and(|sort| !sort.ends_with(b"-grease"))
    };
    lines
        .take_while(|line| !line.starts_with(b"---"))
        .filter(is_recipient)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords::Password;

    fn pair() -> (Identities, Recipient) {
        let key = age::x25519::Identity::generate();
        let recipient = Recipient(key.to_public());
        let (keys, origin) = (vec![key], "my-key.txt".to_owned());
        (Identities { keys, origin }, recipient)
    }

    fn rows(count: usize) -> Vec<PasswordRow> {
        (0..count)
            .map(|n| PasswordRow {
                customer: "A-1".to_owned(),
                user_principal_name: format!("user{n}@alpha.example"),
                password: Password::new(format!("Secret-{n}")),
            })
            .collect()
    }

    #[test]
    fn every_recipient_opens_sealed_rows() {
        let ((ada, to_ada), (bob, to_bob)) = (pair(), pair());
        let sealer = Sealer::new([to_ada.clone(), to_bob, to_ada]).expect("recipients");
        assert_eq!(sealer.recipients().len(), 2, "each once");
        // More than a block of the cipher's 64 KiB.
        for count in [0, 1, 5000] {
            let sealed = sealer.seal(&rows(count)).expect("sealed");
            assert!(memchr::memmem::find(&sealed, b"Secret-").is_none());
            for identities in [&ada, &bob] {
                let opened = open(identities, &sealed).expect("opened");
                assert_eq!(opened.len(), count);
                for (row, ought) in opened.iter().zip(rows(count)) {
                    assert_eq!(row.user_principal_name, ought.user_principal_name);
                    assert_eq!(row.password.reveal(), ought.password.reveal());
                }
            }
        }
        assert!(Sealer::new([]).is_none());
    }

    #[test]
    fn a_sealed_file_that_does_not_open_says_why() {
        let ((ada, to_ada), (_, to_bob), (eve, _)) = (pair(), pair(), pair());
        let sealed = Sealer::new([to_ada, to_bob])
            .expect("recipients")
            .seal(&rows(9))
            .expect("sealed");
        let why = |identities: &Identities, sealed: &[u8]| open(identities, sealed).expect_err("shut").to_string();
        assert_eq!(
            why(&eve, &sealed),
            "none of the identities in my-key.txt opens this; it was sealed to 2 recipients"
        );
        let mut bent = sealed.clone();
        let last = bent.len() - 1;
        bent[last] ^= 1;
        assert!(why(&ada, &bent).contains("damaged"), "{}", why(&ada, &bent));
        assert!(why(&ada, &sealed[..last]).contains("damaged"));
        assert!(why(&ada, b"customer,password\n").contains("no sealed file"));
        assert!(why(&ada, b"").contains("no sealed file"));
        let other = age::encrypt(&ada.keys[0].to_public(), b"a,b\n1,2\n").expect("sealed");
        assert!(why(&ada, &other).contains("no list of passwords"));
    }
}
