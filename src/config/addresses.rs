//! Addresses of databases and queues with what belongs to them: they may stand in a file of their own, and what PostgreSQL's own programs
//! take from the environment for a login is taken here, too.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::config::{Value, ValueKind};

use super::{COMMAND_LINE, Config, ENVIRONMENT};
use crate::db::with_login;
use crate::secret::{Secret, SecretUrl, shown_path};
use crate::small_file;

/// What libpq takes from the environment for a login.
#[derive(Debug, Default)]
pub(super) struct PgLogin {
    password: Option<Secret>,
    passfile: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl PgLogin {
    /// Takes notice of a variable.
    pub(super) fn hear(&mut self, name: &str, value: &str) {
        let path = || (!value.is_empty()).then(|| PathBuf::from(value));
        match name {
            "PGPASSWORD" if !value.is_empty() => self.password = Some(Secret::new(value)),
            "PGPASSFILE" => self.passfile = path(),
            "HOME" => self.home = path(),
            _ => {}
        }
    }

    /// An address with the password, or the file of passwords, that holds where it names none.
    fn added_to(&self, url: &SecretUrl) -> SecretUrl {
        let usual = || self.home.as_ref().map(|home| home.join(".pgpass"));
        let passfile = self.passfile.clone().or_else(usual);
        let password = self.password.as_ref().map(Secret::reveal);
        SecretUrl::new(with_login(url.reveal(), password, passfile.as_deref()))
    }
}

/// Of an address and a file with one, the one counts that was said closer to the command line. What is wrong if neither was.
pub(super) fn choose(values: &mut BTreeMap<String, (Value, String)>) -> Vec<String> {
    let is_set = |value: &Value| matches!(&value.kind, ValueKind::String(text) if !text.is_empty());
    let mut faults = Vec::new();
    let mut passed_over = Vec::new();
    let files = values
        .iter()
        .filter(|(key, (file, _))| key.ends_with(".url_file") && is_set(file));
    for (key, (_, origin)) in files {
        let address = key.trim_end_matches("_file");
        let Some((_, of_url)) = values.get(address).filter(|(url, _)| is_set(url)) else {
            continue;
        };
        match nearness(of_url).cmp(&nearness(origin)) {
            Ordering::Less => {}
            Ordering::Greater => passed_over.push(key.clone()),
            Ordering::Equal => faults.push(format!("{origin}: `{key}`: expected it or `{address}`, not both")),
        }
    }
    for key in passed_over {
        if let Some((file, _)) = values.get_mut(&key) {
            *file = Value::new(None, "");
        }
    }
    faults
}

/// How close to the command line something was said.
fn nearness(origin: &str) -> u8 {
    match origin {
        "config/default.toml" => 0,
        COMMAND_LINE => 3,
        variable if variable.starts_with(ENVIRONMENT) => 2,
        _ => 1,
    }
}

/// Puts the addresses in place that stand in files, and adds logins; the keys at fault, and why.
pub(super) fn resolve(config: &mut Config, login: &PgLogin) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let named = config.stores.iter_mut().map(|(name, store)| {
        let key = format!("stores.{name}.url_file");
        (key, &mut store.url, store.url_file.clone())
    });
    let ledger = (
        "ledger.url_file".to_owned(),
        &mut config.ledger.url,
        config.ledger.url_file.clone(),
    );
    let queue = (
        "queue.url_file".to_owned(),
        &mut config.queue.url,
        config.queue.url_file.clone(),
    );
    for (key, url, file) in named.chain([ledger, queue]) {
        if !file.as_os_str().is_empty() {
            match read(&file) {
                Ok(read) => *url = read,
                Err(why) => faults.push((key, why)),
            }
        }
        *url = login.added_to(url);
    }
    faults
}

fn read(path: &Path) -> Result<SecretUrl, String> {
    let told = |what: &dyn std::fmt::Display| format!("{}: {what}", shown_path(path));
    let text = small_file::read_secret_text(path).map_err(|error| told(&error))?;
    match text.trim() {
        "" => Err(told(&"expected an address; the file is empty")),
        text if text.contains(char::is_whitespace) => Err(told(&"expected an address alone")),
        text => Ok(SecretUrl::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_of_the_environment_is_for_addresses_without_one() {
        let check = |variables: &[(&str, &str)], url: &str, expected: &str| {
            let mut login = PgLogin::default();
            for (name, value) in variables {
                login.hear(name, value);
            }
            assert_eq!(login.added_to(&SecretUrl::new(url)).reveal(), expected, "{variables:?}");
        };
        let url = "postgres://ada@db.example/x";
        check(&[], url, url);
        check(
            &[("HOME", "/h")],
            url,
            "postgres://ada@db.example/x?passfile=%2Fh%2F%2Epgpass",
        );
        let both = [("PGPASSFILE", "/p f"), ("HOME", "/h")];
        check(&both, url, "postgres://ada@db.example/x?passfile=%2Fp%20f");
        let all = [("PGPASSWORD", "a@b&c"), ("PGPASSFILE", "/p"), ("HOME", "/h")];
        check(&all, url, "postgres://ada@db.example/x?password=a%40b%26c");
        let tls = "postgres://ada@db.example/x?sslmode=require";
        check(
            &all,
            tls,
            "postgres://ada@db.example/x?sslmode=require&password=a%40b%26c",
        );
        for has_one in [
            "postgres://ada:own@db.example/x",
            "sqlite:x.db",
            "redis://db.example",
            "embedded",
            "postgres://",
        ] {
            check(&all, has_one, has_one);
        }
        let own = "postgres://ada@db.example/x?passfile=mine";
        check(&both, own, own);
        // Asked for by the url, and still no match for a password.
        check(
            &all,
            own,
            "postgres://ada@db.example/x?passfile=mine&password=a%40b%26c",
        );
    }
}
