//! Passwords from files in the form of libpq's `~/.pgpass`: `host:port:database:user:password` on a line, of which the first that fits
//! counts. `*` stands for anything; a `:` or `\` in a field has a `\` before it.

use std::path::Path;

use super::address::{Server, Way};
use crate::small_file;

/// Where PostgreSQL's sockets are unless somebody has moved them; files of passwords call them `localhost`.
const USUAL_SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The password in a file. A file that others can read is passed over, as libpq does; the error says so.
pub(super) fn password(path: &Path, server: &Server, database: &str, user: &str) -> Result<Option<String>, String> {
    if !path.exists() {
        return Ok(None);
    }
    check_owners_alone(path)?;
    let text = small_file::read_text(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let host = match &server.way {
        Way::Unix(directory) if USUAL_SOCKETS.iter().any(|usual| directory == Path::new(usual)) => "localhost",
        _ => server.name.as_str(),
    };
    let wanted = [host, &server.port.to_string(), database, user];
    Ok(text.lines().find_map(|line| of_line(line, wanted)))
}

/// No group is let in here, no matter which user owns the file.
fn check_owners_alone(path: &Path) -> Result<(), String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let found = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if !found.is_file() {
            return Err(format!("{} is no file", path.display()));
        }
        if found.mode() & 0o077 != 0 {
            let path = path.display();
            return Err(format!(
                "{path} is passed over, since others may read or write it; `chmod 0600 {path}`"
            ));
        }
    }
    Ok(())
}

fn of_line(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for wanted in wanted {
        let (field, after) = next_field(rest);
        if rest.get(..2) != Some("*:") && field != wanted {
            return None;
        }
        rest = after?;
    }
    Some(next_field(rest).0)
}

/// A field without its escapes, and what stands behind it.
fn next_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ':' => return (field, Some(&text[at + 1..])),
            '\\' => field.extend(characters.next().map(|(_, escaped)| escaped)),
            other => field.push(other),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_libpq_reads_them() {
        let of = |line: &str| of_line(line, ["db.example", "5432", "shop", "ada"]);
        let check = |line: &str, password: Option<&str>| assert_eq!(of(line).as_deref(), password, "{line}");
        check("db.example:5432:shop:ada:pw", Some("pw"));
        check("*:*:*:*:p w", Some("p w"));
        check(r"db.example:*:shop:ada:a\:b\\c", Some(r"a:b\c"));
        check("db.example:5432:shop:ada:", Some(""));
        check("db.example:5432:shop:ada", None);
        check("db.example:5433:shop:ada:pw", None);
        check("db.example:5432:shop:eve:pw", None);
        check("#db.example:5432:shop:ada:pw", None);
        check(r"\*:*:*:*:pw", None);
        check("", None);
    }

    proptest::proptest! {
        #[test]
        fn escaped_fields_are_found(fields in proptest::array::uniform5("[ -~é]{1,8}")) {
            let escaped = fields.each_ref().map(|field| field.replace('\\', r"\\").replace(':', r"\:"));
            let line = escaped.join(":");
            proptest::prop_assume!(!line.starts_with('#'));
            let wanted = [0, 1, 2, 3].map(|at| fields[at].as_str());
            proptest::prop_assert_eq!(of_line(&line, wanted), Some(fields[4].clone()));
        }
    }
}
