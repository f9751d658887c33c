//! Names of encodings, as people say them.

use encoding_rs::Encoding;
use tenantry_jobs::{clip, printable};

/// The encoding of that name, by any of the names that browsers know it by.
///
/// # Errors
/// A sentence that names usual ones.
pub fn named(name: &str) -> Result<&'static Encoding, String> {
    let found = Encoding::for_label_no_replacement(name.as_bytes());
    found.ok_or_else(|| {
        format!(
            "there is no encoding `{}` here; usual ones are utf-8, windows-1252 (Western Europe), windows-1250 (Central \
             Europe), windows-1251 and koi8-u (Cyrillic), windows-1253 (Greek), windows-1254 (Turkish), shift_jis, gb18030, \
             big5, euc-kr",
            printable(&clip(name))
        )
    })
}
