//! Cuts an SQL script into statements: at semicolons, but not at those inside quotes, dollar-quoted function
//! bodies, or the `BEGIN … END` of a trigger.

/// The statements of `script`, trimmed, without their semicolons. Comments must be gone already.
pub(super) fn split(script: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        let (statement, after) = rest.split_at(end_of_first(rest));
        let statement = statement.trim();
        if !statement.is_empty() {
            statements.push(statement.to_owned());
        }
        rest = after.strip_prefix(';').unwrap_or(after);
    }
    statements
}

/// Where the first statement ends: at its semicolon, or with the script.
fn end_of_first(script: &str) -> usize {
    let bytes = script.as_bytes();
    let (mut at, mut depth) = (0, 0_u32);
    while at < bytes.len() {
        match bytes[at] {
            b';' if depth == 0 => return at,
            quote @ (b'\'' | b'"') => at = after_next(script, at + 1, char::from(quote).to_string().as_str()),
            b'$' => match dollar_tag(&script[at..]) {
                Some(tag) => at = after_next(script, at + tag.len(), tag),
                None => at += 1,
            },
            byte if is_word(byte) => {
                let length = bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
                match script[at..at + length].to_ascii_uppercase().as_str() {
                    "BEGIN" | "CASE" => depth += 1,
                    "END" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn after_next(script: &str, from: usize, what: &str) -> usize {
    script[from..]
        .find(what)
        .map_or(script.len(), |found| from + found + what.len())
}

/// The `$$` or `$tag$` that `text` begins with; `$1` is none.
fn dollar_tag(text: &str) -> Option<&str> {
    let length = text[1..].find('$')?;
    let name = &text[1..=length];
    let named = name.bytes().all(is_word) && !name.starts_with(|first: char| first.is_ascii_digit());
    named.then(|| &text[..length + 2])
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_and_quotes_stay_whole() {
        let trigger =
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT CASE WHEN 1 THEN 'x;y' END;\n  SELECT 2;\nEND";
        let function =
            "CREATE FUNCTION f() RETURNS trigger AS $b$\nBEGIN\n  RAISE 'it''s;';\nEND; $b$ LANGUAGE plpgsql";
        let plain = "SELECT 'END; ''BEGIN', \"a;b\", $1, ended FROM beginning";
        let script = format!("{trigger};\n\n{function};;{plain};\n");
        assert_eq!(split(&script), [trigger, function, plain]);
    }
}
