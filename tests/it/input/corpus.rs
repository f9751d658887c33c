//! Files as they come: encodings, delimiters, line ends, and everything that can be wrong with them.

use std::fmt::Write as _;
use std::io::Write;

use tenantry_foundation::input::{InputLimits, REDACTED};

use super::{rows, trickle};

/// Reads `bytes` as if from a file and compares `header | line: cells | line: cells`, or the error.
#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expected: &str) {
    for at_once in [1, 7, usize::MAX] {
        let at_once = at_once.min(bytes.as_ref().len());
        assert_eq!(shown(bytes.as_ref(), at_once, &[]), expected, "{at_once} bytes at once");
    }
}

fn shown(bytes: &[u8], at_once: usize, redacted: &[usize]) -> String {
    let read = || {
        let limits = InputLimits {
            record_bytes: 200,
            ..InputLimits::default()
        };
        let mut input = trickle(bytes, at_once, limits)?;
        input.redact(redacted);
        let mut shown = input.header().join("·");
        for (line, cells) in rows(&mut input)? {
            let _ = write!(shown, " | {line}: {}", cells.join("·"));
        }
        assert_eq!(input.finish()?.bytes, bytes.len() as u64);
        Ok::<_, tenantry_foundation::input::InputError>(shown)
    };
    read().unwrap_or_else(|err| format!("{}: {err}", err.code))
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes)
        .and_then(|()| gzip.finish())
        .expect("memory can be written to")
}

#[test]
fn delimiters_and_line_ends() {
    check("a,b\n1,2\n", "a·b | 2: 1·2");
    check("a;b\r\n1;2,5\r\n", "a·b | 2: 1·2,5");
    check("a\tb\r1\t2\r3\t4", "a·b | 2: 1·2 | 3: 3·4");
    check("sep=;\r\na;b\r\n1;2\r\n", "a·b | 3: 1·2");
    check("\"sep=;\"\na;b\n1;2,5\n", "a·b | 3: 1·2,5");
    check("sep=;;\na;b,c;d\n1;2;3\n", "a·b,c·d | 3: 1·2·3");
    check("#TYPE System.Object\n\n\"a\";\"b\"\n1;2\n", "a·b | 4: 1·2");
    check("a|b\n1|2,5\n", "a·b | 2: 1·2,5");
    check("\n\r\na,b\n\n , \n,\n1,2\n\"\",\n\n", "a·b | 7: 1·2");
    check("a\n1", "a | 2: 1");
}

#[test]
fn quotes() {
    check(
        "a,b\n\"1,\"\"x\"\"\",\"2\r\n3\"\n4,5\n",
        "a·b | 2: 1,\"x\"·2\r\n3 | 4: 4·5",
    );
    check("a,b\nx\"y,z \"w\"\n", "a·b | 2: x\"y·z \"w\"");
    check("a,b\n \"1\" ,\t\"2\"\t\n", "a·b | 2: 1·2");
    check("a\tb\n \"1\" \t\"2\" \r\n", "a·b | 2: 1·2");
    check("a,b\n 1 , 2\n", "a·b | 2:  1 · 2");
    check("\"a\",\"b\"\n\"\",\"1\"", "a·b | 2: ·1");
    check(
        "a,b\n1,2\n3,\"ü\nx\n",
        "unclosed-quote: users.csv:3:3: the quoted cell that opens here is never closed; \
        close it, or double the quote if it is text",
    );
    check(
        "a,b\nü\"x\n\"1\n2\",\"",
        "unclosed-quote: users.csv:4:4: the quoted cell that opens here is never \
        closed; close it, or double the quote if it is text",
    );
    for (text, place) in [
        ("a,b\n1,\"x\"y\n", "2:5"),
        ("a,b\n1,\"x \"y\" z\"\n", "2:6"),
        ("a,b\n\"x\" 'y',2\n", "2:3"),
        ("a,b\n1,\"x\" \"y\"\n", "2:5"),
        ("a,b\n\"1\"\"2,3\n4,5\"6\n", "3:4"),
    ] {
        let told = format!("stray-quote: users.csv:{place}: text follows the quote that closes a cell");
        let read = shown(text.as_bytes(), 7, &[]);
        assert!(read.starts_with(&told), "{text:?}: {read}");
    }
    let rows = "a,b,c,d\n1,2,3,\"x\n4,5,6,y\n7,8,9,z\"\n1,1,1,1\n";
    let told = "stray-quote: users.csv:2:1: cell 4 of the record that begins here holds whole rows";
    assert!(shown(rows.as_bytes(), 7, &[]).starts_with(told));
    let address = "a,b,c,d\n1,2,3,\"12 High Street,\nLondon, GB\"\n1,1,1,1\n";
    check(address, "a·b·c·d | 2: 1·2·3·12 High Street,\nLondon, GB | 4: 1·1·1·1");
    let runaway = format!("a,b\n1,2\n3,\"x\n{}", "4,5\n".repeat(100));
    check(
        runaway,
        "record-too-long: users.csv:3:1: the record that begins here is longer than 200 bytes; \
        the quote opened at line 3, character 3 is probably never closed",
    );
    check(
        format!("a\n1\n{}\n2\n", "x".repeat(201)),
        "record-too-long: users.csv:3:1: the record that begins here is longer than 200 bytes",
    );
}

#[test]
fn ragged_rows_are_kept_as_they_are() {
    check("a,b\n1\n1,2,3\n1,2,\n", "a·b | 2: 1 | 3: 1·2·3 | 4: 1·2·");
    check("a,a\n1,2\n", "a·a | 2: 1·2");
}

#[test]
fn encodings() {
    let text = "näme,b\nJosé,€\n";
    let expected = "näme·b | 2: José·€";
    check(text, expected);
    check(format!("\u{feff}{text}"), expected);
    check(utf16(&format!("\u{feff}{text}"), u16::to_le_bytes), expected);
    check(utf16(&format!("\u{feff}{text}"), u16::to_be_bytes), expected);
    check(utf16("ab,c\n1,😀\n", u16::to_le_bytes), "ab·c | 2: 1·😀");
    check(utf16("ab,c\n1,😀\n", u16::to_be_bytes), "ab·c | 2: 1·😀");
    check(b"n\xe4me,b\nJos\xe9,\x80\n", expected);
    check(gzip(text.as_bytes()), expected);
    check([gzip(b"a,b\n1,"), gzip(b"2\n")].concat(), "a·b | 2: 1·2");
}

#[test]
fn bytes_that_are_no_text_are_reported_where_they_stand() {
    let at = |place: &str, byte: &str| {
        format!(
            "invalid-encoding: users.csv:{place}: the byte {byte} is not UTF-8, which the text before it is, or was \
             said to be; save the file as UTF-8, or name its encoding with --encoding (`encoding` of a folder or schedule): without it, \
             it is told by the letters"
        )
    };
    check(b"a,b\n\xc3\xa9,2\n3,\xe9\n", &at("3:3", "0xe9"));
    check(b"\xef\xbb\xbfa,b\n1,\"x\n\xff\n", &at("3:1", "0xff"));
    check("a,é\n1,€".as_bytes().split_last().expect("some").1, &at("2:3", "0xe2"));
    let mut half = utf16("\u{feff}a,b\n1,2\n", u16::to_le_bytes);
    half.push(b'x');
    check(
        half,
        "invalid-encoding: users.csv:3:1: half a character stands here, which UTF-16LE does not allow",
    );
}

#[test]
fn files_without_rows() {
    check("", "empty-file: users.csv: the file holds nothing but blank lines");
    check(
        "\u{feff}\r\n\n ,\n",
        "empty-file: users.csv: the file holds nothing but blank lines",
    );
    check("a,b\n", "no-rows: users.csv: the file has a header and no rows");
    check("a,b\n\n,\n", "no-rows: users.csv: the file has a header and no rows");
}

#[test]
fn damaged_gzip() {
    let mut bytes = gzip("a,b\n1,2\n".repeat(50).as_bytes());
    let len = bytes.len();
    check(&bytes[..len - 3], "bad-gzip: users.csv: the gzip data ends too early");
    bytes[len - 6] ^= 1;
    check(
        &bytes,
        "bad-gzip: users.csv: the gzip data is damaged (corrupt gzip stream does not have a matching checksum)",
    );
}

#[test]
fn cells_are_handed_on_with_any_characters() {
    check("a,b\n1\u{0}2,\u{1}\n", "a·b | 2: 1\u{0}2·\u{1}");
    check(
        "a\n=cmd|' /C calc'!A0\n+1\n-1\n@x\n",
        "a | 2: =cmd|' /C calc'!A0 | 3: +1 | 4: -1 | 5: @x",
    );
    check(
        "a,b\nשלום,e\u{301}\n\u{202e}x,\u{200d}\n",
        "a·b | 2: שלום·é | 3: \u{202e}x·\u{200d}",
    );
}

#[test]
fn a_cell_of_a_megabyte_is_a_cell() {
    let cell = "é".repeat(1 << 19);
    let text = format!("a,b\n\"{cell}\",2\n{cell},\n");
    let mut input = trickle(text.as_bytes(), 100_000, InputLimits::default()).expect("a header");
    let rows = rows(&mut input).expect("rows");
    assert!(rows == [(2, vec![cell.clone(), "2".to_owned()]), (3, vec![cell, String::new()])]);
}

#[test]
fn blocks_are_bounded_by_bytes_too() {
    let text = format!("a\n{}", format!("{}\n", "x".repeat(100)).repeat(1000));
    let limits = InputLimits {
        block_bytes: 2000,
        ..InputLimits::default()
    };
    let mut input = trickle(text.as_bytes(), 1 << 16, limits).expect("a header");
    let mut seen = 0;
    while let Some(block) = input.read_block(usize::MAX).expect("rows") {
        assert!(block.weight() < 3000, "{}", block.weight());
        seen += block.len();
    }
    assert_eq!(seen, 1000);
}

#[test]
fn a_preamble_is_skipped_and_the_delimiter_told_anew() {
    let mut input = trickle(
        b"version:v1.0\n\nName [displayName];b;c,d\n1;2\n",
        9,
        InputLimits::default(),
    )
    .expect("a header");
    assert!(
        input
            .skip_preamble(|header| header[0] == "version:v1.0")
            .expect("a second line")
    );
    assert_eq!(
        (input.header().join("·"), input.delimiter()),
        ("Name [displayName]·b·c,d".to_owned(), ';')
    );
    assert!(
        !input
            .skip_preamble(|header| header[0] == "version:v1.0")
            .expect("nothing read")
    );
    assert_eq!(
        rows(&mut input).expect("rows"),
        [(4, vec!["1".to_owned(), "2".to_owned()])]
    );

    let mut alone = trickle(b"version:v1.0\n", 9, InputLimits::default()).expect("a header");
    assert_eq!(
        alone.skip_preamble(|_| true).expect_err("no header follows").code,
        "empty-file"
    );
}

#[test]
fn secrets_do_not_enter_blocks_not_even_from_ragged_rows() {
    let text = "user,password,city\nann,s3cret,Rome\nbob,,Oslo\n\"Doe, J\",\"s\"\"3\",X\n\
        Doe, J,s3cret,Rome\ns3cret,Rome\n";
    let r = REDACTED;
    let expected = format!(
        "user·password·city | 2: ann·{r}·Rome | 3: bob··Oslo | 4: Doe, J·{r}·X | 5: Doe·{r}·{r}·Rome | 6: {r}·{r}"
    );
    assert_eq!(shown(text.as_bytes(), 5, &[1]), expected);
}

#[test]
fn an_error_stays_an_error() {
    let mut input = trickle(b"a,b\n1,2\n3,\"4\n", 1000, InputLimits::default()).expect("a header");
    assert_eq!(input.read_block(1).expect("a row").expect("a row").len(), 1);
    assert_eq!(input.read_block(1).expect_err("an open quote").code, "unclosed-quote");
    assert_eq!(input.read_block(1).expect_err("as before").code, "unclosed-quote");
    assert_eq!(input.finish().expect_err("as before").line(), Some(3));
}
