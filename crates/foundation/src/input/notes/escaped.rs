//! Letters that stand in a file as other programs write them where they can only write ASCII: a page of the web, JSON, a mail.

/// With the characters that `&uuml;`, `&#252;` and `\u00fc` stand for, or `M+APw-ller` or `M=C3=BCller` holds; `None` if there are none.
pub(super) fn unescaped(text: &str) -> Option<String> {
    if !may_be(text) {
        return None;
    }
    of_a_page(text).or_else(|| of_utf7(text)).or_else(|| of_bytes(text))
}

/// Whether the text, of one cell or of many, can have any; most have not, and it costs little to tell.
pub(super) fn may_be(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_next = |mark: u8, is_it: fn(u8) -> bool| {
        memchr::memchr_iter(mark, bytes).any(|at| bytes.get(at + 1).is_some_and(|next| is_it(*next)))
    };
    memchr::memchr2(b'&', b'\\', bytes).is_some()
        || is_next(b'+', |next| matches!(next, b'A' | b'B'))
        || memchr::memchr2_iter(b'=', b'%', bytes)
            .any(|at| matches!(bytes.get(at + 1), Some(b'C'..=b'F' | b'c'..=b'f')))
}

/// UTF-7, by which old mail programs write letters that are not ASCII: UTF-16 in base64 between `+` and `-`. Only what is U+0080
/// to U+05FF is looked for, which begins with `A` or `B`, so that no sum and no name of a team is taken for it.
fn of_utf7(text: &str) -> Option<String> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut meant, mut rest, mut found) = (String::new(), text, false);
    while let Some((before, after)) = rest.split_once('+') {
        meant.push_str(before);
        let length = after.bytes().take_while(|byte| value(*byte).is_some()).count();
        let (mut units, mut bits, mut held) = (Vec::new(), 0_u32, 0);
        for six in after[..length].bytes().filter_map(value) {
            (bits, held) = (((bits << 6) | u32::from(six)) & 0x3F_FFFF, held + 6);
            if held >= 16 {
                held -= 16;
                units.push((bits >> held) as u16);
            }
        }
        let is_padded = held < 6 && bits & ((1 << held) - 1) == 0;
        let letters: Option<String> = units
            .iter()
            .map(|unit| {
                char::from_u32(u32::from(*unit))
                    .filter(|letter| matches!(letter, '\u{80}'..='\u{5ff}') && letter.is_alphabetic())
            })
            .collect();
        if let Some(letters) = letters.filter(|letters| is_padded && !letters.is_empty()) {
            meant.push_str(&letters);
            rest = after[length..].strip_prefix('-').unwrap_or(&after[length..]);
            found = true;
        } else {
            meant.push('+');
            rest = after;
        }
    }
    meant.push_str(rest);
    found.then_some(meant)
}

/// UTF-8 as it stands in addresses of web pages, `%C3%BC`, and in the text of mails, `=C3=BC`.
fn of_bytes(text: &str) -> Option<String> {
    if text.contains("://") {
        return None;
    }
    let byte = |at: usize, mark: u8| {
        let (first, digits) = text.as_bytes().get(at..at + 3)?.split_first()?;
        let digits = std::str::from_utf8(digits).ok()?;
        (*first == mark)
            .then(|| u8::from_str_radix(digits, 16).ok())?
            .filter(|byte| *byte >= 0x80)
    };
    let (mut meant, mut at, mut found) = (String::new(), 0, false);
    while let Some(next) = text[at..].chars().next() {
        let mark = next as u32 as u8;
        let mut bytes = Vec::new();
        if matches!(next, '=' | '%') {
            while let Some(byte) = byte(at + 3 * bytes.len(), mark) {
                bytes.push(byte);
            }
        }
        match std::str::from_utf8(&bytes) {
            Ok(letters) if !letters.is_empty() => {
                meant.push_str(letters);
                at += 3 * bytes.len();
                found = true;
            }
            _ => {
                meant.push(next);
                at += next.len_utf8();
            }
        }
    }
    found.then_some(meant)
}

/// `&uuml;`, `&#252;` and `\u00fc`.
fn of_a_page(text: &str) -> Option<String> {
    const NAMED: &[(&str, char)] = &[
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("auml", 'ä'),
        ("ouml", 'ö'),
        ("uuml", 'ü'),
        ("Auml", 'Ä'),
        ("Ouml", 'Ö'),
        ("Uuml", 'Ü'),
        ("szlig", 'ß'),
        ("agrave", 'à'),
        ("aacute", 'á'),
        ("acirc", 'â'),
        ("atilde", 'ã'),
        ("aring", 'å'),
        ("Aring", 'Å'),
        ("aelig", 'æ'),
        ("ccedil", 'ç'),
        ("egrave", 'è'),
        ("eacute", 'é'),
        ("Eacute", 'É'),
        ("ecirc", 'ê'),
        ("euml", 'ë'),
        ("iacute", 'í'),
        ("icirc", 'î'),
        ("iuml", 'ï'),
        ("ntilde", 'ñ'),
        ("oacute", 'ó'),
        ("ocirc", 'ô'),
        ("oslash", 'ø'),
        ("Oslash", 'Ø'),
        ("uacute", 'ú'),
        ("ugrave", 'ù'),
        ("ucirc", 'û'),
    ];
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let (mut meant, mut rest) = (String::new(), text);
    while let Some(at) = memchr::memchr2(b'&', b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        meant.push_str(before);
        let found = match escape.strip_prefix('&') {
            Some(escape) => escape.split_once(';').and_then(|(name, rest)| {
                let named = NAMED
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, character)| *character);
                let numbered = || match name.strip_prefix('#')? {
                    hex if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
                    decimal => number(decimal, 10),
                };
                Some((named.or_else(numbered)?, rest))
            }),
            None => escape.strip_prefix("\\u").and_then(|digits| {
                let (digits, rest) = digits.split_at_checked(4)?;
                Some((number(digits, 16).filter(|character| !character.is_ascii())?, rest))
            }),
        };
        let (character, after) = found.unwrap_or((char::from(escape.as_bytes()[0]), &escape[1..]));
        meant.push(character);
        rest = after;
    }
    meant.push_str(rest);
    (meant != text).then_some(meant)
}
