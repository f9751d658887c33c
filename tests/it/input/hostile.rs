//! Files that are made to take memory: each is refused, and what looks like one and is none is read.

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tenantry_foundation::input::{Input, InputLimits};

use super::sheet::{archive, open, told};

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const SHEET: &str = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row>\
    <row r=\"2\"><c r=\"A2\" t=\"str\"><v>b</v></c></row></sheetData></worksheet>";

fn limits() -> InputLimits {
    InputLimits {
        record_bytes: 10_000,
        unzipped_bytes: 4_000_000,
        held_bytes: 100_000,
        ..InputLimits::default()
    }
}

/// The parts of a workbook that is read.
pub(crate) struct Book {
    dir: &'static str,
    sheet_at: &'static str,
    sheet: String,
    texts: String,
    styles: String,
    /// Within the workbook, and within its relationships.
    within: String,
    relations: String,
    extra: Vec<(&'static str, Vec<u8>)>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            dir: "xl/",
            sheet_at: "xl/worksheets/sheet1.xml",
            sheet: SHEET.to_owned(),
            texts: "<sst/>".to_owned(),
            styles: "<styleSheet/>".to_owned(),
            within: String::new(),
            relations: String::new(),
            extra: Vec::new(),
        }
    }
}

impl Book {
    pub(crate) fn with_sheet(self, rows: &str) -> Self {
        let sheet = sheet(rows).sheet;
        Self { sheet, ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { dir, sheet_at, .. } = self;
        let root = format!(
            "<Relationships><Relationship Id=\"a\" Type=\"{OFFICE}/officeDocument\" Target=\"{dir}workbook.xml\"/></Relationships>"
        );
        let relations = format!(
            "<Relationships><Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"/{sheet_at}\"/>{}</Relationships>",
            self.relations
        );
        let book = format!(
            "<workbook><sheets><sheet name=\"A\" sheetId=\"1\" r:id=\"r1\"/></sheets>{}</workbook>",
            self.within
        );
        let of = |name: &str| format!("{dir}{name}");
        let [relations_at, book_at, texts_at, styles_at] = [
            "_rels/workbook.xml.rels",
            "workbook.xml",
            "sharedStrings.xml",
            "styles.xml",
        ]
        .map(of);
        let mut parts: Vec<(&str, &[u8])> = vec![
            ("[Content_Types].xml", b"<Types/>"),
            ("_rels/.rels", root.as_bytes()),
            (&relations_at, relations.as_bytes()),
            (&book_at, book.as_bytes()),
            (&texts_at, self.texts.as_bytes()),
            (&styles_at, self.styles.as_bytes()),
            (sheet_at, self.sheet.as_bytes()),
        ];
        parts.extend(self.extra.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
        archive(&parts)
    }
}

pub(crate) fn texts(texts: impl Into<String>) -> Book {
    Book {
        texts: texts.into(),
        ..Book::default()
    }
}

pub(crate) fn styles(styles: &str) -> Book {
    Book {
        styles: format!("<styleSheet>{styles}</styleSheet>"),
        ..Book::default()
    }
}

pub(crate) fn sheet(rows: &str) -> Book {
    Book {
        sheet: format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"),
        ..Book::default()
    }
}

/// A cell of this text, or what stands for it.
fn cell(inner: &str) -> Book {
    sheet(&format!(
        "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is>{inner}</is></c></row>"
    ))
}

#[test]
fn a_workbook_is_weighed_by_the_memory_of_its_reader() {
    let held = "texts, formats and names of more than 100000 bytes in its part ";
    let run = format!("<t>{}</t>", "a".repeat(1000));
    let cases: [(Book, &str, &str); 17] = [
        (
            styles(&format!("<cellXfs>{}</cellXfs>", "<xf/>".repeat(2000))),
            held,
            "xl/styles.xml",
        ),
        (
            styles(&format!("<x:fonts>{}</x:fonts>", "<x:font></x:font>".repeat(2000))),
            held,
            "xl/styles.xml",
        ),
        // Each format has a copy of its font's name.
        (
            styles(&format!(
                "<fonts><font><name val=\"{}\"/></font></fonts><cellXfs>{}</cellXfs>",
                "a".repeat(5000),
                "<xf fontId=\"0\"/>".repeat(40)
            )),
            held,
            "xl/styles.xml",
        ),
        (
            texts(format!("<sst>{}</sst>", "<si><t>a</t></si>".repeat(3000))),
            held,
            "xl/sharedstrings.xml",
        ),
        (
            texts(format!("<sst><si>{}</si></sst>", run.repeat(90))),
            held,
            "xl/sharedstrings.xml",
        ),
        (
            Book {
                within: "<sheet name=\"A\" id=\"none\"/>".to_owned(),
                ..Book::default()
            },
            "two of its sheets have one name",
            "xl/workbook.xml",
        ),
        (
            Book {
                within: "<definedName name=\"a\">b</definedName>".repeat(3000),
                ..Book::default()
            },
            held,
            "xl/workbook.xml",
        ),
        (
            Book {
                within: (0..1000).map(|n| format!("<sheet name=\"{n}\" id=\"r1\"/>")).collect(),
                ..Book::default()
            },
            held,
            "xl/workbook.xml",
        ),
        (
            Book {
                relations: "<Relationship Id=\"r1\" Target=\"x\"/>".to_owned(),
                ..Book::default()
            },
            "two of its relationships have one id",
            "xl/_rels/workbook.xml.rels",
        ),
        (
            texts("<sst xuniqueCount=\"1\" uniqueCount=\"99999999999\"></sst>"),
            "99999999999 texts promised",
            "strings",
        ),
        // The reader takes the place of the texts from the workbook's, wherever that is.
        (
            Book {
                dir: "xl/worksheets/",
                ..texts("<sst uniqueCount=\"18446744073709551615\"></sst>")
            },
            "texts promised",
            "xl/worksheets/sharedstrings.xml",
        ),
        (
            Book {
                sheet_at: "xl/media/image1.png",
                ..cell(&format!("<t>{}</t>", "a".repeat(20_000)))
            },
            "a text longer than 10000 bytes",
            "xl/media/image1.png",
        ),
        (cell(&run.repeat(25)), "a row longer than 10000 bytes", "sheet1"),
        // What looks like a row's end within a cell is none.
        (
            cell(&format!("<row></row><c/>{run}").repeat(25)),
            "a row longer than 10000 bytes",
            "sheet1",
        ),
        (
            texts(format!("<sst a=\"{}\"></sst>", ">".repeat(20_000))),
            "a text longer than 10000 bytes",
            "strings",
        ),
        (
            texts(format!("<sst><!-- {} --></sst>", "> ".repeat(10_000))),
            "a text longer than 10000 bytes",
            "strings",
        ),
        (
            sheet(&"<row hidden=\"1\"><c><v>1</v></c></row>".repeat(30_000)),
            held,
            "sheet1",
        ),
    ];
    for (book, why, part) in cases {
        let message = told(open(&book.bytes(), limits()));
        assert!(message.contains(why) && message.contains(part), "{message}");
    }
}

/// What takes time and no memory.
#[test]
fn a_workbook_has_no_more_elements_than_a_file_of_its_size() {
    let limits = InputLimits {
        elements: 1000,
        ..limits()
    };
    for of_nothing in ["<row/>", "<row></row>", "<row><c/></row>", "<row><!----></row>"] {
        let message = told(open(&sheet(&of_nothing.repeat(200_000)).bytes(), limits));
        assert!(
            message.contains("elements, far more than a file of its size has") && message.contains("sheet1"),
            "{of_nothing}: {message}"
        );
    }
    // Rows that are all alike but for one text, without the names of their cells: as many elements as a byte can have.
    let alike = |n: u32| {
        format!(
            "<row><c t=\"str\"><v>{n}</v></c>{}</row>",
            "<c t=\"s\"><v>5</v></c>".repeat(15)
        )
    };
    let shared = format!("<sst>{}</sst>", "<si><t>GB</t></si>".repeat(6));
    let book = texts(shared).with_sheet(&(0..5000).map(alike).collect::<String>());
    open(&book.bytes(), limits).expect("a workbook");
}

#[test]
fn a_file_that_two_readers_could_read_in_two_ways_is_no_workbook() {
    let damaged = [
        texts("<sst><!--> --></sst>"),
        texts("<sst><a></b></sst>"),
        texts("<!DOCTYPE sst><sst/>"),
        texts("<?xml version=\"1.0\" encoding=\"UTF-16\"?><sst/>"),
        texts("x<sst/>"),
        texts("<sst>\0</sst>"),
        texts("<sst></sst a='>'>"),
        texts(format!("{}{}", "<a>".repeat(300), "</a>".repeat(300))),
        Book {
            within: "<sheet name=\"B\" id=\"r1\" r:id=\"r2\"/>".to_owned(),
            ..Book::default()
        },
        Book {
            extra: vec![("XL/SharedStrings.xml", b"<sst/>".to_vec())],
            ..Book::default()
        },
        Book {
            extra: vec![("/xl/styles.xml", b"<styleSheet/>".to_vec())],
            ..Book::default()
        },
    ];
    for book in damaged {
        let message = told(open(&book.bytes(), limits()));
        assert!(message.starts_with("bad-workbook: "), "{message}");
    }
    // An archive of which the end says that it has millions of parts.
    let mut bytes = vec![0; 20_000];
    bytes.extend(Book::default().bytes());
    bytes.extend(b"PK\x06\x06");
    for number in [44_u64, 0, 0, 15_000_000, 15_000_000] {
        bytes.extend(number.to_le_bytes());
    }
    let bytes = [b"PK\x03\x04".as_slice(), &bytes].concat();
    let message = told(open(&bytes, limits()));
    assert!(message.contains("more than 20000 parts"), "{message}");
}

#[test]
fn parts_of_a_workbook_that_are_not_read_are_not_weighed() {
    let mut picture = vec![0x89];
    picture.extend(b"<si>".repeat(2_000_000));
    let fine = [
        Book {
            extra: vec![("xl/media/image1.png", picture)],
            ..Book::default()
        },
        texts(
            "\u{feff}<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<!-- > --><sst><si><t><![CDATA[>]]></t></si></sst>",
        ),
        styles(&format!("<cellXfs>{}</cellXfs>", "<xf numFmtId=\"1\"/>".repeat(60))),
        // Capitals, and another place.
        Book {
            extra: vec![("xl/a", Vec::new())],
            dir: "other/",
            sheet_at: "Other/Sheet.XML",
            ..Book::default()
        },
        Book {
            dir: "other/xl/",
            extra: vec![("xl/media/a.bin", Vec::new())],
            ..Book::default()
        },
    ];
    for book in fine {
        open(&book.bytes(), limits()).expect("a workbook");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).expect("room");
    packed.finish().expect("room")
}

fn rest(bytes: Vec<u8>, limits: InputLimits) -> String {
    let input = Input::from_reader("users.csv", Box::new(Cursor::new(bytes)), limits);
    match input.and_then(Input::finish) {
        Ok(digest) => format!("{} rows", digest.rows),
        Err(error) => format!("{}: {error}", error.code),
    }
}

#[test]
fn blank_lines_are_bounded_where_they_follow_each_other() {
    let blank = InputLimits {
        blank_lines: 50,
        ..limits()
    };
    let spread = format!("{}a\n{}x\n{}", "\n".repeat(50), "\r\n".repeat(50), " \n".repeat(50));
    assert_eq!(rest(spread.into_bytes(), blank), "1 rows");
    for text in [
        "\n".repeat(51) + "a\nx\n",
        " \n".repeat(51) + "a\nx\n",
        "a\nx\n".to_owned() + &"\r\n".repeat(51),
        "a,b\nx,y\n".to_owned() + &" ,\n".repeat(51) + "x,y\n",
    ] {
        let ended = rest(text.into_bytes(), blank);
        assert!(
            ended.starts_with("too-large: users.csv: more than 50 blank lines"),
            "{ended}"
        );
    }
}

#[test]
fn a_text_is_bounded_in_columns_cells_and_unzipped_bytes() {
    let wide = |columns: usize| format!("{}\n1\n", vec!["customer"; columns].join(","));
    let row = |cells: usize| format!("a,b\nx{}\n", ",".repeat(cells - 1));
    let cells = InputLimits { cells: 50, ..limits() };
    for (bytes, limits, expected) in [
        (wide(1000).into_bytes(), limits(), "1 rows"),
        (
            wide(1001).into_bytes(),
            limits(),
            "too-large: users.csv: the header has 1001 columns",
        ),
        // Nobody named those.
        (format!("a{}\n1\n", ",".repeat(2000)).into_bytes(), limits(), "1 rows"),
        (row(50).into_bytes(), cells, "1 rows"),
        (
            row(51).into_bytes(),
            cells,
            "record-too-long: users.csv:2:1: the record that begins here has 51 cells",
        ),
        (gzip(&b"a\n".repeat(1_900_000)), limits(), "1899999 rows"),
        (
            gzip(&b"a\n".repeat(2_100_000)),
            limits(),
            "too-large: users.csv: the file unzips to more than 4000000 bytes",
        ),
        (gzip(&b"\n".repeat(4_100_000)), limits(), "too-large"),
    ] {
        let ended = rest(bytes, limits);
        assert!(ended.starts_with(expected), "{ended}");
    }
}

/// Hands out a few bytes at a time.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(self.1);
        self.0.read(&mut into[..most])
    }
}

#[test]
fn the_encoding_of_a_text_does_not_depend_on_its_pieces() {
    let bytes = b"customer,city\nalpen.onmicrosoft.[om\xff\xff\xff\x84y2\n".to_vec();
    let read = |most| {
        let pieces = Pieces(Cursor::new(bytes.clone()), most);
        let mut input = Input::from_reader("users.csv", Box::new(pieces), limits()).expect("a text");
        format!("{:?}", input.read_block(10).expect("rows"))
    };
    for most in 1..40 {
        assert_eq!(read(most), read(1000), "{most}");
    }
}
