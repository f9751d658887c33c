//! The table of new users and their passwords, in the clear.
//!
//! Written by hand because the `csv` crate's writer would leave passwords behind in its buffers.

use std::io::{self, Write};

use zeroize::Zeroizing;

use super::Password;

const HEADER: [&str; 3] = ["customer", "user_principal_name", "password"];

/// A new user and the password.
#[derive(Debug, Clone)]
pub struct PasswordRow {
    /// The user's customer, as the file named it.
    pub customer: String,
    /// What the user signs in with.
    pub user_principal_name: String,
    /// The password to sign in with the first time.
    pub password: Password,
}

/// Writes the table as CSV, `customer,user_principal_name,password`, row by row.
#[derive(Debug)]
pub struct PasswordRows<W: Write> {
    out: W,
    line: Zeroizing<Vec<u8>>,
}

impl<W: Write> PasswordRows<W> {
    /// Begins with the header.
    pub fn new(out: W) -> io::Result<Self> {
        let line = Zeroizing::new(Vec::with_capacity(4096));
        let mut table = Self { out, line };
        table.row(HEADER)?;
        Ok(table)
    }

    /// Adds a row.
    pub fn write(&mut self, row: &PasswordRow) -> io::Result<()> {
        self.row([&row.customer, &row.user_principal_name, row.password.reveal()])
    }

    /// Hands over what was written to.
    pub fn finish(self) -> W {
        self.out
    }

    fn row(&mut self, cells: [&str; 3]) -> io::Result<()> {
        self.line.clear();
        for cell in cells {
            if cell.contains([',', '"', '\n', '\r']) {
                self.line.push(b'"');
                for byte in cell.bytes() {
                    self.line.push(byte);
                    if byte == b'"' {
                        self.line.push(byte);
                    }
                }
                self.line.extend_from_slice(b"\",");
            } else {
                self.line.extend_from_slice(cell.as_bytes());
                self.line.push(b',');
            }
        }
        self.line.pop();
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

/// The rows of such a table; `None` if it is another one.
pub(super) fn read(table: &[u8]) -> Option<Vec<PasswordRow>> {
    let mut reader = ::csv::Reader::from_reader(table);
    if reader.headers().ok()? != HEADER.as_slice() {
        return None;
    }
    let row = |record: Result<::csv::StringRecord, ::csv::Error>| {
        let record = record.ok()?;
        Some(PasswordRow {
            customer: record.get(0)?.to_owned(),
            user_principal_name: record.get(1)?.to_owned(),
            password: Password::new(record.get(2)?.to_owned()),
        })
    };
    reader.records().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_rows_are_read_back() {
        let rows = [
            ("A-1", "a@x.example", "Qr#4"),
            ("B, \"the\" one", "b@x.example", "a,\"b\n"),
        ];
        let mut table = PasswordRows::new(Vec::new()).expect("written");
        for (customer, name, password) in rows {
            let row = PasswordRow {
                customer: customer.to_owned(),
                user_principal_name: name.to_owned(),
                password: Password::new(password.to_owned()),
            };
            assert!(!format!("{row:?}").contains(password));
            table.write(&row).expect("written");
        }
        let text = table.finish();
        assert!(text.starts_with(b"customer,user_principal_name,password\nA-1,a@x.example,Qr#4\n\"B, \"\"the"));
        let read = read(&text).expect("a table");
        let read: Vec<_> = read
            .iter()
            .map(|row| {
                (
                    row.customer.as_str(),
                    row.user_principal_name.as_str(),
                    row.password.reveal(),
                )
            })
            .collect();
        assert_eq!(read, rows);
        assert!(super::read(b"customer,password\nA-1,x\n").is_none());
    }
}
